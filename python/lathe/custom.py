# SPDX-License-Identifier: Apache-2.0
"""Custom operators as data: a NumPy function is the CPU twin, CUDA C++ the kernel.

    @lathe.custom.op("com.acme::Swish", "(x: T[...]) -> (y: T[...])",
                     types={"T": ["f32", "f16"]}, attributes={"beta": 1.0})
    def swish(x, *, beta):
        return x / (1 + np.exp(-beta * x))

    swish(np.ones(3), beta=2.0)                    # still the function that it was
    lathe.build("model.onnx", ops=[swish])
    swish.save("swish.json")                       # lathe build model.onnx --op swish.json

The function is called once with stand-ins that write down what is done to them, as a composition
of ONNX operators; no Python runs when an engine is built or used. Attributes come as keyword
arguments. docs/custom_operators.md says what may stand in a definition.
"""
from __future__ import annotations

import functools
import inspect
import json
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_SCHEMA = 1
_OPSET = 17  # of the composition that is written

# ufunc: ONNX operator of the same operands.
_UFUNCS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "negative": "Neg", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh",
    "cosh": "Cosh", "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh",
    "absolute": "Abs", "maximum": "Max", "minimum": "Min", "floor": "Floor", "ceil": "Ceil",
    "rint": "Round", "sign": "Sign", "greater": "Greater", "less": "Less", "equal": "Equal",
    "greater_equal": "GreaterOrEqual", "less_equal": "LessOrEqual", "logical_and": "And",
    "logical_or": "Or", "logical_not": "Not", "isnan": "IsNaN", "matmul": "MatMul",
    "reciprocal": "Reciprocal",
}
_REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
               "prod": "ReduceProd", "amax": "ReduceMax", "amin": "ReduceMin"}


