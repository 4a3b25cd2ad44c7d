# SPDX-License-Identifier: Apache-2.0
"""Layers that read whole axes, products, transformers, fill, quantization, and what is refused."""
import numpy as np
import pytest

import lathe.trt as trt
from test_trt_layers import close
from trt_nets import OnDevice, compute, plan_of, random, run_engine


def softmax(x, axis=-1):
    x = x.astype(np.float64)
    e = np.exp(x - x.max(axis, keepdims=True))
    return (e / e.sum(axis, keepdims=True)).astype(np.float32)


def test_reductions():
    x = random(2, 3, 4)
    results = compute(lambda net, t: [net.add_reduce(t, trt.ReduceOperation[name], axes, keep)
                                      for name, axes, keep in (
                                          ("SUM", 0b101, False), ("PROD", 0b10, True),
                                          ("MAX", 0b100, False), ("MIN", 1, True),
                                          ("AVG", 0b111, False))], {"x": x})
    for got, want in zip(results, (x.sum((0, 2)), x.prod(1, keepdims=True), x.max(2),
                                   x.min(0, keepdims=True), x.mean())):
        close(got, np.asarray(want))


def test_softmax_and_its_default_axis():
    x = random(2, 3, 4, 5)

    def define(net, t):
        last = net.add_softmax(t)
        last.axes = 1 << 3
        plain = net.add_softmax(t)
        assert plain.axes == 1 << 1
        return [last, plain]

    last, plain = compute(define, {"x": x})
    close(last, softmax(x))
    close(plain, softmax(x, 1))


def test_ragged_softmax_topk_cumulative():
    x = random(2, 3, 6)
    bounds = np.array([[[2], [6], [1]], [[3], [4], [5]]], np.int32)

    def define(net, t, b):
        top = net.add_topk(t, trt.TopKOperation.MAX, 2, 1 << 2)
        axis = net.add_constant((), np.array(1, np.int32)).get_output(0)
        run = net.add_cumulative(t, axis, trt.CumulativeOperation.SUM, True, False)
        return [net.add_ragged_softmax(t, b), top.get_output(0), top.get_output(1), run]

    ragged, values, indices, run = compute(define, {"x": x, "b": bounds})
    keep = np.arange(6) < bounds
    close(ragged, np.where(keep, softmax(np.where(keep, x, -np.inf)), 0))
    order = np.argsort(-x, 2, kind="stable")[..., :2]
    close(values, np.take_along_axis(x, order, 2))
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(indices, order)
    close(run, np.cumsum(x, 1) - x)


@pytest.mark.parametrize("groups", [1, 2])
def test_normalization(groups):
    x, scale, bias = random(2, 4, 5, 3), random(1, 4, 1, 1), random(1, 4, 1, 1)

    def define(net, t):
        s, b = (net.add_constant((1, 4, 1, 1), v).get_output(0) for v in (scale, bias))
        layer = net.add_normalization_v2(t, s, b, 0b1100)
        layer.num_groups, layer.epsilon = groups, 1e-3
        return layer

    wide = x.astype(np.float64).reshape(2, 4 if groups == 1 else groups, -1)
    normal = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-3)
    close(compute(define, {"x": x})[0], (normal.reshape(x.shape) * scale + bias).astype(np.float32))


def test_products():
    a, b, v = random(2, 3, 4), random(2, 3, 5), random(2, 3)
    m = trt.MatrixOperation
    whole, vector, sums = compute(lambda net, s, t, u: [
        net.add_matrix_multiply(s, m.TRANSPOSE, t, m.NONE),
        net.add_matrix_multiply(u, m.VECTOR, t, m.NONE),
        net.add_einsum([s, t], "bij,bik->bjk")], {"a": a, "b": b, "v": v})
    close(whole, np.einsum("bij,bik->bjk", a, b))
    close(vector, np.einsum("bi,bij->bj", v, b))
    close(sums, np.einsum("bij,bik->bjk", a, b))


