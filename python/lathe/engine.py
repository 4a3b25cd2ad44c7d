# SPDX-License-Identifier: Apache-2.0
"""Engines: building, loading, running, saving."""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union

from . import _core, _show
from ._options import settings
from .errors import InputError
from .progress import wanted
from .session import Names, Session

if TYPE_CHECKING:
    import onnx

Path = Union[str, "os.PathLike[str]"]
Bytes = Union[bytes, bytearray, memoryview]
# "1x3x224x224" or (1, 3, 224, 224); up to three of them: smallest, tuned for, largest.
Shape = Union[str, Sequence[int]]
ShapeRange = Union[Shape, Sequence[Shape]]


class Engine:
    """A compiled network. Immutable; use it from any thread.

        y, = engine(x)            # arrays in the network's order: a tuple
        out = engine(images=x)    # by name: a dictionary

    `inputs`, `outputs`: ports with `name`, `type` ("f32") and `shape` (a tuple of sizes, and of
    symbols where any size goes). `print(engine)` shows a table of its steps.
    """

    def __init__(self, core: _core.Engine) -> None:
        self._core = core
        self._names = Names(core.inputs(), core.outputs())
        self._idle: list[_core.Session] = []  # sessions that no call is using

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Runs the network.

        NumPy arrays give NumPy arrays, PyTorch tensors PyTorch tensors; CUDA tensors stay on their
        GPU and nothing is copied. Lists and numbers are converted. Arguments in the network's order
        give a tuple in the order of `outputs`, named ones a dictionary.

        Raises `InputError` (type or shape is not what the input declares, or is missing),
        `NotFoundError` (no input has that name), `OutOfMemory`, `DeviceError`.
        """
        names = self._names
        arrays = names.arrays(args, named)
        try:
            session = self._idle.pop()
        except IndexError:
            session = _core.Session(self._core)
        try:
            results = session.run(arrays)
        finally:
            self._idle.append(session)
        return names.results(results, bool(named))

    @property
    def inputs(self) -> list[_core.Port]:
        """What goes in: ports in order."""
        return self._names.inputs

    @property
    def outputs(self) -> list[_core.Port]:
        """What comes out: ports in order."""
        return self._names.outputs

    @property
    def steps(self) -> list[_core.Step]:
        """What runs, in order: `name`, `op`, `tactic`, `config`, `device`, `seconds`, `why` ..."""
        return self._core.steps()

    @property
    def device(self) -> str:
        """"cpu" or "cuda:0"."""
        return self._core.device()

    @property
    def plugins(self) -> list[str]:
        """The plugins that it needs: "acme_ops 1.2.0"."""
        return self._core.plugins()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._core.model_name()

    @property
    def memory(self) -> _core.Memory:
        """Bytes: `weights`, `arena`, `workspace`, `arena_lower_bound`, as of the last call."""
        try:
            session = self._idle.pop()
        except IndexError:
            session = _core.Session(self._core)
        memory = session.memory()
        self._idle.append(session)
        return memory

    def session(self, stream: Any = None, threads: int = 0) -> Session:
        """A session: buffers and a stream of its own, and `submit`.

        `stream`: a CUDA stream of PyTorch, CuPy or PyCUDA, or its address; None: one of its own.
        `threads`: CPU threads; 0: what the container may use.
        """
        return Session(self, stream, threads)

    def profile(self, *args: Any, runs: int = 10, **named: Any) -> Profile:
        """Runs with a clock around each step: seconds, the fastest of `runs`.

        Returns a `Profile`: `seconds` (one for each of `steps`), `total`; printed, a table.
        """
        if runs < 1:
            raise InputError(f"runs: {runs} is given, expected at least 1")
        arrays = self._names.arrays(args, named)
        session = _core.Session(self._core)
        session.run(arrays)  # packs weights
        times = [session.profile(arrays)[1] for _ in range(runs)]
        return Profile(self.steps, [min(t) for t in zip(*times)])

    def save(self, path: Path) -> None:
        """Writes the engine to a file, beside it first and then renamed.

        Raises `DeviceError` (the disk), `NotFoundError` (no such folder).
        """
        self._core.save(os.fspath(path))

    def serialize(self) -> bytes:
        """The bytes that `save` would write; `lathe.load` takes them."""
        return self._core.serialize()

    def __str__(self) -> str:
        return _show.engine_text(self)

    def __repr__(self) -> str:
        return (f"<lathe.Engine {self.name!r} on {self.device}: "
                f"{', '.join(map(_show.port_text, self.inputs))} -> "
                f"{', '.join(map(_show.port_text, self.outputs))}>")

    def _repr_html_(self) -> str:
        return _show.engine_html(self)

    def __reduce__(self):
        return load, (self.serialize(),)


class Profile:
    """What each step took: `seconds`, in the order of `steps`, and `total`."""

    def __init__(self, steps: list[_core.Step], seconds: list[float]) -> None:
        self.steps = steps
        self.seconds = seconds

    @property
    def total(self) -> float:
        """Sum of all steps, in seconds."""
        return sum(self.seconds)

    def __str__(self) -> str:
        return _show.profile_text(self)

    def _repr_html_(self) -> str:
        return _show.profile_html(self)


def build(model: Path | Bytes | onnx.ModelProto | _core.Network, *, device: str = "cpu",
          fp16: bool = False, bf16: bool = False, tf32: bool = False,
          shapes: Mapping[str, ShapeRange] | ShapeRange | None = None, threads: int = 0,
          workspace: int | None = None, memory: int | None = None,
          timing_cache: Path | Literal[False] | None = None, tune: bool = True, fuse: bool = True,
          verify: Literal["sample", "full", "off"] | bool = "sample",
          disabled_passes: Sequence[str] = (), ops: Sequence[Any] = (),
          plugins: Sequence[Path] = (),
          progress: Callable[[str, float], Any] | bool | None = None) -> Engine:
    """Builds an engine: optimizes, times what can run each part, checks it against the reference.

        engine = lathe.build("model.onnx", fp16=True, shapes={"images": "1x3x224x224"})

    model: path of an ONNX file, its bytes, an `onnx.ModelProto` or a `lathe.Network`.
    device: "cpu", "cuda" or "cuda:1".
    fp16, bf16, tf32: types that may be used where they are faster.
    shapes: of dynamic inputs, by name: "1x3x224x224" or (1, 3, 224, 224); a tuple of two such
        (smallest, largest) or of three (smallest, tuned for, largest). Inputs not named accept
        every size.
    threads: CPU threads to tune for; 0: what the container may use.
    workspace: bytes of scratch memory that a step may take; None: no limit.
    memory: bytes that reading and folding may take; None: half of the machine's.
    timing_cache: file of measurements; None: one in the user's cache folder; False: keep none.
    tune: measure; else choose by the cost model.
    fuse: let one step compute several operators.
    verify: "sample", "full" or "off": how tactics are checked before they may win.
    disabled_passes: names of optimizer passes to leave out.
    ops: operators of the model's own: `lathe.custom` ones, files of definitions, or their text.
    plugins: libraries with operators, loaded into this process (docs/custom_operators.md).
    progress: True, False, None (a bar when standard error is a terminal), or a callable
        (phase, share done) that cancels by returning False.

    Ctrl-C cancels. Raises `InputError` (model, shapes or an option), `NotFoundError` (the file, a
    name or the device), `UnsupportedError` (an operator, by name), `OutOfMemory`, `Cancelled`.
    """
    options = {"device": device, "fp16": fp16, "bf16": bf16, "tf32": tf32, "shapes": shapes,
               "threads": threads, "workspace": workspace, "memory": memory,
               "timing_cache": timing_cache, "tune": tune, "fuse": fuse, "verify": verify,
               "disabled_passes": disabled_passes}
    parsed = _model(model, _custom(ops, plugins), -1 if memory is None else memory)
    report = wanted(progress)
    try:
        return Engine(_core.Engine.build(parsed, settings(parsed, options), report))
    finally:
        if hasattr(report, "close"):
            report.close()


def load(engine: Path | Bytes, plugins: Sequence[Path] = (), device: str = "") -> Engine:
    """An engine from a file (mapped, not read) or from bytes (copied).

    plugins: libraries that the engine needs, loaded into this process.
    device: where an engine for GPUs is opened, "cuda:1"; else on the GPU of the caller's current
    CUDA context (that of `torch.cuda.device`), else on the first.
    Raises `NotFoundError` (no such file), `InputError` (no engine, damaged, or of another version),
    `DeviceError` or `NotFoundError` (its device is not here).
    """
    if isinstance(engine, (bytes, bytearray, memoryview)):
        return Engine(_core.Engine.parse(bytes(engine), [os.fspath(p) for p in plugins], device))
    return Engine(_core.Engine.load(os.fspath(engine), [os.fspath(p) for p in plugins], device))


def _custom(ops: Sequence[Any], plugins: Sequence[Path]) -> dict[str, list[str]]:
    """Operators beside ONNX's, as the C++ API takes them."""
    return {"ops": [getattr(op, "json", None) or os.fspath(op) for op in ops],
            "plugins": [os.fspath(path) for path in plugins]}


def _model(model: Any, custom: Mapping[str, list[str]] | None = None,
           memory: int = -1) -> _core.Model:
    """What the C++ API builds from. `custom`: the operators beside ONNX's. `memory`: bytes that
    reading may take."""
    custom = custom or {}
    if isinstance(model, _core.Model) or hasattr(model, "_model"):
        if any(custom.values()):
            raise InputError(f"ops, plugins: given with a {type(model).__name__}, expected with a "
                             "path, bytes or an onnx.ModelProto")
        return model if isinstance(model, _core.Model) else model._model()
    if isinstance(model, (bytes, bytearray, memoryview)):
        return _core.Model.parse(bytes(model), "model", memory=memory, **custom)
    if hasattr(model, "SerializeToString"):
        name = getattr(getattr(model, "graph", None), "name", "") or "model"
        return _core.Model.parse(model.SerializeToString(), name, memory=memory, **custom)
    try:
        path = os.fspath(model)
    except TypeError:
        raise InputError(f"model: {type(model).__name__} is given, expected a path, bytes, "
                         "an onnx.ModelProto or a lathe.Network") from None
    return _core.Model.load(path, memory=memory, **custom)
