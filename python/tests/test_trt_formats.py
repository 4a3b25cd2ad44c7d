# SPDX-License-Identifier: Apache-2.0
"""Memory formats of bindings: where elements lie, padding, what an engine says of it."""
import numpy as np
import pytest

import lathe.trt as trt
import lathe.trt8 as trt8
from test_trt_engine import convnet, expected
from trt_nets import OnDevice, Recorder, plan_of, random

# Scalars a vector, spatial dimensions, whether vectors are the last axis of [.., spatial, C].
FORMATS = {"CHW2": (2, 2, False), "CHW4": (4, 2, False), "CHW16": (16, 2, False),
           "CHW32": (32, 2, False), "CDHW32": (32, 3, False), "HWC": (1, 2, True),
           "HWC8": (8, 2, True), "HWC16": (16, 2, True), "DHWC": (1, 3, True),
           "DHWC8": (8, 3, True)}
JUNK = -99


def packed(x, name, fill):
    """x's memory: element by element from the definition of the formats."""
    vector, spatial, minor = FORMATS[name]
    axis = x.ndim - 1 - spatial
    vectors = -(-x.shape[axis] // vector)
    front, rest = x.shape[:axis], x.shape[axis + 1:]
    shape = (*front, *rest, vectors * vector) if minor else (*front, vectors, *rest, vector)
    memory = np.full(shape, fill, x.dtype)
    for place in np.ndindex(*x.shape):
        c = place[axis]
        before, behind = place[:axis], place[axis + 1:]
        at = (*before, *behind, c) if minor else (*before, c // vector, *behind, c % vector)
        memory[at] = x[place]
    return memory


def run(engine, name, x, shape):
    """The memory of y, poisoned first, after a run over x in the format."""
    context = engine.create_execution_context()
    assert context.set_input_shape("x", x.shape)
    assert context.get_tensor_shape("y0") == shape
    memory = OnDevice(packed(x, name, JUNK))
    wanted = packed(np.zeros(shape, x.dtype), name, 0)
    result = OnDevice.poisoned(wanted.shape, wanted.dtype)
    assert context.get_max_output_size("y0") == wanted.nbytes
    assert context.set_tensor_address("x", int(memory))
    assert context.set_tensor_address("y0", int(result))
    assert context.execute_async_v3(0)
    return result.read()


def doubled(name, x, declared=None, profile=None):
    """An engine of y0 = 2x whose bindings have the format."""
    def define(network, t):
        t.allowed_formats = 1 << int(trt.TensorFormat[name])
        y = network.add_elementwise(t, t, trt.ElementWiseOperation.SUM).get_output(0)
        y.allowed_formats = t.allowed_formats
        return y

    from lathe.trt.dtypes import from_numpy
    plan, logger = plan_of(define, {"x": (from_numpy(x.dtype), declared or x.shape)},
                           profile=profile)
    assert plan is not None, logger.errors
    return trt.Runtime(logger).deserialize_cuda_engine(plan)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [1, 5, 32])
def test_bindings_have_the_format_and_outputs_zero_padding(name, channels):
    spatial = FORMATS[name][1]
    x = random(2, channels, *(3, 4, 5)[:spatial])
    engine = doubled(name, x)
    result = run(engine, name, x, x.shape)
    np.testing.assert_array_equal(result, packed(2 * x, name, 0))
    assert engine.get_tensor_shape("x") == x.shape and engine.get_tensor_shape("y0") == x.shape


@pytest.mark.parametrize("dtype", [np.float16, np.int8, np.int32])
@pytest.mark.parametrize("name", ["CHW4", "HWC8"])
def test_formats_of_other_types(name, dtype):
    x = np.random.default_rng().integers(-9, 9, (1, 3, 2, 5)).astype(dtype)
    result = run(doubled(name, x), name, x, x.shape)
    np.testing.assert_array_equal(result, packed(2 * x, name, 0))


@pytest.mark.parametrize("name", ["CHW32", "HWC", "HWC8", "CDHW32", "DHWC8"])
def test_batch_and_sizes_may_be_dynamic(name):
    spatial = FORMATS[name][1]
    low, high = (1, 7) + (2,) * spatial, (4, 7) + (6,) * spatial
    engine = doubled(name, random(*low), (-1, 7) + (-1,) * spatial, {"x": (low, low, high)})
    assert engine.get_tensor_shape("x") == (-1, 7) + (-1,) * spatial
    assert engine.get_tensor_profile_shape("x", 0) == [low, low, high]
    for shape in (low, high, (3, 7) + (5, 3, 4)[:spatial]):
        x = random(*shape)
        result = run(engine, name, x, x.shape)
        np.testing.assert_array_equal(result, packed(2 * x, name, 0))
    context = engine.create_execution_context()
    assert not context.set_input_shape("x", (5,) + high[1:])


def test_an_engine_tells_formats_as_tensorrt_does():
    x = random(2, 5, 3, 4)
    facts = {}
    for name in ("CHW2", "CHW32", "HWC", "HWC8"):
        engine = doubled(name, x.astype(np.float16))
        context = engine.create_execution_context()
        assert engine.get_tensor_format("x") == trt.TensorFormat[name]
        assert engine.get_tensor_bytes_per_component("x") == (-1 if name == "HWC" else 2)
        assert "FP16" in engine.get_tensor_format_desc("y0")
        facts[name] = (engine.get_tensor_vectorized_dim("x"),
                       engine.get_tensor_components_per_element("x"),
                       tuple(context.get_tensor_strides("x")))
    # Strides count vectors: of CHW32 [2][1][3][4][32], of HWC8 [2][3][4][1][8].
    assert facts == {"CHW2": (1, 2, (36, 12, 4, 1)), "CHW32": (1, 32, (12, 12, 4, 1)),
                     "HWC": (-1, -1, (60, 1, 20, 5)), "HWC8": (1, 8, (12, 1, 4, 1))}
    linear = doubled("LINEAR", x)
    assert linear.get_tensor_format("x") == trt.TensorFormat.LINEAR
    assert linear.get_tensor_vectorized_dim("x") == -1
    assert linear.get_tensor_format_desc("x") == "Row major linear FP32 format (kLINEAR)"


def test_linear_wins_where_it_is_allowed():
    x = random(1, 3, 2, 2)

    def define(network, t):
        t.allowed_formats = 1 << int(trt.TensorFormat.HWC) | 1 << int(trt.TensorFormat.LINEAR)
        return network.add_identity(t)

    plan, logger = plan_of(define, {"x": x})
    assert trt.Runtime(logger).deserialize_cuda_engine(plan).get_tensor_format(
        "x") == trt.TensorFormat.LINEAR


def test_images_of_bytes_come_in_as_hwc():
    image = np.random.default_rng().integers(0, 256, (1, 3, 4, 5)).astype(np.uint8)

    def define(network, t):
        t.allowed_formats = 1 << int(trt.TensorFormat.HWC)
        return network.add_cast(t, trt.float32)

    plan, logger = plan_of(define, {"x": image})
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    pixels = OnDevice(image.transpose(0, 2, 3, 1))
    y = OnDevice.poisoned(image.shape, np.float32)
    context = engine.create_execution_context()
    assert context.execute_v2([int(pixels), int(y)])
    np.testing.assert_array_equal(y.read(), image)


def test_a_bindings_type_is_set_beside_its_format():
    x = random(2, 5, 3, 4)

    def define(network, t):
        y = network.add_elementwise(t, t, trt.ElementWiseOperation.SUM).get_output(0)
        for tensor in (t, y):
            tensor.dtype = trt.float16
            tensor.allowed_formats = 1 << int(trt.TensorFormat.CHW2)
        return y

    plan, logger = plan_of(define, {"x": x}, flags=[trt.BuilderFlag.FP16])
    assert plan is not None, logger.errors
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    assert engine.get_tensor_dtype("y0") == trt.float16
    half = x.astype(np.float16)
    result = run(engine, "CHW2", half, x.shape)
    np.testing.assert_allclose(result, packed(half + half, "CHW2", 0), rtol=2e-3)


def test_names_of_8_tell_formats_too():
    x = random(1, 5, 2, 2)
    plan = doubled("CHW4", x).serialize()
    engine = trt8.Runtime(trt8.Logger()).deserialize_cuda_engine(plan)
    assert engine.get_binding_format(0) == trt8.TensorFormat.CHW4
    assert engine.get_binding_vectorized_dim(1) == 1
    assert engine.get_binding_components_per_element(1) == 4
    assert engine.get_binding_shape(0) == (1, 5, 2, 2)


def parsed_engine(name, flags=(), profile=None):
    """The convolution of an ONNX model between bindings of the format."""
    model, w = convnet()
    logger = Recorder()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(model)
    for tensor in (network.get_input(0), network.get_output(0)):
        tensor.allowed_formats = 1 << int(trt.TensorFormat[name])
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in flags:
        config.set_flag(flag)
    for low, high in profile:
        chosen = builder.create_optimization_profile()
        chosen.set_shape("x", low, low, high)
        config.add_optimization_profile(chosen)
    config.builder_optimization_level = 0
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, logger.errors
    return trt.Runtime(logger).deserialize_cuda_engine(plan), w, logger


def run_parsed(engine, name, x, profile=0):
    context = engine.create_execution_context()
    assert context.set_optimization_profile_async(profile, 0)
    assert context.set_input_shape("x", x.shape)
    memory = OnDevice(packed(x, name, JUNK))
    wanted = packed(np.zeros((x.shape[0], 4, *x.shape[2:]), np.float32), name, 0)
    result = OnDevice.poisoned(wanted.shape, wanted.dtype)
    assert context.execute_v2([int(memory), int(result)])
    return result.read()


@pytest.mark.parametrize("name", ["CHW32", "HWC", "HWC8"])
def test_parsed_networks_several_profiles_and_refitting_keep_the_format(name):
    spans = [((1, 3, 4, 4), (2, 3, 8, 8)), ((8, 3, 4, 4), (8, 3, 6, 6))]
    engine, w, logger = parsed_engine(name, [trt.BuilderFlag.REFIT], spans)
    assert list(engine) == ["x", "y"]
    x, many = random(2, 3, 5, 7), random(8, 3, 4, 6)
    np.testing.assert_allclose(run_parsed(engine, name, x), packed(
        expected(x, w).astype(np.float32), name, 0), rtol=1e-4, atol=1e-4)
    refitter = trt.Refitter(engine, logger)
    other = random(4, 3, 3, 3)
    assert refitter.set_named_weights("w", trt.Weights(other)) and refitter.refit_cuda_engine()
    again = trt.Runtime(logger).deserialize_cuda_engine(engine.serialize())
    np.testing.assert_allclose(run_parsed(again, name, many, 1), packed(
        expected(many, other).astype(np.float32), name, 0), rtol=1e-4, atol=1e-4)


def refusal(shape, format, profile=None):
    def define(network, t):
        t.allowed_formats = 1 << int(format)
        return network.add_identity(t)

    plan, logger = plan_of(define, {"x": (trt.float32, shape)}, profile=profile)
    assert plan is None
    return logger.errors[-1]


def test_channels_that_are_not_known_and_too_few_dimensions_are_errors():
    low, high = (1, 1, 2, 2), (1, 9, 2, 2)
    text = refusal((1, -1, 2, 2), trt.TensorFormat.HWC8, {"x": (low, low, high)})
    assert "tensor 'x'" in text and "HWC8" in text and "channels (dimension 1)" in text
    assert "3 dimensions or more" in refusal((3, 4), trt.TensorFormat.CHW32)
    assert "4 dimensions or more" in refusal((3, 4, 5), trt.TensorFormat.DHWC8)


def test_formats_of_a_dla_stay_linear_and_warn():
    logger = Recorder()
    network = trt.Builder(logger).create_network(0)
    network.add_input("x", trt.float32, (1, 3, 2, 2)).allowed_formats = 1 << int(
        trt.TensorFormat.DLA_HWC4)
    assert any("DLA_HWC4" in text for _, text in logger.messages)
