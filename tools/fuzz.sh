#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes everything that reads bytes with libFuzzer, under AddressSanitizer and UBSan.
#
#   tools/fuzz.sh [SECONDS] [TARGETS]     60 s each; by default all: onnx definition graph expr engine tensor picture
#
# Needs clang-14 and libclang-rt-14-dev, and the seeds that `./test -R fuzz` writes. What it finds lies
# in build-fuzz/found; put it into fuzz/found/TARGET, where ./test runs it for ever, and fix it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-60}
[ $# -gt 0 ] && shift
targets=${*:-onnx definition graph expr engine tensor picture}
seeds=build/fuzz/seeds
if [ ! -d $seeds ]; then
  echo "fuzz: $seeds is not there; run ./test -R fuzz first" >&2
  exit 2
fi
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
mkdir -p build-fuzz/found
failed=""
for target in $targets; do
  mkdir -p "build-fuzz/corpus/$target"
  echo "== $target"
  build-fuzz/fuzz/fuzz_"$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="build-fuzz/found/$target-" -verbosity=0 -print_final_stats=1 \
    "build-fuzz/corpus/$target" "$seeds/$target" || failed="$failed $target"
done
[ -z "$failed" ] || { echo "fuzz: found something in:$failed" >&2; exit 1; }
