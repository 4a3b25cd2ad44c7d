# SPDX-License-Identifier: Apache-2.0
"""Loops, conditions and layers whose results' sizes depend on data: a network may hold them, with
shapes as far as they can be told; a build refuses them by name."""
from ..enums import BoundingBoxFormat, DataType, LayerType, LoopOutput, TripLimit
from ..interface import Interface
from .base import ILayer, Parameter

_NO_LOOPS = "Lathe does not run loops yet; unroll it when the model is exported"
_NO_CONDITIONS = ("Lathe does not run conditions yet; compute both branches and choose with "
                  "add_select")
_NO_DATA_SIZES = "Lathe does not run results whose sizes depend on data yet"


class ILoopBoundaryLayer(ILayer):
    """A part of a loop."""

    REFUSAL = _NO_LOOPS

    loop = property(lambda self: self._state.settings["loop"], doc="the ILoop")


class ITripLimitLayer(ILoopBoundaryLayer):
    """How often a loop runs."""

    TYPE, TITLE, OUTPUTS = LayerType.TRIP_LIMIT, "TripLimit", 0

    kind = property(lambda self: self._state.settings["kind"], doc="COUNT or WHILE")

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
        kept = [size for d, size in enumerate(facts.shape) if d != self.axis]
        return [low.placeholder(facts.dtype, kept)]


class ILoopOutputLayer(ILoopBoundaryLayer):
    """A result of a loop."""

    TYPE, TITLE = LayerType.LOOP_OUTPUT, "LoopOutput"

    axis = Parameter(0, int, "CONCATENATE, REVERSE: where the turns follow each other")
    kind = property(lambda self: self._state.settings["kind"], doc="which values")

    def _placeholder(self, low):
        facts = low.info(low.value(self._state.inputs[0]))
        shape = list(facts.shape)
        if self.kind != LoopOutput.LAST_VALUE:
            shape.insert(self.axis, -1)
        return [low.placeholder(facts.dtype, shape)]


class ILoop(Interface):
    """A loop under construction."""

    lathe_refused = _NO_LOOPS

    def __init__(self, network, index):
        self._network, self._name = network, f"(Unnamed Loop* {index})"

    name = property(lambda self: self._name,
                    lambda self, name: setattr(self, "_name", str(name)), doc="the loop's name")

    def _add(self, view, tensor, **settings):
        return self._network._add(view, [tensor], loop=self, **settings)

    def add_recurrence(self, initial_value):
        """A value of the last turn."""
        return self._add(IRecurrenceLayer, initial_value)

    def add_trip_limit(self, tensor, kind):
        """How often: a count, or a condition."""
        return self._add(ITripLimitLayer, tensor, kind=TripLimit(kind))

    def add_iterator(self, tensor, axis=0, reverse=False):
        """Slices of a value."""
        return self._add(IIteratorLayer, tensor, axis=int(axis), reverse=bool(reverse))

    def add_loop_output(self, tensor, kind, axis=0):
        """A result."""
        return self._add(ILoopOutputLayer, tensor, kind=LoopOutput(kind), axis=int(axis))


class IIfConditionalBoundaryLayer(ILayer):
    """A part of a condition."""

    REFUSAL = _NO_CONDITIONS

    conditional = property(lambda self: self._state.settings["conditional"],
                           doc="the IIfConditional")


class IConditionLayer(IIfConditionalBoundaryLayer):
    """What decides."""

    TYPE, TITLE, OUTPUTS = LayerType.CONDITION, "Condition", 0

    def _placeholder(self, low):
        return []


class IIfConditionalInputLayer(IIfConditionalBoundaryLayer):
    """A value for the branches."""

    TYPE, TITLE = LayerType.CONDITIONAL_INPUT, "ConditionalInput"


class IIfConditionalOutputLayer(IIfConditionalBoundaryLayer):
    """A result of the branch that ran."""

    TYPE, TITLE = LayerType.CONDITIONAL_OUTPUT, "ConditionalOutput"


class IIfConditional(Interface):
    """A condition under construction."""

    lathe_refused = _NO_CONDITIONS

    def __init__(self, network, index):
        self._network, self._name = network, f"(Unnamed Conditional* {index})"

    name = property(lambda self: self._name,
                    lambda self, name: setattr(self, "_name", str(name)),
                    doc="the condition's name")

    def set_condition(self, condition):
        """What decides: a bool."""
        return self._network._add(IConditionLayer, [condition], conditional=self)

    def add_input(self, input):
        """A value for the branches."""
        return self._network._add(IIfConditionalInputLayer, [input], conditional=self)

    def add_output(self, true_subgraph_output, false_subgraph_output):
        """A result: of one branch or of the other."""
        return self._network._add(IIfConditionalOutputLayer,
                                  [true_subgraph_output, false_subgraph_output], conditional=self)


class INonZeroLayer(ILayer):
    """Coordinates of what is not zero, [rank, count]."""

    TYPE, TITLE, REFUSAL = LayerType.NON_ZERO, "NonZero", _NO_DATA_SIZES

    indices_type = Parameter(DataType.INT32, DataType, "INT32 or INT64")

    def _placeholder(self, low):
        return [low.placeholder("i64" if self.indices_type == DataType.INT64 else "i32",
                                [low.rank(low.value(self._state.inputs[0])), -1])]


class INMSLayer(ILayer):
    """Boxes that remain after suppression of overlaps."""

    TYPE, TITLE, REFUSAL, OUTPUTS = LayerType.NMS, "NMS", _NO_DATA_SIZES, 2

    bounding_box_format = Parameter(BoundingBoxFormat.CORNER_PAIRS, BoundingBoxFormat,
                                    "how boxes are given")
    topk_box_limit = Parameter(2000, int, "boxes looked at for each class")
    indices_type = Parameter(DataType.INT32, DataType, "INT32 or INT64")

    def _placeholder(self, low):
        kind = "i64" if self.indices_type == DataType.INT64 else "i32"
        return [low.placeholder(kind, [-1, 3]), low.placeholder("i32", [])]


# Every use of these is refused.
TripLimit.lathe_refused = LoopOutput.lathe_refused = _NO_LOOPS
BoundingBoxFormat.lathe_refused = _NO_DATA_SIZES
