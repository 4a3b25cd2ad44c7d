# SPDX-License-Identifier: Apache-2.0
"""What the tests of lathe.trt share: a network of layers is built, run through a context by
address, and its outputs come back as arrays. Addresses are of the device that lathe.trt builds for:
the same tests run on a GPU where there is one."""
import numpy as np

import lathe.cuda
import lathe.cuda.driver as cuda
import lathe.trt as trt

ON_GPU = lathe.cuda.default_device() != "cpu"


class OnDevice:
    """Memory of the device that holds an array's elements; int() is its address."""

    def __init__(self, array):
        array = np.asarray(array, order="C")
        self._shape, self._dtype = array.shape, array.dtype
        self._memory = cuda.mem_alloc(max(array.nbytes, 1))
        if array.nbytes:
            cuda.memcpy_htod(self._memory, array)

    @staticmethod
    def poisoned(shape, dtype):
        """What a run is to overwrite, all of it."""
        return OnDevice(np.full(tuple(shape), 77, dtype))

    def __int__(self):
        return int(self._memory)

    def read(self):
        """The array that is there, behind what is queued on the default stream."""
        return read_from(int(self), self._shape, self._dtype)


def read_from(address, shape, dtype, stream=0):
    """The array at an address of the device, behind what is queued on the stream."""
    array = np.empty(tuple(shape), dtype)
    if array.nbytes:
        cuda.memcpy_dtoh_async(array, address, stream)
        lathe.cuda.current().stream(stream).synchronize()
    return array


class Recorder(trt.ILogger):
    """A logger that keeps what it is told."""

    def __init__(self):
        trt.ILogger.__init__(self)
        self.messages = []

    def log(self, severity, msg):
        self.messages.append((severity, msg))

    @property
    def errors(self):
        return [m for s, m in self.messages if s <= trt.Logger.ERROR]


def plan_of(define, inputs, flags=(), profile=None, config=None):
    """(plan, logger) of the network that `define(network, *tensors)` makes; it returns a tensor, a
    layer or a list of them. inputs: {name: array or (dtype, shape)}."""
    logger = Recorder()
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    tensors = []
    for name, value in inputs.items():
        dtype, shape = value if isinstance(value, tuple) else (
            trt.tensorrt.DataType(_type_of(value)), value.shape)
        tensors.append(network.add_input(name, dtype, shape))
    made = define(network, *tensors)
    for k, item in enumerate(made if isinstance(made, (list, tuple)) else [made]):
        tensor = item.get_output(0) if isinstance(item, (trt.ILayer, trt.IAttention)) else item
        tensor.name = f"y{k}"
        network.mark_output(tensor)
    settings = config(builder, network) if config else builder.create_builder_config()
    settings.set_timing_cache(settings.create_timing_cache(b""), False)
    settings.builder_optimization_level = 0
    settings.clear_flag(trt.BuilderFlag.TF32)
    for flag in flags:
        settings.set_flag(flag)
    if profile:
        chosen = builder.create_optimization_profile()
        for name, shapes in profile.items():
            chosen.set_shape(name, *shapes)
        settings.add_optimization_profile(chosen)
    return builder.build_serialized_network(network, settings), logger


def _type_of(array):
    from lathe.trt.dtypes import from_numpy
    return from_numpy(array.dtype)


def run_engine(engine, inputs, context=None):
    """Outputs of an engine by name; poisoned memory, addresses in place."""
    context = context or engine.create_execution_context()
    held = {}
    for name in engine:
        if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT:
            held[name] = OnDevice(inputs[name])
            assert context.set_input_shape(name, inputs[name].shape)
    assert context.infer_shapes() == []
    for name in engine:
        if name not in held:
            held[name] = OnDevice.poisoned(context.get_tensor_shape(name),
                                           trt.nptype(engine.get_tensor_dtype(name)))
        assert context.set_tensor_address(name, int(held[name]))
    assert context.execute_async_v3(0)
    return {name: held[name].read() for name in engine if name not in inputs}


def compute(define, inputs, **options):
    """Outputs, in order, of a network of layers."""
    plan, logger = plan_of(define, inputs, **options)
    assert plan is not None, logger.errors
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    results = run_engine(engine, inputs)
    return [results[name] for name in sorted(results)]


def random(*shape, seed=None):
    """Standard normal f32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
