# SPDX-License-Identifier: Apache-2.0
"""Interfaces that programs implement to watch: profilers, progress, errors, outputs, debugging."""
from .enums import ErrorCodeTRT
from .interface import IVersionedInterface


class IProfiler:
    """Derive from it and define report_layer_time(layer_name, ms)."""

    def __init__(self):
        pass

    def report_layer_time(self, layer_name, ms):
        """Receives the time of one layer in one run."""
        raise NotImplementedError("an IProfiler defines report_layer_time(self, layer_name, ms)")


class Profiler(IProfiler):
    """Prints each layer's time."""

    def report_layer_time(self, layer_name, ms):
        """Prints "name: time ms"."""
        print(f"{layer_name}: {ms:.6g}ms", flush=True)


class IProgressMonitor(IVersionedInterface):
    """Derive from it and define the three methods; step_complete returning False cancels."""

    def __init__(self):
        pass

    def phase_start(self, phase_name, parent_phase, num_steps):
        """A phase of a build begins; parent_phase: the phase that it is a part of, or None."""
        raise NotImplementedError("an IProgressMonitor defines phase_start")

    def step_complete(self, phase_name, step):
        """One of its steps is done; return whether to go on."""
        raise NotImplementedError("an IProgressMonitor defines step_complete")

    def phase_finish(self, phase_name):
        """It ends."""
        raise NotImplementedError("an IProgressMonitor defines phase_finish")


class IErrorRecorder(IVersionedInterface):
    """Derive from it and define report_error(val, desc); the rest has a list behind it."""

    MAX_DESC_LENGTH = 127

    def __init__(self):
        self._recorded = []

    def report_error(self, val, desc):
        """Receives an error; a list keeps it unless this is overridden."""
        self.__dict__.setdefault("_recorded", []).append((ErrorCodeTRT(int(val)), desc))
        return True

    def num_errors(self):
        """How many."""
        return len(self.__dict__.get("_recorded", ()))

    def get_error_code(self, arg0):
        """Error arg0's code."""
        return self._recorded[arg0][0]

    def get_error_desc(self, arg0):
        """Error arg0's text."""
        return self._recorded[arg0][1]

    def has_overflowed(self):
        """False."""
        return False

    def clear(self):
        """Forgets them."""
        self.__dict__.get("_recorded", []).clear()


def record(error, code, *owners):
    """Tells the first of some objects that has an error recorder: runtimes lend theirs to engines,
    engines to contexts."""
    for owner in owners:
        if owner.error_recorder is not None:
            owner.error_recorder.report_error(code, error)
            return


class IOutputAllocator(IVersionedInterface):
    """Derive from it and define reallocate_output (or ..._async) and notify_shape."""

    def __init__(self):
        pass

    def reallocate_output(self, tensor_name, memory, size, alignment):
        """The address of memory for `size` bytes; `memory` is what was given before."""
        raise NotImplementedError("an IOutputAllocator defines reallocate_output or "
                                  "reallocate_output_async")

    def reallocate_output_async(self, tensor_name, memory, size, alignment, stream):
        """The same, in a stream's order."""
        return self.reallocate_output(tensor_name, memory, size, alignment)

    def notify_shape(self, tensor_name, shape):
        """Receives the shape of the output."""
        raise NotImplementedError("an IOutputAllocator defines notify_shape")


class IDebugListener(IVersionedInterface):
    """Derive from it and define process_debug_tensor."""

    def __init__(self):
        pass

    def process_debug_tensor(self, addr, location, type, shape, name, stream):
        """Receives a tensor."""
        raise NotImplementedError("an IDebugListener defines process_debug_tensor")
