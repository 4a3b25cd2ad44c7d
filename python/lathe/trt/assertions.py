# SPDX-License-Identifier: Apache-2.0
"""Assertions about sizes: conditions over the inputs' dimensions, which a plan holds and a context
checks before it runs. A condition is {"sizes": [...]}, or {"op": name, "of": [conditions]}."""
from dataclasses import asdict, dataclass

import numpy as np

from .sizes import size_of, symbols_of

_FUNCTIONS = {"EQUAL": np.equal, "LESS": np.less, "GREATER": np.greater, "AND": np.logical_and,
              "OR": np.logical_or, "XOR": np.logical_xor, "NOT": np.logical_not}


@dataclass
class Assertion:
    """What a plan says of one."""

    layer: str
    message: str
    condition: dict
    symbols: dict  # symbol: [input, dimension]

    def holds(self, shapes):
        """Whether it does where inputs have these shapes, {name: sizes}."""
        sizes = {symbol: shapes[name][d] for symbol, (name, d) in self.symbols.items()}
        return bool(np.all(_value(self.condition, sizes)))

    to_json = asdict

    @staticmethod
    def from_json(facts):
        """KeyError, TypeError or ValueError where a plan holds something else."""
        made = Assertion(str(facts["layer"]), str(facts["message"]), facts["condition"],
                         {str(s): (str(name), int(d)) for s, (name, d) in facts["symbols"].items()})
        _value(made.condition, dict.fromkeys(made.symbols, 1))
        return made


def _value(condition, sizes):
    if "sizes" in condition:
        return np.array([size_of(text, sizes) for text in condition["sizes"]], np.int64)
    return _FUNCTIONS[condition["op"]](*(_value(c, sizes) for c in condition["of"]))


def assertion(low, layer):
    """The Assertion of a layer whose condition is about sizes of inputs, else None."""
    condition = _condition(low, layer._state.inputs[0])
    if condition is None:
        return None
    places = {size: [value.name, d] for value in low.net.inputs if value.name not in low.layouts
              for d, size in enumerate(value.shape) if isinstance(size, str)}
    used = _symbols(condition)
    if not used <= set(places):
        return None
    return Assertion(layer.name, layer.message, condition, {s: places[s] for s in sorted(used)})


def _symbols(condition):
    parts = [symbols_of(text) for text in condition.get("sizes", ())]
    return set().union(*parts, *map(_symbols, condition.get("of", ())))


def _condition(low, tensor):
    known = low.info(low.value(tensor)).contents
    if known is not None:
        return {"sizes": [size if isinstance(size, str) else int(size) for size in known]}
    state = tensor._producer
    op = None if state is None or state.node is not None else state.settings.get("op")
    if getattr(op, "name", "") not in _FUNCTIONS:
        return None
    parts = [_condition(low, operand) for operand in state.inputs]
    return None if None in parts else {"op": op.name, "of": parts}
