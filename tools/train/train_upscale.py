#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's `upscale` network (2x super-resolution) and writes it as one ONNX file.

    python3 tools/train/train_upscale.py --out examples/models/upscale.onnx

Needs torch, onnx, pillow and scikit-image (tools/train/README.md has versions, time, figures).

Data: the photographs inside scikit-image's wheel. `astronaut` is held out: it is never trained
on, and the length of the training is fixed beforehand. A low-resolution picture is made from a
photograph of even sides by Pillow: `resize((w // 2, h // 2), Image.BICUBIC)`, which filters
against aliasing and rounds to 8 bits; both the training and the test use exactly that.

Network: convolutions of 3x3 with PReLU, five residual blocks of 32 channels, a global skip that
starts as "repeat every pixel", then DepthToSpace. Padding is zero, so any size works.
Input `image` f32 [N,3,H,W], RGB in 0..1; output `upscaled` f32 [N,3,2H,2W], clipped to 0..1; N,
H and W are symbolic.

Receptive field: 25x25 pixels of the input, that is 12 on each side of a pixel (12 convolutions of
3x3 in a row). Tiles that overlap by 12 pixels or more on each side give the picture of one run.

Reached: 33.59 dB on the held-out photograph, where bicubic interpolation reaches 30.21 dB.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.append(str(Path(__file__).resolve().parent.parent))
from demo_data import HELD_OUT_PHOTOGRAPH, double, halve, photograph, psnr  # noqa: E402
from export import export  # noqa: E402

SEED = 2026
CHANNELS = 32
BLOCKS = 5
STEPS = 50000
BATCH = 32
PATCH = 48  # low-resolution side
PEAK_RATE = 1e-3
PHOTOGRAPHS = [
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "page.png",
    "retina.jpg",
    "rocket.jpg",
    "text.png",
]
# Photographs made smaller before use show sharper edges and other sizes of the same things.
SCALES = [1.0, 0.8, 0.6, 0.45]


def to_tensor(image):
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.act = nn.PReLU(CHANNELS)
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(0.1)

    def forward(self, x):
        return x + self.conv2(self.act(self.conv1(x)))


