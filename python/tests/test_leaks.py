# SPDX-License-Identifier: Apache-2.0
"""Nothing is left behind by 100,000 calls."""
import gc
import subprocess
import sys

import networks
import numpy as np

import lathe

CALLS = 100_000


def resident_bytes():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


def allocated():
    gc.collect()
    return resident_bytes(), sys.getallocatedblocks()


def repeat(action, calls):
    """What `calls` calls leave behind, after some to warm up: (bytes, Python objects)."""
    for _ in range(2000):
        action()
    bytes_before, blocks_before = allocated()
    for _ in range(calls):
        action()
    bytes_after, blocks_after = allocated()
    return bytes_after - bytes_before, blocks_after - blocks_before


def test_calls_leave_nothing(relu):
    x = np.ones((2, 3), np.float32)
    references = sys.getrefcount(x)
    left_bytes, left_blocks = repeat(lambda: relu(x), CALLS)
    assert sys.getrefcount(x) == references
    # A leak of one small object a call would be 100,000 blocks and megabytes.
    assert left_blocks < 1000 and left_bytes < 4 << 20


def test_errors_leave_nothing(relu):
    wrong = np.ones((2, 4), np.float32)

    def fail():
        try:
            relu(wrong)
        except lathe.InputError:
            pass

    references = sys.getrefcount(wrong)
    left_bytes, left_blocks = repeat(fail, 10_000)
    assert sys.getrefcount(wrong) == references
    assert left_blocks < 1000 and left_bytes < 4 << 20


def test_sessions_and_futures_leave_nothing(relu):
    x = np.ones((2, 3), np.float32)
    with relu.session() as run:
        left_bytes, left_blocks = repeat(lambda: run.submit(x).result(), 5000)
    assert left_blocks < 1000 and left_bytes < 4 << 20

    def open_and_close():
        with relu.session() as run:
            run(x)

    left_bytes, left_blocks = repeat(open_and_close, 2000)
    assert left_blocks < 1000 and left_bytes < 4 << 20


def test_engines_leave_nothing():
    data = lathe.build(networks.relu(), tune=False, timing_cache=False).serialize()
    left_bytes, left_blocks = repeat(lambda: lathe.load(data), 1000)
    assert left_blocks < 1000 and left_bytes < 8 << 20


def test_a_program_that_destroys_nothing_ends_quietly():
    program = """
import numpy as np
import lathe.trt as trt
from lathe.cuda.bindings import runtime as cudart
builder = trt.Builder(trt.Logger())
network = builder.create_network()
x = network.add_input("x", trt.float32, (4,))
network.mark_output(network.add_identity(x).get_output(0))
engine = builder.build_engine_with_config(network, builder.create_builder_config())
context = engine.create_execution_context()
_, stream = cudart.cudaStreamCreate()
_, memory = cudart.cudaMalloc(32)
for k, name in enumerate(engine):
    context.set_tensor_address(name, memory + 16 * k)
context.execute_async_v3(stream)
cudart.cudaStreamBeginCapture(stream, cudart.cudaStreamCaptureMode.cudaStreamCaptureModeGlobal)
context.execute_async_v3(stream)
_, graph = cudart.cudaStreamEndCapture(stream)
_, executable = cudart.cudaGraphInstantiate(graph, 0)
_, event = cudart.cudaEventCreate()
cudart.cudaGraphLaunch(executable, stream)
print("done")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True,
                           timeout=120)
    assert (ended.returncode, ended.stdout.split()[-1], ended.stderr) == (0, "done", "")
