# SPDX-License-Identifier: Apache-2.0
"""What 8.x had: lathe.trt8, and lathe.trt behind the switch."""
import os
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

import lathe
import lathe.trt as trt
import lathe.trt8 as trt8
from test_trt_engine import build, convnet, expected
from trt_nets import OnDevice, Recorder, random, run_engine


def test_two_names_of_8_run_a_program_of_8():
    model, w = convnet()
    engine, logger = build(model, api=trt8)
    assert engine.num_bindings == 2 and engine["y"] == 1 and engine[0] == "x"
    assert engine.binding_is_input(0) and not engine.binding_is_input("y")
    assert engine.get_binding_shape("y") == (-1, 4, -1, -1) and engine.get_binding_name(1) == "y"
    assert engine.get_binding_dtype(0) == trt8.float32 and engine.max_batch_size == 1
    assert engine.get_profile_shape(0, "x")[1] == (2, 3, 6, 6)
    context = engine.create_execution_context()
    assert context.set_binding_shape(0, (2, 3, 4, 4))
    x, y = random(2, 3, 4, 4), OnDevice.poisoned(context.get_binding_shape(1), np.float32)
    there = OnDevice(x)
    assert context.execute_async_v2([int(there), int(y)], 0)
    np.testing.assert_allclose(y.read(), expected(x, w), rtol=1e-4, atol=1e-4)
    assert not hasattr(trt.ICudaEngine, "num_bindings")


def test_fully_connected_of_8():
    logger = Recorder()
    builder = trt8.Builder(logger)
    network = builder.create_network(1 << int(trt8.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    x, w, b = random(2, 3, 2, 2), random(5, 12), random(5)
    t = network.add_input("x", trt8.float32, x.shape)
    layer = network.add_fully_connected(input=t, num_outputs=5, kernel=w, bias=b)
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    config = builder.create_builder_config()
    config.max_workspace_size = 1 << 20
    config.clear_flag(trt8.BuilderFlag.TF32)
    engine = builder.build_engine(network, config)
    assert engine is not None, logger.errors
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y"],
                               (x.reshape(2, 12) @ w.T + b).reshape(2, 5, 1, 1), rtol=1e-4,
                               atol=1e-5)


def test_a_fully_connected_layers_settings_may_come_later():
    network = trt8.Builder(logger := Recorder()).create_network(1)
    x, w = random(2, 3, 2, 2), random(5, 12)
    empty = np.zeros(1, np.float32)
    layer = network.add_fully_connected(network.add_input("x", trt8.float32, x.shape), 1, empty,
                                        empty)
    layer.num_output_channels, layer.kernel, layer.bias = 5, w, np.zeros(5, np.float32)
    assert layer.name == "(Unnamed Layer* 0) [Fully Connected]" and network.num_layers == 1
    assert layer.get_output(0).shape == (2, 5, 1, 1) and not logger.errors
    assert layer.type == trt8.LayerType.FULLY_CONNECTED


def test_sizes_are_int32():
    builder = trt8.Builder(logger := Recorder())
    network = builder.create_network(1)
    x = network.add_input("x", trt8.float32, (-1, -1))
    sizes = network.add_shape(x).get_output(0)
    assert sizes.dtype == trt8.int32
    one = network.add_constant((2,), np.int32([0, 1])).get_output(0)
    less = network.add_elementwise(sizes, one, trt8.ElementWiseOperation.SUB)
    part = network.add_slice(x, (0, 0), (0, 0), (1, 1))
    part.mode = trt8.SliceMode.DEFAULT
    part.set_input(2, less.get_output(0))
    larger = network.add_resize(part.get_output(0))
    larger.scales = (2, 2)
    assert not larger.align_corners
    larger.align_corners = True
    assert larger.align_corners and larger.coordinate_transformation == (
        trt8.ResizeCoordinateTransformation.ALIGN_CORNERS)
    larger.align_corners = False
    larger.get_output(0).name = "y"
    network.mark_output(larger.get_output(0))
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    profile.set_shape("x", (1, 2), (2, 3), (4, 5))
    config.add_optimization_profile(profile)
    engine = builder.build_engine(network, config)
    assert engine is not None, logger.errors
    x = random(4, 5)
    np.testing.assert_array_equal(run_engine(engine, {"x": x})["y"],
                                  x[:, :-1].repeat(2, 0).repeat(2, 1))
    both = network.add_topk(sizes, trt8.TopKOperation.MAX, 1, 1)
    assert [both.get_output(k).name[-16:] for k in range(2)] == [" [TopK]_output_1",
                                                                 " [TopK]_output_2"]
    ten = trt.Builder(logger).create_network(0)
    assert ten.add_shape(ten.add_input("x", trt.float32, (2,))).get_output(0).dtype == trt.int64


def gather():
    """y = table[ids], row = 2 ids over i64[N]."""
    nodes = [helper.make_node("Constant", [], ["table"], value=helper.make_tensor(
                 "t", TensorProto.FLOAT, [3], [5.0, 6.0, 7.0])),
             helper.make_node("Gather", ["table", "ids"], ["y"]),
             helper.make_node("Add", ["ids", "ids"], ["twice"])]
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("ids", TensorProto.INT64, [4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4]),
         helper.make_tensor_value_info("twice", TensorProto.INT64, [4])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8).SerializeToString()


