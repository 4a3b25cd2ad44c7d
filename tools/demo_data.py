#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The demo's real input, and the figures that the demo prints about what comes out.

    demo_data.py write DIR                      digits_x.npy f32 [359,1,8,8] in 0..1, digits_y.npy
                                                i64 [359], photo.png (512x512), photo_small.png
                                                (256x256), photo_bicubic.png (512x512)
    demo_data.py bicubic PICTURE OUT.png        PICTURE enlarged twofold by bicubic interpolation
    demo_data.py accuracy LOGITS.npy LABELS.npy "358 of 359 right (99.72 %)"
    demo_data.py psnr PICTURE ORIGINAL          "33.59", in dB
    demo_data.py beside LEFT RIGHT OUT.png [--box X,Y,W,H] [--zoom N]
                                                the same box of two pictures side by side

`accuracy` and `psnr` take `--at-least X` and exit 1 below it. All needs numpy and pillow; `write`
needs scikit-learn and scikit-image too, whose wheels hold the digits and the photograph.

The scripts in tools/train/ take the definitions of what is held out from here.
"""

import argparse
import os
import sys

import numpy as np
from PIL import Image

HELD_OUT_PHOTOGRAPH = "astronaut.png"


def load_digits_split():
    """Digits [M,1,8,8] in 0..1 and labels: (train_x, train_y, test_x, test_y).

    Every fifth picture (index % 5 == 4) of scikit-learn's 1797 is for the test.
    """
    from sklearn.datasets import load_digits

    digits = load_digits()
    x = (digits.images / 16.0).astype(np.float32)[:, None]
    y = digits.target.astype(np.int64)
    test = np.arange(len(y)) % 5 == 4
    return x[~test], y[~test], x[test], y[test]


def photograph(name, scale=1.0):
    """A photograph inside scikit-image's wheel as RGB, scaled, cut to even sides."""
    import skimage

    path = os.path.join(os.path.dirname(skimage.__file__), "data", name)
    image = Image.open(path).convert("RGB")
    if scale != 1.0:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.LANCZOS)
    return image.crop((0, 0, image.width // 2 * 2, image.height // 2 * 2))


def halve(image):
    """The low-resolution picture of a photograph; Pillow filters against aliasing."""
    return image.resize((image.width // 2, image.height // 2), Image.BICUBIC)


def double(image):
    """What every enlargement is measured against."""
    return image.resize((image.width * 2, image.height * 2), Image.BICUBIC)


def psnr(a, b):
    """PSNR in dB of two 8-bit RGB pictures, over all pixels and channels."""
    difference = np.asarray(a, np.float64) - np.asarray(b, np.float64)
    mean = np.mean(difference**2)
    return float("inf") if mean == 0 else 10 * np.log10(255.0**2 / mean)


def open_rgb(path):
    return Image.open(path).convert("RGB")


def write(args):
    os.makedirs(args.dir, exist_ok=True)
    _, _, x, y = load_digits_split()
    np.save(os.path.join(args.dir, "digits_x.npy"), x)
    np.save(os.path.join(args.dir, "digits_y.npy"), y)
    photo = photograph(HELD_OUT_PHOTOGRAPH)
    small = halve(photo)
    photo.save(os.path.join(args.dir, "photo.png"))
    small.save(os.path.join(args.dir, "photo_small.png"))
    double(small).save(os.path.join(args.dir, "photo_bicubic.png"))
    return True


def bicubic(args):
    double(open_rgb(args.picture)).save(args.out)
    return True


def accuracy(args):
    logits, labels = np.load(args.logits), np.load(args.labels)
    if logits.ndim != 2 or len(logits) != len(labels):
        sys.exit(f"{args.logits}: shape {logits.shape}, expected [{len(labels)}, classes]")
    right = int((logits.argmax(1) == labels).sum())
    percent = 100 * right / len(labels)
    print(f"{right} of {len(labels)} right ({percent:.2f} %)")
    return percent >= args.at_least


def print_psnr(args):
    picture, original = open_rgb(args.picture), open_rgb(args.original)
    if picture.size != original.size:
        sys.exit(f"{args.picture}: {picture.size}, but {args.original}: {original.size}")
    value = psnr(picture, original)
    print(f"{value:.2f}")
    return value >= args.at_least


def beside(args):
    pictures = [open_rgb(args.left), open_rgb(args.right)]
    x, y, w, h = args.box or (0, 0, *pictures[0].size)
    size = (w * args.zoom, h * args.zoom)
    gap = 8
    sheet = Image.new("RGB", (2 * size[0] + gap, size[1]), "white")
    for at, picture in enumerate(pictures):
        cut = picture.crop((x, y, x + w, y + h)).resize(size, Image.NEAREST)
        sheet.paste(cut, (at * (size[0] + gap), 0))
    sheet.save(args.out)
    return True


def box(text):
    numbers = tuple(int(part) for part in text.split(","))
    if len(numbers) != 4:
        raise argparse.ArgumentTypeError("expected X,Y,W,H")
    return numbers


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name, function, *arguments):
        sub = commands.add_parser(name)
        sub.set_defaults(function=function)
        for argument in arguments:
            sub.add_argument(argument)
        return sub

    command("write", write, "dir")
    command("bicubic", bicubic, "picture", "out")
    for sub in (
        command("accuracy", accuracy, "logits", "labels"),
        command("psnr", print_psnr, "picture", "original"),
    ):
        sub.add_argument("--at-least", type=float, default=0.0)
    sub = command("beside", beside, "left", "right", "out")
    sub.add_argument("--box", type=box)
    sub.add_argument("--zoom", type=int, default=1)
    return parser.parse_args()


def main():
    args = parse()
    sys.exit(0 if args.function(args) else 1)


if __name__ == "__main__":
    main()
