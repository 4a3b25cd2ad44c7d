# SPDX-License-Identifier: Apache-2.0
"""Algorithm selectors. An engine is built, its steps' measured candidates are shown to the
selector, and what it leaves out is given times in a timing cache that nothing would choose; then
the engine is built anew, without measuring what is known. That may fuse otherwise and raise new
questions: they are asked as well. Steps of one operation were measured once, and are asked once; a
step that needed no measuring has one choice."""
import re
import zlib
from dataclasses import dataclass

from . import dtypes
from .dims import Dims
from .timing_cache import ITimingCache

_TENSOR = re.compile(r"(\w+)\[([^\]]*)\]")
_NEVER = 1e6  # seconds: the time of what was not selected


class IAlgorithmIOInfo:
    """The type and strides of one operand or result, row-major."""

    vectorized_dim = property(lambda self: -1, doc="-1")
    components_per_element = property(lambda self: 1, doc="1")

    def __init__(self, dtype, shape):
        self._dtype, self._shape = dtype, shape

    @property
    def dtype(self):
        """The DataType; None for a type that the API lacks."""
        try:
            return dtypes.from_lathe(self._dtype)
        except TypeError:
            return None

    @property
    def strides(self):
        """Elements between neighbours."""
        strides, step = [], 1
        for size in reversed(self._shape):
            strides.insert(0, step)
            step *= size
        return Dims(strides)


class IAlgorithmVariant:
    """Names an algorithm: numbers of the tactic's and its configuration's names."""

    def __init__(self, tactic, config):
        self._numbers = zlib.crc32(tactic.encode()), zlib.crc32(config.encode())

    implementation = property(lambda self: self._numbers[0], doc="which tactic")
    tactic = property(lambda self: self._numbers[1], doc="how it is configured")


@dataclass(frozen=True)
class _Line:
    """A line of a timing cache: one candidate of one operation."""

    key: str
    seconds: float
    workspace: int

    @property
    def parts(self):
        """(operation with its device, tactic, configuration)"""
        operation, tactic, config = self.key.rsplit("|", 2)
        return operation, tactic.split("@")[0], config


class IAlgorithm:
    """One way to compute a step."""

    def __init__(self, line):
        self._line = line

    timing_msec = property(lambda self: self._line.seconds * 1e3, doc="what was measured")
    workspace_size = property(lambda self: self._line.workspace, doc="bytes that it takes")

    @property
    def algorithm_variant(self):
        """Its IAlgorithmVariant."""
        return IAlgorithmVariant(*self._line.parts[1:])

    def get_algorithm_io_info(self, index):
        """Type and strides of operand or, behind the operands, result `index`; or None."""
        tensors = [t for part in _operands(self._line.parts[0]) for t in part]
        return IAlgorithmIOInfo(*tensors[index]) if 0 <= index < len(tensors) else None

    def __repr__(self):
        return f"<IAlgorithm {' '.join(filter(None, self._line.parts[1:]))}>"


class IAlgorithmContext:
    """The step that algorithms are for."""

    def __init__(self, name, operation):
        self._name, self._tensors = name, _operands(operation)

    name = property(lambda self: self._name, doc="the names of its layers")
    num_inputs = property(lambda self: len(self._tensors[0]), doc="operands, weights too")
    num_outputs = property(lambda self: len(self._tensors[1]), doc="results")

    def get_shape(self, index):
        """Dims of operand or result `index`: three times those that it was measured at."""
        tensors = [t for part in self._tensors for t in part]
        return [Dims(tensors[index][1])] * 3 if 0 <= index < len(tensors) else []


class IAlgorithmSelector:
    """Derive from it and define select_algorithms and report_algorithms."""

    def __init__(self):
        pass

    def select_algorithms(self, context, choices):
        """Indices of the choices that may be used; []: Lathe chooses, or the build fails with
        BuilderFlag.REJECT_EMPTY_ALGORITHMS."""
        return list(range(len(choices)))

    def report_algorithms(self, contexts, choices):
        """Receives what was chosen, one algorithm for each context."""


def _operands(operation):
    """(operands, results) of an operation's text, each (type, sizes)."""
    before, _, after = operation.rpartition(" -> ")
    before = before[before.rfind("}(") + 1:]
    return tuple([(kind, [int(s) if s.isdigit() else -1 for s in sizes.split(",") if s])
                  for kind, sizes in _TENSOR.findall(part)] for part in (before, after))


class Selection:
    """A selector's choices, enforced through a timing cache of their own."""

    def __init__(self, selector, reject_empty, cache):
        self._selector, self._reject_empty = selector, reject_empty
        self.cache = ITimingCache(cache._data)
        self._allowed = {}  # operation -> keys

    def settle(self, engines, rebuild):
        """Asks for the steps of `engines()` and calls rebuild(cache) until nothing is new."""
        while self._ask(engines()):
            self._pin()
            rebuild(self.cache)
        found = self._steps(engines())
        self._call("report_algorithms", [context for context, _ in found],
                   [IAlgorithm(line) for _, line in found])

    def _call(self, method, *arguments):
        """Calls the selector, whose own failures end the build as others do."""
        try:
            return getattr(self._selector, method)(*arguments)
        except Exception as error:
            raise ValueError(f"the algorithm selector failed: {error!r}") from error

    def _lines(self):
        for text in self.cache._lines().values():
            seconds, _, _, workspace, _, key = text.decode().rstrip("\n").split("\t")
            if not key.startswith("chain|"):
                yield _Line(key, float(seconds), int(workspace))

    def _steps(self, engines):
        """[(context, line of what was chosen)] of all steps."""
        lines = {}
        for line in self._lines():
            lines.setdefault((line.seconds, *line.parts[1:]), []).append(line)
        found = []
        for step in (step for engine in engines for step in engine.steps()):
            # Two operations may take the same time.
            same = lines.get((step.seconds, step.tactic, step.config), [])
            named = [line for line in same if line.parts[0].endswith(f"|{step.op}")]
            line = (named or same or [
                _Line(f"{step.op}|{step.tactic}|{step.config}", step.seconds, 0)])[0]
            found.append((IAlgorithmContext(step.name, line.parts[0]), line))
        return found

    def _ask(self, engines):
        """Whether the selector was asked for an operation that it had not been asked for."""
        choices = {}
        for line in self._lines():
            choices.setdefault(line.parts[0], []).append(line)
        new = False
        for context, line in self._steps(engines):
            operation = line.parts[0]
            if operation not in self._allowed:
                self._allowed[operation] = self._selected(context, choices.get(operation, [line]))
                new = new or operation in choices
        return new

    def _selected(self, context, lines):
        lines = sorted(lines, key=lambda line: line.seconds)
        chosen = list(self._call("select_algorithms", context, [IAlgorithm(n) for n in lines]))
        if not chosen and self._reject_empty:
            raise ValueError(f"the algorithm selector left nothing for '{context.name}' "
                             "(REJECT_EMPTY_ALGORITHMS)")
        for index in chosen:
            if not 0 <= index < len(lines):
                raise ValueError(f"the algorithm selector chose {index} of {len(lines)} for "
                                 f"'{context.name}'")
        return {lines[index].key for index in chosen} or {line.key for line in lines}

    def _pin(self):
        """Gives what was left out a time that nothing would choose."""
        lines = self.cache._lines()
        for line in self._lines():
            if line.key not in self._allowed.get(line.parts[0], (line.key,)):
                rest = lines[line.key].split(b"\t", 1)[1]
                lines[line.key] = repr(_NEVER).encode() + b"\t" + rest
        self.cache._store(lines)