@pytest.mark.parametrize("api, dtype", [(trt, np.int64), (trt8, np.int32)])
def test_8_has_int32_where_a_model_has_int64(api, dtype):
    builder = api.Builder(logger := Recorder())
    network = builder.create_network(1)
    assert api.OnnxParser(network, logger).parse(gather())
    config = builder.create_builder_config()
    engine = api.Runtime(logger).deserialize_cuda_engine(
        builder.build_serialized_network(network, config))
    assert trt.nptype(engine.get_tensor_dtype("ids")) == dtype
    got = run_engine(engine, {"ids": np.array([2, 0, 1, 2], dtype)})
    assert got["y"].tolist() == [7, 5, 6, 7] and got["twice"].dtype == dtype
    assert got["twice"].tolist() == [4, 0, 2, 4]


@pytest.mark.parametrize("queued", [False, True])
def test_networks_without_a_batch_dimension_run_samples(queued):
    builder = trt8.Builder(logger := Recorder())
    builder.max_batch_size = 3
    network = builder.create_network()
    t = network.add_input("x", trt8.float32, (4, 5))
    layer = network.add_reduce(t, trt8.ReduceOperation.SUM, 2, False)
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    plan = builder.build_cuda_engine(network).serialize()
    engine = trt8.Runtime(logger).deserialize_cuda_engine(plan)
    assert engine.max_batch_size == 3 and engine.has_implicit_batch_dimension
    assert engine.get_binding_shape(0) == (4, 5) and engine.get_binding_shape(1) == (4,)
    context, x = engine.create_execution_context(), random(3, 4, 5)
    there, y = OnDevice(x), OnDevice.poisoned((3, 4), np.float32)
    run = context.execute_async if queued else context.execute
    assert run(2, [int(there), int(y)])
    np.testing.assert_allclose(y.read()[:2], x[:2].sum(2), rtol=1e-5, atol=1e-6)
    assert (y.read()[2] == 77).all()
    assert run(batch_size=3, bindings=[int(there), int(y)])
    np.testing.assert_allclose(y.read(), x.sum(2), rtol=1e-5, atol=1e-6)
    assert not run(4, [int(there), int(y)]) and "expected 1 to 3" in logger.errors[-1]


def test_convolutions_of_one_sample():
    builder = trt8.Builder(logger := Recorder())
    builder.max_batch_size = 2
    network = builder.create_network()
    w = random(4, 3, 3, 3)
    conv = network.add_convolution(network.add_input("x", trt8.float32, (3, 6, 6)), 4, (3, 3), w)
    conv.padding = (1, 1)
    conv.get_output(0).name = "y"
    assert conv.get_output(0).shape == (4, 6, 6)
    network.mark_output(conv.get_output(0))
    config = builder.create_builder_config()
    config.clear_flag(trt8.BuilderFlag.TF32)
    engine = builder.build_engine(network, config)
    assert engine is not None, logger.errors
    x = random(2, 3, 6, 6)
    there, y = OnDevice(x), OnDevice.poisoned((2, 4, 6, 6), np.float32)
    assert engine.create_execution_context().execute(2, [int(there), int(y)])
    np.testing.assert_allclose(np.maximum(y.read(), 0), expected(x, w), rtol=1e-4, atol=1e-4)


def test_a_batch_size_has_no_effect_where_the_batch_is_explicit():
    model, w = convnet()
    engine, logger = build(model, api=trt8)
    context, x = engine.create_execution_context(), random(2, 3, 4, 4)
    there, y = OnDevice(x), OnDevice.poisoned((2, 4, 4, 4), np.float32)
    context.set_binding_shape(0, x.shape)
    assert engine.max_batch_size == 1 and context.execute(2, [int(there), int(y)])
    assert any("has no effect" in text for _, text in logger.messages)
    np.testing.assert_allclose(y.read(), expected(x, w), rtol=1e-4, atol=1e-4)


