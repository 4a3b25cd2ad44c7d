# SPDX-License-Identifier: Apache-2.0
"""lathe.cuda as PyCUDA, as cuda-python's runtime and driver, and as a libcudart.so."""
import ctypes
import pathlib

import numpy as np
import pytest

import lathe
import lathe.cuda
import lathe.cuda.autoinit  # noqa: F401
import lathe.cuda.driver as pycuda
from lathe.cuda import cuda, cudart

ON_CPU = lathe.cuda.default_device() == "cpu"


def ok(call):
    assert call[0] == 0 and call[0].value == 0, call[0]
    return call[1] if len(call) == 2 else call[1:]


def numbers(*shape):
    return np.random.default_rng().standard_normal(shape).astype(np.float32)


class TestPycuda:
    def test_what_goes_to_the_device_comes_back(self):
        source = numbers(3, 50)
        memory = pycuda.mem_alloc(source.nbytes)
        twin = pycuda.mem_alloc(np.int64(source.nbytes))
        pycuda.memcpy_htod(memory, source)
        pycuda.memcpy_dtod(twin, memory, source.nbytes)
        result = np.full_like(source, np.nan)
        pycuda.memcpy_dtoh(result, int(twin))
        np.testing.assert_array_equal(result, source)
        np.testing.assert_array_equal(pycuda.from_device(twin, source.shape, np.float32), source)

    def test_asynchronous_copies_and_events_keep_a_streams_order(self):
        stream, start, end = pycuda.Stream(), pycuda.Event(), pycuda.Event()
        host = pycuda.pagelocked_empty((2, 8), np.float32)
        host[:] = numbers(2, 8)
        memory = pycuda.to_device(np.zeros(16, np.float32))
        result = pycuda.pagelocked_zeros(16, np.float32)
        start.record(stream)
        pycuda.memcpy_htod_async(memory, host, stream)
        pycuda.memcpy_dtoh_async(result, memory, stream)
        assert end.record(stream) is end
        stream.synchronize()
        assert end.query() and stream.is_done() and end.time_since(start) >= 0
        np.testing.assert_array_equal(result.reshape(2, 8), host)

    def test_pagelocked_arrays_have_the_shape_type_and_order_asked_for(self):
        a = pycuda.pagelocked_empty((3, 4), dtype=np.int16, order="F")
        assert a.shape == (3, 4) and a.dtype == np.int16 and a.flags.f_contiguous
        assert pycuda.pagelocked_empty(0, np.float32).shape == (0,)
        assert pycuda.pagelocked_empty_like(a).shape == (3, 4)

    def test_an_array_keeps_its_memory(self):
        import gc
        a = pycuda.pagelocked_empty(1 << 16, np.uint8)[10:20]
        gc.collect()
        a[:] = 7
        assert a.sum() == 70

    def test_memory_is_freed_once_and_with_its_owner(self):
        before = len(lathe.cuda.current().memory)
        memory = pycuda.mem_alloc(64)
        assert len(lathe.cuda.current().memory) == before + 1
        memory.free()
        with pytest.raises(pycuda.LogicError, match="freed already"):
            memory.free()
        del memory
        pycuda.mem_alloc(64)  # dropped at once
        assert len(lathe.cuda.current().memory) == before

    def test_errors_are_pycudas(self):
        with pytest.raises(pycuda.MemoryError):
            pycuda.mem_alloc(1 << 60)
        with pytest.raises(pycuda.LogicError):
            pycuda.Device(99)
        with pytest.raises(ValueError, match="read-only"):
            pycuda.memcpy_dtoh(b"12345678", pycuda.mem_alloc(8))
        with pytest.raises(ValueError, match="contiguous"):
            pycuda.memcpy_htod(pycuda.mem_alloc(64), np.zeros((4, 4), np.float32)[:, ::2])

    def test_devices_and_contexts(self):
        device = pycuda.Device(0)
        assert pycuda.Device.count() >= 1 and device.name() and device.total_memory() > 0
        assert (device.compute_capability() == (0, 0)) == ON_CPU
        assert device.get_attribute(pycuda.device_attribute.MULTIPROCESSOR_COUNT) > 0
        free, total = pycuda.mem_get_info()
        assert 0 < free <= total
        context = device.make_context()
        assert pycuda.Context.get_current() is context
        assert pycuda.Context.pop() is context
        context.detach()

    def test_a_pointer_holder_is_an_address(self):
        class Holder(pycuda.PointerHolderBase):
            def get_pointer(self):
                return int(self.memory)

        holder = Holder()
        holder.memory = pycuda.to_device(np.arange(4, dtype=np.int32))
        result = np.empty(4, np.int32)
        pycuda.memcpy_dtoh(result, holder)
        assert result.tolist() == [0, 1, 2, 3]


