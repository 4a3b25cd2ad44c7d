# SPDX-License-Identifier: Apache-2.0
"""Networks built by hand, or taken from a model and edited.

    net = lathe.Network("tiny")
    x = net.add_input("x", "f32", ("N", 8))
    h = net.add("MatMul", [x, weights])                  # a NumPy array is a constant
    y = net.add_onnx("Relu", [h]).result
    net.mark_output(y, "y")
    engine = lathe.build(net)

Operators are Lathe's own (`lathe ops`, Network.add) and every operator that the ONNX importer knows
(lathe.onnx_operators(), Network.add_onnx). Types and shapes are inferred as soon as a node is
added; one that does not fit raises lathe.InputError, which names it, and is not added. What follows
from an edit of what is there is inferred when it is next asked for; Network.check() says whether
everything fits. A Network belongs to one thread at a time.

Element types are Lathe's names ("f32", "f16", "bf16", "i64", ...) or what numpy.dtype takes.
A dimension is an int, a str (a symbol: "N", also "2*N"), or -1 or None: a size of its own.
"""
import numpy as np

from . import _core
from ._arrays import numpy_type, type_name
from .engine import _custom, _model as _core_model


def _borrow(array):
    """The array's memory as the library takes it: no copy where it is row-major already."""
    array = np.asarray(array)
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array).reshape(array.shape)
    return _core.Array(type_name(array.dtype), list(array.shape), array.ctypes.data, array.nbytes,
                       array)


def _array(tensor):
    dtype, shape, data = tensor
    if dtype == "string":
        return np.array(data, dtype=object).reshape(shape)
    return np.frombuffer(data, numpy_type(dtype)).reshape(shape)


def _attribute(value):
    if isinstance(value, np.ndarray):
        return _borrow(value)
    if isinstance(value, np.generic):
        return value.item()
    return value


class Value:
    """An input, a constant or a node's result. Stays good through edits and renames until what it
    names is removed; equal when it names the same thing."""
    __slots__ = ("network", "_handle")

    def __init__(self, network, handle):
        self.network = network
        self._handle = handle

    def _info(self, key):
        return self.network._core.value_info(self._handle)[key]

    @property
    def name(self):
        """Unique among the network's values; assign to rename."""
        return self.network._core.value_name(self._handle)

    @name.setter
    def name(self, name):
        self.network._core.rename_value(self._handle, name)

    @property
    def dtype(self):
        """The element type by Lathe's name: "f32"."""
        return self._info("dtype")

    @property
    def shape(self):
        """Sizes; a str (an expression over the inputs' symbols) where a size is not fixed."""
        return self._info("shape")

    @property
    def contents(self):
        """The elements, row-major, of a small integer tensor that are known before it runs (ints,
        or a str over the inputs' symbols), else None."""
        return self._info("contents")

    @property
    def kind(self):
        """ "input", "constant" or "result"."""
        return self._info("kind")

    @property
    def is_output(self):
        return self._info("is_output")

    @property
    def producer(self):
        """The Node whose result this is, else None."""
        return self.network._node(self._info("producer"))

    @property
    def readers(self):
        """Nodes, one entry for each operand that reads this value."""
        return [self.network._node(h) for h in self._info("readers")]

    def numpy(self):
        """A constant's elements, as a copy."""
        return _array(self.network._core.constant(self._handle))

    def __eq__(self, other):
        return isinstance(other, Value) and self._handle == other._handle

    def __hash__(self):
        return hash(self._handle)

    def __repr__(self):
        try:
            shape = ",".join(str(d) for d in self.shape)
            return f"<lathe.Value {self.name}: {self.dtype}[{shape}]>"
        except ValueError as error:
            return f"<lathe.Value: {error}>"