@pytest.mark.parametrize("causal", [False, True])
def test_attention(causal):
    q, k, v = random(2, 4, 5, 8), random(2, 2, 5, 8), random(2, 2, 5, 6)

    def define(net, *t):
        return net.add_attention(*t, trt.AttentionNormalizationOp.SOFTMAX, causal)

    k4, v4 = np.repeat(k, 2, 1), np.repeat(v, 2, 1)
    scores = q @ k4.swapaxes(2, 3)
    if causal:
        scores = np.where(np.tril(np.ones((5, 5), bool)), scores, -np.inf)
    close(compute(define, {"q": q, "k": k, "v": v})[0], softmax(scores) @ v4, 1e-4)


@pytest.mark.parametrize("interleaved", [False, True])
def test_rotary_embedding(interleaved):
    x, angle = random(2, 3, 5, 8), random(2, 5, 3)

    def define(net, t, c, s):
        return net.add_rotary_embedding(t, c, s, interleaved, 6)

    c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
    a, b = (x[..., 0:6:2], x[..., 1:6:2]) if interleaved else (x[..., :3], x[..., 3:6])
    first, second = a * c - b * s, a * s + b * c
    turned = (np.stack([first, second], -1).reshape(2, 3, 5, 6) if interleaved
              else np.concatenate([first, second], -1))
    close(compute(define, {"x": x, "c": np.cos(angle), "s": np.sin(angle)})[0],
          np.concatenate([turned, x[..., 6:]], -1))


def test_kv_cache_update():
    cache, update = random(2, 3, 6, 4), random(2, 3, 2, 4)
    start = np.array([1, 4], np.int32)
    got, = compute(lambda net, *t: net.add_kv_cache_update(*t, trt.KVCacheMode.LINEAR),
                   {"cache": cache, "new": update, "start": start})
    for b, place in enumerate(start):
        cache[b, :, place:place + 2] = update[b]
    close(got, cache)


def test_fill():
    x = random(3)

    def define(net, t):
        line = net.add_fill(shape=(4,), op=trt.FillOperation.LINSPACE)
        line.alpha, line.beta = 2.0, 0.5
        plane = net.add_fill((2, 3), trt.FillOperation.LINSPACE, trt.int32)
        plane.set_input(1, net.add_constant((), np.array(5, np.int32)).get_output(0))
        plane.set_input(2, net.add_constant((2,), np.array([10, 1], np.int32)).get_output(0))
        return [line, plane, net.add_identity(t)]

    line, plane, _ = compute(define, {"x": x})
    close(line, np.array([2, 2.5, 3, 3.5], np.float32))
    np.testing.assert_array_equal(plane, [[5, 6, 7], [15, 16, 17]])


def test_quantization_round_trip():
    x = random(2, 3, 4)

    def define(net, t):
        scale = net.add_constant((3,), np.array([0.1, 0.2, 0.05], np.float32)).get_output(0)
        down = net.add_quantize(t, scale)
        down.axis = 1
        up = net.add_dequantize(down.get_output(0), scale)
        up.axis = 1
        return up

    s = np.array([0.1, 0.2, 0.05], np.float32).reshape(1, 3, 1)
    close(compute(define, {"x": x}, flags=[trt.BuilderFlag.INT8])[0],
          (np.clip(np.round(x / s), -128, 127) * s).astype(np.float32))


def test_instance_normalization_plugin_is_lathes_own():
    x, scale, bias = random(2, 3, 4, 4), random(3), random(3)

    def define(net, t):
        creator = trt.get_plugin_registry().get_creator("InstanceNormalization_TRT", "1", "")
        kind = trt.PluginFieldType.FLOAT32
        plugin = creator.create_plugin("n", trt.PluginFieldCollection([
            trt.PluginField("epsilon", np.array([1e-4], np.float32), kind),
            trt.PluginField("scales", scale, kind), trt.PluginField("bias", bias, kind)]))
        return net.add_plugin_v2([t], plugin)

    normal = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + 1e-4)
    close(compute(define, {"x": x})[0],
          normal * scale.reshape(1, 3, 1, 1) + bias.reshape(1, 3, 1, 1), 1e-4)


