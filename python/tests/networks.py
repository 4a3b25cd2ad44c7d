# SPDX-License-Identifier: Apache-2.0
"""Networks for the tests, made by onnx.helper."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


def model(nodes, inputs, outputs, constants=()):
    """A ModelProto. inputs, outputs: (name, type, shape)."""
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(value, name) for name, value in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def relu(kind=TensorProto.FLOAT):
    return model([helper.make_node("Relu", ["x"], ["y"])], [("x", kind, ["N", 3])],
                 [("y", kind, ["N", 3])])


def two_in_two_out():
    f32 = TensorProto.FLOAT
    return model([helper.make_node("Add", ["a", "b"], ["sum"]),
                  helper.make_node("Mul", ["a", "b"], ["product"])],
                 [("a", f32, ["N", 4]), ("b", f32, ["N", 4])],
                 [("sum", f32, ["N", 4]), ("product", f32, ["N", 4])])


def negated(kind):
    """y = -(-x) in any type that Neg takes, x of shape [4]."""
    return model([helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Neg", ["n"], ["y"])],
                 [("x", kind, [4])], [("y", kind, [4])])


def layers(depth, width, seed=0):
    """Matrix products and ReLUs; large enough, it runs or builds for a while."""
    rng = np.random.default_rng(seed)
    nodes, constants, last = [], [], "x"
    for k in range(depth):
        weights = rng.standard_normal((width, width)) / np.sqrt(width)
        constants.append((f"w{k}", weights.astype(np.float32)))
        nodes.append(helper.make_node("MatMul", [last, f"w{k}"], [f"m{k}"]))
        nodes.append(helper.make_node("Relu", [f"m{k}"], [f"r{k}"]))
        last = f"r{k}"
    return model(nodes, [("x", TensorProto.FLOAT, ["N", width])],
                 [(last, TensorProto.FLOAT, ["N", width])], constants)


def layers_result(proto, x):
    """What `layers` computes, in double."""
    y = x.astype(np.float64)
    for tensor in proto.graph.initializer:
        y = np.maximum(y @ numpy_helper.to_array(tensor).astype(np.float64), 0)
    return y


def image(channels=3):
    """A convolution over images of any batch: images f32[N,3,16,16] -> scores f32[N,8,16,16]."""
    rng = np.random.default_rng(1)
    w = rng.standard_normal((8, channels, 3, 3)).astype(np.float32) / 5
    node = helper.make_node("Conv", ["images", "w"], ["scores"], pads=[1, 1, 1, 1])
    f32 = TensorProto.FLOAT
    return model([node], [("images", f32, ["N", channels, 16, 16])],
                 [("scores", f32, ["N", 8, 16, 16])], [("w", w)])
