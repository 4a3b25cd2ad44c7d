# SPDX-License-Identifier: Apache-2.0
"""IBuilderConfig: how an engine is built."""
from . import enums as e
from .calibrators import REFUSAL as NO_CALIBRATION
from .interface import Managed
from .profile import IOptimizationProfile
from .support import Accepted, OneOf, RefusedAtBuild, Setting, warn
from .timing_cache import ITimingCache, is_cache

F = e.BuilderFlag
_NARROW = "Lathe does not compute in {} yet; build with FP16 or BF16"

# Flags that a build refuses, and those that are accepted without effect, with the reasons.
REFUSED_FLAGS = {
    F.INT8: f"INT8 without quantization in the network: {NO_CALIBRATION}",
    F.FP8: _NARROW.format("FP8"),
    F.INT4: _NARROW.format("INT4"),
    F.FP4: _NARROW.format("FP4"),
}
ACCEPTED_FLAGS = {
    F.GPU_FALLBACK: "there is no DLA to fall back from",
    F.SAFETY_SCOPE: "there is no safety runtime",
    F.WEIGHT_STREAMING: "weights stay on the device",
    F.DISTRIBUTIVE_INDEPENDENCE: "tactics may differ in rounding between batch sizes",
}
_NO_DLA = "there is no DLA; everything runs on the engine's device"
_POOLS = {
    e.MemoryPoolType.WORKSPACE: -1,
    e.MemoryPoolType.DLA_MANAGED_SRAM: 0,
    e.MemoryPoolType.DLA_LOCAL_DRAM: 1 << 30,
    e.MemoryPoolType.DLA_GLOBAL_DRAM: 1 << 29,
    e.MemoryPoolType.TACTIC_DRAM: -1,
    e.MemoryPoolType.TACTIC_SHARED_MEMORY: 1 << 30,
}
_DLA_POOLS = (e.MemoryPoolType.DLA_MANAGED_SRAM, e.MemoryPoolType.DLA_LOCAL_DRAM,
              e.MemoryPoolType.DLA_GLOBAL_DRAM)
_DEFAULT_SOURCES = sum(1 << int(s) for s in (e.TacticSource.EDGE_MASK_CONVOLUTIONS,
                                             e.TacticSource.JIT_CONVOLUTIONS))


