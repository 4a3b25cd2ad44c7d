# SPDX-License-Identifier: Apache-2.0
"""Writes a NumPy function down as lines of ONNX operators, by calling it once with stand-ins.

Of a value only its name is known and, where the signature says it, how many dimensions it has;
sizes are values too, so that a twin serves every shape. custom.py makes operators of it.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ._twin_index import Indexed
from ._twin_names import METHODS, ONNX_TYPES, REDUCTIONS, UFUNCS

_MOST_ELEMENTS = 4096  # of an array that stands in a twin


class Trace:
    """The lines of a composition while they are written."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._shapes: dict[str, Value] = {}

    def emit(self, op: str, *operands: Any, rank: int | None = None, **attributes: Any) -> "Value":
        """The first result of an operator."""
        operands = tuple(self.value(x) for x in operands)
        name = f"t{len(self.lines)}"
        given = ", ".join(f"{k}={_text(v)}" for k, v in attributes.items() if v is not None)
        braces = f"{{{given}}}" if given else ""
        self.lines.append(f"{name} = {op}{braces}({', '.join(v.name for v in operands)})")
        return Value(self, name, rank)

    def value(self, x: Any, like: "Value | None" = None) -> "Value":
        """x as a value; numbers and attributes take the element type of `like`."""
        if isinstance(x, Value) and (like is None or not isinstance(x, (Size, Number))):
            return x
        if isinstance(x, Size):
            made = self.emit("Squeeze", x, self.ints([0]), rank=0)
        else:
            made = x if isinstance(x, Number) else self._constant(x)
        return made if like is None else self.emit("CastLike", made, like, rank=made.rank)

    def number(self, x: Any) -> "Number":
        """A number, an attribute or a size as f32, until it meets a tensor."""
        if isinstance(x, Number):
            return x
        if isinstance(x, (bool, int, float)):
            made = self.emit("Constant", value_float=float(x))
        else:
            made = self.emit("Squeeze", x, self.ints([0])) if isinstance(x, Size) else \
                self.value(x)
            made = self.emit("Neg", made) if isinstance(x, _Negated) else made
            made = self.emit("Cast", made, to=ONNX_TYPES["float32"])
        return Number(self, made.name)

    def _constant(self, x: Any) -> "Value":
        if isinstance(x, Attribute):
            return self.emit("Constant", **{x.constant: x}, rank=0)
        if isinstance(x, (bool, int)):  # exact where the operand is of integers
            return self.emit("Constant", value_int=int(x), rank=0)
        if isinstance(x, float):
            return self.emit("Constant", value_float=x, rank=0)
        if hasattr(x, "item") and getattr(x, "ndim", 1) == 0:
            return self._constant(x.item())
        if hasattr(x, "tolist") and hasattr(x, "dtype"):
            return self._array(x)
        raise TypeError(f"{type(x).__name__} cannot stand in a twin: expected operands, "
                        "attributes, numbers and arrays of numbers")

    def _array(self, x: Any) -> "Value":
        if x.dtype.kind not in "fiub" or x.size > _MOST_ELEMENTS:
            raise TypeError(f"an array of {x.size} elements of {x.dtype} cannot stand in a twin: "
                            f"expected up to {_MOST_ELEMENTS} numbers; make it an operand")
        kind = "value_floats" if x.dtype.kind == "f" else "value_ints"
        numbers = x.reshape(-1).astype(float if x.dtype.kind == "f" else int).tolist()
        flat = self.emit("Constant", **{kind: numbers}, rank=1)
        return flat if x.ndim == 1 else flat.reshape(list(x.shape))

    def ints(self, values: Sequence[Any]) -> "Value":
        """A vector of integers: numbers, sizes and attributes."""
        if all(not isinstance(v, (Value, Attribute)) for v in values):
            return self.emit("Constant", value_ints=[int(v) for v in values], rank=1)
        parts = [Size.of(self, v) for v in values]
        return parts[0] if len(parts) == 1 else self.emit("Concat", *parts, axis=0, rank=1)

    def shape_of(self, value: "Value") -> "Value":
        """The sizes of a value as a vector, written once."""
        if value.name not in self._shapes:
            self._shapes[value.name] = self.emit("Shape", value, rank=1)
        return self._shapes[value.name]


def _text(value: Any) -> str:
    if isinstance(value, Attribute):
        return "@" + value.name
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_text(v) for v in value) + "]"
    return repr(value)


