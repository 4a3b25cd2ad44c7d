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


def snippet(heading):
    section = README.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    block, = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    return block


def test_the_snippet_is_true(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pathlib.Path("model.onnx").write_bytes(model().SerializeToString())
    x = np.random.default_rng().random((4, 3, 224, 224), np.float32)
    names = {"x": x, "s": None}
    exec(snippet("From Python"), names)
    mean = x.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(names["y"], mean, rtol=1e-2)
    np.testing.assert_allclose(names["out"]["scores"], mean, rtol=1e-2)
    assert "images: f32[N,3,224,224]" in capsys.readouterr().out
    assert pathlib.Path("model.engine").stat().st_size > 0


def test_the_operator_of_your_own_is_true(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    f32 = TensorProto.FLOAT
    node = helper.make_node("Swish", ["x"], ["y"], domain="com.acme", beta=1.5)
    made = networks.model([node], [("x", f32, ["N", 3])], [("y", f32, ["N", 3])])
    made.opset_import.append(helper.make_opsetid("com.acme", 1))
    pathlib.Path("acme.onnx").write_bytes(made.SerializeToString())
    names = {}
    exec(snippet("Operators of your own"), names)
    x = np.random.default_rng(3).normal(size=(4, 3)).astype(np.float32)
    y, = names["engine"](x)
    np.testing.assert_allclose(y, x / (1 + np.exp(-1.5 * x)), rtol=1e-5, atol=1e-6)
