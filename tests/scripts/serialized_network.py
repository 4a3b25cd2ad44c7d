# SPDX-License-Identifier: Apache-2.0
# build_serialized_network under a workspace limit and FP16; the plan goes to a file as it is, and
# is loaded and run by tensor names. Reads model.onnx and input.npy, writes output.npy.
import lathe.trt as trt
import lathe.cuda.driver as cuda
import lathe.cuda.autoinit
import numpy as np

TRT_LOGGER = trt.Logger(trt.Logger.WARNING)
builder = trt.Builder(TRT_LOGGER)

network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
parser = trt.OnnxParser(network, TRT_LOGGER)

with open("model.onnx", "rb") as f:
    if not parser.parse(f.read()):
        for i in range(parser.num_errors):
            print(parser.get_error(i))

config = builder.create_builder_config()
config.max_workspace_size = 1 << 30
config.set_flag(trt.BuilderFlag.FP16)

engine_bytes = builder.build_serialized_network(network, config)

with open("model.engine", "wb") as f:
    f.write(engine_bytes)

runtime = trt.Runtime(TRT_LOGGER)
with open("model.engine", "rb") as f:
    engine = runtime.deserialize_cuda_engine(f.read())
context = engine.create_execution_context()
stream = cuda.Stream()
device, host = {}, {}
for name in engine:
    shape = engine.get_tensor_shape(name)
    host[name] = cuda.pagelocked_empty(trt.volume(shape), trt.nptype(engine.get_tensor_dtype(name)))
    device[name] = cuda.mem_alloc(host[name].nbytes)
    context.set_tensor_address(name, int(device[name]))
    if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
        host[name][:] = np.load("input.npy").ravel()
        cuda.memcpy_htod_async(device[name], host[name], stream)
context.execute_async_v3(stream_handle=stream.handle)
output = engine.get_tensor_name(engine.num_io_tensors - 1)
cuda.memcpy_dtoh_async(host[output], device[output], stream)
stream.synchronize()
np.save("output.npy", host[output].reshape(engine.get_tensor_shape(output)))
