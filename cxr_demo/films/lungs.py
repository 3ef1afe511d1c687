"""About where the lungs are, by rule: enough to say how much of a map lies outside them, no more.

No segmentation network is used, so that nothing has to be fetched and trusted. What the rule cannot see, a lung that is
white with fluid or consolidation, is taken from an atlas, the lungs of the phantom.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cxr_demo.films import image
from cxr_demo.films.phantom import RIGHT_LUNG
from cxr_demo.messages import Message, message

#: Side of the picture on which lungs are looked for.
SIDE = 128
#: A dark region is a lung if it shares so much with the atlas' lung of its side, as intersection over union, and is
#: darker than what is near by so much of the picture's contrast.
ALIKE, CONTRAST = 0.45, 0.08
#: How far from the atlas' lung a lung may reach, twice over; shares of what is near that are tried as dark.
NEAR, LEVELS = 21, np.linspace(0.3, 0.75, 16)


@dataclass(frozen=True, eq=False)
class Lungs:
    """Both lungs in the model's view, heart and spine left out."""

    mask: np.ndarray  # (S, S) bool
    found: tuple[bool, bool]  # at the left and at the right of the picture: seen, or taken from the atlas

    @property
    def said(self) -> Message:
        """How far the mask can be trusted, in a sentence."""
        return {
            (True, True): message("verdict.lungs.found"),
            (False, True): message("verdict.lungs.left"),
            (True, False): message("verdict.lungs.right"),
            (False, False): message("verdict.lungs.neither"),
        }[self.found]


def lungs(view: np.ndarray, size: int) -> Lungs:
    """The lungs in a model's view (S, S) in [0, 1]: a mask (size, size) bool, and which of them the film shows."""
    small = cv2.GaussianBlur(image.resize(view.astype(np.float32), SIDE), (0, 0), SIDE / 64)
    sides = [_side(small, atlas) for atlas in (_atlas(False), _atlas(True))]
    mask = np.max([side for side, _ in sides], axis=0).astype(np.float32)
    return Lungs(image.resize(mask, size) >= 0.5, (sides[0][1], sides[1][1]))


def _side(small: np.ndarray, atlas: np.ndarray) -> tuple[np.ndarray, bool]:
    """One lung (SIDE, SIDE) bool: the dark region that is most like the atlas' one, or that itself."""
    near = cv2.dilate(atlas.astype(np.uint8), np.ones((NEAR, NEAR), np.uint8)) > 0
    best, likeness = atlas, ALIKE
    # lungs are the darker part of what is near them; how much darker differs from film to film
    for level in np.quantile(small[near], LEVELS):
        dark = cv2.morphologyEx((small < level).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        count, labels = cv2.connectedComponents(dark)
        # what reaches the edge of the film is the air around the patient
        outside = np.unique(np.r_[labels[0], labels[:, 0], labels[:, -1]])
        for i in np.setdiff1d(np.arange(1, count), outside):
            region = _hull((labels == i) & near)
            alike = (region & atlas).sum() / max(1, (region | atlas).sum())
            if alike > likeness and _stands_out(small, region, near):
                best, likeness = region, alike
    return best, best is not atlas


def _stands_out(small: np.ndarray, region: np.ndarray, near: np.ndarray) -> bool:
    """Whether a region is darker than what is around it by a good part of what the picture has of contrast."""
    around = near & ~region
    return bool(around.any() and small[around].mean() - small[region].mean() > CONTRAST * np.ptp(small))


def _hull(region: np.ndarray) -> np.ndarray:
    """A region without its holes and bays, which ribs and vessels make."""
    points = np.argwhere(region)[:, ::-1].astype(np.int32)
    if not len(points):
        return region
    filled = np.zeros(region.shape, np.uint8)
    cv2.fillConvexPoly(filled, cv2.convexHull(points), 1)
    return filled > 0


def _atlas(mirrored: bool) -> np.ndarray:
    """The phantom's lung at the left of the picture, or its mirror image."""
    points = RIGHT_LUNG * SIDE
    if mirrored:
        points = np.column_stack([SIDE - points[:, 0], points[:, 1]])
    filled = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(filled, [np.rint(points).astype(np.int32)], 1)
    return filled > 0
