#!/usr/bin/env python3
"""Compares a network on the GPU with ONNX Runtime on the CPU, on seeded noise and on a picture.

usage: gpu_networks.py LATHE MODEL.onnx COSINE [OPTION ...]      (needs numpy, onnx, onnxruntime)

COSINE is the least that every output must reach; OPTIONs go to `lathe build`. A network may be so
ill-conditioned on some input that rounding the operands of its products to the narrow type, and
computing exactly otherwise, already falls below COSINE: then no more than twice that loss is asked
for, and the line says so. Prints a line for each input and exits 1 when an output differs too much, and the error
when Lathe fails.
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
PRODUCTS = {"Conv", "ConvTranspose", "Gemm", "MatMul"}
BITS = {"--fp16": 11, "--bf16": 8, "--tf32": 11}  # significant ones


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


def as_picture(noise):
    """A photograph in the shape of an image input, as classifiers expect it, or None."""
    if noise.ndim != 4 or noise.shape[1] != 3 or not np.issubdtype(noise.dtype, np.floating):
        return None
    try:
        from sklearn.datasets import load_sample_image
        photo = load_sample_image("flower.jpg").astype(np.float64) / 255
    except ImportError:
        return None
    height, width = noise.shape[2:]
    rows = np.arange(height) * photo.shape[0] // height
    columns = np.arange(width) * photo.shape[1] // width
    picture = (photo[rows][:, columns] - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    return np.broadcast_to(picture.transpose(2, 0, 1), noise.shape).astype(noise.dtype)


def cosine(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        return 0.0
    a, b = np.nan_to_num(a), np.nan_to_num(b)
    scale = np.linalg.norm(a) * np.linalg.norm(b)
    return 1.0 if np.array_equal(a, b) else float(a @ b / scale) if scale > 0 else 0.0


def with_rounded_operands(model, bits):
    """The network with every operand of a product or convolution rounded to so many bits."""
    narrow = onnx.TensorProto.FLOAT16 if bits == 11 else onnx.TensorProto.BFLOAT16
    nodes, done = [], {}
    for node in model.graph.node:
        for k in range(min(2, len(node.input)) if node.op_type in PRODUCTS else 0):
            name = node.input[k]
            if name not in done:
                done[name] = f"{name}/rounded"
                nodes += [onnx.helper.make_node("Cast", [name], [f"{name}/narrow"], to=narrow),
                          onnx.helper.make_node("Cast", [f"{name}/narrow"], [done[name]],
                                                to=onnx.TensorProto.FLOAT)]
            node.input[k] = done[name]
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def conditioning(model, bits, kinds, expected, names):
    """The least cosine over all inputs when the operands of products are rounded and all else is
    exact: what perfect kernels of that type give. One rounding of a network that amplifies it is
    luck; over several inputs it is the network's."""
    narrow = with_rounded_operands(onnx.load(model), bits)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/narrow.onnx"
        onnx.save(narrow, path, save_as_external_data=narrow.ByteSize() > 1 << 30)
        session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
        return min(cosine(a, b) for kind, inputs in kinds.items()
                   for a, b in zip(session.run(names, inputs), expected[kind]))


def lathe(*command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(f"{' '.join(command[1:3])}: {done.stderr.strip()[-1500:]}")
        sys.exit(1)


def run(program, engine, inputs, names, folder):
    command = [program, "run", engine]
    for k, (name, value) in enumerate(inputs.items()):
        np.save(f"{folder}/in{k}.npy", value)
        command += ["--input", f"{name}={folder}/in{k}.npy"]
    for k, name in enumerate(names):
        command += ["--output", f"{name}={folder}/out{k}.npy"]
    lathe(*command)
    return [np.load(f"{folder}/out{k}.npy") for k in range(len(names))]


def main():
    program, model, least, options = sys.argv[1], sys.argv[2], float(sys.argv[3]), sys.argv[4:]
    graph = onnx.load(model, load_external_data=False).graph
    constants = {t.name for t in graph.initializer}
    rng = np.random.default_rng(7)
    noise = {v.name: random_input(v, rng) for v in graph.input if v.name not in constants}
    kinds = {"noise": noise}
    pictures = {name: as_picture(value) for name, value in noise.items()}
    if all(p is not None for p in pictures.values()):
        kinds["picture"] = pictures
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    bits = next((BITS[o] for o in options if o in BITS), 24)
    expected = {kind: session.run(names, inputs) for kind, inputs in kinds.items()}
    fine, ideal = True, None
    with tempfile.TemporaryDirectory() as folder:
        shapes = ",".join(f"{n}:{'x'.join(map(str, v.shape))}" for n, v in noise.items() if v.ndim)
        begin = time.time()
        lathe(program, "build", model, "-o", f"{folder}/engine", "--shapes", shapes, *options)
        seconds = time.time() - begin
        for kind, inputs in kinds.items():
            got = run(program, f"{folder}/engine", inputs, names, folder)
            worst, error = 1.0, 0.0
            for name, have, want in zip(names, got, expected[kind]):
                if have.shape != want.shape:
                    print(f"{os.path.basename(model)}: {name} is {have.shape}, not {want.shape}")
                    sys.exit(1)
                worst = min(worst, cosine(have, want))
                if want.size:
                    span = float(np.nanmax(np.abs(want.astype(np.float64)))) or 1.0
                    difference = np.abs(have.astype(np.float64) - want.astype(np.float64))
                    error = max(error, float(np.nanmax(difference)) / span)
            text = f"cosine {worst:.8f}, largest error {error:.2e} of the range"
            if worst < least and bits < 24:
                ideal = ideal or conditioning(model, bits, kinds, expected, names)
                text += f", exact sums of rounded operands give {ideal:.8f}"
                fine = fine and 1 - worst <= 2 * (1 - ideal)
            else:
                fine = fine and worst >= least
            print(f"{os.path.basename(model)} {' '.join(options)} {kind}: {text}, built in "
                  f"{seconds:.1f} s")
    sys.exit(0 if fine else 1)


main()
