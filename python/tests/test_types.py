# SPDX-License-Identifier: Apache-2.0
"""What editors show: the types that the package declares, and its docstrings."""
import subprocess
import sys
import textwrap

import pytest

import lathe

PROGRAM = """
    import lathe
    import lathe.trt as trt
    from lathe import custom

    engine = lathe.build("model.onnx", fp16=True, shapes={"x": ("1x3", "2x3", "4x3"), "y": (1, 2)})
    reveal_type(engine.inputs[0].name)
    with engine.session() as session:
        reveal_type(session.submit(x=[1.0]))
    reveal_type(engine.steps[0].seconds)
    lathe.build(5)
    lathe.build("model.onnx", fp17=True)

    class Watch(trt.IProfiler):
        def report_layer_time(self, layer_name, ms):
            print(layer_name, ms)

    logger = trt.Logger(trt.Logger.WARNING)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH))
    x = network.add_input("x", trt.float32, (1, 3))
    network.add_activation(x, trt.ActivationType.RELU).__class__ = trt.IActivationLayer
    trt.OnnxParser(network, logger).parse_from_file("model.onnx")
    reveal_type(trt.DataType.HALF)
    trt.no_such_name
"""
SAID = [
    'note: Revealed type is "str"',
    'note: Revealed type is "concurrent.futures._base.Future[Any]"',
    'note: Revealed type is "float"',
    'error: Argument 1 to "build" has incompatible type "int"',
    'error: Unexpected keyword argument "fp17"',
    'note: Revealed type is "Literal[lathe.trt.enums_runtime.DataType.HALF]?"',
    'error: Module has no attribute "no_such_name"',
]


def test_a_type_checker_knows_what_there_is(tmp_path):
    pytest.importorskip("mypy", reason="pip install mypy")
    (tmp_path / "program.py").write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run([sys.executable, "-m", "mypy", "--no-incremental", "program.py"],
                          cwd=tmp_path, capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stdout.splitlines()
             if line.startswith("program.py") and " defined in " not in line]
    assert len(lines) == len(SAID), done.stdout + done.stderr
    for line, expected in zip(lines, SAID):
        assert expected in line


@pytest.mark.parametrize("kind", [lathe.Engine, lathe.Session, lathe.Network, lathe.Profile,
                                  lathe.custom.CustomOp, lathe.custom, lathe])
def test_what_is_public_is_documented(kind):
    own = {name: thing for name, thing in vars(kind).items() if not name.startswith("_")}
    described = {name for name, thing in own.items() if getattr(thing, "__doc__", None)}
    code = {name for name, thing in own.items()
            if isinstance(thing, property) or callable(thing) and
            getattr(thing, "__module__", "").startswith("lathe")}
    assert code - described == set() and code
