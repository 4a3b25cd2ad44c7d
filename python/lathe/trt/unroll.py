# SPDX-License-Identifier: Apache-2.0
"""Unrolling of loops while an engine is built. A loop's body is what depends on its recurrences and
iterators up to its outputs; each turn lowers the body anew, with the recurrences and iterators
standing for that turn's values. What does not depend on the turn is lowered once, outside."""
from dataclasses import dataclass, field

from ..errors import UnsupportedError
from .enums import LayerType, LoopOutput

# Layers that all turns of all loops of a network may make; so many build in 20 s without tuning.
MAX_LAYERS = 20_000

_VARYING = (LayerType.RECURRENCE, LayerType.ITERATOR)


@dataclass
class Body:
    """A loop's layers: boundaries by kind, and what each turn lowers."""

    limits: list = field(default_factory=list)
    varying: list = field(default_factory=list)  # recurrences and iterators
    outputs: list = field(default_factory=list)
    states: set = field(default_factory=set)  # all that varies from turn to turn, `varying` too
    direct: list = field(default_factory=list)  # of states, those of no inner loop, in order


def bodies(network):
    """{ILoop: Body} of a network's loops."""
    found = {}
    for state in network._layers:
        loop = state.settings.get("loop")
        if loop is None:
            continue
        body = found.setdefault(loop, Body())
        kind = state.view.TYPE
        (body.limits if kind == LayerType.TRIP_LIMIT else body.varying if kind in _VARYING
         else body.outputs).append(state)
    readers = _readers(network, found) if found else {}
    for body in found.values():
        _spread(body, readers)
    for body in found.values():
        inner = [other for other in found.values()
                 if other is not body and body.states.intersection(other.outputs)]
        apart = set(body.varying).union(*(other.states for other in inner))
        body.direct = sorted(body.states - apart, key=lambda state: state.index)
    return found


def _readers(network, found):
    """{tensor: layers whose results depend on it directly}."""
    readers = {}
    for state in network._layers:
        reads = [*state.inputs, state.settings.get("mask")]
        conditional = state.settings.get("conditional")
        if conditional is not None:
            reads.append(conditional._condition)
        if state.view.TYPE == LayerType.LOOP_OUTPUT:
            reads += [t for limit in found[state.settings["loop"]].limits for t in limit.inputs]
        for tensor in reads:
            readers.setdefault(tensor, []).append(state)
    readers.pop(None, None)
    return readers


def _spread(body, readers):
    """Fills body.states: all that depends on what varies, up to the loop's own outputs."""
    body.states.update(body.varying)
    waiting = list(body.varying)
    while waiting:
        for tensor in waiting.pop().outputs:
            for state in readers.get(tensor, ()):
                if state not in body.states and state not in body.outputs:
                    body.states.add(state)
                    waiting.append(state)


def inside(low, state):
    """The name of a loop that a layer is inside of and that is not being unrolled, or None."""
    return next((loop.name for loop, body in low.bodies.items()
                 if state in body.states and loop not in low.turns), None)


def known_count(low, loop):
    """How often a loop runs where that is known, else None."""
    counts = []
    for state in low.network._layers:
        if state.settings.get("loop") is loop and state.view.TYPE == LayerType.TRIP_LIMIT:
            contents = low.info(low.value(state.inputs[0])).contents
            if contents is None or not isinstance(contents[0], int):
                return None
            counts.append(contents[0])
    return max(0, min(counts)) if counts else None


def results(low, loop):
    """{state of an output: value}: unrolls the loop, once in each turn of what it stands in."""
    if loop not in low.unrolled:
        low.unrolled[loop] = _Unrolling(low, loop).run()
    return low.unrolled[loop]


