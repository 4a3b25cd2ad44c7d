# SPDX-License-Identifier: Apache-2.0
"""What trt_api.py does with features that are more than one call: a network that uses the feature
is built on the CPU, run, and its result compared. An attempt raises NotImplementedError with what
the build said, or AssertionError where the result is wrong."""
import contextlib
import ctypes
import os
import re

import numpy as np

import lathe.trt as trt

SUM = trt.ElementWiseOperation.SUM


@contextlib.contextmanager
def on_the_cpu():
    """Engines are built for the CPU, where addresses are those of arrays."""
    before = os.environ.get("LATHE_DEVICE")
    os.environ["LATHE_DEVICE"] = "cpu"
    try:
        yield
    finally:
        os.environ.pop("LATHE_DEVICE")
        if before is not None:
            os.environ["LATHE_DEVICE"] = before


def sample(*shape):
    """Numbers of both signs."""
    return np.random.default_rng(7).standard_normal(shape).astype(np.float32)


def engine_of(bench, define, x, flags=(), level=0, **settings):
    """The engine of `define(network, x)`, which gives y, and its plan."""
    network = bench.builder.create_network(0)
    y = define(network, network.add_input("x", trt.float32, x.shape))
    y.name = "y"
    network.mark_output(y)
    config = bench.builder.create_builder_config()
    config.set_timing_cache(config.create_timing_cache(b""), False)
    config.builder_optimization_level = level
    for name, value in settings.items():
        setattr(config, name, value)
    for flag in flags:
        config.set_flag(flag)
    with on_the_cpu():
        plan = bench.builder.build_serialized_network(network, config)
    if plan is None:
        raise NotImplementedError(bench.log.errors[-1])
    return trt.Runtime(bench.log).deserialize_cuda_engine(plan), plan


def run(engine, x, shape, context=None):
    """y as an array of the shape that its memory has."""
    context = context or engine.create_execution_context()
    y = np.full(shape, 77, np.float32)
    assert context.execute_v2([x.ctypes.data, y.ctypes.data])
    return y


def scalar(network, number):
    """A constant of rank 0."""
    return network.add_constant((), np.asarray(number)).get_output(0)


def loop(bench, trip=trt.TripLimit.COUNT, output=trt.LoopOutput.LAST_VALUE):
    """Sums of rows, with each part of a loop."""
    x = sample(3, 4)

    def define(network, t):
        made = network.add_loop()
        made.name = "rows"
        limit = 3 if trip == trt.TripLimit.COUNT else True
        made.add_trip_limit(scalar(network, np.array(limit, np.int32 if limit == 3 else np.bool_)),
                            trip)
        total = made.add_recurrence(network.add_constant((4,), np.zeros(4, np.float32))
                                    .get_output(0))
        total.set_input(1, network.add_elementwise(
            total.get_output(0), made.add_iterator(t, 0).get_output(0), SUM).get_output(0))
        last = output == trt.LoopOutput.LAST_VALUE
        return made.add_loop_output(total.get_output(0) if last else total.get_input(1),
                                    output).get_output(0)

    sums = np.cumsum(x, 0)
    wanted = {trt.LoopOutput.LAST_VALUE: sums[-1], trt.LoopOutput.CONCATENATE: sums,
              trt.LoopOutput.REVERSE: sums[::-1]}[output]
    engine, _ = engine_of(bench, define, x)
    np.testing.assert_allclose(run(engine, x, wanted.shape), wanted, rtol=1e-5)


def conditional(bench):
    """x + x or x, by its first element."""
    x = sample(2)

    def define(network, t):
        made = network.add_if_conditional()
        first = network.add_slice(t, (0,), (1,), (1,))
        number = network.add_shuffle(first.get_output(0))
        number.reshape_dims = ()
        made.set_condition(network.add_elementwise(
            number.get_output(0), scalar(network, np.float32(0)),
            trt.ElementWiseOperation.GREATER).get_output(0))
        value = made.add_input(t).get_output(0)
        double = network.add_elementwise(value, value, SUM).get_output(0)
        return made.add_output(double, value).get_output(0)

    engine, _ = engine_of(bench, define, x)
    for x in (x, -x):
        np.testing.assert_array_equal(run(engine, x, (2,)), x + x if x[0] > 0 else x)


class Listener(trt.IDebugListener):
    """Keeps what it is told."""

    def __init__(self):
        trt.IDebugListener.__init__(self)
        self.told = {}

    def process_debug_tensor(self, addr, location, type, shape, name, stream):
        data = np.empty(tuple(shape), trt.nptype(type))
        ctypes.memmove(data.ctypes.data, addr, data.nbytes)
        self.told[name] = data
        return True


def debugging(bench, unfused=False):
    """A tensor between two steps is handed to a listener."""
    x = sample(2, 3)

    def define(network, t):
        hidden = network.add_reduce(t, trt.ReduceOperation.SUM, 2, True).get_output(0)
        hidden.name = "hidden"
        if unfused:
            network.mark_unfused_tensors_as_debug_tensors()
        else:
            assert network.mark_debug(hidden) and network.is_debug_tensor(hidden)
        layer = network.add_softmax(hidden)
        layer.axes = 1
        return layer.get_output(0)

    engine, _ = engine_of(bench, define, x)
    context, listener = engine.create_execution_context(), Listener()
    assert context.set_debug_listener(listener) and context.get_debug_listener() is listener
    context.unfused_tensors_debug_state = unfused
    assert context.set_all_tensors_debug_state(not unfused)
    run(engine, x, (2, 1), context)
    np.testing.assert_allclose(listener.told["hidden"], x.sum(1, keepdims=True), rtol=1e-5)


