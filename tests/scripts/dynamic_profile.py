# SPDX-License-Identifier: Apache-2.0
# An optimization profile from 224 to 1024 pixels, and runs at three sizes within it. Reads
# model.onnx and input_N.npy, writes output_N.npy; a size outside the profile must be refused.
import numpy as np
import lathe.trt as trt
from lathe.cuda import cudart

logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
parser = trt.OnnxParser(network, logger)
assert parser.parse_from_file("model.onnx")
config = builder.create_builder_config()
config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
profile = builder.create_optimization_profile()
profile.set_shape("input", (1, 3, 224, 224), (1, 3, 512, 512), (1, 3, 1024, 1024))
config.add_optimization_profile(profile)
plan = builder.build_serialized_network(network, config)

engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
assert engine.get_tensor_profile_shape("input", 0)[2] == (1, 3, 1024, 1024)
context = engine.create_execution_context()


def check(result):
    assert result[0] == cudart.cudaError_t.cudaSuccess, result[0]
    return result[1] if len(result) == 2 else result[1:]


stream = check(cudart.cudaStreamCreate())
for number in range(3):
    x = np.ascontiguousarray(np.load(f"input_{number}.npy"))
    assert context.set_input_shape("input", x.shape)
    y = np.empty(tuple(context.get_tensor_shape("output")), np.float32)
    pointers = [check(cudart.cudaMalloc(a.nbytes)) for a in (x, y)]
    kind = cudart.cudaMemcpyKind
    check(cudart.cudaMemcpyAsync(pointers[0], x, x.nbytes, kind.cudaMemcpyHostToDevice, stream))
    context.set_tensor_address("input", pointers[0])
    context.set_tensor_address("output", pointers[1])
    assert context.execute_async_v3(stream)
    check(cudart.cudaMemcpyAsync(y, pointers[1], y.nbytes, kind.cudaMemcpyDeviceToHost, stream))
    check(cudart.cudaStreamSynchronize(stream))
    np.save(f"output_{number}.npy", y)
    for pointer in pointers:
        check(cudart.cudaFree(pointer))
assert not context.set_input_shape("input", (1, 3, 1200, 224))
check(cudart.cudaStreamDestroy(stream))