def _nms(net, t):
    return net.add_plugin_v2([t], trt.get_plugin_registry().get_plugin_creator(
        "EfficientNMS_TRT", "1").create_plugin("nms", []))


@pytest.mark.parametrize("define, message", [
    (lambda net, t: net.add_non_zero(t), r"\[NonZero\].*depend on data"),
    (lambda net, t: net.add_fill((2,), trt.FillOperation.RANDOM_NORMAL), "random"),
    (lambda net, t: net.add_dynamic_quantize(t, 1, 16, trt.fp4, trt.fp8), "FP4"),
    (_nms, "EfficientNMS_TRT.*custom_operators"),
])
def test_what_is_refused_is_refused_at_build_by_name(define, message):
    plan, logger = plan_of(define, {"x": random(2, 3)})
    assert plan is None
    assert any(__import__("re").search(message, text) for text in logger.errors), logger.errors


def test_what_does_not_fit_names_the_layer():
    def define(net, t):
        layer = net.add_elementwise(t, net.add_constant((3,), np.ones(3, np.float32)).get_output(0),
                                    trt.ElementWiseOperation.SUM)
        layer.name = "sum of two ranks"
        return layer
    plan, logger = plan_of(define, {"x": random(2, 3)})
    assert plan is None and "sum of two ranks" in logger.errors[-1]


def test_what_stands_before_the_channels_is_one_batch():
    x, w = random(2, 3, 4, 6, 5), random(8, 4, 3, 3)

    def define(network, t):
        conv = network.add_convolution_nd(t, 8, (3, 3), w).get_output(0)
        pool = network.add_pooling_nd(t, trt.PoolingType.MAX, (2, 5)).get_output(0)
        up = network.add_deconvolution_nd(t, 8, (1, 1), np.ascontiguousarray(
            w[:, :, :1, :1].transpose(1, 0, 2, 3))).get_output(0)
        assert conv.shape == (2, 3, 8, 4, 3) and up.shape == (2, 3, 8, 6, 5)
        return [conv, pool, up]

    conv, pool, up = compute(define, {"x": x})
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(np.float64), (3, 3), (3, 4))
    close(conv, np.einsum("abcyxij,ocij->aboyx", windows, w), 1e-4)
    np.testing.assert_array_equal(pool[:, :, :, 0], x[:, :, :, :2].max((3, 4))[..., None])
    close(up, np.einsum("abcyx,oc->aboyx", x.astype(np.float64), w[:, :, 0, 0]), 1e-4)


def test_a_resize_without_a_size_keeps_it():
    x = random(1, 2, 3, 4)
    y, = compute(lambda network, t: network.add_resize(t), {"x": x})
    np.testing.assert_array_equal(y, x)


def test_zero_points_may_have_the_type_of_scales():
    x = np.arange(-20, 20, dtype=np.float32).reshape(2, 20)

    def define(network, t):
        scale = network.add_constant((2,), np.array([0.5, 2], np.float32)).get_output(0)
        zero = network.add_constant((2,), np.zeros(2, np.float32)).get_output(0)
        small = network.add_quantize(t, scale)
        small.axis = 0
        small.set_input(2, zero)
        back = network.add_dequantize(small.get_output(0), scale)
        back.axis = 0
        return back

    y, = compute(define, {"x": x}, flags=[trt.BuilderFlag.INT8])
    np.testing.assert_array_equal(y, np.stack([x[0], np.round(x[1] / 2) * 2]))


def test_the_int8_flag_is_needless_where_the_network_has_the_type():
    x = np.array([-3, 0, 7], np.float32)
    y, = compute(lambda network, t: network.add_cast(t, trt.int8), {"x": x},
                 flags=[trt.BuilderFlag.INT8])
    assert y.dtype == np.int8 and y.tolist() == [-3, 0, 7]


