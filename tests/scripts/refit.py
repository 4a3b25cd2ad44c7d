# SPDX-License-Identifier: Apache-2.0
# An engine built with wrong weights, then given the right ones: by name, by layer and role.
import numpy as np
import lathe.trt as trt

from common import infer

LOGGER = trt.Logger(trt.Logger.WARNING)
RANDOM = np.random.default_rng()
KERNEL = RANDOM.standard_normal((8, 3, 1, 1)).astype(np.float32)
BIAS = RANDOM.standard_normal(8).astype(np.float32)

builder = trt.Builder(LOGGER)
network = builder.create_network(0)
data = network.add_input("data", trt.float32, (1, 3, 16, 16))
wrong_kernel, wrong_bias = np.ones_like(KERNEL), np.ones_like(BIAS)
conv = network.add_convolution_nd(data, 8, (1, 1), wrong_kernel, wrong_bias)
conv.name = "conv_1"
network.set_weights_name(wrong_kernel, "conv1.weight")
relu = network.add_activation(conv.get_output(0), trt.ActivationType.RELU)
relu.get_output(0).name = "out"
network.mark_output(relu.get_output(0))
config = builder.create_builder_config()
config.set_flag(trt.BuilderFlag.REFIT)
config.clear_flag(trt.BuilderFlag.TF32)
plan = builder.build_serialized_network(network, config)
engine = trt.Runtime(LOGGER).deserialize_cuda_engine(plan)
assert engine.refittable


def expected(kernel, bias, x):
    y = np.einsum("oi,nihw->nohw", kernel[:, :, 0, 0].astype(float), x.astype(float))
    return np.maximum(y + bias.astype(float)[:, None, None], 0)


x = RANDOM.standard_normal((1, 3, 16, 16)).astype(np.float32)
before = infer(engine, {"data": x})["out"]
np.testing.assert_allclose(before, expected(wrong_kernel, wrong_bias, x), rtol=1e-5, atol=1e-5)

refitter = trt.Refitter(engine, LOGGER)
assert "conv1.weight" in refitter.get_all_weights()
layers, roles = refitter.get_all()
assert ("conv_1", trt.WeightsRole.BIAS) in zip(layers, roles)
assert refitter.set_named_weights("conv1.weight", KERNEL)
assert refitter.set_weights("conv_1", trt.WeightsRole.BIAS, BIAS)
assert len(refitter.get_missing_weights()) == 0
assert refitter.refit_cuda_engine()
after = infer(engine, {"data": x})["out"]
np.testing.assert_allclose(after, expected(KERNEL, BIAS, x), rtol=1e-5, atol=1e-5)
print("refitted")
