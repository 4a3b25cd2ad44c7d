#!/usr/bin/env python3
"""Compares a network on the GPU with ONNX Runtime on the CPU, on seeded random inputs.

usage: gpu_networks.py LATHE MODEL.onnx COSINE [OPTION ...]      (needs numpy, onnx, onnxruntime)

COSINE is the least that every output must reach; OPTIONs go to `lathe run`. Prints one line and
exits 1 when an output differs too much, and the error when Lathe fails.
"""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime

SIZES = {"height": 64, "width": 64}  # of symbolic dimensions by what their name says; others are 1


def dimension(d):
    if d.HasField("dim_value"):
        return d.dim_value
    name = d.dim_param.lower()
    return next((size for word, size in SIZES.items() if word in name), 16 if "seq" in name else 1)


def random_input(value, rng):
    t = value.type.tensor_type
    shape = [dimension(d) for d in t.shape.dim]
    dtype = onnx.helper.tensor_dtype_to_np_dtype(t.elem_type)
    if np.issubdtype(dtype, np.floating):
        return rng.standard_normal(shape).astype(dtype)
    if "mask" in value.name:
        return np.ones(shape, dtype)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape).astype(dtype)
    # Indices: small enough for every vocabulary.
    return rng.integers(0, 2 if "type" in value.name or "segment" in value.name else 8,
                        shape).astype(dtype)


def cosine(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return 0.0
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return 1.0 if np.array_equal(a, b) else float(a @ b / scale) if scale > 0 else 0.0


def main():
    lathe, model, least, options = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]
    graph = onnx.load(model, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    rng = np.random.default_rng(7)
    inputs = {v.name: random_input(v, rng) for v in graph.input if v.name not in constants}
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    expected = session.run(names, inputs)
    with tempfile.TemporaryDirectory() as folder:
        command = [lathe, "run", model] + options
        for k, (name, value) in enumerate(inputs.items()):
            np.save(f"{folder}/in{k}.npy", value)
            command += ["--input", f"{name}={folder}/in{k}.npy"]
        for k, name in enumerate(names):
            command += ["--output", f"{name}={folder}/out{k}.npy"]
        begin = time.time()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.time() - begin
        if done.returncode != 0:
            print(f"{os.path.basename(model)} {' '.join(options)}: {done.stderr.strip()[-1500:]}")
            sys.exit(1)
        worst, error = 1.0, 0.0
        for k, want in enumerate(expected):
            got = np.load(f"{folder}/out{k}.npy")
            if got.shape != want.shape:
                print(f"{os.path.basename(model)}: {names[k]} is {got.shape}, not {want.shape}")
                sys.exit(1)
            worst = min(worst, cosine(got, want))
            if want.size:
                span = float(np.nanmax(np.abs(want.astype(np.float64)))) or 1.0
                error = max(error, float(np.nanmax(np.abs(got.astype(np.float64) -
                                                          want.astype(np.float64)))) / span)
    print(f"{os.path.basename(model)} {' '.join(options)}: cosine {worst:.8f}, largest error "
          f"{error:.2e} of the range, build and run {seconds:.1f} s")
    sys.exit(0 if worst >= least else 1)


main()
