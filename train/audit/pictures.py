"""Thumbnails of films for report and review: upright JPEG with the annotated boxes."""

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
    """A box on a thumbnail, in percent of its width and height."""

    label: str
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Picture:
    """A thumbnail as data: URI with its size in pixels; of an unreadable film only the sentence `problem`."""

    uri: str = ""
    width: int = 0
    height: int = 0
    frames: tuple[Frame, ...] = ()
    problem: str = ""


def picture(path: Path, boxes: Sequence[Box], side: int, quality: int = 80) -> Picture:
    """The whole film as JPEG with its longest side at most `side` px.

    `boxes` are in pixels of the film, `quality` is JPEG's. An unreadable film yields a Picture with `problem`.
    """
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
