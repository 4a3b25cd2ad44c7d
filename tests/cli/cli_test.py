#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the command line promises: exit codes, errors of one line, no partial files, JSON.

    LATHE=build/cli/lathe tests/cli/cli_test.py [-k NAME]
"""
import array
import json
import os
import pathlib
import pty
import random
import re
import resource
import signal
import struct
import subprocess
import tempfile
import time
import unittest

LATHE = os.environ.get("LATHE", "build/cli/lathe")
MODELS = pathlib.Path(__file__).resolve().parents[2] / "examples" / "models"
DIGITS, UPSCALE = str(MODELS / "digits.onnx"), str(MODELS / "upscale.onnx")
QUICK = ["--no-tune", "--verify=off", "--timing-cache", "none"]
ALL_CPUS = os.cpu_count() or 1


def write_npy(path, descr, shape, data):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    prefix = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header))
    pathlib.Path(path).write_bytes(prefix + header.encode() + data)


def message(*fields):
    """A protobuf message of (number, value): integers, or bytes, with their length before them."""
    def varint(n):
        return bytes([n]) if n < 128 else bytes([n % 128 + 128]) + varint(n // 128)
    data = b""
    for number, value in fields:
        if isinstance(value, int):
            data += varint(number * 8) + varint(value)
        else:
            data += varint(number * 8 + 2) + varint(len(value)) + value
    return data


def write_projections(path, width, count):
    """An ONNX model: `count` 1x1 convolutions in a row, each with weights of its own."""
    rng = random.Random(1)
    weights = array.array("f", [rng.uniform(-0.05, 0.05) for _ in range(width * width)]).tobytes()

    def port(name):
        shape = message(*[(1, message((1, n))) for n in (1, width, 4, 4)])
        return message((1, name), (2, message((1, message((1, 1), (2, shape))))))

    def projection(k):
        return message((1, b"x%d" % k), (1, b"w%d" % k), (2, b"x%d" % (k + 1)), (4, b"Conv"))

    def constant(k):  # no two are equal: equal weights are stored once
        turned = weights[4 * k:] + weights[:4 * k]
        return message((1, width), (1, width), (1, 1), (1, 1), (2, 1), (8, b"w%d" % k), (9, turned))

    graph = message((2, b"projections"), *[(1, projection(k)) for k in range(count)],
                    *[(5, constant(k)) for k in range(count)],
                    (11, port(b"x0")), (12, port(b"x%d" % count)))
    opset = message((1, b""), (2, 13))
    pathlib.Path(path).write_bytes(message((1, 8), (7, graph), (8, opset)))


def small_files_only():
    """A disk that is full after 4 KiB."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def write_loop(path, outputs):
    """x f32[3] doubled m times in a Loop that is called 'again', and its negative beside it."""
    def port(name, kind, *sizes):
        shape = message(*[(1, message((1, n))) for n in sizes])
        return message((1, name), (2, message((1, message((1, kind), (2, shape))))))

    def node(op, ins, out, *more):
        return message(*[(1, name) for name in ins], (2, out), (4, op), *more)

    body = message((1, node(b"Add", [b"v", b"v"], b"w")), (2, b"twice"), (11, port(b"i", 7)),
                   (11, port(b"go", 9)), (11, port(b"v", 1, 3)), (12, message((1, b"go"))),
                   (12, message((1, b"w"))))
    again = node(b"Loop", [b"m", b"", b"x"], b"y", (3, b"again"),
                 (5, message((1, b"body"), (20, 5), (6, body))))
    graph = message((1, again), (1, node(b"Neg", [b"x"], b"z")), (2, b"g"), (11, port(b"x", 1, 3)),
                    (11, port(b"m", 7)), *[(12, message((1, name))) for name in outputs])
    pathlib.Path(path).write_bytes(message((1, 8), (7, graph), (8, message((1, b""), (2, 17)))))


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self.scratch.name)
        self.addCleanup(self.scratch.cleanup)

    def lathe(self, *args, **options):
        return subprocess.run([LATHE, *map(str, args)], capture_output=True, text=True,
                              timeout=120, check=False, **options)

    def succeed(self, *args):
        done = self.lathe(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def refuse(self, *args, says, code=2, **options):
        """One clear line, with a cure on a second where one is known; nothing is left behind."""
        before = sorted(self.folder.rglob("*"))
        done = self.lathe(*args, **options)
        lines = [line for line in done.stderr.splitlines() if line.startswith(("lathe: ", "      "))]
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertTrue(lines and lines[0].startswith("lathe: "), done.stderr)
        self.assertLessEqual(len(lines), 2, done.stderr)
        for word in [says] if isinstance(says, str) else says:
            self.assertIn(word, lines[0])
        file = lines[0].removeprefix("lathe: ").split(":")[0]
        self.assertLessEqual(lines[0].count(file + ":"), 1, lines[0])
        self.assertEqual(sorted(self.folder.rglob("*")), before)
        return done

    def engine(self):
        path = self.folder / "digits.engine"
        self.succeed("build", DIGITS, "-o", path, *QUICK)
        return path


def write_named(path, name, op=b"Relu"):
    """y = op(x) where the input's and the node's names are a stranger's bytes."""
    def port(called):
        shape = message((1, message((1, 3))))
        return message((1, called), (2, message((1, message((1, 1), (2, shape))))))
    node = message((1, name), (2, b"y"), (3, name), (4, op))
    graph = message((1, node), (2, b"g"), (11, port(name)), (12, port(b"y")))
    pathlib.Path(path).write_bytes(message((1, 8), (7, graph), (8, message((1, b""), (2, 13)))))


class Errors(CommandLine):
    def test_a_missing_file_is_named(self):
        self.refuse("run", "nowhere/model.onnx", says="nowhere/model.onnx")
        self.refuse("inspect", "nowhere/model.engine", says="nowhere/model.engine")

    def test_a_folder_is_no_model(self):
        self.refuse("build", self.folder, "-o", self.folder / "x.engine", says=str(self.folder))

    def test_a_text_file_is_no_model(self):
        text = self.folder / "notes.onnx"
        text.write_text("not a model, a list of things to buy\n" * 10)
        self.refuse("build", text, "-o", self.folder / "x.engine", says="notes.onnx")

    def test_an_empty_file_is_no_model(self):
        empty = self.folder / "empty.onnx"
        empty.touch()
        self.refuse("build", empty, "-o", self.folder / "x.engine", says="empty.onnx")

    def test_a_damaged_engine_is_refused(self):
        path = self.engine()
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 4
        path.write_bytes(data)
        self.refuse("run", path, "--input", "image=ones", says=["digits.engine", "damaged"])
        path.write_bytes(data[:1000])
        self.refuse("inspect", path, says=["digits.engine", "1000 bytes"])

    def test_an_input_of_another_name(self):
        self.refuse("run", DIGITS, *QUICK, "--input", "picture=ones", says=["picture", "image"])

    def test_an_input_that_is_not_given(self):
        # No phase of a build is reported before.
        done = self.refuse("run", DIGITS, *QUICK, says=["image", "f32[N,1,8,8]"])
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_an_output_of_another_name(self):
        done = self.refuse("run", DIGITS, *QUICK, "--input", "image=ones", "--output", "y=y.npy",
                           says=["--output y=y.npy", "'y'", "there are"])
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_an_input_of_another_type(self):
        write_npy(self.folder / "x.npy", "<i8", (1, 1, 8, 8), bytes(8 * 64))
        self.refuse("run", DIGITS, *QUICK, "--input", f"image={self.folder / 'x.npy'}",
                    says=["image", "x.npy", "i64", "f32"])

    def test_an_input_of_another_shape(self):
        write_npy(self.folder / "x.npy", "<f4", (1, 1, 8, 9), bytes(4 * 72))
        self.refuse("run", DIGITS, *QUICK, "--input", f"image={self.folder / 'x.npy'}",
                    says=["image", "dimension 3", "9", "8"])
        path = self.engine()
        self.refuse("run", path, "--input", f"image={self.folder / 'x.npy'}",
                    says=["digits.engine", "image", "dimension 3", "9", "8"])

    def test_shapes_that_do_not_fit_the_model(self):
        out = ["-o", self.folder / "x.engine", *QUICK]
        self.refuse("build", DIGITS, *out, "--shapes", "image:1x1x8", says=["image", "rank 4"])
        self.refuse("build", DIGITS, *out, "--shapes", "image:1x1x8x9", says=["image", "8"])
        self.refuse("build", DIGITS, *out, "--shapes", "photo:1x1x8x8", says=["photo", "image"])
        self.refuse("build", DIGITS, *out, "--shapes", "image=1x1x8x8", says="image=1x1x8x8")

    def test_a_shape_outside_the_range_that_was_built(self):
        path = self.folder / "range.engine"
        self.succeed("build", DIGITS, "-o", path, *QUICK, "--min-shapes", "image:1x1x8x8",
                     "--opt-shapes", "image:2x1x8x8", "--max-shapes", "image:4x1x8x8")
        write_npy(self.folder / "x.npy", "<f4", (5, 1, 8, 8), bytes(4 * 64 * 5))
        self.refuse("run", path, "--input", f"image={self.folder / 'x.npy'}",
                    says=["N", "5", "1 to 4"])

    def test_a_device_that_is_not_there(self):
        out = ["-o", self.folder / "x.engine", *QUICK]
        self.refuse("build", DIGITS, *out, "--device", "tpu", says="tpu")
        self.refuse("build", DIGITS, *out, "--device", "cuda:x", says="cuda:x")
        if "cuda" in self.succeed("devices") and "not usable" not in self.succeed("devices"):
            self.skipTest("this machine has a GPU")
        self.assertIn(self.lathe("build", DIGITS, *out, "--device", "cuda").returncode, (2, 3))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_folder_that_cannot_be_written(self):
        for folder in ("/proc", str(self.folder / "missing")):
            done = self.lathe("build", DIGITS, "-o", f"{folder}/x.engine", *QUICK)
            self.assertIn(done.returncode, (2, 3), done.stderr)
            self.assertIn(f"{folder}/x.engine", done.stderr)

    def test_a_full_disk_leaves_no_partial_file(self):
        self.refuse("build", DIGITS, "-o", self.folder / "x.engine", *QUICK, says="x.engine",
                    code=3, preexec_fn=small_files_only)

    def test_names_of_a_stranger_write_no_lines_of_their_own(self):
        model = self.folder / "x.onnx"
        write_named(model, b"in\nlathe: fine\x1b[2J")
        self.refuse("run", model, *QUICK, says="in?lathe: fine?[2J")
        self.assertIn("in?lathe: fine?[2J ", self.succeed("inspect", model, *QUICK, "--why"))
        write_named(model, b"in\nput", b"Nope")
        self.refuse("inspect", model, *QUICK, says=["in?put", "Nope"])

    def loop(self, outputs):
        """The model of write_loop, and arguments that give it inputs."""
        model, x, m = (self.folder / name for name in ("loop.onnx", "x.npy", "m.npy"))
        write_loop(model, outputs)
        write_npy(x, "<f4", "(3,)", struct.pack("<3f", 1, 2, 3))
        write_npy(m, "<i8", "()", struct.pack("<q", 2))
        return model, "--input", f"x={x}", "--input", f"m={m}"

    def test_control_flow_is_shown_and_refused_by_name(self):
        model, *data = self.loop([b"y", b"z"])
        says = ["loop.onnx", "node 'again' (Loop): control flow cannot be run yet"]
        self.refuse("build", model, "-o", self.folder / "x.engine", *QUICK, says=says)
        self.refuse("run", model, *QUICK, *data, says=says)
        self.refuse("compare", model, *QUICK, says=says)
        self.refuse("bench", model, *QUICK, says=says)
        shown = self.succeed("inspect", model, "--graph")
        self.assertIn("node 'again' (Loop)", shown)
        self.assertIn("graph body(%i: i64[], %go: bool[], %v: f32[3]) {", shown)
        told = json.loads(self.succeed("inspect", model, "--json"))
        self.assertEqual(told["cannot_run"], ["node 'again' (Loop)"])

    def test_a_loop_that_nobody_reads_is_no_matter(self):
        model, *data = self.loop([b"z"])
        self.succeed("run", model, *QUICK, *data)
        self.assertIn("1 steps", self.succeed("inspect", model, *QUICK))

    def test_a_budget_that_is_spent(self):
        out = ["-o", self.folder / "x.engine", *QUICK]
        self.refuse("build", DIGITS, *out, "--max-nodes", "5", says=["5 nodes"])
        self.refuse("build", DIGITS, *out, "--max-seconds", "0", says=["0 s"])

    def test_an_unknown_pass_or_option(self):
        out = ["-o", self.folder / "x.engine", *QUICK]
        self.refuse("build", DIGITS, *out, "--no-pass", "fold_everything", says="fold_everything")
        self.assertEqual(self.lathe("build", DIGITS, *out, "--fast").returncode, 2)
        self.assertEqual(self.lathe("brew").returncode, 2)

    def test_an_engine_is_not_built_again(self):
        self.refuse("build", self.engine(), says="it is an engine already")


class Arguments(CommandLine):
    def test_numbers_that_mean_nothing_are_refused(self):
        for args in (["build", DIGITS, "--threads", "-3"], ["build", DIGITS, "--workspace", "1G"],
                     ["build", DIGITS, "--max-seconds", "nan"], ["bench", DIGITS, "--streams", "0"],
                     ["bench", DIGITS, "--seconds", "-1"], ["run", DIGITS, "--top", "0"],
                     ["compare", DIGITS, "--rtol", "-1"], ["compare", DIGITS, "--cosine", "1.1"]):
            self.refuse(*args, says=[args[2], args[3]])
        self.refuse("build", DIGITS, *QUICK, "--threads", "1000000", says=["threads", "1000000"])

    def test_what_is_given_twice_is_refused(self):
        self.refuse("run", DIGITS, "--input", "ones", "--input", "zeros", says=["image", "twice"])
        self.refuse("build", DIGITS, "--shapes", "image:1x1x8x8,image:2x1x8x8", says="image")
        self.refuse("build", DIGITS, "--shapes", "image:1x1x8x8", "--opt-shapes", "image:2x1x8x8",
                    says=["image", "--shapes", "--opt-shapes"])

    def test_an_unknown_command_is_named_with_those_that_there_are(self):
        done = self.refuse("brew", says="brew")
        self.assertIn("compare", done.stderr.splitlines()[1])
        self.assertIn("lathe build --help", self.refuse("build", DIGITS, "--fast", says="--fast").stderr)

    def test_a_seed_is_a_number(self):
        for source in ("random:abc", "random:", "image="):
            self.refuse("run", DIGITS, *QUICK, "--input", source, says="image")

    def test_where_an_output_goes_is_checked_before_the_run(self):
        for file in ("y.txt", "missing/y.npy", ""):
            done = self.refuse("run", self.engine(), "--input", "ones", "--output",
                               f"logits={file}", says=file)
            self.assertEqual(done.stdout, "")

    def test_the_model_is_never_overwritten(self):
        model = self.folder / "m"
        model.write_bytes(pathlib.Path(DIGITS).read_bytes())
        self.refuse("build", model, *QUICK, "-o", self.folder / "." / "m", says="the model itself")
        self.succeed("build", model, *QUICK)
        self.assertTrue((self.folder / "m.engine").exists())

    def test_a_pipe_that_nobody_writes_is_no_file(self):
        pipe = self.folder / "pipe.png"
        os.mkfifo(pipe)
        for args in (["build", pipe], ["inspect", pipe], ["run", DIGITS, "--input", pipe],
                     ["run", DIGITS, "--input", "ones", "--top", "1", "--labels", pipe],
                     ["build", DIGITS, "-o", pipe]):
            self.refuse(*args, *QUICK, says="pipe.png")

    def test_a_shape_for_no_input_of_an_engine(self):
        for command in ("run", "bench", "compare"):
            self.refuse(command, self.engine(), "--shapes", "photo:1x1x8x8", says=["photo", "image"])

    def test_an_engine_says_which_options_came_too_late(self):
        done = self.lathe("run", self.engine(), "--input", "ones", "--fp16", "--verify=full")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "warning: .*digits.engine.* --fp16, --verify\n$")
        self.refuse("run", self.engine(), "--input", "ones", "--device", "cuda",
                    says=["digits.engine", "cuda"])

    def test_the_timing_cache_is_tried_before_anything_is_measured(self):
        for cache, why in ((self.folder / "no" / "cache", "no/cache"),
                           ("/dev/null/x", "no folder /dev/null"), (self.folder, "is a folder")):
            done = self.refuse("build", DIGITS, "--timing-cache", cache, says=["timing cache", why])
            self.assertNotIn("tune", done.stderr.splitlines())

    def test_a_timing_cache_by_default_that_cannot_be_written_is_a_warning(self):
        done = self.lathe("build", DIGITS, "-o", self.folder / "e", env={"HOME": "/dev/null"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "^.*warning.*timing cache.*not kept")

    def test_inputs_are_read_before_a_model_is_built(self):
        for command in ("run", "bench", "compare"):
            done = self.refuse(command, DIGITS, "--input", "photo=ones/x", says=["photo", "image"])
            self.assertNotIn("fuse", done.stderr.splitlines())

    def test_reading_a_model_counts_against_the_memory_given(self):
        for command in (["build"], ["run", "--input", "ones"], ["compare"]):
            self.refuse(command[0], DIGITS, *command[1:], *QUICK, "--max-memory", "1000",
                        says=["digits.onnx", "1000 bytes"], code=3)

    def test_results_that_cannot_be_written_are_a_failure(self):
        engine = self.engine()
        for args in (["version"], ["inspect", engine, "--json"], ["run", engine, "--input", "ones"]):
            with open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([LATHE, *map(str, args)], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=60, check=False)
            self.assertEqual(done.returncode, 3, done.stderr)
            self.assertRegex(done.stderr, "^lathe: standard output: .*No space left.*\n$")

    def test_a_closed_output_does_not_end_in_the_engine(self):
        path = self.folder / "closed.engine"
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh", LATHE, "build", DIGITS, "-o",
                               str(path), *QUICK], stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("digits.onnx on cpu", self.succeed("inspect", path))


