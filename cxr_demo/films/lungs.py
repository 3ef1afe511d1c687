"""Estimate lung masks by thresholding, to measure the share of a map outside the lungs.

Thresholds avoid downloading a segmentation network. For a lung that thresholds miss, such as one filled with fluid or
consolidation, the mask falls back to an atlas: the lungs of the phantom.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cxr_demo.films import image
from cxr_demo.films.phantom import RIGHT_LUNG
from cxr_demo.messages import Message, message

#: Side in pixels of the image in which the lungs are searched.
SIDE = 128
#: Criteria for a dark region to be a lung: least intersection over union with the atlas' lung, and least difference
#: from the mean brightness of its surroundings, as a fraction of the image's range.
ALIKE, CONTRAST = 0.45, 0.08
#: Width in pixels of the dilation of the atlas' lung that bounds the search; quantiles tried as thresholds.
NEAR, LEVELS = 21, np.linspace(0.3, 0.75, 16)


@dataclass(frozen=True, eq=False)
class Lungs:
    """A mask of both lungs in the model input, without heart and spine."""

    mask: np.ndarray  # (S, S) bool
    found: tuple[bool, bool]  # left and right in the image: True if segmented, False if taken from the atlas

    @property
    def said(self) -> Message:
        """A sentence on the mask's reliability."""
        return {
            (True, True): message("verdict.lungs.found"),
            (False, True): message("verdict.lungs.left"),
            (True, False): message("verdict.lungs.right"),
            (False, False): message("verdict.lungs.neither"),
        }[self.found]


def lungs(view: np.ndarray, size: int) -> Lungs:
    """Segment the lungs in a model input (S, S) in [0, 1]; the result's mask is (size, size) bool."""
    small = cv2.GaussianBlur(image.resize(view.astype(np.float32), SIDE), (0, 0), SIDE / 64)
    sides = [_side(small, atlas) for atlas in (_atlas(False), _atlas(True))]
    mask = np.max([side for side, _ in sides], axis=0).astype(np.float32)
    return Lungs(image.resize(mask, size) >= 0.5, (sides[0][1], sides[1][1]))


def _side(small: np.ndarray, atlas: np.ndarray) -> tuple[np.ndarray, bool]:
    """Segment one lung: the dark region (SIDE, SIDE) bool most like the atlas, and whether one was found.

    Returns the atlas' lung if no region meets ALIKE and CONTRAST.
    """
    near = cv2.dilate(atlas.astype(np.uint8), np.ones((NEAR, NEAR), np.uint8)) > 0
    best, likeness = atlas, ALIKE
    # lungs are darker than their surroundings, by an amount that differs from film to film
    for level in np.quantile(small[near], LEVELS):
        dark = cv2.morphologyEx((small < level).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        count, labels = cv2.connectedComponents(dark)
        # regions that touch the top or the sides are the air around the patient
        outside = np.unique(np.r_[labels[0], labels[:, 0], labels[:, -1]])
        for i in np.setdiff1d(np.arange(1, count), outside):
            region = _hull((labels == i) & near)
            alike = (region & atlas).sum() / max(1, (region | atlas).sum())
            if alike > likeness and _stands_out(small, region, near):
                best, likeness = region, alike
    return best, best is not atlas


def _stands_out(small: np.ndarray, region: np.ndarray, near: np.ndarray) -> bool:
    """Whether a region is darker than its surroundings by more than CONTRAST of the image's range."""
    around = near & ~region
    return bool(around.any() and small[around].mean() - small[region].mean() > CONTRAST * np.ptp(small))


def _hull(region: np.ndarray) -> np.ndarray:
    """Convex hull of a region, which closes the gaps that ribs and vessels leave."""
    points = np.argwhere(region)[:, ::-1].astype(np.int32)
    if not len(points):
        return region
    filled = np.zeros(region.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled > 0


def _atlas(mirrored: bool) -> np.ndarray:
    """Mask (SIDE, SIDE) bool of the phantom's lung on the left of the image, or its mirror image."""
    points = RIGHT_LUNG * SIDE
    if mirrored:
        points = np.column_stack([SIDE - points[:, 0], points[:, 1]])
    filled = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(filled, [np.rint(points).astype(np.int32)], 1)
    return filled > 0
