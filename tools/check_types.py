#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that no two types have one name.

    tools/check_types.py [ROOT]

Two classes of one name in one namespace, in files that never meet, compile and link: the linker
then keeps one std::vector<Name> for both, and elements of the other class are not destroyed, or
worse. Types in an anonymous namespace, or inside another type, are apart. Prints one line for each
and exits 1 if there is one.
"""
import collections
import pathlib
import re
import sys

FOLDERS = ("include", "src", "cli", "tests")
SKIPPED = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                     r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'", re.DOTALL)
MARK = re.compile(r"\bnamespace\b\s*([\w:]*)\s*\{"
                  r"|(?<!enum )\b(?:struct|class|enum|enum class|union)\s+(?:\[\[\w+\]\]\s*)?"
                  r"([\w:]+)(?:\s+final)?(?:\s*:[^;{}()]*)?\s*\{|[{}]")


def types_in(text):
    """Full names of the types that the text defines in named namespaces."""
    text = SKIPPED.sub(" ", text)
    names, scopes = [], []
    for mark in MARK.finditer(text):
        if mark[0] == "}":
            scopes = scopes[:-1]
        elif mark[2]:
            if all(scopes):  # only namespaces with a name around it
                names.append("::".join([*scopes, mark[2]]))
            scopes.append("")
        else:
            scopes.append(mark[1] or "")
    return names


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__).resolve()
    root = root if root.is_dir() else root.parent.parent
    where = collections.defaultdict(list)
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cpp"):
                for name in types_in(path.read_text()):
                    where[name].append(path.relative_to(root))
    twice = {name: paths for name, paths in where.items() if len(set(paths)) > 1}
    for name, paths in sorted(twice.items()):
        print(f"{paths[1]}: {name} is defined in {paths[0]}, too")
    if not twice:
        print(f"{len(where)} types, each of a name of its own")
    return 1 if twice else 0


sys.exit(main())
