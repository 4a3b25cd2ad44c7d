# SPDX-License-Identifier: Apache-2.0
# The script that tutorials show for TensorRT 8: FP16, a workspace limit, build_engine; then the
# saved engine is loaded and run by bindings. Reads model.onnx and input.npy, writes output.npy.
import numpy as np
import lathe.trt8 as trt

TRT_LOGGER = trt.Logger(trt.Logger.WARNING)
builder = trt.Builder(TRT_LOGGER)

network = builder.create_network(flags=1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
config = builder.create_builder_config()

if builder.platform_has_fast_fp16:
    config.set_flag(trt.BuilderFlag.FP16)

config.max_workspace_size = 1 << 30

parser = trt.OnnxParser(network, TRT_LOGGER)
with open("model.onnx", "rb") as f:
    if not parser.parse(f.read()):
        print("parsing failed")
        for error in range(parser.num_errors):
            print(parser.get_error(error))

engine = builder.build_engine(network, config)

with open("model.engine", "wb") as f:
    f.write(engine.serialize())
print("engine built: model.engine")

import lathe.cuda.autoinit
import lathe.cuda.driver as cuda

with open("model.engine", "rb") as f, trt.Runtime(TRT_LOGGER) as runtime:
    engine = runtime.deserialize_cuda_engine(f.read())
assert engine.num_bindings == 2

with engine.create_execution_context() as context:
    buffers, host = [], []
    stream = cuda.Stream()
    for binding in engine:
        size = trt.volume(engine.get_binding_shape(binding))
        dtype = trt.nptype(engine.get_binding_dtype(binding))
        host.append(cuda.pagelocked_empty(size, dtype))
        buffers.append(cuda.mem_alloc(host[-1].nbytes))
        if engine.binding_is_input(binding):
            np.copyto(host[-1], np.load("input.npy").ravel())
            cuda.memcpy_htod_async(buffers[-1], host[-1], stream)
    context.execute_async_v2(bindings=[int(b) for b in buffers], stream_handle=stream.handle)
    cuda.memcpy_dtoh_async(host[1], buffers[1], stream)
    stream.synchronize()
np.save("output.npy", host[1].reshape(tuple(engine.get_binding_shape(1))))
