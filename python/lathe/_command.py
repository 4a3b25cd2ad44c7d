# SPDX-License-Identifier: Apache-2.0
"""The `lathe` command: the program that the package carries."""
import os
import pathlib
import sys


def main():
    program = pathlib.Path(__file__).parent / "bin" / "lathe"
    os.execv(program, ["lathe", *sys.argv[1:]])
