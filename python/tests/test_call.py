# SPDX-License-Identifier: Apache-2.0
"""engine(x): what goes in, what comes out, what is refused."""
import networks
import numpy as np
import pytest
from onnx import TensorProto

import lathe


def random(*shape):
    return np.random.default_rng().standard_normal(shape).astype(np.float32)


def test_an_array_gives_a_tuple_of_arrays(relu):
    x = random(4, 3)
    y, = relu(x)
    assert type(y) is np.ndarray and y.dtype == np.float32
    np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_named_arrays_give_a_dictionary(two):
    a, b = random(2, 4), random(2, 4)
    out = two(b=b, a=a)
    assert list(out) == ["sum", "product"]
    np.testing.assert_array_equal(out["sum"], a + b)
    np.testing.assert_array_equal(two(a, b)[1], a * b)


def test_every_call_has_results_of_its_own(relu):
    x = random(2, 3)
    first, = relu(x)
    kept = first.copy()
    second, = relu(-x)
    np.testing.assert_array_equal(first, kept)
    assert not np.shares_memory(first, second)


def test_shapes_may_change_from_call_to_call(relu):
    for rows in (1, 5, 0, 3, 5, 700):
        x = random(rows, 3)
        y, = relu(x)
        np.testing.assert_array_equal(y, np.maximum(x, 0))


@pytest.mark.parametrize("view", [
    lambda x: x[::2], lambda x: x[::-1], lambda x: np.asfortranarray(x),
    lambda x: np.broadcast_to(x[:1], (5, 3))], ids=["step", "reverse", "columns", "broadcast"])
def test_arrays_with_gaps_are_as_good(relu, view):
    x = view(random(6, 3))
    y, = relu(x)
    np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_an_array_may_be_read_only(relu):
    x = random(2, 3)
    x.flags.writeable = False
    np.testing.assert_array_equal(relu(x)[0], np.maximum(x, 0))


def test_lists_and_buffers_are_arrays_too(relu):
    np.testing.assert_array_equal(relu([[1, -2, 3]])[0], [[1, 0, 3]])
    x = random(2, 3)
    np.testing.assert_array_equal(relu(memoryview(x))[0], np.maximum(x, 0))


TYPES = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE,
         "float16": TensorProto.FLOAT16,
         "int8": TensorProto.INT8, "int16": TensorProto.INT16, "int32": TensorProto.INT32,
         "int64": TensorProto.INT64, "bfloat16": TensorProto.BFLOAT16}


@pytest.mark.parametrize("name", TYPES)
def test_every_type_goes_in_and_comes_out(name):
    if name == "bfloat16":
        dtype = pytest.importorskip("ml_dtypes").bfloat16
    else:
        dtype = np.dtype(name)
    engine = lathe.build(networks.negated(TYPES[name]), tune=False, timing_cache=False)
    x = np.array([1, -2, 3, 0], dtype)
    y, = engine(x)
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.astype(np.float64), x.astype(np.float64))


def test_another_type_is_refused_with_a_cure(relu):
    with pytest.raises(lathe.InputError, match=r"input 'x': the array is f64, expected f32") as e:
        relu(np.zeros((2, 3)))
    assert e.value.cure == 'convert it: x.astype("float32")'
    assert isinstance(e.value, ValueError) and e.value.code == "invalid input"


def test_the_other_byte_order_is_refused(relu):
    with pytest.raises(lathe.InputError, match=">f4|float32"):
        relu(np.zeros((2, 3), ">f4"))


def test_another_shape_is_refused_by_name(relu):
    with pytest.raises(lathe.InputError, match="input 'x': the array's shape is 2x4, expected Nx3"):
        relu(random(2, 4))
    with pytest.raises(lathe.InputError, match="shape is a scalar, expected Nx3"):
        relu(np.float32(1))


def test_sizes_that_disagree_are_refused(two):
    with pytest.raises(lathe.InputError):
        two(random(2, 4), random(3, 4))
    a = random(2, 4)
    np.testing.assert_array_equal(two(a, a)[0], a + a)  # and the next call is right


def test_arguments_are_checked(two):
    a = random(2, 4)
    with pytest.raises(lathe.InputError, match="input 'b' is not given"):
        two(a)
    with pytest.raises(lathe.InputError, match="3 arrays are given, the network has 2 inputs"):
        two(a, a, a)
    with pytest.raises(lathe.InputError, match="input 'a' is given twice"):
        two(a, a=a)
    with pytest.raises(KeyError, match="no input is named 'c': there are a, b") as e:
        two(a, c=a)
    assert isinstance(e.value, lathe.NotFoundError)


def test_what_is_no_array_is_refused(relu):
    for wrong in (object(), "text", None, {}):
        with pytest.raises(lathe.InputError, match="input 'x'"):
            relu(wrong)
