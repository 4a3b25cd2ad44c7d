# SPDX-License-Identifier: Apache-2.0
"""docs/trt-api.md is what tools/docs/trt_api.py finds in the module."""
import importlib.util
import pathlib

import device_guard
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def tool():
    path = ROOT / "tools" / "docs" / "trt_api.py"
    spec = importlib.util.spec_from_file_location("trt_api", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with device_guard.host_addresses():  # what it builds is for the CPU
        yield module


def test_the_page_is_current(tool):
    assert tool.page() == (ROOT / "docs" / "trt-api.md").read_text()


def test_nine_of_ten_names_in_use_are_supported(tool):
    found = tool.survey()
    for calibration in (True, False):
        total, counts = tool.counted(found, calibration)
        assert counts[tool.SUPPORTED] >= 0.9 * total


def test_dropped_names_are_absent(tool):
    assert [name for name, (_, present, status, _, _) in tool.survey().items()
            if present == "no" and status != tool.ABSENT] == []
