# SPDX-License-Identifier: Apache-2.0
"""Loops against NumPy, through built engines."""
import numpy as np
import pytest

import lathe.trt as trt
from lathe.trt import unroll
from trt_nets import compute, plan_of, random

SUM, PROD, SUB = (trt.ElementWiseOperation[n] for n in ("SUM", "PROD", "SUB"))
COUNT, LAST, ALL, REVERSE = (trt.TripLimit.COUNT, trt.LoopOutput.LAST_VALUE,
                             trt.LoopOutput.CONCATENATE, trt.LoopOutput.REVERSE)


def close(actual, expected, tolerance=2e-5):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def scalar(net, number, dtype=np.int32):
    return net.add_constant((), np.array(number, dtype)).get_output(0)


def constant(net, array):
    return net.add_constant(array.shape, array).get_output(0)


def combine(net, a, b, op):
    return net.add_elementwise(a, b, op).get_output(0)


def counted(net, turns):
    loop = net.add_loop()
    loop.add_trip_limit(scalar(net, turns), COUNT)
    return loop


def dense(net, x, w, b):
    """x w + b."""
    y = net.add_matrix_multiply(x, trt.MatrixOperation.NONE, constant(net, w),
                                trt.MatrixOperation.NONE).get_output(0)
    return combine(net, y, constant(net, b[None]), SUM)


