# SPDX-License-Identifier: Apache-2.0
"""Plans without weights, and what runs after a refit gave them."""
import re

import numpy as np
import pytest

import lathe.trt as trt
from test_trt_engine import build, convnet, expected
from trt_nets import plan_of, random, run_engine

W, V = random(256, 256, seed=1), random(256, seed=2)


def stripped(flags=(trt.BuilderFlag.STRIP_PLAN,)):
    """(plan, logger) of x W + V, reshaped: the shapes' constants are no weights."""
    def define(network, t):
        rank4 = network.add_shuffle(t)
        rank4.reshape_dims = (1, 1, 1, 256)
        w = network.add_constant((1, 1, 256, 256), W)
        w.name = "w"
        product = network.add_matrix_multiply(rank4.get_output(0), trt.MatrixOperation.NONE,
                                              w.get_output(0), trt.MatrixOperation.NONE)
        scale = network.add_scale(product.get_output(0), trt.ScaleMode.UNIFORM, shift=V[:1])
        scale.name = "scale"
        rows = network.add_shuffle(scale.get_output(0))
        rows.reshape_dims = (2, 128)
        return rows

    plan, logger = plan_of(define, {"x": (trt.float32, (1, 256))}, flags=flags)
    assert plan is not None, logger.errors
    return plan, logger


def answer(x):
    return (x @ W + V[0]).reshape(2, 128)


@pytest.fixture
def fitted():
    """(engine, logger) of a stripped plan, refitted."""
    plan, logger = stripped()
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    refitter = trt.Refitter(engine, logger)
    assert refitter.set_weights("w", trt.WeightsRole.CONSTANT, W)
    assert refitter.set_named_weights("scale SHIFT", V[:1]) and refitter.refit_cuda_engine()
    return engine, logger


def test_a_stripped_plan_is_small_and_runs_after_a_refit_only():
    full, _ = stripped(flags=())
    plan, logger = stripped()
    assert len(full) > W.nbytes and len(plan) < W.nbytes // 8
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    assert engine.refittable and list(engine) == ["x", "y0"]
    assert engine.get_tensor_shape("x") == (1, 256) and engine.get_tensor_dtype("x") == trt.float32
    assert engine.get_tensor_profile_shape("x", 0) == [(1, 256)] * 3
    assert engine.get_engine_stat(trt.EngineStat.STRIPPED_WEIGHTS_SIZE) == W.nbytes + 4
    assert engine.create_execution_context() is None and "Refitter" in logger.errors[-1]
    refitter = trt.Refitter(engine, logger)
    names = {"w CONSTANT", "scale SHIFT"}
    assert set(refitter.get_missing_weights()) == set(refitter.get_all_weights()) == names
    assert set(refitter.get_missing()[0]) == {"w", "scale"}
    assert refitter.set_weights("w", trt.WeightsRole.CONSTANT, W)
    assert not refitter.refit_cuda_engine() and "scale SHIFT" in logger.errors[-1]
    assert refitter.set_named_weights("scale SHIFT", V[:1]) and not refitter.get_missing_weights()
    assert refitter.refit_cuda_engine()
    x = random(1, 256)
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y0"], answer(x), rtol=1e-3, atol=1e-3)


def test_a_refitted_engine_is_written_with_or_without_weights(fitted):
    (engine, logger), x = fitted, random(1, 256)
    again = trt.Runtime(logger).deserialize_cuda_engine(engine.serialize())
    assert again.create_execution_context() is None
    config = engine.create_serialization_config()
    assert config.clear_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS)
    whole = engine.serialize_with_config(config)
    assert len(whole) > W.nbytes
    again = trt.Runtime(logger).deserialize_cuda_engine(whole)
    np.testing.assert_allclose(run_engine(again, {"x": x})["y0"], answer(x), rtol=1e-3, atol=1e-3)
    assert again.refittable
    config.clear_flag(trt.SerializationFlag.INCLUDE_REFIT)
    again = trt.Runtime(logger).deserialize_cuda_engine(engine.serialize_with_config(config))
    assert not again.refittable
    np.testing.assert_allclose(run_engine(again, {"x": x})["y0"], answer(x), rtol=1e-3, atol=1e-3)


def test_a_refittable_engine_is_stripped_when_it_is_written():
    model, w = convnet()
    engine, logger = build(model, flags=[trt.BuilderFlag.REFIT])
    config = engine.create_serialization_config()
    config.set_flag(trt.SerializationFlag.EXCLUDE_WEIGHTS)
    lean = trt.Runtime(logger).deserialize_cuda_engine(engine.serialize_with_config(config))
    assert lean.create_execution_context() is None
    assert lean.get_tensor_shape("y") == (-1, 4, -1, -1)
    parser = trt.OnnxParserRefitter(trt.Refitter(lean, logger), logger)
    assert parser.refit_from_bytes(model)
    x = random(2, 3, 5, 4)
    with_weights = trt.Refitter(lean, logger)
    assert sorted(with_weights.get_missing_weights()) == ["b", "w"]
    assert parser._refitter.refit_cuda_engine()
    np.testing.assert_allclose(run_engine(lean, {"x": x})["y"], expected(x, w), rtol=1e-4,
                               atol=1e-4)


def test_individual_weights_are_stripped_alone():
    def define(network, t):
        for name, weights in (("w", W), ("v", W.T)):
            layer = network.add_constant((256, 256), np.ascontiguousarray(weights))
            network.set_weights_name(layer.weights, name)
            t = network.add_matrix_multiply(t, trt.MatrixOperation.NONE, layer.get_output(0),
                                            trt.MatrixOperation.NONE).get_output(0)
        assert network.mark_weights_refittable("v")
        return t

    plan, logger = plan_of(define, {"x": (trt.float32, (1, 256))},
                           flags=[trt.BuilderFlag.STRIP_PLAN, trt.BuilderFlag.REFIT_INDIVIDUAL])
    assert W.nbytes < len(plan) < W.nbytes * 3 // 2
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    refitter = trt.Refitter(engine, logger)
    assert refitter.get_missing_weights() == ["v"]
    other = random(256, 256)
    assert refitter.set_named_weights("v", other) and refitter.refit_cuda_engine()
    x = random(1, 256)
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y0"], x @ W @ other, rtol=1e-2,
                               atol=1e-1)


@pytest.mark.parametrize("compatible", [False, True])
def test_no_plan_holds_a_runtime(compatible):
    more = [trt.BuilderFlag.VERSION_COMPATIBLE] if compatible else []
    with_runtime, logger = plan_of(lambda net, t: net.add_identity(t), {"x": random(3)}, flags=more)
    without, _ = plan_of(lambda net, t: net.add_identity(t), {"x": random(3)},
                         flags=more + [trt.BuilderFlag.EXCLUDE_LEAN_RUNTIME])
    assert len(without) == len(with_runtime)
    # Of ELF files a plan holds kernels for a GPU alone.
    data, cuda = bytes(with_runtime), 190
    assert {int.from_bytes(data[e.start() + 18:e.start() + 20], "little")
            for e in re.finditer(b"\x7fELF", data)} <= {cuda}
    runtime = trt.Runtime(logger)
    assert not runtime.engine_host_code_allowed
    x = random(3)
    np.testing.assert_array_equal(run_engine(
        runtime.deserialize_cuda_engine(without), {"x": x})["y0"], x)
