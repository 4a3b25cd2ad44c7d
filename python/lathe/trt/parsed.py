# SPDX-License-Identifier: Apache-2.0
"""What an ONNX model becomes in a network: one layer a node, with the class and the settings that a
program expects to read. The model itself stays Lathe's: it is edited, not translated."""
import re

import numpy as np

from ..errors import UnsupportedError
from ..network import Network
from . import dtypes
from . import enums as e
from .dims import Dims
from .formats import Layout
from .inspector import onnx_metadata
from .layers import VIEWS
from .layers.base import LayerState
from .tensor import ITensor
from .weights import Weights

_TYPES = {
    e.LayerType.CONVOLUTION: "Conv",
    e.LayerType.DECONVOLUTION: "ConvTranspose",
    e.LayerType.POOLING: "MaxPool AveragePool",
    e.LayerType.REDUCE: "GlobalAveragePool GlobalMaxPool ReduceSum ReduceProd ReduceMax ReduceMin "
                        "ReduceMean",
    e.LayerType.ACTIVATION: "Relu Sigmoid Tanh LeakyRelu Elu Selu Softsign Softplus Clip "
                            "HardSigmoid ThresholdedRelu Gelu",
    e.LayerType.UNARY: "Exp Log Sqrt Reciprocal Abs Neg Sin Cos Tan Sinh Cosh Asin Acos Atan Asinh "
                       "Acosh Atanh Ceil Floor Erf Not Sign Round IsInf IsNaN",
    e.LayerType.SOFTMAX: "Softmax LogSoftmax",
    e.LayerType.CONCATENATION: "Concat",
    e.LayerType.SCALE: "BatchNormalization",
    e.LayerType.SHUFFLE: "Reshape Transpose Flatten DepthToSpace SpaceToDepth",
    e.LayerType.SQUEEZE: "Squeeze",
    e.LayerType.UNSQUEEZE: "Unsqueeze",
    e.LayerType.MATRIX_MULTIPLY: "MatMul Gemm",
    e.LayerType.SLICE: "Slice Split Pad",
    e.LayerType.GATHER: "Gather GatherElements GatherND",
    e.LayerType.SCATTER: "Scatter ScatterElements ScatterND",
    e.LayerType.RESIZE: "Resize Upsample",
    e.LayerType.TOPK: "TopK ArgMax ArgMin",
    e.LayerType.NORMALIZATION: "InstanceNormalization LayerNormalization GroupNormalization",
    e.LayerType.LRN: "LRN",
    e.LayerType.CONSTANT: "Constant",
    e.LayerType.IDENTITY: "Identity Dropout",
    e.LayerType.CAST: "Cast CastLike",
    e.LayerType.SHAPE: "Shape",
    e.LayerType.SELECT: "Where",
    e.LayerType.PARAMETRIC_RELU: "PRelu",
    e.LayerType.EINSUM: "Einsum",
    e.LayerType.ONE_HOT: "OneHot",
    e.LayerType.CUMULATIVE: "CumSum",
    e.LayerType.FILL: "ConstantOfShape Range",
    e.LayerType.QUANTIZE: "QuantizeLinear",
    e.LayerType.DEQUANTIZE: "DequantizeLinear",
}
_TYPE_OF = {op: kind for kind, ops in _TYPES.items() for op in ops.split()}
_BINARY = {"Add": "SUM", "Sub": "SUB", "Mul": "PROD", "Div": "DIV", "Pow": "POW", "Max": "MAX",
           "Min": "MIN", "And": "AND", "Or": "OR", "Xor": "XOR", "Equal": "EQUAL",
           "Greater": "GREATER", "Less": "LESS", "Sum": "SUM"}
_ACTIVATIONS = {"Relu": "RELU", "Sigmoid": "SIGMOID", "Tanh": "TANH", "LeakyRelu": "LEAKY_RELU",
                "Elu": "ELU", "Selu": "SELU", "Softsign": "SOFTSIGN", "Softplus": "SOFTPLUS",
                "Clip": "CLIP", "HardSigmoid": "HARD_SIGMOID", "Gelu": "GELU_ERF",
                "ThresholdedRelu": "THRESHOLDED_RELU"}
_REDUCTIONS = {"ReduceSum": "SUM", "ReduceProd": "PROD", "ReduceMax": "MAX", "ReduceMin": "MIN",
               "ReduceMean": "AVG", "GlobalAveragePool": "AVG", "GlobalMaxPool": "MAX"}


