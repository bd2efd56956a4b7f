#!/usr/bin/env bash
# Which lines of src/protocol are run: by its unit tests, by the tests through the router, by the inputs in fuzz/corpus.
# `.ci/coverage.sh [TEST…]` prints the table, and the lines that nothing runs; without TEST the second column is all of
# tests/it. Needs the component llvm-tools of the toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

target_dir=${CARGO_TARGET_DIR:-$PWD/target}
out=$target_dir/coverage
tools=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
mkdir -p "$out"
rm -f "$out"/*.profraw "$out"/*.lcov

# This package alone is instrumented: its dependencies are those of any other build.
printf '#!/bin/sh\nexec "$@" -C instrument-coverage\n' >"$out/rustc"
chmod +x "$out/rustc"
export RUSTC_WORKSPACE_WRAPPER=$out/rustc

# The program of the tests $@.
program() {
    cargo test --locked --no-run --message-format=json-render-diagnostics "$@" |
        python3 -c 'import json, sys
print([json.loads(line) for line in sys.stdin if "\"executable\":\"" in line][-1]["executable"])'
}

# Runs program $2 as column $1 of the table, with the arguments that follow.
column() {
    local name=$1 program=$2
    shift 2
    LLVM_PROFILE_FILE=$out/$name-%m-%p.profraw "$program" --quiet "$@" >"$out/$name.log" || {
        tail -n 40 "$out/$name.log" >&2
        return 1
    }
    "$tools/llvm-profdata" merge -sparse -o "$out/$name.profdata" "$out/$name"-*.profraw
    "$tools/llvm-cov" export -format=lcov -instr-profile "$out/$name.profdata" "$program" "$PWD/src/protocol" \
        >"$out/$name.lcov" 2>/dev/null
}

unit=$(program --lib --no-default-features)
it=$(program --test it)
column unit "$unit" protocol::
column it "$it" "$@" --skip fuzz::
column fuzz "$it" fuzz::
python3 .ci/coverage_table.py unit="$out/unit.lcov" it="$out/it.lcov" fuzz="$out/fuzz.lcov"