def test_members_that_10_renamed():
    assert trt8.ProfilingVerbosity.VERBOSE is trt.ProfilingVerbosity.DETAILED
    assert trt8.EngineCapability.DEFAULT is trt.EngineCapability.STANDARD
    assert trt8.SampleMode.DEFAULT is trt.SampleMode.STRICT_BOUNDS
    assert trt8.BuilderFlag.STRICT_TYPES and not hasattr(trt.BuilderFlag, "STRICT_TYPES")
    assert trt8.__version__.startswith("8.") and trt.__version__.startswith("10.")
    assert isinstance(trt.ProfilingVerbosity.NONE, trt8.ProfilingVerbosity)


def test_bindings_are_named_by_either_keyword():
    engine, _ = build(convnet()[0], api=trt8)
    assert engine.get_binding_shape(index=1) == engine.get_binding_shape(name="y")
    assert engine.binding_is_input(name="x") and not engine.binding_is_input(index=1)
    with pytest.raises(IndexError):
        engine.get_binding_dtype(index=2)


def test_profiles_are_chosen_by_assignment_and_bindings_counted_over_them():
    model, w = convnet()
    engine, _ = build(model, api=trt8, more=[((8, 3, 8, 8), (8, 3, 8, 8), (16, 3, 9, 9))])
    assert engine.num_bindings == 4 and engine.get_binding_index("x [profile 1]") == 2
    context, x = engine.create_execution_context(), random(9, 3, 8, 8)
    context.active_optimization_profile = 1
    assert context.active_optimization_profile == 1 and context.set_binding_shape(2, x.shape)
    there, y = OnDevice(x), OnDevice.poisoned(context.get_binding_shape(3), np.float32)
    assert context.execute_async_v2([0, 0, int(there), int(y)], 0)
    np.testing.assert_allclose(y.read(), expected(x, w), rtol=1e-4, atol=1e-4)
    with pytest.raises(RuntimeError):
        context.active_optimization_profile = 2


def test_padding_of_two_dimensions():
    network = trt8.Builder(Recorder()).create_network(1)
    layer = network.add_padding(network.add_input("x", trt8.float32, (1, 1, 4, 4)), (1, 2), (0, 3))
    assert layer.pre_padding == (1, 2) and layer.get_output(0).shape == (1, 1, 5, 9)
    layer.post_padding = (1, 1)
    assert layer.post_padding_nd == (1, 1) and layer.get_output(0).shape == (1, 1, 6, 7)


@pytest.mark.parametrize("name", ["UffParser", "CaffeParser"])
def test_parsers_of_other_formats_say_what_to_use(name):
    with pytest.raises(lathe.UnsupportedError, match="OnnxParser"):
        getattr(trt8, name)()


def test_the_switch_adds_the_names_of_8_to_the_module_itself():
    script = ("import lathe.trt as trt; b = trt.Builder(trt.Logger()); "
              "c = b.create_builder_config(); c.max_workspace_size = 7; "
              "assert c.max_workspace_size == 7; b.fp16_mode = True; "
              "assert hasattr(trt.ICudaEngine, 'num_bindings') and trt.BuilderFlag.STRICT_TYPES; "
              "assert b.NETWORK_EXPLICIT_BATCH == 1 and trt.__version__[0] == '8'")
    subprocess.run([sys.executable, "-c", script], check=True,
                   env=os.environ | {"LATHE_TRT_API": "8"})
    subprocess.run([sys.executable, "-c", script.replace("b = ", "trt.enable_legacy(); b = ", 1)],
                   check=True)


def test_refitters_of_8_are_context_managers():
    model, w = convnet()
    engine, logger = build(model, flags=[trt.BuilderFlag.REFIT], api=trt8)
    with pytest.warns(DeprecationWarning):
        with trt8.Refitter(engine, logger) as refitter:
            assert refitter.set_named_weights("w", w * 3) and refitter.refit_cuda_engine()
    x = random(1, 3, 4, 4)
    there, y = OnDevice(x), OnDevice.poisoned((1, 4, 4, 4), np.float32)
    context = engine.create_execution_context()
    assert context.set_binding_shape(0, x.shape)
    assert context.execute_v2([int(there), int(y)])
    np.testing.assert_allclose(y.read(), expected(x, w * 3), rtol=1e-4, atol=1e-4)
    assert not hasattr(trt.Refitter, "__enter__")