class ParsedModel:
    """A model that was read, and the layers and tensors that stand for it in a network."""

    def __init__(self, model):
        self.model = model

    def network(self):
        """The model as a fresh lathe.Network."""
        return Network.load(self.model)

    def populate(self, trt_network):
        """Adds inputs, layers and outputs to an empty network."""
        net, tensors = self.network(), {}
        for value in net.inputs:
            tensor = ITensor(trt_network, value.name, origin=value.name)
            sizes = [s if isinstance(s, int) else -1 for s in value.shape]
            tensor._declared = (_api_type(value), tuple(sizes))
            tensors[value.name] = tensor
            trt_network._inputs.append(tensor)
        for place, node in enumerate(net.nodes):
            self._add_layer(trt_network, tensors, place, node)
        trt_network._source = self
        trt_network._scratch = None
        for name, value in zip(net.output_names, net.outputs):
            tensor = self._tensor(trt_network, tensors, value)
            if any(tensor is given for given in trt_network._inputs):
                tensor = _passed_through(trt_network, tensor)
            tensor._name = name
            trt_network._outputs.append(tensor)

    @staticmethod
    def _tensor(trt_network, tensors, value):
        name = value.name
        if name not in tensors:
            tensors[name] = ITensor(trt_network, name, origin=name)
        return tensors[name]

    def _add_layer(self, trt_network, tensors, place, node):
        view = VIEWS[_TYPE_OF.get(node.op, e.LayerType.ELEMENTWISE)]
        operands = node.operands
        weights = _weights(node, operands)
        state = LayerState(trt_network, len(trt_network._layers), view, [], {})
        state.node, state.places = place, []
        for k, value in enumerate(operands):
            if k in weights or value is None:
                continue
            state.places.append(k)
            state.inputs.append(self._tensor(trt_network, tensors, value))
        for k, value in enumerate(v for v in node.results if v is not None):
            tensor = self._tensor(trt_network, tensors, value)
            tensor._producer, tensor._index = state, k
            state.outputs.append(tensor)
        state.settings = _settings(node, weights)
        state.name = node.name or f"node_of_{state.outputs[0].name}"
        state.metadata = onnx_metadata(state.name)
        trt_network._layers.append(state)

    def place(self, trt_network, low):
        """Tells a Lowering, whose network is fresh from the model, what the tensors are."""
        values = {value.name: value for value in low.net.values}
        self._edit_inputs(trt_network, low, values)
        for state in trt_network._layers:
            for tensor in (*state.inputs, *state.outputs):
                if tensor is not None and tensor._origin in values and tensor not in low.values:
                    low.values[tensor] = values[tensor._origin]
        for tensor in trt_network._outputs:  # constants of the model among them: no layer has those
            if tensor._origin in values:
                low.values.setdefault(tensor, values[tensor._origin])
        for value in low.net.outputs:
            low.net.unmark_output(value)
        if not low.final:
            self.rewire(trt_network, low)

    @staticmethod
    def rewire(trt_network, low):
        """Operands that the program set."""
        nodes = None
        for state in trt_network._layers:
            if state.node is None or not state.rewired:
                continue
            nodes = nodes or low.net.nodes
            for index in state.rewired:
                place = state.places[index] if index < len(state.places) else index
                nodes[state.node].set_operand(place, low.value(state.inputs[index]))
        low._facts.clear()

    @staticmethod
    def _edit_inputs(trt_network, low, values):
        """Shapes and types of inputs as the program set them."""
        net = low.net
        retyped = any(t._dtype not in (None, t._declared[0]) or t._name != t._origin
                      for t in trt_network._inputs)
        retyped = retyped or any(dtypes.to_lathe(t._declared[0]) != values[t._origin].dtype
                                 for t in trt_network._inputs if t._origin is not None)
        added = any(t._origin is None for t in trt_network._inputs)
        formatted = low.final and any(Layout.of(t, list(t.shape)) for t in trt_network._inputs)
        for tensor in trt_network._inputs:
            if tensor._origin is None:
                trt_network._lower_input(low, tensor)
                continue
            value = values[tensor._origin]
            low.values[tensor] = value
            shape = _merged(tensor, value)
            if tensor._shape is not None:
                net.set_input(value, value.dtype, shape)
            if not retyped and not added and not formatted:
                continue
            kind, asked = value.dtype, dtypes.to_lathe(tensor.dtype)
            value.name = f"{value.name} as the model has it"
            fresh = low.add_input(tensor, asked, shape)
            low.values[tensor] = low.cast(fresh, kind)
            net.replace(value, low.values[tensor])
            net.remove(value)


