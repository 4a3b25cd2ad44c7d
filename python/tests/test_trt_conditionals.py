# SPDX-License-Identifier: Apache-2.0
"""If-conditionals against NumPy, through built engines."""
import numpy as np
import pytest

import lathe.trt as trt
from trt_nets import compute, plan_of, random

SUM, PROD = trt.ElementWiseOperation.SUM, trt.ElementWiseOperation.PROD


def branches(net, condition, x):
    """exp(x) where the condition holds, else x + x and the sums of rows."""
    conditional = net.add_if_conditional()
    conditional.name = "choice"
    assert conditional.name == "choice"
    layer = conditional.set_condition(condition)
    assert isinstance(layer, trt.IConditionLayer) and layer.conditional is conditional
    t = conditional.add_input(x).get_output(0)
    hot = net.add_unary(t, trt.UnaryOperation.EXP).get_output(0)
    cold = net.add_elementwise(t, t, SUM).get_output(0)
    whole = [net.add_reduce(v, trt.ReduceOperation.SUM, 2, False).get_output(0)
             for v in (hot, cold)]
    return [conditional.add_output(hot, cold), conditional.add_output(*whole)]


def expected(condition, x):
    y = np.exp(x) if condition else x + x
    return y, y.sum(1)


def close(actual, wanted):
    assert actual.shape == wanted.shape
    np.testing.assert_allclose(actual, wanted, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("condition", [False, True])
def test_the_condition_is_an_input(condition):
    x = random(3, 5)
    got = compute(lambda net, c, t: branches(net, c, t),
                  {"c": np.array(condition), "x": x})
    for actual, wanted in zip(got, expected(condition, x)):
        close(actual, wanted)


@pytest.mark.parametrize("shift", [-9.0, 9.0])
def test_the_condition_is_computed(shift):
    x = random(3, 5) + np.float32(shift)

    def define(net, t):
        mean = net.add_reduce(t, trt.ReduceOperation.AVG, 3, False).get_output(0)
        zero = net.add_constant((), np.zeros((), np.float32)).get_output(0)
        above = net.add_elementwise(mean, zero, trt.ElementWiseOperation.GREATER).get_output(0)
        return branches(net, above, t)

    for actual, wanted in zip(compute(define, {"x": x}), expected(x.mean() > 0, x)):
        np.testing.assert_allclose(actual, wanted, rtol=1e-4)


@pytest.mark.parametrize("condition", [False, True])
def test_a_branch_that_is_not_taken_leaves_no_trace(condition):
    x = -np.abs(random(4)) - 1  # its logarithm is NaN

    def define(net, c, t):
        conditional = net.add_if_conditional()
        conditional.set_condition(c)
        value = conditional.add_input(t).get_output(0)
        log = net.add_unary(value, trt.UnaryOperation.LOG).get_output(0)
        pair = (log, value) if condition is False else (value, log)
        return conditional.add_output(*pair)

    close(compute(define, {"c": np.array(condition), "x": x})[0], x)


@pytest.mark.parametrize("condition", [False, True])
def test_conditionals_nest_and_constants_decide_at_build(condition):
    x = random(2, 6)

    def define(net, c, t):
        fixed = net.add_constant((), np.array(condition)).get_output(0)
        outer, inner = net.add_if_conditional(), net.add_if_conditional()
        outer.set_condition(fixed)
        inner.set_condition(c)
        value = inner.add_input(outer.add_input(t).get_output(0)).get_output(0)
        double = net.add_elementwise(value, value, SUM).get_output(0)
        square = net.add_elementwise(value, value, PROD).get_output(0)
        chosen = inner.add_output(double, square).get_output(0)
        return outer.add_output(chosen, t)

    for inner in (False, True):
        got, = compute(define, {"c": np.array(inner), "x": x})
        close(got, (x + x if inner else x * x) if condition else x)


def refusal(define, **inputs):
    plan, logger = plan_of(define, inputs)
    assert plan is None
    return logger.errors[-1]


def test_mistakes_name_the_layer():
    x, c = random(2, 3), np.array(True)

    def unset(net, t):
        return net.add_if_conditional().add_output(t, t)

    def no_bool(net, t):
        conditional = net.add_if_conditional()
        conditional.set_condition(t)
        return conditional.add_output(t, t)

    def shapes(net, condition, t):
        conditional = net.add_if_conditional()
        conditional.set_condition(condition)
        return conditional.add_output(t, net.add_reduce(t, trt.ReduceOperation.SUM, 1, True)
                                      .get_output(0))

    assert "[Output]" in refusal(unset, x=x) and "set_condition" in refusal(unset, x=x)
    assert "bool scalar" in refusal(no_bool, x=x)
    assert "one shape" in refusal(shapes, c=c, x=x)
