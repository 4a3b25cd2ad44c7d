# SPDX-License-Identifier: Apache-2.0
# A detector's inference class, which takes `device=` and serves 8.x and 10.x: what is absent tells
# them apart, metadata may stand before the plan, tensors are given by data_ptr(), an input larger
# than the last one resizes the outputs. Run as detector.py 8|10; reads model.onnx and input_N.npy,
# writes output_N.npy.
import json
import sys
from collections import OrderedDict, namedtuple

import numpy as np
import lathe.trt as trt

try:
    import torch
except ImportError:
    torch = None

Binding = namedtuple("Binding", ("name", "dtype", "shape", "data", "ptr"))


class Array:
    """The few methods of a torch tensor that the class needs, where there is no torch."""

    def __init__(self, array, device="cpu"):
        self.array, self.device = np.ascontiguousarray(array), device

    shape = property(lambda self: tuple(self.array.shape))

    def to(self, device):
        return Array(self.array, device)

    def data_ptr(self):
        return self.array.ctypes.data

    def resize_(self, shape):
        self.array = np.empty(shape, self.array.dtype)
        return self

    def numpy(self):
        return self.array


def tensor(array):
    return Array(array) if torch is None else torch.from_numpy(array)


class Detector:
    def __init__(self, path, device):
        self.device = device
        logger = trt.Logger(trt.Logger.INFO)
        with open(path, "rb") as f, trt.Runtime(logger) as runtime:
            length = int.from_bytes(f.read(4), byteorder="little")
            self.metadata = json.loads(f.read(length).decode("utf-8"))
            self.model = runtime.deserialize_cuda_engine(f.read())
        self.context = self.model.create_execution_context()
        self.bindings, self.output_names = OrderedDict(), []
        self.fp16 = self.dynamic = False
        self.is_trt10 = not hasattr(self.model, "num_bindings")
        number = self.model.num_io_tensors if self.is_trt10 else self.model.num_bindings
        for i in range(number):
            self._add(i)
        self.addresses = OrderedDict((n, d.ptr) for n, d in self.bindings.items())

    def _add(self, i):
        model, context = self.model, self.context
        if self.is_trt10:
            name = model.get_tensor_name(i)
            dtype = trt.nptype(model.get_tensor_dtype(name))
            if model.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
                if -1 in tuple(model.get_tensor_shape(name)):
                    self.dynamic = True
                    context.set_input_shape(name, tuple(model.get_tensor_profile_shape(name, 0)[2]))
                self.fp16 = self.fp16 or dtype == np.float16
            else:
                self.output_names.append(name)
            shape = tuple(context.get_tensor_shape(name))
        else:
            name = model.get_binding_name(i)
            dtype = trt.nptype(model.get_binding_dtype(i))
            if model.binding_is_input(i):
                if -1 in tuple(model.get_binding_shape(i)):
                    self.dynamic = True
                    context.set_binding_shape(i, tuple(model.get_profile_shape(0, i)[2]))
                self.fp16 = self.fp16 or dtype == np.float16
            else:
                self.output_names.append(name)
            shape = tuple(context.get_binding_shape(i))
        data = tensor(np.empty(shape, dtype=dtype)).to(self.device)
        self.bindings[name] = Binding(name, dtype, shape, data, int(data.data_ptr()))

    def __call__(self, image):
        image = image.to(self.device)
        if self.dynamic and tuple(image.shape) != self.bindings["input"].shape:
            if self.is_trt10:
                self.context.set_input_shape("input", tuple(image.shape))
                shapes = {n: self.context.get_tensor_shape(n) for n in self.output_names}
            else:
                index = self.model.get_binding_index
                self.context.set_binding_shape(index("input"), tuple(image.shape))
                shapes = {n: self.context.get_binding_shape(index(n)) for n in self.output_names}
            self.bindings["input"] = self.bindings["input"]._replace(shape=tuple(image.shape))
            for name, shape in shapes.items():
                self.bindings[name].data.resize_(tuple(shape))
                self.addresses[name] = int(self.bindings[name].data.data_ptr())
        assert tuple(image.shape) == self.bindings["input"].shape
        self.addresses["input"] = int(image.data_ptr())
        assert self.context.execute_v2(list(self.addresses.values()))
        return [self.bindings[name].data for name in sorted(self.output_names)]


def export(path):
    logger = trt.Logger(trt.Logger.INFO)
    is_trt10 = int(trt.__version__.split(".", 1)[0]) >= 10
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    if is_trt10:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
    else:
        config.max_workspace_size = 1 << 30
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file("model.onnx"):
        raise RuntimeError("failed to load model.onnx")
    profile = builder.create_optimization_profile()
    for source in [network.get_input(i) for i in range(network.num_inputs)]:
        profile.set_shape(source.name, min=(1, 3, 32, 32), opt=(2, 3, 64, 64), max=(4, 3, 96, 96))
    config.add_optimization_profile(profile)
    build = builder.build_serialized_network if is_trt10 else builder.build_engine
    with build(network, config) as engine, open(path, "wb") as t:
        meta = json.dumps({"stride": 32})
        t.write(len(meta).to_bytes(4, byteorder="little", signed=True))
        t.write(meta.encode())
        t.write(engine if is_trt10 else engine.serialize())


export("detector.engine")
detector = Detector("detector.engine", "cpu")
assert detector.is_trt10 == (sys.argv[1] == "10")
assert detector.metadata == {"stride": 32} and detector.dynamic and not detector.fp16
for number in range(3):
    result, = detector(tensor(np.load(f"input_{number}.npy")))
    np.save(f"output_{number}.npy", result.numpy())
