# SPDX-License-Identifier: Apache-2.0
"""Writes a trained network as one checked ONNX file, the same way for every demo network."""

import os

import onnx
import torch


def export(net, sample, path, input_axes, output_axes):
    """Exports `net` (on the CPU) at opset 17 with inference semantics.

    Each of the axes is (name of the tensor, {dimension: symbol}). The exporter would fold
    BatchNorm into convolutions; PRESERVE of a network in eval mode is what keeps it an operator.
    """
    net.eval()
    has_norm = any(isinstance(part, torch.nn.BatchNorm2d) for part in net.modules())
    mode = torch.onnx.TrainingMode
    torch.onnx.export(
        net,
        (sample,),
        path,
        input_names=[input_axes[0]],
        output_names=[output_axes[0]],
        dynamic_axes=dict([input_axes, output_axes]),
        opset_version=17,
        training=mode.PRESERVE if has_norm else mode.EVAL,
        do_constant_folding=not has_norm,
        dynamo=False,
    )
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    print(f"wrote {path}: {len(model.graph.node)} nodes, {os.path.getsize(path)} bytes")
