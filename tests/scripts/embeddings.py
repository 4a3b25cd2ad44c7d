# SPDX-License-Identifier: Apache-2.0
# Token embeddings over cuda-python: two profiles for short and long sequences, a logger of one's own,
# memory by cudaMallocAsync. Reads model.onnx (ids, mask: i64[N,S]), ids_N.npy and mask_N.npy, writes
# output_N.npy.
import numpy as np
import lathe.trt as trt
from lathe.cuda import cudart


class Collector(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
        self.messages = []

    def log(self, severity, msg):
        self.messages.append((severity, msg))


LOGGER = Collector()


def ASSERT(result):
    if result[0] != cudart.cudaError_t.cudaSuccess:
        raise RuntimeError(f"CUDA error: {result[0]}")
    return result[1] if len(result) == 2 else result[1:]


def build():
    builder = trt.Builder(LOGGER)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, LOGGER)
    if not parser.parse_from_file("model.onnx"):
        raise RuntimeError([parser.get_error(i).desc() for i in range(parser.num_errors)])
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 32)
    config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.clear_flag(trt.BuilderFlag.TF32)
    for shortest, longest in ((1, 8), (9, 16)):
        profile = builder.create_optimization_profile()
        for index in range(network.num_inputs):
            tensor = network.get_input(index)
            assert tensor.dtype == trt.int64
            profile.set_shape(tensor.name, min=(1, shortest), opt=(2, longest), max=(4, longest))
        assert config.add_optimization_profile(profile) >= 0
    plan = builder.build_serialized_network(network, config)
    assert plan is not None, [m for s, m in LOGGER.messages if s <= trt.Logger.ERROR]
    return plan


with open("model.engine", "wb") as f:
    f.write(build())
with open("model.engine", "rb") as f:
    engine = trt.Runtime(LOGGER).deserialize_cuda_engine(f.read())
context = engine.create_execution_context()
stream = ASSERT(cudart.cudaStreamCreate())
for number in range(3):
    feed = {name: np.load(f"{name}_{number}.npy") for name in ("ids", "mask")}
    context.set_optimization_profile_async(int(feed["ids"].shape[1] > 8), stream)
    ASSERT(cudart.cudaStreamSynchronize(stream))
    for name, array in feed.items():
        assert context.set_input_shape(name, array.shape)
    assert not context.infer_shapes() and context.all_binding_shapes_specified
    memory = {}
    for name in engine:
        dtype = trt.nptype(engine.get_tensor_dtype(name))
        host = feed.get(name, np.empty(tuple(context.get_tensor_shape(name)), dtype))
        memory[name] = host, ASSERT(cudart.cudaMallocAsync(host.nbytes, stream))
        if name in feed:
            ASSERT(cudart.cudaMemcpyAsync(
                memory[name][1], host.ctypes.data, host.nbytes,
                cudart.cudaMemcpyKind.cudaMemcpyHostToDevice, stream))
        context.set_tensor_address(name, memory[name][1])
    assert context.execute_async_v3(stream_handle=stream)
    host, device = memory["output"]
    ASSERT(cudart.cudaMemcpyAsync(host.ctypes.data, device, host.nbytes,
                                  cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost, stream))
    ASSERT(cudart.cudaStreamSynchronize(stream))
    np.save(f"output_{number}.npy", host)
    for _, device in memory.values():
        ASSERT(cudart.cudaFreeAsync(device, stream))
ASSERT(cudart.cudaStreamDestroy(stream))
