# SPDX-License-Identifier: Apache-2.0
"""ITensor: a value of a network under construction. Its shape and type are inferred when asked."""
import re

from . import dtypes
from .calibrators import REFUSAL as NO_CALIBRATION
from .dims import Dims, as_dims
from .enums import DataType, TensorFormat, TensorLocation
from .formats import chosen
from .interface import Interface
from .shape_inputs import of_network
from .support import Accepted, RefusedAtBuild

_SYMBOL = re.compile("[A-Za-z][A-Za-z0-9_]*")
LINEAR_ONLY = 1 << int(TensorFormat.LINEAR)


class ITensor(Interface):
    """A value: an input, a constant or a layer's output. Made by the network only."""

    def __init__(self, network, name, producer=None, index=0, origin=None):
        self._network, self._producer, self._index = network, producer, index
        self._name, self._origin = name, origin  # origin: the value's name in the parsed model
        self._declared = None  # of inputs: (DataType, sizes) as they were declared
        self._dtype = None  # as the program set it
        self._shape = None  # of inputs: as the program set it
        self._formats, self._location = LINEAR_ONLY, TensorLocation.DEVICE
        self._range, self._dimension_names = None, {}

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    @property
    def name(self):
        """The name; of inputs and outputs it is the engine's."""
        return self._name

    @name.setter
    def name(self, name):
        self._name = str(name)
        self._network._touch_tensor(self)

    @property
    def shape(self):
        """Sizes as Dims, -1 where they are known at run time only."""
        if self._shape is not None:
            return as_dims(self._shape)
        if self._declared is not None:
            return as_dims(self._declared[1])
        known = self._network._infer(self)
        return Dims() if known is None else as_dims(
            size if isinstance(size, int) else -1 for size in known.shape)

    @shape.setter
    def shape(self, sizes):
        if not self.is_network_input:
            self._network._report_error(f"tensor '{self.name}': only an input's shape can be set")
            return
        self._shape = tuple(as_dims(sizes))
        self._network._touch_tensor(self)

    @property
    def dtype(self):
        """The element type. Assigning it to an input or output converts there."""
        if self._dtype is not None:
            return self._dtype
        if self._declared is not None:
            return self._declared[0]
        known = self._network._infer(self)
        return DataType.FLOAT if known is None else dtypes.shown(known.dtype)

    @dtype.setter
    def dtype(self, dtype):
        self._convert(dtype)

    def _convert(self, dtype):
        self._dtype = DataType(dtype)
        self._network._touch_tensor(self)

    @property
    def location(self):
        """Where the memory is."""
        return self._location

    @location.setter
    def location(self, location):
        self._location = TensorLocation(location)

    broadcast_across_batch = Accepted(False, "there is no implicit batch to broadcast across")

    @property
    def allowed_formats(self):
        """A mask of TensorFormat. An input's or output's binding is LINEAR where that is among
        them, else in the first format that Lathe has: formats.py says where elements lie."""
        return self._formats

    @allowed_formats.setter
    def allowed_formats(self, mask):
        self._formats = int(mask)
        if chosen(self._formats) is None:
            names = ", ".join(f.name for f in TensorFormat if self._formats >> int(f) & 1)
            self._network._warn(f"tensor '{self.name}': TensorFormat {names or 'none'}: there is "
                                "no DLA; the binding stays linear")

    @property
    def is_network_input(self):
        """Whether it is one of the network's inputs."""
        return self._declared is not None

    @property
    def is_network_output(self):
        """Whether it is marked as an output."""
        return self in self._network._outputs

    @property
    def is_shape_tensor(self):
        """Whether its elements are known from the inputs' sizes alone and serve as a shape."""
        if self.is_network_input:
            return self in of_network(self._network)
        known = self._network._infer(self)
        return known is not None and known.contents is not None

    @property
    def is_execution_tensor(self):
        """Whether it is computed as any other value; of a shape tensor only if it is an output."""
        return not self.is_shape_tensor or self.is_network_output

    dynamic_range = RefusedAtBuild("_range", NO_CALIBRATION)

    def set_dynamic_range(self, min, max):
        """Kept; of effect with INT8 only, which a build refuses until quantization is there."""
        self._range = (float(min), float(max))
        return True

    def reset_dynamic_range(self):
        """Forgets it."""
        self._range = None

    def set_dimension_name(self, index, name):
        """Dimensions of inputs with one name have one size."""
        self._dimension_names[int(index)] = str(name)
        self._network._touch_tensor(self)

    def get_dimension_name(self, index):
        """The name given, or None."""
        return self._dimension_names.get(int(index))

    def _symbol(self, index):
        """Lathe's symbol for a dimension that has a name, which may be any text; else None."""
        name = self.get_dimension_name(index)
        if name is None or _SYMBOL.fullmatch(name):
            return name
        return "_" + name.encode().hex()


# Of effect with calibration only, which a build refuses.
for _name in ("set_dynamic_range", "reset_dynamic_range"):
    getattr(ITensor, _name).lathe_refused = NO_CALIBRATION
