"""Films as a report and a review page show them: small, upright, with the boxes that somebody drew."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cxr_demo.films.label_tables import Box


@dataclass(frozen=True)
class Frame:
    """A box in percent of the picture."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A film as a data: URI, or the sentence that says why there is none."""

    uri: str = ""
    width: int = 0
    height: int = 0
    frames: tuple[Frame, ...] = ()
    problem: str = ""


def picture(path: Path, boxes: Sequence[Box], side: int, quality: int = 80) -> Picture:
    """The whole film with its longest side at most `side` px, as JPEG; boxes are in pixels of the file."""
    try:
        film = image.read(path)
    except UnreadableImage as error:
        return Picture(problem=str(error))
    height, width = film.pixels.shape
    small = image.shrunk(film, side).pixels
    _, data = cv2.imencode(".jpg", np.rint(small * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality])
    frames = tuple(
        Frame(
            b.label,
            *(round(100 * part, 2) for part in (b.left / width, b.top / height, b.width / width, b.height / height)),
        )
        for b in boxes
    )
    uri = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
    return Picture(uri, small.shape[1], small.shape[0], frames)
