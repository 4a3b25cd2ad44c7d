# SPDX-License-Identifier: Apache-2.0
"""ONNX's own Python test runner over lathe.onnx_backend."""
import pathlib
import unittest

import networks
import numpy as np
import onnx
import onnx.backend.test
import pytest
from onnx import TensorProto, helper
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

import lathe.cuda
from lathe import onnx_backend

# Cases that fail, and why; what is not implemented is skipped by the backend itself.
EXPECTED_FAILURES = pathlib.Path(__file__).with_name("onnx_failures.txt")
AT_LEAST = 1000  # node cases that pass
SHARES = 8  # of the cases on a GPU, where each compiles its kernels: for processes side by side


class Honest(onnx_backend.LatheBackend):
    """ONNX's runner counts what a backend does not implement as passed; here it is skipped."""

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        try:
            return super().prepare(model, device, **kwargs)
        except BackendIsNotSupposedToImplementIt as e:
            raise unittest.SkipTest(str(e)) from e


def cases(device):
    """ONNX's cases of single nodes that run on a device: "cpu", "cuda"."""
    suite = onnx.backend.test.BackendTest(Honest, __name__).test_cases["OnnxBackendNodeModelTest"]
    names = unittest.TestLoader().getTestCaseNames(suite)
    return [suite(name) for name in names if name.endswith(f"_{device}")]


def outcome(chosen, device):
    """(names that failed -> why, how many were skipped) of the cases."""
    result = unittest.TestResult()
    unittest.TestSuite(chosen).run(result)
    bad = {case._testMethodName.removesuffix(f"_{device}"): text
           for case, text in result.failures + result.errors}
    return bad, len(result.skipped)


def surprises(bad):
    """What failed and is not expected to, with the last line of why."""
    return [f"{name}: {text.splitlines()[-1]}" for name, text in bad.items()
            if name not in expected()]


def expected():
    """Names of EXPECTED_FAILURES: the first word of each line."""
    lines = EXPECTED_FAILURES.read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_onnx_node_cases(record_property, capsys):
    chosen = cases("cpu")
    count = len(chosen)
    bad, skipped = outcome(chosen, "cpu")
    passed = count - len(bad) - skipped
    record_property("onnx_node_cases_passed", passed)
    with capsys.disabled():
        print(f"\nONNX node cases: {passed} of {count} pass, {skipped} skipped as not "
              f"implemented, {len(bad)} fail")
    assert not surprises(bad), "\n".join(surprises(bad))
    assert passed >= AT_LEAST
    assert not expected() - set(bad), "these pass now: take them off the list"


@pytest.mark.skipif(lathe.cuda.default_device() == "cpu", reason="no GPU")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("share", range(SHARES))
def test_onnx_node_cases_on_a_gpu(share):
    chosen = cases("cuda")[share::SHARES]
    bad, skipped = outcome(chosen, "cuda")
    assert not surprises(bad), "\n".join(surprises(bad))
    assert len(chosen) - skipped >= AT_LEAST // SHARES // 2


def test_run_model_and_devices():
    x = np.array([[1, -2, 3]], np.float32)
    y, = onnx_backend.run_model(networks.relu(), [x])
    np.testing.assert_array_equal(y, [[1, 0, 3]])
    rep = onnx_backend.prepare(networks.relu(), "CPU")
    np.testing.assert_array_equal(rep.run({"x": x})[0], [[1, 0, 3]])
    assert onnx_backend.supports_device("CPU") and not onnx_backend.supports_device("TPU")
    assert onnx_backend.is_compatible(networks.relu())


def test_run_node():
    node = helper.make_node("Add", ["a", "b"], ["c"])
    a, b = np.float32([1, 2]), np.float32([3, 4])
    c, = onnx_backend.run_node(node, [a, b])
    np.testing.assert_array_equal(c, [4, 6])
    node = helper.make_node("Cast", ["a"], ["c"], to=TensorProto.INT32)
    c, = onnx_backend.run_node(node, [a], outputs_info=[(np.dtype("int32"), (2,))])
    assert c.dtype == np.int32


def test_what_is_not_implemented_is_not_compatible():
    node = helper.make_node("NonZero", ["x"], ["y"])
    proto = networks.model([node], [("x", TensorProto.FLOAT, [3])],
                           [("y", TensorProto.INT64, [1, "K"])])
    assert not onnx_backend.is_compatible(proto)
