# SPDX-License-Identifier: Apache-2.0
"""Each family of layers against NumPy or ONNX Runtime, through a built engine."""
import numpy as np
import pytest

import lathe.trt as trt
from onnx import TensorProto, helper
from trt_nets import compute, plan_of, random

ort = pytest.importorskip("onnxruntime")


def onnx_runs(op, inputs, outputs=1, opset=17, **attributes):
    """What ONNX Runtime gives for one node."""
    names = ["" if v is None else f"x{k}" for k, v in enumerate(inputs)]
    types = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.int64): TensorProto.INT64}
    ports = [helper.make_tensor_value_info(n, types[v.dtype], v.shape)
             for n, v in zip(names, inputs) if n]
    results = [helper.make_tensor_value_info(f"y{k}", TensorProto.FLOAT, None)
               for k in range(outputs)]
    node = helper.make_node(op, names, [f"y{k}" for k in range(outputs)], **attributes)
    model = helper.make_model(helper.make_graph([node], "g", ports, results),
                              opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {n: v for n, v in zip(names, inputs) if n})[0]


def close(actual, expected, tolerance=2e-5):
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


# --- windows

@pytest.mark.parametrize("mode", ["pads", "same", "up"])
def test_convolution(mode):
    x, w, b = random(2, 4, 9, 10), random(6, 2, 3, 3), random(6)

    def define(net, t):
        layer = net.add_convolution_nd(input=t, num_output_maps=6, kernel_shape=(3, 3), kernel=w,
                                       bias=b)
        layer.stride_nd, layer.num_groups = (2, 2), 2
        if mode == "same":
            layer.padding_mode = trt.PaddingMode.SAME_UPPER
        else:
            layer.pre_padding, layer.post_padding, layer.dilation_nd = (1, 0), (1, 2), (1, 2)
        if mode == "up":
            layer.padding_mode = trt.PaddingMode.EXPLICIT_ROUND_UP
        return layer

    pads = {"pads": {"pads": [1, 0, 1, 2], "dilations": [1, 2]}, "same": {"auto_pad": "SAME_UPPER"},
            "up": {"pads": [1, 0, 1, 3], "dilations": [1, 2]}}[mode]
    expected = onnx_runs("Conv", [x, w, b], strides=[2, 2], group=2, **pads)
    close(compute(define, {"x": x})[0], expected)


def test_deconvolution():
    x, w, b = random(1, 4, 5, 6), random(4, 3, 3, 3), random(6)

    def define(net, t):
        layer = net.add_deconvolution_nd(t, 6, (3, 3), w, b)
        layer.stride_nd, layer.padding_nd, layer.num_groups = (2, 2), (1, 1), 2
        return layer

    expected = onnx_runs("ConvTranspose", [x, w, b], strides=[2, 2], group=2, pads=[1, 1, 1, 1])
    close(compute(define, {"x": x})[0], expected)


@pytest.mark.parametrize("kind", ["MAX", "AVERAGE"])
def test_pooling(kind):
    x = random(2, 3, 9, 9)

    def define(net, t):
        layer = net.add_pooling_nd(input=t, type=trt.PoolingType[kind], window_size=(3, 3))
        layer.stride_nd, layer.padding_nd = (2, 2), (1, 1)
        return layer

    op = {"MAX": "MaxPool", "AVERAGE": "AveragePool"}[kind]
    close(compute(define, {"x": x})[0],
          onnx_runs(op, [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]))


def test_pooling_blend_and_counted_padding():
    x = random(1, 2, 6, 6)

    def define(net, t):
        layer = net.add_pooling_nd(t, trt.PoolingType.MAX_AVERAGE_BLEND, (2, 2))
        layer.blend_factor, layer.padding_nd = 0.25, (1, 1)
        layer.average_count_excludes_padding = False
        return layer

    facts = {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]}
    expected = 0.75 * onnx_runs("MaxPool", [x], **facts) + 0.25 * onnx_runs(
        "AveragePool", [x], count_include_pad=1, **facts)
    close(compute(define, {"x": x})[0], expected)


def test_lrn_and_padding():
    x = random(1, 7, 4, 4)
    close(compute(lambda net, t: net.add_lrn(t, 5, 1e-2, 0.75, 2.0), {"x": x})[0],
          onnx_runs("LRN", [x], size=5, alpha=1e-2, beta=0.75, bias=2.0))
    close(compute(lambda net, t: net.add_padding_nd(t, (1, -1), (0, 2)), {"x": x})[0],
          np.pad(x[..., 1:], ((0, 0), (0, 0), (1, 0), (0, 2))))


