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
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ._twin import write_down
from .errors import InputError

_SCHEMA = 1
_OPSET = 17  # of the composition that is written


def _ports(text: str) -> list[tuple[str, int | None]]:
    """("x", 2) of "x: f32[N,C]": names and numbers of dimensions, None where "..." stands."""
    ports, depth, start = [], 0, 0
    for at, c in enumerate(text + ","):
        depth += (c in "[(") - (c in "])")
        if c == "," and depth == 0:
            name, _, kind = text[start:at].partition(":")
            if name.strip():
                ports.append((name.strip(), _rank(kind)))
            start = at + 1
    return ports


def _rank(kind: str) -> int | None:
    """2 of "f32[N,C]"."""
    sizes = kind.partition("[")[2].rpartition("]")[0]
    if "..." in sizes:
        return None
    depth, commas = 0, 0
    for c in sizes:
        depth += (c == "(") - (c == ")")
        commas += c == "," and depth == 0
    return commas + 1 if sizes.strip() else 0


_SIGNATURE = re.compile(r"\s*\((.*)\)\s*->\s*\((.*)\)\s*", re.DOTALL)


def _parts(name: str, signature: str) -> tuple[list, list]:
    """Operands and results of a signature; the rest of its grammar is checked by a build."""
    found = _SIGNATURE.fullmatch(signature)
    parts = [] if found is None else [_ports(part) for part in found.groups()]
    if len(parts) != 2 or not parts[1] or signature.count("[") != signature.count("]"):
        raise InputError(f"{name}: its signature is {signature!r}, expected one like "
                         '"(x: T[N,C], w: f32[C]) -> (y: T[N,2*C])"')
    return parts[0], parts[1]


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
        """The definition as text, for `ops=` and as a file for --op."""
        return definitions([self])

    def save(self, path: str | os.PathLike) -> None:
        """Writes the definition to a file, for --op and `ops=`. Raises OSError."""
        pathlib.Path(path).write_text(self.json + "\n", encoding="utf-8")


def definitions(ops: Iterable[CustomOp]) -> str:
    """Several operators as one text for --op and ModelOptions.ops."""
    return json.dumps({"lathe_ops": _SCHEMA, "operators": [o.definition for o in ops]}, indent=2)


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

    Raises TypeError where the function does what a twin cannot say, InputError where the signature
    is none.
    """
    def make(function: Callable) -> CustomOp:
        operands, results = _parts(name, signature)
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
            definition["composition"] = write_down(
                function, operands, [result for result, _ in results], attributes or {})
            definition["opset"] = _OPSET
        if cuda is not None:
            definition["cuda"] = dict(cuda)
        if tolerance is not None:
            definition["tolerance"] = tolerance
        return CustomOp(function, definition)
    return make
