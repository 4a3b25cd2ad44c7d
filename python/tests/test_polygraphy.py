# SPDX-License-Identifier: Apache-2.0
"""Polygraphy from PyPI, unmodified, over `python -m lathe.trt`, against ONNX Runtime."""
import json
import os
import pathlib
import subprocess
import sys

import pytest

onnx = pytest.importorskip("onnx", reason="pip install onnx")
pytest.importorskip("lathe.trt", reason="the package has no lathe.trt")
pytest.importorskip("polygraphy", reason="pip install polygraphy")
pytest.importorskip("onnxruntime", reason="pip install onnxruntime")

ROOT = pathlib.Path(__file__).parents[2]
SHARED = ROOT.parent / "shared" / "models"
DEMO = ROOT / "examples" / "models" / "digits.onnx"

# name: path, flags for shapes of the runners and of the builder
MODELS = {
    "digits": (DEMO, "--input-shapes {i}:[4,1,8,8]",
               "--trt-min-shapes {i}:[1,1,8,8] --trt-opt-shapes {i}:[4,1,8,8] "
               "--trt-max-shapes {i}:[8,1,8,8]"),
    "mnist-8": (SHARED / "mnist-8" / "model.onnx", "", ""),
    "squeezenet-fp16": (SHARED / "squeezenet-fp16" / "model.onnx", "", ""),
    "resnet-cifar10": (SHARED / "resnet-cifar10" / "resnet_2b.onnx", "", ""),
    "yunet-dynamic": (SHARED / "yunet-dynamic" / "model.onnx", "--input-shapes {i}:[1,3,160,192]",
                      "--trt-min-shapes {i}:[1,3,64,64] --trt-opt-shapes {i}:[1,3,160,192] "
                      "--trt-max-shapes {i}:[1,3,320,320]"),
}
# Of the largest network, whose tuning takes half a minute, only the choices of the cost model.
LARGE = {"squeezenet-fp16"}
UNTUNED = ["--builder-optimization-level", "0"]
# An error of FP16 storage, where the network or the flag asks for it.
FP16 = "--atol 2e-2 --rtol 2e-2"


def arguments(name):
    path, runtime, build = MODELS[name]
    if not path.exists():
        pytest.skip(f"{path} is not there")
    source = onnx.load(path, load_external_data=False).graph
    constants = {i.name for i in source.initializer}
    name = next(i.name for i in source.input if i.name not in constants)
    return str(path), runtime.format(i=name).split(), build.format(i=name).split()


def polygraphy(tmp_path, *words, check=True):
    command = [sys.executable, "-m", "lathe.trt", "polygraphy", *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600,
                          env={**os.environ, "POLYGRAPHY_AUTOINSTALL_DEPS": "0"})
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", MODELS)
def test_run_agrees_with_onnx_runtime(tmp_path, name):
    path, runtime, build = arguments(name)
    words = FP16.split() if "fp16" in name else ["--atol", "1e-3", "--rtol", "1e-3"]
    words += UNTUNED if name in LARGE else []
    out = polygraphy(tmp_path, "run", path, "--trt", "--onnxrt", *runtime, *build, *words)
    assert "PASSED" in out and "FAILED" not in out


@pytest.mark.parametrize("name", ["digits", "mnist-8", "resnet-cifar10"])
def test_run_in_fp16(tmp_path, name):
    path, runtime, build = arguments(name)
    words = ["--check-error-stat", "median", "--atol", "2e-2", "--rtol", "2e-2"]
    out = polygraphy(tmp_path, "run", path, "--trt", "--fp16", "--onnxrt", *runtime, *build, *words)
    assert "PASSED" in out


def test_saved_engines_and_inputs_come_back(tmp_path):
    path, runtime, build = arguments("digits")
    polygraphy(tmp_path, "run", path, "--trt", "--save-engine", "e.engine", "--save-inputs",
               "in.json", "--save-outputs", "out.json", *runtime, *build, *UNTUNED)
    out = polygraphy(tmp_path, "run", "e.engine", "--trt", "--load-inputs", "in.json",
                     "--load-outputs", "out.json")
    assert "PASSED" in out
    out = polygraphy(tmp_path, "run", path, "--onnxrt", "--load-inputs", "in.json",
                     "--load-outputs", "out.json", "--atol", "1e-3", "--rtol", "1e-3")
    assert "PASSED" in out


def test_convert_and_inspect(tmp_path):
    path, _, build = arguments("digits")
    out = polygraphy(tmp_path, "inspect", "model", path, "--display-as", "trt", "--show", "layers")
    assert "Conv" in out
    polygraphy(tmp_path, "convert", path, "--fp16", *build, "-o", "e.engine", *UNTUNED)
    out = polygraphy(tmp_path, "inspect", "model", "e.engine", "--show", "layers")
    assert "Layer" in out and "Profile" in out
    assert "shape=(-1, 10), Format: Row major linear FP32 format" in out


def test_what_surgeon_sanitizes_is_built(tmp_path):
    path, runtime, build = arguments("digits")
    polygraphy(tmp_path, "surgeon", "sanitize", path, "--fold-constants", "-o", "clean.onnx")
    out = polygraphy(tmp_path, "run", "clean.onnx", "--trt", "--onnxrt", *runtime, *build,
                     "--atol", "1e-3", "--rtol", "1e-3", *UNTUNED)
    assert "PASSED" in out