def _passed_through(trt_network, tensor):
    """The output that an input is too: an identity's, and the input leaves it the name."""
    layer = trt_network.add_identity(tensor)
    tensor.name = f"__{tensor.name}"
    return layer.get_output(0)


def _merged(tensor, value):
    """The shape that the program set, with the model's symbols where it says -1."""
    if tensor._shape is None:
        return list(value.shape)
    own = list(value.shape)
    named = [tensor._symbol(d) for d in range(len(tensor._shape))]
    return [size if size >= 0 else named[d] or (own[d] if d < len(own) and isinstance(own[d], str)
                                                else -1)
            for d, size in enumerate(tensor._shape)]


def _api_type(value):
    """The DataType of an input."""
    try:
        return dtypes.shown(value.dtype)
    except TypeError as error:
        raise UnsupportedError(f"input '{value.name}': {error}") from error


def _weights(node, operands):
    """Operands of a filter that are constants: {place: role}."""
    if node.op not in ("Conv", "ConvTranspose"):
        return {}
    roles = {1: "kernel", 2: "bias"}
    return {k: role for k, role in roles.items()
            if k < len(operands) and operands[k] is not None and operands[k].kind == "constant"}


class _Deferred(Weights):
    """Weights of a model's constant, copied when they are first read."""

    def __init__(self, value):
        super().__init__(dtypes.shown(value.dtype))
        self._value, self._size = value, int(np.prod(value.shape))

    def _bits(self):
        if self._owner is None:
            own = self._value.numpy()
            if self._value.dtype != dtypes.to_lathe(self._dtype):
                own = own.astype(dtypes.nptype(self._dtype))
            self._owner = np.ascontiguousarray(own)
        return super()._bits()


def _settings(node, weights):
    """The settings that a program reads from a parsed layer."""
    attributes, settings = node.attributes, {}
    operands = node.operands
    for place, role in weights.items():
        settings[role] = _Deferred(operands[place])
    kernel = attributes.get("kernel_shape")
    if node.op in ("Conv", "ConvTranspose"):
        shape = list(operands[1].shape)
        settings |= {"kernel_size_nd": Dims(kernel or shape[2:]),
                     "num_groups": attributes.get("group", 1), "num_output_maps": (
                         shape[0] if node.op == "Conv"
                         else shape[1] * attributes.get("group", 1))}
    elif node.op in ("MaxPool", "AveragePool"):
        settings |= {"window_size_nd": Dims(kernel),
                     "type": e.PoolingType.MAX if node.op == "MaxPool" else e.PoolingType.AVERAGE,
                     "average_count_excludes_padding": not attributes.get("count_include_pad", 0)}
    _window_settings(attributes, kernel, settings)
    _function_settings(node, attributes, settings)
    return settings


def _window_settings(attributes, kernel, settings):
    if "strides" in attributes:
        settings["stride_nd"] = Dims(attributes["strides"])
    if "dilations" in attributes:
        settings["dilation_nd"] = Dims(attributes["dilations"])
    if kernel and "pads" in attributes:
        half = len(attributes["pads"]) // 2
        settings["pre_padding"] = Dims(attributes["pads"][:half])
        settings["post_padding"] = Dims(attributes["pads"][half:])


def _function_settings(node, attributes, settings):
    if node.op in _BINARY:
        settings["op"] = e.ElementWiseOperation[_BINARY[node.op]]
    elif node.op in _ACTIVATIONS:
        settings["type"] = e.ActivationType[_ACTIVATIONS[node.op]]
        settings |= {k: attributes[k] for k in ("alpha", "beta") if k in attributes}
    elif node.op in _REDUCTIONS:
        settings |= {"op": e.ReduceOperation[_REDUCTIONS[node.op]],
                     "keep_dims": bool(attributes.get("keepdims", 1))}
    elif node.op == "Reciprocal":
        settings["op"] = e.UnaryOperation.RECIP
    elif _TYPE_OF.get(node.op) == e.LayerType.UNARY:
        settings["op"] = e.UnaryOperation[node.op.upper()]
    elif node.op in ("Softmax", "LogSoftmax"):
        rank = len(node.operands[0].shape)
        settings["axes"] = 1 << attributes.get("axis", -1) % max(1, rank)
    elif node.op == "Concat":
        settings["axis"] = attributes["axis"]
    elif node.op == "Transpose" and "perm" in attributes:
        from .dims import Permutation
        settings["first_transpose"] = Permutation(attributes["perm"])


NODE_IN_MESSAGE = re.compile(r"node '([^']*)' \((\w+)\)")
