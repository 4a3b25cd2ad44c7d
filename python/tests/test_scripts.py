# SPDX-License-Identifier: Apache-2.0
"""Whole programs written for TensorRT (tests/scripts): as they are there, with their imports
changed, and as they were, by `python -m lathe.trt`. Outputs against ONNX's reference."""
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("lathe.trt", reason="the package has no lathe.trt")
onnx = pytest.importorskip("onnx", reason="models are made with onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from lathe.cuda import default_device  # noqa: E402

SCRIPTS = pathlib.Path(__file__).parents[2] / "tests" / "scripts"
RANDOM = np.random.default_rng()


def classifier(channels, sizes):
    """Conv, Relu, GlobalAveragePool, Gemm: from `input` to `output`."""
    def constant(name, *shape):
        values = RANDOM.standard_normal(shape) / np.sqrt(np.prod(shape[1:]) or 1)
        return numpy_helper.from_array(values.astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["input", "w", "b"], ["c"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "g", "h"], ["output"], transB=1),
    ]
    weights = [constant("w", 16, channels, 3, 3), constant("b", 16), constant("g", 10, 16),
               constant("h", 10)]
    batch = sizes[0]
    graph = helper.make_graph(
        nodes, "classifier",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, sizes)],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, 10])], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture(params=["imports changed", "unmodified"])
def program(request, tmp_path):
    """Runs one of the programs in a folder of its own; returns what subprocess.run returns."""
    def run(name, *arguments, api="10", check=True):
        text = (SCRIPTS / name).read_text()
        environment = {**os.environ, "LATHE_TRT_API": api}
        command = [sys.executable]
        if request.param == "unmodified":
            command += ["-m", "lathe.trt", "--api", api]
            text = as_it_was(text)
            helper_text = as_it_was((SCRIPTS / "common.py").read_text())
            (tmp_path / "common.py").write_text(helper_text)
        else:
            shutil.copy(SCRIPTS / "common.py", tmp_path)
        (tmp_path / name).write_text(text)
        done = subprocess.run([*command, name, *arguments], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, timeout=300)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done
    return run


def as_it_was(text):
    """The program as it was written for TensorRT."""
    text = re.sub(r"\blathe\.trt8?\b", "tensorrt", text)
    text = re.sub(r"\blathe\.cuda\.(driver|autoinit)\b", r"pycuda.\1", text)
    text = re.sub(r"\bfrom lathe\.cuda import\b", "from cuda import", text)
    assert "lathe" not in text
    return text


def feed(tmp_path, model, inputs):
    """Writes model and inputs; returns what the reference makes of them."""
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    reference = ReferenceEvaluator(model)
    names = ["input.npy"] if len(inputs) == 1 else [f"input_{k}.npy" for k in range(len(inputs))]
    for name, x in zip(names, inputs):
        np.save(tmp_path / name, x)
    return [reference.run(None, {"input": x})[0] for x in inputs]


