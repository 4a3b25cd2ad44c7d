#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that no LATHE_TRY stands behind another element of a braced list.

    tools/check_try.py [ROOT]

When LATHE_TRY returns from within the braces, neither GCC nor clang destroys the elements made
before it: an aggregate or an initializer_list whose elements own memory leaks them. Arguments
between parentheses are destroyed. Prints one line for each and exits 1 if there is one.
"""
import pathlib
import re
import sys

# What stands before the '{' of a block: the end of a condition or of a signature.
BLOCK = re.compile(r"(\)|\b(const|noexcept|override|final|mutable|else|do|try)|[;}:]|^)\s*$"
                   r"|->[^;{}()=]*$|\b(struct|class|enum|union|namespace)\b[^;{}()=]*$")
SKIPPED = re.compile(r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
                     r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|^[ \t]*#(?:\\\n|[^\n])*",
                     re.DOTALL | re.MULTILINE)


def blank(match):
    """As many characters and lines, so that positions stay."""
    return re.sub(r"[^\n]", " ", match.group())


def opens_block(before, open_brackets):
    """Whether a '{' after this text opens a block, not a list; one that opens another is alike."""
    if before.rstrip().endswith("{"):
        return open_brackets[-1][1]
    return BLOCK.search(before) is not None


def misplaced(text):
    """Positions of each LATHE_TRY with an element before it in the same braces."""
    text = SKIPPED.sub(blank, text)
    open_brackets = []  # [bracket, is a block, a comma seen]
    for token in re.finditer(r"[(){}\[\];,]|\bLATHE_TRY\b", text):
        word, at = token.group(), token.start()
        if word in "([{":
            block = word == "{" and opens_block(text[max(0, at - 300):at], open_brackets)
            open_brackets.append([word, block, False])
        elif word in ")]}":
            if open_brackets:
                open_brackets.pop()
        elif word == "," and open_brackets:
            open_brackets[-1][2] = True
        elif word == "LATHE_TRY":
            for bracket, block, comma in reversed(open_brackets):
                if block:
                    break
                if bracket == "{" and comma:
                    yield at
                    break


def files_of(root):
    for top in ("include", "src", "cli", "examples", "python", "tests", "fuzz", "bench"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix in (".h", ".cpp"):
                yield file


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    problems, count = [], 0
    for file in files_of(root):
        text = file.read_text(errors="replace")
        for at in misplaced(text):
            line = text.count("\n", 0, at) + 1
            problems.append(f"{file.relative_to(root)}:{line}: LATHE_TRY behind another element of "
                            "a braced list leaks that element: take its value before the list")
        count += 1
    print("\n".join(problems) if problems else f"{count} files keep LATHE_TRY out of braced lists")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
