# SPDX-License-Identifier: Apache-2.0
"""EngineInspector: what an engine is made of, in the JSON that programs read."""
import json
import re
import types
import zlib

from .enums import LayerInformationFormat
from .interface import Interface
from .sizes import size_of
from .support import Setting

_TENSOR = re.compile(r"(\w+)\[([^\]]*)\](?:@(\w+))?")
_FORMATS = {"f32": "FP32", "f16": "Half", "bf16": "BFloat16", "i8": "Int8", "i32": "Int32",
            "i64": "Int64", "bool": "Bool", "u8": "UInt8"}
_ORDERS = {"": "Row major linear", "nhwc": "Channel major",
           "c16": "Sixteen-wide channel vectorized row-major"}


_MADE = ("reorder ", "cast ")  # beginnings of the names of what Lathe put in
_SEPARATOR = "\x1e"  # between the layers of a step


def onnx_metadata(name):
    """The metadata of a layer that a parser read."""
    return f"[ONNX Layer: {name}]"


def _metadata(step, known):
    """That of the layers that a step computes. known: what the program said of some."""
    names = [step.name] if step.name in known else step.name.split("+")
    return _SEPARATOR.join(known.get(n, onnx_metadata(n)) for n in names
                           if not n.startswith((*_MADE, "(Unnamed Layer*")) or n in known)


def _operand(name, dtype, sizes, layout, symbols):
    dims = [size_of(s.strip(), symbols) for s in _outer(sizes) if s.strip()]
    return {"Name": name, "Location": "Device", "Dimensions": dims,
            "Format/Datatype": f"{_ORDERS.get(layout, layout)} {_FORMATS.get(dtype, dtype)} format"}


def _outer(sizes):
    """The parts between the commas that stand in no parentheses."""
    parts, depth = [""], 0
    for c in sizes:
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return parts


def describe(step, symbols=types.MappingProxyType({}), metadata=types.MappingProxyType({})):
    """One step as the JSON's object. symbols: the sizes that they stand for."""
    kind = re.split(r"[{(]", step.op)[0]
    # Types stand after the attributes and the fusion, which have types and arrows of their own.
    before, _, after = step.op[step.op.rfind("}") + 1:].partition("->")
    return {
        "Name": step.name, "LayerType": kind,
        "Inputs": [_operand(f"{step.name}_input_{k}", *found, symbols)
                   for k, found in enumerate(_TENSOR.findall(before))],
        "Outputs": [_operand(f"{step.name}_output_{k}", *found, symbols)
                    for k, found in enumerate(_TENSOR.findall(after))],
        "ParameterType": kind, "Attributes": step.op, "Device": step.device,
        "TacticName": " ".join(filter(None, (step.tactic, step.config))),
        "TacticValue": f"0x{zlib.crc32((step.tactic + step.config).encode()):016x}",
        "TimeMs": step.seconds * 1e3, "MaxError": step.max_error,
        "Origin": step.op, "StreamId": 0, "Metadata": _metadata(step, metadata)}


class EngineInspector(Interface):
    """Made by ICudaEngine.create_engine_inspector."""

    error_recorder = Setting(None, "told of errors")
    execution_context = Setting(None, "a context whose profile is inspected, at the shapes that "
                                "are set there")

    def __init__(self, engine):
        self._engine = engine

    def _core(self):
        context = self.execution_context
        return self._engine._cores[0 if context is None else context.active_optimization_profile]

    def _described(self, step):
        context = self.execution_context
        symbols = {} if context is None else context._symbols()
        return describe(step, symbols, self._engine._plan.metadata)

    def get_layer_information(self, layer_index, format):
        """One step: ONELINE or JSON."""
        steps = self._core().steps()
        if not 0 <= layer_index < len(steps):
            raise IndexError(f"layer {layer_index}: the engine has {len(steps)}")
        step = steps[layer_index]
        if format == LayerInformationFormat.ONELINE:
            return f"{step.name}: {step.op} [{step.tactic} {step.config}]".rstrip() + "\n"
        return json.dumps(self._described(step), indent=1)

    def get_engine_information(self, format):
        """All steps, and the bindings."""
        steps = self._core().steps()
        if format == LayerInformationFormat.ONELINE:
            return "Layers:\n" + "".join(
                f"{s.name}: {s.op} [{s.tactic} {s.config}]\n" for s in steps) + (
                    "Bindings:\n" + "".join(f"{name}\n" for name in self._engine._names))
        return json.dumps({"Layers": [self._described(s) for s in steps],
                           "Bindings": list(self._engine._names)}, indent=1)
