# SPDX-License-Identifier: Apache-2.0
"""tensorrt.plugin: decorators that define plugins in Python. They are refused, with what to use
instead; the types that their signatures name exist, so that modules that define such plugins import
up to the decorator."""
from .plugins import KernelLaunchParams  # noqa: F401
from .support import CUSTOM_OPERATORS, refused


class TensorDesc:
    """Type and shape of a plugin's operand."""


class Tensor:
    """A plugin's operand."""


class Shape(tuple):
    """A shape."""


class ShapeExpr:
    """A size."""


class ShapeExprs(list):
    """A shape of expressions."""


class SymExprs(list):
    """Arguments of a kernel."""


class SymInt32:
    """An argument of a kernel."""


class SymIntExprs(list):
    """Arguments of a kernel."""


class AutoTuneCombination:
    """Types, formats and tactics of a plugin."""


def cdiv(dividend, divisor):
    """The quotient rounded up."""
    return -(-dividend // divisor)


def _decorator(name):
    @refused(CUSTOM_OPERATORS)
    def call(*args, **named):
        """Refused."""
    call.__name__, call.__qualname__ = name, f"plugin.{name}"
    return call


register = _decorator("register")
impl = _decorator("impl")
aot_impl = _decorator("aot_impl")
autotune = _decorator("autotune")
size_tensor = _decorator("size_tensor")
from_shape_expr = _decorator("from_shape_expr")


class _Namespaces:
    """tensorrt.plugin.op: namespaces of registered plugins; there are none."""

    lathe_refused = CUSTOM_OPERATORS

    def __getattr__(self, name):
        raise AttributeError(f"plugin namespace {name}: {CUSTOM_OPERATORS}")


op = _Namespaces()
