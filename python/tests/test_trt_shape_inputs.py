# SPDX-License-Identifier: Apache-2.0
"""Inputs that are shape tensors: their elements, read from the host at every run, are sizes."""
import hashlib
import json

import numpy as np
import pytest

import lathe.trt as trt
from lathe.trt.plan import _FIXED
from trt_nets import OnDevice, Recorder, plan_of, random


def engine_of(define, inputs, profile, values, api=trt):
    """An engine of a network with a profile that has shapes and values of shape tensors."""
    def config(builder, network):
        settings = builder.create_builder_config()
        chosen = builder.create_optimization_profile()
        for name, shapes in profile.items():
            chosen.set_shape(name, *shapes)
        for name, numbers in values.items():
            chosen.set_shape_input(name, *numbers)
        settings.add_optimization_profile(chosen)
        return settings

    plan, logger = plan_of(define, inputs, config=config)
    assert plan is not None, logger.errors
    return api.Runtime(logger).deserialize_cuda_engine(plan)


def run(context, x, sizes):
    """Output y0 for an input and the elements of the shape tensors."""
    held = {"x": OnDevice(x)}
    assert context.set_input_shape("x", x.shape)
    context.set_tensor_address("x", int(held["x"]))
    for name, array in sizes.items():
        context.set_tensor_address(name, array.ctypes.data)
    assert context.infer_shapes() == []
    y = OnDevice.poisoned(context.get_tensor_shape("y0"), np.float32)
    context.set_tensor_address("y0", int(y))
    assert context.execute_async_v3(0)
    return y.read()


def reshaped(network, x, sizes):
    layer = network.add_shuffle(x)
    assert not sizes.is_shape_tensor
    layer.set_input(1, sizes)
    assert sizes.is_shape_tensor and not x.is_shape_tensor
    assert layer.get_output(0).shape == (-1,) * 3
    return layer


ANY = {"x": ((1, 1), (4, 6), (10, 12))}
SIZES = {"sizes": ((0, 1, 1), (2, 3, 4), (12, 12, 12))}


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_a_reshape_to_what_an_input_says(dtype):
    kind = trt.int32 if dtype == np.int32 else trt.int64
    engine = engine_of(reshaped, {"x": (trt.float32, (-1, -1)), "sizes": (kind, (3,))}, ANY, SIZES)
    assert engine.get_tensor_location("sizes") == trt.TensorLocation.HOST
    assert engine.get_tensor_location("x") == trt.TensorLocation.DEVICE
    assert engine.is_shape_inference_io("sizes") and not engine.is_shape_inference_io("x")
    assert engine.get_tensor_shape("sizes") == (3,) and engine.get_tensor_dtype("sizes") == kind
    assert engine.get_tensor_profile_values("sizes", 0) == [[0, 1, 1], [2, 3, 4], [12, 12, 12]]
    assert engine.get_tensor_profile_values(0, "sizes") == [[0, 1, 1], [2, 3, 4], [12, 12, 12]]
    assert engine.get_tensor_profile_values("x", 0) == []
    context = engine.create_execution_context()
    assert not context.all_shape_inputs_specified and context.infer_shapes() == ["x", "sizes"]
    assert context.set_input_shape("sizes", (3,))
    x, sizes = random(4, 6), np.array([2, 3, 4], dtype)
    np.testing.assert_array_equal(run(context, x, {"sizes": sizes}), x.reshape(2, 3, 4))
    sizes[:] = 4, 1, 6  # at the same address
    assert context.all_shape_inputs_specified and context.get_tensor_shape("y0") == (4, 1, 6)
    np.testing.assert_array_equal(run(context, x, {"sizes": sizes}), x.reshape(4, 1, 6))
    x = random(10, 12)
    sizes = np.array([12, 5, 2], dtype)
    np.testing.assert_array_equal(run(context, x, {"sizes": sizes}), x.reshape(12, 5, 2))


def test_elements_that_do_not_fit_are_refused():
    inputs = {"x": (trt.float32, (-1, -1)), "sizes": (trt.int32, (3,))}
    engine = engine_of(reshaped, inputs, ANY, SIZES)
    context, logger = engine.create_execution_context(), engine._runtime._logger
    sizes, x = np.array([2, 3, 13], np.int32), OnDevice(random(4, 6))
    context.set_input_shape("x", (4, 6))
    context.set_tensor_address("x", int(x))
    context.set_tensor_address("y0", int(x))
    context.set_tensor_address("sizes", sizes.ctypes.data)
    assert not context.execute_async_v3(0) and "outside of profile 0" in logger.errors[-1]
    assert context.infer_shapes() == ["sizes"]
    sizes[:] = 2, 3, 5
    assert not context.execute_async_v3(0) and "must be equal" in logger.errors[-1]
    plan, logger = plan_of(reshaped, inputs, profile=ANY)
    assert plan is None and "set_shape_input gives them" in logger.errors[-1]
    plan, logger = plan_of(reshaped, inputs)
    assert plan is None and "no optimization profile" in logger.errors[-1]


