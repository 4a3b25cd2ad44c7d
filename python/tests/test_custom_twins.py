# SPDX-License-Identifier: Apache-2.0
"""What of NumPy a twin may use: each computes in an engine what the function does, at two sizes."""
import lathe
import numpy as np
import onnx
import pytest
from lathe import custom
from onnx import helper

RANDOM = np.random.default_rng()
ELEMENT = {"f32": onnx.TensorProto.FLOAT, "i64": onnx.TensorProto.INT64}


def engine_of(made, operands, attributes, runs):
    """An engine of one node of the operator, for the operands' shapes in each of the runs."""
    value = helper.make_tensor_value_info
    signature = made.definition["signature"].partition("->")[2]
    kinds = [ELEMENT["i64" if "i64" in part else "f32"] for part in signature.split(": ")[1:]]
    results = [f"r{k}" for k in range(len(kinds))]
    node = helper.make_node("Op", list(operands), results, domain="t", **attributes)
    ports = [value(name, ELEMENT["f32"], [f"{name}{d}" for d in range(len(shape))])
             for name, shape in zip(operands, runs[0])]
    graph = helper.make_graph([node], "g", ports,
                              [value(n, kind, None) for n, kind in zip(results, kinds)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                    helper.make_opsetid("t", 1)], ir_version=9)
    shapes = {name: (np.min(of, axis=0), of[0], np.max(of, axis=0))
              for name, of in zip(operands, zip(*runs))}
    return lathe.build(model, shapes=shapes, ops=[made], tune=False, timing_cache=False)


def check(function, signature, *sizes, attributes=None):
    """Each of `sizes`: the shapes of the operands in one run."""
    made = custom.op("t::Op", signature, attributes=attributes)(function)
    operands = [part.split(":")[0].strip(" (") for part in
                signature.partition("->")[0].replace("], ", "]|").split("|")]
    engine = engine_of(made, operands, attributes or {}, sizes)
    for shapes in sizes:
        arrays = [RANDOM.standard_normal(s).astype(np.float32) for s in shapes]
        wanted = function(*arrays, **(attributes or {}))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for got, want in zip(engine(*arrays), wanted, strict=True):
            assert got.shape == want.shape
            np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