class TestRuntime:
    def test_copies_take_addresses_and_buffers(self):
        source, result = numbers(40), np.zeros(40, np.float32)
        kind = cudart.cudaMemcpyKind
        stream = ok(cudart.cudaStreamCreate())
        memory = ok(cudart.cudaMalloc(source.nbytes))
        ok(cudart.cudaMemcpyAsync(memory, source, source.nbytes, kind.cudaMemcpyHostToDevice,
                                  stream))
        ok(cudart.cudaMemcpyAsync(result.ctypes.data, memory, source.nbytes,
                                  kind.cudaMemcpyDeviceToHost, stream))
        ok(cudart.cudaStreamSynchronize(stream))
        np.testing.assert_array_equal(result, source)
        ok(cudart.cudaMemset(memory, 0, source.nbytes))
        ok(cudart.cudaMemcpy(result, memory, source.nbytes, kind.cudaMemcpyDeviceToHost))
        assert not result.any()
        ok(cudart.cudaFree(memory))
        ok(cudart.cudaStreamDestroy(stream))

    def test_errors_are_returned_and_remembered(self):
        error, address = cudart.cudaMalloc(1 << 60)
        assert address is None and error == cudart.cudaError_t.cudaErrorMemoryAllocation
        assert cudart.cudaPeekAtLastError() == (error,)
        assert cudart.cudaGetLastError() == (error,)
        assert cudart.cudaGetLastError() == (cudart.cudaError_t.cudaSuccess,)
        assert cudart.cudaGetErrorString(error)[1] == b"out of memory"
        memory = ok(cudart.cudaMalloc(8))
        ok(cudart.cudaFree(memory))
        assert cudart.cudaFree(memory) == (cudart.cudaError_t.cudaErrorInvalidValue,)
        ok(cudart.cudaFree(0))
        assert cudart.cudaSetDevice(99)[0] != 0
        assert cudart.cudaStreamDestroy(12345)[0] != 0

    def test_pinned_memory_can_be_seen_as_an_array(self):
        address = ok(cudart.cudaMallocHost(40))
        pointer = ctypes.cast(address, ctypes.POINTER(ctypes.c_float))
        array = np.ctypeslib.as_array(pointer, (10,))
        array[:] = 3
        memory = ok(cudart.cudaMalloc(40))
        ok(cudart.cudaMemcpy(memory, array, 40, cudart.cudaMemcpyKind.cudaMemcpyHostToDevice))
        ok(cudart.cudaFree(memory))
        ok(cudart.cudaFreeHost(array.ctypes.data))

    def test_a_captured_graph_repeats_its_work(self):
        host, result = pycuda.pagelocked_empty(4, np.int32), pycuda.pagelocked_zeros(4, np.int32)
        memory = ok(cudart.cudaMalloc(16))
        stream = ok(cudart.cudaStreamCreate())
        ok(cudart.cudaStreamBeginCapture(
            stream, cudart.cudaStreamCaptureMode.cudaStreamCaptureModeGlobal))
        assert ok(cudart.cudaStreamIsCapturing(stream)).value == 1
        ok(cudart.cudaMemcpyAsync(memory, host, 16, 1, stream))
        ok(cudart.cudaMemcpyAsync(result, memory, 16, 2, stream))
        graph = ok(cudart.cudaStreamEndCapture(stream))
        assert not result.any()
        assert ok(cudart.cudaGraphInstantiate(graph, b"", 0))[1] is None  # CUDA 11's arguments
        program = ok(cudart.cudaGraphInstantiate(graph, 0))
        ok(cudart.cudaGraphDestroy(graph))
        for round_ in range(3):
            host[:] = np.arange(4) + 10 * round_
            ok(cudart.cudaGraphLaunch(program, stream))
            ok(cudart.cudaStreamSynchronize(stream))
            np.testing.assert_array_equal(result, host)
        ok(cudart.cudaGraphExecDestroy(program))
        assert cudart.cudaGraphLaunch(program, stream)[0] != 0
        assert cudart.cudaStreamEndCapture(stream)[0] != 0

    def test_events_measure_time(self):
        start, end = ok(cudart.cudaEventCreate()), ok(cudart.cudaEventCreate())
        stream = ok(cudart.cudaStreamCreateWithFlags(cudart.cudaStreamNonBlocking))
        assert cudart.cudaEventElapsedTime(start, end)[0] != 0
        ok(cudart.cudaEventRecord(start, stream))
        ok(cudart.cudaEventRecord(end, stream))
        ok(cudart.cudaEventSynchronize(end))
        assert ok(cudart.cudaEventElapsedTime(start, end)) >= 0
        ok(cudart.cudaEventDestroy(start))
        assert cudart.cudaEventRecord(start, stream)[0] != 0

    def test_properties(self):
        facts = ok(cudart.cudaGetDeviceProperties(0))
        assert facts.name and facts.totalGlobalMem > 0 and facts.multiProcessorCount > 0
        assert (facts.major == 0) == ON_CPU
        attribute = cudart.cudaDeviceAttr.cudaDevAttrMultiProcessorCount
        assert ok(cudart.cudaDeviceGetAttribute(attribute, 0)) == facts.multiProcessorCount
        assert ok(cudart.cudaGetDeviceCount()) >= 1 and ok(cudart.cudaGetDevice()) == 0

    def test_the_drivers_functions_work_on_the_same_memory(self):
        ok(cuda.cuInit(0))
        device = ok(cuda.cuDeviceGet(0))
        ok(cuda.cuCtxCreate(0, device))
        memory = ok(cuda.cuMemAlloc(16))
        ok(cuda.cuMemcpyHtoD(memory, np.arange(4, dtype=np.int32), 16))
        result = np.empty(4, np.int32)
        ok(cudart.cudaMemcpy(result, int(memory), 16, 2))
        assert result.tolist() == [0, 1, 2, 3]
        ok(cuda.cuMemFree(memory))
        error, = cuda.cuMemFree(memory)
        assert isinstance(error, cuda.CUresult) and error == cuda.CUresult.CUDA_ERROR_INVALID_VALUE


