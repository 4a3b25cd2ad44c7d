# SPDX-License-Identifier: Apache-2.0
"""Events that a program gives: objects of lathe.cuda's, or what has the number of CUDA's own."""
import ctypes

from .. import _core
from ..errors import DeviceError


def _known(event):
    """The event behind an object of lathe.cuda's, else None."""
    for name in ("thing", "_core"):
        if isinstance(getattr(event, name, None), _core.DeviceEvent):
            return getattr(event, name)
    return None


def handle_of(event):
    """CUDA's number of an event; 0 for None."""
    known = _known(event)
    if known is not None:
        return known.handle
    return int(getattr(event, "handle", event) or 0)


def record(event, stream, on_device):
    """Records an event behind what is in `stream`. Of CPU engines the work is done by then: numbers
    stand for nothing there."""
    known = _known(event)
    if known is not None:
        from ..cuda import current
        current().stream(stream).record(known)
    elif on_device and handle_of(event):
        code = ctypes.CDLL("libcuda.so.1").cuEventRecord(ctypes.c_void_p(handle_of(event)),
                                                         ctypes.c_void_p(stream))
        if code:
            raise DeviceError(f"the event was not recorded: CUDA's error {code}")