class Progress(CommandLine):
    def build(self, **streams):
        return subprocess.Popen([LATHE, "build", UPSCALE, "-o", str(self.folder / "x.engine"),
                                 "--timing-cache", "none", "--shapes", "image:1x3x32x32"],
                                stdout=subprocess.DEVNULL, **streams)

    def test_a_terminal_gets_a_bar_with_phase_and_time_left(self):
        try:
            ours, theirs = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo terminals here: {error}")
        seen = b""
        with self.build(stderr=theirs) as build:
            os.close(theirs)
            try:
                while chunk := os.read(ours, 4096):
                    seen += chunk
            except OSError:  # the other end was closed
                pass
            build.wait(timeout=100)
        os.close(ours)
        self.assertRegex(seen, rb"\r\x1b\[K(fuse|parts|tune) +\[#+ *\] \d+ s left")
        self.assertTrue(seen.endswith(b"\r\x1b[K"), seen[-80:])

    def test_anything_else_gets_a_line_for_each_phase(self):
        with self.build(stderr=subprocess.PIPE, text=True) as build:
            lines = build.communicate(timeout=100)[1].splitlines()
        self.assertIn("tune", lines)
        self.assertFalse([a for a, b in zip(lines, lines[1:]) if a == b])
        self.assertFalse([line for line in lines if "\r" in line or "\x1b" in line])