def test_sizes_compared_are_an_output():
    def define(network, x, y):
        sizes = [network.add_slice(network.add_shape(t).get_output(0), (1,), (1,), (1,))
                 for t in (x, y)]
        same = network.add_elementwise(*(s.get_output(0) for s in sizes),
                                       trt.ElementWiseOperation.EQUAL)
        return network.add_cast(same.get_output(0), trt.int32)

    shape = {"x": ((1, 1), (2, 4), (6, 8)), "y": ((1, 1), (2, 4), (6, 8))}
    plan, logger = plan_of(define, {n: (trt.float32, (-1, -1)) for n in "xy"}, profile=shape)
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    for size in (4, 5):
        got = run_engine(engine, {"x": random(2, 4), "y": random(3, size)})
        assert got["y0"].tolist() == [size == 4]


def test_default_names_are_tensorrts():
    network = trt.Builder(trt.Logger()).create_network(0)
    x = network.add_input("x", trt.float32, (2, 3))
    made = [network.add_topk(x, trt.TopKOperation.MAX, 1, 2), network.add_softmax(x),
            network.add_matrix_multiply(x, trt.MatrixOperation.NONE, x,
                                        trt.MatrixOperation.TRANSPOSE)]
    names = [layer.get_output(k).name for layer in made for k in range(layer.num_outputs)]
    assert names == ["(Unnamed Layer* 0) [TopK]_output", "(Unnamed Layer* 0) [TopK]_output (1)",
                     "(Unnamed Layer* 1) [Softmax]_output",
                     "(Unnamed Layer* 2) [Matrix Multiply]_output"]


def test_dimension_names_may_be_any_text():
    def define(network, x, y):
        x.set_dimension_name(0, "Batch Size")
        y.set_dimension_name(0, "Batch Size")
        y.set_dimension_name(1, "Anzahl: \u00fc")
        assert x.get_dimension_name(0) == "Batch Size" and x.get_dimension_name(1) is None
        layer = network.add_elementwise(x, y, trt.ElementWiseOperation.SUM)
        assert layer.get_output(0).shape == (-1, 4)
        return layer

    profile = {name: ((1, 4), (2, 4), (3, 4)) for name in "xy"}
    inputs = {name: (trt.float32, (-1, -1)) for name in "xy"}
    plan, logger = plan_of(define, {**inputs, "x": (trt.float32, (-1, 4))}, profile=profile)
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context, x, y = engine.create_execution_context(), random(3, 4), random(3, 4)
    assert context.get_tensor_shape("y") == (-1, 4)  # as far as the profile says
    np.testing.assert_array_equal(run_engine(engine, {"x": x, "y": y}, context)["y0"], x + y)
    assert context.set_input_shape("x", (2, 4)) and context.get_tensor_shape("y0") == (-1, 4)
    assert "expected" in logger.errors[-1]


def test_dir_shows_the_api_alone():
    network = trt.Builder(trt.Logger()).create_network(0)
    layer = network.add_softmax(network.add_input("x", trt.float32, (2, 3)))
    own = [n for n in dir(type(layer)) if not n.startswith("__")]
    assert own == [n for n in dir(layer) if not n.startswith("__")] and "axes" in own
    assert not any(n.startswith("_") or n.isupper() for n in own)
    shown = [[n for n in dir(thing) if n[0] != "_"] for thing in (
        trt.Weights(), trt.Dims((1, 2)), trt.IHostMemory(b""))]
    assert shown == [["dtype", "nbytes", "numpy", "size"], ["MAX_DIMS"], ["dtype", "nbytes"]]


