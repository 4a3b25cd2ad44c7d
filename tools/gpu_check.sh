#!/usr/bin/env bash
# Checks the CUDA backend on a machine with a GPU that has none of Lathe's dependencies.
#
#   tools/gpu_check.sh bundle BUILD FOLDER   here: tests, shared libraries and cases of BUILD
#   FOLDER/gpu_check.sh run [SECONDS]        there: what is not done yet, for at most SECONDS (480)
#   FOLDER/gpu_check.sh networks [SECONDS]   there: every network in FOLDER/models against ONNX Runtime
#   FOLDER/gpu_check.sh memcheck [SECONDS]   there: a part of the cases under compute-sanitizer
#
# Networks are ONNX files laid into FOLDER/models by hand (or linked: MODELS=folder), NAME.onnx.
# `run` works in slices, each in its own process, and notes every slice that passed in
# FOLDER/done: call it again to go on. It fails when a slice failed, and prints what that said.
set -euo pipefail

slices=${LATHE_SLICES:-32}

bundle() {
  local build=$1 folder=$2 binary
  rm -rf "$folder"
  mkdir -p "$folder/bin" "$folder/lib" "$folder/cases"
  for binary in tests/cuda/cuda_conformance_test tests/cuda/cuda_compile_test src/cuda_test \
    tests/api/stream_test tests/custom/custom_gpu_test cli/lathe; do
    [[ -f $build/$binary ]] || continue
    cp "$build/$binary" "$folder/bin/"
    # Beside the C and C++ runtimes, which every machine has its own of.
    ldd "$build/$binary" | awk '$3 ~ /^\// {print $3}' |
      { grep -vE '/(ld-linux|libc|libm|libdl|librt|libpthread|libstdc\+\+|libgcc_s)[.-]' || true; } |
      xargs -r cp -n -L -t "$folder/lib"
  done
  cp "$build"/tests/custom/lib{gpu,odd}_plugin.so "$(dirname "$0")"/../examples/snake.json "$folder/"
  strip "$folder"/bin/* "$folder"/lib/* 2>/dev/null || true
  cp "$(dirname "$0")"/../src/ops/*.cases "$folder/cases/"
  cp "$(dirname "$0")"/../examples/models/digits.onnx "$folder/"
  cp "$0" "$folder/gpu_check.sh"
  cp "$(dirname "$0")/gpu_networks.py" "$folder/"
  du -sh "$folder"
}

prepare() {
  cd "$(dirname "$0")"
  mkdir -p done logs
  export LD_LIBRARY_PATH=$PWD/lib:${LD_LIBRARY_PATH:-} LATHE_CASES=$PWD/cases
  export LATHE_DEMO_MODELS=$PWD LATHE_CUSTOM_FILES=$PWD OMP_NUM_THREADS=1
  deadline=$((SECONDS + ${1:-480}))
}

# slice NAME COMMAND...: runs it unless it has passed before.
slice() {
  local name=$1
  shift
  [[ -f done/$name ]] && return 0
  local left=$((deadline - SECONDS))
  ((left > 5)) || return 3
  if timeout "$left" "$@" >"logs/$name" 2>&1; then
    touch "done/$name"
  else
    return 1
  fi
}

# all COMMAND...: every slice of the cases, as many at a time as there are processors.
all() {
  local k failed=0
  for ((k = 0; k < slices; ++k)); do
    while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || true; done
    LATHE_SHARD=$k/$slices slice "$1-$k" "${@:2}" &
  done
  wait
  for ((k = 0; k < slices; ++k)); do [[ -f done/$1-$k ]] || failed=$((failed + 1)); done
  grep -hE '^WRONG|^  Step|error' logs/"$1"-* | sort | uniq | head -40 || true
  echo "$1: $((slices - failed)) of $slices slices passed"
  return $((failed > 0))
}

totals() {
  grep -hE '^[a-z0-9_]+ +ran' logs/conformance-* | awk '{ran[$1] += $3; no[$1] += $5; off[$1] += $7
    bad[$1] += $9; if ($12 > used[$1]) used[$1] = $12}
    END {for (t in ran) printf "%-26s ran %6d declined %6d refused %5d wrong %4d bound used %.2f\n",
         t, ran[t], no[t], off[t], bad[t], used[t]}' | sort
}

# network NAME FILE: in FP32, TF32, BF16 and FP16, each to its own bound.
network() {
  local mode least options
  for mode in fp32 fp16 bf16 tf32; do
    [[ " ${MODES:-fp32 fp16 bf16 tf32} " == *" $mode "* ]] || continue
    options="--$mode" least=0.999
    [[ $mode == fp32 ]] && options="" least=0.99999
    [[ $mode == fp16 ]] && least=0.9999
    # shellcheck disable=SC2086
    slice "network-$1-$mode" python3 gpu_networks.py bin/lathe "$2" $least --device cuda \
      --timing-cache none $options || echo "FAILED $1 $mode"
    tail -n 4 "logs/network-$1-$mode" 2>/dev/null || true
  done
}

case ${1:-} in
  bundle) bundle "$2" "$3" ;;
  run)
    prepare "${2:-480}"
    failed=0
    slice cuda_test bin/cuda_test || { failed=1; grep -E 'FAILED|Failure|what' logs/cuda_test | head -20 || true; }
    slice stream_test bin/stream_test || { failed=1; grep -E 'FAILED|Failure' logs/stream_test | head -20 || true; }
    slice custom_gpu_test bin/custom_gpu_test || { failed=1; grep -E 'FAILED|Failure' logs/custom_gpu_test | head -20 || true; }
    all conformance bin/cuda_conformance_test || failed=1
    LATHE_ALL_GPUS=1 all compile bin/cuda_compile_test || failed=1
    totals
    exit $failed
    ;;
  networks)
    prepare "${2:-480}"
    for file in "${MODELS:-models}"/*.onnx; do
      while (($(jobs -rp | wc -l) >= ${JOBS:-4})); do wait -n || true; done
      network "$(basename "$file" .onnx)" "$file" &
    done
    wait
    ;;
  memcheck)
    prepare "${2:-480}"
    # A question about a host pointer is an API error to it, and none of ours.
    LATHE_SHARD=${LATHE_SHARD:-5/64} slice memcheck compute-sanitizer --report-api-errors no \
      --error-exitcode 9 bin/cuda_conformance_test || { tail -40 logs/memcheck; exit 1; }
    tail -3 logs/memcheck
    ;;
  *)
    sed -n '2,13p' "$0"
    exit 2
    ;;
esac