def test_a_part_and_an_enlarged_picture():
    def define(network, x, start, size, shape):
        part = network.add_slice(x, (0, 0), (0, 0), (1, 1))
        part.set_input(1, start)
        doubled = network.add_elementwise(size, network.add_constant((1,), np.array(
            [1], np.int32)).get_output(0), trt.ElementWiseOperation.SUM)
        rows = network.add_concatenation([size, doubled.get_output(0)])
        rows.axis = 0
        part.set_input(2, rows.get_output(0))
        larger = network.add_resize(part.get_output(0))
        larger.set_input(1, shape)
        return larger

    engine = engine_of(
        define, {"x": (trt.float32, (8, 9)), "start": (trt.int32, (2,)), "size": (trt.int32, (1,)),
                 "shape": (trt.int64, (2,))}, {},
        {"start": ((0, 0), (1, 1), (5, 5)), "size": ((1,), (2,), (3,)),
         "shape": ((2, 2), (4, 6), (12, 12))})
    context, x = engine.create_execution_context(), random(8, 9)
    for start, size in (((1, 2), 2), ((5, 5), 3), ((0, 4), 1)):
        part = x[start[0]:start[0] + size, start[1]:start[1] + size + 1]
        y = run(context, x, {"start": np.array(start, np.int32), "size": np.array([size], np.int32),
                             "shape": np.array(part.shape) * 2})
        np.testing.assert_array_equal(y, part.repeat(2, 0).repeat(2, 1))


def test_the_plan_of_two_profiles_and_a_refit():
    def define(network, x, sizes):
        ones = network.add_constant((1, 1), np.ones((1, 1), np.float32))
        network.set_weights_name(ones.weights, "ones")
        scaled = network.add_elementwise(x, ones.get_output(0), trt.ElementWiseOperation.PROD)
        layer = network.add_shuffle(scaled.get_output(0))
        layer.set_input(1, sizes)
        return layer

    def config(builder, network):
        settings = builder.create_builder_config()
        settings.set_flag(trt.BuilderFlag.REFIT)
        for high in (4, 12):
            profile = builder.create_optimization_profile()
            profile.set_shape("x", (1, 1), (2, 2), (high, high))
            profile.set_shape_input("sizes", (1,), (4,), (high * high,))
            settings.add_optimization_profile(profile)
        return settings

    plan, logger = plan_of(define, {"x": (trt.float32, (-1, -1)), "sizes": (trt.int32, (1,))},
                           config=config)
    assert plan is not None, logger.errors
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(
        bytes(runtime.deserialize_cuda_engine(plan).serialize()))
    assert engine.get_tensor_profile_values("sizes", 1) == [[1], [4], [144]]
    assert engine.get_tensor_profile_shape("y0", 1) == [(1,), (4,), (144,)]
    context, x = engine.create_execution_context(), random(3, 4)
    sizes = np.array([12], np.int32)
    np.testing.assert_array_equal(run(context, x, {"sizes": sizes}), x.ravel())
    refitter = trt.Refitter(engine, logger)
    assert refitter.set_named_weights("ones", np.full((1, 1), 3, np.float32))
    assert refitter.refit_cuda_engine()
    np.testing.assert_allclose(run(context, x, {"sizes": sizes}), 3 * x.ravel(), rtol=1e-6)
    assert context.set_optimization_profile_async(1, 0)
    x, sizes = random(12, 10), np.array([120], np.int32)
    np.testing.assert_allclose(run(context, x, {"sizes": sizes}), 3 * x.ravel(), rtol=1e-6)


def test_the_calls_of_8():
    import lathe.trt8 as trt8
    engine = engine_of(reshaped, {"x": (trt.float32, (-1, -1)), "sizes": (trt.int32, (3,))}, ANY,
                       SIZES, trt8)
    assert engine.is_shape_binding(1) and not engine.is_execution_binding(1)
    assert not engine.is_shape_binding(0) and engine.is_execution_binding(0)
    assert engine.get_profile_shape_input(0, 1) == [[0, 1, 1], [2, 3, 4], [12, 12, 12]]
    context, x = engine.create_execution_context(), random(4, 6)
    assert context.set_binding_shape(0, x.shape) and not context.all_shape_inputs_specified
    assert not context.set_shape_input(1, [2, 3, 400]) and not context.set_shape_input(0, [4, 6])
    assert context.set_shape_input(1, [3, 2, 4]) and context.all_shape_inputs_specified
    assert context.get_shape(1) == [3, 2, 4] and context.get_binding_shape(2) == (3, 2, 4)
    there, y = OnDevice(x), OnDevice.poisoned((3, 2, 4), np.float32)
    assert context.execute_v2([int(there), 0, int(y)])
    np.testing.assert_array_equal(y.read(), x.reshape(3, 2, 4))


