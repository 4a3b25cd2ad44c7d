# SPDX-License-Identifier: Apache-2.0
"""Networks built by hand, taken from models, edited."""
import pathlib
import re

import networks
import numpy as np
import pytest

import lathe

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(5)


def run(net, **inputs):
    return lathe.build(net, timing_cache=False)(**inputs)


def test_a_network_by_hand_computes_what_it_says():
    net = lathe.Network("mlp")
    x = net.add_input("x", "f32", ("N", 8))
    w = RNG.standard_normal((8, 5), np.float32)
    h = net.add("MatMul", [x, w], name="h")
    assert h.result.shape == ("N", 5) and h.result.dtype == "f32"
    y = net.add_onnx("LeakyRelu", [h], {"alpha": 0.25}, name="y")
    net.mark_output(y)
    data = RNG.standard_normal((3, 8), np.float32)
    product = data.astype(np.float64) @ w
    expected = np.where(product > 0, product, 0.25 * product)
    np.testing.assert_allclose(run(net, x=data)["y"], expected, rtol=1e-5, atol=1e-5)


def test_the_example_of_the_documentation_runs():
    text = (ROOT / "docs" / "network.md").read_text()
    scope = {}
    exec(re.search(r"```python\n(.*?)```", text, re.S).group(1), scope)
    y, = lathe.build(scope["model"], timing_cache=False)(np.full((2, 8), -1, np.float32))
    assert (y == 0).all() and y.shape == (2, 4)


def test_an_error_names_the_node_and_adds_nothing():
    net = lathe.Network()
    x = net.add_input("x", np.float32, (2, 3))
    with pytest.raises(lathe.InputError, match=r"node 's' \(Softmax\): attribute 'axis' is text"):
        net.add("Softmax", [x], {"axis": "one"}, name="s")
    with pytest.raises(lathe.InputError, match=r"node 'm' \(MatMul\): "):
        net.add("MatMul", [x, x], name="m")
    with pytest.raises(lathe.UnsupportedError, match="there is no such operator"):
        net.add("Softmux", [x])
    assert len(net) == 0 and [v.name for v in net.values] == ["x"]


def test_a_constant_is_not_copied_and_lives_as_long_as_needed():
    net = lathe.Network()
    x = net.add_input("x", "f32", (2,))
    w = np.array([3, 4], np.float32)
    net.mark_output(net.add("Pointwise", [x, net.add_constant(w, "w")],
                            {"expr": "(a:f32, b:f32) -> mul(a, b)"}), "y")
    np.testing.assert_array_equal(net.constants["w"].numpy(), [3, 4])
    engine = lathe.build(net, timing_cache=False)
    del net, w
    y, = engine(np.ones(2, np.float32))
    np.testing.assert_array_equal(y, [3, 4])


def test_a_constant_of_any_stride_and_type():
    net = lathe.Network()
    columns = np.arange(6, dtype=np.int64).reshape(2, 3).T
    assert net.add_constant(columns).shape == (3, 2)
    np.testing.assert_array_equal(net.values[0].numpy(), columns)
    assert net.add_constant(np.float16(2)).dtype == "f16"
    assert net.add_constant(np.array([True])).contents == (1,)


def test_known_contents_and_several_results():
    net = lathe.Network()
    x = net.add_input("x", "f32", ("N", None))
    assert net.add_onnx("Shape", [x]).result.contents == ("N", "x_d1")
    values, indices = net.add_onnx("TopK", [x, np.array([2])]).results
    assert (values.dtype, indices.dtype) == ("f32", "i64")
    assert len(net.add_onnx("Split", [values], {"axis": 1}, results=2)) == 2


def test_edits_are_inferred_when_they_are_asked_for():
    net = lathe.Network()
    x = net.add_input("x", "f32", (1, 1, 8, 8))
    conv = net.add_onnx("Conv", [x, np.ones((2, 1, 3, 3), np.float32)], name="conv")
    y = net.add_onnx("Relu", [conv]).result
    conv.set_attribute("pads", [1, 1, 1, 1])
    assert conv.attributes == {"pads": [1, 1, 1, 1]} and y.shape == (1, 2, 8, 8)
    net.set_input(x, "f32", ("N", 3, 8, 8))
    with pytest.raises(lathe.InputError, match="node 'conv'"):
        y.shape
    net.set_constant(conv.operands[1], np.ones((2, 3, 1, 1), np.float32))
    assert y.shape == ("N", 2, 10, 10)
    conv.remove_attribute("pads")
    assert y.shape == ("N", 2, 8, 8)


def test_rewiring_renaming_and_removing():
    net = lathe.Network()
    x = net.add_input("x", "f32", (2,))
    a = net.add_onnx("Exp", [x], name="a")
    b = net.add_onnx("Relu", [a], name="b")
    net.mark_output(b)
    with pytest.raises(lathe.InputError, match="cycle"):
        a.set_operand(0, b)
    with pytest.raises(lathe.InputError, match="in use"):
        net.remove(a)
    b.set_operand(0, x)
    assert x.readers == [a, b] and a.result.readers == []
    assert net.remove_dead() == 1 and [n.name for n in net] == ["b"]
    with pytest.raises(lathe.InputError, match="was removed"):
        a.op
    b.result.name = "y"
    assert net.output_names == ["y"] and net.value("y") == b.result
    with pytest.raises(KeyError):
        net.node("a")
    np.testing.assert_array_equal(run(net, x=np.array([-1, 2], np.float32))["y"], [0, 2])


def test_a_model_is_taken_apart_edited_and_built():
    net = lathe.Network.load(networks.relu())
    assert [n.op for n in net] == ["Relu"]
    relu = net.nodes[0]
    doubled = net.add_onnx("Add", [relu, relu], name="doubled")
    net.replace(net.outputs[0], doubled)
    assert doubled.operands == [relu.result, relu.result]
    inputs = {net.inputs[0].name: np.array([[-1, 2, 3]], np.float32)}
    result, = run(net, **inputs).values()
    np.testing.assert_array_equal(result, [[0, 4, 6]])


@pytest.mark.parametrize("name", ["digits", "upscale"])
def test_an_imported_network_builds_the_engine_of_its_model(name, tmp_path):
    path, cache = ROOT / "examples" / "models" / f"{name}.onnx", str(tmp_path / "timing.cache")
    lathe.build(path, timing_cache=cache, threads=1)  # fills the cache
    engine = lathe.build(path, timing_cache=cache, threads=1)
    net = lathe.Network.load(path)
    assert net.name == path.name
    again = lathe.build(net, timing_cache=cache, threads=1)
    assert again.serialize() == engine.serialize()
