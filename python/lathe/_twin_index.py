# SPDX-License-Identifier: Apache-2.0
"""Indexing of stand-ins: what x[:, None, ..., :2] becomes in ONNX operators."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

_END = 2**63 - 1  # behind the last element


class Indexed:
    """Mixed into Value."""

    def __getitem__(self, index: Any) -> "Indexed":
        """Integers, slices, new axes and an ellipsis."""
        index = list(index) if isinstance(index, tuple) else [index]
        dots = [k for k, i in enumerate(index) if i is Ellipsis]
        if len(dots) > 1:
            raise TypeError("a twin indexes with one ellipsis")
        cut = dots[0] if dots else len(index)
        front, back = index[:cut], index[cut + 1:]
        bounds = _bounds(front, 0, self._is_place)
        bounds += _bounds(back, -sum(i is not None for i in back), self._is_place)
        return self._sliced(bounds)._rearranged(front, back)

    def _sliced(self, bounds: list[tuple]) -> "Indexed":
        if not bounds:
            return self
        starts, ends, axes, steps = (self._trace.ints(column) for column in zip(*bounds))
        return self._trace.emit("Slice", self, starts, ends, axes, steps, rank=self.rank)

    def _rearranged(self, front: list, back: list) -> "Indexed":
        """Without the dimensions that integers took, with the new ones."""
        kept = [i for i in front if i is not None], [i for i in back if i is not None]
        gone = [d for d, i in enumerate(kept[0]) if not isinstance(i, slice)]
        gone += [d - len(kept[1]) for d, i in enumerate(kept[1]) if not isinstance(i, slice)]
        made = self.squeeze(gone) if gone else self
        shown = [[i for i in part if i is None or isinstance(i, slice)] for part in (front, back)]
        new = [d for d, i in enumerate(shown[0]) if i is None]
        new += [d - len(shown[1]) for d, i in enumerate(shown[1]) if i is None]
        return made.expand_dims(new) if new else made


def _bounds(index: list, first: int, is_place: Callable) -> list[tuple]:
    """(start, end, axis, step) of the entries that leave something out; axes from `first` on."""
    bounds, axis = [], first
    for i in index:
        if i is None:
            continue
        if isinstance(i, slice):
            step = 1 if i.step is None else i.step
            if i.start is not None or i.stop is not None or step != 1:
                start = (_END if step < 0 else 0) if i.start is None else i.start
                stop = (-_END if step < 0 else _END) if i.stop is None else i.stop
                bounds.append((start, stop, axis, step))
        elif is_place(i):
            bounds.append((i, _END if isinstance(i, int) and i == -1 else i + 1, axis, 1))
        else:
            raise TypeError(f"a twin indexes with integers, slices, None and ..., not with "
                            f"{type(i).__name__}; numpy.take gathers")
        axis += 1
    return bounds
