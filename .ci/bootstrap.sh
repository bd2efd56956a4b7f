#!/usr/bin/env bash
# Compiles the functions' program as it is deployed, for $1 (x86_64 or arm64), and checks it: its size, the newest glibc it
# needs, and that the engine and the command line are not in it. arm64 is compiled by cargo lambda with zig, from the
# environment $2 of requirements-build.txt. Prints what it found; the program is target/ci-bootstrap-$1.
set -euo pipefail
cd "$(dirname "$0")/.."
architecture=$1
program=target/ci-bootstrap-$architecture

case $architecture in
x86_64)
    cargo build --release --locked --no-default-features --features lambda --bin bootstrap
    cp target/release/bootstrap "$program"
    ;;
arm64)
    PATH="$2/bin:$PATH" cargo lambda build --release --locked --no-default-features --features lambda --bin bootstrap --arm64
    cp target/lambda/bootstrap/bootstrap "$program"
    ;;
*) echo "no architecture '$architecture'"; exit 2 ;;
esac

python3 - "$program" "$architecture" <<'PY'
import pathlib, re, sys, zlib

program, architecture = sys.argv[1:]
content = pathlib.Path(program).read_bytes()
# What a zip file holds of it, less some 150 bytes of names.
packed = len(zlib.compress(content, 9))
glibc = max(tuple(map(int, version)) for version in re.findall(rb"GLIBC_(\d+)\.(\d+)", content))
print(f"bootstrap for {architecture}: {len(content) / 1e6:.2f} MB, {packed / 1e6:.2f} MB packed, glibc {glibc[0]}.{glibc[1]}")

problems = []
if len(content) > 9_000_000:
    problems.append("larger than 9 MB")
if packed > 4_000_000:
    problems.append("larger than 4 MB packed")
if glibc > (2, 34):
    problems.append("provided.al2023 has glibc 2.34")
# Texts that each of them cannot do without, and one that must be there, so that the search is known to work.
absent = {"the embedded engine": b"dynoxide", "SQLite": b"SQLite format 3", "the command line": b"Usage:", "aws-lc": b"AWS-LC",
          "hyper 0.14": b"hyper-0.14", "h2 0.3": b"h2-0.3", "rustls 0.21": b"rustls-0.21"}
problems += [f"{name} is in it" for name, text in absent.items() if text in content]
if b"TransactWriteItems" not in content:
    problems.append("TransactWriteItems is not in it: is this the program?")
if problems:
    sys.exit("; ".join(problems))
PY