def format_of_bindings(bench, format):
    """Input and output have the format, and say so."""
    spatial = 3 if "D" in format.name.removeprefix("DLA") else 2
    x = sample(1, 5, *(2, 3, 4)[:spatial])

    def define(network, t):
        t.allowed_formats = 1 << int(format)
        y = network.add_identity(t).get_output(0)
        y.allowed_formats = t.allowed_formats
        return y

    engine, _ = engine_of(bench, define, x)
    if bench.log.warnings:
        return
    assert engine.get_tensor_format("x") == engine.get_tensor_format("y") == format
    vector = int(re.search(r"\d*$", format.name)[0] or 1)
    size = -(-5 // vector) * vector * x[0, 0].size
    assert engine._tensors["y"].bytes(x.shape) == size * 4
    memory = sample(size)
    padding = run(engine, memory, (size,)) != memory  # only padding channels differ
    assert padding.sum() == size - x.size


def strip_plan(bench, flag):
    """A plan without weights, which a refit gives."""
    x, w = sample(1, 64), sample(64, 64)

    def define(network, t):
        weights = network.add_constant((64, 64), w)
        network.set_weights_name(weights.weights, "w")
        return network.add_matrix_multiply(t, trt.MatrixOperation.NONE, weights.get_output(0),
                                           trt.MatrixOperation.NONE).get_output(0)

    engine, plan = engine_of(bench, define, x, [flag])
    assert len(plan) < w.nbytes
    refitter = trt.Refitter(engine, bench.log)
    assert refitter.get_missing_weights() == ["w"] and refitter.set_named_weights("w", w)
    with on_the_cpu():
        assert refitter.refit_cuda_engine()
    np.testing.assert_allclose(run(engine, x, (1, 64)), x @ w, rtol=1e-3, atol=1e-3)


def debug_flag(bench, flag):
    """Each step of a run is waited for."""
    x = sample(2, 3)
    engine, _ = engine_of(bench, lambda network, t: network.add_unary(
        t, trt.UnaryOperation.NEG).get_output(0), x, [flag])
    context = engine.create_execution_context()
    np.testing.assert_array_equal(run(engine, x, x.shape, context), -x)
    assert len(context._times) == engine.num_layers


def no_runtime(bench, flag):
    """A plan that is to run with other versions holds no runtime, and needs no code of its own."""
    x = sample(4)
    engine, plan = engine_of(bench, lambda network, t: network.add_unary(
        t, trt.UnaryOperation.ABS).get_output(0), x, [flag, trt.BuilderFlag.VERSION_COMPATIBLE])
    assert b"\x7fELF" not in bytes(plan) and not trt.Runtime(bench.log).engine_host_code_allowed
    np.testing.assert_array_equal(run(engine, x, (4,)), np.abs(x))


class Slowest(trt.IAlgorithmSelector):
    """Takes the slowest algorithm of each step."""

    def __init__(self):
        trt.IAlgorithmSelector.__init__(self)
        self.chosen, self.reported = set(), set()

    def select_algorithms(self, context, choices):
        self.chosen.add((context.name, choices[-1].algorithm_variant.implementation))
        assert choices[-1].timing_msec > 0 and context.get_shape(0)
        return [len(choices) - 1]

    def report_algorithms(self, contexts, choices):
        self.reported = {(context.name, choice.algorithm_variant.implementation)
                         for context, choice in zip(contexts, choices)}


def algorithms(bench, flags=()):
    """A selector's choice is what the engine has."""
    x, selector = sample(1, 3, 12, 12), Slowest()

    def define(network, t):
        return network.add_convolution_nd(t, 4, (3, 3), sample(4, 3, 3, 3)).get_output(0)

    engine_of(bench, define, x, flags, level=3, algorithm_selector=selector)
    assert any("Convolution" in name for name, _ in selector.reported)
    assert selector.reported <= selector.chosen


# Names, and what is done for them.
ATTEMPTS = [
    (r"ILoop\..*|(trt\.)?I\w*(Loop|Recurrence|Iterator|TripLimit)\w*Layer(\..*)?|"
     r"INetworkDefinition\.add_loop|trt\.ILoop|trt\.TripLimit|trt\.LoopOutput", loop),
    (r"(trt\.)?IIfConditional.*|INetworkDefinition\.add_if_conditional", conditional),
    (r"INetworkDefinition\.(mark_debug|unmark_debug|is_debug_tensor)|(trt\.)?IDebugListener.*|"
     r"class\(IDebugListener\).*|IExecutionContext\.(set_debug_listener|get_debug_listener|"
     r"set_\w+_debug_state|get_debug_state)", debugging),
    (r"INetworkDefinition\.\w*mark_unfused_tensors_as_debug_tensors|"
     r"IExecutionContext\.unfused_tensors_debug_state", lambda b: debugging(b, unfused=True)),
    (r"IBuilderConfig\.algorithm_selector|(trt\.)?IAlgorithm.*|class\(IAlgorithm.*", algorithms),
]


def attempt_of(name):
    """What is done for a name, or None."""
    return next((action for pattern, action in ATTEMPTS if re.fullmatch(pattern, name)), None)
