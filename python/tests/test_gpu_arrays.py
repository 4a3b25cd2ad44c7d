# SPDX-License-Identifier: Apache-2.0
"""Arrays, addresses and streams of CuPy, PyTorch and PyCUDA on a GPU. What is not installed is
skipped, and all of it where there is no GPU."""
import os
import subprocess
import sys

import networks
import numpy as np
import pytest

import lathe
import lathe.cuda
import lathe.trt as trt
from test_trt_engine import build, convnet, expected

GPUS = [d.id for d in lathe.devices() if d.id.startswith("cuda:") and not d.error]
pytestmark = pytest.mark.skipif(lathe.cuda.default_device() == "cpu", reason="no GPU")
needs_two = pytest.mark.skipif(len(GPUS) < 2, reason="one GPU")


@pytest.fixture
def cupy():
    return pytest.importorskip("cupy", reason="CuPy is not installed")


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    if not torch.cuda.is_available():
        pytest.skip("PyTorch has no GPU")
    return torch


def images_engine(device="cuda", save=None):
    engine = lathe.build(networks.image(), device=device, tune=False, timing_cache=False)
    if save:
        engine.save(save)
    return engine


def images(*shape):
    return np.random.default_rng().standard_normal(shape).astype(np.float32)


def scores(x):
    """What networks.image() computes, on the CPU."""
    y, = lathe.build(networks.image(), tune=False, timing_cache=False)(x)
    return y


def close(y, reference):
    np.testing.assert_allclose(y, reference, rtol=1e-4, atol=1e-4)


def copies(torch, action):
    """The names of the copies between memories that a GPU makes during an action, as CUPTI saw
    them."""
    kinds = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        action()
        torch.cuda.synchronize()
    seen = [event.name for event in profile.events()]
    if not seen:
        pytest.skip("CUPTI records nothing here")
    return [name for name in seen if "memcpy" in name.lower()]


# --- lathe: arrays in, arrays out


def test_cupy_arrays_give_cupy_arrays(cupy):
    engine, x = images_engine(), images(4, 3, 16, 16)
    y, = engine(cupy.asarray(x))
    assert isinstance(y, cupy.ndarray) and y.dtype == np.float32 and y.shape == (4, 8, 16, 16)
    close(y.get(), scores(x))
    named = engine(images=cupy.asarray(x.transpose(0, 1, 3, 2)).transpose(0, 1, 3, 2))
    close(named["scores"].get(), scores(x))
    half = lathe.build(networks.negated(10), device="cuda", tune=False, timing_cache=False)
    y, = half(cupy.arange(4, dtype=np.float16))
    assert y.dtype == np.float16 and y.get().tolist() == [0, 1, 2, 3]


def test_cupys_queue_is_waited_for_or_shared(cupy):
    engine = lathe.build(networks.relu(), device="cuda", tune=False, timing_cache=False)
    x, stream = images(1 << 18, 3), cupy.cuda.Stream(non_blocking=True)
    for _ in range(5):
        with stream:  # a session of its own stream
            y, = engine(cupy.asarray(x) * 2 - 1)
        np.testing.assert_array_equal(y.get(), np.maximum(x * 2 - 1, 0))
    with stream, engine.session(stream=stream) as run:  # in the order of CuPy's
        y, = run.submit(cupy.asarray(x) * 3).result()
        np.testing.assert_array_equal((y + 1).get(), np.maximum(x * 3, 0) + 1)


def test_nothing_is_copied(cupy, torch):
    engine = images_engine()
    ours, theirs = cupy.asarray(images(4, 3, 16, 16)), torch.randn(4, 3, 16, 16, device="cuda")
    engine(ours)
    engine(theirs)
    cupy.cuda.get_current_stream().synchronize()
    assert copies(torch, lambda: engine(ours)) == []
    assert copies(torch, lambda: engine(theirs)) == []
    assert copies(torch, lambda: theirs.cpu()) != []  # the profiler would have seen one


def test_memory_goes_from_library_to_library_by_dlpack(cupy, torch):
    engine, x = images_engine(), torch.randn(2, 3, 16, 16, device="cuda")
    torch.cuda.synchronize()
    shared = cupy.from_dlpack(x)
    assert shared.data.ptr == x.data_ptr()
    y, = engine(shared)
    back = torch.from_dlpack(y)
    assert back.data_ptr() == y.data.ptr and back.device == x.device
    z, = engine(x)
    assert torch.allclose(back, z)
    close(z.cpu(), scores(x.cpu().numpy()))


# --- lathe.trt: addresses and streams


def test_contexts_take_cupys_addresses_and_streams(cupy):
    model, w = convnet()
    context = build(model)[0].create_execution_context()
    x, stream = images(4, 3, 8, 8), cupy.cuda.Stream(non_blocking=True)
    assert context.set_input_shape("x", x.shape)
    with stream:
        there, y = cupy.asarray(x), cupy.full((4, 4, 8, 8), 77, np.float32)
        for factor in (1, -1, 2):
            scaled = there * factor
            context.set_tensor_address("x", scaled.data.ptr)
            context.set_tensor_address("y", y.data.ptr)
            assert context.execute_async_v3(stream.ptr)
            more = y + 1  # behind the run, on the same stream
            stream.synchronize()
            close(more.get(), expected(x * factor, w) + 1)


def test_contexts_take_pytorchs_addresses_and_streams(torch):
    model, w = convnet()
    context = build(model)[0].create_execution_context()
    x, stream = images(4, 3, 8, 8), torch.cuda.Stream()
    assert context.set_input_shape("x", x.shape)
    with torch.cuda.stream(stream):
        there = torch.from_numpy(x).pin_memory().cuda(non_blocking=True)
        y = torch.full((4, 4, 8, 8), 77.0, device="cuda")
        for factor in (1, -1, 2):
            scaled = there * factor
            context.set_tensor_address("x", scaled.data_ptr())
            context.set_tensor_address("y", y.data_ptr())
            assert context.execute_async_v3(stream.cuda_stream)
            close((y + 1).cpu(), expected(x * factor, w) + 1)


