"""Annotated boxes on the model input: masks to train on, and the pointing game."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.evaluation import metrics
from cxr_demo.films import image
from train import finetune

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from cxr_demo.models.classifier import Network

#: Side of a mask in cells; a cell of the activation map at 224 px spans 4 x 4 of them.
CELLS = 28


def masks(films: Films, *, cells: int = CELLS) -> Mapping[int, np.ndarray]:
    """Box masks (L, cells, cells) uint8, 1 inside a box, by row, for each film with a box of one of its labels."""
    found: dict[int, np.ndarray] = {}
    for row, drawn in enumerate(films.boxes):
        if not drawn:
            continue
        crop = image.read(films.paths[row]).crop
        planes = np.zeros((len(films.labels), cells, cells), np.uint8)
        for box in drawn:
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


def hits(films: Films, fold: np.ndarray, networks: Sequence[Network], size: int) -> np.ndarray:
    """Pointing game of each film and finding (N, L): 1 where the maximum of the Grad-CAM map lies in a box, else 0.

    Each film is explained at `size` pixels by the network of its fold (N,). nan where a finding has no box.
    """
    found = np.full(films.targets.shape, np.nan)
    for row, drawn in enumerate(films.boxes):
        labels = {box.label for box in drawn} & set(films.labels)
        if not labels:
            continue
        film = image.read(films.paths[row])
        cells = finetune.maps(networks[fold[row]], image.view(film, size)[None])[0]
        # in float32, as `explain` gives maps, so that equal cells stay equal
        maps = image.by_area(cells, size).astype(np.float32)
        for label in labels:
            i = films.labels.index(label)
            edges = [image.in_view(box.edges, film.crop) for box in drawn if box.label == label]
            found[row, i] = metrics.pointing(maps[i], metrics.box_mask(edges, size))
    return found
