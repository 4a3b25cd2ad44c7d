# SPDX-License-Identifier: Apache-2.0
"""The layers of the API, one file a family. LAYERS: every class by its name; VIEWS: the class that
shows a LayerType's properties."""
from . import (base, conditional, data_sizes, generators, indexing, linear, loops, movement,
               pointwise, reduction, windows)
from .base import ILayer

LAYERS = {
    name: view
    for module in (base, windows, pointwise, movement, indexing, reduction, linear, loops,
                   conditional, data_sizes, generators)
    for name, view in vars(module).items()
    if isinstance(view, type) and name.startswith("I") and view.__module__ == module.__name__
}
VIEWS = {view.TYPE: view for view in LAYERS.values()
         if issubclass(view, ILayer) and view.TYPE is not None}
