# SPDX-License-Identifier: Apache-2.0
"""lathe.build and lathe.load: models, options, errors, progress, Ctrl-C."""
import io
import pickle
import signal
import subprocess
import sys
import textwrap
import time

import networks
import numpy as np
import onnx
import pytest

import lathe
from lathe import progress


def build(model, **options):
    return lathe.build(model, timing_cache=False, **{"tune": False, **options})


def check(engine):
    x = np.random.default_rng().standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_array_equal(engine(x)[0], np.maximum(x, 0))


def test_a_model_is_a_path_its_bytes_or_a_proto(relu_file):
    proto = networks.relu()
    for model in (relu_file, str(relu_file), proto, proto.SerializeToString(),
                  bytearray(proto.SerializeToString())):
        check(build(model))


def test_an_engine_survives_its_file_and_its_bytes(relu, tmp_path):
    relu.save(tmp_path / "relu.engine")
    check(lathe.load(tmp_path / "relu.engine"))
    check(lathe.load(relu.serialize()))
    check(pickle.loads(pickle.dumps(relu)))


def test_shapes_are_texts_tuples_and_ranges():
    x = np.ones((2, 3, 16, 16), np.float32)
    for shapes in ({"images": "2x3x16x16"}, {"images": (2, 3, 16, 16)}, "2x3x16x16",
                   (2, 3, 16, 16), {"images": np.array([2, 3, 16, 16])}):
        engine = build(networks.image(), shapes=shapes)
        assert engine.inputs[0].shape == (2, 3, 16, 16)
        assert engine(x)[0].shape == (2, 8, 16, 16)
    for shapes in ({"images": ("1x3x16x16", "2x3x16x16", "4x3x16x16")},
                   {"images": [(1, 3, 16, 16), (4, 3, 16, 16)]}):
        engine = build(networks.image(), shapes=shapes)
        assert engine.inputs[0].shape == ("N", 3, 16, 16)
        assert engine(x)[0].shape == (2, 8, 16, 16)
        with pytest.raises(lathe.InputError):
            engine(np.ones((5, 3, 16, 16), np.float32))


@pytest.mark.parametrize("shapes, message", [
    ({"images": "2xax16"}, "shape of 'images': '2xax16' is given"),
    ({"images": (1.5, 3)}, "shape of 'images'"),
    ({"images": "2x3x16"}, "rank"),
    ({"images": ["4x3x16x16", "1x3x16x16"]}, "expected 0 <= min <= opt <= max"),
    ({"images": "1x4x16x16"}, "dimension 1")])
def test_wrong_shapes_are_refused(shapes, message):
    with pytest.raises(lathe.InputError, match=message):
        build(networks.image(), shapes=shapes)


@pytest.mark.parametrize("option, message", [
    ({"threads": -2}, "threads: -2"), ({"workspace": -5}, "workspace: -5"),
    ({"memory": -5}, "memory: -5")])
def test_amounts_below_nothing_are_refused(option, message):
    with pytest.raises(lathe.InputError, match=message):
        build(networks.relu(), **option)


def test_a_timing_cache_lies_in_a_folder_that_is_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="timing_cache: .*there is no folder") as e:
        lathe.build(networks.relu(), timing_cache=tmp_path / "missing" / "a.cache")
    assert isinstance(e.value, lathe.NotFoundError)
    lathe.build(networks.relu(), timing_cache=tmp_path / "a.cache")
    assert (tmp_path / "a.cache").stat().st_size > 0


def test_reading_stays_within_the_memory_that_it_may_take(tmp_path):
    proto = networks.layers(2, 300)
    onnx.save(proto, tmp_path / "large.onnx")
    for model in (tmp_path / "large.onnx", proto, proto.SerializeToString()):
        with pytest.raises(MemoryError):
            build(model, memory=100_000)


def test_errors_are_the_built_in_ones_too(tmp_path):
    missing = tmp_path / "missing.onnx"
    for action in (lathe.build, lathe.load):
        with pytest.raises(FileNotFoundError, match="missing.onnx") as e:
            action(missing)
        assert isinstance(e.value, lathe.NotFoundError) and e.value.code == "not found"
    with pytest.raises(KeyError, match="no input is named 'y': there are x"):
        build(networks.relu(), shapes={"y": "1x3"})
    with pytest.raises(ValueError):
        lathe.build(b"no model at all")
    with pytest.raises(ValueError):
        lathe.load(b"no engine at all")
    with pytest.raises(ValueError, match="verify"):
        build(networks.relu(), verify="some")
    with pytest.raises(ValueError, match="int is given"):
        lathe.build(3)
    with pytest.raises(lathe.Error):
        build(networks.relu(), device="abacus")


def test_an_operator_that_is_not_there_is_named():
    node = onnx.helper.make_node("NonZero", ["x"], ["y"])
    proto = networks.model([node], [("x", onnx.TensorProto.FLOAT, [3])],
                           [("y", onnx.TensorProto.INT64, [1, "K"])])
    with pytest.raises(NotImplementedError, match="NonZero") as e:
        build(proto)
    assert isinstance(e.value, lathe.UnsupportedError)


def test_errors_survive_pickling():
    error = pickle.loads(pickle.dumps(lathe.InputError("wrong", "do it right")))
    assert (error.message, error.cure, error.code) == ("wrong", "do it right", "invalid input")
    assert str(error) == "wrong\ndo it right"


def test_progress_is_told_and_may_cancel():
    told = []
    build(networks.relu(), progress=lambda phase, done: told.append((phase, done)))
    assert told and all(isinstance(p, str) and 0 <= d <= 1 for p, d in told)
    with pytest.raises(lathe.Cancelled):
        build(networks.relu(), progress=lambda phase, done: False)


def test_an_exception_of_the_progress_comes_through():
    def fail(phase, done):
        raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        build(networks.relu(), progress=fail)


def test_a_terminal_gets_a_bar_and_a_file_gets_none():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    bar = progress.wanted(None, screen)
    bar("tune", 0.0)
    bar.drawn = -1
    bar("tune", 0.5)
    bar.close()
    assert "tune       [###############---------------]  50 %  0:00 < 0:00" in screen.getvalue()
    assert screen.getvalue().endswith("\r\x1b[K")
    assert progress.wanted(None, io.StringIO()) is None
    assert progress.wanted(False, screen) is None


def test_ctrl_c_ends_a_build():
    program = textwrap.dedent("""
        import lathe, networks, signal, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in background jobs
        model = networks.layers(24, 700)
        print("building", flush=True)
        try:
            lathe.build(model, shapes="512x700", timing_cache=False, verify="full")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            sys.exit(5)
    """)
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True,
                             cwd=networks.__file__.rsplit("/", 1)[0])
    assert child.stdout.readline() == "building\n"
    time.sleep(0.3)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert (out, child.returncode) == ("interrupted\n", 5)