class _Trace:
    """The lines of a composition while they are written."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def emit(self, op: str, *operands: Any, **attributes: Any) -> "_Value":
        operands = tuple(self.value(x) for x in operands)
        name = f"t{len(self.lines)}"
        given = ", ".join(f"{k}={_text(v)}" for k, v in attributes.items() if v is not None)
        braces = f"{{{given}}}" if given else ""
        self.lines.append(f"{name} = {op}{braces}({', '.join(v.name for v in operands)})")
        return _Value(self, name)

    def value(self, x: Any, like: "_Value | None" = None) -> "_Value":
        """x as a value; numbers and attributes take the element type of `like`."""
        if isinstance(x, _Value):
            return x
        if isinstance(x, _Attribute):
            made = self.emit("Constant", **{x.constant: x})
        elif isinstance(x, (bool, int)):  # exact where the operand is of integers
            made = self.emit("Constant", value_int=int(x))
        elif isinstance(x, float):
            made = self.emit("Constant", value_float=x)
        elif hasattr(x, "item") and getattr(x, "ndim", 1) == 0:
            return self.value(x.item(), like)
        else:
            raise TypeError(f"{type(x).__name__} cannot stand in a twin: expected operands, "
                            "attributes and numbers")
        return made if like is None else self.emit("CastLike", made, like)

    def ints(self, values: Sequence[int]) -> "_Value":
        return self.emit("Constant", value_ints=[int(v) for v in values])


def _text(value: Any) -> str:
    if isinstance(value, _Attribute):
        return "@" + value.name
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return repr(value)


class _Attribute:
    """Stands for an attribute of the node: in arithmetic, and where an ONNX attribute is given."""
    __array_ufunc__ = None  # NumPy leaves arithmetic with operands to them

    def __init__(self, name: str, default: Any) -> None:
        kinds = {"int": "value_int", "float": "value_float", "ints": "value_ints",
                 "floats": "value_floats"}
        kind = default["type"] if isinstance(default, Mapping) else _kind(default)
        self.name, self.constant = name, kinds.get(kind, "value_string")

    def _scalar(self) -> Any:
        raise TypeError(f"the value of attribute '{self.name}' is not known when the twin is "
                        "written down: use it in arithmetic with an operand")

    __bool__ = __int__ = __float__ = __index__ = _scalar

    def __neg__(self) -> "_Negated":
        return _Negated(self)


class _Negated(_Attribute):
    def __init__(self, of: _Attribute) -> None:
        self.name, self.constant, self.of = of.name, of.constant, of


def _kind(value: Any) -> str:
    if isinstance(value, (bool, int)):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "text"
    return "ints" if all(isinstance(v, int) for v in value) else "floats"


class _Value:
    """Stands for a tensor; remembers what is done to it."""
    __array_priority__ = 1000

    def __init__(self, trace: _Trace, name: str) -> None:
        self._trace, self.name = trace, name

    def _apply(self, op: str, *operands: Any) -> "_Value":
        like = next((x for x in operands if isinstance(x, _Value)), self)
        values = []
        for x in operands:
            value = self._trace.value(x, like)
            values.append(self._trace.emit("Neg", value) if isinstance(x, _Negated) else value)
        return self._trace.emit(op, *values)

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> "_Value":
        if method != "__call__" or options:
            raise TypeError(f"numpy.{ufunc.__name__}.{method} has no counterpart in a twin")
        return self._call(ufunc.__name__, *operands)

    def _call(self, name: str, *operands: Any) -> "_Value":
        if name == "square":
            return self._apply("Mul", operands[0], operands[0])
        if name == "not_equal":
            return self._trace.emit("Not", self._apply("Equal", *operands))
        if name == "log1p":
            return self._trace.emit("Log", self._apply("Add", operands[0], 1.0))
        if name == "expm1":
            return self._apply("Sub", self._trace.emit("Exp", operands[0]), 1.0)
        if name == "log2":
            return self._apply("Div", self._trace.emit("Log", operands[0]), 0.6931471805599453)
        if name not in _UFUNCS:
            raise TypeError(f"numpy.{name} has no counterpart in a twin; there are: "
                            + ", ".join(sorted(_UFUNCS)))
        return self._apply(_UFUNCS[name], *operands)

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: Any) -> "_Value":
        name = function.__name__
        if name == "where":
            condition, a, b = args
            like = next((x for x in (a, b) if isinstance(x, _Value)), None)
            if like is None:
                raise TypeError("numpy.where of two numbers: make one of them an operand's")
            trace = self._trace
            return trace.emit("Where", condition, trace.value(a, like), trace.value(b, like))
        if name in ("concatenate", "concat"):
            axis = kwargs.get("axis", args[1] if len(args) > 1 else 0)
            return self._trace.emit("Concat", *args[0], axis=axis)
        if name == "clip":
            low, high = args[1], args[2]
            return self._apply("Min", self._apply("Max", args[0], low), high)
        method = "reduce" if name in _REDUCTIONS else name
        if method == "reduce":
            return args[0]._reduce(name, *args[1:], **kwargs)
        if method in ("reshape", "transpose", "expand_dims", "squeeze"):
            return getattr(args[0], method)(*args[1:], **kwargs)
        raise TypeError(f"numpy.{name} has no counterpart in a twin")

    def _reduce(self, name: str, axis: Any = None, keepdims: Any = False) -> "_Value":
        axes = None if axis is None else list(axis) if isinstance(axis, (list, tuple)) else [axis]
        op, keep = _REDUCTIONS[name], int(keepdims)
        if op == "ReduceSum":  # takes its axes as an operand since opset 13
            more = [] if axes is None else [self._trace.ints(axes)]
            return self._trace.emit(op, self, *more, keepdims=keep)
        return self._trace.emit(op, self, axes=axes, keepdims=keep)

    def reshape(self, *shape: Any) -> "_Value":
        """-1 in one place; sizes are numbers, so -1 is what keeps a twin dynamic."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (list, tuple)) else shape
        return self._trace.emit("Reshape", self, self._trace.ints(sizes))

    def transpose(self, *axes: Any) -> "_Value":
        perm = axes[0] if len(axes) == 1 and isinstance(axes[0], (list, tuple)) else axes
        return self._trace.emit("Transpose", self, perm=list(perm) if perm else None)

    def expand_dims(self, axis: Any) -> "_Value":
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        return self._trace.emit("Unsqueeze", self, self._trace.ints(axes))

    def squeeze(self, axis: Any) -> "_Value":
        axes = axis if isinstance(axis, (list, tuple)) else [axis]
        return self._trace.emit("Squeeze", self, self._trace.ints(axes))

    def __getitem__(self, index: Any) -> "_Value":
        """New axes and whole ones: alpha[:, None]."""
        index = index if isinstance(index, tuple) else (index,)
        whole = slice(None)
        if not all(i is None or (isinstance(i, slice) and i == whole) for i in index):
            raise TypeError("a twin indexes with : and None only; gather by lines of composition")
        new = [k for k, i in enumerate(index) if i is None]
        return self.expand_dims(new) if new else self

    @property
    def T(self) -> "_Value":  # noqa: N802, NumPy's name
        return self.transpose()

    def __bool__(self) -> bool:
        raise TypeError("a twin cannot branch on values: use numpy.where")


