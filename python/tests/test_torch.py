# SPDX-License-Identifier: Apache-2.0
"""PyTorch tensors, on the CPU and on a GPU. Skipped where PyTorch is not installed."""
import networks
import numpy as np
import pytest
from onnx import TensorProto

import lathe

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
has_gpu = torch.cuda.is_available() and any(d.id.startswith("cuda") and not d.error
                                            for d in lathe.devices())
needs_gpu = pytest.mark.skipif(not has_gpu, reason="no GPU")


def test_a_tensor_gives_a_tensor(relu):
    x = torch.randn(4, 3, requires_grad=True)
    y, = relu(x)
    assert isinstance(y, torch.Tensor) and y.device.type == "cpu" and not y.requires_grad
    assert torch.equal(y, x.detach().relu())
    assert torch.equal(relu(x=x.t().contiguous().t())["y"], x.detach().relu())


def test_bfloat16_and_half():
    kinds = {torch.bfloat16: TensorProto.BFLOAT16, torch.float16: TensorProto.FLOAT16}
    for dtype, kind in kinds.items():
        engine = lathe.build(networks.negated(kind), tune=False, timing_cache=False)
        x = torch.tensor([1, -2, 3, 0], dtype=dtype)
        y, = engine(x)
        assert y.dtype == dtype and torch.equal(x, y)


def test_a_tensor_of_a_gpu_is_refused_by_a_cpu_engine(relu):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    with pytest.raises(lathe.InputError, match="on a GPU"):
        relu(torch.ones(2, 3, device="cuda"))


@needs_gpu
def test_gpu_tensors_stay_where_they_are():
    engine = lathe.build(networks.image(), device="cuda", timing_cache=False, shapes="4x3x16x16")
    x = torch.randn(4, 3, 16, 16, device="cuda")
    for _ in range(3):
        y, = engine(x)
    assert y.is_cuda and y.device == x.device
    host, = engine(x.cpu())
    assert not host.is_cuda and torch.allclose(host, y.cpu())
    array, = engine(x.cpu().numpy())
    np.testing.assert_allclose(array, y.cpu().numpy())


@needs_gpu
def test_a_session_runs_on_the_callers_stream():
    engine = lathe.build(networks.relu(), device="cuda", tune=False, timing_cache=False)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream), engine.session(stream=stream) as run:
        x = torch.randn(1 << 16, 3, device="cuda") * 2  # queued on the stream just before
        y, = run.submit(x).result()
        assert torch.equal(y, x.relu())
