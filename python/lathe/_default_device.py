# SPDX-License-Identifier: Apache-2.0
"""The device of programs that name none: one answer for lathe.trt's engines and lathe.cuda's
memory, which must meet."""
import functools
import os

from . import _core


def default_device():
    """"cpu" or "cuda:N": LATHE_DEVICE, else the first GPU that works, else the CPU."""
    named = os.environ.get("LATHE_DEVICE", "")
    if named:
        return "cuda:0" if named == "cuda" else named
    return _first_gpu() or "cpu"


@functools.cache
def _first_gpu():
    return next((d.id for d in _core.devices() if d.id.startswith("cuda") and not d.error), None)
