# SPDX-License-Identifier: Apache-2.0
# Buffers in pairs of pinned and device memory, a run captured into a CUDA graph, weights refitted from
# another ONNX file, and what is refused: INT8 without calibration, a plugin. Reads model.onnx,
# other.onnx (its weights differ) and input.npy, writes output_0.npy and output_1.npy.
import numpy as np
import lathe.trt as trt
from lathe.cuda import cudart

from common import Buffer, checked

LOGGER = trt.Logger(trt.Logger.ERROR)


def build(prepare):
    builder = trt.Builder(LOGGER)
    network = builder.create_network(0)
    parser = trt.OnnxParser(network, LOGGER)
    with open("model.onnx", "rb") as f:
        assert parser.parse(f.read())
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    prepare(network, config)
    plan = builder.build_serialized_network(network, config)
    return None if plan is None else trt.Runtime(LOGGER).deserialize_cuda_engine(plan)


def allocate_buffers(engine):
    inputs, outputs = [], []
    for index in range(engine.num_io_tensors):
        name = engine.get_tensor_name(index)
        buffer = Buffer(engine.get_tensor_shape(name), trt.nptype(engine.get_tensor_dtype(name)))
        is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
        (inputs if is_input else outputs).append((name, buffer))
    return inputs, outputs


def queue(context, inputs, outputs, stream):
    kind = cudart.cudaMemcpyKind
    for _, b in inputs:
        checked(cudart.cudaMemcpyAsync(b.device, b.host, b.nbytes, kind.cudaMemcpyHostToDevice,
                                       stream))
    assert context.execute_async_v3(stream_handle=stream)
    for _, b in outputs:
        checked(cudart.cudaMemcpyAsync(b.host, b.device, b.nbytes, kind.cudaMemcpyDeviceToHost,
                                       stream))


def graph_of(context, inputs, outputs, stream):
    queue(context, inputs, outputs, stream)
    checked(cudart.cudaStreamSynchronize(stream))
    checked(cudart.cudaStreamBeginCapture(
        stream, cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal))
    queue(context, inputs, outputs, stream)
    return checked(cudart.cudaGraphInstantiate(checked(cudart.cudaStreamEndCapture(stream)), 0))


engine = build(lambda network, config: config.set_flag(trt.BuilderFlag.REFIT))
context = engine.create_execution_context()
inputs, outputs = allocate_buffers(engine)
for name, buffer in inputs + outputs:
    context.set_tensor_address(name, buffer.device)
stream = checked(cudart.cudaStreamCreate())
for number in range(2):
    graph = graph_of(context, inputs, outputs, stream)
    inputs[0][1].host[:] = np.load("input.npy").ravel()
    checked(cudart.cudaGraphLaunch(graph, stream))
    checked(cudart.cudaStreamSynchronize(stream))
    result = outputs[0][1]
    np.save(f"output_{number}.npy", result.host.reshape(result.shape))
    inputs[0][1].host[:] = 0
    checked(cudart.cudaGraphExecDestroy(graph))
    refitter = trt.Refitter(engine, LOGGER)
    parser_refitter = trt.OnnxParserRefitter(refitter, LOGGER)
    assert parser_refitter.refit_from_file("other.onnx")
    assert refitter.refit_cuda_engine()
for _, buffer in inputs + outputs:
    buffer.free()
checked(cudart.cudaStreamDestroy(stream))


def with_nms(network, config):
    creator = trt.get_plugin_registry().get_plugin_creator("EfficientNMS_TRT", "1", "")
    fields = trt.PluginFieldCollection([
        trt.PluginField("score_threshold", np.array([0.25], np.float32),
                        trt.PluginFieldType.FLOAT32)])
    source = network.get_output(0)
    layer = network.add_plugin_v2([source, source], creator.create_plugin("nms", fields))
    network.mark_output(layer.get_output(0))


assert build(with_nms) is None
assert build(lambda network, config: config.set_flag(trt.BuilderFlag.INT8)) is None
print("captured, refitted, refused")
