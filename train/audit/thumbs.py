"""Transforms of thumbnails that undo how a film lies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Undo = Callable[[np.ndarray], np.ndarray]
#: Orientations of a film, each with the transform that puts its thumbnails (N, SIDE, SIDE) upright.
TURNED: dict[str, Undo] = {
    "mirrored": lambda thumbs: thumbs[:, :, ::-1],
    "turned upside down": lambda thumbs: thumbs[:, ::-1, ::-1],
    "turned left": lambda thumbs: np.rot90(thumbs, -1, (1, 2)),
    "turned right": lambda thumbs: np.rot90(thumbs, 1, (1, 2)),
}


def inverted(thumbs: np.ndarray) -> np.ndarray:
    """Thumbnails with black and white swapped; its own inverse."""
    return 255 - thumbs
