# SPDX-License-Identifier: Apache-2.0
"""ONNX models as bytes, with nothing but Python: one node of a domain of its own, or a loop.

    python3 onnx_bytes.py FILE.onnx        # com.example::Snake on x f32[N,3,L]
    python3 onnx_bytes.py FILE.onnx loop   # x f32[N,3] doubled m times, m an input
"""
import pathlib
import struct
import sys


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    """An integer as a varint, bytes and text by their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def port(name, sizes, kind=1):
    """`kind`: 1 is FLOAT, 7 INT64, 9 BOOL."""
    dims = b"".join(field(1, field(2, s) if isinstance(s, str) else field(1, s)) for s in sizes)
    tensor = field(1, kind) + field(2, dims)
    return field(1, name) + field(2, field(1, tensor))


def floats(name, values):
    raw = struct.pack(f"<{len(values)}f", *values)
    return field(1, len(values)) + field(2, 1) + field(8, name) + field(9, raw)


def node(domain, op, operands, results):
    return (b"".join(field(1, o) for o in operands) + b"".join(field(2, r) for r in results)
            + field(3, "custom") + field(4, op) + field(7, domain))


def model(nodes, inputs, outputs, initializers=()):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "test")
             + b"".join(field(5, t) for t in initializers)
             + b"".join(field(11, p) for p in inputs)
             + b"".join(field(12, field(1, name)) for name in outputs))
    return (field(1, 8) + field(7, graph) + field(8, field(2, 17))
            + field(8, field(1, "com.example") + field(2, 1)))


ALPHA = (0.5, 1.0, 4.0)


def snake():
    """y = Relu(Snake(x, alpha)), x f32[N,3,L]."""
    return model([node("com.example", "Snake", ["x", "alpha"], ["s"]), node("", "Relu", ["s"], ["y"])],
                 [port("x", ["N", 3, "L"])], ["y"], [floats("alpha", ALPHA)])


def loop():
    """y = Relu(x doubled m times), in a Loop that is called 'again'."""
    inner = b"".join([field(1, node("", "Add", ["v", "v"], ["w"])), field(2, "twice"),
                      field(11, port("i", [], 7)), field(11, port("go", [], 9)),
                      field(11, port("v", ["N", 3])), field(12, field(1, "go")),
                      field(12, field(1, "w"))])
    body = field(1, "body") + field(20, 5) + field(6, inner)  # an attribute that is a graph
    again = (b"".join(field(1, name) for name in ("m", "", "x")) + field(2, "last")
             + field(3, "again") + field(4, "Loop") + field(5, body))
    return model([again, node("", "Relu", ["last"], ["y"]), node("", "Neg", ["x"], ["z"])],
                 [port("x", ["N", 3]), port("m", [], 7)], ["y", "z"])


if __name__ == "__main__":
    pathlib.Path(sys.argv[1]).write_bytes(loop() if "loop" in sys.argv[2:] else snake())
