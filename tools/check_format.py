#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that every C++ source is as clang-format 14 writes it.

    tools/check_format.py [--fix] [FILES]     all sources when no file is named

Exits 1 and names each file that differs; with --fix, rewrites the files. Exits 77 (skipped) when
clang-format 14 is not installed: another version would disagree about details.
"""
import argparse
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys

VERSION = 14
SUFFIXES = (".h", ".cpp", ".cu", ".cuh")


def find_clang_format():
    for name in (f"clang-format-{VERSION}", "clang-format"):
        path = shutil.which(name)
        if path is None:
            continue
        told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        if f"version {VERSION}." in told.stdout:
            return path
    return None


def sources(root):
    listing = subprocess.run(["git", "-C", str(root), "ls-files"], capture_output=True, text=True,
                             check=True)
    return [name for name in listing.stdout.splitlines()
            if name.endswith(SUFFIXES) and (root / name).is_file()]


def difference(tool, root, name):
    """The first line of a file that clang-format would change, or None."""
    done = subprocess.run([tool, name], cwd=root, capture_output=True, check=True)
    written = (root / name).read_bytes().split(b"\n")
    wanted = done.stdout.split(b"\n")
    if written == wanted:
        return None
    pairs = enumerate(zip(written, wanted), 1)
    number = next((k for k, (a, b) in pairs if a != b), min(len(written), len(wanted)))
    return f"{name}:{number}: clang-format would write it differently"


def check(tool, root, files):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        lines = [line for line in pool.map(lambda f: difference(tool, root, f), files) if line]
    if lines:
        print("\n".join(lines))
        print(f"{len(lines)} of {len(files)} files; tools/check_format.py --fix rewrites them")
        return 1
    print(f"{len(files)} files are as clang-format {VERSION} writes them")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="rewrite the files")
    parser.add_argument("files", nargs="*", help="default: every source that git tracks")
    options = parser.parse_args()
    tool = find_clang_format()
    if tool is None:
        print(f"skipped: clang-format {VERSION} is not installed (tools/setup.sh installs it)")
        return 77
    root = pathlib.Path(__file__).resolve().parent.parent
    files = [str(pathlib.Path(f).resolve()) for f in options.files] or sources(root)
    if options.fix:
        return subprocess.run([tool, "-i", *files], cwd=root, check=False).returncode
    return check(tool, root, files)


if __name__ == "__main__":
    sys.exit(main())
