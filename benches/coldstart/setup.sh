#!/bin/sh
# Makes what the cold start bench compares with, in target/coldstart: the Node bundle and the Python environment.
# Needs Node 20, npm and Python 3.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
made=$here/../../target/coldstart
rm -rf "$made"
mkdir -p "$made/node" "$made/python"

cp "$here"/node/* "$made/node/"
cd "$made/node"
npm ci --no-audit --no-fund --loglevel=error
# Top-level await needs ESM, and the SDK's CommonJS parts need a `require`.
npx esbuild index.mjs --bundle --minify --platform=node --target=node20 --format=esm --outfile=bundle.mjs \
    --banner:js='import{createRequire}from"node:module";const require=createRequire(import.meta.url);'

python3 -m venv "$made/python"
"$made/python/bin/pip" install --quiet --disable-pip-version-check -r "$here/python/requirements.txt"
cp "$here/python/handler.py" "$made/python/"
