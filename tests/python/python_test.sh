#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# python_test.sh PYTHON SOURCE BUILD [PYTEST ARGUMENTS]: installs the package into an environment
# beneath BUILD, one for each version of Python, and runs python/tests there. What pip downloads is
# kept in the environment from one run to the next.
set -eu
python=$1 source=$2 build=$3
shift 3
venv=$build/venv-$("$python" -c "import sys; print(*sys.version_info[:2], sep='.')")
tools="scikit-build-core nanobind numpy pytest onnx ml_dtypes mypy"
tools="$tools polygraphy==0.53.6 onnxruntime onnx_graphsurgeon"  # clients that test_polygraphy.py runs
if [ "$(cat "$venv/complete" 2>/dev/null)" != "$tools" ]; then
  rm -rf "$venv"
  "$python" -m venv "$venv"
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check $tools; then
    if "$venv/bin/pip" download --quiet --no-deps --dest "$venv" numpy; then exit 1; fi
    echo "python_test: skipped, no package index is in reach"
    exit 77
  fi
  echo "$tools" >"$venv/complete"
fi
# From outside the sources, so that what is imported is what was installed.
cd "$build"
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
  --config-settings=cmake.define.LATHE_BUILD="$build" \
  --config-settings=build-dir="$build/python/{wheel_tag}" "$source"
LATHE_SNAKE_PLUGIN=$build/tests/custom/libsnake_plugin.so LATHE_SOURCE=$source exec "$venv/bin/python" -m pytest -q -p no:cacheprovider \
  -c "$source/pyproject.toml" --rootdir "$source" "$source/python/tests" "$@"