def activation(net, x, kind):
    return net.add_activation(x, trt.ActivationType[kind]).get_output(0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("reverse", [False, True])
def test_a_gru(reverse):
    steps, batch, size, hidden = 7, 2, 5, 4
    x, h0 = random(steps, batch, size), random(batch, hidden)
    w = [random(size + hidden, hidden) for _ in "zrh"]
    b = [random(hidden) for _ in "zrh"]

    def define(net, t, start):
        loop = counted(net, steps)
        loop.name = "gru"
        assert loop.name == "gru"
        row = loop.add_iterator(t, 0, reverse).get_output(0)
        state = loop.add_recurrence(start)
        h = state.get_output(0)
        assert row.shape == (batch, size) and h.shape == (batch, hidden)

        def both(right):
            layer = net.add_concatenation([row, right])
            layer.axis = 1
            return layer.get_output(0)

        z = activation(net, dense(net, both(h), w[0], b[0]), "SIGMOID")
        r = activation(net, dense(net, both(h), w[1], b[1]), "SIGMOID")
        n = activation(net, dense(net, both(combine(net, r, h, PROD)), w[2], b[2]), "TANH")
        new = combine(net, n, combine(net, z, combine(net, h, n, SUB), PROD), SUM)
        state.set_input(1, new)
        every = loop.add_loop_output(new, REVERSE if reverse else ALL, 0)
        every.set_input(1, scalar(net, steps))
        last = loop.add_loop_output(h, LAST)
        assert every.get_output(0).shape == (steps, batch, hidden)
        return [every, last]

    h, rows = h0.astype(np.float64), []
    for row in x[::-1] if reverse else x:
        z = sigmoid(np.concatenate([row, h], 1) @ w[0] + b[0])
        r = sigmoid(np.concatenate([row, h], 1) @ w[1] + b[1])
        n = np.tanh(np.concatenate([row, r * h], 1) @ w[2] + b[2])
        h = n + z * (h - n)
        rows.append(h)
    every, last = compute(define, {"x": x, "h": h0})
    close(every, np.stack(rows[::-1] if reverse else rows))
    close(last, h)


def test_an_lstm_with_two_recurrences_and_a_new_axis_behind():
    steps, batch, size = 5, 3, 4
    x, w, b = random(batch, steps, size), random(2 * size, 4 * size), random(4 * size)
    zero = np.zeros((batch, size), np.float32)

    def define(net, t):
        loop = counted(net, steps)
        row = loop.add_iterator(t, axis=1).get_output(0)
        h, c = (loop.add_recurrence(constant(net, zero)) for _ in "hc")
        both = net.add_concatenation([row, h.get_output(0)])
        both.axis = 1
        gates = dense(net, both.get_output(0), w, b)
        i, f, o, g = (activation(net, net.add_slice(gates, (0, k * size), (batch, size), (1, 1))
                                 .get_output(0), "TANH" if k == 3 else "SIGMOID")
                      for k in range(4))
        cell = combine(net, combine(net, f, c.get_output(0), PROD), combine(net, i, g, PROD), SUM)
        new = combine(net, o, activation(net, cell, "TANH"), PROD)
        h.set_input(1, new)
        c.set_input(1, cell)
        return [loop.add_loop_output(new, ALL, 1), loop.add_loop_output(c.get_output(0), LAST),
                loop.add_loop_output(new, LAST)]

    h = c = zero.astype(np.float64)
    rows = []
    for k in range(steps):
        i, f, o, g = np.split(np.concatenate([x[:, k], h], 1) @ w + b, 4, 1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        rows.append(h)
    every, cell, last = compute(define, {"x": x})
    close(every, np.stack(rows, 1))
    close(cell, c)
    close(last, h)


def test_loops_nest_and_take_values_from_outside():
    x, scale = random(3, 4, 2), random(2)

    def define(net, t, s):
        outer = counted(net, 3)
        plane = outer.add_iterator(t).get_output(0)
        total = outer.add_recurrence(s)
        inner = counted(net, 4)
        row = inner.add_iterator(plane).get_output(0)
        run = inner.add_recurrence(total.get_output(0))
        step = combine(net, combine(net, run.get_output(0), s, PROD), row, SUM)
        run.set_input(1, step)
        every = inner.add_loop_output(step, ALL)
        total.set_input(1, inner.add_loop_output(run.get_output(0), LAST).get_output(0))
        return [outer.add_loop_output(every.get_output(0), ALL),
                outer.add_loop_output(total.get_output(0), LAST)]

    run, planes = scale.astype(np.float64), []
    for plane in x:
        rows = []
        for row in plane:
            run = run * scale + row
            rows.append(run)
        planes.append(rows)
    every, last = compute(define, {"x": x, "s": scale})
    close(every, np.array(planes))
    close(last, run)


def test_weights_within_a_loop_are_one_constant_and_refit():
    x, w = random(1, 2, 4, 4), random(2, 2, 1, 1)

    def define(net, t):
        loop = counted(net, 3)
        state = loop.add_recurrence(t)
        conv = net.add_convolution_nd(state.get_output(0), 2, (1, 1), w)
        conv.name = "mix"
        state.set_input(1, conv.get_output(0))
        return loop.add_loop_output(state.get_output(0), LAST)

    plan, logger = plan_of(define, {"x": x}, flags=[trt.BuilderFlag.REFIT])
    assert plan is not None, logger.errors
    refitter = trt.Refitter(trt.Runtime(logger).deserialize_cuda_engine(plan), logger)
    assert "mix KERNEL" in refitter.get_all_weights()
    got, = compute(define, {"x": x})
    for _ in range(3):
        x = np.einsum("mc,nchw->nmhw", w[:, :, 0, 0], x)
    close(got, x)


def test_no_turn_gives_the_initial_value_and_spare_places_are_zero():
    x = random(2, 3)

    def define(net, t):
        never = counted(net, 0)
        state = never.add_recurrence(t)
        state.set_input(1, combine(net, state.get_output(0), t, SUM))
        twice = counted(net, 2)
        row = twice.add_iterator(t).get_output(0)
        rows = twice.add_loop_output(row, ALL)
        rows.set_input(1, scalar(net, 4))
        return [never.add_loop_output(state.get_output(0), LAST), rows]

    first, rows = compute(define, {"x": x})
    close(first, x)
    close(rows, np.concatenate([x, np.zeros((2, 3), np.float32)]))


def test_batches_may_be_dynamic():
    x = random(5, 3, 4)

    def define(net, t):
        loop = counted(net, 3)
        row = loop.add_iterator(t, 1).get_output(0)
        total = loop.add_recurrence(net.add_reduce(t, trt.ReduceOperation.MAX, 2, False)
                                    .get_output(0))
        total.set_input(1, combine(net, total.get_output(0), row, SUM))
        return loop.add_loop_output(total.get_output(0), LAST)

    plan, logger = plan_of(define, {"x": (trt.float32, (-1, 3, 4))},
                           profile={"x": ((1, 3, 4), (2, 3, 4), (8, 3, 4))})
    assert plan is not None, logger.errors
    from trt_nets import run_engine
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    close(run_engine(engine, {"x": x})["y0"], x.max(1) + x.sum(1))


def accumulate(net, t, limit, kind=COUNT, inner=1):
    """A sum of `inner` layers over turns."""
    loop = net.add_loop()
    loop.add_trip_limit(limit, kind)
    state = loop.add_recurrence(t)
    value = state.get_output(0)
    for _ in range(inner):
        value = combine(net, value, t, SUM)
    state.set_input(1, value)
    return loop.add_loop_output(state.get_output(0), LAST), value


def refusal(define, **more):
    plan, logger = plan_of(define, {"x": random(2, 3)} | more)
    assert plan is None
    return logger.errors[-1]


def test_what_cannot_be_unrolled_is_refused_by_name():
    text = refusal(lambda net, t: accumulate(net, t, scalar(net, True, np.bool_),
                                             trt.TripLimit.WHILE)[0])
    assert "[TripLimit]" in text and "WHILE" in text
    text = refusal(lambda net, t, n: accumulate(net, t, n)[0], n=np.array(3, np.int32))
    assert "[TripLimit]" in text and "must be a constant" in text
    turns = unroll.MAX_LAYERS // 2 + 1
    text = refusal(lambda net, t: accumulate(net, t, scalar(net, turns), inner=2)[0])
    assert f"{turns} turns of 2 layers" in text and str(unroll.MAX_LAYERS) in text
    assert "is inside of loop '(Unnamed Loop* 0)'" in refusal(
        lambda net, t: accumulate(net, t, scalar(net, 2))[1])


def test_mistakes_within_a_loop_name_the_layer():
    def missing(net, t):
        loop = counted(net, 2)
        return loop.add_loop_output(loop.add_recurrence(t).get_output(0), LAST)

    def short(net, t):
        loop = counted(net, 9)
        return loop.add_loop_output(loop.add_iterator(t).get_output(0), ALL)

    def other_shape(net, t):
        loop = counted(net, 2)
        state = loop.add_recurrence(t)
        state.set_input(1, net.add_reduce(state.get_output(0), trt.ReduceOperation.SUM, 2, True)
                        .get_output(0))
        return loop.add_loop_output(state.get_output(0), LAST)

    def unlimited(net, t):
        loop = net.add_loop()
        return loop.add_loop_output(loop.add_iterator(t).get_output(0), ALL)

    assert "[Recurrence]" in refusal(missing) and "[Recurrence]" in refusal(other_shape)
    assert "[Iterator]" in refusal(short) and "9 times" in refusal(short)
    assert "no trip limit" in refusal(unlimited)