def _install_operators() -> None:
    forward = {"add": "Add", "sub": "Sub", "mul": "Mul", "truediv": "Div", "pow": "Pow",
               "matmul": "MatMul", "gt": "Greater", "lt": "Less", "ge": "GreaterOrEqual",
               "le": "LessOrEqual", "eq": "Equal", "and": "And", "or": "Or"}
    for name, op in forward.items():
        setattr(_Value, f"__{name}__", lambda a, b, op=op: a._apply(op, a, b))
        if name in ("add", "sub", "mul", "truediv", "pow", "matmul", "and", "or"):
            setattr(_Value, f"__r{name}__", lambda a, b, op=op: a._apply(op, b, a))
    _Value.__ne__ = lambda a, b: a._trace.emit("Not", a._apply("Equal", a, b))
    _Value.__neg__ = lambda a: a._apply("Neg", a)
    _Value.__abs__ = lambda a: a._apply("Abs", a)
    _Value.__invert__ = lambda a: a._apply("Not", a)
    for name in ("sum", "mean", "max", "min", "prod"):
        setattr(_Value, name, lambda a, *args, name=name, **kw: a._reduce(name, *args, **kw))


_install_operators()


def _ports(text: str) -> list[str]:
    """The names in "(x: f32[N,C], w: f32[C])"."""
    names, depth, start = [], 0, 0
    body = text.strip()[1:-1]
    for at, c in enumerate(body + ","):
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            names.append(body[start:at].split(":")[0].strip())
            start = at + 1
    return [n for n in names if n]


class CustomOp:
    """An operator that `op` made. Calls go to the function; `json` is what --op reads."""

    def __init__(self, function: Callable, definition: dict[str, Any]) -> None:
        self.function, self.definition = function, definition
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<lathe custom operator {self.definition['name']}>"

    @property
    def json(self) -> str:
        return definitions([self])

    def save(self, path: str | os.PathLike) -> None:
        pathlib.Path(path).write_text(self.json + "\n", encoding="utf-8")


def definitions(ops: Iterable[CustomOp]) -> str:
    """Several operators as one text for --op and ModelOptions.ops."""
    return json.dumps({"lathe_ops": _SCHEMA, "operators": [o.definition for o in ops]}, indent=2)


def _trace(function: Callable, operands: list[str], results: list[str],
           attributes: Mapping[str, Any]) -> list[str]:
    trace = _Trace()
    given = {name: _Attribute(name, default) for name, default in attributes.items()}
    made = function(*[_Value(trace, name) for name in operands], **given)
    made = list(made) if isinstance(made, (tuple, list)) else [made]
    if len(made) != len(results):
        raise TypeError(f"{function.__name__} returns {len(made)} values, its signature says "
                        f"{len(results)}")
    for name, value in zip(results, made):
        if not isinstance(value, _Value):
            raise TypeError(f"{function.__name__} returns {type(value).__name__} for '{name}', "
                            "which does not depend on an operand")
        trace.lines.append(f"{name} = Identity({value.name})")
    return trace.lines


def op(name: str, signature: str, *, types: Mapping[str, Sequence[str]] | None = None,
       attributes: Mapping[str, Any] | None = None, expression: str | None = None,
       cuda: Mapping[str, Any] | None = None,
       tolerance: float | None = None) -> Callable[[Callable], CustomOp]:
    """Makes the decorated NumPy function a custom operator.

    name: "domain::Operator" of the model's nodes. signature: "(x: T[N,C]) -> (y: T[N,2*C])".
    types: what the type variables may be. attributes: default by name, {"type": "float"} where the
    node must give one. expression: Lathe's text of one element instead of tracing the function.
    cuda: {"source" or "file", "kernel", "grid", "block", "shared", "arguments"}. tolerance: units
    in the last place of the largest |result| by which the kernel may differ from the twin.

    Raises TypeError where the function does what a twin cannot say.
    """
    def make(function: Callable) -> CustomOp:
        operands, results = (_ports(part) for part in signature.split("->"))
        definition: dict[str, Any] = {"name": name, "signature": signature}
        if function.__doc__:
            definition["doc"] = inspect.cleandoc(function.__doc__)
        if types:
            definition["types"] = {k: list(v) for k, v in types.items()}
        if attributes:
            definition["attributes"] = dict(attributes)
        if expression is not None:
            definition["expression"] = expression
        else:
            definition["composition"] = _trace(function, operands, results, attributes or {})
            definition["opset"] = _OPSET
        if cuda is not None:
            definition["cuda"] = dict(cuda)
        if tolerance is not None:
            definition["tolerance"] = tolerance
        return CustomOp(function, definition)
    return make
