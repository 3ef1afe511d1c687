"""Annotated boxes as masks on the model input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cxr_demo.films.label_tables import Box, Films
    from cxr_demo.types import Crop

#: Side of a mask in cells; a cell of the activation map at 224 px spans 4 x 4 of them.
CELLS = 28


def crops(films: Films) -> dict[int, Crop]:
    """Crop of the model input, by row, for each film that has boxes."""
    return {i: image.read(films.paths[i]).crop for i, boxes in enumerate(films.boxes) if boxes}


def masks(films: Films, *, cells: int = CELLS) -> Mapping[int, np.ndarray]:
    """Box masks (L, cells, cells) uint8, 1 inside a box, by row, for each film with a box of one of its labels."""
    found: dict[int, np.ndarray] = {}
    for row, crop in crops(films).items():
        planes = np.zeros((len(films.labels), cells, cells), np.uint8)
        for box in films.boxes[row]:
            if box.label in films.labels:
                planes[films.labels.index(box.label)] |= _mask(image.in_view(box.edges, crop), cells)
        if planes.any():
            found[row] = planes
    return found


def _mask(edges: Iterable[float], cells: int) -> np.ndarray:
    """Mask (cells, cells) uint8 of a box: 1 where it contains the centre of a cell.

    `edges` are left, top, right and bottom as shares of the model input; parts outside of it are ignored.
    """
    left, top, right, bottom = np.clip([edge * cells for edge in edges], 0, cells)
    centre = np.arange(cells) + 0.5
    rows, columns = (centre >= top) & (centre <= bottom), (centre >= left) & (centre <= right)
    if left < right and top < bottom:
        # a box thinner than a cell marks the cell of its centre
        rows[min(int((top + bottom) / 2), cells - 1)] = columns[min(int((left + right) / 2), cells - 1)] = True
    return np.asarray(rows[:, None] & columns, np.uint8)


def hit(cells: np.ndarray, boxes: Iterable[Box], crop: Crop) -> bool:
    """Whether the maximum of a map (h, w), interpolated smoothly, lies in one of the boxes.

    Pointing game of Zhang et al. 2016; boxes are in pixels of the film, `crop` is the part of it that the model sees.
    """
    size = 8 * 4 * 7
    drawn = image.resize(cells.astype(np.float32), size)
    y, x = (np.array(np.unravel_index(drawn.argmax(), drawn.shape)) + 0.5) / size
    edges = (image.in_view(box.edges, crop) for box in boxes)
    return any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in edges)
