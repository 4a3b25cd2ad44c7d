# SPDX-License-Identifier: Apache-2.0
"""ITimingCache: what was measured, as the text that Lathe keeps in its cache's file: one header,
then a line for each operation and tactic that ends with its key."""
import os
import tempfile
import zlib

from ..errors import UnsupportedError
from .interface import Interface
from .memory import IHostMemory

_HEADER = b"lathe timing cache 1\n"


class TimingCacheKey(Interface):
    """The text that names an operation, a device and a tactic."""

    def __init__(self, text=""):
        self._text = text

    @staticmethod
    def parse(text):
        """A key of its text."""
        return TimingCacheKey(str(text))

    def __str__(self):
        return self._text

    def __eq__(self, other):
        return isinstance(other, TimingCacheKey) and other._text == self._text

    def __hash__(self):
        return hash(self._text)


class TimingCacheValue(Interface):
    """A tactic's hash and its time in milliseconds."""

    def __init__(self, tactic_hash=0, timing_msec=0.0):
        self._hash, self._time = int(tactic_hash), float(timing_msec)

    tacticHash = property(  # noqa: N815
        lambda self: self._hash, lambda self, value: setattr(self, "_hash", int(value)),
        doc="names the tactic")
    timingMSec = property(  # noqa: N815
        lambda self: self._time, lambda self, value: setattr(self, "_time", float(value)),
        doc="how long it took")


class ITimingCache(Interface):
    """Made by IBuilderConfig.create_timing_cache."""

    def __init__(self, data=b""):
        self._data = bytes(data)

    def serialize(self):
        """The cache as IHostMemory."""
        return IHostMemory(self._data)

    def _lines(self):
        """The lines by their keys."""
        lines = self._data[len(_HEADER):].splitlines(keepends=True)
        return {line.rsplit(b"\t", 1)[-1].rstrip(b"\n").decode(): line for line in lines}

    def _store(self, lines):
        self._data = _HEADER + b"".join(lines[key] for key in sorted(lines))

    def combine(self, input_cache, ignore_mismatch):
        """Adds what the other cache has and this one lacks."""
        if not isinstance(input_cache, ITimingCache):
            raise TypeError(f"combine: expected an ITimingCache, got {type(input_cache).__name__}")
        self._store(input_cache._lines() | self._lines())
        return True

    def reset(self):
        """Empties it."""
        self._data = b""
        return True

    def queryKeys(self):  # noqa: N802
        """The keys of all entries."""
        return [TimingCacheKey(text) for text in self._lines()]

    def query(self, key):
        """An entry; its tacticHash is 0 where there is none."""
        line = self._lines().get(str(key))
        if line is None:
            return TimingCacheValue()
        return TimingCacheValue(zlib.crc32(str(key).encode()) or 1,
                                float(line.split(b"\t", 1)[0]) * 1e3)

    def update(self, key, value):
        """Another time for an entry that is there: the smallest one wins its operation."""
        lines = self._lines()
        if str(key) not in lines:
            return False
        rest = lines[str(key)].split(b"\t", 1)[1]
        lines[str(key)] = repr(value.timingMSec / 1e3).encode() + b"\t" + rest
        self._store(lines)
        return True


class CacheFile:
    """The file that a build reads its cache from and writes it to; a context manager. Without a
    cache, `path` names the user's own. `must_hold`: what the build measured nevertheless is an
    error, and leaves the cache as it is."""

    def __init__(self, cache, disabled=False, must_hold=False):
        self._cache, self._must_hold = None if disabled else cache, must_hold
        self._folder = None
        self.path = "none" if disabled else ""

    def __enter__(self):
        if self._cache is not None:
            self._folder = tempfile.TemporaryDirectory(prefix="lathe-trt-")
            self.path = os.path.join(self._folder.name, "timing.cache")
            if self._cache._data:
                with open(self.path, "wb") as file:
                    file.write(self._cache._data)
        return self

    def __exit__(self, kind, error, traceback):
        if self._folder is None:
            return
        try:
            if kind is None and os.path.exists(self.path):
                with open(self.path, "rb") as file:
                    self._take(file.read())
        finally:
            self._folder.cleanup()

    def _take(self, data):
        """The cache is these bytes from now on."""
        measured = ITimingCache(data)._lines().keys() - self._cache._lines().keys()
        if self._must_hold and measured:
            raise UnsupportedError("BuilderFlag.ERROR_ON_TIMING_CACHE_MISS: the timing cache lacks "
                                   f"{len(measured)} times, one of them of {min(measured)}")
        self._cache._data = data


def is_cache(data):
    """Whether bytes are a timing cache of Lathe's, or none."""
    return not data or bytes(data).startswith(_HEADER)
