# SPDX-License-Identifier: Apache-2.0
"""Objects of lathe.trt that need no engine: enumerations, Dims, Weights, loggers, settings."""
import ctypes
import warnings

import numpy as np
import pytest

import lathe.trt as trt
from trt_nets import Recorder, random


def test_enumerations_convert_shift_and_compare():
    assert 1 << int(trt.BuilderFlag.FP16) == 1
    assert int(trt.BuilderFlag.TF32) == 6 and trt.BuilderFlag.TF32.value == 6
    assert trt.BuilderFlag.STRIP_PLAN is trt.BuilderFlag.WEIGHTLESS
    assert trt.Logger.ERROR < trt.Logger.WARNING <= trt.Logger.WARNING
    assert trt.DataType.FLOAT != trt.TensorLocation.DEVICE  # both are 0
    assert "EXPLICIT_BATCH" in trt.NetworkDefinitionCreationFlag.__members__
    assert str(trt.DataType.HALF) == "DataType.HALF" and trt.DataType.HALF.name == "HALF"
    assert trt.float32 is trt.DataType.FLOAT and trt.DataType(3) is trt.int32


def test_element_sizes_and_numpy_types():
    assert trt.int4.itemsize == 0.5 and trt.float16.itemsize == 2 and trt.int64.itemsize == 8
    assert trt.nptype(trt.bool) is np.bool_ and trt.nptype(trt.float16) is np.float16
    for lacking in (trt.bfloat16, trt.fp8, trt.int4):
        with pytest.raises(TypeError):
            trt.nptype(lacking)


def test_dims_are_mutable_sequences():
    d = trt.Dims([1, 3, 4])
    d[0] = 7
    assert d == (7, 3, 4) and d == [7, 3, 4] and d != (7, 3) and list(d) == [7, 3, 4]
    assert d[1:] == (3, 4) and isinstance(d[1:], tuple) and d[-1] == 4 and len(d) == 3
    assert str(d) == "(7, 3, 4)" and str(trt.Dims()) == "()" and str(trt.Dims((5,))) == "(5,)"
    assert np.empty(d).shape == (7, 3, 4) and trt.volume(d) == 84 and trt.volume(()) == 1
    with pytest.raises(IndexError):
        d[3]
    with pytest.raises(ValueError):
        trt.Dims(range(9))
    with pytest.raises(ValueError):
        trt.Dims4((1, 2))
    assert trt.Dims(np.array([2, 3])) == (2, 3) and trt.Dims(np.int64(4)) == (4,)
    assert trt.DimsHW(3, 5).w == 5 and trt.Dims.MAX_DIMS == 8
    assert trt.Permutation([1, 0])[0] == 1 and len(trt.Permutation()) == 8


def test_weights_borrow_memory():
    array = np.arange(4, dtype=np.float32)
    w = trt.Weights(array)
    array[0] = 9
    assert w.numpy()[0] == 9 and w.size == 4 and w.nbytes == 16 and len(w) == 4
    other = trt.Weights(trt.float32, array.ctypes.data, 4)
    np.testing.assert_array_equal(other.numpy(), array)
    assert trt.Weights().size == 0 and trt.Weights(trt.int8).dtype == trt.int8
    with pytest.raises(TypeError):
        trt.Weights(np.zeros(2, np.float64))


def test_weights_of_layers_are_arrays_over_their_memory():
    network = trt.Builder(Recorder()).create_network(0)
    x = network.add_input("x", trt.float32, (1, 2, 5, 5))
    kernel = random(4, 2, 3, 3)
    conv = network.add_convolution_nd(x, 4, (3, 3), kernel)
    assert np.shares_memory(conv.kernel, kernel) and conv.kernel.shape == (72,)
    assert conv.bias.shape == (0,)
    conv.bias = np.ones(4, np.float32)
    np.testing.assert_array_equal(conv.bias, np.ones(4))
    scale = network.add_scale(x, trt.ScaleMode.CHANNEL, scale=np.full(2, 3, np.float32))
    np.testing.assert_array_equal(scale.scale, [3, 3])
    assert scale.shift.size == scale.power.size == 0
    bits = np.arange(2, dtype=np.uint16)
    narrow = network.add_constant((2,), trt.Weights(trt.bfloat16, bits.ctypes.data, 2))
    assert isinstance(narrow.weights, trt.Weights)  # NumPy lacks the type


def test_host_memory_is_a_buffer(tmp_path):
    memory = trt.IHostMemory(b"abc")
    (tmp_path / "f").write_bytes(memory)
    assert bytes(memory) == b"abc" and bytearray(memory) == b"abc" and memory.nbytes == 3
    assert memoryview(memory)[1] == ord("b") and (tmp_path / "f").read_bytes() == b"abc"
    assert ctypes.create_string_buffer(memory, 3).raw == b"abc"


def test_context_managers_warn_and_do_nothing():
    logger = trt.Logger()
    for thing in (logger, trt.Builder(logger), trt.Runtime(logger), trt.IHostMemory(b""),
                  trt.Builder(logger).create_network(0)):
        with pytest.warns(DeprecationWarning):
            with thing as same:
                assert same is thing


