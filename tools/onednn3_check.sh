#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the CPU backend against oneDNN 3 and runs its tests and the conformance cases. Debian 12 has
# oneDNN 2, whose descriptors differ (src/backends/cpu/dnnl/dnnl_shim.cpp); Ubuntu 24.04 has 3.
# Takes 3.2 over libgomp from PyPI, into build-onednn3; arguments go to CTest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=build-onednn3 wheels=$PWD/build-onednn3/wheels
if [ ! -f "$wheels/complete" ]; then
  mkdir -p "$wheels"
  python3 -m venv "$wheels/venv"
  "$wheels/venv/bin/python" -m pip download --disable-pip-version-check --quiet --no-deps \
    --dest "$wheels" onednn-devel-cpu-gomp==2023.2.0 onednn-cpu-gomp==2023.2.0
  for wheel in "$wheels"/*.whl; do python3 -m zipfile -e "$wheel" "$wheels"; done
  touch "$wheels/complete"
fi
cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DLATHE_TESTS=ON \
  -DDNNL_INCLUDE_DIR="$(echo "$wheels"/onednn_devel*.data/data/include)" \
  -DDNNL_LIBRARY="$(echo "$wheels"/onednn_cpu*.data/data/lib/libdnnl.so.3)"
cmake --build $build --target cpu_test conformance_test
cd $build
exec ctest --output-on-failure -R '^(cpu|conformance)' "$@"
