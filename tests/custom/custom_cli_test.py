#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Custom operators by the command line: refused without a definition, built with one, the numbers,
engines that need a plugin.

    LATHE=build/cli/lathe SNAKE=build/tests/custom/libsnake_plugin.so tests/custom/custom_cli_test.py
"""
import ast
import json
import math
import os
import pathlib
import random
import struct
import subprocess
import tempfile
import unittest

import onnx_bytes

LATHE, SNAKE, ODD_ABI = (os.environ[name] for name in ("LATHE", "SNAKE", "ODD_ABI"))
EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
DEFINITION = EXAMPLES / "snake.json"
NEW = ["--timing-cache", "none"]


def write_npy(path, shape, values):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
                     + struct.pack(f"<{len(values)}f", *values))


def read_npy(path):
    data = path.read_bytes()
    length = struct.unpack("<H", data[8:10])[0]
    shape = ast.literal_eval(data[10:10 + length].decode())["shape"]
    count = math.prod(shape)
    return shape, struct.unpack(f"<{count}f", data[10 + length:])


def snake(values, length):
    out = []
    for i, v in enumerate(values):
        a = onnx_bytes.ALPHA[i // length % 3]
        out.append(max(0.0, v + math.sin(a * v) ** 2 / (a + 1e-9)))
    return out


class Custom(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = pathlib.Path(scratch.name)
        self.model = self.folder / "snake.onnx"
        self.model.write_bytes(onnx_bytes.snake())

    def lathe(self, *args):
        return subprocess.run([LATHE, *map(str, args)], capture_output=True, text=True,
                              timeout=120, check=False)

    def succeed(self, *args):
        done = self.lathe(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refuse(self, *args, says, cure=None):
        done = self.lathe(*args)
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn(says, done.stderr)
        if cure:
            self.assertIn(cure, done.stderr)

    def check_numbers(self, *source):
        """Sizes that the build never saw."""
        draw = random.Random(7)
        for batch, length in ((1, 1), (2, 5), (3, 700)):
            x, y = self.folder / "x.npy", self.folder / "y.npy"
            values = [draw.uniform(-8, 8) for _ in range(batch * 3 * length)]
            write_npy(x, (batch, 3, length), values)
            self.succeed("run", *source, "--input", f"x={x}", "--output", f"y={y}")
            shape, got = read_npy(y)
            self.assertEqual(shape, (batch, 3, length))
            for have, want in zip(got, snake(values, length)):
                self.assertAlmostEqual(have, want, delta=2e-5)

    def test_an_unknown_operator_is_refused_with_the_cure(self):
        self.refuse("build", self.model, *NEW, says="the operator Snake of domain 'com.example'",
                    cure="--op FILE.json, or --plugin FILE.so")

    def test_a_definition_builds_and_its_engine_needs_nothing(self):
        engine = self.folder / "a.engine"
        self.succeed("build", self.model, "--op", DEFINITION, "-o", engine, *NEW)
        told = json.loads(self.succeed("inspect", engine, "--json"))
        self.assertEqual(len(told["steps"]), 1, "the twin and its neighbour are one step")
        self.check_numbers(engine)

    def test_a_plugin_builds_and_its_engine_says_so(self):
        engine = self.folder / "a.engine"
        self.succeed("build", self.model, "--plugin", SNAKE, "-o", engine, *NEW)
        self.refuse("run", engine, says="it needs plugin snake 1.0.0, which is not loaded",
                    cure="--plugin FILE.so")
        self.assertIn("plugin snake 1.0.0", self.succeed("inspect", engine, "--plugin", SNAKE))
        self.check_numbers(engine, "--plugin", SNAKE)

    def test_a_model_runs_at_once(self):
        self.check_numbers(self.model, "--plugin", SNAKE, *NEW)

    def test_compare_and_bench_know_them(self):
        self.succeed("compare", self.model, "--op", DEFINITION, "--against", "reference", *NEW,
                     "--shapes", "x:2x3x50")
        self.succeed("compare", self.model, "--plugin", SNAKE, "--against", "reference", *NEW,
                     "--shapes", "x:2x3x50")
        self.succeed("bench", self.model, "--plugin", SNAKE, *NEW, "--seconds", "0.05",
                     "--warmup", "0.01", "--shapes", "x:2x3x50")

    def test_hostile_settings(self):
        for setting in ("reference_only", "random_tactic=5", "slowest_tactic", "text_roundtrip",
                        "engine_roundtrip", "poisoned_buffers"):
            for way in (("--op", DEFINITION), ("--plugin", SNAKE)):
                with self.subTest(setting=setting, way=way[0]):
                    self.succeed("compare", self.model, *way, "--against", "reference", *NEW,
                                 "--shapes", "x:1x3x20", "--test-setting", setting)

    def test_libraries_that_are_none_are_refused(self):
        self.refuse("build", self.model, "--plugin", DEFINITION, says="no library that loads here")
        self.refuse("build", self.model, "--plugin", self.folder / "no.so", says="no.so")
        self.refuse("build", self.model, "--plugin", ODD_ABI,
                    says="it speaks version 999 of the plugin interface",
                    cure="build the plugin again")
        self.refuse("build", self.model, "--op", self.model, says="it is not JSON")

    def test_a_definition_and_a_plugin_of_one_name_are_refused(self):
        self.refuse("build", self.model, "--op", DEFINITION, "--plugin", SNAKE,
                    says="operator 'com.example::Snake' is in a plugin, too")


if __name__ == "__main__":
    unittest.main()
