# SPDX-License-Identifier: Apache-2.0
"""Refitter: other weights for an engine that was built with BuilderFlag.REFIT. The engine is
compiled again from what its plan carries, with the measurements of its build: tactics stay."""
import numpy as np

from .. import _core
from .._arrays import numpy_type
from .._default_device import engine_device
from ..errors import Error, InputError
from . import dtypes, recipe
from .enums import ErrorCodeTRT, Severity, TensorLocation, WeightsRole
from .interface import Interface
from .logger import check_logger
from .observers import record
from .stripped import weights_of
from .support import Setting
from .timing_cache import CacheFile, ITimingCache
from .weights import Weights, as_weights


class Refitter(Interface):
    """Made with a refittable engine and a logger."""

    error_recorder = Setting(None, "told of errors too")
    max_threads = Setting(0, "threads of rebuilding; 0: what the container may use", int)
    weights_validation = Setting(True, "kept; sizes and types are always checked", bool)

    def __init__(self, engine, logger):
        self._engine, self._logger = engine, check_logger(logger)
        if not engine.refittable:
            raise ValueError("the engine is not refittable: build it with BuilderFlag.REFIT")
        self._given, self._locations, self._ranges = {}, {}, {}
        facts = engine._plan.recipe
        self._constants = {v["constant"]: v for v in facts["values"] if "constant" in v}
        self._names = list(facts["refit"]["names"])
        self._roles = {(layer, WeightsRole[role]): name
                       for layer, role, name in facts["refit"]["roles"]}

    logger = property(lambda self: self._logger, doc="the logger")

    def _report(self, text):
        self._logger.log(Severity.ERROR, text)
        record(text, ErrorCodeTRT.INVALID_ARGUMENT, self)
        return False

    # --- giving

    def set_named_weights(self, name, weights, location=TensorLocation.HOST):
        """Whether weights of that name, type and size are there to be replaced."""
        if name not in self._names:
            return self._report(f"the engine has no refittable weights '{name}'")
        weights, constant = as_weights(weights), self._constants[name]
        wanted = int(np.prod(constant["shape"], dtype=np.int64))
        if weights.size != wanted or not _converts(weights.dtype, constant["dtype"]):
            return self._report(
                f"weights '{name}' are {constant['dtype']} with {wanted} elements, "
                f"{dtypes.to_lathe(weights.dtype)} with {weights.size} were given")
        self._given[name], self._locations[name] = weights, TensorLocation(location)
        return True

    def set_weights(self, layer_name, role, weights):
        """The same by layer and role."""
        name = self._roles.get((layer_name, WeightsRole(role)))
        if name is None:
            return self._report(f"layer '{layer_name}' has no refittable {WeightsRole(role).name} "
                                "weights")
        return self.set_named_weights(name, weights)

    def unset_named_weights(self, weights_name):
        """The engine's own again."""
        self._locations.pop(weights_name, None)
        return self._given.pop(weights_name, None) is not None

    # --- asking

    def get_all_weights(self):
        """Names of all refittable weights."""
        return list(self._names)

    def get_missing_weights(self):
        """Names of weights that a stripped engine lacks and that are not given; weights that an
        engine has stay unless others are given."""
        plan = self._engine._plan
        if not plan.lacks_weights:
            return []
        return [name for name, blob in weights_of(plan.recipe).items()
                if name not in self._given and not plan.blobs[blob]
                and self.get_weights_prototype(name).size]

    def get_all(self):
        """(layers, roles) of all refittable weights that a layer of the API owns."""
        keys = [key for key, name in self._roles.items() if name in self._names]
        return [layer for layer, _ in keys], [role for _, role in keys]

    def get_missing(self):
        """(layers, roles) of the missing weights that a layer of the API owns."""
        missing = self.get_missing_weights()
        keys = [key for key, name in self._roles.items() if name in missing]
        return [layer for layer, _ in keys], [role for _, role in keys]

    def get_named_weights(self, weights_name):
        """What was given, else the engine's own."""
        if weights_name in self._given:
            return self._given[weights_name]
        constant = self._constants.get(weights_name)
        if constant is None:
            return Weights()
        dtype, blob = dtypes.shown(constant["dtype"]), self._engine._plan.blobs[constant["blob"]]
        if dtypes.to_lathe(dtype) == constant["dtype"]:
            bits = np.frombuffer(blob, dtypes.numpy_bits(dtype))
        else:
            bits = np.frombuffer(blob, numpy_type(constant["dtype"])).astype(dtypes.nptype(dtype))
        weights = Weights(dtype, bits.ctypes.data, bits.size)
        weights._owner = bits
        return weights

    def get_weights_location(self, weights_name):
        """Where what was given lies."""
        return self._locations.get(weights_name, TensorLocation.HOST)

    def get_weights_prototype(self, weights_name):
        """Type and count without elements."""
        constant = self._constants.get(weights_name)
        if constant is None:
            return Weights(dtypes.DataType.FLOAT, 0, -1)
        return Weights(dtypes.shown(constant["dtype"]), 0,
                       int(np.prod(constant["shape"], dtype=np.int64)))

    def set_dynamic_range(self, tensor_name, range):
        """False: the engine has no INT8."""
        return False

    def get_dynamic_range(self, tensor_name):
        """(-1, -1): none."""
        return (-1.0, -1.0)

    def get_tensors_with_dynamic_range(self):
        """[]."""
        return []

    # --- refitting

    def refit_cuda_engine(self):
        """Whether the engine has the new weights; contexts have them at their next run."""
        try:
            self._refit()
            return True
        except (Error, ValueError) as error:
            return self._report(f"refit_cuda_engine: {error}")

    def refit_cuda_engine_async(self, stream_handle):
        """The same; done when it returns."""
        return self.refit_cuda_engine()

    def _refit(self):
        plan = self._engine._plan
        missing = self.get_missing_weights()
        if missing:
            raise ValueError("the engine was stripped of its weights; missing are "
                             f"{', '.join(missing)}")
        replaced = {name: self._bytes(name, weights) for name, weights in self._given.items()}
        try:
            model = recipe.read(plan.recipe, plan.blobs, replaced).finish()
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError) as error:
            raise InputError(f"the plan is damaged: {error}") from error
        with CacheFile(ITimingCache(plan.cache)) as cache:
            engines = [_core.Engine.build(model, self._options(profile, cache.path),
                                          None).serialize() for profile in plan.profiles]
        self._exchange(plan.profiles, [(engine, None) for engine in engines])
        for name, data in replaced.items():
            plan.blobs[self._constants[name]["blob"]] = data
        self._engine._generation += 1

    def _exchange(self, profiles, fresh):
        """Opens other engines for the profiles; those that there were where one is refused."""
        def load(parts):
            for profile, (engine, facts) in zip(profiles, parts):
                profile.engine, profile.facts = engine, facts
            self._engine._load()

        before = [(profile.engine, profile.facts) for profile in profiles]
        try:
            load(fresh)
        except Error:
            load(before)
            raise

    def _bytes(self, name, weights):
        """The elements on the host, of the engine's type."""
        if self._locations[name] == TensorLocation.DEVICE:
            from ..cuda.driver import from_device
            kind = dtypes.numpy_bits(weights.dtype)
            bits = from_device(weights._pointer, (weights.nbytes // kind.itemsize,), kind)
        else:
            bits = weights._bits()
        wanted = dtypes.from_lathe(self._constants[name]["dtype"])
        return bits.astype(dtypes.numpy_bits(wanted), copy=False).tobytes()

    def _options(self, profile, cache_path):
        kept = self._engine._plan.recipe["refit"]["options"]
        options = _core.BuildOptions()
        options.device = self._engine._device
        if options.device == "cuda":  # a stripped engine has only the kind
            options.device = engine_device() or "cuda"
        options.shapes = self._engine._plan.memory_shapes(profile.shapes)
        options.threads, options.timing_cache = self.max_threads, cache_path
        for name, value in kept.items():
            setattr(options, name, value)
        return options


def _converts(given, wanted):
    """Whether weights of a DataType may stand for those of a type of Lathe's."""
    halves = (dtypes.DataType.FLOAT, dtypes.DataType.HALF)
    return dtypes.to_lathe(given) == wanted or given in halves and wanted in ("f32", "f16")
