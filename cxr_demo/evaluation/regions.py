"""Regions of a film where a classifier may find evidence, to see whether it looks at the patient at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo.evaluation import metrics
from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The regions in the order of tables. They overlap: a marker is at the border, and often in a corner.
REGIONS = ("lungs", "chest", "border", "corners", "marks")
#: Side of a corner, and the largest width of a mark, as shares of the film's side.
CORNER, MARK = 0.2, 0.09
#: Width of the blur that removes the noise of single pixels before marks are sought, as a share of the side.
NOISE = 1 / 224
#: How much brighter than its surroundings a mark is, as a share of the film's range without its extremes.
STANDS_OUT = 0.3


def regions(view: np.ndarray, lungs: np.ndarray) -> dict[str, np.ndarray]:
    """How much of each cell every region covers, (G, G) in [0, 1], for a film (S, S) in [0, 1] and lungs (G, G) bool.

    lungs: as given. chest: see `chest`. border: as in `metrics.border`. corners: the four squares of CORNER of the
    side. marks: small things that are much brighter than what surrounds them, such as letters, electrodes and wires (a
    white top-hat of width MARK).
    """
    side, grid = len(view), len(lungs)
    bright = cv2.GaussianBlur(view.astype(np.float32), (0, 0), NOISE * side)
    width = 2 * round(MARK * side / 2) + 1  # an even width would shift the opening, and so raise every edge
    raised = cv2.morphologyEx(bright, cv2.MORPH_TOPHAT, np.ones((width, width), np.uint8))
    marks = raised > STANDS_OUT * max(float(np.ptp(np.quantile(bright, (0.01, 0.99)))), 1e-6)
    middle = (np.arange(grid) + 0.5) / grid
    outer = (middle < CORNER) | (middle > 1 - CORNER)
    return {
        "lungs": lungs.astype(float),
        "chest": chest(lungs).astype(float),
        "border": metrics.border(grid).astype(float),
        "corners": np.outer(outer, outer).astype(float),
        "marks": image.by_area(marks[None].astype(float), grid)[0],
    }


def chest(lungs: np.ndarray) -> np.ndarray:
    """The convex hull (G, G) bool of both lungs, a cell wider, so that it holds heart, hila and pleura."""
    points = np.argwhere(lungs)[:, ::-1].astype(np.int32)
    filled = np.zeros(lungs.shape, np.uint8)
    if len(points):
        cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    wider: np.ndarray = cv2.dilate(filled, np.ones((3, 3), np.uint8)) > 0
    return wider


def shares(values: np.ndarray, where: Mapping[str, np.ndarray]) -> np.ndarray:
    """Shares (R,) of a map's absolute values (G, G) in each region, in the order of REGIONS; nan for a map of zeros."""
    return np.array([metrics.share_inside(values, where[name]) for name in REGIONS])
