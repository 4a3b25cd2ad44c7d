# SPDX-License-Identifier: Apache-2.0
"""lathe.custom: NumPy functions as twins, and what they become."""
import json
import os
import pathlib
import runpy

import lathe
import numpy as np
import onnx
import pytest
from lathe import custom
from onnx import helper, numpy_helper

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"


def example():
    return runpy.run_path(str(EXAMPLES / "custom_op.py"))["snake"]


def lines(function, signature="(x: f32[N,C]) -> (y: f32[N,C])", **options):
    return custom.op("t::Op", signature, **options)(function).definition["composition"]


def test_the_function_is_still_the_function():
    swish = custom.op("t::Swish", "(x: f32[...]) -> (y: f32[...])", attributes={"beta": 1.0})(
        lambda x, *, beta: x / (1 + np.exp(-beta * x)))
    np.testing.assert_allclose(swish(np.zeros(3), beta=2.0), np.zeros(3))


def test_arithmetic_becomes_lines():
    assert lines(lambda x: np.exp(x) + 1) == [
        "t0 = Exp(x)", "t1 = Constant{value_int=1}()", "t2 = CastLike(t1, t0)",
        "t3 = Add(t0, t2)", "y = Identity(t3)"]


def test_numbers_stand_on_either_side():
    assert lines(lambda x: 1 - x)[2] == "t2 = Sub(t1, x)"
    assert lines(lambda x: x - 1)[2] == "t2 = Sub(x, t1)"
    assert lines(lambda x: 2.5 * x)[0] == "t0 = Constant{value_float=2.5}()"


def test_unequal_is_not_equal():
    assert lines(lambda x: np.where(x != 0, x, 1.0))[2:4] == ["t2 = Equal(x, t1)", "t3 = Not(t2)"]


def test_attributes_stay_attributes():
    made = lines(lambda x, *, beta: x * -beta, attributes={"beta": 1.0})
    assert made[0] == "t0 = Constant{value_float=@beta}()"
    assert made[2] == "t2 = Neg(t1)"


def test_reductions_keep_their_axes():
    assert lines(lambda x: x - np.mean(x, axis=-1, keepdims=True))[0] == (
        "t0 = ReduceMean{axes=[-1], keepdims=1}(x)")
    assert lines(lambda x: x - x.sum(axis=0, keepdims=True))[:2] == [
        "t0 = Constant{value_ints=[0]}()", "t1 = ReduceSum{keepdims=1}(x, t0)"]


@pytest.mark.parametrize("function, says", [
    (lambda x: np.linalg.norm(x), "no counterpart"),
    (lambda x: np.arctan2(x, x), "numpy.arctan2 has no counterpart"),
    (lambda x: x if x > 0 else -x, "numpy.where"),
    (lambda x: x["a"], "indexes with integers, slices"),
    (lambda x: 3.0, "does not depend on an operand"),
    (lambda x: (x, x), "returns 2 values"),
    (lambda x: np.add.reduce(x), "no counterpart"),
])
def test_what_a_twin_cannot_say_is_refused(function, says):
    with pytest.raises(TypeError, match=says):
        lines(function)


def test_several_results():
    op = custom.op("t::Op", "(x: f32[N]) -> (lo: f32[N], hi: f32[N])")(
        lambda x: (np.minimum(x, 0), np.maximum(x, 0)))
    assert [line.split(" ")[0] for line in op.definition["composition"]][-2:] == ["lo", "hi"]


def test_the_example_is_the_definition_beside_it():
    snake = example()
    assert json.loads(snake.json) == json.loads((EXAMPLES / "snake.json").read_text())
    x, alpha = np.random.default_rng(5).normal(size=(2, 3, 7)), np.array([0.5, 1.0, 4.0])
    a = alpha[None, :, None]
    np.testing.assert_allclose(snake(x, alpha, epsilon=0.0), x + np.sin(a * x) ** 2 / a)


def snake_model():
    """y = Snake(x, alpha) over f32[N,3,L]."""
    ports = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", 3, "L"])
             for name in ("x", "y")]
    alpha = numpy_helper.from_array(np.array([0.5, 1, 4], np.float32), "alpha")
    node = helper.make_node("Snake", ["x", "alpha"], ["y"], domain="com.example", epsilon=1e-6)
    graph = helper.make_graph([node], "snake", ports[:1], ports[1:], [alpha])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                   helper.make_opsetid("com.example", 1)])


def test_an_engine_computes_what_the_function_does():
    snake = example()
    engine = lathe.build(snake_model(), ops=[snake], timing_cache=False)
    for sizes in ((1, 3, 1), (2, 3, 50)):
        x = np.random.default_rng(7).normal(size=sizes).astype(np.float32)
        y, = engine(x)
        want = snake(x, np.array([0.5, 1, 4], np.float32), epsilon=np.float32(1e-6))
        np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-5)


@pytest.fixture
def plugin():
    path = os.environ.get("LATHE_SNAKE_PLUGIN")
    if path is None or not os.path.exists(path):
        pytest.skip("LATHE_SNAKE_PLUGIN names no compiled examples/plugin_cpp")
    return path


def test_an_engine_of_a_plugin_says_which_and_opens_with_it_alone(plugin, tmp_path):
    engine = lathe.build(snake_model(), plugins=[plugin], timing_cache=False)
    engine.save(tmp_path / "a.engine")
    with pytest.raises(lathe.NotFoundError, match="needs plugin snake 1.0.0") as refused:
        lathe.load(tmp_path / "a.engine")
    assert "plugins" in refused.value.cure
    opened = lathe.load(tmp_path / "a.engine", plugins=[plugin])
    assert opened.plugins == ["snake 1.0.0"]
    x = np.random.default_rng(9).normal(size=(2, 3, 50)).astype(np.float32)
    a = np.array([0.5, 1, 4], np.float32)[:, None]
    y, = opened(x)
    np.testing.assert_allclose(y, x + np.sin(a * x) ** 2 / (a + 1e-6), rtol=1e-4, atol=1e-5)


def test_a_library_that_is_none_is_refused(tmp_path):
    (tmp_path / "no.so").write_text("this is no library")
    with pytest.raises(lathe.InputError, match="no library that loads here"):
        lathe.build(snake_model(), plugins=[tmp_path / "no.so"])


def test_custom_operators_come_with_models_alone():
    parsed = lathe.Network.load(snake_model(), ops=[example()])
    with pytest.raises(lathe.InputError, match="ops, plugins: given with a Network"):
        lathe.build(parsed, ops=[example()])


def test_without_the_definition_the_operator_is_named():
    with pytest.raises(lathe.UnsupportedError, match="Snake"):
        lathe.build(snake_model(), timing_cache=False)


def test_networks_by_hand_take_them():
    net = lathe.Network("by hand", ops=[example()])
    x = net.add_input("x", "f32", ("N", 3, "L"))
    alpha = np.array([0.5, 1, 4], np.float32)
    y = net.add_onnx("Snake", [x, alpha], {"epsilon": 1e-6}, domain="com.example").result
    assert y.shape == ("N", 3, "L")
    net.mark_output(y, "y")
    engine = lathe.build(net, timing_cache=False)
    sample = np.random.default_rng(11).normal(size=(2, 3, 9)).astype(np.float32)
    got, = engine(sample)
    want = example()(sample, alpha, epsilon=np.float32(1e-6))
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