def space_to_depth(x, *, block):
    n, c, h, w = x.shape
    y = x.reshape(n, c, h // block, block, w // block, block)
    return y.transpose(0, 3, 5, 1, 2, 4).reshape(n, block * block * c, h // block, w // block)


def test_sizes_and_attributes_are_calculated_with():
    check(space_to_depth, "(x: f32[N,C,H,W]) -> (y: f32[N,block*block*C,floordiv(H,block),"
          "floordiv(W,block)])", [(2, 3, 4, 6)], [(1, 1, 8, 2)], attributes={"block": 2})


def attention(q, k, v):
    scores = np.einsum("bqd,bkd->bqk", q, k) / np.sqrt(q.shape[-1])
    grown = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return grown / grown.sum(-1, keepdims=True) @ v


def test_a_root_of_a_size_takes_the_type_of_the_tensor():
    check(attention, "(q: f32[B,Q,D], k: f32[B,K,D], v: f32[B,K,E]) -> (y: f32[B,Q,E])",
          [(2, 3, 4), (2, 5, 4), (2, 5, 7)], [(1, 1, 8), (1, 2, 8), (1, 2, 1)])


def gated(x):
    half = x.shape[-1] // 2
    return x[..., :half] / (1 + np.exp(-x[..., half:]))


@pytest.mark.parametrize("function, signature, sizes", [
    (gated, "(x: f32[...,C]) -> (y: f32[...,floordiv(C,2)])", ([(2, 3, 8)], [(1, 5, 4)])),
    (lambda x: x[:, 0], "(x: f32[N,C]) -> (y: f32[N])", ([(2, 3)], [(4, 1)])),
    (lambda x: x[-1], "(x: f32[N,C]) -> (y: f32[C])", ([(2, 3)], [(4, 1)])),
    (lambda x: x[..., None, 1:, 0], "(x: f32[N,C,D]) -> (y: f32[N,1,C-1])",
     ([(2, 3, 4)], [(1, 2, 3)])),
    (lambda x: x[:, ::-1], "(x: f32[N,C]) -> (y: f32[N,C])", ([(2, 3)], [(4, 5)])),
    (lambda x: x[::2, 1:3], "(x: f32[N,C]) -> (y: f32[ceildiv(N,2),2])", ([(5, 3)], [(4, 7)])),
    (lambda x: x[x.shape[0] // 2], "(x: f32[N,C]) -> (y: f32[C])", ([(5, 3)], [(4, 7)])),
    (lambda x: np.stack([x, 2 * x], axis=1), "(x: f32[N,C]) -> (y: f32[N,2,C])",
     ([(2, 3)], [(4, 1)])),
    (lambda x: np.concatenate([*np.split(x, 2, axis=1)[::-1], x], 1),
     "(x: f32[N,C]) -> (y: f32[N,2*C])", ([(2, 4)], [(1, 6)])),
    (lambda x: np.swapaxes(x, 0, -1), "(x: f32[N,C,D]) -> (y: f32[D,C,N])",
     ([(2, 3, 4)], [(1, 2, 3)])),
    (lambda x: x * np.array([1.0, 2.0, 4.0]), "(x: f32[N,3]) -> (y: f32[N,3])",
     ([(2, 3)], [(5, 3)])),
    (lambda x: x * np.array([[1, -1], [2, 5]]), "(x: f32[N,2,2]) -> (y: f32[N,2,2])",
     ([(2, 2, 2)], [(5, 2, 2)])),
    (lambda x: np.cumsum(x, axis=1), "(x: f32[N,C]) -> (y: f32[N,C])", ([(2, 3)], [(4, 6)])),
    (lambda x: (x - x.mean(-1, keepdims=True)) / np.std(x, axis=-1, keepdims=True),
     "(x: f32[N,C]) -> (y: f32[N,C])", ([(2, 3)], [(4, 6)])),
    (lambda x: np.zeros_like(x) + np.full_like(x, 3), "(x: f32[N,C]) -> (y: f32[N,C])",
     ([(2, 3)], [(4, 6)])),
    (lambda x: np.broadcast_to(x[:, :1], x.shape), "(x: f32[N,C]) -> (y: f32[N,C])",
     ([(2, 3)], [(4, 6)])),
    (lambda x: np.tile(x, (1, 3)), "(x: f32[N,C]) -> (y: f32[N,3*C])", ([(2, 3)], [(4, 6)])),
    (lambda x: np.argmax(x, axis=1), "(x: f32[N,C]) -> (y: i64[N])", ([(2, 3)], [(4, 6)])),
    (lambda x: (x > 0).astype(np.float32), "(x: f32[N,C]) -> (y: f32[N,C])", ([(2, 3)], [(4, 6)])),
    (lambda x: np.take(x, np.array([2, 0]), axis=1), "(x: f32[N,C]) -> (y: f32[N,2])",
     ([(2, 3)], [(4, 6)])),
    (lambda x: x.ravel() / x.shape[0], "(x: f32[N,C]) -> (y: f32[N*C])", ([(2, 3)], [(4, 6)])),
    (lambda x: x.reshape(x.shape[:-1] + (-1, 2)), "(x: f32[N,C]) -> (y: f32[N,floordiv(C,2),2])",
     ([(2, 4)], [(4, 6)])),
    (lambda x: 1 / x.shape[0] * x, "(x: f32[N,C]) -> (y: f32[N,C])", ([(2, 3)], [(4, 6)])),
])
def test_an_engine_computes_what_the_function_does(function, signature, sizes):
    check(function, signature, *sizes)


def test_attributes_are_calculated_with_too():
    check(lambda x, *, beta: x * (2 * beta + 1), "(x: f32[N]) -> (y: f32[N])", [(3,)], [(5,)],
          attributes={"beta": 0.5})
    check(lambda x, *, parts: x.reshape(parts, -1), "(x: f32[N]) -> (y: f32[parts,"
          "floordiv(N,parts)])", [(6,)], [(9,)], attributes={"parts": 3})


@pytest.mark.parametrize("function, says", [
    (lambda x: x[np.array([1, 0])], "numpy.take gathers"),
    (lambda x: x[..., 0, ...], "one ellipsis"),
    (lambda x: [v for v in x], "index them"),
    (lambda x: float(x), "no numbers to give out"),
    (lambda x: x.partition(2), r"\.partition has no counterpart.*reshape"),
    (lambda x: np.fft.fft(x), "numpy.fft has no counterpart"),
    (lambda x: x if x.shape[0] > 3 else -x, "numpy.where"),
    (lambda x: x if x.shape == (2, 3) else -x, "branch on sizes"),
    (lambda x: x.astype("complex64"), "complex64"),
    (lambda x: x + np.zeros(9999), "9999 elements"),
])
def test_what_it_cannot_say_is_refused(function, says):
    with pytest.raises(TypeError, match=says):
        custom.op("t::Op", "(x: f32[N,C]) -> (y: f32[N,C])")(function)


def test_the_number_of_dimensions_is_known_where_the_signature_says_it():
    def unpacks(x):
        n, c = x.shape
        return x.reshape(c, n)

    custom.op("t::Op", "(x: f32[N,max(C,2)]) -> (y: f32[C,N])")(unpacks)
    with pytest.raises(TypeError, match=r"its signature has '\.\.\.'"):
        custom.op("t::Op", "(x: f32[...,C]) -> (y: f32[C,...])")(unpacks)


@pytest.mark.parametrize("signature", ["", "x -> y", "(x: f32[N]) -> (y: f32[N]",
                                       "(x: f32[N]) -> ()", "(x: f32[N) -> (y: f32[N])"])
def test_a_signature_that_is_none_is_refused(signature):
    with pytest.raises(lathe.InputError, match="expected one like"):
        custom.op("t::Op", signature)(lambda x: x)
