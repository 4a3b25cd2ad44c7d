# SPDX-License-Identifier: Apache-2.0
"""If-conditionals. Both branches are computed in every run, and the condition chooses between their
results; a condition that is known when the engine is built leaves one branch. So a branch costs its
time when it is not taken, and must be one that can always run."""
from ...errors import UnsupportedError
from ..enums import LayerType
from ..interface import Interface
from .base import ILayer


class IIfConditionalBoundaryLayer(ILayer):
    """A part of a conditional."""

    conditional = property(lambda self: self._state.settings["conditional"],
                           doc="the IIfConditional")


class IConditionLayer(IIfConditionalBoundaryLayer):
    """What decides: a bool scalar."""

    TYPE, TITLE, OUTPUTS = LayerType.CONDITION, "Condition", 0

    def _lower(self, low):
        facts = low.info(low.value(self._state.inputs[0]))
        if facts.dtype != "bool" or any(size != 1 for size in facts.shape):
            raise ValueError(f"the condition is {facts.dtype}{facts.shape}, expected a bool scalar")
        return []


class IIfConditionalInputLayer(IIfConditionalBoundaryLayer):
    """A value for the branches."""

    TYPE, TITLE = LayerType.CONDITIONAL_INPUT, "ConditionalInput"

    def _lower(self, low):
        return [low.onnx("Identity", [low.value(self._state.inputs[0])])]


class IIfConditionalOutputLayer(IIfConditionalBoundaryLayer):
    """A result: input 0 where the condition holds, else input 1. One type and shape."""

    TYPE, TITLE = LayerType.CONDITIONAL_OUTPUT, "Output"

    def _lower(self, low):
        condition = self.conditional._condition
        if condition is None:
            raise ValueError(f"'{self.conditional.name}' has no condition: set_condition gives it")
        condition = low.value(condition)
        branches = low.match(*(low.value(t) for t in self._state.inputs))
        self._check(low, branches)
        known = low.info(condition).contents
        if known is not None and isinstance(known[0], int):
            return [low.onnx("Identity", [branches[0 if known[0] else 1]])]
        return [low.pointwise("select(a, b, c)", low.reshape(condition, []), *branches)]

    @staticmethod
    def _check(low, branches):
        first, second = (low.info(b) for b in branches)
        if first.dtype != second.dtype:
            raise ValueError(f"the branches give {first.dtype} and {second.dtype}, expected one "
                             "type")
        if first.shape != second.shape:
            raise UnsupportedError(f"the branches give {first.shape} and {second.shape}: Lathe "
                                   "computes both and takes results of one shape")


class IIfConditional(Interface):
    """A conditional under construction."""

    def __init__(self, network, index):
        self._network, self._name = network, f"(Unnamed Conditional* {index})"
        self._condition = None

    name = property(lambda self: self._name,
                    lambda self, name: setattr(self, "_name", str(name)),
                    doc="the conditional's name")

    def set_condition(self, condition):
        """What decides: a bool scalar."""
        layer = self._network._add(IConditionLayer, [condition], conditional=self)
        self._condition = condition
        return layer

    def add_input(self, input):
        """A value for the branches."""
        return self._network._add(IIfConditionalInputLayer, [input], conditional=self)

    def add_output(self, true_subgraph_output, false_subgraph_output):
        """A result: of one branch or of the other."""
        return self._network._add(IIfConditionalOutputLayer,
                                  [true_subgraph_output, false_subgraph_output], conditional=self)
