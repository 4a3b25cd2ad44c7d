#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's `digits` network and writes it as one ONNX file.

    python3 tools/train/train_digits.py --out examples/models/digits.onnx

Needs torch, onnx and scikit-learn (tools/train/README.md has versions, time and figures).

Data: scikit-learn's handwritten digits, 1797 grey pictures of 8x8 with levels 0 to 16, scaled to
0..1. Every fifth picture (index % 5 == 4, 359 of them) is for the test and is never trained on;
the length of the training is fixed beforehand.

Network: a residual CNN; a 3x3 stem, then three residual blocks (32, 64 at half size, 64), each
convolution followed by BatchNorm, global average, one linear layer.
Input `image` f32 [N,1,8,8]; output `logits` f32 [N,10]; N is symbolic. BatchNorm stays in the
file as an operator with inference semantics, so that the compiler that reads it has it to fold.

Reached: 358 of the 359 unseen pictures right (99.72 %).
"""

import argparse
import math
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(Path(__file__).resolve().parent.parent))
from demo_data import load_digits_split  # noqa: E402
from export import export  # noqa: E402

SEED = 1797
EPOCHS = 60
BATCH = 64
PEAK_RATE = 4e-3
WEIGHT_DECAY = 5e-2


class Block(nn.Module):
    """Two convolutions with BatchNorm around a skip; the skip is projected if its shape changes."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.skip = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.skip = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.skip(x))


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 32, 3, 1, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.blocks = nn.Sequential(Block(32, 32, 1), Block(32, 64, 2), Block(64, 64, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(64, 10)

    def forward(self, image):
        return self.head(torch.flatten(self.pool(self.blocks(self.stem(image))), 1))


def jitter(x, generator):
    """Each picture turned up to 10 degrees, scaled up to 10 %, moved up to 0.7 pixels, noisy."""
    count = len(x)

    def uniform(limit):
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    angle, size = uniform(math.radians(10)), 1 + uniform(0.1)
    dx, dy = uniform(0.7 / 4), uniform(0.7 / 4)  # the sampling grid runs from -1 to 1: 8 pixels
    cos, sin = torch.cos(angle) * size, torch.sin(angle) * size
    theta = torch.stack([cos, -sin, dx, sin, cos, dy], 1).view(count, 2, 3)
    with torch.no_grad():
        grid = F.affine_grid(theta, list(x.shape), align_corners=False)
        moved = F.grid_sample(x, grid, align_corners=False)
        noise = torch.randn(x.shape, generator=generator) * 0.03
        return (moved + noise).clamp_(0, 1)


def train(net, x, y):
    generator = torch.Generator().manual_seed(SEED)
    steps = len(x) // BATCH
    optimizer = torch.optim.AdamW(net.parameters(), PEAK_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, EPOCHS * steps)
    net.train()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x), generator=generator)
        total = 0.0
        for step in range(steps):
            pick = order[step * BATCH : (step + 1) * BATCH]
            logits = net(jitter(x[pick], generator))
            loss = F.cross_entropy(logits, y[pick], label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        if (epoch + 1) % 10 == 0:
            print(f"epoch {epoch + 1:3d}/{EPOCHS}  loss {total / steps:.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description="Trains and exports the demo's digits network.")
    parser.add_argument("--out", default="digits.onnx")
    args = parser.parse_args()

    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)  # sums in one order on every machine; it is fast enough
    train_x, train_y, test_x, test_y = (torch.from_numpy(a) for a in load_digits_split())
    net = Digits()
    print(
        f"{sum(p.numel() for p in net.parameters())} parameters, {len(train_x)} pictures to train "
        f"on, {len(test_x)} held out",
        flush=True,
    )
    start = time.time()
    train(net, train_x, train_y)

    net.eval()
    with torch.no_grad():
        right = (net(test_x).argmax(1) == test_y).sum().item()
    print(
        f"{right} of {len(test_y)} unseen pictures right ({100 * right / len(test_y):.2f} %), "
        f"trained in {time.time() - start:.0f} s"
    )
    export(net, test_x[:2], args.out, ("image", {0: "N"}), ("logits", {0: "N"}))


if __name__ == "__main__":
    main()
