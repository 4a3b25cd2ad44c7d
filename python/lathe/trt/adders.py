# SPDX-License-Identifier: Apache-2.0
"""The 56 add_* methods of a network. Each makes a layer from its operands and first settings; the
layer's class, in layers/, says what it computes. Argument names are API."""
from ..errors import UnsupportedError
from . import enums as e
from .dims import as_dims
from .layers import LAYERS
from .layers.conditional import IIfConditional
from .layers.linear import IAttention
from .layers.loops import ILoop
from .support import CUSTOM_OPERATORS, deprecated
from .weights import as_weights

L = type("L", (), LAYERS)  # the layer classes by name: L.IConvolutionLayer


class Adders:
    """Mixed into INetworkDefinition, which has `_add(view, inputs, **settings)`."""

    # --- windows

    def add_convolution_nd(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):
        """A convolution. Kernel [num_output_maps, channels / groups, *kernel_shape]."""
        return self._add(L.IConvolutionLayer, [input], num_output_maps=int(num_output_maps),
                         kernel_size_nd=as_dims(kernel_shape), kernel=as_weights(kernel),
                         bias=as_weights(bias))

    def add_deconvolution_nd(self, input, num_output_maps, kernel_shape, kernel=None, bias=None):
        """A transposed convolution. Kernel [channels, num_output_maps / groups, *kernel_shape]."""
        return self._add(L.IDeconvolutionLayer, [input], num_output_maps=int(num_output_maps),
                         kernel_size_nd=as_dims(kernel_shape), kernel=as_weights(kernel),
                         bias=as_weights(bias))

    def add_pooling_nd(self, input, type, window_size):
        """The largest element or the average of each window."""
        return self._add(L.IPoolingLayer, [input], type=e.PoolingType(type),
                         window_size_nd=as_dims(window_size))

    def add_lrn(self, input, window, alpha, beta, k):
        """Local response normalization over `window` channels."""
        return self._add(L.ILRNLayer, [input], window_size=int(window), alpha=float(alpha),
                         beta=float(beta), k=float(k))

    def add_padding_nd(self, input, pre_padding, post_padding):
        """Zeros around the last two dimensions."""
        return self._add(L.IPaddingLayer, [input], pre_padding_nd=as_dims(pre_padding),
                         post_padding_nd=as_dims(post_padding))

    # --- elementwise

    def add_activation(self, input, type):
        """A function of one element."""
        return self._add(L.IActivationLayer, [input], type=e.ActivationType(type))

    def add_elementwise(self, input1, input2, op):
        """A function of two elements."""
        return self._add(L.IElementWiseLayer, [input1, input2], op=e.ElementWiseOperation(op))

    def add_unary(self, input, op):
        """A function of one element."""
        return self._add(L.IUnaryLayer, [input], op=e.UnaryOperation(op))

    def add_scale(self, input, mode, shift=None, scale=None, power=None):
        """(x * scale + shift) ^ power; channels are dimension 1."""
        return self.add_scale_nd(input, mode, shift, scale, power, 1)

    def add_scale_nd(self, input, mode, shift=None, scale=None, power=None, channel_axis=1):
        """(x * scale + shift) ^ power."""
        return self._add(L.IScaleLayer, [input], mode=e.ScaleMode(mode), shift=as_weights(shift),
                         scale=as_weights(scale), power=as_weights(power),
                         channel_axis=int(channel_axis))

    def add_parametric_relu(self, input, slopes):
        """x, times its slope where it is negative."""
        return self._add(L.IParametricReLULayer, [input, slopes])

    def add_select(self, condition, then_input, else_input):
        """One of two elements."""
        return self._add(L.ISelectLayer, [condition, then_input, else_input])

    def add_identity(self, input):
        """The same values."""
        return self._add(L.IIdentityLayer, [input])

    def add_cast(self, input, to_type):
        """The values as another type."""
        return self._add(L.ICastLayer, [input], to_type=e.DataType(to_type))

    def add_assertion(self, condition, message):
        """A condition that must hold."""
        return self._add(L.IAssertionLayer, [condition], message=str(message))

    # --- movement

    def add_constant(self, shape, weights):
        """Weights as a value."""
        return self._add(L.IConstantLayer, [], shape=as_dims(shape), weights=as_weights(weights))

    def add_shuffle(self, input):
        """Transposition, reshape, transposition."""
        return self._add(L.IShuffleLayer, [input])

    def add_slice(self, input, start, shape, stride):
        """A part with a stride."""
        return self._add(L.ISliceLayer, [input], start=as_dims(start), shape=as_dims(shape),
                         stride=as_dims(stride))

    def add_concatenation(self, inputs):
        """Operands one after another."""
        return self._add(L.IConcatenationLayer, list(inputs))

    def add_shape(self, input):
        """The sizes, as INT64."""
        return self._add(L.IShapeLayer, [input])

    def add_squeeze(self, input, axes):
        """Without dimensions of size 1; axes: a constant tensor."""
        return self._add(L.ISqueezeLayer, [input, axes])

    def add_unsqueeze(self, input, axes):
        """With new dimensions of size 1; axes: a constant tensor."""
        return self._add(L.IUnsqueezeLayer, [input, axes])

    def add_resize(self, input):
        """Another size by interpolation."""
        return self._add(L.IResizeLayer, [input])

    def add_reverse_sequence(self, input, sequence_lens):
        """The first steps of each batch element in reverse."""
        return self._add(L.IReverseSequenceLayer, [input, sequence_lens])

    def add_gather(self, input, indices, axis):
        """Slices along `axis`."""
        return self._add(L.IGatherLayer, [input, indices], axis=int(axis))

    def add_gather_v2(self, input, indices, mode):
        """Slices, elements or coordinates."""
        return self._add(L.IGatherLayer, [input, indices], mode=e.GatherMode(mode))

    def add_scatter(self, data, indices, updates, mode):
        """Elements replaced."""
        return self._add(L.IScatterLayer, [data, indices, updates], mode=e.ScatterMode(mode))

    def add_one_hot(self, indices, values, depth, axis):
        """values[1] at the index, else values[0]."""
        return self._add(L.IOneHotLayer, [indices, values, depth], axis=int(axis))

    def add_grid_sample(self, input, grid):
        """Samples of an image at a grid."""
        return self._add(L.IGridSampleLayer, [input, grid])

    def add_fill(self, shape, op, output_type=e.DataType.FLOAT):
        """Values made from nothing."""
        return self._add(L.IFillLayer, [], shape=as_dims(shape), operation=e.FillOperation(op),
                         to_type=e.DataType(output_type))

    # --- reductions

    def add_reduce(self, input, op, axes, keep_dims):
        """Sums, products, extremes, averages."""
        return self._add(L.IReduceLayer, [input], op=e.ReduceOperation(op), axes=int(axes),
                         keep_dims=bool(keep_dims))

    def add_softmax(self, input):
        """exp(x) scaled to sum 1."""
        return self._add(L.ISoftMaxLayer, [input])

    def add_ragged_softmax(self, input, bounds):
        """Softmax over the first elements of each row."""
        return self._add(L.IRaggedSoftMaxLayer, [input, bounds])

    def add_topk(self, input, op, k, axes, indices_type=e.DataType.INT32):
        """The largest or smallest elements and their indices."""
        return self._add(L.ITopKLayer, [input], op=e.TopKOperation(op), k=int(k), axes=int(axes),
                         indices_type=e.DataType(indices_type))

    def add_cumulative(self, input, axis, op, exclusive, reverse):
        """Running sums; axis: a constant scalar tensor."""
        return self._add(L.ICumulativeLayer, [input, axis], op=e.CumulativeOperation(op),
                         exclusive=bool(exclusive), reverse=bool(reverse))

    def add_normalization(self, input, scale, bias, axesMask):
        """Layer, instance or group normalization."""
        return self._add(L.INormalizationLayer, [input, scale, bias], axes=int(axesMask))

    def add_normalization_v2(self, input, scale, bias, axesMask):
        """The same; scale and bias have one number for each channel, also in groups."""
        return self._add(L.INormalizationLayer, [input, scale, bias], axes=int(axesMask),
                         is_v2=True)

    def add_non_zero(self, input, indices_type=e.DataType.INT32):
        """Coordinates of what is not zero. Refused at build."""
        return self._add(L.INonZeroLayer, [input], indices_type=e.DataType(indices_type))

    def add_nms(self, boxes, scores, max_output_boxes_per_class, indices_type=e.DataType.INT32):
        """Suppression of overlapping boxes. Refused at build."""
        return self._add(L.INMSLayer, [boxes, scores, max_output_boxes_per_class],
                         indices_type=e.DataType(indices_type))

    # --- products and transformers

    def add_matrix_multiply(self, input0, op0, input1, op1):
        """Products of matrices."""
        return self._add(L.IMatrixMultiplyLayer, [input0, input1], op0=e.MatrixOperation(op0),
                         op1=e.MatrixOperation(op1))

    def add_einsum(self, inputs, equation):
        """Sums of products."""
        return self._add(L.IEinsumLayer, list(inputs), equation=str(equation))

    def add_attention(self, query, key, value, norm_op, causal):
        """softmax(query key^T) value."""
        operands = [query, key, value]
        front = self._add(L.IAttentionInputLayer, operands)
        back = self._add(L.IAttentionOutputLayer, operands, causal=bool(causal),
                         norm_op=e.AttentionNormalizationOp(norm_op))
        attention = IAttention(self, front, back)
        for end in (front, back):
            end._state.settings["attention"] = attention
        return attention

    def add_rotary_embedding(self, input, cos_cache, sin_cache, interleaved, rotary_embedding_dim):
        """Pairs of elements turned."""
        return self._add(L.IRotaryEmbeddingLayer, [input, cos_cache, sin_cache],
                         interleaved=bool(interleaved),
                         rotary_embedding_dim=int(rotary_embedding_dim))

    def add_kv_cache_update(self, cache, update, write_indices, cache_mode):
        """A cache with new steps."""
        return self._add(L.IKVCacheUpdateLayer, [cache, update, write_indices],
                         cache_mode=e.KVCacheMode(cache_mode))

    def add_moe(self, hidden_states, selected_experts_for_tokens, scores_for_selected_experts):
        """A mixture of experts. Refused at build."""
        return self._add(L.IMoELayer, [hidden_states, selected_experts_for_tokens,
                                       scores_for_selected_experts])

    def add_dist_collective(self, input, dist_collective_op, reduce_op, root, groups):
        """A collective operation among devices. Refused at build."""
        return self._add(L.IDistCollectiveLayer, [input],
                         operation=e.CollectiveOperation(dist_collective_op), reduce=reduce_op,
                         root=root, groups=groups)

    # --- quantization

    def add_quantize(self, input, scale, output_type=e.DataType.INT8):
        """round(x / scale) in INT8."""
        return self._add(L.IQuantizeLayer, [input, scale], to_type=e.DataType(output_type))

    def add_dequantize(self, input, scale, output_type=e.DataType.FLOAT):
        """x * scale."""
        return self._add(L.IDequantizeLayer, [input, scale], to_type=e.DataType(output_type))

    def add_dynamic_quantize(self, input, axis, block_size, output_type, scale_type):
        """Blocks with scales of their own. Refused at build."""
        return self._add(L.IDynamicQuantizeLayer, [input], axis=int(axis),
                         block_size=int(block_size), to_type=e.DataType(output_type),
                         scale_type=e.DataType(scale_type))

    def add_dynamic_quantize_v2(self, input, block_shape, output_type, scale_type):
        """Blocks with scales of their own. Refused at build."""
        return self._add(L.IDynamicQuantizeLayer, [input], block_shape=as_dims(block_shape),
                         to_type=e.DataType(output_type), scale_type=e.DataType(scale_type))

    # --- control

    def add_loop(self):
        """A loop, which a build unrolls: its count must be a constant then."""
        return ILoop(self, self._count("loops"))

    def add_if_conditional(self):
        """A conditional: both branches are computed, and one result is taken."""
        return IIfConditional(self, self._count("conditionals"))

    # --- plugins

    def add_plugin_v2(self, inputs, plugin):
        """A layer of an IPluginV2. Refused at build, but for what Lathe has itself."""
        deprecated("add_plugin_v2 is deprecated")
        return self._add(L.IPluginV2Layer, list(inputs), plugin=plugin,
                         outputs=max(1, getattr(plugin, "num_outputs", 1)))

    def add_plugin_v3(self, inputs, shape_inputs, plugin):
        """A layer of an IPluginV3. Refused at build."""
        return self._add(L.IPluginV3Layer, [*inputs, *shape_inputs], plugin=plugin,
                         outputs=max(1, getattr(plugin, "num_outputs", 1)))

    def add_plugin(self, *args, **named):
        """A layer of tensorrt.plugin's decorators."""
        raise UnsupportedError(f"add_plugin: {CUSTOM_OPERATORS}")


Adders.add_plugin.lathe_refused = CUSTOM_OPERATORS
Adders.add_plugin_v2.lathe_refused = CUSTOM_OPERATORS
Adders.add_plugin_v3.lathe_refused = CUSTOM_OPERATORS
