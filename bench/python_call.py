#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a call from Python costs over the C++ session, on a tiny network.

usage: python_call.py [--calls 20000] [--rounds 7]      (needs lathe and onnx installed)

The network is one ReLU over f32[1,8]. In turns: `lathe bench` (C++, one session, bound buffers) and
`engine(x)` from Python with NumPy; the fastest round of each, in microseconds a call.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
from onnx import TensorProto, helper

import lathe


def tiny():
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 8]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "tiny", ports[:1],
                              ports[1:])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def python_seconds(call, calls):
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls


def cpp_seconds(path):
    told = subprocess.run([sys.executable, "-m", "lathe", "bench", path, "--seconds", "0.5",
                           "--json"], capture_output=True, text=True, check=True)
    return json.loads(told.stdout)["latency_ms"]["median"] * 1e-3


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    engine = lathe.build(tiny(), timing_cache=False)
    x = np.ones((1, 8), np.float32)
    ways = {"engine(x)": lambda: engine(x), "engine(x=x)": lambda: engine(x=x)}
    with tempfile.TemporaryDirectory() as folder, engine.session() as run:
        path = str(pathlib.Path(folder, "tiny.engine"))
        engine.save(path)
        ways["run(x)"] = lambda: run(x)
        ways["run.submit(x).result()"] = lambda: run.submit(x).result()
        best = {}
        for _ in range(options.rounds):
            turn = {"C++ session": cpp_seconds(path)}
            turn |= {name: python_seconds(call, options.calls) for name, call in ways.items()}
            best = {name: min(s, best.get(name, s)) for name, s in turn.items()}
    for name, seconds in best.items():
        over = seconds - best["C++ session"]
        print(f"{name:<24} {seconds * 1e6:7.2f} us   over C++ {over * 1e6:6.2f} us")


if __name__ == "__main__":
    main()
