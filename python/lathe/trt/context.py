# SPDX-License-Identifier: Apache-2.0
"""IExecutionContext: one running engine. Addresses are of the engine's device, which for a CPU
engine is the host. A context belongs to one thread at a time."""
import sys

from .. import _core
from ..errors import Error
from . import events
from .debug import ContextDebug
from .dims import Dims, as_dims
from .engine import ICudaEngine
from .enums import (ErrorCodeTRT, ExecutionContextAllocationStrategy, ProfilingVerbosity, Severity,
                    TensorIOMode)
from .interface import Managed
from .observers import record
from .shape_inputs import ContextShapeInputs
from .support import Setting, accepted

_ALIGNMENT = 256


class _Bindings:
    """Shapes and addresses of one profile, over one session."""

    def __init__(self, engine, profile):
        core = engine._cores[profile]
        self.session, self.core = _core.BoundSession(core), core
        self.shapes = {p.name: None for p in core.inputs()}
        self.limits = {}
        for port in core.inputs():
            if all(isinstance(s, int) for s in port.shape):
                self.shapes[port.name] = engine._tensors[port.name].own_shape(port.shape)
            self.limits[port.name] = (engine.get_tensor_profile_values(port.name, profile)
                                      or engine.get_tensor_profile_shape(port.name, profile))


class _Borrowed:
    """Memory of a program's allocator, given back when it is too small or the context goes."""

    def __init__(self):
        self._allocator, self._address, self._size = None, 0, 0

    def place(self, session, allocator):
        """Memory large enough for the session's next run."""
        needed = session.device_memory_size()
        if needed > self._size or allocator is not self._allocator:
            self.release()
            address = int(allocator.allocate(needed, _ALIGNMENT, 0) or 0) if needed else 0
            if needed and not address:
                raise MemoryError(f"the allocator has no {needed} bytes")
            self._allocator, self._address, self._size = allocator, address, needed
        if self._address:
            session.set_device_memory(self._address, self._size)

    def release(self):
        """Gives it back."""
        if self._address:
            self._allocator.deallocate(self._address)
        self._allocator, self._address, self._size = None, 0, 0

    __del__ = release


