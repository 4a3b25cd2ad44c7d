# SPDX-License-Identifier: Apache-2.0
# What the programs here share: buffers for each tensor of an engine, by cuda-python's runtime.
import ctypes

import numpy as np
import lathe.trt as trt
from lathe.cuda import cuda, cudart


def checked(call):
    """The values of a call, once its error says success."""
    error, values = call[0], call[1:]
    if isinstance(error, cuda.CUresult):
        assert error == cuda.CUresult.CUDA_SUCCESS, error
    else:
        assert isinstance(error, cudart.cudaError_t)
        assert error == cudart.cudaError_t.cudaSuccess, error
    return values[0] if len(values) == 1 else values


class Buffer:
    """Pinned memory, seen as an array, and its twin on the device."""

    def __init__(self, shape, dtype):
        size, dtype = max(trt.volume(shape), 1), np.dtype(dtype)
        self.nbytes = size * dtype.itemsize
        address = checked(cudart.cudaMallocHost(self.nbytes))
        pointer = ctypes.cast(address, ctypes.POINTER(np.ctypeslib.as_ctypes_type(dtype)))
        self.host = np.ctypeslib.as_array(pointer, (size,))
        self.device = checked(cudart.cudaMalloc(self.nbytes))
        self.shape = tuple(shape)

    def free(self):
        checked(cudart.cudaFree(self.device))
        checked(cudart.cudaFreeHost(self.host.ctypes.data))


def infer(engine, feeds, profile=None):
    """The engine's outputs, by name, for arrays by name."""
    context = engine.create_execution_context()
    stream = checked(cudart.cudaStreamCreate())
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    kinds = cudart.cudaMemcpyKind
    buffers = {}
    for name in names:
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            assert context.set_input_shape(name, feeds[name].shape)
    for name in names:
        dtype = trt.nptype(engine.get_tensor_dtype(name))
        buffers[name] = buffer = Buffer(context.get_tensor_shape(name), dtype)
        assert context.set_tensor_address(name, buffer.device)
        if name in feeds:
            buffer.host[:] = feeds[name].ravel()
            checked(cudart.cudaMemcpyAsync(buffer.device, buffer.host, buffer.nbytes,
                                           kinds.cudaMemcpyHostToDevice, stream))
    assert context.execute_async_v3(stream_handle=stream)
    outputs = [n for n in names if n not in feeds]
    for name in outputs:
        buffer = buffers[name]
        checked(cudart.cudaMemcpyAsync(buffer.host, buffer.device, buffer.nbytes,
                                       kinds.cudaMemcpyDeviceToHost, stream))
    checked(cudart.cudaStreamSynchronize(stream))
    results = {n: buffers[n].host.reshape(buffers[n].shape).copy() for n in outputs}
    for buffer in buffers.values():
        buffer.free()
    checked(cudart.cudaStreamDestroy(stream))
    return results
