# SPDX-License-Identifier: Apache-2.0
"""Builder: makes networks, configurations and profiles, and builds plans. A build that fails
reports through the logger and returns None."""
from .. import _core
from .._default_device import default_device
from ..errors import Cancelled, Error, UnsupportedError
from . import recipe
from .algorithms import Selection
from .config import REFUSED_FLAGS, IBuilderConfig
from .enums import (BuilderFlag, DataType, ErrorCodeTRT, LayerType,
                    NetworkDefinitionCreationFlag, Severity, WeightsRole)
from .interface import Managed
from .logger import check_logger
from .memory import IHostMemory, described_memory
from .network import INetworkDefinition
from .observers import record
from .plan import Plan, ProfilePlan
from .plugins import get_plugin_registry
from .profile import IOptimizationProfile
from .progress import Progress
from .shape_inputs import ShapeInput, fixed_elements, of_network
from .support import Accepted, Setting, deprecated
from .timing_cache import CacheFile, ITimingCache

F = BuilderFlag


class Builder(Managed):
    """Made with a logger; what it makes keeps it alive."""

    NETWORK_EXPLICIT_BATCH = 1 << int(NetworkDefinitionCreationFlag.EXPLICIT_BATCH)

    max_threads = Setting(0, "threads of a build; 0: what the container may use", int)
    error_recorder = Setting(None, "told of errors too")
    gpu_allocator = Accepted(None, "Lathe allocates what building needs itself")

    _network_class, _config_class = INetworkDefinition, IBuilderConfig
    _runtime_class = None  # Runtime

    def __init__(self, logger):
        self._logger = check_logger(logger)

    logger = property(lambda self: self._logger, doc="the logger")

    def _report(self, severity, text):
        self._logger.log(severity, text)
        if severity <= Severity.ERROR:
            record(text, ErrorCodeTRT.INVALID_CONFIG, self)

    # --- making

    def create_network(self, flags=0):
        """An empty network; flags: a mask of NetworkDefinitionCreationFlag."""
        network = self._network_class(self, flags)
        network.error_recorder = self.error_recorder
        return network

    def create_builder_config(self):
        """A configuration with the defaults."""
        return self._config_class()

    def create_optimization_profile(self):
        """An empty profile."""
        return IOptimizationProfile()

    # --- the platform

    platform_has_tf32 = property(lambda self: _is_gpu(), doc="whether the device is a GPU")
    num_DLA_cores = property(lambda self: 0, doc="0")  # noqa: N815
    max_DLA_batch_size = property(lambda self: 0, doc="0")  # noqa: N815

    @property
    def platform_has_fast_fp16(self):
        """True: FP16 is used where it is measured to be faster."""
        deprecated("platform_has_fast_fp16 is deprecated")
        return True

    @property
    def platform_has_fast_int8(self):
        """False until Lathe quantizes."""
        deprecated("platform_has_fast_int8 is deprecated")
        return False

    def get_plugin_registry(self):
        """The registry."""
        return get_plugin_registry()

    def reset(self):
        """Nothing to reset: networks and configurations have their own state."""

    # --- building

    def is_network_supported(self, network, config):
        """Whether a build has what it needs: operators, types, flags. Builds nothing."""
        return self._guarded(lambda: self._checked(network, config)) is not None

    def build_serialized_network(self, network, config):
        """The plan as IHostMemory, or None."""
        return self._guarded(lambda: self._built(network, config))

    def _built(self, network, config):
        plan = self._plan(network, config)
        return IHostMemory(plan.to_bytes(without_weights=plan.strip))

    def build_serialized_network_to_stream(self, network, config, writer):
        """Whether the plan was built and written."""
        data = self.build_serialized_network(network, config)
        return data is not None and writer.write(bytes(data)) == len(data)

    def build_engine_with_config(self, network, config):
        """The engine, or None."""
        from .runtime import Runtime
        data = self.build_serialized_network(network, config)
        runtime = self._runtime_class or Runtime
        return None if data is None else runtime(self._logger).deserialize_cuda_engine(data)

    def _guarded(self, action):
        try:
            return action()
        except Cancelled:
            self._report(Severity.WARNING, "the build was cancelled")
        except (Error, ValueError, TypeError, OSError) as error:
            self._report(Severity.ERROR, str(error))
        return None

    def _max_batch(self, network):
        """Samples of a run: of networks without a batch dimension, which legacy.py has."""
        return 1

    def _checked(self, network, config):
        """The Lowering of a network that can be built so."""
        if not isinstance(network, INetworkDefinition):
            raise TypeError(f"network: expected an INetworkDefinition, got "
                            f"{type(network).__name__}")
        self._check_flags(network, config)
        low = network._lowered(fixed_elements(config._profiles))
        low.net.check()
        if config.get_flag(F.DIRECT_IO) and low.layouts:
            name, layout = next(iter(low.layouts.items()))
            self._report(Severity.WARNING, f"BuilderFlag.DIRECT_IO: tensor '{name}' is bound as "
                         f"{layout.format.name}, which a step of the engine converts")
        return low

    def _check_flags(self, network, config):
        strongly = network.get_flag(NetworkDefinitionCreationFlag.STRONGLY_TYPED)
        for flag in (F.FP16, F.BF16, F.INT8, F.FP8, F.INT4, F.FP4):
            if strongly and config.get_flag(flag):
                raise ValueError(f"BuilderFlag.{flag.name}: a strongly typed network has its types "
                                 "itself; clear the flag")
        quantized = any(state.view.TYPE in (LayerType.QUANTIZE, LayerType.DEQUANTIZE)
                        or state.settings.get("to_type") == DataType.INT8
                        or any(t._dtype == DataType.INT8 for t in state.outputs)
                        for state in network._layers)
        for flag, reason in REFUSED_FLAGS.items():
            explicit = flag == F.INT8 and quantized and config.int8_calibrator is None
            if config.get_flag(flag) and not explicit:
                raise UnsupportedError(f"BuilderFlag.{flag.name}: {reason}")

    def _plan(self, network, config):
        low = self._checked(network, config)
        profiles = _profiles(network, config)
        refit = any(config.get_flag(f) for f in (F.REFIT, F.REFIT_IDENTICAL, F.REFIT_INDIVIDUAL,
                                                 F.STRIP_PLAN))
        cache = config.get_timing_cache()
        if config.algorithm_selector is not None and config.get_flag(F.DISABLE_TIMING_CACHE):
            cache = ITimingCache()  # a selector chooses through a cache: one of its own
        elif cache is None and (refit or config.algorithm_selector is not None):
            cache = ITimingCache()
        plan = Plan([ProfilePlan(b"", shapes) for shapes in profiles], network.name,
                    layouts=low.layouts, debug_sync=config.get_flag(F.DEBUG),
                    strip=config.get_flag(F.STRIP_PLAN), max_batch=self._max_batch(network),
                    shape_inputs=low.shape_inputs, metadata=network._metadata(),
                    aliases=network._aliases(), assertions=low.assertions)
        unfused = self._unfused(plan, network, config, cache) if network._debug_unfused else ()
        plan.debug = network._mark_debug_outputs(low, unfused)
        cache = self._build_all(plan, low.net.finish(), network, config, cache)
        if refit:
            self._add_recipe(plan, low, network, config, cache)
        return plan

    def _build_all(self, plan, model, network, config, cache):
        """The plan's engines, with what an algorithm selector chooses; the cache that has it."""
        self._build_engines(plan, model, network, config, cache, config.progress_monitor)
        if config.algorithm_selector is None:
            return cache
        selection = Selection(config.algorithm_selector,
                              config.get_flag(F.REJECT_EMPTY_ALGORITHMS), cache)
        selection.settle(
            lambda: [_core.Engine.parse(profile.engine) for profile in plan.profiles],
            lambda pinned: self._build_engines(plan, model, network, config, pinned, None))
        return selection.cache

    def _unfused(self, plan, network, config, cache):
        """Tensors that fusion leaves, from a build of the first profile without debug tensors."""
        with CacheFile(cache, _uncached(config)) as file:
            options = self._options(network, config, file.path)
            options.shapes = plan.memory_shapes(plan.profiles[0].shapes)
            return network._unfused_tensors(
                lambda model: _core.Engine.build(model, options, None))

    def _build_engines(self, plan, model, network, config, cache, monitor):
        """An engine for each of the plan's profiles."""
        progress = None if monitor is None else Progress(monitor, len(plan.profiles))
        hits = config.get_flag(F.ERROR_ON_TIMING_CACHE_MISS) and config.get_timing_cache()
        try:
            with CacheFile(cache, _uncached(config), bool(hits)) as file:
                for profile in plan.profiles:
                    options = self._options(network, config, file.path)
                    options.shapes = plan.memory_shapes(profile.shapes)
                    profile.engine = _core.Engine.build(model, options, progress).serialize()
                    if config.get_flag(F.MONITOR_MEMORY):
                        self._report(Severity.INFO, described_memory())
                    if progress is not None and not progress.engine_done():
                        raise Cancelled("the progress monitor said stop")
        finally:
            if progress is not None:
                progress.finish()

    def _options(self, network, config, cache_path):
        options = _core.BuildOptions()
        options.device = default_device()
        options.fp16 = config.get_flag(F.FP16) and not self._pinned(network, config)
        options.bf16 = config.get_flag(F.BF16) and not self._pinned(network, config)
        options.tf32 = config.get_flag(F.TF32)
        options.threads = self.max_threads
        options.timing_cache = cache_path
        options.tune = config.builder_optimization_level > 0
        options.workspace_bytes = config._pools[_WORKSPACE]
        return options

    def _pinned(self, network, config):
        """Whether a layer must stay in FP32: then all do, which keeps the constraint."""
        pinned = [s.name for s in network._layers if s.precision == DataType.FLOAT]
        if not pinned:
            return False
        if config.get_flag(F.OBEY_PRECISION_CONSTRAINTS):
            self._report(Severity.WARNING, f"layer '{pinned[0]}' (of {len(pinned)}) must stay in "
                         "FP32 (OBEY_PRECISION_CONSTRAINTS): the whole network does")
            return True
        self._report(Severity.VERBOSE, f"{len(pinned)} layers would rather stay in FP32; types are "
                     "chosen by time and measured error")
        return False

    def _add_recipe(self, plan, low, network, config, cache):
        blobs = recipe.Blobs()
        plan.recipe = recipe.write(low.net, blobs)
        named = {(layer, role.name): name for (layer, role), name in low.weights.items()}
        for state in network._layers:  # of parsed filters
            for role, kind in (("kernel", WeightsRole.KERNEL), ("bias", WeightsRole.BIAS)):
                weights = state.settings.get(role)
                if state.node is not None and getattr(weights, "_value", None) is not None:
                    named[state.name, kind.name] = weights._value.name
        known = set(named.values())  # by the program, which what lowering made is not
        if network._source is not None:
            known |= set(network._parsed_base().constants)
        constants = known & {v["constant"] for v in plan.recipe["values"] if "constant" in v}
        individual = config.get_flag(F.REFIT_INDIVIDUAL)
        plan.recipe["refit"] = {
            "roles": [[layer, role, name] for (layer, role), name in named.items()],
            "names": sorted(constants & network._refittable if individual else constants),
            "options": {"fp16": config.get_flag(F.FP16) and not self._pinned(network, config),
                        "bf16": config.get_flag(F.BF16) and not self._pinned(network, config),
                        "tf32": config.get_flag(F.TF32),
                        "tune": config.builder_optimization_level > 0,
                        "workspace_bytes": config._pools[_WORKSPACE]}}
        plan.blobs, plan.cache = blobs.items, cache._data


