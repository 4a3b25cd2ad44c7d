# SPDX-License-Identifier: Apache-2.0
"""Loggers: the program's ear. Whatever builds, parses or runs reports to the one it was given."""
import time

from .enums import Severity
from .support import deprecated

_LETTERS = {0: "F", 1: "E", 2: "W", 3: "I", 4: "V"}


class ILogger:
    """Derive from it and define `log(severity, msg)`. It may be called from any thread."""

    Severity = Severity
    # Its members are also the loggers' (Logger.WARNING), as programs write them.
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE

    def __init__(self):
        pass

    def log(self, severity, msg):
        """Receives one message."""
        raise NotImplementedError("an ILogger defines log(self, severity, msg)")

    def __enter__(self):
        deprecated("Context managers for TensorRT types are deprecated. Memory will be freed "
                   "automatically when the reference count reaches 0.")
        return self

    def __exit__(self, kind, value, traceback):
        return None


class Logger(ILogger):
    """Prints messages as severe as `min_severity` or more."""

    def __init__(self, min_severity=Severity.WARNING):
        super().__init__()
        self.min_severity = min_severity

    def log(self, severity, msg):
        """Prints "[date-time] [TRT] [W] msg"."""
        if severity <= self.min_severity:
            stamp = time.strftime("%m/%d/%Y-%H:%M:%S")
            print(f"[{stamp}] [TRT] [{_LETTERS[int(severity)]}] {msg}", flush=True)


def check_logger(logger):
    """TypeError unless `logger` is an ILogger."""
    if not isinstance(logger, ILogger):
        raise TypeError(f"logger: expected an ILogger, got {type(logger).__name__}")
    return logger
