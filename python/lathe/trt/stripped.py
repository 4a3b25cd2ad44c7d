# SPDX-License-Identifier: Apache-2.0
"""Plans without weights (BuilderFlag.STRIP_PLAN, SerializationFlag.EXCLUDE_WEIGHTS): neither the
engines, which have the weights packed in them, nor the weights that a refit gives. What an engine
says of itself before that is kept here in their stead."""
from dataclasses import dataclass

from .. import _core
from .._default_device import engine_device
from . import dtypes

# Types whose constants are weights that a program can give; others, shapes and indices above all,
# stay in the plan.
_WEIGHT_TYPES = ("f32", "f16", "bf16", "i8", "u8", "f8e4m3fn", "i4", "f4e2m1")


def weights_of(recipe):
    """{name: number of its blob} of the weights that a stripped plan leaves out: all that a refit
    gives, shapes and indices aside."""
    names = set(recipe["refit"]["names"])
    return {v["constant"]: v["blob"] for v in recipe["values"]
            if v.get("constant") in names and v["dtype"] in _WEIGHT_TYPES}


@dataclass
class _Port:
    """As _core's port."""

    name: str
    type: str
    shape: list

    def __post_init__(self):
        dtypes.from_lathe(self.type)
        if not isinstance(self.name, str) or not all(type(s) in (int, str) for s in self.shape):
            raise TypeError(f"a port is {self.name}: {self.shape}")


class StrippedEngine:
    """What is known of an engine that a plan does not hold; it answers as _core.Engine does."""

    def __init__(self, facts):
        """KeyError, TypeError or ValueError where a plan holds something else."""
        self._inputs = [_Port(*port) for port in facts["inputs"]]
        self._outputs = [_Port(*port) for port in facts["outputs"]]
        self._device, self._model = str(facts["device"]), str(facts["model"])
        self._profiles = {p.name: facts["profile"][p.name] for p in self._inputs}
        self._memory = int(facts["device_memory"])

    @staticmethod
    def facts(engine):
        """The facts of a _core.Engine as JSON."""
        return {
            "inputs": [[p.name, str(p.type), list(p.shape)] for p in engine.inputs()],
            "outputs": [[p.name, str(p.type), list(p.shape)] for p in engine.outputs()],
            "device": engine.device().partition(":")[0], "model": engine.model_name(),
            "profile": {p.name: [list(s) for s in _core.engine_profile(engine, p.name)]
                        for p in engine.inputs()},
            "device_memory": _core.engine_device_memory_size(engine)}

    def inputs(self):
        """Ports."""
        return self._inputs

    def outputs(self):
        """Ports."""
        return self._outputs

    def device(self):
        """The device that it was built for."""
        return self._device

    def model_name(self):
        """The network's name."""
        return self._model

    def steps(self):
        """[]: it has none until it is refitted."""
        return []

    def weight_bytes(self):
        """0."""
        return 0

    def profile(self, name):
        """(min, opt, max) of an input."""
        return self._profiles[name]

    def device_memory_size(self):
        """Bytes of activations."""
        return self._memory


def opened(profile):
    """The engine of a profile of a plan."""
    if profile.facts:
        return StrippedEngine(profile.facts)
    return _core.Engine.parse(profile.engine, [], engine_device())


def profile_of(engine, name):
    """(min, opt, max) of an input of an engine, stripped or not."""
    if isinstance(engine, StrippedEngine):
        return engine.profile(name)
    return _core.engine_profile(engine, name)


def device_memory_size(engine):
    """Bytes of activations of an engine, stripped or not."""
    if isinstance(engine, StrippedEngine):
        return engine.device_memory_size()
    return _core.engine_device_memory_size(engine)