def images(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


# On a GPU products of FP32 may round to TF32, as programs allow that do not forbid it.
FULL = 1e-4 if default_device() == "cpu" else 3e-3


def close(tmp_path, name, expected, tolerance=FULL):
    np.testing.assert_allclose(np.load(tmp_path / name), expected, rtol=tolerance, atol=tolerance)


HALF = 5e-3  # FP16 is allowed: two products of about 30 terms, of size 1


@pytest.mark.parametrize("name, api", [("build_and_save.py", "8"), ("serialized_network.py", "10")])
def test_building_under_a_workspace_limit_in_fp16(program, tmp_path, name, api):
    expected, = feed(tmp_path, classifier(3, [2, 3, 40, 40]), [images(2, 3, 40, 40)])
    program(name, api=api)
    close(tmp_path, "output.npy", expected, HALF)
    assert (tmp_path / "model.engine").stat().st_size > 1000


def test_a_build_function_that_reports_parser_errors(program, tmp_path):
    model = classifier(3, [1, 3, 32, 32])
    expected, = feed(tmp_path, model, [images(1, 3, 32, 32)])
    program("parser_errors.py", "model.onnx")
    close(tmp_path, "output.npy", expected, HALF)
    (tmp_path / "garbage.onnx").write_bytes(b"no model at all")
    done = program("parser_errors.py", "garbage.onnx", check=False)
    assert done.returncode == 1 and "ERROR: Failed to parse ONNX file" in done.stdout
    model.graph.node[1].op_type, model.graph.node[1].name = "Frobnicate", "the_culprit"
    (tmp_path / "unknown.onnx").write_bytes(model.SerializeToString())
    done = program("parser_errors.py", "unknown.onnx", check=False)
    assert done.returncode == 1
    assert "the_culprit" in done.stdout and "Frobnicate" in done.stdout


def test_a_profile_of_sizes(program, tmp_path):
    sizes = [(224, 224), (512, 300), (640, 1024)]
    expected = feed(tmp_path, classifier(3, ["N", 3, "H", "W"]),
                    [images(1, 3, h, w) for h, w in sizes])
    program("dynamic_profile.py")
    for number, y in enumerate(expected):
        close(tmp_path, f"output_{number}.npy", y)


@pytest.mark.parametrize("api", ["8", "10"])
def test_a_detectors_class_on_tensors_of_the_cpu(program, tmp_path, monkeypatch, api):
    monkeypatch.setenv("LATHE_DEVICE", "cpu")
    shapes = [(4, 3, 96, 96), (1, 3, 32, 64), (2, 3, 64, 64)]
    expected = feed(tmp_path, classifier(3, ["N", 3, "H", "W"]), [images(*s) for s in shapes])
    program("detector.py", api, api=api)
    for number, y in enumerate(expected):
        close(tmp_path, f"output_{number}.npy", y)


def test_contexts_pushed_in_a_thread(program, tmp_path):
    expected, = feed(tmp_path, classifier(3, ["N", 3, 40, 40]), [images(2, 3, 40, 40)])
    assert "detected" in program("detector_threads.py", api="8").stdout
    close(tmp_path, "output.npy", expected, HALF)


def embeddings():
    """The masked mean of a table's rows, times a matrix: of ids and mask, i64[N,S]."""
    def constant(name, *shape):
        return numpy_helper.from_array(RANDOM.standard_normal(shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Cast", ["mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["rows", "column"], ["kept"]),
        helper.make_node("ReduceMean", ["kept"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("MatMul", ["mean", "w"], ["output"]),
    ]
    ports = [helper.make_tensor_value_info(n, TensorProto.INT64, ["N", "S"])
             for n in ("ids", "mask")]
    graph = helper.make_graph(
        nodes, "embeddings", ports,
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 5])],
        [constant("table", 50, 8), constant("w", 8, 5),
         numpy_helper.from_array(np.array([2]), "last")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_profiles_of_sequences(program, tmp_path):
    model = embeddings()
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    reference, expected = ReferenceEvaluator(model), []
    for number, shape in enumerate([(2, 5), (3, 16), (4, 8)]):
        arrays = {"ids": RANDOM.integers(0, 50, shape), "mask": RANDOM.integers(0, 2, shape)}
        for name, array in arrays.items():
            np.save(tmp_path / f"{name}_{number}.npy", array)
        expected.append(reference.run(None, arrays)[0])
    program("embeddings.py")
    for number, y in enumerate(expected):
        close(tmp_path, f"output_{number}.npy", y)


def test_a_captured_run_is_refitted_from_another_file(program, tmp_path):
    x, shape = images(1, 3, 32, 32), [1, 3, 32, 32]
    other, = feed(tmp_path, classifier(3, shape), [x])
    (tmp_path / "model.onnx").rename(tmp_path / "other.onnx")
    expected, = feed(tmp_path, classifier(3, shape), [x])
    assert "captured, refitted, refused" in program("captured.py").stdout
    close(tmp_path, "output_0.npy", expected)
    close(tmp_path, "output_1.npy", other)


def test_a_network_made_by_hand(program):
    assert "the scores are right" in program("network_api.py").stdout


def test_refitting(program):
    assert "refitted" in program("refit.py").stdout


def test_progress_cancelling_and_stream_writers(program, tmp_path):
    feed(tmp_path, classifier(3, [1, 3, 32, 32]), [images(1, 3, 32, 32)])
    assert "watched, cancelled, streamed" in program("progress.py").stdout
