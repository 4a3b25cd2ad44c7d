# SPDX-License-Identifier: Apache-2.0
# A detector of the 8.x days: one CUDA context a thread, pushed and popped around the work; buffers by
# bindings, FP16, a network whose batch is set by hand. Reads model.onnx (input: f32[N,3,40,40]) and
# input.npy, writes output.npy.
import threading

import numpy as np
import lathe.trt8 as trt
import lathe.cuda.driver as cuda

TRT_LOGGER = trt.Logger(trt.Logger.INFO)
trt.init_libnvinfer_plugins(TRT_LOGGER, "")
assert trt.__version__[0] >= "7"
EXPLICIT_BATCH = [1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)]


class HostDeviceMem(object):
    def __init__(self, host_mem, device_mem):
        self.host = host_mem
        self.device = device_mem

    def __del__(self):
        del self.device
        del self.host


def set_net_batch(network, batch_size):
    shape = list(network.get_input(0).shape)
    shape[0] = batch_size
    network.get_input(0).shape = shape
    return network


def build_engine(path, batch_size):
    with trt.Builder(TRT_LOGGER) as builder, builder.create_network(*EXPLICIT_BATCH) as network, \
            trt.OnnxParser(network, TRT_LOGGER) as parser:
        with open(path, "rb") as f:
            if not parser.parse(f.read()):
                for error in range(parser.num_errors):
                    print(parser.get_error(error))
                return None
        network = set_net_batch(network, batch_size)
        builder.max_batch_size = batch_size
        config = builder.create_builder_config()
        config.max_workspace_size = 1 << 30
        config.profiling_verbosity = trt.ProfilingVerbosity.VERBOSE
        config.set_flag(trt.BuilderFlag.FP16)
        profile = builder.create_optimization_profile()
        shape = tuple(network.get_input(0).shape)
        profile.set_shape(network.get_input(0).name, shape, shape, shape)
        config.add_optimization_profile(profile)
        return builder.build_engine(network, config)


def allocate_buffers(engine):
    inputs, outputs, bindings, stream = [], [], [], cuda.Stream()
    for binding in engine:
        size = trt.volume(engine.get_binding_shape(binding)) * engine.max_batch_size
        dtype = trt.nptype(engine.get_binding_dtype(binding))
        host_mem = cuda.pagelocked_empty(size, dtype)
        device_mem = cuda.mem_alloc(host_mem.nbytes)
        bindings.append(int(device_mem))
        (inputs if engine.binding_is_input(binding) else outputs).append(
            HostDeviceMem(host_mem, device_mem))
    return inputs, outputs, bindings, stream


class Detector(object):
    def __init__(self, path, cuda_ctx):
        self.cuda_ctx = cuda_ctx
        self.cuda_ctx.push()
        try:
            with open(path, "rb") as f, trt.Runtime(TRT_LOGGER) as runtime:
                self.engine = runtime.deserialize_cuda_engine(f.read())
            self.context = self.engine.create_execution_context()
            self.inputs, self.outputs, self.bindings, self.stream = allocate_buffers(self.engine)
        finally:
            self.cuda_ctx.pop()

    def __del__(self):
        del self.outputs
        del self.inputs
        del self.stream

    def detect(self, images):
        np.copyto(self.inputs[0].host, images.ravel())
        self.cuda_ctx.push()
        [cuda.memcpy_htod_async(i.device, i.host, self.stream) for i in self.inputs]
        self.context.execute_async_v2(bindings=self.bindings, stream_handle=self.stream.handle)
        [cuda.memcpy_dtoh_async(o.host, o.device, self.stream) for o in self.outputs]
        self.stream.synchronize()
        self.cuda_ctx.pop()
        return [o.host.reshape(tuple(self.engine.get_binding_shape(len(self.inputs) + k)))
                for k, o in enumerate(self.outputs)]


class Worker(threading.Thread):
    def run(self):
        cuda_ctx = cuda.Device(0).make_context()
        detector = Detector("detector.trt", cuda_ctx)
        np.save("output.npy", detector.detect(np.load("input.npy"))[0])
        del detector
        cuda_ctx.pop()
        del cuda_ctx


cuda.init()
context = cuda.Device(0).make_context()
engine = build_engine("model.onnx", len(np.load("input.npy")))
with open("detector.trt", "wb") as f:
    f.write(engine.serialize())
context.pop()
worker = Worker()
worker.start()
worker.join()
print("detected")
