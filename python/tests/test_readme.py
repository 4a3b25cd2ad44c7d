# SPDX-License-Identifier: Apache-2.0
"""The README's Python, run as it stands there."""
import os
import pathlib
import re

import numpy as np
from onnx import TensorProto, helper

import networks

README = pathlib.Path(os.environ.get("LATHE_SOURCE", pathlib.Path(__file__).parents[2]),
                      "README.md")


def model():
    """images f32[N,3,224,224] -> scores f32[N,3,1,1]"""
    f32 = TensorProto.FLOAT
    return networks.model([helper.make_node("GlobalAveragePool", ["images"], ["scores"])],
                          [("images", f32, ["N", 3, 224, 224])], [("scores", f32, ["N", 3, 1, 1])])


def test_the_snippet_is_true(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks, "README.md has no Python"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pathlib.Path("model.onnx").write_bytes(model().SerializeToString())
    x = np.random.default_rng().random((4, 3, 224, 224), np.float32)
    for block in blocks:
        names = {"x": x, "s": None}
        exec(block, names)
        mean = x.mean(axis=(2, 3), keepdims=True)
        np.testing.assert_allclose(names["y"], mean, rtol=1e-2)
        np.testing.assert_allclose(names["out"]["scores"], mean, rtol=1e-2)
    assert "images: f32[N,3,224,224]" in capsys.readouterr().out
    assert pathlib.Path("model.engine").stat().st_size > 0
