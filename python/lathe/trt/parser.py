# SPDX-License-Identifier: Apache-2.0
"""OnnxParser: ONNX into a network. A failure is False and a list of errors, never an exception."""
import os

from .. import _core
from ..errors import Error, NotFoundError, UnsupportedError
from .enums import DataType, ErrorCode, OnnxParserFlag, Severity
from .interface import Interface, Managed
from .logger import check_logger
from .parsed import NODE_IN_MESSAGE, ParsedModel
from .support import warn

_DLA_FLAGS = (OnnxParserFlag.ENABLE_UINT8_AND_ASYMMETRIC_QUANTIZATION_DLA,
              OnnxParserFlag.REPORT_CAPABILITY_DLA, OnnxParserFlag.ADJUST_FOR_DLA)


class ParserError(Interface):
    """One error of a parser. Its facts are methods."""

    def __init__(self, error, node=-1):
        text = str(error)
        found = NODE_IN_MESSAGE.search(text)
        self._desc, self._node = text, node
        self._name, self._operator = found.groups() if found else ("", "")
        self._code = self._classify(error, found)

    @staticmethod
    def _classify(error, found):
        if isinstance(error, UnsupportedError):
            return ErrorCode.UNSUPPORTED_NODE if found else ErrorCode.UNSUPPORTED_GRAPH
        if isinstance(error, MemoryError):
            return ErrorCode.MEM_ALLOC_FAILED
        if found:
            return ErrorCode.INVALID_NODE
        return ErrorCode.MODEL_DESERIALIZE_FAILED

    def code(self):
        """An ErrorCode."""
        return self._code

    def desc(self):
        """What is wrong."""
        return self._desc

    def file(self):
        """The source that reports it."""
        return "onnx"

    def line(self):
        """0."""
        return 0

    def func(self):
        """What was done."""
        return "parse"

    def node(self):
        """The node's place in the model, -1 where none is meant."""
        return self._node

    def node_name(self):
        """The node's name."""
        return self._name

    def node_operator(self):
        """The node's operator."""
        return self._operator

    def local_function_stack(self):
        """Functions of the model around the node: inlined before, so none."""
        return []

    def local_function_stack_size(self):
        """0."""
        return 0

    def __str__(self):
        where = f"In node {self._node} with name: {self._name} and operator: {self._operator} " \
            if self._name or self._operator else ""
        return f"{where}({self.func()}): {self._code.name}: {self._desc}"

    __repr__ = __str__


def read_model(model, path=None):
    """Lathe's model of bytes; external data lies beside `path`."""
    try:
        read = _core.Model.parse(bytes(model), "model")
    except Error:
        if path is None or not os.path.isfile(path):
            raise
        read = _core.Model.load(os.fspath(path))
    for node in read.control_flow():
        raise UnsupportedError(f"{node}: control flow cannot be run yet")
    return read


class _Reports:
    """What parsers and refitting parsers share: a list of errors."""

    def _attempt(self, action):
        """True, or False with the error noted and logged."""
        try:
            action()
            return True
        except (Error, ValueError, OSError) as error:
            found = ParserError(error, self._node_place(error))
            self._errors.append(found)
            self._logger.log(Severity.ERROR, str(found))
            return False

    def _node_place(self, error):
        return -1

    num_errors = property(lambda self: len(self._errors), doc="how many errors")

    def get_error(self, index):
        """Error `index`; IndexError where there is none."""
        return self._errors[index]

    def clear_errors(self):
        """Forgets them."""
        self._errors.clear()


