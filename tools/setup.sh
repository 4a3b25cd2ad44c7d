#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian or Ubuntu packages that building and testing Lathe needs; does nothing when
# they are there. Runs as root, or through sudo. Says what it will do before it does it.
#
#   tools/setup.sh            install what is missing
#   tools/setup.sh --build    only what building takes, without the tests' tools
#   tools/setup.sh --check    only say what is missing; exit 1 if anything is; also with --build
set -eu

tests=yes check=no
for option in "$@"; do
  case "$option" in
    --build) tests=no ;;
    --check) check=yes ;;
    *) echo "setup: unknown option $option" >&2; exit 2 ;;
  esac
done

# One line for each use. The names are those of Debian 12 and of Ubuntu 24.04.
packages="
  build-essential g++ cmake ninja-build ccache pkg-config
  libdnnl-dev libhwy-dev
  libprotobuf-dev protobuf-compiler
  libflatbuffers-dev flatbuffers-compiler libxxhash-dev
  libfmt-dev libspdlog-dev
  libcli11-dev nlohmann-json3-dev libpng-dev libjpeg-dev
  python3 python3-venv python3-dev
"
[ "$tests" = no ] || packages="$packages git libgtest-dev clang-format-14 clang-tidy-14 libomp-14-dev"

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "setup: this is not a Debian or Ubuntu machine; install the equivalents of:$packages" >&2
  echo "setup: continuing, CMake will name what it does not find" >&2
  exit 0
fi

installed=" $(dpkg-query -W -f='${db:Status-Status}:${Package} ' 2>/dev/null) "
missing=""
for package in $packages; do
  case "$installed" in
    *" installed:$package "*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if [ "$check" = yes ]; then
  echo "setup: missing packages:$missing"
  echo "setup: as root, run: apt-get install --no-install-recommends$missing"
  exit 1
fi

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: these packages are missing, and neither root nor sudo is at hand:$missing" >&2
    echo "setup: as root, run: apt-get install$missing" >&2
    exit 3
  fi
  as_root="sudo"
fi

echo "setup: about to run, as root:"
echo "setup:   apt-get update"
echo "setup:   apt-get install --no-install-recommends$missing"
$as_root apt-get -q -o Acquire::Retries=3 update ||
  echo "setup: apt-get update failed; trying with the package lists at hand" >&2
# shellcheck disable=SC2086  # $missing is a list
$as_root env DEBIAN_FRONTEND=noninteractive \
  apt-get -q -y -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
  install --no-install-recommends $missing </dev/null
echo "setup: done"
