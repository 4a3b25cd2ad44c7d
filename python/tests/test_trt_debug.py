# SPDX-License-Identifier: Apache-2.0
"""Debug tensors, and runs that wait behind each step."""
import numpy as np
import pytest

import lathe.trt as trt
from test_trt_engine import build, convnet, expected
from trt_nets import ON_GPU, OnDevice, plan_of, random, read_from, run_engine


class Listener(trt.IDebugListener):
    """Keeps copies of what it is handed."""

    def __init__(self, answer=True):
        trt.IDebugListener.__init__(self)
        self.seen, self.answer = [], answer

    def process_debug_tensor(self, addr, location, type, shape, name, stream):
        assert location == trt.TensorLocation.DEVICE and isinstance(shape, trt.Dims)
        data = read_from(addr, shape, trt.nptype(type), stream)
        self.seen.append((name, data, stream))
        return self.answer

    def names(self):
        return [name for name, _, _ in self.seen]


def chain(network, x):
    """y0 = sum(exp(-x)), with its steps' tensors named."""
    made = []
    for name, op in (("negated", "NEG"), ("grown", "EXP")):
        x = network.add_unary(x, trt.UnaryOperation[op]).get_output(0)
        x.name = name
        made.append(x)
    total = network.add_reduce(x, trt.ReduceOperation.SUM, 2, False)
    return made, total


def engine_of(x, marked=("grown", "negated"), unfused=False, **more):
    def define(network, t):
        made, total = chain(network, t)
        for tensor in made:
            if tensor.name in marked:
                assert network.mark_debug(tensor) and network.is_debug_tensor(tensor)
        if unfused:
            assert network.mark_unfused_tensors_as_debug_tensors()
        return total

    plan, logger = plan_of(define, {"x": x}, **more)
    assert plan is not None, logger.errors
    return trt.Runtime(logger).deserialize_cuda_engine(plan), logger


def test_the_listener_hears_marked_tensors_in_the_networks_order():
    x = random(3, 4)
    engine, logger = engine_of(x)
    assert list(engine) == ["x", "y0"] and engine.num_io_tensors == 2
    assert engine.is_debug_tensor("grown") and not engine.is_debug_tensor("y0")
    context, listener = engine.create_execution_context(), Listener()
    assert context.set_debug_listener(listener) and context.get_debug_listener() is listener
    assert not context.get_debug_state("grown")
    run_engine(engine, {"x": x}, context)
    assert listener.seen == []
    assert context.set_all_tensors_debug_state(True) and context.get_debug_state("grown")
    got = run_engine(engine, {"x": x}, context)["y0"]
    assert listener.names() == ["negated", "grown"]
    np.testing.assert_array_equal(listener.seen[0][1], -x)
    np.testing.assert_allclose(listener.seen[1][1], np.exp(-x), rtol=1e-5)
    np.testing.assert_allclose(got, np.exp(-x).sum(1), rtol=1e-5)


def test_states_are_set_one_by_one_and_unknown_names_are_refused():
    x = random(3, 4)
    engine, logger = engine_of(x)
    context, listener = engine.create_execution_context(), Listener()
    context.set_debug_listener(listener)
    assert context.set_tensor_debug_state("grown", True)
    assert not context.set_tensor_debug_state("y0", True) and "'y0'" in logger.errors[-1]
    there, y = OnDevice(x), OnDevice.poisoned([3], np.float32)
    assert context.execute_v2([int(there), int(y)])
    assert context.set_tensor_debug_state("grown", False)
    assert context.set_tensor_debug_state("negated", True)
    assert context.execute_async_v3(0)
    assert listener.names() == ["grown", "negated"]
    context.set_debug_listener(None)
    assert context.execute_async_v3(0) and len(listener.seen) == 2
    context.set_debug_listener(Listener(answer=False))
    assert context.execute_async_v3(0) and "did not take 'negated'" in logger.errors[-1]


def test_a_listener_that_raises_is_reported_and_the_run_stays_good():
    x = random(3, 4)
    engine, logger = engine_of(x)
    context = engine.create_execution_context()
    context.set_debug_listener(trt.IDebugListener())  # has no process_debug_tensor of its own
    context.set_all_tensors_debug_state(True)
    np.testing.assert_allclose(run_engine(engine, {"x": x}, context)["y0"], np.exp(-x).sum(1),
                               rtol=1e-5)
    assert "failed at 'negated': NotImplementedError" in logger.errors[0]


def test_debug_tensors_follow_dynamic_shapes_and_may_be_inputs_and_outputs():
    def define(network, t):
        made, total = chain(network, t)
        for tensor in (t, made[1], total.get_output(0)):
            network.mark_debug(tensor)
        network.mark_debug(made[0])
        network.unmark_debug(made[0])
        return total

    plan, logger = plan_of(define, {"x": (trt.float32, (-1, 4))},
                           profile={"x": ((1, 4), (2, 4), (9, 4))})
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context, listener = engine.create_execution_context(), Listener()
    context.set_debug_listener(listener)
    context.set_all_tensors_debug_state(True)
    for rows in (2, 9, 1):
        x = random(rows, 4)
        listener.seen.clear()
        run_engine(engine, {"x": x}, context)
        assert listener.names() == ["x", "grown", "y0"]
        for (_, data, _), want in zip(listener.seen, (x, np.exp(-x), np.exp(-x).sum(1))):
            np.testing.assert_allclose(data, want, rtol=1e-5)


