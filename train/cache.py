"""Films decoded once: what the model sees of each, as one array of bytes."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo import image

if TYPE_CHECKING:
    from pathlib import Path

    from train.data import Films


def load(films: Films, size: int, folder: Path) -> np.ndarray:
    """The views (N, size, size) uint8 of all films, decoded in parallel at first and mapped from disk after.

    The file's name follows the list of files with their sizes and times, so a changed film is decoded anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listing = "\n".join(f"{p} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in films.paths)
    path = folder / f"{hashlib.sha256(listing.encode()).hexdigest()[:16]}-{size}.npy"
    if not path.exists():
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            views = np.stack(list(pool.map(lambda p: _view(p, size), films.paths)))
        partial = path.with_suffix(f".{os.getpid()}")
        with partial.open("wb") as file:
            np.save(file, views)
        partial.replace(path)
    mapped: np.ndarray = np.load(path, mmap_mode="r")
    return mapped


def _view(path: Path, size: int) -> np.ndarray:
    view: np.ndarray = np.rint(image.view(image.read(path), size) * 255).astype(np.uint8)
    return view
