# SPDX-License-Identifier: Apache-2.0
"""Sessions: buffers and a stream of one's own, and runs in the background."""
from __future__ import annotations

import concurrent.futures
import threading
from typing import TYPE_CHECKING, Any

from . import _core
from ._arrays import as_array
from .errors import InputError, MissingNameError

if TYPE_CHECKING:
    from types import TracebackType

    from .engine import Engine


class Names:
    """Which argument is which input, and which result which output."""

    def __init__(self, inputs: list[_core.Port], outputs: list[_core.Port]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.input_names = [port.name for port in inputs]
        self.output_names = [port.name for port in outputs]

    def arrays(self, args: tuple, named: dict[str, Any]) -> list:
        """Arrays in the network's order from the arguments of a call."""
        if named or len(args) != len(self.inputs):
            args = self.ordered(args, named)
        return [as_array(x, port) for x, port in zip(args, self.inputs)]

    def ordered(self, args: tuple, named: dict[str, Any]) -> list:
        """The arguments in the network's order; all must be there, and no others."""
        names = self.input_names
        if len(args) > len(names):
            raise InputError(f"{len(args)} arrays are given, the network has {len(names)} inputs: "
                             f"{', '.join(names)}")
        by_name = dict(zip(names, args))
        for name, x in named.items():
            if name not in names:
                raise MissingNameError(f"no input is named '{name}': there are {', '.join(names)}")
            if name in by_name:
                raise InputError(f"input '{name}' is given twice")
            by_name[name] = x
        missing = [name for name in names if name not in by_name]
        if missing:
            raise InputError(f"input '{missing[0]}' is not given")
        return [by_name[name] for name in names]

    def results(self, results: list, by_name: bool) -> tuple | dict[str, Any]:
        """A tuple, or a dictionary for callers who named their inputs."""
        return dict(zip(self.output_names, results)) if by_name else tuple(results)


class Session:
    """A running engine: buffers and a stream of its own. `Engine.session` makes one.

        with engine.session(stream=s) as run:
            future = run.submit(images=x)   # returns at once
            out = future.result()           # {"logits": array}
            y, = run(x)                     # waits

    Calls from several threads take turns; for speed, open one session for each thread.
    """

    def __init__(self, engine: Engine, stream: Any = None, threads: int = 0) -> None:
        self._names = engine._names
        self._call = _core.Session(engine._core, threads=threads, stream=stream_address(stream))
        self._stream = stream  # lives as long as the session uses it
        self._lock = threading.Lock()
        self._worker = None

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Runs and waits, as `Engine.__call__`."""
        names = self._names
        return names.results(self._run(names.arrays(args, named)), bool(named))

    def submit(self, *args: Any, **named: Any) -> concurrent.futures.Future:
        """Queues a run and returns a `concurrent.futures.Future` of its results.

        The arrays are used where they lie: leave them alone until the result is there. Errors in
        names are raised here, all others by `result()`.
        """
        arrays = self._names.arrays(args, named)
        with self._lock:
            if self._call is None:
                raise InputError("the session is closed")
            if self._worker is None:
                self._worker = concurrent.futures.ThreadPoolExecutor(1, "lathe")
            worker = self._worker
        return worker.submit(lambda: self._names.results(self._run(arrays), bool(named)))

    def _run(self, arrays: list) -> list:
        with self._lock:
            if self._call is None:
                raise InputError("the session is closed")
            return self._call.run(arrays)

    @property
    def memory(self) -> _core.Memory:
        """Bytes: `weights`, `arena`, `workspace`, `arena_lower_bound`, at the current shapes."""
        with self._lock:
            if self._call is None:
                raise InputError("the session is closed")
            return self._call.memory()

    def close(self) -> None:
        """Waits for what was submitted and gives the buffers back."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.shutdown(wait=True)
        with self._lock:
            self._call = self._stream = None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 where: TracebackType | None) -> None:
        self.close()


def stream_address(stream: Any) -> int:
    """The CUDA stream behind an object of PyTorch, CuPy, PyCUDA or cuda.core, or an address."""
    if stream is None:
        return 0
    if hasattr(stream, "__cuda_stream__"):
        return int(stream.__cuda_stream__()[1])
    for attribute in ("cuda_stream", "ptr", "handle"):
        if hasattr(stream, attribute):
            return int(getattr(stream, attribute))
    try:
        return int(stream)
    except (TypeError, ValueError):
        raise InputError(f"stream: {stream!r} is no CUDA stream") from None
