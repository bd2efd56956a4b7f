#!/usr/bin/env bash
# scim2-tester against the running program: create, query, search, replace, patch and delete of every attribute that
# /Schemas serves, as an independent client sees it. Fails on any error. $1 is the folder of a Python environment.
set -euo pipefail
cd "$(dirname "$0")/.."

log=$(mktemp)
SCIM_TOKEN=conformance target/debug/scimlet serve --in-memory --listen 127.0.0.1:0 >"$log" 2>/dev/null &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 100); do
    url=$(sed -n 's/^SCIM base URL *//p' "$log")
    [ -n "$url" ] && break
    sleep 0.1
done
[ -n "$url" ] || { echo "the server does not start"; exit 1; }

report=target/ci-conformance.txt
SCIM_CLI_HEADERS='Authorization: Bearer conformance' timeout 300 "$1/bin/scim2" --url "$url" test >"$report" || true
echo "scim2-tester: $(grep -c '^SUCCESS' "$report") checks passed, $(grep -c '^ERROR\|^CRITICAL' "$report") failed"
if grep -q '^ERROR\|^CRITICAL' "$report" || ! grep -q '^SUCCESS' "$report"; then
    grep -A2 '^ERROR\|^CRITICAL' "$report" || cat "$report"
    exit 1
fi
