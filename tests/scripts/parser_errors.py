# SPDX-License-Identifier: Apache-2.0
# A build function that prints what the parser says and returns None when it cannot parse. Run as
#   parser_errors.py MODEL
# Reads input.npy, writes output.npy; exits with 1 when there is no engine.
import sys

import lathe.trt as trt
import lathe.cuda.driver as cuda
import lathe.cuda.autoinit
import numpy as np

TRT_LOGGER = trt.Logger(trt.Logger.WARNING)


def build_engine_onnx(model_path):
    builder = trt.Builder(TRT_LOGGER)
    network = builder.create_network(flags=builder.NETWORK_EXPLICIT_BATCH)
    parser = trt.OnnxParser(network, TRT_LOGGER)
    with open(model_path, "rb") as f:
        if not parser.parse(f.read()):
            print("ERROR: Failed to parse ONNX file")
            for error in range(parser.num_errors):
                print(parser.get_error(error))
            return None
    config = builder.create_builder_config()
    config.max_workspace_size = 1 << 30
    config.set_flag(trt.BuilderFlag.FP16)
    engine_bytes = builder.build_serialized_network(network, config)
    return engine_bytes


engine_bytes = build_engine_onnx(sys.argv[1])
if engine_bytes is None:
    sys.exit(1)
engine = trt.Runtime(TRT_LOGGER).deserialize_cuda_engine(engine_bytes)
context = engine.create_execution_context()
source = np.load("input.npy")
result = np.empty(tuple(engine.get_tensor_shape(engine[1])),
                  trt.nptype(engine.get_tensor_dtype(engine[1])))
bindings = [cuda.mem_alloc(source.nbytes), cuda.mem_alloc(result.nbytes)]
cuda.memcpy_htod(bindings[0], source)
assert context.execute_v2(bindings=[int(b) for b in bindings])
cuda.memcpy_dtoh(result, bindings[1])
np.save("output.npy", result)
