#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes what the fuzz targets start from, a folder for each target.

    fuzz/seeds.py LATHE OUT PLUGIN     LATHE: the command line, which builds the engines;
                                       PLUGIN: examples/plugin_cpp, compiled

Networks come from examples/models and, when it is there, ../shared/models; graphs and expressions
from the golden texts and cases of src/.
"""
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "models"
LARGEST = 100_000  # bytes of a seed: larger ones are mutated where nothing is parsed


def copy(files, folder, largest=LARGEST):
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if file.stat().st_size <= largest:
            shutil.copyfile(file, folder / f"{file.parent.name}-{file.name}")


def write(folder, contents, suffix=""):
    folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(contents):
        data = content if isinstance(content, bytes) else content.encode()
        (folder / f"{number:03}{suffix}").write_bytes(data)


def texts(pattern, expression):
    """What the groups of `expression` match in the golden texts and cases, each once."""
    found = {}
    for file in sorted((ROOT / "src").rglob(pattern)):
        found.update(dict.fromkeys(re.findall(expression, file.read_text(), re.M | re.S)))
    return list(found)


def npy(descr, shape, data, order="False"):
    header = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def structure(engine):
    """The structure section of an engine file (docs/design/engine_format.md)."""
    offset, size = struct.unpack_from("<QQ", engine, 24)
    return engine[offset:offset + size]


def engines(lathe, plugin):
    with tempfile.TemporaryDirectory() as folder:
        file, custom = pathlib.Path(folder) / "an.engine", pathlib.Path(folder) / "snake.onnx"
        subprocess.run([sys.executable, "-B", ROOT / "tests/custom/onnx_bytes.py", custom],
                       check=True)
        networks = sorted((ROOT / "examples" / "models").glob("*.onnx"))
        for network in [*networks, custom]:
            for extra in ([], ["--no-pass=fold_affine"]):
                extra = [*extra, "--plugin", plugin] if network is custom else extra
                subprocess.run([lathe, "build", network, "-o", file, "--no-tune", "--verify=off",
                                "--timing-cache", "none", *extra], check=True,
                               stdout=subprocess.DEVNULL)
                yield structure(file.read_bytes())


def main():
    lathe, out, plugin = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
    shutil.rmtree(out, ignore_errors=True)
    networks = sorted(SHARED.rglob("*.onnx"))
    copy([ROOT / "examples/models/upscale.onnx"], out / "onnx", 400_000)
    copy(networks, out / "onnx")
    subprocess.run([sys.executable, "-B", ROOT / "tests/custom/onnx_bytes.py",
                    out / "onnx" / "loop.onnx", "loop"], check=True)
    write(out / "graph", texts("*.irtest", r"^(graph \w+\(.*?^})"))
    write(out / "expr", texts("*.irtest", r'"(\([^"]*\) -> [^"]*)"') +
          texts("*.cases", r'"(\([^"]*\) -> [^"]*)"'))
    copy(sorted((ROOT / "examples").glob("*.json")), out / "definition")
    guide = (ROOT / "docs/custom_operators.md").read_text()
    write(out / "definition", re.findall(r"```json\n(\{.*?^\})\n```", guide, re.M | re.S), ".json")
    copy(sorted(SHARED.rglob("*.pb")), out / "tensor", 20_000)
    write(out / "tensor", [npy("<f4", "(2, 3)", bytes(24)), npy("|u1", "(4,)", bytes(4)),
                           npy("<f8", "(2, 2)", bytes(32), "True"), npy("<i8", "()", bytes(8)),
                           npy("<f2", "(0, 5)", b"")], ".npy")
    copy([ROOT / "docs/upscale.png"], out / "picture")
    copy(sorted(SHARED.rglob("*.png")), out / "picture")
    copy(sorted(SHARED.rglob("*.jpg")), out / "picture", 300_000)
    write(out / "engine", engines(lathe, plugin))
    if not networks:
        print(f"{SHARED} is not there; the seeds are the project's own")


if __name__ == "__main__":
    main()