class Interrupted(CommandLine):
    def test_a_build_stops_within_two_seconds_and_leaves_no_file(self):
        output = self.folder / "upscale.engine"
        with subprocess.Popen([LATHE, "build", UPSCALE, "-o", str(output), "--timing-cache", "none",
                               "--shapes", "image:1x3x512x512"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as build:
            time.sleep(1.5)
            self.assertIsNone(build.poll(), "the build ended before it could be interrupted")
            build.send_signal(signal.SIGINT)
            begin = time.monotonic()
            build.communicate(timeout=60)
            # One second is the promise; the machine that tests may be busy.
            self.assertLess(time.monotonic() - begin, 2.0 if ALL_CPUS > 1 else 4.0)
            self.assertEqual(build.returncode, 3)
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_no_thread_of_a_build_is_interrupted_at_its_work(self):
        # Code that oneDNN generates does not stand a signal's frame below its stack pointer.
        with subprocess.Popen([LATHE, "build", UPSCALE, "-o", str(self.folder / "x.engine"),
                               "--timing-cache", "none", "--shapes", "image:1x3x512x512"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as build:
            time.sleep(1)
            threads = list(pathlib.Path(f"/proc/{build.pid}/task").glob("*/status"))
            blocked = [re.search(r"SigBlk:\s*(\w+)", t.read_text("ascii")).group(1) for t in threads]
            build.kill()
        self.assertGreater(len(blocked), 1)
        open_to_it = [mask for mask in blocked if not int(mask, 16) >> (signal.SIGINT - 1) & 1]
        self.assertEqual(len(open_to_it), 1, blocked)  # the one that waits for it


class Results(CommandLine):
    def test_two_builds_with_one_timing_cache_are_the_same_bytes(self):
        build = ["build", DIGITS, "--shapes", "image:4x1x8x8",
                 "--timing-cache", self.folder / "timing.cache"]
        self.succeed(*build, "-o", self.folder / "a.engine")
        self.succeed(*build, "-o", self.folder / "b.engine")
        self.assertEqual((self.folder / "a.engine").read_bytes(),
                         (self.folder / "b.engine").read_bytes())

    def test_an_engine_computes_what_its_model_does(self):
        path = self.engine()
        for source, name in ((path, "a.npy"), (DIGITS, "b.npy")):
            self.succeed("run", source, "--input", "image=random:3", *QUICK,
                         "--output", f"logits={self.folder / name}")
        self.assertEqual((self.folder / "a.npy").read_bytes(),
                         (self.folder / "b.npy").read_bytes())

    def test_bench_prints_one_json_object(self):
        told = json.loads(self.succeed("bench", self.engine(), "--json", "--seconds", "0.1",
                                       "--warmup", "0.01"))
        for key in ("model", "device", "shapes", "threads", "build_s", "latency_ms", "throughput",
                    "memory"):
            self.assertIn(key, told)
        self.assertEqual(set(told["latency_ms"]), {"min", "mean", "median", "p90", "p95", "p99"})
        self.assertEqual(set(told["memory"]), {"weights", "arena", "workspace", "peak_rss"})
        self.assertLessEqual(told["latency_ms"]["min"], told["latency_ms"]["median"])
        self.assertGreater(told["throughput"], 0)

    def test_compare_exits_1_when_values_differ(self):
        data = self.folder / "data"
        data.mkdir()
        write_npy(data / "input_0.npy", "<f4", (1, 1, 8, 8), bytes(4 * 64))
        write_npy(data / "output_0.npy", "<f4", (1, 10), struct.pack("<10f", *range(10)))
        done = self.lathe("compare", DIGITS, "--data", data, *QUICK)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("DIFFERENT", done.stdout)

    def test_compare_tells_data_from_the_reference(self):
        data = self.folder / "data"
        data.mkdir()
        self.succeed("run", DIGITS, "--input", "zeros", "--shapes", "image:2x1x8x8", *QUICK,
                     "--output", data / "output_0.npy")
        write_npy(data / "input_0.npy", "<f4", (2, 1, 8, 8), bytes(4 * 128))
        told = json.loads(self.succeed("compare", DIGITS, "--data", data, "--against", "reference",
                                       "--json", *QUICK))
        self.assertEqual([o["against"] for o in told["outputs"]], ["data", "reference"])
        self.assertTrue(told["pass"])
        fixed = self.folder / "one.engine"
        self.succeed("build", DIGITS, "-o", fixed, "--shapes", "image:1x1x8x8", *QUICK)
        self.assertIn("top-1 2/2", self.succeed("compare", fixed, "--data", data))

    def test_compare_wants_one_source_of_data(self):
        self.refuse("compare", DIGITS, "--data", self.folder / "none", says="none")
        self.refuse("compare", DIGITS, "--data", self.folder, "--input", "ones", says="--input")
        self.refuse("compare", DIGITS, "--map", "a.pb=image", says="--data DIR")

    def test_json_is_utf_8_whatever_a_model_calls_things(self):
        model = self.folder / "x.onnx"
        write_named(model, b"in\xffput")
        for args in (["inspect", model], ["run", model, "--input", "ones"], ["compare", model],
                     ["bench", model, "--seconds", "0", "--warmup", "0"],
                     ["build", model, "-o", self.folder / "x.engine"]):
            self.assertTrue(json.loads(self.succeed(*args, *QUICK, "--json")))

    def test_a_profile_stays_inside_the_json_object(self):
        told = json.loads(self.succeed("bench", self.engine(), "--json", "--profile", "--seconds",
                                       "0.05", "--warmup", "0.01"))
        self.assertGreater(len(told["steps"]), 0)
        self.assertEqual(set(told["steps"][0]), {"name", "tactic", "config", "seconds"})

    def test_why_tells_of_every_pair_of_neighbours(self):
        told = json.loads(self.succeed("inspect", self.engine(), "--json"))
        self.assertIn("not fused with ", json.dumps([s["why"] for s in told["steps"][1:]]))
        done = self.lathe("run", DIGITS, "--input", "image=ones", *QUICK, "--why")
        self.assertIn("not fused with ", done.stderr)
        self.assertNotIn("not fused with ", done.stdout)

    def test_tf32_on_the_cpu_is_warned_of_once(self):
        out = self.folder / "x.engine"
        done = self.lathe("build", DIGITS, "-o", out, *QUICK, "--tf32")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count("tf32"), 1, done.stderr)
        self.assertIn("lathe: warning: tf32", done.stderr)
        quiet = self.lathe("build", DIGITS, "-o", out, *QUICK)
        self.assertNotIn("warning", quiet.stderr)

    def test_the_environment_sets_the_log_level(self):
        def stderr(level):
            return self.lathe("build", DIGITS, "-o", self.folder / "x.engine", *QUICK, "--tf32",
                              env={**os.environ, "LATHE_LOG": level}).stderr
        for level in ("warning", "warn", "info"):
            self.assertEqual(stderr(level).count("tf32 has no meaning"), 1, level)
        self.assertNotIn("tf32", stderr("error"))

    def test_facts(self):
        names = [op["name"] for op in json.loads(self.succeed("ops", "--json"))]
        self.assertIn("Conv", names)
        self.assertIn("cpu", self.succeed("devices"))
        self.assertRegex(self.succeed("version"), r"^lathe \d+\.\d+\.\d+\n$")
        self.assertEqual(json.loads(self.succeed("version", "--json")).keys(), {"version"})

    def test_help_teaches(self):
        for command in ("build", "run", "bench", "inspect", "compare"):
            text = self.succeed(command, "--help")
            self.assertIn("MODEL.onnx", text)

    def test_inspect_shows_steps_and_reasons(self):
        path = self.engine()
        told = json.loads(self.succeed("inspect", path, "--json"))
        self.assertEqual(told["nodes"], 30)
        self.assertGreater(len(told["steps"]), 0)
        self.assertLess(len(told["steps"]), 30)
        self.assertIn("tactic", self.succeed("inspect", path, "--layers"))
        self.assertGreater(told["memory"]["weights"], 0)
        self.assertGreater(told["memory"]["scratch"], 0)
        self.assertEqual(told["inputs"][0]["profile"]["opt"], [1, 1, 8, 8])
        self.assertIn("memory MB", self.succeed("inspect", path))


class MemoryBound(CommandLine):
    def test_weights_that_were_packed_are_not_held_twice(self):
        width, count = 1024, 32  # 128 MB
        model, path = self.folder / "projections.onnx", self.folder / "projections.engine"
        write_projections(model, width, count)
        self.succeed("build", model, "-o", path, *QUICK)
        memory = json.loads(self.succeed("bench", path, "--json", "--seconds", "0.1",
                                         "--warmup", "0.01"))["memory"]
        plain = width * width * 4 * count
        self.assertGreaterEqual(memory["weights"], plain)
        self.assertLess(memory["peak_rss"], memory["weights"] * 1.1 + memory["arena"] + 64e6)


if __name__ == "__main__":
    unittest.main()
