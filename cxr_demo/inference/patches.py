"""Locate the part of the early feature map that a small cover changes, in cells and pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.models.classifier import Network

#: Largest height and width in pixels of a small cover; occlusion's windows fit.
COVER = 32


class Patches:
    """The cells of the early map that a small cover changes, and the image patch from which to recompute them.

    The receptive field of a cell reaches `before` pixels back from its own position and `after` pixels ahead, measured
    with probes of nan. A cover therefore changes nearby cells only, and a patch with that margin on each side suffices
    to recompute them. Cells of the patch's map whose receptive field crosses an edge inside the image are discarded.
    """

    def __init__(self, network: Network, size: int) -> None:
        self.size = size
        with torch.no_grad():
            kinds, _, _, side = network.early(torch.zeros(1, 1, size, size)).shape
            self.stride = size // side
            probes = torch.zeros(self.stride, 1, size, size)
            at = size // 2 // self.stride * self.stride + torch.arange(self.stride)
            probes[torch.arange(self.stride), 0, at, at] = torch.nan  # nan passes through every layer
            seen = network.early(probes)[: self.stride].isnan().any(1).any(1)
        #: whether the network also computes a map of the mirror image
        self.mirrored = kinds == 2
        probe, cell = seen.nonzero(as_tuple=True)
        apart = cell * self.stride - at[probe]
        self.before, self.after = int(apart.max()), int(-apart.min())
        #: cells at a patch's start and end whose receptive field crosses its edge
        self._margins = math.ceil(self.before / self.stride), math.ceil((self.after + 1) / self.stride) - 1
        first = np.arange(self.stride)
        start, end = self._needed(first, first + COVER - 1)
        #: side of a patch in pixels
        self.side = int((end - start).max())

    @property
    def pay(self) -> bool:
        """Whether patches are small enough to save time, and there are early layers to save it in."""
        return self.stride > 1 and self.side <= 0.8 * self.size

    def corners(self, covers: np.ndarray) -> np.ndarray | None:
        """Return top and left (n, 2), in pixels, of the patch of each cover (n, S, S); None if a cover is too large."""
        found = []
        for axis in (2, 1):
            covered = np.asarray(covers.any(axis))
            first, last = covered.argmax(1), self.size - 1 - covered[:, ::-1].argmax(1)
            if (last - first >= COVER).any():
                return None
            found.append(self._needed(first, last)[0].clip(0, self.size - self.side))
        return np.stack(found, 1)

    def places(self, corner: np.ndarray) -> Iterator[tuple[int, tuple[slice, slice], tuple[slice, slice]]]:
        """Yield (kind, cells of the map, the same cells of the patch's map) for a patch at `corner`.

        kind is 0 for the image and 1 for its mirror image, if any; cells are slices of rows and columns.
        """
        top, left = corner
        for kind in range(1 + self.mirrored):
            sides = [self._cells(start) for start in (top, self.size - self.side - left if kind else left)]
            (rows, from_rows), (columns, from_columns) = sides
            yield kind, (rows, columns), (from_rows, from_columns)

    def _needed(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start and end of the patch for covers of pixels `first` to `last`, on one axis; may exceed the image."""
        start, end = self._one_way(first, last)
        if self.mirrored:
            again = self._one_way(self.size - 1 - last, self.size - 1 - first)
            start, end = np.minimum(start, self.size - again[1]), np.maximum(end, self.size - again[0])
        return start, end

    def _one_way(self, first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Start and end in pixels of the patch for the image alone, without its mirror image."""
        changed = -((self.after - first) // self.stride), (last + self.before) // self.stride
        return (changed[0] - self._margins[0]) * self.stride, (changed[1] + self._margins[1] + 1) * self.stride

    def _cells(self, start: int) -> tuple[slice, slice]:
        """Valid cells of a patch at `start` on one axis: in the image's map, and in the patch's own map."""
        first = self._margins[0] if start > 0 else 0
        last = self.side // self.stride - (self._margins[1] if start + self.side < self.size else 0)
        offset = start // self.stride
        return slice(offset + first, offset + last), slice(first, last)
