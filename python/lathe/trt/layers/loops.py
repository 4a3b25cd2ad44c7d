# SPDX-License-Identifier: Apache-2.0
"""Loops: a network holds them as they are, a build unrolls them (unroll.py). While a network is
under construction, what is inside has the shapes and types of what enters."""
from ...errors import UnsupportedError
from ..enums import LayerType, LoopOutput, TripLimit
from ..interface import Interface
from .base import ILayer, Parameter


class ILoopBoundaryLayer(ILayer):
    """A part of a loop."""

    loop = property(lambda self: self._state.settings["loop"], doc="the ILoop")

    def _infer(self, low):
        return self._placeholder(low)


class ITripLimitLayer(ILoopBoundaryLayer):
    """How often a loop runs: a count that is known when the engine is built."""

    TYPE, TITLE, OUTPUTS = LayerType.TRIP_LIMIT, "TripLimit", 0

    kind = property(lambda self: self._state.settings["kind"], doc="COUNT or WHILE")

    def _lower(self, low):
        if self.kind == TripLimit.WHILE:
            raise UnsupportedError(f"loop '{self.loop.name}': Lathe unrolls loops when an engine "
                                   "is built, and WHILE decides at run time; give a COUNT")
        return []

    def _placeholder(self, low):
        return []


class IRecurrenceLayer(ILoopBoundaryLayer):
    """A value of the last turn. Input 0: at first; input 1: of a turn's end."""

    TYPE, TITLE = LayerType.RECURRENCE, "Recurrence"


class IIteratorLayer(ILoopBoundaryLayer):
    """Slices of a value, one a turn."""

    TYPE, TITLE = LayerType.ITERATOR, "Iterator"

    axis = Parameter(0, int, "the dimension that is cut")
    reverse = Parameter(False, bool, "from the end")

    def _placeholder(self, low):
        facts = low.info(low.value(self._state.inputs[0]))
        axis = self.axis % max(1, len(facts.shape))
        kept = [size for d, size in enumerate(facts.shape) if d != axis]
        return [low.placeholder(facts.dtype, kept)]


class ILoopOutputLayer(ILoopBoundaryLayer):
    """A result of a loop. LAST_VALUE: of a recurrence, its value behind the last turn; of another
    tensor, that of the last turn. CONCATENATE and REVERSE: those of all turns along a new
    dimension, the last one first in REVERSE. Input 1, a constant, is the new dimension's size: what
    lies behind the turns is zero; it is the number of turns where it is not set."""

    TYPE, TITLE = LayerType.LOOP_OUTPUT, "LoopOutput"

    axis = Parameter(0, int, "CONCATENATE, REVERSE: where the new dimension is")
    kind = property(lambda self: self._state.settings["kind"], doc="which values")

    def _lower(self, low):
        from ..unroll import results
        return [results(low, self.loop)[self._state]]

    def _placeholder(self, low):
        from ..unroll import known_count
        facts = low.info(low.value(self._state.inputs[0]))
        shape = list(facts.shape)
        if self.kind != LoopOutput.LAST_VALUE:
            count = known_count(low, self.loop)
            if len(self._state.inputs) > 1:
                count = (low.info(low.value(self._state.inputs[1])).contents or [None])[0]
            shape.insert(self.axis, count if isinstance(count, int) else -1)
        return [low.placeholder(facts.dtype, shape)]


class ILoop(Interface):
    """A loop under construction."""

    def __init__(self, network, index):
        self._network, self._name = network, f"(Unnamed Loop* {index})"

    name = property(lambda self: self._name,
                    lambda self, name: setattr(self, "_name", str(name)), doc="the loop's name")

    def _add(self, view, tensor, **settings):
        return self._network._add(view, [tensor], loop=self, **settings)

    def add_recurrence(self, initial_value):
        """A value of the last turn; set_input(1, ...) of the layer gives that of a turn's end."""
        return self._add(IRecurrenceLayer, initial_value)

    def add_trip_limit(self, tensor, kind):
        """How often: a COUNT, an integer scalar that is known when the engine is built."""
        return self._add(ITripLimitLayer, tensor, kind=TripLimit(kind))

    def add_iterator(self, tensor, axis=0, reverse=False):
        """Slices of a value, one a turn."""
        return self._add(IIteratorLayer, tensor, axis=int(axis), reverse=bool(reverse))

    def add_loop_output(self, tensor, kind, axis=0):
        """A result."""
        return self._add(ILoopOutputLayer, tensor, kind=LoopOutput(kind), axis=int(axis))
