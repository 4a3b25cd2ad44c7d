# SPDX-License-Identifier: Apache-2.0
"""lathe.trt as tools of others use it: odd models, what the inspector tells."""
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lathe.trt as trt
from trt_nets import Recorder, plan_of, random, run_engine

C = random(2, 3)


def model(nodes, outputs):
    """A model over x: f32[2,3] and the constant c."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(nodes, "g", [value("x", TensorProto.FLOAT, [2, 3])],
                              [value(name, TensorProto.FLOAT, [2, 3]) for name in outputs],
                              [numpy_helper.from_array(C, "c")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)],
                             ir_version=8).SerializeToString()


def parsed_plan(data):
    """(plan, network, logger)"""
    logger = Recorder()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(data), logger.errors
    config = builder.create_builder_config()
    config.set_timing_cache(config.create_timing_cache(b""), False)
    return builder.build_serialized_network(network, config), network, logger


RELU = helper.make_node("Relu", ["x"], ["y"], name="relu")
CONSTANT = helper.make_node("Constant", [], ["k"], value=numpy_helper.from_array(C))


@pytest.mark.parametrize("nodes, outputs", [
    ([RELU], ["y", "c"]), ([RELU, CONSTANT], ["y", "k"]), ([RELU], ["y", "x"]), ([], ["c"]),
    ([], ["x"])], ids=["initializer", "constant", "input", "only an initializer", "only an input"])
def test_outputs_that_no_layer_computes(nodes, outputs):
    plan, network, logger = parsed_plan(model(nodes, outputs))
    assert plan is not None, logger.errors
    # An input that is an output too leaves it the name.
    name = network.get_input(0).name
    assert name == ("__x" if "x" in outputs else "x")
    x = random(2, 3)
    results = run_engine(trt.Runtime(logger).deserialize_cuda_engine(plan), {name: x})
    wanted = {"x": x, "y": np.maximum(x, 0), "c": C, "k": C}
    assert list(results) == outputs
    for output in outputs:
        np.testing.assert_array_equal(results[output], wanted[output])


def test_the_inspector_tells_types_of_fused_steps_and_symbolic_sizes():
    x, w = random(2, 3, 8, 8), random(4, 3, 3, 3)

    def define(network, x):
        conv = network.add_convolution_nd(x, 4, (3, 3), w)
        return network.add_activation(conv.get_output(0), trt.ActivationType.RELU)

    plan, logger = plan_of(define, {"x": (trt.float32, (-1, 3, -1, -1))},
                           profile={"x": [(1, 3, 4, 4), x.shape, (4, 3, 16, 16)]})
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    inspector = engine.create_engine_inspector()
    layers = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))["Layers"]
    conv, = [layer for layer in layers if layer["LayerType"] == "Conv"]
    assert conv["Inputs"][0]["Dimensions"] == [-1, 3, -1, -1]
    assert [4, 3, 3, 3] in [operand["Dimensions"] for operand in conv["Inputs"]]
    assert [operand["Dimensions"] for operand in conv["Outputs"]] == [[-1, 4, -1, -1]]
    assert all(o["Format/Datatype"].endswith("FP32 format") for o in conv["Inputs"])


def test_a_layer_shows_the_names_of_the_api_only():
    network = trt.Builder(Recorder()).create_network(0)
    x = network.add_input("x", trt.float32, (2, 3))
    layer = network.add_elementwise(x, x, trt.ElementWiseOperation.SUM)
    assert [n for n in dir(layer) if n.startswith("_") and not n.startswith("__")] == []
    assert {"op", "name", "precision"} <= set(dir(layer))


def inspected(layers, name="conv"):
    """[(metadata, sizes of operands and results)] of the steps that compute a layer."""
    return [(layer["Metadata"], [o["Dimensions"] for o in layer["Inputs"] + layer["Outputs"]])
            for layer in layers if layer["LayerType"] == "Conv" and name in layer["Name"]]


def test_the_inspector_tells_what_programs_said_and_the_sizes_of_a_context():
    x, w = random(2, 3, 8, 8), random(4, 3, 3, 3)

    def define(network, x):
        conv = network.add_convolution_nd(x, 4, (3, 3), w)
        conv.stride_nd, conv.name, conv.metadata = (2, 2), "conv", "of mine"
        return conv

    plan, logger = plan_of(define, {"x": (trt.float32, (-1, 3, -1, -1))},
                           profile={"x": [(1, 3, 4, 4), x.shape, (4, 3, 16, 16)]})
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    inspector = engine.create_engine_inspector()
    form = trt.LayerInformationFormat.JSON
    (metadata, sizes), = inspected(json.loads(inspector.get_engine_information(form))["Layers"])
    assert metadata == "of mine" and sizes[0][0] == sizes[-1][0] == -1
    inspector.execution_context = engine.create_execution_context()
    inspector.execution_context.set_input_shape("x", (3, 3, 9, 16))
    (_, sizes), = inspected(json.loads(inspector.get_engine_information(form))["Layers"])
    assert sizes[0] == [3, 3, 9, 16] and sizes[-1] == [3, 4, 4, 7]


def test_parsed_layers_say_which_node_they_are():
    plan, network, logger = parsed_plan(model([RELU], ["y"]))
    assert network.get_layer(0).metadata == "[ONNX Layer: relu]"
    inspector = trt.Runtime(logger).deserialize_cuda_engine(plan).create_engine_inspector()
    layers = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))["Layers"]
    assert [layer["Metadata"] for layer in layers] == ["[ONNX Layer: relu]"]
