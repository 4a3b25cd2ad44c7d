# SPDX-License-Identifier: Apache-2.0
"""Flags that watch a build or refuse what it would do."""
import lathe.trt as trt
from trt_nets import Recorder, random

F = trt.BuilderFlag


class Build:
    """A convolution of one builder and configuration, built as often as asked."""

    def __init__(self, *flags, level=3):
        self.logger = Recorder()
        self.builder = trt.Builder(self.logger)
        self.network = self.builder.create_network(0)
        self.x = self.network.add_input("x", trt.float32, (1, 3, 12, 12))
        layer = self.network.add_convolution_nd(self.x, 4, (3, 3), random(4, 3, 3, 3, seed=1))
        layer.get_output(0).name = "y"
        self.network.mark_output(layer.get_output(0))
        self.config = self.builder.create_builder_config()
        self.config.builder_optimization_level = level
        for flag in flags:
            self.config.set_flag(flag)

    def __call__(self):
        return self.builder.build_serialized_network(self.network, self.config)


def test_a_timing_cache_that_lacks_times_is_an_error_where_it_is_told_to():
    build = Build(F.ERROR_ON_TIMING_CACHE_MISS)
    cache = build.config.create_timing_cache(b"")
    build.config.set_timing_cache(cache, False)
    assert build() is None and "ERROR_ON_TIMING_CACHE_MISS" in build.logger.errors[-1]
    assert cache.queryKeys() == []
    build.config.clear_flag(F.ERROR_ON_TIMING_CACHE_MISS)
    assert build() is not None and cache.queryKeys()
    build.config.set_flag(F.ERROR_ON_TIMING_CACHE_MISS)
    assert build() is not None
    without = Build(F.ERROR_ON_TIMING_CACHE_MISS, level=0)
    assert without() is not None  # of effect with a cache only


def test_memory_is_reported_while_building():
    for flags in ((), (F.MONITOR_MEMORY,)):
        build = Build(*flags, level=0)
        assert build() is not None
        told = [text for severity, text in build.logger.messages
                if severity == trt.Logger.INFO and "MiB resident" in text]
        assert len(told) == len(flags)


def test_direct_io_keeps_the_bindings_formats_and_says_what_converts():
    def warnings(build):
        return [m for s, m in build.logger.messages if s == trt.Logger.WARNING and "DIRECT_IO" in m]

    build = Build(F.DIRECT_IO, level=0)
    assert build() is not None and warnings(build) == []
    build.x.allowed_formats = 1 << int(trt.TensorFormat.HWC8)
    engine = trt.Runtime(build.logger).deserialize_cuda_engine(build())
    assert engine.get_tensor_format("x") == trt.TensorFormat.HWC8
    assert engine.get_tensor_format("y") == trt.TensorFormat.LINEAR
    assert len(warnings(build)) == 1 and "'x' is bound as HWC8" in warnings(build)[0]
