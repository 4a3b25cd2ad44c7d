# SPDX-License-Identifier: Apache-2.0
"""Debug tensors. A network marks tensors; the engine has them as outputs that its bindings do not
show; a context hands those whose state is on to a listener behind each run, in the network's order.

Tensors that mark_debug names are kept apart from fusion, as an output is. Those that
mark_unfused_tensors_as_debug_tensors means are the ones that a build without them leaves at the
boundaries of its steps: the builder builds once to learn which these are.
"""
import re
from dataclasses import dataclass

from .. import _core
from .dims import Dims
from .enums import TensorLocation
from .tensor import ITensor

_PORT = "debug tensor {}"  # an output's name in the engine
_PROBE = re.compile(r"#(\d+)#")


@dataclass
class DebugTensor:
    """What a plan says of one."""

    name: str
    unfused: bool  # means mark_unfused_tensors_as_debug_tensors alone

    @property
    def port(self):
        """The engine's name of it."""
        return _PORT.format(self.name)

    def to_json(self):
        """What a plan holds."""
        return {"name": self.name, "unfused": self.unfused}

    @staticmethod
    def from_json(facts):
        """KeyError or TypeError where a plan holds something else."""
        return DebugTensor(str(facts["name"]), bool(facts["unfused"]))


class NetworkDebug:
    """Mixed into INetworkDefinition: marks. `_debug`: tensors that were marked one by one."""

    _debug_unfused = False

    def mark_debug(self, tensor):
        """The tensor is handed to a context's listener; nothing is fused across it."""
        if not isinstance(tensor, ITensor):
            raise TypeError(f"mark_debug: expected an ITensor, got {type(tensor).__name__}")
        self._debug.add(tensor)
        return True

    def unmark_debug(self, tensor):
        """The reverse."""
        self._debug.discard(tensor)
        return True

    def is_debug_tensor(self, tensor):
        """Whether it was marked."""
        return tensor in self._debug

    def mark_unfused_tensors_as_debug_tensors(self):
        """Tensors that no fusion takes away are debug tensors too; fusion stays as it is."""
        self._debug_unfused = True
        return True

    def unmark_unfused_tensors_as_debug_tensors(self):
        """The reverse."""
        self._debug_unfused = False
        return True

    def _tensors(self):
        """All tensors, in the network's order, each once."""
        outputs = (t for state in self._layers for t in state.outputs)
        return list(dict.fromkeys([*self._inputs, *outputs]))

    def _mark_debug_outputs(self, low, unfused=frozenset()):
        """Makes outputs of the marked tensors; their DebugTensors, in the network's order. Of
        unfused tensors of one name the first is taken."""
        names = [tensor.name for tensor in self._debug]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two debug tensors are called '{twice}': rename one")
        found = {}
        for tensor in self._tensors():
            marked = tensor in self._debug
            if not marked and (tensor not in unfused or tensor.name in [*names, *found]):
                continue
            debug = DebugTensor(tensor.name, not marked)
            low.net.mark_output(low.onnx("Identity", [low.value(tensor)]), debug.port)
            found[tensor.name] = debug
        return list(found.values())

    def _unfused_tensors(self, build):
        """Tensors at the boundaries of the steps of `build(model)`, an engine, outputs aside."""
        low = self._lowered()
        made = {}
        for number, node in enumerate(low.net.nodes):
            node.name = f"#{number}#"
            made[number] = [v for v in node.results if v is not None]
        engine = build(low.net.finish())
        last = {max(map(int, numbers)) for step in engine.steps()
                if (numbers := _PROBE.findall(step.name))}
        whole = {value for number in last for value in made.get(number, ())}
        return {t for t in self._tensors() if t not in self._outputs and not t.is_network_input
                and low.values.get(t) in whole}


class ContextDebug:
    """Mixed into IExecutionContext: the listener, which tensors it is told, and their memory."""

    def _start_debugging(self):
        self._listener, self._told, self._told_unfused = None, set(), False
        self._debug_memory = {}  # name -> memory of the device

    def set_debug_listener(self, listener):
        """An IDebugListener, or None; it is told of tensors whose state is on."""
        self._listener = listener
        return True

    def get_debug_listener(self):
        """The listener."""
        return self._listener

    def set_tensor_debug_state(self, name, flag):
        """Whether the listener is told of a tensor that mark_debug named. False: there is none of
        that name. All states are off at first."""
        if not self._engine.is_debug_tensor(name):
            self._report(f"set_tensor_debug_state: the engine has no debug tensor '{name}'")
            return False
        (self._told.add if flag else self._told.discard)(name)
        return True

    def get_debug_state(self, name):
        """Whether the listener is told of it."""
        return name in self._told

    def set_all_tensors_debug_state(self, flag):
        """The state of all tensors that mark_debug named."""
        self._told = {d.name for d in self._engine._plan.debug if flag and not d.unfused}
        return True

    @property
    def unfused_tensors_debug_state(self):
        """Whether the listener is told of tensors that are unfused; of effect with an engine of
        mark_unfused_tensors_as_debug_tensors."""
        return self._told_unfused

    @unfused_tensors_debug_state.setter
    def unfused_tensors_debug_state(self, flag):
        self._told_unfused = bool(flag)

    # --- for running

    def _debug_shape(self, debug):
        return tuple(self._current().session.output_shape(debug.port))

    def _bind_debug(self, session):
        """Gives the hidden outputs memory of the context's own."""
        for debug in self._engine._plan.debug:
            size = self._engine._hidden[debug.port].bytes(self._debug_shape(debug))
            memory = self._debug_memory.get(debug.name)
            if memory is None or memory.bytes < size:
                device = _core.ComputeDevice.open(self._engine._device)
                memory = self._debug_memory[debug.name] = device.allocate(max(size, 1))
            session.bind_output(debug.port, memory.address, size, self._on_device)

    def _tell_listener(self, stream):
        """Hands the tensors on; of a GPU in the stream's order: the listener copies on it. What the
        listener answers or raises is reported, and does not undo the run."""
        if self._listener is None:
            return
        for debug in self._engine._plan.debug:
            if not (self._told_unfused if debug.unfused else debug.name in self._told):
                continue
            found = self._engine._hidden[debug.port]
            try:
                taken = self._listener.process_debug_tensor(
                    self._debug_memory[debug.name].address, TensorLocation.DEVICE, found.dtype,
                    Dims(self._debug_shape(debug)), debug.name, stream)
            except Exception as error:  # the program's own; the run is over and stays good
                self._report(f"the debug listener failed at '{debug.name}': {error!r}")
            else:
                if taken is False:
                    self._report(f"the debug listener did not take '{debug.name}'")
