#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and measures the demo's two networks; the table that ./demo ends with.

    networks.py build LATHE WORK        engines for each device found, tuned and unfused
    networks.py table LATHE WORK        measures them and prints the table

WORK holds engines, the timing cache and what was measured, so that a second run is quick. Needs
nothing beside Python's standard library.
"""

import json
import os
import pathlib
import subprocess
import sys

MODELS = pathlib.Path(__file__).resolve().parent / "models"
# The widest tile that the demo's upscaler cuts: 192 pixels and 12 of overlap on each side.
NETWORKS = {
    "digits": {
        "range": ("image:1x1x8x8", "image:359x1x8x8", "image:512x1x8x8"),
        "bench": "image:359x1x8x8",
    },
    "upscale": {
        "range": ("image:1x3x1x1", "image:1x3x216x216", "image:1x3x216x216"),
        "bench": "image:1x3x216x216",
        "reference": "image:1x3x64x64",  # a crop: the reference takes seconds for it
    },
}


class Demo:
    def __init__(self, lathe, work):
        self.lathe, self.work = lathe, pathlib.Path(work)
        self.work.mkdir(parents=True, exist_ok=True)

    def run(self, *args):
        """A command's JSON; a failure ends the demo with the command's own error line."""
        done = subprocess.run([self.lathe, *map(str, args), "--json"], stdout=subprocess.PIPE,
                              text=True, check=False)
        if done.returncode != 0:
            sys.exit(done.returncode)
        return json.loads(done.stdout)

    def devices(self):
        return [d["id"] for d in self.run("devices") if not d["error"]]

    def file(self, network, device, kind, ending):
        return self.work / f"{network}-{device.replace(':', '')}-{kind}.{ending}"

    def build(self, network, device, kind):
        """Builds unless an engine that is newer than Lathe and the model is there."""
        engine = self.file(network, device, kind, "engine")
        model = MODELS / f"{network}.onnx"
        library = pathlib.Path(self.lathe).parent.parent / "src" / "liblathe.so"
        newest = max(os.path.getmtime(p) for p in (model, self.lathe, library) if os.path.exists(p))
        if engine.exists() and os.path.getmtime(engine) > newest:
            return False
        low, opt, high = NETWORKS[network]["range"]
        facts = self.run("build", model, "-o", engine, "--device", device,
                         "--min-shapes", low, "--opt-shapes", opt, "--max-shapes", high,
                         "--timing-cache", self.work / "timing.cache",
                         *(["--no-fuse"] if kind == "unfused" else []))
        self.file(network, device, kind, "json").write_text(json.dumps(facts))
        return True

    def median(self, source, shapes, *options):
        """Milliseconds, and bytes of weights and activations together."""
        told = self.run("bench", source, "--shapes", shapes, *options)
        memory = told["memory"]
        return (told["latency_ms"]["median"],
                memory["weights"] + memory["arena"] + memory["workspace"])


def milliseconds(value):
    return f"{value:.3f} ms" if value < 10 else f"{value:.1f} ms"


def build(demo):
    for device in demo.devices():
        for network in NETWORKS:
            for kind in ("tuned", "unfused"):
                if demo.build(network, device, kind):
                    facts = json.loads(demo.file(network, device, kind, "json").read_text())
                    print(f"  {network} for {device}, {kind}: {facts['nodes']} nodes became "
                          f"{len(facts['steps'])} steps in {facts['build_s']:.1f} s")


def row(demo, network, device):
    shapes = NETWORKS[network]["bench"]
    facts = json.loads(demo.file(network, device, "tuned", "json").read_text())
    quick = ["--seconds", "0.5", "--warmup", "0.1"]
    # In turns, and the better of them: the machine's speed moves.
    turns = [[demo.median(demo.file(network, device, kind, "engine"), shapes, *quick)
              for kind in ("tuned", "unfused")] for _ in range(3)]
    tuned, memory = min(turn[0] for turn in turns)
    unfused, _ = min(turn[1] for turn in turns)
    reference = "-"
    if "reference" in NETWORKS[network] and device == "cpu":
        ms, _ = demo.median(MODELS / f"{network}.onnx", NETWORKS[network]["reference"],
                            "--no-tune", "--no-fuse", "--verify", "off", "--timing-cache", "none",
                            "--seconds", "0", "--warmup", "0", "--test-setting", "reference_only")
        reference = milliseconds(ms)
    proof = facts["certificate"]
    whole = f"{max(proof['end_to_end']):.1e}" if proof["end_to_end"] else "-"
    return [network, device, shapes.split(":")[1], str(facts["nodes"]), str(len(facts["steps"])),
            f"{facts['build_s']:.1f} s", reference, milliseconds(unfused), milliseconds(tuned),
            f"{memory / 1e6:.1f} MB", f"{proof['step_error']:.1e}", whole]


def table(demo):
    rows = [["network", "device", "input", "nodes", "steps", "build", "reference", "unfused",
             "tuned", "memory", "step error", "whole error"]]
    for network in NETWORKS:
        for device in demo.devices():
            rows.append(row(demo, network, device))
    widths = [max(len(r[c]) for r in rows) for c in range(len(rows[0]))]
    for r in rows:
        print("  " + "  ".join(cell.ljust(w) if c < 3 else cell.rjust(w)
                               for c, (cell, w) in enumerate(zip(r, widths))).rstrip())
    print("  reference: the plain reference's time, of upscale for a crop of 64x64.")
    print("  step error: the largest of a step against the reference; whole error: of the outputs\n"
          "  against the unfused FP32 chain; both over the largest value.")


def main():
    commands = {"build": build, "table": table}
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](Demo(sys.argv[2], sys.argv[3]))


if __name__ == "__main__":
    main()
