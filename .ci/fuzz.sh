#!/usr/bin/env bash
# Fuzzes each target from the inputs in fuzz/corpus: `.ci/fuzz.sh [SECONDS [TARGET…]]`, 5 seconds each and all targets if
# nothing is said. Needs a C++ compiler, not cargo-fuzz, which works beside it. With PROTOCOL=1 it compiles `protocol`
# alone and runs the targets that need no more. With KEEP=1 what a run adds to the coverage is kept: fuzz/corpus is
# written anew.
#
# No sanitizer: `unsafe` is forbidden here, and the pinned toolchain needs no nightly then. SANITIZER=address
# TOOLCHAIN=+nightly looks into the dependencies, too.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-5}
shift || true
host=$(rustc -vV | sed -n 's/^host: //p')
target_dir=${CARGO_TARGET_DIR:-$PWD/fuzz/target}
features=()
targets=("$@")
if [ -n "${PROTOCOL:-}" ]; then
    features=(--no-default-features)
    [ $# -gt 0 ] || targets=(filter path patch bulk)
elif [ $# -eq 0 ]; then
    targets=(filter path patch bulk cursor query event)
fi

# What `cargo fuzz build` sets, without a sanitizer.
flags=(-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0
    -Ccodegen-units=1 -Cdebug-assertions --cfg fuzzing)
[ -z "${SANITIZER:-}" ] || flags+=("-Zsanitizer=$SANITIZER")

start=$SECONDS
# shellcheck disable=SC2086 # no toolchain is no word
RUSTFLAGS="${flags[*]}" cargo ${TOOLCHAIN:-} build --locked --release --manifest-path fuzz/Cargo.toml --target "$host" \
    --target-dir "$target_dir" "${features[@]}" "${targets[@]/#/--bin=}"
echo "built in $((SECONDS - start)) s"

failed=()
for target in "${targets[@]}"; do
    program=$target_dir/$host/release/$target
    corpus=$target_dir/corpus/$target
    artifacts=fuzz/artifacts/$target
    mkdir -p "$artifacts"
    .ci/fuzz_corpus.py unpack "$target" "$corpus"
    log=$target_dir/$target.log
    "$program" -max_total_time="$seconds" -dict="fuzz/dictionaries/$target.dict" -timeout=10 -rss_limit_mb=4096 \
        -print_final_stats=1 -artifact_prefix="$artifacts/" "$corpus" 2>"$log" || failed+=("$target")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    echo "$target: ${runs:-0} executions, ${rate:-0} a second, edges ${edges#cov: }"
    if [ -n "${KEEP:-}" ]; then
        rm -rf "$corpus.min"
        mkdir "$corpus.min"
        "$program" -set_cover_merge=1 "$corpus.min" "$corpus" 2>/dev/null
        .ci/fuzz_corpus.py pack "$target" "$corpus.min"
    fi
done
for target in "${failed[@]}"; do
    echo "FAILED: $target; the end of $target_dir/$target.log:" >&2
    tail -n 40 "$target_dir/$target.log" >&2
done
[ ${#failed[@]} -eq 0 ]