def test_unfused_tensors_are_those_between_steps_and_leave_fusion_as_it_is():
    x = random(1, 4, 8, 8)
    w, v = random(4, 4, 3, 3), random(2, 256)

    def define(network, t, mark=True):
        conv = network.add_convolution_nd(t, 4, (3, 3), w)
        conv.padding_nd = (1, 1)
        inside = conv.get_output(0)
        border = network.add_activation(inside, trt.ActivationType.RELU).get_output(0)
        inside.name, border.name = "inside", "border"
        rows = network.add_shuffle(border)
        rows.reshape_dims = (1, 256)
        if mark:
            network.mark_unfused_tensors_as_debug_tensors()
        weights = network.add_constant((2, 256), v).get_output(0)
        return network.add_matrix_multiply(rows.get_output(0), trt.MatrixOperation.NONE, weights,
                                           trt.MatrixOperation.TRANSPOSE)

    plan, logger = plan_of(define, {"x": x})
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    assert not engine.is_debug_tensor("border")
    context, listener = engine.create_execution_context(), Listener()
    context.set_debug_listener(listener)
    context.set_all_tensors_debug_state(True)
    got = run_engine(engine, {"x": x}, context)["y0"]
    assert listener.seen == []
    context.unfused_tensors_debug_state = True
    assert context.unfused_tensors_debug_state
    run_engine(engine, {"x": x}, context)
    assert "border" in listener.names() and "inside" not in listener.names()
    border = dict((name, data) for name, data, _ in listener.seen)["border"]
    assert border.min() == 0 and border.max() > 0
    np.testing.assert_allclose(got, border.reshape(1, 256) @ v.T, rtol=1e-3, atol=1e-3)
    plain, _ = plan_of(lambda net, t: define(net, t, mark=False), {"x": x})
    plain = trt.Runtime(logger).deserialize_cuda_engine(plain)
    fused = [s.name for s in plain._cores[0].steps() if "Convolution" in s.name]
    assert fused == [s.name for s in engine._cores[0].steps() if "Convolution" in s.name]


def test_parsed_networks_plans_with_profiles_and_refitting_keep_debug_tensors():
    model, w = convnet()

    def edit(network, config):
        network.mark_debug(network[0].get_output(0))

    engine, logger = build(model, edit=edit, flags=[trt.BuilderFlag.REFIT],
                           more=[((8, 3, 4, 4), (8, 3, 4, 4), (8, 3, 8, 8))])
    engine = trt.Runtime(logger).deserialize_cuda_engine(engine.serialize())
    refitter = trt.Refitter(engine, logger)
    other = random(4, 3, 3, 3)
    assert refitter.set_named_weights("w", trt.Weights(other)) and refitter.refit_cuda_engine()
    context, listener = engine.create_execution_context(), Listener()
    assert context.set_optimization_profile_async(1, 0)
    context.set_debug_listener(listener)
    context.set_all_tensors_debug_state(True)
    x = random(8, 3, 5, 4)
    got = run_engine(engine, {"x": x}, context)["y"]
    np.testing.assert_allclose(got, expected(x, other), rtol=1e-4, atol=1e-4)
    assert listener.names() == ["h"]
    np.testing.assert_allclose(np.maximum(listener.seen[0][1], 0), got, rtol=1e-5, atol=1e-5)


def test_tensors_inside_of_a_loop_are_none_to_debug():
    def define(network, t, mark):
        loop = network.add_loop()
        loop.add_trip_limit(network.add_constant((), np.array(2, np.int32)).get_output(0),
                            trt.TripLimit.COUNT)
        state = loop.add_recurrence(t)
        inside = network.add_unary(state.get_output(0), trt.UnaryOperation.EXP).get_output(0)
        inside.name = "inside"
        state.set_input(1, inside)
        if mark:
            network.mark_debug(inside)
        else:
            network.mark_unfused_tensors_as_debug_tensors()
        return loop.add_loop_output(state.get_output(0), trt.LoopOutput.LAST_VALUE)

    x = random(2, 2)
    plan, logger = plan_of(lambda net, t: define(net, t, True), {"x": x})
    assert plan is None and "'inside' is inside of loop" in logger.errors[-1]
    plan, logger = plan_of(lambda net, t: define(net, t, False), {"x": x})
    assert plan is not None, logger.errors
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    np.testing.assert_allclose(run_engine(engine, {"x": x})["y0"], np.exp(np.exp(x)), rtol=1e-5)


def test_two_debug_tensors_of_one_name_are_an_error():
    def define(network, t):
        made, total = chain(network, t)
        made[0].name = made[1].name
        for tensor in made:
            network.mark_debug(tensor)
        return total

    plan, logger = plan_of(define, {"x": random(2, 2)})
    assert plan is None and "two debug tensors are called 'grown'" in logger.errors[-1]


@pytest.mark.parametrize("flags", [(), (trt.BuilderFlag.DEBUG,)])
def test_runs_may_wait_behind_each_step(flags):
    x = random(5, 6)
    engine, logger = engine_of(x, marked=(), flags=flags)
    assert engine._plan.debug_sync == bool(flags)
    context = engine.create_execution_context()
    calls = []
    session = context._current().session

    class Watched:
        """The session, telling which runs go step by step."""

        def __getattr__(self, name):
            if name in ("run", "enqueue", "profile"):
                calls.append(name)
            return getattr(session, name)

    context._current().session = Watched()
    got = run_engine(engine, {"x": x}, context)["y0"]
    queued = "enqueue" if ON_GPU else "run"
    assert calls == (["profile"] if flags else [queued])
    np.testing.assert_allclose(got, np.exp(-x).sum(1), rtol=1e-5)
    context.debug_sync = True
    there, y = OnDevice(x), OnDevice.poisoned([5], np.float32)
    assert context.execute_v2([int(there), int(y)]) and calls[1] == "profile"
    logged = [text for severity, text in logger.messages if severity == trt.Logger.INFO]
    assert len([text for text in logged if text.endswith(": done")]) == engine.num_layers
