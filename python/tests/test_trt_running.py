# SPDX-License-Identifier: Apache-2.0
"""Contexts and what is the device's: streams, graphs, events, memory that programs give."""
import numpy as np
import pytest

import lathe.cuda.driver as cuda
import lathe.trt as trt
from lathe.cuda import cudart
from test_trt_engine import build, convnet, expected
from trt_nets import OnDevice, plan_of, random, read_from, run_engine


def ok(call):
    assert call[0] == cudart.cudaError_t.cudaSuccess, call[0]
    return call[1] if len(call) == 2 else call[1:]


def close(y, x, w):
    np.testing.assert_allclose(y, expected(x, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("flags", [0, 1], ids=["blocking", "non-blocking"])
def test_a_streams_order_is_kept(flags):
    model, w = convnet()
    context = build(model)[0].create_execution_context()
    stream = cuda.Stream(flags)
    there = OnDevice.poisoned((2, 3, 6, 6), np.float32)
    y = OnDevice.poisoned((2, 4, 6, 6), np.float32)
    assert context.set_input_shape("x", (2, 3, 6, 6))
    context.set_tensor_address("x", int(there))
    context.set_tensor_address("y", int(y))
    source, results = cuda.pagelocked_empty((2, 3, 6, 6), np.float32), []
    for _ in range(4):
        x = random(2, 3, 6, 6)
        source[:] = x
        cuda.memcpy_htod_async(int(there), source, stream)
        assert context.execute_async_v3(stream.handle)
        results.append((read_from(int(y), (2, 4, 6, 6), np.float32, stream), x))
    for got, x in results:
        close(got, x, w)


def test_execute_v2_comes_behind_what_blocking_streams_have():
    model, w = convnet()
    context = build(model)[0].create_execution_context()
    stream, x = cuda.Stream(), cuda.pagelocked_empty((4, 3, 8, 8), np.float32)
    there = OnDevice.poisoned(x.shape, np.float32)
    y = OnDevice.poisoned((4, 4, 8, 8), np.float32)
    context.set_input_shape("x", x.shape)
    for _ in range(3):
        x[:] = random(*x.shape)
        cuda.memcpy_htod_async(int(there), x, stream)
        assert context.execute_v2([int(there), int(y)])
        close(y.read(), x, w)


def test_contexts_of_one_engine_run_on_streams_of_their_own():
    model, w = convnet()
    engine, _ = build(model)
    running = []
    for rows in (1, 2, 4):
        context, stream, x = engine.create_execution_context(), cuda.Stream(1), random(rows, 3, 5, 5)
        there, y = OnDevice(x), OnDevice.poisoned((rows, 4, 5, 5), np.float32)
        context.set_input_shape("x", x.shape)
        context.set_tensor_address("x", int(there))
        context.set_tensor_address("y", int(y))
        running.append((context, stream, x, there, y))
    for _ in range(3):
        for context, stream, *_ in running:
            assert context.execute_async_v3(stream.handle)
    for _, stream, x, _, y in running:
        stream.synchronize()
        close(y.read(), x, w)


def test_a_run_is_captured_into_a_graph_and_repeated():
    model, w = convnet()
    context = build(model)[0].create_execution_context()
    there, y = OnDevice(random(1, 3, 4, 4)), OnDevice.poisoned((1, 4, 4, 4), np.float32)
    context.set_input_shape("x", (1, 3, 4, 4))
    context.set_tensor_address("x", int(there))
    context.set_tensor_address("y", int(y))
    stream = ok(cudart.cudaStreamCreate())
    assert context.execute_async_v3(stream)  # what a first run loads and allocates is no graph's
    ok(cudart.cudaStreamSynchronize(stream))
    ok(cudart.cudaStreamBeginCapture(
        stream, cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
    assert context.execute_async_v3(stream)
    graph = ok(cudart.cudaStreamEndCapture(stream))
    program = ok(cudart.cudaGraphInstantiate(graph, 0))
    for _ in range(3):
        x = random(1, 3, 4, 4)
        cuda.memcpy_htod(int(there), x)
        ok(cudart.cudaGraphLaunch(program, stream))
        close(read_from(int(y), (1, 4, 4, 4), np.float32, stream), x, w)
    ok(cudart.cudaGraphExecDestroy(program))
    ok(cudart.cudaStreamDestroy(stream))


def test_the_input_consumed_event_is_recorded():
    engine, logger = build(convnet()[0])
    context = engine.create_execution_context()
    start, consumed = (cudart.cudaEventCreate()[1] for _ in range(2))
    assert cudart.cudaEventElapsedTime(start, consumed)[0] != cudart.cudaError_t.cudaSuccess
    assert context.set_input_consumed_event(consumed)
    assert context.get_input_consumed_event() == int(consumed)
    cudart.cudaEventRecord(start, 0)
    run_engine(engine, {"x": random(1, 3, 4, 4)}, context)
    error, milliseconds = cudart.cudaEventElapsedTime(start, consumed)
    assert error == cudart.cudaError_t.cudaSuccess and milliseconds >= 0
    context.set_input_consumed_event(None)
    assert context.get_input_consumed_event() == 0


def test_output_allocators_are_asked_and_told():
    model, w = convnet()
    engine, _ = build(model)
    context = engine.create_execution_context()

    class Allocator(trt.IOutputAllocator):
        def __init__(self):
            trt.IOutputAllocator.__init__(self)
            self.memory = self.shape = None

        def reallocate_output_async(self, tensor_name, memory, size, alignment, stream):
            self.memory = OnDevice.poisoned([size // 4], np.float32)
            return int(self.memory)

        def notify_shape(self, tensor_name, shape):
            self.shape = tuple(shape)

    allocator, x = Allocator(), random(2, 3, 5, 5)
    assert context.set_output_allocator("y", allocator)
    context.set_input_shape("x", x.shape)
    there = OnDevice(x)
    context.set_tensor_address("x", int(there))
    assert context.execute_async_v3(stream_handle=0) and allocator.shape == (2, 4, 5, 5)
    got = allocator.memory.read().reshape(allocator.shape)
    np.testing.assert_allclose(got, expected(x, w), rtol=1e-4, atol=1e-4)



def test_an_allocator_of_8_has_no_stream():
    model, w = convnet()
    context = build(model)[0].create_execution_context()

    class Allocator(trt.IOutputAllocator):
        def reallocate_output(self, tensor_name, memory, size, alignment):
            self.memory = OnDevice.poisoned([size // 4], np.float32)
            return int(self.memory)

        def notify_shape(self, tensor_name, shape):
            self.shape = tuple(shape)

    allocator, x = Allocator(), random(1, 3, 6, 4)
    there = OnDevice(x)
    assert context.set_output_allocator("y", allocator)
    context.set_input_shape("x", x.shape)
    context.set_tensor_address("x", int(there))
    assert context.execute_async_v3(0)
    close(allocator.memory.read().reshape(allocator.shape), x, w)


# --- memory for activations


def products(x):
    """(engine, logger) of ((x m) m) + x: activations that lie between its steps."""
    m = random(64, 64, seed=5)

    def define(network, t):
        y = t
        for _ in range(2):
            matrix = network.add_constant((64, 64), m).get_output(0)
            y = network.add_matrix_multiply(y, trt.MatrixOperation.NONE, matrix,
                                            trt.MatrixOperation.NONE).get_output(0)
        return network.add_elementwise(y, t, trt.ElementWiseOperation.SUM)

    plan, logger = plan_of(define, {"x": x})
    assert plan is not None, logger.errors
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    wanted = (x.astype(np.float64) @ m @ m + x)
    return engine, logger, wanted


def right(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)


def test_a_program_gives_the_memory_for_activations():
    x = random(16, 64)
    engine, logger, wanted = products(x)
    context = engine.create_execution_context(
        trt.ExecutionContextAllocationStrategy.USER_MANAGED)
    size = engine.device_memory_size_v2
    assert size >= context.update_device_memory_size_for_shapes() > 0
    there, y = OnDevice(x), OnDevice.poisoned((16, 64), np.float32)
    assert not context.execute_v2([int(there), int(y)])
    assert "without device memory" in logger.errors[-1]
    memory = OnDevice.poisoned([size], np.uint8)
    context.set_device_memory(int(memory), size)
    assert context.execute_v2([int(there), int(y)])
    right(y.read(), wanted)
    other = OnDevice.poisoned([size], np.uint8)
    context.device_memory = int(other)
    assert context.device_memory == int(other)
    del memory
    right(run_engine(engine, {"x": x}, context)["y0"], wanted)
    context.set_device_memory(int(other), 1)
    assert not context.execute_v2([int(there), int(y)]) and "1 bytes are given" in logger.errors[-1]


class Allocator(trt.IGpuAllocator):
    """Memory of lathe.cuda, with an account of it."""

    def __init__(self):
        trt.IGpuAllocator.__init__(self)
        self.held, self.asked = {}, 0

    def allocate(self, size, alignment, flags):
        self.asked += 1
        memory = cuda.mem_alloc(size)
        assert int(memory) % alignment == 0
        self.held[int(memory)] = memory
        return int(memory)

    def deallocate(self, memory):
        return self.held.pop(memory, None) is not None


class AsyncAllocator(trt.IGpuAsyncAllocator):
    """The same by the names of asynchronous ones."""

    def __init__(self):
        trt.IGpuAsyncAllocator.__init__(self)
        self.held, self.asked = {}, 0

    def allocate_async(self, size, alignment, flags, stream):
        return Allocator.allocate(self, size, alignment, flags)

    def deallocate_async(self, memory, stream):
        return Allocator.deallocate(self, memory)


@pytest.mark.parametrize("kind", [Allocator, AsyncAllocator])
def test_an_allocators_memory_is_used_and_given_back(kind):
    x = random(16, 64)
    engine, _, wanted = products(x)
    context, allocator = engine.create_execution_context(), kind()
    context.temporary_allocator = allocator
    for _ in range(2):
        right(run_engine(engine, {"x": x}, context)["y0"], wanted)
    assert allocator.asked == 1 and len(allocator.held) == 1
    del context
    assert not allocator.held


def test_an_allocator_without_memory_fails_the_run():
    x = random(16, 64)
    engine, logger, _ = products(x)
    context = engine.create_execution_context()
    context.temporary_allocator = trt.IGpuAllocator()
    there, y = OnDevice(x), OnDevice.poisoned((16, 64), np.float32)
    assert not context.execute_v2([int(there), int(y)])
    assert "the allocator has no" in logger.errors[-1]


class Recorded(trt.IErrorRecorder):
    """What an error recorder is told."""

    def __init__(self):
        trt.IErrorRecorder.__init__(self)
        self.told = []

    def report_error(self, val, desc):
        self.told.append((val, desc))
        return True


def test_errors_reach_the_nearest_recorder_once():
    engine, logger = build(convnet()[0])
    of_runtime, of_context = Recorded(), Recorded()
    engine._runtime.error_recorder = of_runtime
    context = engine.create_execution_context()
    assert not context.execute_async_v3(0)
    assert of_runtime.told == [(trt.ErrorCodeTRT.INVALID_ARGUMENT, logger.errors[-1])]
    context.error_recorder = engine.error_recorder = of_context
    assert not context.execute_async_v3(0)
    assert len(of_context.told) == 1 and len(of_runtime.told) == 1
    builder = trt.Builder(logger)
    builder.error_recorder = of_builder = Recorded()
    network = builder.create_network(0)
    assert builder.build_serialized_network(network, builder.create_builder_config()) is None
    (code, text), = of_builder.told
    assert code == trt.ErrorCodeTRT.INVALID_CONFIG and "no output" in text


def test_objects_start_with_their_makers_recorder():
    builder, recorder = trt.Builder(trt.Logger()), Recorded()
    builder.error_recorder = recorder
    assert builder.create_network(0).error_recorder is recorder
    plan = build(convnet()[0])[0].serialize()
    runtime = trt.Runtime(trt.Logger())
    runtime.error_recorder = recorder
    engine = runtime.deserialize_cuda_engine(plan)
    assert engine.error_recorder is recorder
    assert engine.create_execution_context().error_recorder is recorder