class Attribute:
    """Stands for an attribute of the node: in arithmetic, as a size, and where an ONNX attribute is
    given."""
    __array_ufunc__ = None  # NumPy leaves arithmetic with operands to them

    def __init__(self, trace: Trace, name: str, default: Any) -> None:
        kinds = {"int": "value_int", "float": "value_float", "ints": "value_ints",
                 "floats": "value_floats"}
        kind = default["type"] if isinstance(default, Mapping) else _kind(default)
        self.trace, self.name, self.constant = trace, name, kinds.get(kind, "value_string")

    def _scalar(self) -> Any:
        raise TypeError(f"the value of attribute '{self.name}' is not known when the twin is "
                        "written down: use it in arithmetic with an operand")

    __bool__ = __int__ = __float__ = __index__ = _scalar

    def __neg__(self) -> "_Negated":
        return _Negated(self)

    def _beside(self, other: Any) -> "Value | None":
        """What the attribute is in arithmetic with a number, a size or another attribute."""
        if not isinstance(other, (int, float, Attribute)):
            return None
        integers = all(isinstance(x, int) or getattr(x, "constant", "") == "value_int"
                       for x in (self, other))
        return Size.of(self.trace, self) if integers else self.trace.number(self)


class _Negated(Attribute):
    def __init__(self, of: Attribute) -> None:
        self.trace, self.name, self.constant, self.of = of.trace, of.name, of.constant, of


def _kind(value: Any) -> str:
    if isinstance(value, (bool, int)):
        return "int"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "text"
    return "ints" if all(isinstance(v, int) for v in value) else "floats"


def _listed(x: Any) -> list:
    return list(x) if isinstance(x, (list, tuple)) else [x]


def _broadcast_rank(values: Sequence[Any]) -> int | None:
    ranks = [v.rank for v in values]
    return None if None in ranks else max(ranks)