# --- elementwise

_ACTIVATIONS = {
    "RELU": lambda x: np.maximum(x, 0), "SIGMOID": lambda x: 1 / (1 + np.exp(-x)),
    "TANH": np.tanh, "LEAKY_RELU": lambda x: np.where(x < 0, 0.2 * x, x),
    "ELU": lambda x: np.where(x < 0, 0.2 * np.expm1(x), x),
    "SELU": lambda x: 0.6 * np.where(x < 0, 0.2 * np.expm1(x), x),
    "SOFTSIGN": lambda x: x / (1 + np.abs(x)), "SOFTPLUS": lambda x: 0.2 * np.log1p(
        np.exp(0.6 * x)), "CLIP": lambda x: np.clip(x, 0.2, 0.6),
    "HARD_SIGMOID": lambda x: np.clip(0.2 * x + 0.6, 0, 1),
    "SCALED_TANH": lambda x: 0.2 * np.tanh(0.6 * x),
    "THRESHOLDED_RELU": lambda x: np.where(x > 0.2, x, 0),
    "GELU_TANH": lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
}


def test_activations():
    x = random(3, 40) * 3

    def define(net, t):
        layers = []
        for name in _ACTIVATIONS:
            layer = net.add_activation(t, trt.ActivationType[name])
            layer.alpha, layer.beta = 0.2, 0.6
            layers.append(layer.get_output(0))
        return layers

    plan, logger = plan_of(define, {"x": x})
    assert plan is not None, logger.errors
    from trt_nets import run_engine
    results = run_engine(trt.Runtime(logger).deserialize_cuda_engine(plan), {"x": x})
    for k, (name, function) in enumerate(_ACTIVATIONS.items()):
        np.testing.assert_allclose(results[f"y{k}"], function(x.astype(np.float64)), rtol=1e-5,
                                   atol=1e-6, err_msg=name)


def test_elementwise_and_broadcast():
    a, b = random(2, 3, 4), random(2, 1, 4)
    for name, function in {"SUM": np.add, "PROD": np.multiply, "MAX": np.maximum,
                           "MIN": np.minimum, "SUB": np.subtract, "DIV": np.divide,
                           "FLOOR_DIV": np.floor_divide}.items():
        op = trt.ElementWiseOperation[name]
        close(compute(lambda net, s, t: net.add_elementwise(input1=s, input2=t, op=op),
                      {"a": a, "b": b})[0], function(a, b))