class OnnxParser(Managed, _Reports):
    """Reads ONNX models into an empty network."""

    _narrows_int64 = False  # whether inputs and outputs of INT64 become INT32: legacy.py

    def __init__(self, network, logger):
        self._network, self._logger = network, check_logger(logger)
        self._errors, self._flags = [], 1 << int(OnnxParserFlag.NATIVE_INSTANCENORM)
        self._subgraphs, self._pending, self._initializers = [], None, {}
        self._data = b""

    # --- reading

    def parse(self, model, path=None):
        """The bytes of an ONNX file; external data lies beside `path`."""
        self._data = bytes(model)
        return self._attempt(lambda: self._fill(read_model(self._data, path)))

    def parse_from_file(self, model):
        """An ONNX file."""
        self._data = model
        return self._attempt(lambda: self._fill(self._load(model)))

    def parse_with_weight_descriptors(self, model):
        """The same as parse: weights are read from the model."""
        return self.parse(model)

    @staticmethod
    def _load(path):
        try:
            return _core.Model.load(os.fspath(path))
        except NotFoundError as error:
            raise ValueError(f"Failed to open file: {error}") from error

    def _fill(self, model):
        if self._network._layers or self._network._inputs:
            raise ValueError("the network is not empty: a parser fills a new one")
        ParsedModel(model).populate(self._network)
        for tensor in (*self._network._inputs, *self._network._outputs):
            if self._narrows_int64 and tensor.dtype == DataType.INT64:
                tensor._convert(DataType.INT32)

    def load_model_proto(self, model, path=None):
        """Remembers a model for parse_model_proto."""
        self._pending, self._initializers = (model, path), {}
        return True

    def load_initializer(self, name, data, size):
        """Weights for a model that lacks them: refused."""
        return self._attempt(lambda: self._no_initializer(name))

    @staticmethod
    def _no_initializer(name):
        raise UnsupportedError(f"initializer '{name}': weights apart from the model; put them into "
                               "it or into its external data")

    def parse_model_proto(self):
        """Reads what load_model_proto remembered."""
        if self._pending is None:
            return self._attempt(self._nothing_loaded)
        return self.parse(*self._pending)

    @staticmethod
    def _nothing_loaded():
        raise ValueError("load_model_proto was not called")

    # --- what is supported

    def supports_operator(self, op_name):
        """Whether Lathe computes an ONNX operator of the default domain."""
        return op_name in _core.onnx_operators() and op_name not in ("Loop", "Scan")

    def supports_model(self, model, path=None):
        """(whether all of it is supported, [(nodes, whether they are), ...])."""
        supported = self.supports_model_v2(model, path)
        return supported, list(self._subgraphs)

    def supports_model_v2(self, model, path=None):
        """Whether all of a model is supported; num_subgraphs and others tell of its parts."""
        found = []
        self._data = bytes(model)
        supported = self._attempt(lambda: found.append(read_model(self._data, path)))
        if supported:
            self._subgraphs = [(list(range(found[0].node_count())), True)]
        else:
            self._subgraphs = self._split(self._data)
        return supported

    def _split(self, data):
        """Runs of nodes that are supported, and those that are not; needs the package onnx."""
        try:
            nodes = _onnx_graph(data).node
        except Exception:  # not a model at all, or no package to look into it
            return [([], False)]
        bad = {error.node_name() for error in self._errors}
        runs = []
        for place, node in enumerate(nodes):
            fine = self.supports_operator(node.op_type) and (not node.name or node.name not in bad)
            if runs and runs[-1][1] == fine:
                runs[-1][0].append(place)
            else:
                runs.append(([place], fine))
        return runs

    num_subgraphs = property(lambda self: len(self._subgraphs), doc="parts of the model asked of")

    def is_subgraph_supported(self, index):
        """Whether part `index` is supported."""
        return self._subgraphs[index][1]

    def get_subgraph_nodes(self, index):
        """The nodes of part `index`."""
        return self._subgraphs[index][0]

    def _node_place(self, error):
        found = NODE_IN_MESSAGE.search(str(error))
        if not found:
            return -1
        try:
            nodes = _onnx_graph(self._data).node
        except Exception:  # the package onnx is not there: the name says enough
            return -1
        return next((k for k, node in enumerate(nodes) if node.name == found.group(1)
                     or found.group(1) in node.output), -1)

    # --- flags

    @property
    def flags(self):
        """A mask of OnnxParserFlag."""
        return self._flags

    @flags.setter
    def flags(self, mask):
        self._flags = int(mask)

    def set_flag(self, flag):
        """Sets one."""
        if flag in _DLA_FLAGS:
            warn(f"OnnxParserFlag.{flag.name}: there is no DLA")
        self._flags |= 1 << int(flag)

    def clear_flag(self, flag):
        """Clears one."""
        self._flags &= ~(1 << int(flag))

    def get_flag(self, flag):
        """Whether it is set."""
        return bool(self._flags >> int(flag) & 1)

    def set_builder_config(self, builder_config):
        """Accepted: the parser decides nothing by it."""
        return True

    def get_layer_output_tensor(self, name, i):
        """Result `i` of the layer of that name, or None."""
        for state in self._network._layers:
            if state.name == name and 0 <= i < len(state.outputs):
                return state.outputs[i]
        return None

    def get_used_vc_plugin_libraries(self):
        """Libraries of plugins that the model needs: none are loaded."""
        return []


def _onnx_graph(model):
    """The graph of bytes or of a file."""
    import onnx
    if isinstance(model, bytes):
        return onnx.load_model_from_string(model).graph
    return onnx.load(model, load_external_data=False).graph


class OnnxParserRefitter(Interface, _Reports):
    """Gives a refitter the weights of another ONNX model of the same form."""

    def __init__(self, refitter, logger):
        self._refitter, self._logger, self._errors = refitter, check_logger(logger), []
        self._pending = None

    def refit_from_bytes(self, model, path=None):
        """The bytes of a model."""
        return self._attempt(lambda: self._give(read_model(model, path)))

    def refit_from_file(self, model):
        """A file."""
        return self._attempt(lambda: self._give(OnnxParser._load(model)))

    def load_model_proto(self, model, path=None):
        """Remembers a model for refit_model_proto."""
        self._pending = (model, path)
        return True

    def load_initializer(self, name, data, size):
        """Weights apart from the model: refused."""
        return self._attempt(lambda: OnnxParser._no_initializer(name))

    def refit_model_proto(self):
        """Gives what load_model_proto remembered."""
        if self._pending is None:
            return self._attempt(OnnxParser._nothing_loaded)
        return self.refit_from_bytes(*self._pending)

    def _give(self, model):
        network = ParsedModel(model).network()
        known = set(self._refitter.get_all_weights())
        for name, value in network.constants.items():
            if name in known:
                self._refitter.set_named_weights(name, value.numpy())


def get_nv_onnx_parser_version():
    """The version whose interface this is, as one number."""
    return 101600