def test_every_tensor_can_be_compared(tmp_path):
    path, runtime, build = arguments("digits")
    out = polygraphy(tmp_path, "run", path, "--trt", "--onnxrt", "--trt-outputs", "mark", "all",
                     "--onnx-outputs", "mark", "all", "--validate", *runtime, *build, *UNTUNED,
                     "--atol", "1e-3", "--rtol", "1e-3")
    names = {n for node in onnx.load(path).graph.node for n in node.output}
    assert all(f"PASSED | Output: '{name}'" in out for name in names)


def test_the_scripts_that_it_writes_run(tmp_path):
    path, runtime, build = arguments("digits")
    polygraphy(tmp_path, "template", "trt-network", path, "-o", "network.py")
    polygraphy(tmp_path, "template", "trt-config", *build, *UNTUNED, "-o", "config.py")
    out = polygraphy(tmp_path, "run", "network.py", "--model-type", "trt-network-script", "--trt",
                     "--trt-config-script", "config.py", *runtime)
    assert "PASSED" in out


def test_tactics_and_times_are_saved_and_replayed(tmp_path):
    path, runtime, build = arguments("digits")
    run = ["run", path, "--trt", *runtime, *build]
    polygraphy(tmp_path, *run, "--save-timing-cache", "times", "--pool-limit", "workspace:64M")
    polygraphy(tmp_path, *run, "--load-timing-cache", "times", "--save-tactics", "tactics.json")
    assert "Tactic" in polygraphy(tmp_path, "inspect", "tactics", "tactics.json")
    out = polygraphy(tmp_path, *run, "--load-timing-cache", "times", "--load-tactics",
                     "tactics.json")
    assert "PASSED" in out
    replay = json.loads((tmp_path / "tactics.json").read_text())
    first = next(iter(replay["replay"].values()))
    first["tactic"] += 1
    (tmp_path / "other.json").write_text(json.dumps(replay))
    out = polygraphy(tmp_path, *run, "--load-timing-cache", "times", "--load-tactics",
                     "other.json", check=False)
    assert "FAILED" in out and "algorithm selector" in out


def test_faults_are_searched_for(tmp_path):
    path, _, build = arguments("digits")
    me = [sys.executable, "-m", "lathe.trt", "polygraphy", "run"]
    out = polygraphy(tmp_path, "debug", "build", path, *build, *UNTUNED, "--until", "1", "--check",
                     *me, "polygraphy_debug.engine", "--trt")
    assert "Passed: 1/1" in out
    out = polygraphy(tmp_path, "debug", "precision", path, "--fp16", *build, *UNTUNED, "--check",
                     "test", "-s", "polygraphy_debug.engine")
    assert "PASSED" in out


@pytest.mark.parametrize("flag, words", [("--int8", "calibration"), ("--fp8", "FP8")])
def test_what_is_not_there_is_refused_by_name(tmp_path, flag, words):
    path, _, build = arguments("digits")
    out = polygraphy(tmp_path, "run", path, "--trt", flag, *build, check=False)
    assert "FAILED" in out and f"BuilderFlag.{flag[2:].upper()}" in out and words in out


def test_damaged_files_are_refused(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"garbage")
    (tmp_path / "bad.engine").write_bytes(b"garbage")
    out = polygraphy(tmp_path, "run", "bad.onnx", "--trt", check=False)
    assert "bad.onnx: not an ONNX model" in out and "Traceback" not in out
    out = polygraphy(tmp_path, "run", "bad.engine", "--trt", check=False)
    assert "an engine has at least" in out and "Traceback" not in out


def test_its_loaders_and_runner_in_a_script(tmp_path):
    path, _, _ = arguments("digits")
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "-m", "lathe.trt", "script.py", path], cwd=tmp_path,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["same"]


SCRIPT = '''
import json, sys
import numpy as np
from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
from polygraphy.backend.trt import (CreateConfig, EngineBytesFromNetwork, EngineFromBytes,
                                    EngineFromNetwork, NetworkFromOnnxPath, Profile, SaveEngine,
                                    TrtRunner)
from polygraphy.cuda import DeviceArray, DeviceView
import onnx
name = onnx.load(sys.argv[1]).graph.input[0].name
profile = Profile().add(name, min=(1, 1, 8, 8), opt=(4, 1, 8, 8), max=(8, 1, 8, 8))
build = SaveEngine(EngineFromNetwork(NetworkFromOnnxPath(sys.argv[1]),
                                     config=CreateConfig(fp16=False, tf32=False,
                                                         profiles=[profile])), path="e.engine")
same = True
with TrtRunner(build) as lathe, OnnxrtRunner(SessionFromOnnx(sys.argv[1])) as reference:
    for batch in (1, 4, 8, 3):
        x = np.random.default_rng().standard_normal((batch, 1, 8, 8)).astype(np.float32)
        a, b = lathe.infer({name: x}), reference.infer({name: x})
        same = same and a.keys() == b.keys()
        same = same and all(np.allclose(a[k], b[k], 1e-3, 1e-4) for k in a)

# Results that stay on the device, inputs that are there.
data = EngineBytesFromNetwork(NetworkFromOnnxPath(sys.argv[1]),
                              CreateConfig(profiles=[profile], builder_optimization_level=0))()
with TrtRunner(EngineFromBytes(data)) as lathe:
    there = DeviceArray(shape=x.shape, dtype=x.dtype)
    there.copy_from(x)
    views = lathe.infer({name: there}, copy_outputs_to_host=False)
    same = same and all(isinstance(v, DeviceView) for v in views.values())
    same = same and all(np.allclose(views[k].numpy(), b[k], 1e-3, 1e-4) for k in b)
    there.free()
print(json.dumps({"same": bool(same)}))
'''
