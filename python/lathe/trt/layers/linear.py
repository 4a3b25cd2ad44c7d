# SPDX-License-Identifier: Apache-2.0
"""Matrix products, einsum, and the layers of transformers."""
from ...errors import UnsupportedError
from ..enums import (AttentionNormalizationOp, CollectiveOperation, DataType, KVCacheMode,
                     LayerType, MatrixOperation, MoEActType)
from ..interface import Interface
from .base import ILayer, Parameter


class IMatrixMultiplyLayer(ILayer):
    """Products of matrices, transposed matrices or vectors; leading dimensions are a batch."""

    TYPE, TITLE = LayerType.MATRIX_MULTIPLY, "Matrix Multiply"

    op0 = Parameter(MatrixOperation.NONE, MatrixOperation, "what the first operand holds")
    op1 = Parameter(MatrixOperation.NONE, MatrixOperation, "what the second operand holds")

    def _lower(self, low):
        a, b = low.match(*(low.value(t) for t in self._state.inputs))
        vectors = [op == MatrixOperation.VECTOR for op in (self.op0, self.op1)]
        if vectors[0]:
            a = low.reshape(a, [*low.shape(a)[:-1], 1, low.shape(a)[-1]])
        if vectors[1]:
            b = low.reshape(b, [*low.shape(b), 1])
        y = low.op("MatMul", [a, b], {
            "transpose_a": int(self.op0 == MatrixOperation.TRANSPOSE),
            "transpose_b": int(self.op1 == MatrixOperation.TRANSPOSE)})
        sizes = low.shape(y)
        if any(vectors):
            sizes = sizes[:-2] + [s for s, gone in zip(sizes[-2:], vectors) if not gone]
            y = low.reshape(y, sizes)
        return [y]


class IEinsumLayer(ILayer):
    """Sums of products by an equation: "bij,bjk->bik"."""

    TYPE, TITLE = LayerType.EINSUM, "Einsum"

    equation = Parameter("", str, "indices of the operands, an arrow, those of the result")

    def _lower(self, low):
        values = low.match(*(low.value(t) for t in self._state.inputs))
        return [low.onnx("Einsum", values, {"equation": self.equation})]