class Node:
    """A node of a network."""
    __slots__ = ("network", "_handle")

    def __init__(self, network, handle):
        self.network = network
        self._handle = handle

    def _info(self, key):
        return self.network._core.node_info(self._handle)[key]

    @property
    def name(self):
        """Not necessarily unique; assign to rename."""
        return self._info("name")

    @name.setter
    def name(self, name):
        self.network._core.rename_node(self._handle, name)

    @property
    def op(self):
        """ "Conv"."""
        return self._info("op")

    @property
    def domain(self):
        """ "lathe" for an operator of Lathe's own, "" for ONNX's default domain."""
        return self._info("domain")

    @property
    def opset(self):
        """Of an ONNX operator; 0 for Lathe's own."""
        return self._info("opset")

    @property
    def operands(self):
        """Values; None: left out."""
        return [self.network._value(h) for h in self._info("operands")]

    @property
    def results(self):
        """Values; None: not asked for."""
        return [self.network._value(h) for h in self._info("results")]

    @property
    def result(self):
        """The first result."""
        return self.network._value(self.network._core.result(self._handle, 0))

    @property
    def attributes(self):
        """A dict, of Lathe's operators with the defaults. A copy: set_attribute changes one."""
        attributes = self._info("attributes")
        return {k: _array(v) if isinstance(v, tuple) else v for k, v in attributes.items()}

    def set_operand(self, index, value):
        """Operand `index` reads `value` (None: left out) from now on. Raises InputError where that
        makes a cycle."""
        self.network._core.set_operand(self._handle, index, self.network._operand(value))

    def set_attribute(self, name, value):
        self.network._core.set_attribute(self._handle, name, _attribute(value))

    def remove_attribute(self, name):
        """Back to the operator's default."""
        self.network._core.remove_attribute(self._handle, name)

    def __getitem__(self, index):
        return self.results[index]

    def __len__(self):
        return len(self._info("results"))

    def __eq__(self, other):
        return isinstance(other, Node) and self._handle == other._handle

    def __hash__(self):
        return hash(self._handle)

    def __repr__(self):
        return f"<lathe.Node {self._info('text')}>"


