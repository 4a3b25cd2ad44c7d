# SPDX-License-Identifier: Apache-2.0
# A digit classifier made layer by layer: convolutions, pools, matrix products as fully connected
# layers. Its scores are compared with the same computed by NumPy in double precision.
import numpy as np
import lathe.trt as trt

from common import infer

LOGGER = trt.Logger(trt.Logger.WARNING)
RANDOM = np.random.default_rng()


def weights(*shape):
    return (RANDOM.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


W = {"conv1": weights(20, 1, 5, 5), "conv2": weights(50, 20, 5, 5), "fc1": weights(500, 800),
     "fc2": weights(10, 500)}
B = {name: weights(w.shape[0], 1).ravel() for name, w in W.items()}


def fully_connected(network, source, name):
    outputs, inputs = W[name].shape
    rows = network.add_shuffle(source)
    rows.reshape_dims = trt.Dims2(1, inputs)
    kernel = network.add_constant(trt.Dims2(outputs, inputs), W[name])
    product = network.add_matrix_multiply(rows.get_output(0), trt.MatrixOperation.NONE,
                                          kernel.get_output(0), trt.MatrixOperation.TRANSPOSE)
    bias = network.add_constant(trt.Dims2(1, outputs), B[name])
    total = network.add_elementwise(product.get_output(0), bias.get_output(0),
                                    trt.ElementWiseOperation.SUM)
    result = network.add_shuffle(total.get_output(0))
    result.reshape_dims = trt.Dims4(1, outputs, 1, 1)
    return result


def populate(network):
    data = network.add_input(name="data", dtype=trt.float32, shape=(1, 1, 28, 28))
    conv1 = network.add_convolution_nd(input=data, num_output_maps=20, kernel_shape=(5, 5),
                                       kernel=W["conv1"], bias=B["conv1"])
    conv1.stride_nd = (1, 1)
    pool1 = network.add_pooling_nd(input=conv1.get_output(0), type=trt.PoolingType.MAX,
                                   window_size=(2, 2))
    pool1.stride_nd = trt.Dims2(2, 2)
    conv2 = network.add_convolution_nd(pool1.get_output(0), 50, (5, 5), W["conv2"], B["conv2"])
    conv2.stride_nd = (1, 1)
    pool2 = network.add_pooling_nd(conv2.get_output(0), trt.PoolingType.MAX, (2, 2))
    pool2.stride_nd = trt.Dims2(2, 2)
    hidden = fully_connected(network, pool2.get_output(0), "fc1")
    relu = network.add_activation(input=hidden.get_output(0), type=trt.ActivationType.RELU)
    scores = fully_connected(network, relu.get_output(0), "fc2")
    scores.get_output(0).name = "prob"
    network.mark_output(tensor=scores.get_output(0))


def expected(x):
    def convolution(x, name):
        windows = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(2, 3))
        return np.einsum("nchwyx,ocyx->nohw", windows, W[name].astype(float)) \
            + B[name].astype(float)[:, None, None]

    def pool(x):
        n, c, h, w = x.shape
        return x.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))

    x = pool(convolution(pool(convolution(x.astype(float), "conv1")), "conv2")).ravel()
    x = np.maximum(W["fc1"].astype(float) @ x + B["fc1"], 0)
    return (W["fc2"].astype(float) @ x + B["fc2"]).reshape(1, 10, 1, 1)


builder = trt.Builder(LOGGER)
network = builder.create_network(0)
config = builder.create_builder_config()
runtime = trt.Runtime(LOGGER)
config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, 1 << 30)
config.clear_flag(trt.BuilderFlag.TF32)
populate(network)
engine = runtime.deserialize_cuda_engine(builder.build_serialized_network(network, config))
image = RANDOM.standard_normal((1, 1, 28, 28)).astype(np.float32)
scores = infer(engine, {"data": image})["prob"]
np.testing.assert_allclose(scores, expected(image), rtol=1e-4, atol=1e-5)
print("the scores are right")