@pytest.mark.skipif(not ON_CPU, reason="host work is submitted to streams of the CPU only")
def test_memory_pools_give_memory_and_are_destroyed_once():
    props = cudart.cudaMemPoolProps()
    assert cudart.cudaMemPoolCreate(props)[0].value == 1  # no type of allocation
    props.allocType = cudart.cudaMemAllocationType.cudaMemAllocationTypePinned
    props.location.type = cudart.cudaMemLocationType.cudaMemLocationTypeDevice
    pool = ok(cudart.cudaMemPoolCreate(props))
    assert pool
    threshold = cudart.cudaMemPoolAttr.cudaMemPoolAttrReleaseThreshold
    ok(cudart.cudaMemPoolSetAttribute(pool, threshold, cuda.cuuint64_t(2**64 - 1)))
    stream, source, result = ok(cudart.cudaStreamCreate()), numbers(16), np.empty(16, np.float32)
    memory = ok(cudart.cudaMallocFromPoolAsync(source.nbytes, pool, stream))
    for to, origin in ((memory, source), (result, memory)):
        ok(cudart.cudaMemcpyAsync(to, origin, source.nbytes, 4, stream))
    ok(cudart.cudaFreeAsync(memory, stream))
    ok(cudart.cudaStreamSynchronize(stream))
    np.testing.assert_array_equal(result, source)
    ok(cudart.cudaMemPoolDestroy(pool))
    assert cudart.cudaMallocFromPoolAsync(16, pool, stream)[0].value == 1
    ok(cudart.cudaStreamDestroy(stream))


@pytest.mark.skipif(not ON_CPU, reason="what CPU streams have in CUDA's place")
def test_submitted_work_is_done_at_once_or_with_the_graph():
    calls = []
    lathe.cuda.submit(987654321, lambda: calls.append("at once"))
    assert calls == ["at once"]
    stream = ok(cudart.cudaStreamCreate())
    ok(cudart.cudaStreamBeginCapture(stream, 0))
    lathe.cuda.submit(stream, lambda: calls.append("later"))
    graph = ok(cudart.cudaStreamEndCapture(stream))
    assert calls == ["at once"]
    ok(cudart.cudaGraphLaunch(graph, stream))
    assert calls == ["at once", "later"]
    with pytest.raises(ZeroDivisionError):
        lathe.cuda.submit(stream, lambda: 1 // 0)


class TestLibcudart:
    """libcudart.so as Polygraphy opens it."""

    @pytest.fixture
    def library(self):
        path = pathlib.Path(lathe.__file__).parent / "lib" / "cudart" / "libcudart.so"
        if not path.exists():
            pytest.skip("the package was built without libcudart.so")
        return ctypes.CDLL(str(path))

    def test_copies(self, library):
        memory, stream = ctypes.c_void_p(), ctypes.c_void_p()
        source, result = numbers(100), np.zeros(100, np.float32)
        size = ctypes.c_size_t(source.nbytes)
        assert library.cudaMalloc(ctypes.byref(memory), size) == 0
        assert library.cudaStreamCreate(ctypes.byref(stream)) == 0 and stream.value
        assert library.cudaMemcpyAsync(memory, ctypes.c_void_p(source.ctypes.data), size,
                                       ctypes.c_int(1), stream) == 0
        assert library.cudaMemcpy(ctypes.c_void_p(result.ctypes.data), memory, size,
                                  ctypes.c_int(2)) == 0
        assert library.cudaStreamSynchronize(stream) == 0
        np.testing.assert_array_equal(result, source)
        assert library.cudaStreamDestroy(stream) == 0 and library.cudaFree(memory) == 0

    def test_errors(self, library):
        memory = ctypes.c_void_p()
        assert library.cudaMalloc(ctypes.byref(memory), ctypes.c_size_t(1 << 63)) == 2
        assert library.cudaGetLastError() == 2 and library.cudaGetLastError() == 0
        assert library.cudaMemcpy(None, None, ctypes.c_size_t(8), 1) == 1
        assert library.cudaSetDevice(1) == 101