def test_integers_and_comparisons():
    a = np.array([[7, -7, 5, 0]], np.int32)
    b = np.array([[2, 2, -3, 4]], np.int32)
    e = trt.ElementWiseOperation
    results = compute(lambda net, s, t: [net.add_elementwise(s, t, op) for op in (
        e.FLOOR_DIV, e.GREATER, e.LESS, e.EQUAL)], {"a": a, "b": b})
    for got, expected in zip(results, (a // b, a > b, a < b, a == b)):
        np.testing.assert_array_equal(got, expected)


def test_unary():
    x = np.abs(random(5, 7)) * 0.4 + 0.1
    functions = {"EXP": np.exp, "LOG": np.log, "SQRT": np.sqrt, "RECIP": np.reciprocal,
                 "ABS": np.abs, "NEG": np.negative, "SIN": np.sin, "COS": np.cos, "TAN": np.tan,
                 "SINH": np.sinh, "COSH": np.cosh, "ASIN": np.arcsin, "ACOS": np.arccos,
                 "ATAN": np.arctan, "ASINH": np.arcsinh, "ATANH": np.arctanh, "CEIL": np.ceil,
                 "FLOOR": np.floor, "SIGN": np.sign, "ROUND": np.round}

    for chunk in (list(functions)[:10], list(functions)[10:]):
        results = compute(lambda net, t: [net.add_unary(t, trt.UnaryOperation[n]) for n in chunk],
                          {"x": x})
        for name, got in zip(chunk, results):
            np.testing.assert_allclose(got, functions[name](x), rtol=2e-5, atol=1e-6, err_msg=name)


def test_scale_prelu_select_cast():
    x, scale, shift = np.abs(random(2, 3, 4, 4)), np.abs(random(3)), np.abs(random(3))
    column = (1, 3, 1, 1)

    def define(net, t):
        cube = net.add_scale(t, trt.ScaleMode.CHANNEL, shift, scale, np.full(3, 2, np.float32))
        half = net.add_constant(column, np.array([0.5, 1, 2], np.float32)).get_output(0)
        slopes = net.add_unary(net.add_parametric_relu(
            net.add_unary(t, trt.UnaryOperation.NEG).get_output(0), half).get_output(0),
            trt.UnaryOperation.NEG)
        chosen = net.add_select(net.add_elementwise(
            t, half, trt.ElementWiseOperation.GREATER).get_output(0), t, half)
        return [cube, slopes, chosen, net.add_cast(t, trt.int32)]

    half = np.array([0.5, 1, 2], np.float32).reshape(column)
    expected = ((x * scale.reshape(column) + shift.reshape(column)) ** 2, x * half,
                np.where(x > half, x, half), x.astype(np.int32))
    for got, want in zip(compute(define, {"x": x}), expected):
        close(got, want)


# --- movement

def test_shuffle_and_concatenation():
    x = random(2, 3, 4)

    def define(net, t):
        layer = net.add_shuffle(t)
        layer.first_transpose, layer.reshape_dims, layer.second_transpose = (0, 2, 1), (0, -1), (
            1, 0)
        joined = net.add_concatenation([t, t])
        joined.axis = 1
        return [layer, joined]

    a, b = compute(define, {"x": x})
    close(a, x.transpose(0, 2, 1).reshape(2, 12).T)
    close(b, np.concatenate([x, x], 1))


@pytest.mark.parametrize("mode, pad", [("STRICT_BOUNDS", None), ("CLAMP", "edge"),
                                       ("FILL", "constant"), ("WRAP", "wrap"),
                                       ("REFLECT", "reflect")])
def test_slice(mode, pad):
    x = random(4, 6)
    start, shape, stride = ((1, 5), (3, 3), (1, -2)) if pad is None else ((-1, 1), (4, 4), (2, 2))

    def define(net, t):
        layer = net.add_slice(input=t, start=start, shape=shape, stride=stride)
        layer.mode = trt.SampleMode[mode]
        return layer

    wide = x if pad is None else np.pad(x, ((1, 3), (1, 2)), pad)
    places = [[s + (0 if pad is None else 1) + i * d for i in range(n)]
              for s, n, d in zip(start, shape, stride)]
    close(compute(define, {"x": x})[0], wide[np.ix_(*places)])


def test_shapes_steer_reshape_and_slice():
    x = random(3, 8)

    def define(net, t):
        sizes = net.add_shape(t).get_output(0)
        turned = net.add_gather(sizes, net.add_constant((2,), np.array([1, 0], np.int32))
                                .get_output(0), 0).get_output(0)
        layer = net.add_shuffle(t)
        layer.set_input(1, turned)
        two = net.add_constant((2,), np.array([1, 2], np.int64)).get_output(0)
        less = net.add_elementwise(sizes, two, trt.ElementWiseOperation.FLOOR_DIV).get_output(0)
        part = net.add_slice(t, (0, 0), (0, 0), (1, 1))
        part.set_input(2, less)
        assert less.is_shape_tensor and tuple(layer.get_output(0).shape) == (-1, -1)
        return [layer, part]

    a, b = _dynamic(define, x)
    close(a, x.reshape(8, 3))
    close(b, x[:, :4])


def _dynamic(define, x):
    """Results of a network whose input has no known size."""
    from trt_nets import run_engine
    plan, logger = plan_of(define, {"x": (trt.float32, (-1,) * x.ndim)},
                           profile={"x": ((1,) * x.ndim, x.shape, tuple(2 * s for s in x.shape))})
    assert plan is not None, logger.errors
    results = run_engine(trt.Runtime(logger).deserialize_cuda_engine(plan), {"x": x})
    return [results[name] for name in sorted(results)]


@pytest.mark.parametrize("kind, where", [("NEAREST", "ASYMMETRIC"), ("LINEAR", "HALF_PIXEL"),
                                         ("CUBIC", "ALIGN_CORNERS")])
def test_resize(kind, where):
    x = random(1, 2, 4, 5)

    def define(net, t):
        layer = net.add_resize(t)
        layer.shape, layer.resize_mode = (1, 2, 8, 10), trt.InterpolationMode[kind]
        layer.coordinate_transformation = trt.ResizeCoordinateTransformation[where]
        return layer

    sizes = np.array([1, 2, 8, 10], np.int64)
    expected = onnx_runs("Resize", [x, None, None, sizes], mode=kind.lower(),
                         coordinate_transformation_mode=where.lower(), nearest_mode="floor")
    close(compute(define, {"x": x})[0], expected)


def test_squeeze_unsqueeze_reverse_sequence_and_one_hot():
    x = random(3, 1, 4)
    lengths = np.array([2, 3, 1, 3], np.int32)

    def define(net, t, n):
        axis = net.add_constant((1,), np.array([1], np.int32)).get_output(0)
        flat = net.add_squeeze(t, axis).get_output(0)
        reverse = net.add_reverse_sequence(flat, n)
        values = net.add_constant((2,), np.array([-1, 5], np.float32)).get_output(0)
        depth = net.add_constant((), np.array(4, np.int32)).get_output(0)
        return [net.add_unsqueeze(flat, axis), reverse, net.add_one_hot(n, values, depth, -1)]

    whole, reverse, hot = compute(define, {"x": x, "n": lengths})
    expected = x[:, 0].copy()
    for b, count in enumerate(lengths):
        expected[:count, b] = expected[:count, b][::-1]
    close(whole, x)
    close(reverse, expected)
    close(hot, np.where(np.arange(4) == lengths[:, None], 5, -1).astype(np.float32))


# --- indexing

def test_gather_and_scatter():
    x, updates = random(3, 4, 5), random(3, 2, 5)
    index = np.array([[2, 0], [1, 1], [3, 2]], np.int32)
    wide = np.broadcast_to(index[:, :, None], (3, 2, 5)).copy()

    def define(net, t, i, w, u):
        batched = net.add_gather(t, i, 1)
        batched.num_elementwise_dims = 1
        element = net.add_gather_v2(t, w, trt.GatherMode.ELEMENT)
        element.axis = 1
        nd = net.add_gather_v2(t, i, trt.GatherMode.ND)
        put = net.add_scatter(t, w, u, trt.ScatterMode.ELEMENT)
        put.axis = 1
        return [net.add_gather(t, i, 2), batched, element, nd, put]

    safe = np.minimum(index, 2)
    plain, batched, element, nd, put = compute(
        define, {"x": x, "i": safe, "w": wide, "u": updates})
    close(plain, np.take(x, safe, 2))
    close(batched, np.stack([x[b, safe[b]] for b in range(3)]))
    close(element, np.take_along_axis(x, wide, 1))
    close(nd, x[safe[:, 0], safe[:, 1]])
    rows = np.array([[2, 0], [1, 2], [3, 2]], np.int32)
    wide = np.broadcast_to(rows[:, :, None], (3, 2, 5)).copy()
    expected = x.copy()
    np.put_along_axis(expected, wide, updates, 1)
    close(compute(define, {"x": x, "i": safe, "w": wide, "u": updates})[4], expected)


@pytest.mark.parametrize("mode, pad", [("FILL", "zeros"), ("CLAMP", "border"),
                                       ("REFLECT", "reflection")])
@pytest.mark.parametrize("kind", ["LINEAR", "NEAREST"])
@pytest.mark.parametrize("corners", [0, 1])
def test_grid_sample(mode, pad, kind, corners):
    x, grid = random(2, 3, 5, 6, seed=1), random(2, 4, 3, 2, seed=2)

    def define(net, t, g):
        layer = net.add_grid_sample(t, g)
        layer.interpolation_mode, layer.sample_mode = (trt.InterpolationMode[kind],
                                                       trt.SampleMode[mode])
        layer.align_corners = bool(corners)
        return layer

    expected = onnx_runs("GridSample", [x, grid], padding_mode=pad, align_corners=corners,
                         mode={"LINEAR": "bilinear", "NEAREST": "nearest"}[kind])
    close(compute(define, {"x": x, "grid": grid})[0], expected, 1e-4)


def test_floats_become_bytes_by_wrapping_around():
    x = np.array([300, -1, 255, 256, -300.7, 1.5, 7], np.float32)
    bytes_, = compute(lambda net, t: net.add_cast(t, trt.uint8), {"x": x})
    np.testing.assert_array_equal(bytes_, [44, 255, 255, 0, 212, 1, 7])