class IBuilderConfig(Managed):
    """Made by Builder.create_builder_config; keeps what is given to it alive."""

    avg_timing_iterations = Setting(1, "kept; Lathe measures until it is sure", int)
    builder_optimization_level = Setting(3, "0: no measuring, the cost model decides", int)
    max_num_tactics = Setting(-1, "kept; bad tactics are left early", int)
    profiling_verbosity = Setting(e.ProfilingVerbosity.LAYER_NAMES_ONLY, "kept; engines always "
                                  "carry their details", e.ProfilingVerbosity)
    progress_monitor = Setting(None, "an IProgressMonitor")
    profile_stream = Setting(0, "kept; building has a stream of its own", int)
    hardware_compatibility_level = Setting(
        e.HardwareCompatibilityLevel.NONE, "kept; an engine opened on another device tunes itself "
        "anew", e.HardwareCompatibilityLevel)
    tiling_optimization_level = Setting(e.TilingOptimizationLevel.NONE, "kept; tiles are part of "
                                        "tuning", e.TilingOptimizationLevel)
    l2_limit_for_tiling = Setting(0, "kept; as tiling_optimization_level", int)
    max_aux_streams = Setting(-1, "kept; engines need none", int)
    engine_capability = OneOf(e.EngineCapability.STANDARD, "engines are STANDARD")
    default_device_type = OneOf(e.DeviceType.GPU, _NO_DLA)
    DLA_core = Accepted(-1, _NO_DLA, int)
    runtime_platform = OneOf(e.RuntimePlatform.SAME_AS_BUILD, "there is no runtime for Windows")
    plugins_to_serialize = Accepted([], "plugins are not loaded", list)
    algorithm_selector = Setting(None, "an IAlgorithmSelector, asked for each step that was "
                                 "measured; the engine is built anew with what it chose")
    remote_auto_tuning_config = Accepted("", "tuning is local", str)

    def __init__(self):
        self._clear()

    def _clear(self):
        self._flags = 1 << int(F.TF32)
        self._pools, self._profiles = dict(_POOLS), []
        self._sources, self._previews, self._quantization = _DEFAULT_SOURCES, {}, 0
        self._cache, self._calibrator, self._calibration_profile = None, None, None
        self._devices = {}

    def __setattr__(self, name, value):
        # The one name of 8.x that may be assigned always: programs of both ages do so unasked.
        if name == "max_workspace_size" and not hasattr(type(self), name):
            self.set_memory_pool_limit(e.MemoryPoolType.WORKSPACE, value)
        else:
            super().__setattr__(name, value)

    def reset(self):
        """Back to the defaults."""
        for name in list(vars(self)):
            delattr(self, name)
        self._clear()

    # --- flags

    @property
    def flags(self):
        """A mask of BuilderFlag."""
        return self._flags

    @flags.setter
    def flags(self, mask):
        self._flags = int(mask)

    def set_flag(self, flag):
        """Sets a BuilderFlag."""
        flag = F(flag)
        if flag in ACCEPTED_FLAGS:
            warn(f"BuilderFlag.{flag.name}: {ACCEPTED_FLAGS[flag]}")
        self._flags |= 1 << int(flag)

    def clear_flag(self, flag):
        """Clears it."""
        self._flags &= ~(1 << int(F(flag)))

    def get_flag(self, flag):
        """Whether it is set."""
        return bool(self._flags >> int(F(flag)) & 1)

    quantization_flags = RefusedAtBuild("_quantization", NO_CALIBRATION)

    def set_quantization_flag(self, flag):
        """Kept for calibration."""
        self._quantization |= 1 << int(flag)

    def clear_quantization_flag(self, flag):
        """Forgets it."""
        self._quantization &= ~(1 << int(flag))

    def get_quantization_flag(self, flag):
        """Whether it is set."""
        return bool(self._quantization >> int(flag) & 1)

    def set_preview_feature(self, feature, enable):
        """Kept: what they preview, Lathe does or has no use for."""
        self._previews[e.PreviewFeature(feature)] = bool(enable)

    def get_preview_feature(self, feature):
        """Whether it is enabled."""
        feature = e.PreviewFeature(feature)
        return self._previews.get(feature, feature == e.PreviewFeature.PROFILE_SHARING_0806)

    # --- memory, tactics, timing

    def set_memory_pool_limit(self, pool, pool_size):
        """WORKSPACE: bytes that a kernel may take for itself."""
        pool = e.MemoryPoolType(pool)
        if pool in _DLA_POOLS:
            warn(f"MemoryPoolType.{pool.name}: {_NO_DLA}")
        if int(pool_size) < 0:
            raise ValueError(f"memory pool {pool.name}: {pool_size} bytes, expected 0 or more")
        self._pools[pool] = int(pool_size)

    def get_memory_pool_limit(self, pool):
        """The limit; of WORKSPACE the device's memory unless it is set."""
        pool = e.MemoryPoolType(pool)
        limit = self._pools[pool]
        return limit if limit >= 0 else _device_bytes()

    def set_tactic_sources(self, tactic_sources):
        """A mask of TacticSource; kept: all of Lathe's sources compete by time."""
        self._sources = int(tactic_sources)
        return True

    def get_tactic_sources(self):
        """The mask."""
        return self._sources

    def create_timing_cache(self, serialized_timing_cache):
        """A cache of bytes; empty ones, and those of another library, begin a new one."""
        data = bytes(memoryview(serialized_timing_cache))
        return ITimingCache(data) if is_cache(data) else ITimingCache()

    def set_timing_cache(self, cache, ignore_mismatch):
        """Builds read it and add to it."""
        self._cache = cache
        return True

    def get_timing_cache(self):
        """The cache; builds without one have the user's own."""
        return self._cache

    # --- profiles

    def add_optimization_profile(self, profile):
        """Its index."""
        if not isinstance(profile, IOptimizationProfile):
            raise TypeError("add_optimization_profile: expected an IOptimizationProfile, got "
                            f"{type(profile).__name__}")
        self._profiles.append(profile)
        return len(self._profiles) - 1

    num_optimization_profiles = property(lambda self: len(self._profiles), doc="how many")

    # --- calibration

    int8_calibrator = RefusedAtBuild("_calibrator", NO_CALIBRATION)

    def set_calibration_profile(self, profile):
        """Kept for calibration."""
        self._calibration_profile = profile
        return True

    def get_calibration_profile(self):
        """The profile."""
        return self._calibration_profile

    # --- devices

    def set_device_type(self, layer, device_type):
        """Kept; DLA warns."""
        if e.DeviceType(device_type) == e.DeviceType.DLA:
            warn(f"DeviceType.DLA: {_NO_DLA}")
        self._devices[layer] = e.DeviceType(device_type)

    def get_device_type(self, layer):
        """What was set, else the default."""
        return self._devices.get(layer, self.default_device_type)

    def is_device_type_set(self, layer):
        """Whether it was set."""
        return layer in self._devices

    def reset_device_type(self, layer):
        """Forgets it."""
        self._devices.pop(layer, None)

    def can_run_on_DLA(self, layer):  # noqa: N802
        """False: there is none."""
        return False


def _device_bytes():
    """Memory of the machine."""
    import os
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


# Of effect with calibration only, which a build refuses.
for _name in ("set_quantization_flag", "clear_quantization_flag", "get_quantization_flag",
              "set_calibration_profile", "get_calibration_profile"):
    getattr(IBuilderConfig, _name).lathe_refused = NO_CALIBRATION
