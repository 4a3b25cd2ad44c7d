#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The example that opens include/lathe/lathe.h compiles as it stands, without a warning."""
import os
import pathlib
import subprocess
import sys
import tempfile

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "include"
BEFORE = """#include "lathe/lathe.h"
int fail(const lathe::Status& status);
int example(const std::vector<float>& pixels) {
"""
AFTER = """  return static_cast<int>(y.elements());
}
"""


def main():
    lines = (INCLUDE / "lathe" / "lathe.h").read_text("ascii").splitlines()
    example = [line.removeprefix("//") for line in lines if line.startswith("//   ")]
    if len(example) != 10:
        sys.exit(f"the example has {len(example)} lines, expected 10")
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "example.cpp"
        source.write_text(BEFORE + "\n".join(example) + "\n" + AFTER, "ascii")
        subprocess.run([os.environ.get("CXX", "c++"), "-std=c++20", "-fsyntax-only", "-Wall",
                        "-Wextra", "-Werror", f"-I{INCLUDE}", source], check=True)


main()