class _Unrolling:
    """One run through all turns of a loop."""

    def __init__(self, low, loop):
        self._low, self._loop, self._body = low, loop, low.bodies[loop]

    def run(self):
        """{state of an output: value}."""
        low, body = self._low, self._body
        count = self._count()
        self._charge(count)
        initial = {s: low.value(s.inputs[0]) for s in body.varying}
        current = {s: v for s, v in initial.items() if s.view.TYPE == LayerType.RECURRENCE}
        turns = {state: [] for state in body.outputs}
        for turn in range(count):
            low.turns[self._loop] = turn
            self._enter(turn, count, initial, current)
            for state in body.direct:
                low.network._lower_layer(low, state)
            for state, values in turns.items():
                values.append(low.value(state.inputs[0]))
            current = {s: self._next(s, current[s]) for s in current}
            self._forget()
        low.turns.pop(self._loop, None)
        return {state: self._named(state, lambda s=state: self._output(s, turns[s], current))
                for state in body.outputs}

    def _named(self, state, action):
        """Does something as the layer, and says so in an error."""
        low, previous = self._low, self._low._layer
        low.layer(state)
        try:
            return action()
        except (UnsupportedError, ValueError) as error:
            if str(error).startswith("layer '"):
                raise
            raise type(error)(f"layer '{state.name}' ({state.view.TITLE}): {error}") from error
        finally:
            low.layer(previous)

    def _count(self):
        low, name = self._low, self._loop.name
        if not self._body.limits:
            raise ValueError(f"loop '{name}' has no trip limit: add_trip_limit gives it")
        for state in self._body.limits:
            low.network._lower_layer(low, state)
        count = known_count(low, self._loop)
        if count is None:
            raise UnsupportedError(
                f"layer '{self._body.limits[0].name}' (TripLimit): loop '{name}': Lathe unrolls "
                "loops: the count must be a constant when the engine is built")
        return count

    def _charge(self, count):
        """Counts the layers that the turns make, against the limit."""
        low, size = self._low, len(self._body.direct)
        low.unrolled_layers += count * size
        if low.unrolled_layers > MAX_LAYERS:
            raise UnsupportedError(
                f"loop '{self._loop.name}': Lathe unrolls loops: {count} turns of {size} layers "
                f"make {low.unrolled_layers} with the loops before, more than the limit of "
                f"{MAX_LAYERS}; run the loop in the program instead, one turn a call")

    def _enter(self, turn, count, initial, current):
        """The recurrences' and iterators' values of a turn."""
        low = self._low
        for state, value in initial.items():
            if state.view.TYPE == LayerType.RECURRENCE:
                low.values[state.outputs[0]] = current[state]
            else:
                low.values[state.outputs[0]] = self._named(
                    state, lambda s=state, v=value: self._cut(s, v, turn, count))

    def _cut(self, state, value, turn, count):
        """Slice `turn` of an iterator's value."""
        low, view = self._low, state.view(state)
        axis = view.axis % max(1, low.rank(value))
        size = low.static(value, [axis])[0]
        if count > size:
            raise ValueError(f"the loop runs {count} times, dimension {axis} of the iterator's "
                             f"input has {size}")
        place = size - 1 - turn if view.reverse else turn
        part = low.op("Slice", [value], {"axes": [axis], "starts": f"[{place}]", "sizes": "[1]",
                                         "steps": [1]})
        sizes = low.shape(value)
        return low.reshape(part, sizes[:axis] + sizes[axis + 1:])

    def _next(self, state, previous):
        """A recurrence's value of a turn's end."""
        return self._named(state, lambda: self._checked(state, previous))

    def _checked(self, state, previous):
        low = self._low
        if len(state.inputs) < 2 or state.inputs[1] is None:
            raise ValueError("input 1, the value of a turn's end, is not set")
        value = low.value(state.inputs[1])
        old, new = low.info(previous), low.info(value)
        differ = any(a != b for a, b in zip(old.shape, new.shape)
                     if isinstance(a, int) and isinstance(b, int))
        if old.dtype != new.dtype or len(old.shape) != len(new.shape) or differ:
            raise ValueError(f"input 1 is {new.dtype}{new.shape}, expected {old.dtype}{old.shape} "
                             "as input 0")
        return value

    def _forget(self):
        """The body's values go: the next turn has its own."""
        low = self._low
        for state in self._body.states:
            for tensor in state.outputs:
                low.values.pop(tensor, None)
            if state.view.TYPE == LayerType.LOOP_OUTPUT:
                low.unrolled.pop(state.settings["loop"], None)

    def _output(self, state, turns, current):
        low, view = self._low, state.view(state)
        if view.kind == LoopOutput.LAST_VALUE:
            value = current.get(state.inputs[0]._producer) or (turns and turns[-1])
            if not value:
                raise ValueError("the loop does not run: only a recurrence has a last value")
            return low.onnx("Identity", [value])
        if not turns:
            raise UnsupportedError("the loop does not run: there is nothing to concatenate")
        return self._joined(view, turns[::-1] if view.kind == LoopOutput.REVERSE else turns)

    def _joined(self, view, turns):
        low = self._low
        sizes = low.shape(turns[0])
        axis = view.axis % (len(sizes) + 1)
        rows = [low.reshape(value, [*sizes[:axis], 1, *sizes[axis:]]) for value in turns]
        value = low.op("Concat", rows, {"axis": axis}) if len(rows) > 1 else rows[0]
        inputs = view._state.inputs
        if len(inputs) < 2 or inputs[1] is None:
            return value
        missing = low.constants(inputs[1])[0] - len(turns)
        if missing < 0:
            raise ValueError(f"input 1 gives {len(turns) + missing} places to {len(turns)} turns")
        after = [missing if d == axis else 0 for d in range(len(sizes) + 1)]
        return low.op("Pad", [value], {"before": str([0] * len(after)), "after": str(after)}) \
            if missing else value
