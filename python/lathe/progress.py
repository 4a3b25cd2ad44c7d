# SPDX-License-Identifier: Apache-2.0
"""A line that shows how far a build is: phase, bar, time spent and left."""
import sys
import time


class ProgressBar:
    """Draws to a terminal; use it as `progress=` of `lathe.build`.

        tune      [########--------]  52 %  0:03 < 0:03
    """

    WIDTH = 30
    INTERVAL = 0.1  # seconds between two drawings

    def __init__(self, stream=None):
        self.stream = stream or sys.stderr
        self.phase = None
        self.began = self.drawn = 0.0

    def __call__(self, phase, done):
        now = time.monotonic()
        if phase != self.phase:
            self.phase, self.began = phase, now
        elif now - self.drawn < self.INTERVAL:
            return
        self.drawn = now
        self.stream.write("\r\x1b[K" + self.line(phase, done, now - self.began))
        self.stream.flush()

    def line(self, phase, done, spent):
        """One line without its end."""
        filled = int(done * self.WIDTH)
        bar = "#" * filled + "-" * (self.WIDTH - filled)
        left = f" < {_clock(spent / done * (1 - done))}" if done > 0.02 else ""
        return f"{phase:<10} [{bar}] {done * 100:3.0f} %  {_clock(spent)}{left}"

    def close(self):
        """Takes the line away."""
        if self.phase is not None:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def _clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def wanted(progress, stream=None):
    """The callable for a `progress` argument: None asks the terminal, True and False decide."""
    if callable(progress):
        return progress
    stream = stream or sys.stderr
    if progress is None:
        progress = bool(getattr(stream, "isatty", bool)())
    return ProgressBar(stream) if progress else None