class IRotaryEmbeddingLayer(ILayer):
    """x[B,N,S,H] turned by cos and sin, [S,D/2] for each batch element, or [M,D/2] picked by the
    positions of input 3."""

    TYPE, TITLE = LayerType.ROTARY_EMBEDDING, "RotaryEmbedding"

    interleaved = Parameter(False, bool, "pairs are neighbours; else halves")
    rotary_embedding_dim = Parameter(0, int, "how much of H is turned; 0: all")

    def _lower(self, low):
        inputs = [low.value(t) for t in self._state.inputs if t is not None]
        x, size = inputs[0], low.static(inputs[0], [3])[0]
        turned = self.rotary_embedding_dim or size
        cos, sin = (self._table(low, t, inputs[3:]) for t in inputs[1:3])
        cos, sin = low.match(x, cos, sin)[1:]
        head = self._cut(low, x, 0, turned, 1)
        half, step = (turned // 2, 1) if not self.interleaved else (1, 2)
        a = self._cut(low, head, 0, turned // 2, step)
        b = self._cut(low, head, half, turned // 2, step)
        first = low.pointwise("sub(mul(a, c), mul(b, d))", a, b, cos, sin)
        second = low.pointwise("add(mul(a, d), mul(b, c))", a, b, cos, sin)
        return [self._joined(low, x, first, second, turned, size)]

    def _joined(self, low, x, first, second, turned, size):
        sizes = low.shape(x)[:3]
        if self.interleaved:
            pairs = [low.reshape(t, [*sizes, turned // 2, 1]) for t in (first, second)]
            y = low.reshape(low.op("Concat", pairs, {"axis": 4}), [*sizes, turned])
        else:
            y = low.op("Concat", [first, second], {"axis": 3})
        if turned == size:
            return y
        rest = self._cut(low, x, turned, size - turned, 1)
        return low.op("Concat", [y, rest], {"axis": 3})

    @staticmethod
    def _table(low, table, positions):
        """The angles as [B,1,S,D/2]."""
        if positions:
            table = low.op("Gather", [table, positions[0]], {"axis": 0})
        sizes = low.shape(table)
        return low.reshape(table, [*sizes[:-2], 1, *sizes[-2:]])

    @staticmethod
    def _cut(low, x, start, size, step):
        return low.op("Slice", [x], {"axes": [low.rank(x) - 1], "starts": f"[{start}]",
                                     "sizes": f"[{size}]", "steps": [step]})


class IAttentionBoundaryLayer(ILayer):
    """An end of an attention."""

    attention = property(lambda self: self._state.settings["attention"], doc="the attention")


class IAttentionInputLayer(IAttentionBoundaryLayer):
    """Where queries, keys and values enter; computes nothing."""

    TYPE, TITLE, OUTPUTS = LayerType.ATTENTION_INPUT, "AttentionInput", 0

    def _lower(self, low):
        return []


class IAttentionOutputLayer(IAttentionBoundaryLayer):
    """softmax(query key^T + mask) value, or without the softmax."""

    TYPE, TITLE = LayerType.ATTENTION_OUTPUT, "AttentionOutput"

    norm_op = Parameter(AttentionNormalizationOp.SOFTMAX, AttentionNormalizationOp, "the softmax")
    causal = Parameter(False, bool, "row s sees keys 0 to s only")
    decomposable = Parameter(False, bool, "Lathe always may")

    def _lower(self, low):
        state = self._state
        if state.settings.get("quantize") is not None:
            raise UnsupportedError("quantizing an attention's softmax; leave "
                                   "normalization_quantize_scale unset")
        q, k, v = low.match(*(low.value(t) for t in state.inputs[:3]))
        k, v = (self._all_heads(low, t, low.static(q, [1])[0]) for t in (k, v))
        mask = state.settings.get("mask")
        masks = [] if mask is None else [low.value(mask)]
        if masks and low.info(masks[0]).dtype != "bool":
            masks = [low.cast(masks[0], low.info(q).dtype)]
        if self.norm_op == AttentionNormalizationOp.SOFTMAX:
            return [low.op("Attention", [q, k, v, *masks], {"scale": 1.0,
                                                            "causal": int(self.causal)})]
        if masks or self.causal:
            raise UnsupportedError("a mask without the softmax")
        scores = low.op("MatMul", [q, k], {"transpose_b": 1})
        return [low.op("MatMul", [scores, v])]

    @staticmethod
    def _all_heads(low, x, heads):
        """Fewer heads of keys and values serve several of the queries' each."""
        from ..lowering import dims_text
        batch, own, steps, size = low.shape(x)
        if own == heads:
            return x
        if not isinstance(own, int) or heads % own:
            raise ValueError(f"{own} heads do not serve {heads}")
        wide = low.op("Expand", [low.reshape(x, [batch, own, 1, steps, size])],
                      {"shape": dims_text([batch, own, heads // own, steps, size])})
        return low.reshape(wide, [batch, heads, steps, size])


class IAttention(Interface):
    """An attention: query[B,N,S,H], key[B,M,T,H], value[B,M,T,E]. Scores are not scaled: scale the
    query. made by INetworkDefinition.add_attention."""

    def __init__(self, network, front, back):
        self._network, self._front, self._back = network, front, back

    def _forward(name, doc):  # noqa: N805
        return property(lambda self: getattr(self._back, name),
                        lambda self, value: setattr(self._back, name, value), doc=doc)

    norm_op = _forward("norm_op", "SOFTMAX or NONE")
    causal = _forward("causal", "row s sees keys 0 to s only")
    decomposable = _forward("decomposable", "kept; Lathe always may")
    name = _forward("name", "the layer's name")
    metadata = _forward("metadata", "a text that the inspector shows")
    num_ranks = _forward("num_ranks", "1")
    del _forward

    mask = property(lambda self: self._back._state.settings.get("mask"),
                    lambda self, mask: self._back._set("mask", mask),
                    doc="bool: keep where true; float: added to the scores")
    normalization_quantize_scale = property(
        lambda self: self._back._state.settings.get("quantize"),
        lambda self, scale: self._back._set("quantize", scale),
        doc="refused at build")
    normalization_quantize_to_type = property(
        lambda self: self._back._state.settings.get("quantize_type", DataType.FP8),
        lambda self, dtype: self._back._set("quantize_type", DataType(dtype)),
        doc="kept for normalization_quantize_scale")

    @property
    def num_inputs(self):
        """3, and 1 for a mask."""
        return 3 + (self.mask is not None)

    @property
    def num_outputs(self):
        """1."""
        return 1

    def set_input(self, index, tensor):
        """0: query, 1: key, 2: value, 3: mask."""
        if index == 3:
            self.mask = tensor
            return True
        for end in (self._front, self._back):
            end.set_input(index, tensor)
        return True

    def get_input(self, index):
        """0: query, 1: key, 2: value, 3: mask."""
        return self.mask if index == 3 else self._back.get_input(index)

    def get_output(self, index):
        """The result."""
        return self._back.get_output(index)


class IKVCacheUpdateLayer(ILayer):
    """cache[B,N,T,H] with update[B,N,S,H] written at write_indices[B] along T. An output may be
    bound to the memory of the cache, ICudaEngine.get_aliased_input_tensor says of which; bound to
    memory of its own it is a copy."""

    TYPE, TITLE = LayerType.KV_CACHE_UPDATE, "KVCacheUpdate"

    cache_mode = Parameter(KVCacheMode.LINEAR, KVCacheMode, "LINEAR")

    def _lower(self, low):
        from ..lowering import dims_text
        from .indexing import iota
        cache, update, start = (low.value(t) for t in self._state.inputs)
        batch, _, steps, _ = low.shape(update)
        rows = low.pointwise("add(a, b)", low.reshape(iota(low, steps), [1, 1, steps, 1]),
                             low.reshape(low.cast(start, "i64"), [batch, 1, 1, 1]))
        index = low.op("Expand", [rows], {"shape": dims_text(low.shape(update))})
        return [low.op("ScatterElements", [cache, index, update], {"axis": 2})]


class IMoELayer(ILayer):
    """A mixture of experts."""

    TYPE, TITLE = LayerType.MOE, "MoE"
    REFUSAL = "Lathe has no mixture of experts; write it as MatMul, Gather and Scatter"

    activation_type = Parameter(MoEActType.NONE, MoEActType, "the gate's function")
    quantization_to_type = Parameter(DataType.FP8, DataType, "of activations")
    quantization_block_shape = Parameter((), tuple, "of activations")
    dyn_q_output_scale_type = Parameter(DataType.FLOAT, DataType, "of activations")
    swiglu_param_limit = Parameter(float("inf"), float, "SwiGLU's limit")
    swiglu_param_alpha = Parameter(1.0, float, "SwiGLU's alpha")
    swiglu_param_beta = Parameter(0.0, float, "SwiGLU's beta")

    def set_gated_weights(self, fc_gate_weights, fc_up_weights, fc_down_weights, activation_type):
        """The experts' matrices."""
        for index, tensor in enumerate((fc_gate_weights, fc_up_weights, fc_down_weights), 3):
            self.set_input(index, tensor)
        self.activation_type = activation_type

    def set_gated_biases(self, fc_gate_biases, fc_up_biases, fc_down_biases):
        """The experts' biases."""
        for index, tensor in enumerate((fc_gate_biases, fc_up_biases, fc_down_biases), 6):
            self.set_input(index, tensor)

    def set_quantization_static(self, fc_down_activation_scale, data_type):
        """Quantized activations with a fixed scale."""
        self.set_input(9, fc_down_activation_scale)
        self.quantization_to_type = data_type

    def set_quantization_dynamic_dbl_q(self, fc_down_activation_dbl_q_scale, data_type,
                                       block_shape, dyn_q_output_scale_type):
        """Quantized activations with scales of their own."""
        self.set_input(9, fc_down_activation_dbl_q_scale)
        self.quantization_to_type, self.quantization_block_shape = data_type, block_shape
        self.dyn_q_output_scale_type = dyn_q_output_scale_type

    def set_swiglu_params(self, limit, alpha, beta):
        """SwiGLU's parameters."""
        self.swiglu_param_limit, self.swiglu_param_alpha = limit, alpha
        self.swiglu_param_beta = beta


class IDistCollectiveLayer(ILayer):
    """A collective operation among devices."""

    TYPE, TITLE = LayerType.DIST_COLLECTIVE, "DistCollective"
    REFUSAL = "an engine of Lathe runs on one device; run one engine a device and exchange outside"


# Every use of these is refused.
CollectiveOperation.lathe_refused = IDistCollectiveLayer.REFUSAL
MoEActType.lathe_refused = IMoELayer.REFUSAL