class Value(Indexed):
    """Stands for a tensor; remembers what is done to it."""
    __array_priority__ = 1000

    def __init__(self, trace: Trace, name: str, rank: int | None = None) -> None:
        self._trace, self.name, self.rank = trace, name, rank

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise TypeError(f".{name} has no counterpart in a twin; there are: {', '.join(METHODS)}")

    def _apply(self, op: str, *operands: Any) -> "Value":
        like = next((x for x in operands
                     if isinstance(x, Value) and not isinstance(x, (Size, Number))), None)
        if like is None:
            made = self._trace.emit(op, *map(self._trace.number, operands))
            return Number(self._trace, made.name)
        values = []
        for x in operands:
            value = self._trace.value(x, like)
            values.append(self._trace.emit("Neg", value, rank=0) if isinstance(x, _Negated)
                          else value)
        return self._trace.emit(op, *values, rank=_broadcast_rank(values))

    def __array_ufunc__(self, ufunc: Any, method: str, *operands: Any, **options: Any) -> "Value":
        if method != "__call__" or options:
            raise TypeError(f"numpy.{ufunc.__name__}.{method} has no counterpart in a twin")
        return self._call(ufunc.__name__, *operands)

    def _call(self, name: str, *operands: Any) -> "Value":
        if len(operands) == 1 and isinstance(operands[0], Size):
            operands = (self._trace.number(operands[0]),)
        if name == "square":
            return self._apply("Mul", operands[0], operands[0])
        if name == "not_equal":
            return self._apply("Equal", *operands)._same("Not")
        if name == "log1p":
            return self._apply("Add", operands[0], 1.0)._same("Log")
        if name == "expm1":
            return self._apply("Sub", operands[0]._same("Exp"), 1.0)
        if name == "log2":
            return self._apply("Div", operands[0]._same("Log"), 0.6931471805599453)
        if name == "matmul":
            return self._matmul(*operands)
        if name not in UFUNCS:
            raise TypeError(f"numpy.{name} has no counterpart in a twin; there are: "
                            + ", ".join(sorted(UFUNCS)))
        return self._apply(UFUNCS[name], *operands)

    def __array_function__(self, function: Any, _types: Any, args: Any, kwargs: Any) -> Any:
        from . import _twin_functions
        return _twin_functions.call(self._trace, function.__name__, args, kwargs)

    @staticmethod
    def _is_place(x: Any) -> bool:
        return isinstance(x, (int, Size)) and not isinstance(x, bool)

    def _same(self, op: str, **attributes: Any) -> "Value":
        """An operator whose result has as many dimensions."""
        made = self._trace.emit(op, self, rank=self.rank, **attributes)
        return Number(self._trace, made.name) if isinstance(self, Number) else made

    def _matmul(self, a: Any, b: Any) -> "Value":
        made = self._apply("MatMul", a, b)
        if made.rank is not None and min(self._trace.value(v).rank for v in (a, b)) < 2:
            made.rank = None
        return made

    def _reduce(self, name: str, axis: Any = None, keepdims: Any = False) -> "Value":
        axes = None if axis is None else _listed(axis)
        op, keep, rank = REDUCTIONS[name], int(keepdims), self.rank
        if not keep:
            rank = 0 if axes is None else None if rank is None else rank - len(axes)
        if op == "ReduceSum":  # takes its axes as an operand since opset 13
            more = [] if axes is None else [self._trace.ints(axes)]
            return self._trace.emit(op, self, *more, rank=rank, keepdims=keep)
        return self._trace.emit(op, self, rank=rank, axes=axes, keepdims=keep)

    def var(self, axis: Any = None, keepdims: Any = False) -> "Value":
        """The mean of squared distances from the mean."""
        off = self - self._reduce("mean", axis, True)
        return (off * off)._reduce("mean", axis, keepdims)

    def std(self, axis: Any = None, keepdims: Any = False) -> "Value":
        """The square root of var."""
        return self.var(axis, keepdims)._same("Sqrt")

    def astype(self, dtype: Any) -> "Value":
        """Another element type."""
        import numpy
        name = numpy.dtype(dtype).name
        if name not in ONNX_TYPES:
            raise TypeError(f"astype({name}) has no counterpart in a twin; there are: "
                            + ", ".join(ONNX_TYPES))
        return self._same("Cast", to=ONNX_TYPES[name])

    # --- shapes

    @property
    def shape(self) -> "Shape":
        """The sizes, to be unpacked where their number is known, indexed and calculated with."""
        return Shape(self)

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        if self.rank is None:
            raise TypeError("how many dimensions this has is not known when the twin is written "
                            "down: its signature has '...', or it comes from what hides that")
        return self.rank

    def reshape(self, *shape: Any) -> "Value":
        """Sizes are numbers, x.shape[d] and what is calculated of them, attributes; -1 once."""
        sizes = shape[0] if len(shape) == 1 else shape
        if isinstance(sizes, Shape):
            of = sizes.of
            return self._trace.emit("Reshape", self, self._trace.shape_of(of), rank=of.rank)
        sizes = _listed(sizes)
        return self._trace.emit("Reshape", self, self._trace.ints(sizes), rank=len(sizes))

    def ravel(self) -> "Value":
        """All elements in a row."""
        return self.reshape(-1)

    flatten = ravel

    def transpose(self, *axes: Any) -> "Value":
        """Dimensions in another order; without axes in the reverse one."""
        perm = axes[0] if len(axes) == 1 and isinstance(axes[0], (list, tuple)) else axes
        return self._same("Transpose", perm=[a % len(perm) for a in perm] if perm else None)

    def swapaxes(self, axis1: int, axis2: int) -> "Value":
        """Two dimensions exchanged."""
        perm = list(range(self.ndim))
        perm[axis1], perm[axis2] = perm[axis2], perm[axis1]
        return self.transpose(perm)

    def expand_dims(self, axis: Any) -> "Value":
        """New dimensions of size 1."""
        axes = _listed(axis)
        rank = None if self.rank is None else self.rank + len(axes)
        return self._trace.emit("Unsqueeze", self, self._trace.ints(axes), rank=rank)

    def squeeze(self, axis: Any) -> "Value":
        """Dimensions of size 1 taken away."""
        axes = _listed(axis)
        rank = None if self.rank is None else self.rank - len(axes)
        return self._trace.emit("Squeeze", self, self._trace.ints(axes), rank=rank)

    @property
    def T(self) -> "Value":  # noqa: N802, NumPy's name
        """Dimensions in the reverse order."""
        return self.transpose()

    def __bool__(self) -> bool:
        raise TypeError("a twin cannot branch on values: use numpy.where")

    def __iter__(self) -> Any:
        raise TypeError("a twin cannot loop over values: index them")

    def __float__(self) -> float:
        raise TypeError("a twin has no numbers to give out: use NumPy's functions, not math's")

    __int__ = __index__ = __float__


class Shape:
    """The sizes of a value."""

    def __init__(self, of: Value) -> None:
        self.of = of

    def __len__(self) -> int:
        return self.of.ndim

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[d] for d in range(*index.indices(len(self))))
        rank = self.of.rank
        if rank is not None and not -rank <= index < rank:
            raise IndexError(f"shape[{index}]: there are {rank} dimensions")
        trace = self.of._trace
        found = trace.emit("Gather", trace.shape_of(self.of), trace.ints([index]))
        return Size(trace, found.name)

    def __iter__(self) -> Any:
        return (self[d] for d in range(len(self)))

    def __add__(self, other: Any) -> tuple:
        return (*self, *other)

    def __eq__(self, other: Any) -> bool:
        raise TypeError("a twin cannot branch on sizes: they differ from run to run")

    __hash__ = None


