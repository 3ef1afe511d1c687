"""What a small cover leaves of the early layers' map, so that only the rest is computed anew."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.models.classifier import Network

#: Small is a cover of up to this many pixels each way, as occlusion's windows are.
COVER = 32


class Patches:
    """Where the early map differs from the image's own if a small cover is laid on the image.

    A cell of the map sees the pixels from `before` its own to so many `after` it. So what a cover changes lies near it,
    and can be computed from a patch of the image that goes as far again; of the patch's own map, cells that see over an
    edge which is not the image's are left out.
    """

    def __init__(self, network: Network, size: int) -> None:
        self.size = size
        with torch.no_grad():
            kinds, _, _, side = network.early(torch.zeros(1, 1, size, size)).shape
            self.stride = size // side
            probes = torch.zeros(self.stride, 1, size, size)
            at = size // 2 // self.stride * self.stride + torch.arange(self.stride)
            probes[torch.arange(self.stride), 0, at, at] = torch.nan  # which no layer swallows
            seen = network.early(probes)[: self.stride].isnan().any(1).any(1)
        #: whether there is a map of the mirror image too
        self.mirrored = kinds == 2
        probe, cell = seen.nonzero(as_tuple=True)
        apart = cell * self.stride - at[probe]
        self.before, self.after = int(apart.max()), int(-apart.min())
        #: cells at a patch's start and end that see over its edge
        self._margins = math.ceil(self.before / self.stride), math.ceil((self.after + 1) / self.stride) - 1
        first = np.arange(self.stride)
        start, end = self._needed(first, first + COVER - 1)
        #: pixels on a side of a patch
        self.side = int((end - start).max())

    @property
    def pay(self) -> bool:
        """Whether patches are small enough to save time."""
        return self.side <= 0.8 * self.size

    def corners(self, covers: np.ndarray) -> np.ndarray | None:
        """Top and left (n, 2) of the patch for each cover (n, S, S); None where one is too large."""
        found = []
        for axis in (2, 1):
            covered = np.asarray(covers.any(axis))
            first, last = covered.argmax(1), self.size - 1 - covered[:, ::-1].argmax(1)
            if (last - first >= COVER).any():
                return None
            found.append(self._needed(first, last)[0].clip(0, self.size - self.side))
        return np.stack(found, 1)

    def places(self, corner: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """Of the image (0) and its mirror image (1), if any: cells of the map, and the same cells in the patch's."""
        top, left = corner
        for kind in range(1 + self.mirrored):
            sides = [self._cells(start) for start in (top, self.size - self.side - left if kind else left)]
            (rows, from_rows), (columns, from_columns) = sides
            yield kind, (rows, columns), (from_rows, from_columns)

    def _needed(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start and end of the patch for what the pixels from first to last change; it may go beyond the image."""
        start, end = self._one_way(first, last)
        if self.mirrored:
            again = self._one_way(self.size - 1 - last, self.size - 1 - first)
            start, end = np.minimum(start, self.size - again[1]), np.maximum(end, self.size - again[0])
        return start, end

    def _one_way(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        changed = -((self.after - first) // self.stride), (last + self.before) // self.stride
        return (changed[0] - self._margins[0]) * self.stride, (changed[1] + self._margins[1] + 1) * self.stride

    def _cells(self, start: int) -> tuple[slice, slice]:
        """Along one axis, the cells of the map that a patch at `start` gets right, and the same in its own map."""
        first = self._margins[0] if start > 0 else 0
        last = self.side // self.stride - (self._margins[1] if start + self.side < self.size else 0)
        offset = start // self.stride
        return slice(offset + first, offset + last), slice(first, last)
