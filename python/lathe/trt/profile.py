# SPDX-License-Identifier: Apache-2.0
"""Optimization profiles: the shapes that an engine is for."""
from ..errors import InputError
from .dims import Dims, as_dims
from .interface import Interface
from .support import Accepted


class ProfileError(InputError, RuntimeError):
    """Shapes that do not fit each other: TensorRT raises a RuntimeError, and Lathe a ValueError."""


class IOptimizationProfile(Interface):
    """min, opt and max of each dynamic input; made by Builder.create_optimization_profile."""

    extra_memory_target = Accepted(1.0, "memory is what the kernels need", float)

    def __init__(self):
        self._shapes, self._values = {}, {}

    def set_shape(self, input, min, opt, max):
        """Shapes of an input: ProfileError unless min <= opt <= max everywhere."""
        low, best, high = (tuple(as_dims(shape)) for shape in (min, opt, max))
        self._check(input, low, best, high)
        self._shapes[str(input)] = (low, best, high)

    def get_shape(self, input):
        """[min, opt, max] as Dims; [] where none is set."""
        return [Dims(shape) for shape in self._shapes.get(str(input), ())]

    def set_shape_input(self, input, min, opt, max):
        """Values of an input that is a shape tensor."""
        low, best, high = (tuple(int(n) for n in numbers) for numbers in (min, opt, max))
        self._check(input, low, best, high)
        self._values[str(input)] = (low, best, high)

    def get_shape_input(self, input):
        """[min, opt, max]; [] where none is set."""
        return [list(numbers) for numbers in self._values.get(str(input), ())]

    @staticmethod
    def _check(name, low, best, high):
        if not len(low) == len(best) == len(high):
            raise ProfileError(f"profile of '{name}': min {low}, opt {best} and max {high} differ "
                               "in length")
        if not all(a <= b <= c for a, b, c in zip(low, best, high)):
            raise ProfileError(f"profile of '{name}': expected min <= opt <= max, got {low}, "
                               f"{best}, {high}")

    def __bool__(self):
        return True

    __nonzero__ = __bool__