class Upscale(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.act = nn.PReLU(CHANNELS)
        self.body = nn.Sequential(*[Block() for _ in range(BLOCKS)])
        self.tail = nn.Conv2d(CHANNELS, 12, 3, padding=1)
        self.skip = nn.Conv2d(3, 12, 1, bias=False)
        self.shuffle = nn.PixelShuffle(2)
        with torch.no_grad():
            self.tail.weight.mul_(0.1)
            self.tail.bias.zero_()
            self.skip.weight.copy_(torch.eye(3).repeat_interleave(4, 0)[:, :, None, None])

    def forward(self, image):
        y = self.shuffle(self.tail(self.body(self.act(self.head(image)))) + self.skip(image))
        return y if self.training else y.clamp(0.0, 1.0)


class Patches:
    """Every training picture on the device, from which random pairs of patches are cut."""

    def __init__(self, device):
        self.device = device
        pairs = []
        for name in PHOTOGRAPHS:
            for scale in SCALES:
                high = photograph(name, scale)
                low = halve(high)
                if min(low.size) > PATCH:
                    pairs.append((to_tensor(low), to_tensor(high)))
        self.sides = np.array([low.shape[1:] for low, _ in pairs])
        areas = self.sides.prod(1)
        self.odds = np.sqrt(areas) / np.sqrt(areas).sum()
        # The pixels of all pictures in one row, low and high: a batch is one gather from each.
        self.low = torch.cat([low.flatten(1) for low, _ in pairs], 1).to(device)
        self.high = torch.cat([high.flatten(1) for _, high in pairs], 1).to(device)
        self.starts = np.cumsum(areas) - areas
        self.random = np.random.default_rng(SEED)

    def batch(self):
        """Low [B,3,P,P] and high [B,3,2P,2P] in 0..1, turned, mirrored, channels shuffled."""
        which = self.random.choice(len(self.starts), BATCH, p=self.odds)
        height, width = self.sides[which].T
        top = self.random.integers(0, height - PATCH + 1)
        left = self.random.integers(0, width - PATCH + 1)
        start = self.starts[which]
        low = self.cut(self.low, start + top * width + left, width, PATCH)
        start = 4 * start + 4 * top * width + 2 * left
        high = self.cut(self.high, start, 2 * width, 2 * PATCH)
        return self.turn(low, high)

    def cut(self, pixels, start, width, side):
        """Squares of `side` pixels whose first pixel is `start`, of pictures `width` wide."""
        start, width = torch.from_numpy(np.stack([start, width])).to(self.device)
        grid = torch.arange(side, device=self.device)
        index = start[:, None, None] + grid[:, None] * width[:, None, None] + grid
        return pixels[:, index].transpose(0, 1).float() / 255

    def turn(self, low, high):
        colours = torch.from_numpy(self.random.permutation(3)).to(self.device)
        turns, mirror = int(self.random.integers(4)), bool(self.random.integers(2))
        pair = []
        for x in (low, high):
            x = torch.rot90(x[:, colours], turns, (2, 3))
            x = x.flip(3) if mirror else x
            pair.append(x.contiguous(memory_format=torch.channels_last))
        return pair


def held_out_psnr(net, device):
    """PSNR on the held-out photograph: (bicubic, the network)."""
    high = photograph(HELD_OUT_PHOTOGRAPH)
    low = halve(high)
    bicubic = psnr(double(low), high)
    was_training = net.training
    net.eval()
    with torch.no_grad():
        y = net(to_tensor(low)[None].to(device).float() / 255)[0]
    net.train(was_training)
    pixels = (y * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return bicubic, psnr(pixels, high)


def train(net, patches, steps, device):
    """Returns the network whose weights are the running mean of the trained ones."""
    optimizer = torch.optim.Adam(net.parameters(), PEAK_RATE, (0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, steps, pct_start=0.05)
    mean = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.999)
    )
    net.train()
    start = time.time()
    for step in range(1, steps + 1):
        low, high = patches.batch()
        # Half way the loss turns from the robust one to the one that PSNR measures.
        loss = F.l1_loss(net(low), high) if step <= steps // 2 else F.mse_loss(net(low), high) * 10
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        schedule.step()
        mean.update_parameters(net)
        if step % max(1, steps // 20) == 0:
            print(
                f"step {step:6d}/{steps}  loss {loss.item():.5f}  {time.time() - start:.0f} s",
                flush=True,
            )
    return mean.module


def main():
    parser = argparse.ArgumentParser(description="Trains and exports the demo's upscale network.")
    parser.add_argument("--out", default="upscale.onnx")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=STEPS)
    args = parser.parse_args()

    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    device = torch.device(args.device)
    net = Upscale().to(device, memory_format=torch.channels_last)
    patches = Patches(device)
    print(
        f"{sum(p.numel() for p in net.parameters())} parameters, {len(patches.starts)} pictures, "
        f"{patches.low.shape[1] / 1e6:.1f} M low-resolution pixels, on {device}",
        flush=True,
    )
    net = train(net, patches, args.steps, device).eval()
    bicubic, ours = held_out_psnr(net, device)
    print(f"{HELD_OUT_PHOTOGRAPH}: bicubic {bicubic:.2f} dB, upscale {ours:.2f} dB")
    axes = ("image", {0: "N", 2: "H", 3: "W"})
    doubled = ("upscaled", {0: "N", 2: "H2", 3: "W2"})
    net = net.to("cpu", memory_format=torch.contiguous_format)
    export(net, torch.rand(1, 3, 24, 20), args.out, axes, doubled)


if __name__ == "__main__":
    main()