def test_names_of_8_are_absent_but_for_one_assignment():
    builder = trt.Builder(trt.Logger())
    config = builder.create_builder_config()
    for owner, names in ((trt.ICudaEngine, "num_bindings get_binding_shape max_batch_size"),
                         (trt.IExecutionContext, "execute_async_v2 execute set_binding_shape"),
                         (trt.Builder, "build_engine max_workspace_size fp16_mode"),
                         (trt.IBuilderConfig, "max_workspace_size"),
                         (trt.INetworkDefinition, "add_fully_connected add_convolution")):
        for name in names.split():
            assert not hasattr(owner, name), name
    config.max_workspace_size = 1 << 20
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 20
    assert not hasattr(config, "max_workspace_size")
    with pytest.raises(AttributeError):
        builder.fp16_mode = True


def test_settings_without_meaning_warn_once_they_are_used():
    config = trt.Builder(trt.Logger()).create_builder_config()
    with pytest.warns(trt.LatheWarning, match="no DLA"):
        config.default_device_type = trt.DeviceType.DLA
    with pytest.warns(trt.LatheWarning, match="GPU_FALLBACK"):
        config.set_flag(trt.BuilderFlag.GPU_FALLBACK)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config.set_flag(trt.BuilderFlag.FP16)
        config.clear_flag(trt.BuilderFlag.FP16)
        config.builder_optimization_level = 5
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.flags = 1 << int(trt.BuilderFlag.BF16)
    assert config.get_flag(trt.BuilderFlag.BF16) and not config.get_flag(trt.BuilderFlag.TF32)


def test_profiles_check_their_order():
    profile = trt.Builder(trt.Logger()).create_optimization_profile()
    profile.set_shape("x", (1, 3), (2, 3), (4, 3))
    assert profile.get_shape("x") == [(1, 3), (2, 3), (4, 3)] and profile
    for kind in (ValueError, RuntimeError):
        with pytest.raises(kind, match="min <= opt <= max"):
            profile.set_shape(input="x", min=(2,), opt=(1,), max=(3,))
    config = trt.Builder(trt.Logger()).create_builder_config()
    assert [config.add_optimization_profile(profile) for _ in range(2)] == [0, 1]
    with pytest.raises(TypeError, match="expected an IOptimizationProfile"):
        config.add_optimization_profile(None)


def test_a_plain_logger_filters_and_a_program_may_bring_its_own(capsys):
    logger = trt.Logger(trt.Logger.ERROR)
    logger.log(trt.Logger.WARNING, "quiet")
    logger.min_severity = trt.Logger.Severity.VERBOSE
    logger.log(trt.Logger.INFO, "loud")
    assert "quiet" not in (text := capsys.readouterr().out) and "[TRT] [I] loud" in text
    with pytest.raises(TypeError, match="ILogger"):
        trt.Builder(object())


def test_the_plugin_registry_answers():
    registry = trt.get_plugin_registry()
    assert trt.init_libnvinfer_plugins(trt.Logger(), "") is True
    creator = registry.get_plugin_creator("EfficientNMS_TRT", "1", "")
    fields = trt.PluginFieldCollection([trt.PluginField(
        "max_output_boxes", np.array([100], np.int32), trt.PluginFieldType.INT32)])
    assert creator.create_plugin("nms", fields).num_outputs == 4
    assert registry.get_plugin_creator("Nothing", "1") is None
    with pytest.raises(NotImplementedError, match="custom_operators"):
        trt.plugin.register("a::b")


def test_networks_iterate_over_layers_with_default_names():
    network = trt.Builder(trt.Logger()).create_network(0)
    x = network.add_input("x", trt.float32, (2, 3))
    network.add_activation(x, trt.ActivationType.RELU)
    network.add_topk(x, trt.TopKOperation.MAX, 1, 2)
    assert [layer.name for layer in network] == ["(Unnamed Layer* 0) [Activation]",
                                                 "(Unnamed Layer* 1) [TopK]"]
    assert network[0].get_output(0).name == "(Unnamed Layer* 0) [Activation]_output"
    assert network[-1].type == trt.LayerType.TOPK and len(network) == network.num_layers == 2
    layer = network.get_layer(0)
    assert layer.type == trt.LayerType.ACTIVATION
    layer.__class__ = trt.IActivationLayer
    assert layer.type == trt.ActivationType.RELU and network.get_layer(9) is None


def test_there_are_56_ways_to_add_something():
    adders = [name for name in dir(trt.INetworkDefinition) if name.startswith("add_")]
    assert len(adders) == 56


def test_what_is_deprecated_warns_where_the_program_is():
    builder = trt.Builder(Recorder())
    network, config = builder.create_network(0), builder.create_builder_config()
    x = network.add_input("x", trt.float32, (1, 3))
    layer = network.add_identity(x)

    def each(*actions):
        for action in actions:
            with pytest.warns(DeprecationWarning) as said:
                action()
            assert [w.filename for w in said] == [__file__]

    each(lambda: setattr(x, "dtype", trt.float16), lambda: layer.set_output_type(0, trt.float16),
         lambda: setattr(layer, "precision", trt.float16), lambda: layer.precision_is_set,
         lambda: setattr(config, "int8_calibrator", None), lambda: x.set_dynamic_range(-1, 1),
         lambda: network.has_implicit_batch_dimension, lambda: builder.platform_has_fast_fp16)
    assert (x.dtype, layer.precision) == (trt.float16, trt.float16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # what only reads a default is no use of it
        assert config.int8_calibrator is None and config.algorithm_selector is None


def test_what_is_no_member_of_an_enumeration_is_a_type_error():
    with pytest.raises(TypeError, match="expected a BuilderFlag, got 'FP16'"):
        trt.Builder(Recorder()).create_builder_config().set_flag("FP16")
    with pytest.raises(ValueError):
        trt.DataType(99)
