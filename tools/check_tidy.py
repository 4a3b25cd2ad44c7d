#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on the C++ files that changed.

    tools/check_tidy.py [--build DIR] [--base COMMIT] [FILES]

Changed: since the merge base with origin/main, and where that is HEAD itself since HEAD~1; what is
not committed yet counts. A changed header is seen through the sources that changed and the .cpp
of its name. Takes the flags from DIR/compile_commands.json (default: build). Exits 77 (skipped)
when clang-tidy 14 is not installed or there is nothing to compare with.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

VERSION = 14
ROOT = pathlib.Path(__file__).resolve().parent.parent
# GCC's, of which clang knows nothing; its precompiled headers are no use to clang either.
FOREIGN = re.compile(r" (-fpch-preprocess|-Winvalid-pch|-include \S*cmake_pch\.hxx|-Wno-restrict|"
                     r"-Wno-stringop-overflow|-Werror)(?= )")


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def git(*arguments):
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def base_commit():
    base = git("merge-base", "HEAD", "origin/main")
    if base is None or base == git("rev-parse", "HEAD"):
        base = git("rev-parse", "--verify", "-q", "HEAD~1")
    return base or skip("there is no earlier commit to compare with")


def changed_files(base):
    tracked = git("diff", "--name-only", "--diff-filter=d", base).splitlines()
    new = git("ls-files", "--others", "--exclude-standard").splitlines()
    return tracked + new


def sources_of(files, commands):
    """The files that the compiler sees, of those that changed."""
    wanted = {str(ROOT / f) for f in files}
    wanted |= {f[:-2] + ".cpp" for f in wanted if f.endswith(".h")}
    return sorted(wanted & set(commands))


def read_commands(build):
    """{file: its entry} of compile_commands.json, with the flags that clang understands."""
    file = build / "compile_commands.json"
    if not file.exists():
        skip(f"{file} is not there; configure first")
    entries = {}
    for entry in json.loads(file.read_text()):
        command = entry["command"]
        # What comes before the compiler is a launcher, which would see another command.
        at = command.find("ccache ")
        command = command[at + len("ccache "):] if at >= 0 else command
        entry["command"] = FOREIGN.sub("", FOREIGN.sub("", command))
        for source in joined_in(entry["file"]):
            entries.setdefault(source, {**entry, "file": source, "command": entry["command"].replace(
                entry["file"], source)})
    return entries


def joined_in(source):
    """The files that CMake compiles together as `source`, or itself alone."""
    path = pathlib.Path(source)
    if path.parent.name != "Unity":
        return [source]
    return re.findall(r'#include "(.*)"', path.read_text()) if path.exists() else []


def check(tool, folder, source):
    done = subprocess.run([tool, "--quiet", "-p", folder, source], capture_output=True, text=True,
                          check=False)
    if done.returncode == 0:
        return ""
    return done.stdout.replace(f"{ROOT}/", "") or done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build", type=pathlib.Path)
    parser.add_argument("--base", help="the commit to compare with")
    parser.add_argument("files", nargs="*", help="check these instead")
    options = parser.parse_args()
    tool = shutil.which(f"clang-tidy-{VERSION}")
    if tool is None:
        skip(f"clang-tidy {VERSION} is not installed (tools/setup.sh installs it)")
    commands = read_commands(options.build)
    base = options.base or (None if options.files else base_commit())
    files = options.files or changed_files(base)
    sources = sources_of(files, commands)
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "compile_commands.json").write_text(
            json.dumps([commands[s] for s in sources]))
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            found = list(filter(None, pool.map(lambda s: check(tool, folder, s), sources)))
    print("\n".join(found))
    print(f"{len(sources)} sources checked, findings in {len(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