def _uncached(config):
    """Whether a build measures without a cache."""
    return config.get_flag(F.DISABLE_TIMING_CACHE) and config.algorithm_selector is None


_WORKSPACE = next(iter(IBuilderConfig()._pools))


def _is_gpu():
    return default_device() != "cpu"


def _profiles(network, config):
    """For each profile, the shapes of the dynamic inputs: {name: (min, opt, max)}."""
    dynamic = {t.name: tuple(t.shape) for t in network._inputs if -1 in tuple(t.shape)}
    sizes = {t.name: ShapeInput.of(t) for t in of_network(network)}
    if not config._profiles:
        if dynamic or sizes:
            raise ValueError("Network has dynamic or shape inputs, but no optimization profile has "
                             f"been defined: {', '.join([*dynamic, *sizes])}")
        return [{}]
    return [_profile_shapes(index, profile, dynamic, network)
            | _profile_values(index, profile, sizes)
            for index, profile in enumerate(config._profiles)]


def _profile_values(index, profile, shape_inputs):
    """(min, opt, max) of the elements of the inputs that are shape tensors."""
    for name, known in shape_inputs.items():
        three = profile._values.get(name)
        if three is None:
            raise ValueError(f"profile {index} has no values for the shape input '{name}': "
                             "set_shape_input gives them")
        if len(three[0]) != known.length or min(three[0]) < 0:
            raise ValueError(f"profile {index}: shape input '{name}' is {known.shape}, "
                             f"{three[0]} to {three[2]} do not fit: sizes of 0 and more are "
                             "expected")
    return {name: profile._values[name] for name in shape_inputs}


def _profile_shapes(index, profile, dynamic, network):
    shapes = {}
    fixed = {t.name: tuple(t.shape) for t in network._inputs if t.name not in dynamic}
    for name, shape in dynamic.items():
        three = profile._shapes.get(name)
        if three is None:
            raise ValueError(f"profile {index} has no shape for the dynamic input '{name}'")
        for given in three:
            if len(given) != len(shape) or any(s not in (-1, g) for s, g in zip(shape, given)):
                raise ValueError(f"profile {index}: input '{name}' is {shape}, {given} does not "
                                 "fit")
        shapes[name] = three
    for name, three in profile._shapes.items():
        if name in fixed and any(tuple(s) != fixed[name] for s in three):
            raise ValueError(f"profile {index}: input '{name}' is {fixed[name]}, {three} differ")
    return shapes
