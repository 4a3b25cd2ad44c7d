# SPDX-License-Identifier: Apache-2.0
"""A lathe.Network as data (JSON and blobs), from which it is built again with other weights. What
REFIT puts into a plan."""
import numpy as np

from .. import _core
from ..network import Network, Value
from .enums import WeightsRole


class Blobs:
    """Bytes apart from the JSON, by number."""

    def __init__(self, items=()):
        self.items = list(items)

    def add(self, data):
        """The number of new bytes."""
        self.items.append(bytes(data))
        return len(self.items) - 1


def write(net, blobs):
    """The JSON of a finished network; elements of constants go to `blobs`."""
    numbers, values = {}, []
    for value in net.inputs:
        numbers[value] = len(values)
        values.append({"input": value.name, "dtype": value.dtype, "shape": list(value.shape)})
    for name, value in net.constants.items():
        dtype, shape, data = net._core.constant(value._handle)
        numbers[value] = len(values)
        values.append({"constant": name, "dtype": dtype, "shape": list(shape),
                       "blob": blobs.add(data)})
    nodes = []
    for node in net.nodes:
        operands = [numbers[v] if v is not None else -1 for v in node.operands]
        results = node.results
        for k, value in enumerate(results):
            if value is not None:
                numbers[value] = len(values)
                values.append({"node": len(nodes), "result": k, "name": value.name})
        nodes.append({"op": node.op, "domain": node.domain, "opset": node.opset,
                      "name": node.name, "operands": operands, "results": len(results),
                      "attributes": {key: _write_attribute(v, blobs)
                                     for key, v in node._info("attributes").items()}})
    outputs = [[numbers[v], name] for name, v in zip(net.output_names, net.outputs)]
    return {"network": net.name, "values": values, "nodes": nodes, "outputs": outputs}


def _write_attribute(value, blobs):
    if isinstance(value, tuple):  # a tensor: type, shape, bytes
        return {"dtype": value[0], "shape": list(value[1]), "blob": blobs.add(value[2])}
    return value


def _array(dtype, shape, data):
    bits = np.frombuffer(data, np.uint8)
    return _core.Array(dtype, list(shape), bits.ctypes.data, bits.nbytes, bits)


def check(recipe, blobs):
    """Raises TypeError, KeyError, ValueError or IndexError where a plan holds constants that are
    none. What nodes hold is checked when they are made."""
    for value in recipe["values"]:
        if not isinstance(value, dict):
            raise TypeError(f"a value is {value}")
        if "constant" not in value:
            continue
        if not isinstance(value["constant"], str) or not isinstance(value["dtype"], str):
            raise TypeError("a constant's name or type is no text")
        if not all(type(size) is int and size >= 0 for size in value["shape"]):
            raise ValueError(f"'{value['constant']}' is {value['shape']}")
        if not 0 <= value["blob"] < len(blobs):
            raise IndexError(f"'{value['constant']}' has no elements")
    known, refit = {v["constant"] for v in recipe["values"] if "constant" in v}, recipe["refit"]
    if not set(refit["names"]) <= known:
        raise ValueError("what may be refitted is not there")
    for name, value in refit["options"].items():
        if type(value) is not (int if name == "workspace_bytes" else bool):
            raise TypeError(f"{name} is {value}")
    for layer, role, name in refit["roles"]:
        if WeightsRole[role] is None or not isinstance(layer, str) or not isinstance(name, str):
            raise TypeError("a layer's or weights' name is no text")


def read(recipe, blobs, replaced):
    """The network again; `replaced`: {name of a constant: bytes}."""
    net = Network(recipe["network"])
    made = [None] * len(recipe["values"])
    for k, value in enumerate(recipe["values"]):
        if "input" in value:
            made[k] = net.add_input(value["input"], value["dtype"], value["shape"])
        elif "constant" in value:
            data = replaced.get(value["constant"], blobs[value["blob"]])
            array = _array(value["dtype"], value["shape"], data)
            made[k] = Value(net, net._core.add_constant(value["constant"], array))
    places = {(v["node"], v["result"]): k for k, v in enumerate(recipe["values"]) if "node" in v}
    for place, node in enumerate(recipe["nodes"]):
        _add_node(net, node, place, made, places, blobs)
    for number, name in recipe["outputs"]:
        net.mark_output(made[number], name)
    return net


def _add_node(net, node, place, made, places, blobs):
    operands = [made[k] if k >= 0 else None for k in node["operands"]]
    attributes = {key: _array(v["dtype"], v["shape"], blobs[v["blob"]]) if isinstance(v, dict)
                  else v for key, v in node["attributes"].items()}
    if node["domain"] == "lathe":
        new = net.add(node["op"], operands, attributes, node["name"])
    else:
        new = net.add_onnx(node["op"], operands, attributes, node["name"], domain=node["domain"],
                           opset=node["opset"], results=node["results"])
    for k, value in enumerate(new.results):
        if (place, k) in places:
            made[places[place, k]] = value
