"""Thumbnails and properties of all files, read once with the page's reader and shared by all checks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import gate, image
from cxr_demo.films.gate import SIDE

if TYPE_CHECKING:
    from pathlib import Path

    from cxr_demo.films.label_tables import Films

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


#: Properties by films, cached while the films exist, so that the checks read each file once.
_SEEN: WeakKeyDictionary[Films, Looks] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class Looks:
    """Properties of N files; 4.5 KB per film, 0.5 GB for 112,120."""

    faults: np.ndarray  # (N,) str: sentence on why the file is unreadable; "" if readable
    kinds: np.ndarray  # (N,) str: format and mode of the file, e.g. "PNG RGBA"; "" if unreadable
    sizes: np.ndarray  # (N, 2) int: height and width in pixels; 0 if unreadable
    digests: np.ndarray  # (N,) str: sha256 of the decoded pixels and their shape; "" if unreadable
    warnings: np.ndarray  # (N,) str: sentences on why the grey values may be wrong; "" without any
    thumbs: np.ndarray  # (N, SIDE, SIDE) uint8: the whole film, resized to a square; 0 if unreadable

    @property
    def readable(self) -> np.ndarray:
        """(N,) bool: files that could be read."""
        readable: np.ndarray = self.faults == ""
        return readable


def look(films: Films) -> Looks:
    """Properties of the films' files, read in parallel at the first call and cached as long as `films` exists.

    An unreadable file is an entry in `faults`, not an error.
    """
    if films not in _SEEN:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            read = pool.map(_look, films.paths)
            # disable=None: a bar on a terminal only
            rows = list(tqdm(read, "reading films", len(films), unit="film", disable=None))
        _SEEN[films] = Looks(*(np.array(column) for column in zip(*rows, strict=True)))
    return _SEEN[films]


def _look(path: Path) -> tuple[str, str, tuple[int, int], str, str, np.ndarray]:
    """The properties of a file, in the order of the fields of Looks; empty or 0 if it is unreadable."""
    try:
        film = image.read(path)
    except UnreadableImage as error:
        return str(error), "", (0, 0), "", "", np.zeros((SIDE, SIDE), np.uint8)
    pixels = film.pixels
    height, width = pixels.shape
    warnings = " ".join(image.of_reading((*gate.look(film).says, *film.warnings)))
    digest = hashlib.sha256(f"{height} x {width} ".encode() + pixels.tobytes()).hexdigest()
    return "", _kind(path), (height, width), digest, warnings, shrink(pixels)


def _kind(path: Path) -> str:
    """Format and colour mode of a readable file, from its header."""
    try:
        with Image.open(path) as picture:
            return f"{picture.format} {picture.mode}"
    except OSError:
        return "no picture, such as DICOM"


def shrink(pixels: np.ndarray) -> np.ndarray:
    """A film (H, W) in [0, 1] as thumbnail (SIDE, SIDE) uint8, by area: size and compression hardly matter."""
    grey = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255
    thumb: np.ndarray = np.rint(grey).astype(np.uint8)
    return thumb