class Size(Value):
    """A size, or what is calculated of sizes: a vector of one integer."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(trace, name, 1)

    @staticmethod
    def of(trace: Trace, x: Any) -> "Size":
        """A size of a size, a number or an attribute."""
        if isinstance(x, Size):
            return x
        if isinstance(x, Attribute):
            made = trace.value(x).reshape(1)
            if isinstance(x, _Negated):
                made = made._same("Neg")
            return Size(trace, made.name)
        if isinstance(x, Value):
            raise TypeError("a size is expected where a tensor is given")
        return Size(trace, trace.ints([x]).name)

    def _calculate(self, op: str, a: Any, b: Any) -> "Size":
        pair = Size.of(self._trace, a), Size.of(self._trace, b)
        return Size(self._trace, self._trace.emit(op, *pair).name)


class Number(Value):
    """A number calculated of sizes and attributes; it takes the element type of the tensor that it
    meets."""

    def __init__(self, trace: Trace, name: str) -> None:
        super().__init__(trace, name, 0)


def write_down(function: Callable, operands: Sequence[tuple[str, int | None]],
               results: Sequence[str], attributes: Mapping[str, Any]) -> list[str]:
    """The lines of a composition. operands: names, and numbers of dimensions where they are known.
    TypeError where the function does what they cannot say."""
    trace = Trace()
    given = {name: Attribute(trace, name, default) for name, default in attributes.items()}
    made = function(*[Value(trace, name, rank) for name, rank in operands], **given)
    made = list(made) if isinstance(made, (tuple, list)) else [made]
    if len(made) != len(results):
        raise TypeError(f"{function.__name__} returns {len(made)} values, its signature says "
                        f"{len(results)}")
    for name, value in zip(results, made):
        if not isinstance(value, Value):
            raise TypeError(f"{function.__name__} returns {type(value).__name__} for '{name}', "
                            "which does not depend on an operand")
        trace.lines.append(f"{name} = Identity({value.name})")
    return trace.lines


def _install_operators() -> None:
    forward = {"add": "Add", "sub": "Sub", "mul": "Mul", "truediv": "Div", "pow": "Pow",
               "gt": "Greater", "lt": "Less", "ge": "GreaterOrEqual", "le": "LessOrEqual",
               "eq": "Equal", "and": "And", "or": "Or"}
    for name, op in forward.items():
        setattr(Value, f"__{name}__", lambda a, b, op=op: a._apply(op, a, b))
        if name in ("add", "sub", "mul", "truediv", "pow", "and", "or"):
            setattr(Value, f"__r{name}__", lambda a, b, op=op: a._apply(op, b, a))
    Value.__matmul__ = lambda a, b: a._matmul(a, b)
    Value.__rmatmul__ = lambda a, b: a._matmul(b, a)
    Value.__ne__ = lambda a, b: a._apply("Equal", a, b)._same("Not")
    Value.__neg__ = lambda a: a._apply("Neg", a)
    Value.__abs__ = lambda a: a._apply("Abs", a)
    Value.__invert__ = lambda a: a._apply("Not", a)
    for name in ("sum", "mean", "max", "min", "prod"):
        setattr(Value, name, lambda a, *args, name=name, **kw: a._reduce(name, *args, **kw))


def _is_integer(x: Any) -> bool:
    return isinstance(x, (int, Size)) or isinstance(x, Attribute) and x.constant == "value_int"


def _install_sizes() -> None:
    """Integer arithmetic of sizes, and of attributes that are integers."""
    def forward(op: str, name: str) -> Callable:
        def run(a: Size, b: Any) -> Any:
            if _is_integer(b):
                return a._calculate(op, a, b)
            general = getattr(Value, name, None)
            return NotImplemented if general is None else general(a, b)
        return run

    def of_attribute(name: str) -> Callable:
        def run(a: Attribute, b: Any) -> Any:
            value = a._beside(b)
            known = getattr(type(value), name, None)
            return NotImplemented if known is None else known(value, b)
        return run

    for name, op in {"add": "Add", "sub": "Sub", "mul": "Mul", "floordiv": "Div",
                     "mod": "Mod"}.items():
        setattr(Size, f"__{name}__", forward(op, f"__{name}__"))
        setattr(Size, f"__r{name}__", lambda a, b, op=op, name=name: a._calculate(op, b, a)
                if _is_integer(b) else getattr(Value, f"__r{name}__")(a, b))
    for name in ("add", "sub", "mul", "floordiv", "mod", "truediv", "pow"):
        setattr(Attribute, f"__{name}__", of_attribute(f"__{name}__"))
        setattr(Attribute, f"__r{name}__", of_attribute(f"__r{name}__"))


_install_operators()
_install_sizes()
