#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks how large files, functions and lines are (CONTRIBUTING, Sizes).

    tools/check_sizes.py [--warnings] [ROOT]

Fails on a file above 800 lines. Everything else is a warning, counted in the summary and listed
with --warnings: a file above 500 lines, a function above 80, a signature with more than 6
parameters, a line above 100 columns, and medians above their aims.
"""
import argparse
import pathlib
import re
import statistics
import subprocess
import sys

CODE = {".h", ".cpp", ".cu", ".cuh", ".py", ".sh", ".cmake"}
CPP = {".h", ".cpp", ".cu", ".cuh"}
FILE_FAIL, FILE_WARN, FILE_MEDIAN = 800, 500, 130
FUNCTION_WARN, FUNCTION_MEDIAN = 80, 8
PARAMETERS_WARN, COLUMNS = 6, 100

# A definition that starts a function body: clang-format puts its '{' at the end of the line and
# its '}' alone in the column where the definition began.
NOT_A_FUNCTION = re.compile(r"^((namespace|struct|class|enum|union|extern|using|if|for|while|"
                            r"switch|else|do|return)\b|#|//|\})")


def tracked(root):
    """Files that git knows or would add, so that ignored build folders do not count."""
    listing = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                             capture_output=True, text=True, check=True)
    for name in listing.stdout.splitlines():
        file = root / name
        if file.suffix in CODE and file.is_file():
            yield file


def functions(lines):
    """(first line, lines, signature) of each C++ function at namespace or class level."""
    start, end, signature = None, "", ""
    for index, line in enumerate(lines):
        if start is not None:
            if line.rstrip() in (end, end + ";", end + ")"):
                yield start + 1, index - start + 1, signature
                start = None
        elif line.rstrip().endswith("{"):
            first, text = definition(lines, index)
            indent = len(lines[first]) - len(lines[first].lstrip())
            if "(" in text and indent <= 2 and not NOT_A_FUNCTION.match(text):
                start, end, signature = first, " " * indent + "}", text


def definition(lines, index):
    """The line where the signature that ends at `index` begins, and its text on one line."""
    text = ""
    for first in range(index, max(-1, index - 12), -1):
        text = lines[first].strip() + " " + text
        if text.count("(") == text.count(")"):
            return first, text
    return index, lines[index].strip()


def parameters(signature):
    """How many parameters stand in the first parentheses."""
    depth, count, seen = 0, 0, False
    for c in signature[signature.find("("):]:
        depth += c in "(<[{"
        depth -= c in ")>]}"
        if depth == 0:
            break
        seen = seen or (depth >= 1 and c not in "( \t")
        count += depth == 1 and c == ","
    return count + 1 if seen else 0


def check(file, name, report):
    lines = file.read_text(errors="replace").splitlines()
    if len(lines) > FILE_FAIL:
        where = f"{name}:{FILE_FAIL + 1}"
        report["errors"].append(f"{where}: {len(lines)} lines, at most {FILE_FAIL}")
    elif len(lines) > FILE_WARN:
        report["warnings"].append(f"{name}:{FILE_WARN + 1}: {len(lines)} lines, aim {FILE_WARN}")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS and "http" not in line:
            report["warnings"].append(f"{name}:{number}: {len(line)} columns, aim {COLUMNS}")
    report["files"].append(len(lines))
    if file.suffix not in CPP:
        return
    for number, length, signature in functions(lines):
        report["functions"].append(length)
        if length > FUNCTION_WARN:
            report["warnings"].append(f"{name}:{number}: function of {length} lines, "
                                      f"aim {FUNCTION_WARN}")
        if parameters(signature) > PARAMETERS_WARN:
            report["warnings"].append(f"{name}:{number}: {parameters(signature)} parameters, "
                                      f"aim {PARAMETERS_WARN}")


def summarize(values, what, aim):
    if not values:
        return
    ordered = sorted(values)
    median, p95 = statistics.median(ordered), ordered[int(0.95 * (len(ordered) - 1))]
    note = f" (aim: median {aim})" if median > aim else ""
    print(f"{len(values)} {what}: median {median:.0f} lines, p95 {p95}, longest {ordered[-1]}{note}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warnings", action="store_true", help="list the warnings")
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).parent.parent)
    options = parser.parse_args()
    root = pathlib.Path(options.root).resolve()
    report = {"errors": [], "warnings": [], "files": [], "functions": []}
    for file in tracked(root):
        check(file, file.relative_to(root), report)
    for line in report["errors"] + (report["warnings"] if options.warnings else []):
        print(line)
    summarize(report["files"], "files", FILE_MEDIAN)
    summarize(report["functions"], "functions", FUNCTION_MEDIAN)
    print(f"{len(report['errors'])} errors, {len(report['warnings'])} warnings")
    return 1 if report["errors"] else 0


if __name__ == "__main__":
    sys.exit(main())