def test_one_number_and_data_beside():
    def define(network, x, count, data):
        fill = network.add_fill((-1,), trt.FillOperation.LINSPACE, trt.float32)
        sizes = network.add_shuffle(count)
        sizes.reshape_dims = (1,)
        fill.set_input(0, sizes.get_output(0))
        fill.set_input(1, network.add_constant((), np.zeros((), np.float32)).get_output(0))
        fill.set_input(2, network.add_constant((1,), np.ones(1, np.float32)).get_output(0))
        assert count.is_shape_tensor and not data.is_shape_tensor
        rows = network.add_gather(x, data, 0)
        return [network.add_elementwise(fill.get_output(0), rows.get_output(0),
                                        trt.ElementWiseOperation.SUM)]

    engine = engine_of(define, {"x": (trt.float32, (6,)), "count": (trt.int32, ()),
                                "data": (trt.int32, (1,))}, {}, {"count": ((1,), (3,), (9,))})
    context, x, data = engine.create_execution_context(), random(6), OnDevice(np.int32([4]))
    context.set_tensor_address("data", int(data))
    for count in (3, 9, 1):
        y = run(context, x, {"count": np.array(count, np.int32)})
        np.testing.assert_allclose(y, np.arange(count) + x[4], rtol=1e-6)


def test_a_plan_that_tells_of_other_shape_inputs_is_refused():
    engine = engine_of(reshaped, {"x": (trt.float32, (-1, -1)), "sizes": (trt.int32, (3,))}, ANY,
                       SIZES)
    data = bytes(engine.serialize())
    magic, _, length = _FIXED.unpack_from(data)
    head = json.loads(data[_FIXED.size:_FIXED.size + length])
    for lie in ({"z": ["i32", [3]]}, {"sizes": ["f32", [3]]}, {"sizes": ["i32", [3, 3]]},
                {"sizes": ["i32", [2]]}, {"x": ["i32", [3]]}, {"sizes": 7},
                {"sizes": ["i32", [1e9]]}):
        text = json.dumps(head | {"shape_inputs": lie}).encode()
        body = text + data[_FIXED.size + length:]
        lying = _FIXED.pack(magic, hashlib.sha256(body).digest(), len(text)) + body
        logger = Recorder()
        assert trt.Runtime(logger).deserialize_cuda_engine(lying) is None, lie
        assert "damaged" in logger.errors[-1]


def test_how_many_and_strides_that_the_profile_fixes():
    def define(network, x, count, start, stride):
        best = network.add_topk(x, trt.TopKOperation.MAX, 1, 1 << 1)
        best.set_input(1, count)
        part = network.add_slice(best.get_output(0), (0, 0), (2, 1), (1, 1))
        part.set_input(1, start)
        part.set_input(3, stride)
        return [best.get_output(0), part.get_output(0)]

    inputs = {"x": (trt.float32, (6, 7)), "count": (trt.int32, ()), "start": (trt.int32, (2,)),
              "stride": (trt.int32, (2,))}
    engine = engine_of(define, inputs, {}, {"count": ((1,), (2,), (7,)),
                                            "start": ((0, 0), (1, 0), (2, 0)),
                                            "stride": ((3, 1), (3, 1), (3, 1))})
    context, x = engine.create_execution_context(), random(6, 7)
    for count, start in ((2, 1), (7, 2), (1, 0)):
        y1 = OnDevice.poisoned((2, 1), np.float32)
        context.set_tensor_address("y1", int(y1))
        y = run(context, x, {"count": np.array(count, np.int32),
                             "start": np.array([start, 0], np.int32),
                             "stride": np.array([3, 1], np.int32)})
        ordered = np.sort(x, 1)[:, ::-1]
        np.testing.assert_array_equal(y, ordered[:, :count])
        np.testing.assert_array_equal(y1.read(), ordered[start::3, :1][:2])
    plan, logger = plan_of(define, inputs, config=lambda builder, network: profile_of(
        builder, count=((1,), (2,), (7,)), start=((0, 0),) * 3, stride=((1, 1), (2, 1), (3, 1))))
    assert plan is None and "stride must be known" in logger.errors[-1]


def profile_of(builder, **values):
    """A configuration with one profile of shape tensors."""
    settings, profile = builder.create_builder_config(), builder.create_optimization_profile()
    for name, numbers in values.items():
        profile.set_shape_input(name, *numbers)
    settings.add_optimization_profile(profile)
    return settings
