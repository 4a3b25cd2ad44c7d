# SPDX-License-Identifier: Apache-2.0
"""Small networks, built once for each session of tests."""
import device_guard
import networks
import pytest

import lathe
import lathe.cuda

if lathe.cuda.default_device() == "cpu":
    device_guard.install()


@pytest.fixture(scope="session")
def relu():
    """y = max(x, 0) over any number of rows of three."""
    return lathe.build(networks.relu(), timing_cache=False)


@pytest.fixture(scope="session")
def two():
    """sum = a + b, product = a * b over f32[N,4]."""
    return lathe.build(networks.two_in_two_out(), timing_cache=False)


@pytest.fixture
def relu_file(tmp_path):
    """The path of relu's ONNX file."""
    path = tmp_path / "relu.onnx"
    path.write_bytes(networks.relu().SerializeToString())
    return path
