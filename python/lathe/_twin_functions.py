# SPDX-License-Identifier: Apache-2.0
"""NumPy's functions over stand-ins of _twin.py, written down as ONNX operators."""
from __future__ import annotations

from typing import Any

from ._twin import Shape, Size, Trace, Value, _broadcast_rank, _listed
from ._twin_names import METHODS, REDUCTIONS


def _where(trace: Trace, condition: Any, a: Any, b: Any) -> Value:
    like = next((x for x in (a, b) if isinstance(x, Value)), None)
    if like is None:
        raise TypeError("numpy.where of two numbers: make one of them an operand's")
    values = trace.value(condition), trace.value(a, like), trace.value(b, like)
    return trace.emit("Where", *values, rank=_broadcast_rank(values))


def _concatenate(trace: Trace, arrays: Any, axis: int = 0) -> Value:
    like = next(a for a in arrays if isinstance(a, Value))
    return trace.emit("Concat", *[trace.value(a, like) for a in arrays], axis=axis, rank=like.rank)


def _stack(trace: Trace, arrays: Any, axis: int = 0) -> Value:
    return _concatenate(trace, [a.expand_dims(axis) for a in arrays], axis)


def _split(trace: Trace, x: Value, sections: Any, axis: int = 0) -> list[Value]:
    if isinstance(sections, int):
        part = x.shape[axis] // sections
        places = [part * k for k in range(1, sections)]
    else:
        places = list(sections)
    edges = [0, *places, 2**63 - 1]
    return [x._sliced([(a, b, axis, 1)]) for a, b in zip(edges, edges[1:])]


def _clip(trace: Trace, x: Value, low: Any = None, high: Any = None) -> Value:
    raised = x if low is None else x._apply("Max", x, low)
    return raised if high is None else x._apply("Min", raised, high)


def _einsum(trace: Trace, equation: str, *operands: Any) -> Value:
    shown = equation.replace(" ", "").split("->")
    rank = len(shown[1]) if len(shown) == 2 and "..." not in equation else None
    return trace.emit("Einsum", *operands, equation=equation, rank=rank)


def _full_like(trace: Trace, x: Value, fill_value: Any) -> Value:
    return trace.emit("Expand", trace.value(fill_value, x), trace.shape_of(x), rank=x.rank)


def _broadcast_to(trace: Trace, x: Value, shape: Any) -> Value:
    if isinstance(shape, Shape):
        return trace.emit("Expand", x, trace.shape_of(shape.of), rank=shape.of.rank)
    sizes = _listed(shape)
    return trace.emit("Expand", x, trace.ints(sizes), rank=len(sizes))


def _tile(trace: Trace, x: Value, reps: Any) -> Value:
    counts = _listed(reps)
    counts = [1] * (x.ndim - len(counts)) + counts
    if len(counts) > x.ndim:
        raise TypeError("numpy.tile with more counts than dimensions: reshape first")
    return trace.emit("Tile", x, trace.ints(counts), rank=x.rank)


def _cumsum(trace: Trace, x: Value, axis: Any = None) -> Value:
    if axis is None:
        x, axis = x.ravel(), 0
    return trace.emit("CumSum", x, trace.value(int(axis)), rank=x.rank)


def _arg(op: str):
    def run(trace: Trace, x: Value, axis: Any = None, *, keepdims: Any = False) -> Value:
        if axis is None:
            x, axis = x.ravel(), 0
        rank = None if x.rank is None else x.rank - (not keepdims)
        return trace.emit(op, x, axis=axis, keepdims=int(keepdims), rank=rank)
    return run


def _take(trace: Trace, x: Any, indices: Any, axis: Any = None) -> Value:
    if axis is None:
        raise TypeError("numpy.take of a twin names its axis")
    x, indices = trace.value(x), trace.value(indices)
    known = None not in (x.rank, indices.rank)
    return trace.emit("Gather", x, indices, axis=axis,
                      rank=x.rank - 1 + indices.rank if known else None)


_FUNCTIONS = {
    "where": _where, "concatenate": _concatenate, "concat": _concatenate, "stack": _stack,
    "split": _split, "clip": _clip, "einsum": _einsum, "full_like": _full_like,
    "zeros_like": lambda trace, x: _full_like(trace, x, 0),
    "ones_like": lambda trace, x: _full_like(trace, x, 1),
    "broadcast_to": _broadcast_to, "tile": _tile, "cumsum": _cumsum, "argmax": _arg("ArgMax"),
    "argmin": _arg("ArgMin"), "take": _take,
    "shape": lambda trace, x: x.shape, "ndim": lambda trace, x: x.ndim,
}


def call(trace: Trace, name: str, args: Any, options: Any) -> Any:
    """numpy.NAME(*args, **options)."""
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](trace, *args, **options)
    if name in REDUCTIONS:
        return args[0]._reduce(name, *args[1:], **options)
    if name in METHODS and not isinstance(args[0], Size):
        return getattr(args[0], name)(*args[1:], **options)
    raise TypeError(f"numpy.{name} has no counterpart in a twin; of functions there are: "
                    + ", ".join(sorted({*_FUNCTIONS, *REDUCTIONS, *METHODS} - {"T", "astype"})))