class Network:
    """A network under construction. See the module's description."""

    def __init__(self, name="network", *, ops=(), plugins=(), _core_network=None):
        """ops, plugins: operators of one's own, as lathe.build takes them; add_onnx with their
        domain."""
        custom = _custom(ops, plugins)
        self._core = _core_network or _core.Network.with_operators(name, **custom)

    @staticmethod
    def load(model, *, ops=(), plugins=()):
        """The network of an ONNX model (a path, the bytes of the file, an onnx.ModelProto), as it
        was imported, before any optimization: one node for each of the file's, with the file's
        names of nodes, values and initializers. `ops`, `plugins`: operators of the model's own, as
        lathe.build takes them."""
        made = _core.Network.from_model(_core_model(model, _custom(ops, plugins)))
        return Network(_core_network=made)

    @property
    def name(self):
        """The network's name, which its engines have too."""
        return self._core.name()

    def finish(self):
        """The model that the network is now; lathe.build takes the network itself as well. Raises
        InputError when something does not fit or no output is marked. Releases the GIL."""
        return self._core.finish()

    _model = finish  # what lathe.build asks for

    def check(self):
        """Raises InputError for the first node that does not fit."""
        self._core.check()

    def add_input(self, name, dtype, shape):
        """A new input of the engine. Names are unique among values; "" makes one up."""
        return self._value(self._core.add_input(name, type_name(dtype), list(shape)))

    def add_constant(self, array, name=""):
        """A constant. The array is kept, not copied, where it is row-major: do not write to it."""
        return self._value(self._core.add_constant(name, _borrow(array)))

    def add(self, op, operands=(), attributes=None, name=""):
        """A node of an operator of Lathe's own, checked by the operator's schema. Operands: Values,
        Nodes (their first result), arrays (constants), None (left out). Attributes: ints, floats,
        strs, lists of them, arrays; types, dimensions and expressions as text ("f16", "[N, 3]",
        "(a:f32) -> exp(a)")."""
        return Node(self, self._core.add(op, self._operands(operands), _attributes(attributes),
                                         name))

    def add_onnx(self, op, operands=(), attributes=None, name="", *, domain="",
                 opset=_core.DEFAULT_OPSET, results=-1):
        """A node of an ONNX operator, as the importer would build it. `results`: how many are
        wanted, as Split and the optional results of others need to know; -1: those that it gives
        unasked."""
        return Node(self, self._core.add_onnx(op, self._operands(operands),
                                              _attributes(attributes), name, domain, opset,
                                              results))

    def mark_output(self, value, name=""):
        """An output of the engine, called `name`, or as the value."""
        self._core.mark_output(self._operand(value), name)

    def unmark_output(self, value):
        """The value is no output any more. Raises InputError where it is none."""
        self._core.unmark_output(self._operand(value))

    @property
    def inputs(self):
        """The inputs in their order, as Values."""
        return [Value(self, h) for h in self._core.inputs()]

    @property
    def outputs(self):
        """The values that are outputs, in the order of marking."""
        return [Value(self, h) for h in self._core.outputs()]

    @property
    def output_names(self):
        """What the outputs are called in engines, beside `outputs`."""
        return self._core.output_names()

    @property
    def constants(self):
        """The constants by name: a model's initializers, what a refitter names."""
        return {v.name: v for v in (Value(self, h) for h in self._core.constants())}

    @property
    def values(self):
        """Every value: inputs, constants and results."""
        return [Value(self, h) for h in self._core.values()]

    @property
    def nodes(self):
        """In an order in which they can run."""
        return [Node(self, h) for h in self._core.nodes()]

    def value(self, name):
        """The value of that name. KeyError: there is none."""
        return self._found(self._value(self._core.find_value(name)), "value", name)

    def node(self, name):
        """The first node of that name. KeyError: there is none."""
        return self._found(self._node(self._core.find_node(name)), "node", name)

    def replace(self, value, replacement):
        """Every reader of `value`, and the outputs, read `replacement` instead; not the node that
        makes the replacement, so that a node can be put behind a value."""
        self._core.replace(self._operand(value), self._operand(replacement))

    def set_input(self, value, dtype, shape):
        """Another type and shape for an input."""
        self._core.set_input(self._operand(value), type_name(dtype), list(shape))

    def set_constant(self, value, array):
        """Other data for a constant; type and shape may change too. Kept as by add_constant."""
        self._core.set_constant(self._operand(value), _borrow(array))

    def remove(self, item):
        """Removes a Node, an input or a constant. InputError while something reads it."""
        if isinstance(item, Node):
            self._core.remove_node(item._handle)
        else:
            self._core.remove_value(item._handle)

    def remove_dead(self):
        """Removes nodes that lead to no output and constants that nobody reads; how many nodes
        went."""
        return self._core.remove_dead()

    def __len__(self):
        return len(self._core.nodes())

    def __iter__(self):
        return iter(self.nodes)

    def __str__(self):
        return self._core.to_string()

    def _value(self, handle):
        return Value(self, handle) if handle else None

    def _node(self, handle):
        return Node(self, handle) if handle else None

    @staticmethod
    def _found(item, kind, name):
        if item is None:
            raise KeyError(f"the network has no {kind} '{name}'")
        return item

    def _operand(self, operand):
        if operand is None:
            return _core.ValueHandle()
        if isinstance(operand, Value):
            return operand._handle
        if isinstance(operand, Node):
            return self._core.result(operand._handle, 0)
        raise TypeError(f"an operand must be a Value, a Node or None, not {type(operand).__name__}")

    def _operands(self, operands):
        return [self._core.add_constant("", _borrow(o)) if isinstance(o, (np.ndarray, np.generic))
                else self._operand(o) for o in operands]


def _attributes(attributes):
    return {k: _attribute(v) for k, v in (attributes or {}).items()}
