# SPDX-License-Identifier: Apache-2.0
"""`python -m lathe.trt`: in a program and in those that it starts, names are Lathe's."""
import os
import subprocess
import sys

import pytest

pytest.importorskip("lathe.trt", reason="the package has no lathe.trt")


def run(tmp_path, *arguments, check=True, **environment):
    done = subprocess.run([sys.executable, "-m", "lathe.trt", *map(str, arguments)], cwd=tmp_path,
                          env={**os.environ, **environment}, capture_output=True, text=True,
                          timeout=120)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def script(tmp_path, text, name="program.py"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_the_modules_are_lathes(tmp_path):
    run(tmp_path, script(tmp_path, """
import sys
import tensorrt as trt, tensorrt.tensorrt
import pycuda.autoinit, pycuda.driver as cuda
from cuda import cudart
from cuda.bindings import runtime
import lathe.trt, lathe.cuda.driver, lathe.cuda.cudart
assert trt is lathe.trt and tensorrt.tensorrt.Logger is trt.Logger
assert cuda is lathe.cuda.driver and cudart is lathe.cuda.cudart
assert runtime.cudaError_t is cudart.cudaError_t
from cuda.bindings import driver, nvrtc
assert nvrtc.nvrtcGetErrorString(nvrtc.nvrtcResult(6))[1] == b"NVRTC_ERROR_COMPILATION"
assert not hasattr(nvrtc, "nvrtcCompileProgram")
import tensorrt_lean, tensorrt_dispatch
assert tensorrt_lean is tensorrt_dispatch is trt
assert __name__ == "__main__" and sys.argv[1:] == ["--flag", "-m", "x"], sys.argv
"""), "--flag", "-m", "x")


def test_processes_that_it_starts_see_the_same(tmp_path):
    inner = script(tmp_path, "import tensorrt, lathe.trt; assert tensorrt is lathe.trt", "inner.py")
    run(tmp_path, script(tmp_path, f"""
import multiprocessing, subprocess, sys
def name(_):
    import tensorrt
    return tensorrt.__name__
if __name__ == "__main__":
    subprocess.run([sys.executable, {str(inner)!r}], check=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(name, [0]) == ["lathe.trt"]
"""))


def test_modules_and_console_programs(tmp_path):
    script(tmp_path, "import tensorrt, sys; print(tensorrt.__name__, sys.argv[1:])", "part.py")
    assert "lathe.trt ['a', '-b']" in run(tmp_path, "-m", "part", "a", "-b").stdout
    assert "lathe" in run(tmp_path, "lathe", "version").stdout.lower()


def test_the_exit_status_and_the_traceback_are_the_programs(tmp_path):
    assert run(tmp_path, script(tmp_path, "import sys; sys.exit(7)"), check=False).returncode == 7
    done = run(tmp_path, script(tmp_path, "def f():\n  1 // 0\nf()"), check=False)
    assert done.returncode == 1 and "line 2, in f" in done.stderr
    assert "no such file" in run(tmp_path, "absent.py", check=False).stderr
    assert "no program of that name" in run(tmp_path, "surely-absent", check=False).stderr


def test_what_lathe_lacks_is_named(tmp_path):
    done = run(tmp_path, script(tmp_path, "import pycuda.compiler"), check=False)
    assert "pycuda.compiler: Lathe's pycuda has no such module" in done.stderr


def test_installed_versions_are_found(tmp_path):
    run(tmp_path, script(tmp_path, """
import importlib.metadata, tensorrt
assert importlib.metadata.version("tensorrt") == tensorrt.__version__
"""))


def test_api_8_shows_what_10_dropped(tmp_path):
    probe = script(tmp_path, """
import tensorrt as trt
print(hasattr(trt.ICudaEngine, "num_bindings"), hasattr(trt.Builder, "build_engine"))
""")
    assert run(tmp_path, probe).stdout.split() == ["False", "False"]
    assert run(tmp_path, "--api", "8", probe).stdout.split() == ["True", "True"]


def test_a_sitecustomize_of_the_users_still_runs(tmp_path):
    script(tmp_path, "import os; os.environ['SEEN'] = 'yes'", "sitecustomize.py")
    child = script(tmp_path, "import os; assert os.environ.get('SEEN') == 'yes'", "child.py")
    run(tmp_path, script(tmp_path, f"""
import subprocess, sys, os
os.environ.pop("SEEN", None)
subprocess.run([sys.executable, {str(child)!r}], check=True)
"""), PYTHONPATH=os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))


def test_packages_can_be_kept(tmp_path):
    done = run(tmp_path, "--keep", "pycuda", script(tmp_path, """
try:
    import pycuda.driver as cuda
    print(cuda.__name__)
except ImportError:
    print("absent")
"""))
    assert "lathe" not in done.stdout


def test_libcudart_is_found_by_name_and_by_path(tmp_path):
    run(tmp_path, "--device", "cpu", script(tmp_path, """
import ctypes, glob, os
first = os.environ["LD_LIBRARY_PATH"].split(":")[0]
assert glob.glob(first + "/libcudart.so*")
assert ctypes.CDLL("libcudart.so").cudaDeviceSynchronize() == 0
# Libraries that bring their own CUDA runtime (PyTorch's) must not bind to this one.
assert not hasattr(ctypes.CDLL(None), "cudaGetDeviceCount")
"""))