# As inference classes on PyCUDA are written, in a process of its own: its context is not the one
# that CuPy and PyTorch share.
PYCUDA = """
import sys
import numpy as np
import pycuda.autoinit
import pycuda.driver as cuda
import tensorrt as trt
assert "lathe" not in cuda.__name__ and "lathe" in trt.__name__

logger = trt.Logger(trt.Logger.WARNING)
with open(sys.argv[1], "rb") as f, trt.Runtime(logger) as runtime:
    engine = runtime.deserialize_cuda_engine(f.read())
context = engine.create_execution_context()
stream = cuda.Stream()
x = np.load("x.npy")
context.set_input_shape("x", x.shape)
host_x = cuda.pagelocked_empty(x.size, np.float32)
host_y = cuda.pagelocked_empty(trt.volume(context.get_tensor_shape("y")), np.float32)
device_x, device_y = cuda.mem_alloc(host_x.nbytes), cuda.mem_alloc(host_y.nbytes)
context.set_tensor_address("x", int(device_x))
context.set_tensor_address("y", device_y)
results = []
for factor in (1, -1, 2):
    np.copyto(host_x, x.ravel() * factor)
    cuda.memcpy_htod_async(device_x, host_x, stream)
    assert context.execute_async_v3(stream_handle=stream.handle)
    cuda.memcpy_dtoh_async(host_y, device_y, stream)
    stream.synchronize()
    results.append(host_y.copy())
cuda.memcpy_htod(device_x, np.ascontiguousarray(x * 3))
assert context.execute_v2([int(device_x), int(device_y)])
cuda.memcpy_dtoh(host_y, device_y)
results.append(host_y.copy())
np.save("y.npy", np.stack(results))
"""


@pytest.mark.parametrize("context", ["autoinit", "autoprimaryctx"])
def test_contexts_take_pycudas_allocations_and_streams(tmp_path, context):
    pytest.importorskip("pycuda.driver", reason="PyCUDA is not installed")
    model, w = convnet()
    (tmp_path / "model.engine").write_bytes(bytes(build(model)[0].serialize()))
    (tmp_path / "program.py").write_text(PYCUDA.replace("autoinit", context))
    x = images(4, 3, 8, 8)
    np.save(tmp_path / "x.npy", x)
    done = subprocess.run([sys.executable, "-m", "lathe.trt", "--keep", "pycuda", "program.py",
                           "model.engine"], cwd=tmp_path, capture_output=True, text=True,
                          timeout=120, env={**os.environ, "LATHE_DEVICE": ""})
    assert done.returncode == 0, done.stdout + done.stderr
    for y, factor in zip(np.load(tmp_path / "y.npy"), (1, -1, 2, 3)):
        close(y.reshape(4, 4, 8, 8), expected(x * factor, w))


# --- which GPU


def test_a_gpu_that_is_not_there_is_refused(tmp_path):
    engine = images_engine(save=tmp_path / "model.engine")
    assert engine.device == GPUS[0]
    absent = f"cuda:{len(GPUS) + 5}"
    for action in (lambda: lathe.build(networks.image(), device=absent),
                   lambda: lathe.load(tmp_path / "model.engine", device=absent)):
        with pytest.raises((lathe.NotFoundError, lathe.DeviceError), match=absent):
            action()
    with pytest.raises(lathe.cuda.driver.LogicError, match=str(len(GPUS) + 5)):
        lathe.cuda.driver.Device(len(GPUS) + 5)


@needs_two
@pytest.mark.parametrize("library", ["cupy", "torch"])
def test_an_engine_of_the_second_gpu(request, tmp_path, library):
    module = request.getfixturevalue(library)
    first, x = images_engine("cuda:0", tmp_path / "model.engine"), images(2, 3, 16, 16)
    second = lathe.load(tmp_path / "model.engine", device="cuda:1")
    built = images_engine("cuda:1")
    assert (first.device, second.device, built.device) == ("cuda:0", "cuda:1", "cuda:1")

    def on(number):
        if library == "torch":
            return module.from_numpy(x).to(f"cuda:{number}")
        with module.cuda.Device(number):
            return module.asarray(x)

    def where(y):
        return y.device.index if library == "torch" else y.device.id

    def host(y):
        return y.cpu() if library == "torch" else y.get()

    for engine, number in ((first, 0), (second, 1), (built, 1)):
        y, = engine(on(number))
        assert where(y) == number
        close(host(y), scores(x))
        close(engine(x)[0], scores(x))  # from the host
    with pytest.raises(lathe.InputError, match="is on cuda:1, and the engine runs on cuda:0"):
        first(on(1))
    with pytest.raises(lathe.InputError, match="is on cuda:0, and the engine runs on cuda:1"):
        second(on(0))


@needs_two
def test_a_context_on_the_callers_gpu(torch):
    model, w = convnet()
    plan = build(model)[0].serialize()
    x = images(4, 3, 8, 8)
    for number in (1, 0):
        with torch.cuda.device(number):
            engine = trt.Runtime(trt.Logger()).deserialize_cuda_engine(plan)
            context = engine.create_execution_context()
            there = torch.from_numpy(x).cuda()
            y = torch.full((4, 4, 8, 8), 77.0, device="cuda")
            assert there.device.index == number
            context.set_input_shape("x", x.shape)
            context.set_tensor_address("x", there.data_ptr())
            context.set_tensor_address("y", y.data_ptr())
            assert context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
            close(y.cpu(), expected(x, w))
