# SPDX-License-Identifier: Apache-2.0
"""What is accepted without effect and what is refused. The marks below are the behaviour itself:
a marked function warns or raises because of its mark, and docs/trt-api.md is made by reading them.
"""
import functools
import os
import sys
import warnings

from ..errors import UnsupportedError

CUSTOM_OPERATORS = ("plugins of TensorRT are not run; give the operator to Lathe as data "
                    "(lathe.custom.op, or a file for --op) or as a library (lathe/plugin.h): "
                    "docs/custom_operators.md")


class LatheWarning(UserWarning):
    """A setting of TensorRT's that has no meaning in Lathe was accepted without effect."""


_HERE = os.path.dirname(__file__)


def _programs_level():
    """The stack level of the program's line for a warning of the caller: Python shows what points
    there, and hides deprecations that do not."""
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_HERE):
        level, frame = level + 1, frame.f_back
    return level


def warn(text):
    """Says that something was accepted without effect."""
    warnings.warn(text, LatheWarning, stacklevel=_programs_level())


def deprecated(text):
    """Says that something works and will go."""
    warnings.warn(text, DeprecationWarning, stacklevel=_programs_level())


def accepted(reason):
    """Marks a function whose call warns with `reason` and then does what its body says."""

    def mark(function):
        @functools.wraps(function)
        def call(*args, **named):
            warn(f"{function.__name__}: {reason}")
            return function(*args, **named)

        call.lathe_accepted = reason
        return call

    return mark


def refused(reason):
    """Marks a function whose call raises UnsupportedError with `reason`."""

    def mark(function):
        @functools.wraps(function)
        def call(*args, **named):
            raise UnsupportedError(f"{call.__qualname__}: {reason}")

        call.lathe_refused = reason
        return call

    return mark


class Accepted(property):
    """A property that stores what it is given; assigning anything but `default` warns."""

    def __init__(self, default, reason, convert=None):
        self.default, self.convert, self._reason = default, convert, reason
        self.lathe_accepted = reason
        super().__init__(self._read, self._write, doc=f"Accepted without effect: {reason}.")

    def __set_name__(self, owner, name):
        self.name, self.slot = name, f"_accepted_{name}"

    def _read(self, owner):
        return getattr(owner, self.slot, self.default)

    def _write(self, owner, value):
        value = self.convert(value) if self.convert else value
        if value != self.default:
            warn(f"{self.name}: {self._reason}")
        setattr(owner, self.slot, value)


class OneOf(Accepted):
    """A property over an enumeration of which Lathe supports `default`; other members warn."""

    def __init__(self, default, reason):
        super().__init__(default, reason, type(default))
        del self.lathe_accepted


class RefusedAtBuild(property):
    """A property that keeps what a build refuses."""

    def __init__(self, slot, reason):
        self.lathe_refused = reason
        super().__init__(lambda owner: getattr(owner, slot),
                         lambda owner, value: setattr(owner, slot, value),
                         doc=f"Kept, and refused at build: {reason}.")


class Setting(property):
    """A plain read-write property with a default, converted on assignment."""

    def __init__(self, default, doc, convert=None):
        self.default, self.convert = default, convert
        super().__init__(self._read, self._write, doc=doc)

    def __set_name__(self, owner, name):
        self.slot = f"_setting_{name}"

    def _read(self, owner):
        return getattr(owner, self.slot, self.default)

    def _write(self, owner, value):
        setattr(owner, self.slot, self.convert(value) if self.convert else value)
