# SPDX-License-Identifier: Apache-2.0
"""ONNX's Backend interface over Lathe, so that ONNX's own test runner can run it.

    import lathe.onnx_backend as backend
    y = backend.run_model(model, [x])

Needs the package onnx.
"""
import functools

import onnx
from onnx import helper
from onnx.backend import base
from onnx.backend.test.runner import BackendIsNotSupposedToImplementIt

from . import _core
from .engine import build
from .errors import UnsupportedError


class LatheBackendRep(base.BackendRep):
    """A model that is ready to run."""

    def __init__(self, engine):
        super().__init__()
        self.engine = engine

    def run(self, inputs, **kwargs):
        """inputs: arrays in order, one array, or a dictionary. The outputs, in order."""
        if isinstance(inputs, dict):
            return tuple(self.engine(**inputs).values())
        if not isinstance(inputs, (list, tuple)):
            inputs = [inputs]
        return self.engine(*inputs)


class LatheBackend(base.Backend):
    """The interface; the module has its functions by name."""

    @classmethod
    def is_compatible(cls, model, device="CPU", **kwargs):
        """Whether every operator of the model can be imported."""
        try:
            _core.Model.parse(model.SerializeToString(), "model")
        except UnsupportedError:
            return False
        return cls.supports_device(device)

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        """An engine for the model; `kwargs` are those of `lathe.build`. Not tuned unless asked."""
        super().prepare(model, device, **kwargs)
        options = {"tune": False, "timing_cache": False, "progress": False}
        try:
            return LatheBackendRep(build(model, device=device.lower(), **{**options, **kwargs}))
        except UnsupportedError as e:
            raise BackendIsNotSupposedToImplementIt(str(e)) from e

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        """Builds and runs once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        """Runs one operator. outputs_info: (NumPy type, shape) of each output."""
        super().run_node(node, inputs, device, outputs_info)
        names = [name for name in node.input if name]
        ins = [_value_info(name, x.dtype, x.shape) for name, x in zip(names, inputs)]
        version = kwargs.pop("opset_version", onnx.defs.onnx_opset_version())
        opsets = [helper.make_opsetid(node.domain, version)]
        if outputs_info:
            outs = [_value_info(name, *i) for name, i in zip(node.output, outputs_info) if name]
        else:
            graph = helper.make_graph([node], "node", ins, [])
            model = helper.make_model(graph, opset_imports=opsets)
            outs = onnx.shape_inference.infer_shapes(model).graph.value_info
        graph = helper.make_graph([node], "node", ins, outs)
        model = helper.make_model(graph, opset_imports=opsets)
        return cls.run_model(model, inputs, device, **kwargs)

    @classmethod
    def supports_device(cls, device):
        """Of "CPU", "CUDA", "CUDA:1"."""
        kind, _, number = device.lower().partition(":")
        wanted = {kind, f"{kind}:{number or 0}"}
        return not wanted.isdisjoint(_usable_devices())


@functools.cache  # ONNX's runner asks for each of its cases, and asking the driver takes a while
def _usable_devices():
    return frozenset(d.id for d in _core.devices() if not d.error)


def _value_info(name, dtype, shape):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


is_compatible = LatheBackend.is_compatible
prepare = LatheBackend.prepare
run = LatheBackend.run_model
run_model = LatheBackend.run_model
run_node = LatheBackend.run_node
supports_device = LatheBackend.supports_device
