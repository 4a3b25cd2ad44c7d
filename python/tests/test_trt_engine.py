# SPDX-License-Identifier: Apache-2.0
"""Plans, engines, contexts, profiles, refitting, parsing, through models of ONNX."""
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lathe
import lathe.trt as trt
from trt_nets import OnDevice, Recorder, plan_of, random, run_engine


def convnet(bias=None):
    """relu(conv(x)) over f32[N,3,H,W], and its weights."""
    w = np.random.default_rng(3).standard_normal((4, 3, 3, 3)).astype(np.float32)
    b = np.zeros(4, np.float32) if bias is None else bias
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["h"], "conv", pads=[1, 1, 1, 1]),
             helper.make_node("Relu", ["h"], ["y"], "act")]
    graph = helper.make_graph(
        nodes, "convnet",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4, "H", "W"])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(b, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString(), w


def loop():
    """The bytes of a network that doubles x, m times."""
    f32 = TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Add", ["v", "v"], ["w"]), helper.make_node("Identity", ["go"], ["on"])],
        "body", [helper.make_tensor_value_info("i", TensorProto.INT64, []),
                 helper.make_tensor_value_info("go", TensorProto.BOOL, []),
                 helper.make_tensor_value_info("v", f32, [3])],
        [helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", f32, [3])])
    again = helper.make_node("Loop", ["m", "", "x"], ["y"], name="again", body=body)
    graph = helper.make_graph([again], "loop",
                              [helper.make_tensor_value_info("m", TensorProto.INT64, []),
                               helper.make_tensor_value_info("x", f32, [3])],
                              [helper.make_tensor_value_info("y", f32, [3])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=9).SerializeToString()


def expected(x, w, b=0.0):
    """The convolution by its definition."""
    wide = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(wide, (3, 3), (2, 3))
    y = np.einsum("nchwij,mcij->nmhw", windows, w) + np.reshape(b, (1, -1, 1, 1))
    return np.maximum(y, 0)


def build(model, shapes=((1, 3, 4, 4), (2, 3, 6, 6), (4, 3, 8, 8)), flags=(), api=trt, edit=None,
          more=()):
    """(engine, logger) of ONNX bytes with a profile for x, and `more` profiles."""
    logger = Recorder()
    builder = api.Builder(logger)
    network = builder.create_network(0)
    parser = api.OnnxParser(network, logger)
    assert parser.parse(model), logger.errors
    del parser
    config = builder.create_builder_config()
    config.set_timing_cache(config.create_timing_cache(b""), False)
    config.builder_optimization_level = 0
    config.clear_flag(trt.BuilderFlag.TF32)
    for flag in flags:
        config.set_flag(flag)
    for given in ((shapes,) if shapes else ()) + tuple(more):
        profile = builder.create_optimization_profile()
        profile.set_shape("x", *given)
        config.add_optimization_profile(profile)
    if edit:
        edit(network, config)
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, logger.errors
    return api.Runtime(logger).deserialize_cuda_engine(plan), logger


def test_parsed_network_shows_layers_and_runs():
    model, w = convnet()
    network = trt.Builder(logger := Recorder()).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(model) and parser.num_errors == 0
    assert [layer.name for layer in network] == ["conv", "act"]
    assert network[0].type == trt.LayerType.CONVOLUTION and network.get_input(0).shape == (
        -1, 3, -1, -1)
    conv = network[0]
    conv.__class__ = trt.IConvolutionLayer
    assert conv.num_output_maps == 4 and conv.kernel_size_nd == (3, 3) and conv.num_inputs == 1
    np.testing.assert_array_equal(conv.kernel, w.reshape(-1))
    engine, _ = build(model)
    x = random(3, 3, 5, 7)
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y"], expected(x, w), rtol=1e-4,
                               atol=1e-4)


def test_engine_facts_and_iteration():
    engine, _ = build(convnet()[0])
    assert list(engine) == ["x", "y"] and engine[-1] == "y" and engine.num_io_tensors == 2
    with pytest.raises(IndexError):
        engine[2]
    assert engine.get_tensor_mode("x") == trt.TensorIOMode.INPUT
    assert engine.get_tensor_mode("y") == trt.TensorIOMode.OUTPUT
    assert engine.get_tensor_shape("x") == (-1, 3, -1, -1)
    assert engine.get_tensor_dtype("y") == trt.float32
    assert engine.get_tensor_profile_shape("x", 0) == [(1, 3, 4, 4), (2, 3, 6, 6), (4, 3, 8, 8)]
    assert engine.get_tensor_location("x") == trt.TensorLocation.DEVICE
    assert engine.num_optimization_profiles == 1 and engine.num_layers > 0
    assert not engine.has_implicit_batch_dimension and not engine.refittable
    assert engine.device_memory_size_v2 >= 0


def test_shapes_outside_of_the_profile_are_refused():
    engine, logger = build(convnet()[0])
    context = engine.create_execution_context()
    assert context.infer_shapes() == ["x"] and not context.all_binding_shapes_specified
    assert context.get_tensor_shape("y") == (-1, 4, -1, -1)
    assert not context.set_input_shape("x", (9, 3, 4, 4))
    assert "outside of profile" in logger.errors[-1]
    assert not context.set_input_shape("y", (1, 4, 4, 4))
    assert context.set_input_shape("x", (2, 3, 4, 8)) and context.infer_shapes() == []
    assert context.get_tensor_shape("y") == (2, 4, 4, 8)
    assert context.get_tensor_strides("y") == (128, 32, 8, 1)
    assert not context.execute_async_v3(0) and "no address" in logger.errors[-1]
    assert not context.set_tensor_address("z", 0)


def test_a_plan_is_lathes_engine_and_every_reader_takes_it():
    model, w = convnet()
    engine, logger = build(model)
    plan = engine.serialize()
    assert lathe.load(bytes(plan)).inputs[0].name == "x"

    class Reader(trt.IStreamReader):
        def __init__(self):
            trt.IStreamReader.__init__(self)
            self.at = 0

        def read(self, size):
            part = bytes(plan)[self.at:self.at + size]
            self.at += size
            return part

    for source in (plan, bytes(plan), bytearray(plan), memoryview(plan), Reader()):
        again = trt.Runtime(logger).deserialize_cuda_engine(source)
        x = random(1, 3, 4, 4)
        np.testing.assert_allclose(run_engine(again, {"x": x})["y"], expected(x, w), rtol=1e-4,
                                   atol=1e-4)
    assert trt.Runtime(logger).deserialize_cuda_engine(bytes(plan)[:-9]) is None
    assert trt.Runtime(logger).deserialize_cuda_engine(b"") is None


def test_several_profiles_travel_in_one_plan():
    model, w = convnet()
    engine, logger = build(model, more=[((8, 3, 8, 8), (8, 3, 8, 8), (16, 3, 9, 9))])
    plan = engine.serialize()
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    assert engine.num_optimization_profiles == 2
    assert engine.get_tensor_profile_shape("x", 1)[2] == (16, 3, 9, 9)
    context = engine.create_execution_context()
    assert not context.set_input_shape("x", (8, 3, 8, 8))
    assert context.set_optimization_profile_async(1, 0) and context.active_optimization_profile == 1
    x = random(8, 3, 8, 8)
    np.testing.assert_allclose(run_engine(engine, {"x": x}, context)["y"], expected(x, w),
                               rtol=1e-4, atol=1e-4)
    assert not context.set_optimization_profile_async(2, 0)
    damaged = bytearray(plan)
    damaged[-1] ^= 1
    assert trt.Runtime(logger).deserialize_cuda_engine(damaged) is None
    assert "damaged" in logger.errors[-1]


def test_an_outputs_shapes_under_each_profile_are_told():
    model, _ = convnet()
    engine, _ = build(model, more=(((8, 3, 4, 4), (8, 3, 4, 4), (9, 3, 5, 6)),))
    assert engine.get_tensor_profile_shape("y", 0) == [(1, 4, 4, 4), (2, 4, 6, 6), (4, 4, 8, 8)]
    assert engine.get_tensor_profile_shape("y", 1) == [(8, 4, 4, 4), (8, 4, 4, 4), (9, 4, 5, 6)]


def test_execute_v2_takes_addresses_in_the_engines_order():
    model, w = convnet()
    engine, logger = build(model)
    context = engine.create_execution_context()
    x, y = random(1, 3, 4, 4), OnDevice.poisoned((1, 4, 4, 4), np.float32)
    there = OnDevice(x)
    assert context.set_input_shape("x", x.shape)
    assert context.execute_v2(bindings=[int(there), int(y)])
    np.testing.assert_allclose(y.read(), expected(x, w), rtol=1e-4, atol=1e-4)
    assert not context.execute_v2([int(there)])


def test_the_profiler_hears_of_every_step():
    engine, _ = build(convnet()[0])
    context = engine.create_execution_context()

    class Times(trt.IProfiler):
        def __init__(self):
            trt.IProfiler.__init__(self)
            self.times = []

        def report_layer_time(self, layer_name, ms):
            self.times.append((layer_name, ms))

    context.profiler = times = Times()
    run_engine(engine, {"x": random(1, 3, 4, 4)}, context)
    assert len(times.times) == engine.num_layers and all(ms >= 0 for _, ms in times.times)


def test_the_inspector_speaks_json():
    engine, _ = build(convnet()[0])
    facts = json.loads(engine.create_engine_inspector().get_engine_information(
        trt.LayerInformationFormat.JSON))
    assert facts["Bindings"] == ["x", "y"] and len(facts["Layers"]) == engine.num_layers
    layer = facts["Layers"][0]
    for key in ("Name LayerType ParameterType Inputs Outputs TacticName TacticValue "
                "Metadata").split():
        assert key in layer
    assert layer["Outputs"][0]["Dimensions"] and "Format/Datatype" in layer["Outputs"][0]


def test_weights_are_refitted_by_name_and_by_layer():
    model, w = convnet()
    engine, logger = build(model, flags=[trt.BuilderFlag.REFIT])
    engine = trt.Runtime(logger).deserialize_cuda_engine(engine.serialize())
    context, x = engine.create_execution_context(), random(1, 3, 4, 4)
    np.testing.assert_allclose(run_engine(engine, {"x": x}, context)["y"], expected(x, w),
                               rtol=1e-4, atol=1e-4)
    refitter = trt.Refitter(engine, logger)
    assert sorted(refitter.get_all_weights()) == ["b", "w"]
    layers, roles = refitter.get_all()
    assert ("conv", trt.WeightsRole.KERNEL) in list(zip(layers, roles))
    assert refitter.get_missing_weights() == []
    new, bias = np.ascontiguousarray(w[::-1] * 2), np.arange(4, dtype=np.float32)
    assert refitter.set_named_weights("w", new)
    assert refitter.set_weights("conv", trt.WeightsRole.BIAS, bias)
    assert not refitter.set_named_weights("w", np.zeros(3, np.float32))
    assert not refitter.set_named_weights("nothing", bias)
    assert refitter.refit_cuda_engine()
    np.testing.assert_allclose(run_engine(engine, {"x": x}, context)["y"],
                               expected(x, new, bias), rtol=1e-4, atol=1e-4)
    parser = trt.OnnxParserRefitter(refitter, logger)
    assert parser.refit_from_bytes(model) and refitter.refit_cuda_engine()
    np.testing.assert_allclose(run_engine(engine, {"x": x}, context)["y"], expected(x, w),
                               rtol=1e-4, atol=1e-4)
    plain, _ = build(model)
    with pytest.raises(ValueError, match="REFIT"):
        trt.Refitter(plain, logger)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_weights_may_lie_on_the_device(dtype):
    model, w = convnet()
    engine, logger = build(model, flags=[trt.BuilderFlag.REFIT])
    refitter, x = trt.Refitter(engine, logger), random(1, 3, 4, 4)
    new = random(*w.shape).astype(dtype)
    there = OnDevice(new)
    given = trt.Weights(trt.DataType.HALF if dtype == np.float16 else trt.float32, int(there),
                        new.size)
    assert refitter.set_named_weights("w", given, trt.TensorLocation.DEVICE)
    assert refitter.get_weights_location("w") == trt.TensorLocation.DEVICE
    assert not refitter.set_named_weights("b", given, trt.TensorLocation.DEVICE)
    assert refitter.refit_cuda_engine()
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y"], expected(x, new), rtol=1e-4,
                               atol=1e-4)


def test_a_parsed_network_can_be_edited():
    model, w = convnet()

    def edit(network, config):
        network.get_input(0).shape = (2, 3, 4, 4)
        network.get_input(0).dtype = trt.float16
        hidden = network[0].get_output(0)
        assert hidden.name == "h" and hidden.shape == (2, 4, 4, 4)
        network.mark_output(hidden)
        total = network.add_reduce(network.get_output(0), trt.ReduceOperation.SUM, 0b1110, False)
        total.get_output(0).name = "total"
        network.unmark_output(network.get_output(0))
        network.mark_output(total.get_output(0))

    engine, _ = build(model, shapes=None, edit=edit)
    assert list(engine) == ["x", "h", "total"] and engine.get_tensor_dtype("x") == trt.float16
    x = random(2, 3, 4, 4).astype(np.float16)
    results = run_engine(engine, {"x": x})
    np.testing.assert_allclose(results["total"], expected(x, w).sum((1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(np.maximum(results["h"], 0), expected(x, w), rtol=1e-4, atol=1e-4)


def test_failures_are_reported_and_return_none_or_false():
    logger = Recorder()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert parser.parse(b"no model") is False and parser.num_errors == 1
    assert parser.get_error(0).code() == trt.ErrorCode.MODEL_DESERIALIZE_FAILED
    assert parser.parse_from_file("/no/such/file.onnx") is False
    config = builder.create_builder_config()
    assert builder.build_serialized_network(network, config) is None
    model, _ = convnet()
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(model)
    assert builder.build_serialized_network(network, config) is None
    assert "no optimization profile" in logger.errors[-1]
    config.set_flag(trt.BuilderFlag.FP8)
    assert builder.build_engine_with_config(network, config) is None
    assert "FP8" in logger.errors[-1]


def test_parser_errors_name_node_and_code():
    node = helper.make_node("NonMaxSuppression", ["x", "x"], ["y"], "suppress")
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info(
        "x", TensorProto.FLOAT, [1, 2, 4])], [helper.make_tensor_value_info(
            "y", TensorProto.INT64, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    network = trt.Builder(logger := Recorder()).create_network(0)
    parser = trt.OnnxParser(network, logger)
    assert not parser.parse(model.SerializeToString())
    error = parser.get_error(0)
    assert error.node_name() == "suppress" and error.node_operator() == "NonMaxSuppression"
    assert error.code() == trt.ErrorCode.UNSUPPORTED_NODE and error.node() == 0
    assert "suppress" in str(error) and "UNSUPPORTED_NODE" in str(error)
    supported, parts = parser.supports_model(model.SerializeToString())
    assert not supported and parts == [([0], False)]
    assert parser.supports_model(convnet()[0])[0] and parser.supports_operator("Conv")
    assert not parser.supports_model(loop())[0] and not parser.supports_operator("Loop")
    assert parser.get_error(parser.num_errors - 1).node_name() == "again"
    with pytest.raises(IndexError):
        parser.get_error(99)
    onnx.checker.check_model(onnx.load_model_from_string(convnet()[0]))


def test_progress_is_nested_and_cancels():
    class Monitor(trt.IProgressMonitor):
        def __init__(self, stop):
            trt.IProgressMonitor.__init__(self)
            self.open, self.seen, self.stop = [], [], stop

        def phase_start(self, phase_name, parent_phase, num_steps):
            assert parent_phase is None or parent_phase in self.open
            self.open.append(phase_name)
            self.seen.append(phase_name)

        def step_complete(self, phase_name, step):
            assert phase_name in self.open
            return not self.stop

        def phase_finish(self, phase_name):
            self.open.remove(phase_name)

    for stop in (False, True):
        monitor = Monitor(stop)

        def edit(network, config):
            config.progress_monitor = monitor  # noqa: B023
        if stop:
            with pytest.raises(AssertionError):
                build(convnet()[0], edit=edit)
        else:
            build(convnet()[0], edit=edit)
        assert monitor.open == [] and monitor.seen[0] == "Building engine"


def test_timing_caches_fill_combine_and_answer():
    builder = trt.Builder(Recorder())
    network = builder.create_network(0)
    assert trt.OnnxParser(network, builder.logger).parse(convnet()[0])
    network.get_input(0).shape = (1, 3, 4, 4)
    config = builder.create_builder_config()
    cache = config.create_timing_cache(b"")
    assert config.set_timing_cache(cache, ignore_mismatch=False)
    assert builder.build_serialized_network(network, config) is not None
    data = config.get_timing_cache().serialize()
    assert len(data) > 0
    other = config.create_timing_cache(data)
    keys = other.queryKeys()
    assert keys and other.query(keys[0]).timingMSec >= 0 and other.combine(cache, True)
    assert bytes(other.serialize()) == bytes(data)


def test_lifetimes_are_those_of_python():
    model, w = convnet()
    context = build(model)[0].create_execution_context()  # engine, runtime, builder are gone
    x = random(1, 3, 4, 4)
    np.testing.assert_allclose(run_engine(context.engine, {"x": x}, context)["y"], expected(x, w),
                               rtol=1e-4, atol=1e-4)


def test_half_precision_by_one_flag_keeps_bindings_and_accuracy():
    model, w = convnet()
    engine, _ = build(model, flags=[trt.BuilderFlag.FP16])
    assert engine.get_tensor_dtype("x") == trt.float32
    x = random(1, 3, 4, 4)
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y"], expected(x, w), rtol=2e-2,
                               atol=2e-2)


def test_a_strongly_typed_network_refuses_type_flags():
    plan, logger = plan_of(lambda net, t: net.add_identity(t), {"x": random(2)})
    assert plan is not None
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    network.mark_output(network.add_identity(network.add_input("x", trt.float32, (2,)))
                        .get_output(0))
    config = builder.create_builder_config()
    config.set_flag(trt.BuilderFlag.FP16)
    assert builder.build_serialized_network(network, config) is None
    assert "strongly typed" in logger.errors[-1]


def test_an_engine_whose_types_the_api_lacks_is_refused():
    ports = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ports[:1], ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    engine = lathe.build(model, tune=False, timing_cache=False)
    logger = Recorder()
    assert trt.Runtime(logger).deserialize_cuda_engine(engine.serialize()) is None
    assert "tensor 'x'" in logger.errors[-1] and "f64" in logger.errors[-1]


@pytest.mark.parametrize("held, shown", [("DOUBLE", "FLOAT"), ("UINT16", "INT64"),
                                         ("INT16", "INT64")])
def test_a_parser_shows_types_that_the_api_lacks_as_what_holds_them(held, shown):
    kind = getattr(TensorProto, held)
    made = helper.tensor_dtype_to_np_dtype(kind)
    w = np.array([1, 2, 3], made)
    ports = [helper.make_tensor_value_info(name, kind, [2, 3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Max", ["x", "w"], ["y"])], "g", ports[:1],
                              ports[1:], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    logger = Recorder()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(model.SerializeToString())
    kind = getattr(trt.DataType, shown)
    assert network.get_input(0).dtype == network.get_output(0).dtype == kind
    engine = builder.build_engine_with_config(network, builder.create_builder_config())
    x = np.array([[0, 5, 2], [9, 0, 4]], trt.nptype(kind))
    np.testing.assert_array_equal(run_engine(engine, {"x": x})["y"], np.maximum(x, w))


def test_weights_of_doubles_are_shown_as_floats():
    w = np.random.default_rng(8).standard_normal((2, 3, 1, 1))
    ports = [helper.make_tensor_value_info("x", TensorProto.DOUBLE, [1, 3, 4, 4]),
             helper.make_tensor_value_info("y", TensorProto.DOUBLE, [1, 2, 4, 4])]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "g", ports[:1],
                              ports[1:], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    network = trt.Builder(Recorder()).create_network(0)
    assert trt.OnnxParser(network, Recorder()).parse(model.SerializeToString())
    conv = network.get_layer(0)
    conv.__class__ = trt.IConvolutionLayer
    np.testing.assert_array_equal(conv.kernel, w.ravel().astype(np.float32))


def test_complex_inputs_are_an_error_of_the_parser():
    ports = [helper.make_tensor_value_info(name, TensorProto.COMPLEX64, [3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ports[:1],
                              ports[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    logger = Recorder()
    parser = trt.OnnxParser(trt.Builder(logger).create_network(0), logger)
    assert not parser.parse(model.SerializeToString()) and parser.num_errors == 1
    assert "input 'x'" in parser.get_error(0).desc()