def test_a_cache_is_updated_where_it_lies():
    def define(net, cache, update, start):
        new = net.add_kv_cache_update(cache, update, start, trt.KVCacheMode.LINEAR)
        return [new, net.add_reduce(new.get_output(0), trt.ReduceOperation.SUM, 1 << 2, False)]

    cache, update = random(2, 3, 6, 4), random(2, 3, 2, 4)
    ports = {"cache": (trt.float32, cache.shape), "new": (trt.float32, update.shape),
             "start": (trt.int32, (2,))}
    plan, logger = plan_of(define, ports)
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    updated, total = engine[3], engine[4]
    assert engine.get_aliased_input_tensor(updated) == "cache"
    assert engine.get_aliased_input_tensor(total) is None
    context, memory = engine.create_execution_context(), OnDevice(cache)
    sums = OnDevice.poisoned((2, 3, 4), np.float32)
    for name, at in (("cache", memory), (updated, memory), (total, sums)):
        assert context.set_tensor_address(name, int(at))
    for turn in range(3):
        update, start = random(2, 3, 2, 4, seed=turn), np.array([turn, 4 - turn], np.int32)
        there = OnDevice(update), OnDevice(start)
        context.set_tensor_address("new", int(there[0]))
        context.set_tensor_address("start", int(there[1]))
        assert context.execute_async_v3(0)
        for b, place in enumerate(start):
            cache[b, :, place:place + 2] = update[b]
        close(memory.read(), cache)
        close(sums.read(), cache.sum(axis=2))


def test_a_cache_that_others_read_too_is_no_alias():
    def define(net, cache, update, start):
        new = net.add_kv_cache_update(cache, update, start, trt.KVCacheMode.LINEAR)
        return [new, net.add_unary(cache, trt.UnaryOperation.NEG)]

    ports = {"cache": (trt.float32, (2, 3, 6, 4)), "new": (trt.float32, (2, 3, 2, 4)),
             "start": (trt.int32, (2,))}
    plan, logger = plan_of(define, ports)
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    assert [engine.get_aliased_input_tensor(name) for name in engine] == [None] * 5


def test_assertions_about_sizes_are_checked_before_a_run():
    def define(net, x, y):
        def size(t, d):
            place = net.add_constant((1,), np.array([d], np.int32)).get_output(0)
            return net.add_gather(net.add_shape(t).get_output(0), place, 0).get_output(0)

        twice = net.add_elementwise(size(x, 0), size(x, 0), trt.ElementWiseOperation.SUM)
        same = net.add_elementwise(twice.get_output(0), size(y, 0),
                                   trt.ElementWiseOperation.EQUAL)
        net.add_assertion(same.get_output(0), "y has two rows for each of x")
        return [net.add_unary(t, trt.UnaryOperation.NEG) for t in (x, y)]

    plan, logger = plan_of(define, {"x": (trt.float32, (-1, 3)), "y": (trt.float32, (-1, 3))},
                           profile={"x": ((2, 3),) * 3, "y": ((1, 3), (4, 3), (8, 3))})
    assert not [m for s, m in logger.messages if s <= trt.Logger.WARNING]
    engine = trt.Runtime(logger).deserialize_cuda_engine(plan)
    context, x = engine.create_execution_context(), random(2, 3)
    np.testing.assert_array_equal(run_engine(engine, {"x": x, "y": random(4, 3)}, context)["y0"],
                                  -x)
    assert context.set_input_shape("y", (5, 3)) and not context.execute_async_v3(0)
    assert "y has two rows for each of x" in logger.errors[-1]


def test_assertions_about_data_are_said_to_be_unchecked():
    def define(net, x):
        most = net.add_reduce(x, trt.ReduceOperation.MAX, 1, True).get_output(0)
        limit = net.add_constant((1,), np.array([5], np.float32)).get_output(0)
        less = net.add_elementwise(most, limit, trt.ElementWiseOperation.LESS)
        net.add_assertion(less.get_output(0), "below 5")
        return net.add_unary(x, trt.UnaryOperation.NEG)

    plan, logger = plan_of(define, {"x": (trt.float32, (4,))})
    assert plan is not None
    assert any("is not checked: below 5" in m for _, m in logger.messages)
