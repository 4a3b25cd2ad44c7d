#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks every #include against tools/layers.txt.

    tools/check_layers.py [ROOT]

Prints one line for each include that crosses a layer upwards and exits 1 if there is one.
Modules are folders of src/, the folder include/, and the clients cli, python and server.
tests/, bench/ and fuzz/ may include anything.
"""
import pathlib
import re
import sys

SOURCES = {".h", ".cpp", ".cu", ".cuh", ".inc", ".def"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')


def read_layers(path):
    """{module: modules it may include}, {library header prefix: modules that may include it}."""
    layers, libraries = {}, {}
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        name, colon, allowed = line.partition(":")
        where = f"{path.name}:{number}"
        if not colon:
            sys.exit(f"{where}: expected 'module: modules'")
        for module in allowed.split():
            if module not in layers:
                sys.exit(f"{where}: {name} names {module}, which is not above it in the list")
        if name.startswith("<"):
            libraries[name.strip("<>")] = set(allowed.split())
        else:
            layers[name] = set(allowed.split())
    return layers, libraries


def module_of(path, layers):
    """The module of a file named relative to src/ or the root; None outside every module."""
    folders = path.split("/")[:-1]
    for length in range(len(folders), 0, -1):
        module = "/".join(folders[:length])
        if module in layers:
            return module
    return None


def library_of(header, libraries):
    """The entry of a listed library's header, or None."""
    for library in libraries:
        if header == library or header.startswith(library + "/"):
            return library
    return None


def check_library(module, header, libraries):
    in_c = header in ("stddef.h", "stdint.h")  # of lathe/plugin.h, which is C
    if module == "include" and ("/" in header or header.endswith(".h")) and not in_c:
        return f"include may only include the standard library, not <{header}>"
    library = library_of(header, libraries)
    if library is not None and module not in libraries[library]:
        return f"{module} may not include <{header}>"
    return None


def check_own(root, module, file, header, layers):
    if header.startswith("lathe/") and (root / "include" / header).exists():
        target = "include"
    elif (file.parent / header).exists() and not (root / "src" / header).exists():
        target = module
    else:
        target = module_of(header, layers)
    if target is None:
        return f'"{header}" is in no module of layers.txt'
    if target != module and target not in layers[module]:
        return f"{module} may not include {target}"
    return None


def check_file(root, file, module, layers, libraries):
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        bracket, header = found.groups()
        # Some libraries (Highway) want quotes.
        is_library = bracket == "<" or library_of(header, libraries) is not None
        problem = (check_library(module, header, libraries) if is_library else
                   check_own(root, module, file, header, layers))
        if problem:
            yield f"{file.relative_to(root)}:{number}: {problem}"


def files_of(root):
    """(file, path that names its module) of every source file."""
    for top in ("src", "include", "cli", "python", "server"):
        for file in sorted((root / top).rglob("*")):
            if file.suffix in SOURCES and file.is_file():
                yield file, str(file.relative_to(root / "src" if top == "src" else root))


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)
    layers, libraries = read_layers(root / "tools" / "layers.txt")
    problems, count = [], 0
    for file, named in files_of(root):
        module = module_of(named, layers)
        if module is None:
            problems.append(f"{file.relative_to(root)}:1: its folder is in no module of layers.txt")
        else:
            problems += check_file(root, file, module, layers, libraries)
        count += 1
    print("\n".join(problems) if problems else f"{count} files respect tools/layers.txt")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
