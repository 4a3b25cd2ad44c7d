# SPDX-License-Identifier: Apache-2.0
"""The device of programs that name none: one answer for lathe.trt's engines and lathe.cuda's
memory, which must meet."""
import functools
import os
import threading

from . import _core

_thread = threading.local()


def select(device_id):
    """Makes a device the calling thread's."""
    _thread.device_id = device_id


def default_device():
    """"cpu" or "cuda:N": the CPU where LATHE_DEVICE says so, else what the thread selected, else
    LATHE_DEVICE, else the first GPU that works, else the CPU."""
    named = _named()
    if named:
        return "cuda:0" if named == "cuda" else named
    return _first_gpu() or "cpu"


def engine_device():
    """The GPU that engines for GPUs are opened on; "": the current CUDA context's."""
    named = _named()
    return named if named.startswith("cuda") else ""


def _named():
    named = os.environ.get("LATHE_DEVICE", "")
    return named if named == "cpu" else getattr(_thread, "device_id", "") or named


@functools.cache
def _first_gpu():
    return next((d.id for d in _core.devices() if d.id.startswith("cuda") and not d.error), None)
