#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A custom operator as data: a NumPy function is the twin, CUDA C++ the kernel.

    python examples/custom_op.py snake.json
    lathe build vocoder.onnx --op snake.json

The Snake activation of audio networks (Ziyin et al. 2020), with a frequency for each channel. On a
CPU the twin becomes Lathe's own operators, which fuse with their neighbours; on a GPU the kernel is
compiled when the engine is built, checked against the twin, and timed.
"""
import sys

import numpy as np

from lathe import custom

KERNEL = r"""
// One thread for each element, or as many as there are, walking on.
extern "C" __global__ void snake(const T* x, const T* alpha, T* y, i64 n, i64 channels, i64 length) {
  for (i64 i = thread_index(); i < n; i += thread_count()) {
    const float a = widen(alpha[i / length % channels]), v = widen(x[i]);
    const float s = sinf(a * v);
    y[i] = narrow<T>(v + s * s / (a + (float)epsilon));
  }
}
"""


@custom.op("com.example::Snake", "(x: T[N,C,L], alpha: T[C]) -> (y: T[N,C,L])",
           types={"T": ["f32", "f16"]}, attributes={"epsilon": 1e-9}, tolerance=64,
           cuda={"source": KERNEL, "kernel": "snake", "grid": ["ceildiv(N*C*L, 256)"],
                 "block": ["256"], "arguments": ["N*C*L", "C", "L"]})
def snake(x, alpha, *, epsilon):
    """x + sin(alpha x)^2 / (alpha + epsilon)"""
    a = alpha[:, None]
    return x + np.square(np.sin(a * x)) / (a + epsilon)


if __name__ == "__main__":
    print(snake(np.linspace(-1, 1, 5).reshape(1, 1, 5), np.ones(1), epsilon=1e-9))
    if len(sys.argv) > 1:
        snake.save(sys.argv[1])
        print("wrote", sys.argv[1])