class IExecutionContext(Managed, ContextDebug, ContextShapeInputs):
    """Made by ICudaEngine.create_execution_context; keeps the engine."""

    name = Setting("", "a name for messages", str)
    debug_sync = Setting(False, "execute_v2 waits for each step and logs it", bool)
    error_recorder = Setting(None, "told of errors too")
    temporary_allocator = Setting(None, "an IGpuAllocator for this context's memory")
    persistent_cache_limit = Setting(0, "kept; L2 is not reserved", int)
    nvtx_verbosity = Setting(ProfilingVerbosity.LAYER_NAMES_ONLY, "kept", ProfilingVerbosity)
    enqueue_emits_profile = Setting(True, "False: report_to_profiler tells of the last run", bool)

    def __init__(self, engine, config):
        self._engine, self._config = engine, config
        self._on_device = engine._device != "cpu"
        self._profile, self._generation = 0, engine._generation
        self._addresses = dict.fromkeys(engine._names, 0)
        self._allocators, self._profiler, self._memory = {}, None, (0, 0)
        self._bindings = {0: _Bindings(engine, 0)}
        self._consumed = None
        self._start_debugging()
        self._start_shape_inputs()
        self._borrowed = _Borrowed()
        self._dirty = True  # addresses or shapes are not what the session has

    engine = property(lambda self: self._engine, doc="the engine")

    def _report(self, text):
        engine = self._engine
        engine._runtime._logger.log(Severity.ERROR, text)
        record(text, ErrorCodeTRT.INVALID_ARGUMENT, self, engine, engine._runtime)

    def _current(self):
        """The bindings of the active profile; opened anew where the engine was refitted."""
        if self._generation != self._engine._generation:
            shapes = {p: dict(b.shapes) for p, b in self._bindings.items()}
            self._bindings = {p: _Bindings(self._engine, p) for p in shapes}
            self._generation, self._dirty = self._engine._generation, True
            for profile, known in shapes.items():
                for name, shape in known.items():
                    if shape is not None:
                        self._bindings[profile].session.set_shape(
                            name, self._engine._tensors[name].memory_shape(shape))
                        self._bindings[profile].shapes[name] = shape
        if self._profile not in self._bindings:
            self._bindings[self._profile] = _Bindings(self._engine, self._profile)
        return self._bindings[self._profile]

    # --- shapes

    def set_input_shape(self, name, shape):
        """Whether the shape is within the active profile."""
        found = self._engine._tensor(name)
        if found is None or found.mode != TensorIOMode.INPUT:
            self._report(f"set_input_shape: '{name}' is no input")
            return False
        shape, current = tuple(as_dims(shape)), self._current()
        if name in self._engine._shape_tensors and shape == found.shape:
            return True
        if shape == current.shapes[name]:
            return True
        low, _, high = current.limits[name]
        if len(shape) != len(low) or not all(
                a <= s and (s <= b or b < 0) for a, s, b in zip(low, shape, high)):
            self._report(f"set_input_shape: '{name}' {shape} is outside of profile "
                         f"{self._profile}: {low} to {high}")
            return False
        try:
            current.session.set_shape(name, found.memory_shape(shape))
        except (Error, ValueError) as error:
            self._report(f"set_input_shape: {error}")
            return False
        current.shapes[name], self._dirty = shape, True
        return True

    def get_tensor_shape(self, name):
        """Sizes at the shapes set; -1 where they are not known yet."""
        found = self._engine._tensor(name)
        if found is None:
            return Dims()
        if name in self._engine._shape_tensors:
            return Dims(found.shape)
        current = self._current()
        if found.mode == TensorIOMode.INPUT:
            shape = current.shapes[name]
            return Dims(self._as_far_as_known(current, found) if shape is None else shape)
        if self.infer_shapes():
            return Dims(found.shape)
        try:
            return Dims(found.own_shape(current.session.output_shape(name)))
        except Error as error:  # inputs that do not fit each other
            self._report(f"get_tensor_shape: {error}")
            return Dims(found.shape)

    @staticmethod
    def _as_far_as_known(current, found):
        low, _, high = current.limits[found.name]
        return [a if size < 0 and a == b else size for size, a, b in zip(found.shape, low, high)]

    def _symbols(self):
        """The sizes that symbols stand for, as far as the shapes that are set say it."""
        current, known = self._current(), {}
        for port in current.core.inputs():
            shape = current.shapes.get(port.name)
            if shape is not None and port.name not in self._engine._shape_tensors:
                sizes = self._engine._tensors[port.name].memory_shape(shape)
                known |= {s: n for s, n in zip(port.shape, sizes) if isinstance(s, str)}
        return known

    def get_tensor_strides(self, name):
        """Elements between neighbours along each dimension; vectors, where the format has them."""
        found = self._engine._tensor(name)
        if found is not None and found.layout is not None:
            return Dims(found.layout.strides(self.get_tensor_shape(name)[:]))
        strides, step = [], 1
        for size in reversed(self.get_tensor_shape(name)[:]):
            strides.insert(0, step)
            step *= size
        return Dims(strides)

    def infer_shapes(self):
        """Names of inputs whose shapes, or elements of shape tensors, are not set: [] where all is
        known."""
        current = self._current()
        try:
            self._read_shape_inputs(current)
        except (Error, ValueError) as error:
            self._report(f"infer_shapes: {error}")
            return list(self._engine._shape_tensors)
        return [name for name, shape in current.shapes.items() if shape is None]

    all_binding_shapes_specified = property(
        lambda self: not set(self.infer_shapes()) - set(self._engine._shape_tensors),
        doc="whether every shape is set")
    all_shape_inputs_specified = property(
        lambda self: not set(self.infer_shapes()) & set(self._engine._shape_tensors),
        doc="whether the elements of every shape tensor are set")

    def get_max_output_size(self, name):
        """Bytes that an output takes at most at the shapes set."""
        return self._bytes(name)

    def _bytes(self, name):
        return self._engine._tensors[name].bytes(self.get_tensor_shape(name)[:])

    # --- profiles

    active_optimization_profile = property(lambda self: self._profile, doc="its index")

    def set_optimization_profile_async(self, profile_index, stream_handle):
        """Another profile; its inputs' shapes are to be set."""
        if not 0 <= int(profile_index) < self._engine.num_optimization_profiles:
            self._report(f"there is no profile {profile_index}: the engine has "
                         f"{self._engine.num_optimization_profiles}")
            return False
        self._profile, self._dirty = int(profile_index), True
        try:
            self._current()
        except Error as error:
            self._report(str(error))
            return False
        return True

    # --- memory

    def set_tensor_address(self, name, memory):
        """Whether there is such a tensor. `memory`: an address, or anything that int() takes."""
        if self._engine._tensor(name) is None:
            return False
        address = int(memory) if memory is not None else 0
        if self._addresses[name] != address:
            self._addresses[name], self._dirty = address, True
        return True

    def get_tensor_address(self, name):
        """The address, 0 where none is set."""
        return self._addresses.get(name, 0)

    def set_output_allocator(self, name, output_allocator):
        """Asked for an output's memory at every run, and told its shape."""
        found = self._engine._tensor(name)
        if found is None or found.mode != TensorIOMode.OUTPUT:
            return False
        self._allocators[name] = output_allocator
        if output_allocator is None:
            del self._allocators[name]
        return True

    def get_output_allocator(self, name):
        """The allocator, or None."""
        return self._allocators.get(name)

    @property
    def device_memory(self):
        """The address of the context's memory: to be set where it was created without."""
        return self._memory[0]

    @device_memory.setter
    def device_memory(self, memory):
        self._memory, self._dirty = (int(memory), -1), True

    def set_device_memory(self, memory, size):
        """The caller's memory for activations: `size` bytes, 256-byte aligned."""
        self._memory, self._dirty = (int(memory), int(size)), True

    def update_device_memory_size_for_shapes(self):
        """Bytes that a run of the shapes set takes."""
        return self._current().session.device_memory_size()

    def set_aux_streams(self, aux_streams):
        """Nothing: an engine runs on one stream."""

    def set_input_consumed_event(self, event):
        """An event for when the inputs may be overwritten: recorded behind the run."""
        self._consumed = event
        return True

    def get_input_consumed_event(self):
        """The event's handle; 0: none."""
        return events.handle_of(self._consumed)

    # --- running

    def _prepare(self, stream=0):
        """The session with the current addresses, or None with the error reported."""
        current = self._current()
        self._read_shape_inputs(current)
        missing = [name for name, shape in current.shapes.items() if shape is None]
        if missing:
            self._report(f"no shape is set for {', '.join(missing)}")
            return None
        if self._dirty:
            self._check_assertions(current)
        for name, allocator in self._allocators.items():
            self._allocate(name, allocator, stream)
        if self._dirty:
            self._bind(current)
            self._dirty = False
        return current.session

    def _check_assertions(self, current):
        for assertion in self._engine._plan.assertions:
            if not assertion.holds(current.shapes):
                raise ValueError(f"assertion '{assertion.layer}' does not hold for the inputs' "
                                 f"shapes: {assertion.message}")

    def _allocate(self, name, allocator, stream):
        shape, size = self.get_tensor_shape(name), max(self._bytes(name), 1)
        address = allocator.reallocate_output_async(name, self._addresses[name], size, _ALIGNMENT,
                                                    stream)
        self.set_tensor_address(name, address or 0)
        allocator.notify_shape(name, shape)

    def _bind(self, current):
        for name in self._engine._names:
            if name in self._engine._shape_tensors:
                current.session.bind_input(name, 0, 0, self._on_device)
                continue
            address, count = self._addresses[name], self._bytes(name)
            if address == 0 and count:
                raise ValueError(f"no address is set for '{name}'")
            bind = (current.session.bind_input if name in current.shapes
                    else current.session.bind_output)
            bind(name, address, count, self._on_device)
        self._bind_debug(current.session)
        self._place_memory(current.session)

    def _place_memory(self, session):
        """Gives the session the memory that the program gave, or that its allocator gives."""
        address, size = self._memory
        allocator = self.temporary_allocator or self._engine._runtime.gpu_allocator
        strategy = self._config.get_execution_context_allocation_strategy()
        if address:
            session.set_device_memory(address, session.device_memory_size() if size < 0 else size)
        elif strategy == ExecutionContextAllocationStrategy.USER_MANAGED:
            if session.device_memory_size():
                raise ValueError("the context was created without device memory: set_device_memory "
                                 "gives it")
        elif allocator is not None:
            self._borrowed.place(session, allocator)

    def _run(self, stream, action):
        """Whether `action(session)` went well."""
        try:
            session = self._prepare(stream)
            if session is None:
                return False
            action(session)
            return True
        except (Error, ValueError, MemoryError) as error:
            self._report(str(error))
            return False

    def execute_v2(self, bindings):
        """Runs and waits. bindings: an address for each tensor, in the engine's order."""
        if len(bindings) < len(self._engine._names):
            self._report(f"execute_v2: {len(bindings)} addresses are given, the engine has "
                         f"{len(self._engine._names)} tensors")
            return False
        for name, address in zip(self._engine._names, bindings):
            self.set_tensor_address(name, address)
        return self._run(0, self._execute)

    def _execute(self, session):
        if self._on_device:
            session.set_stream(0)  # behind what programs queued on the default stream
        if self.debug_sync or self._profiler is not None or self._engine._plan.debug_sync:
            self._times = session.profile()  # waits for the device behind each step
            if self._profiler is not None:
                self._tell()
            if self.debug_sync:
                self._log_steps()
        else:
            session.run()
        self._tell_listener(0)

    def _log_steps(self):
        for step in self._current().core.steps():
            self._engine._report(f"{step.name}: done", Severity.INFO)

    def execute_async_v3(self, stream_handle):
        """Queues a run on a stream; on the CPU it is done when the call returns, unless the stream
        is being captured into a graph."""
        stream = int(stream_handle or 0)
        return self._queue(stream) and (self._consumed is None or self._record_consumed(stream))

    def _record_consumed(self, stream):
        try:
            events.record(self._consumed, stream, self._on_device)
            return True
        except Error as error:
            self._report(f"the input consumed event: {error}")
            return False

    def _queue(self, stream):
        if self._profiler is not None or self._engine._plan.debug_sync:
            return self._run(stream, lambda session: self._profiled(session, stream))
        if self._on_device:
            return self._run(stream, lambda session: self._enqueue(session, stream))
        return self._run(stream, lambda session: _submit(stream, lambda: self._on_host(session,
                                                                                       stream)))

    def _enqueue(self, session, stream):
        session.set_stream(stream)
        session.enqueue()
        self._tell_listener(stream)

    def _on_host(self, session, stream):
        session.run()
        self._tell_listener(stream)

    def _profiled(self, session, stream):
        if self._on_device:
            session.set_stream(stream)
        self._times = session.profile()
        if self._profiler is not None and self.enqueue_emits_profile:
            self._tell()
        self._tell_listener(stream)

    # --- profiling

    @property
    def profiler(self):
        """An IProfiler that is told each step's time; runs wait for the device while it is set."""
        return self._profiler

    @profiler.setter
    def profiler(self, profiler):
        self._profiler = profiler

    _times = ()

    def _tell(self):
        for step, seconds in zip(self._current().core.steps(), self._times):
            self._profiler.report_layer_time(step.name, seconds * 1e3)

    def report_to_profiler(self):
        """Tells the profiler of the last run."""
        if self._profiler is None or not self._times:
            return False
        self._tell()
        return True

    # --- devices

    @accepted("an engine of Lathe runs on one device")
    def set_communicator(self, communicator):
        """Without effect."""
        return True

    def get_runtime_config(self):
        """The configuration that the context was made with."""
        return self._config


def _submit(stream, work):
    """Runs `work` on the CPU: at once, unless the program captures a stream of lathe.cuda's."""
    cuda = sys.modules.get("lathe.cuda")
    if cuda is None:
        work()
    else:
        cuda.submit(stream, work)


ICudaEngine._context_class = IExecutionContext
