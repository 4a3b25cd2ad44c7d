# SPDX-License-Identifier: Apache-2.0
"""What Lathe raises. Each class is also the built-in exception that a Python programmer expects.

Every error has `code` (the word for its kind, "invalid input") and `cure` (what to do, or "").
"""


class Error(Exception):
    """Base of all that Lathe raises. `code`: the kind in words; `cure`: what to do, or ""."""

    code = "error"

    def __init__(self, message="", cure=""):
        super().__init__(message)
        self.message = message
        self.cure = cure

    def __str__(self):
        return f"{self.message}\n{self.cure}" if self.cure else self.message

    def __reduce__(self):
        return type(self), (self.message, self.cure)


class InputError(Error, ValueError):
    """What was given is wrong: a model, a shape, an option, an array, an engine file."""

    code = "invalid input"


class NotFoundError(Error, LookupError):
    """Something that was named does not exist."""

    code = "not found"


class MissingNameError(NotFoundError, KeyError):
    """No input, output or device has that name."""


class MissingFileError(NotFoundError, FileNotFoundError):
    """The file does not exist or cannot be opened."""


class UnsupportedError(Error, NotImplementedError):
    """Legal, and not implemented; the message names it."""

    code = "unsupported"


class Cancelled(Error):
    """The progress callback said stop."""

    code = "cancelled"


class OutOfMemory(Error, MemoryError):
    """Host or device memory, or the budget given, did not suffice."""

    code = "out of memory"


class DeviceError(Error, RuntimeError):
    """The machine failed: driver, device, disk."""

    code = "device lost"


class InternalError(Error, RuntimeError):
    """A bug in Lathe."""

    code = "internal error"
