"""The usual grey values of films (`cxr_demo.films.greys`): their limits, and how many films with a defect lie outside.

Rates come from halves of the patients: the limits that judge a film come from films of other patients.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
from sklearn.model_selection import GroupKFold

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import greys, image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

#: Share of the films beyond each limit before it is widened.
TAIL = 0.001
#: Widening of the limits of grey values, and of the limits of the share of grey levels in use. Other hospitals' films
#: differ a little: without it, half of the films put 0.8 % of the other half beyond their limits, and with it 0.3 %.
MARGIN, MARGIN_OF_LEVELS = 0.1, 0.02

#: Alterations of grey values in [0, 1], by their names in the card; each is how a film looks after wrong reading.
ALTERED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "two times too dark": lambda grey: grey / 2,
    "four times too dark": lambda grey: grey / 4,
    "eight times too dark": lambda grey: grey / 8,
    "in the upper half of the range": lambda grey: (1 + grey) / 2,
    "in the upper quarter": lambda grey: (3 + grey) / 4,
    "in the middle half": lambda grey: 0.25 + grey / 2,
    "in the middle quarter": lambda grey: 0.375 + grey / 4,
    "two times too bright, saturated": lambda grey: 2 * grey,
    "four times too bright, saturated": lambda grey: 4 * grey,
    "clipped below 1/2": lambda grey: 2 * grey - 1,
    "clipped below 3/4": lambda grey: 4 * grey - 3,
    "gamma 2": lambda grey: grey**2,
    "gamma 1/2": lambda grey: grey**0.5,
    "gamma 4": lambda grey: grey**4,
    "16 grey levels": lambda grey: np.rint(15 * grey) / 15,
    "4 grey levels": lambda grey: np.rint(3 * grey) / 3,
}


def histograms(paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Histograms (n, LEVELS) of the readable files, and the files' indices (n,)."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        read = list(pool.map(_histogram, paths))
    rows = [row for row, counts in enumerate(read) if counts is not None]
    return np.array([read[row] for row in rows]).reshape(-1, greys.LEVELS), np.array(rows, int)


def _histogram(path: Path) -> np.ndarray | None:
    try:
        return greys.histogram(image.read(path))
    except UnreadableImage:
        return None


def limits(counts: np.ndarray) -> np.ndarray:
    """The least and the greatest usual measures (2, measures) float32 of films with histograms (N, LEVELS).

    A widened limit keeps half of its distance to black or white, since otherwise no film could be beyond it.
    """
    low, high = np.quantile(greys.measures(counts), (TAIL, 1 - TAIL), axis=0)
    margin = np.append(np.full(len(greys.SHARES), MARGIN), MARGIN_OF_LEVELS)
    found: np.ndarray = np.stack([np.maximum(low - margin, low / 2), np.minimum(high + margin, (1 + high) / 2)])
    return found.astype(np.float32)


def unusual(counts: np.ndarray, patients: np.ndarray, others: np.ndarray) -> dict[str, np.ndarray]:
    """Films beyond the limits, bool: under "film" those as they are (N,), then those altered, by the keys of ALTERED.

    `counts` (N, LEVELS) are the films' histograms. Limits come from the other half of the `patients` (N,). Under
    "other" (M,): films of other sources with histograms `others` (M, LEVELS), by the limits of all films.
    """
    cases = {"film": counts, **{name: altered(counts, change) for name, change in ALTERED.items()}}
    found = {name: np.zeros(len(counts), bool) for name in cases}
    for fit, held in GroupKFold(2, shuffle=True, random_state=0).split(counts, groups=patients):
        usual = limits(counts[fit])
        for name, each in cases.items():
            found[name][held] = _beyond(each[held], usual)
    return {**found, "other": _beyond(others, limits(counts))}


def _beyond(counts: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Whether histograms (N, LEVELS) have a measure beyond limits (2, measures): (N,) bool."""
    found = greys.measures(counts)
    beyond: np.ndarray = ((found < usual[0]) | (found > usual[1])).any(1)
    return beyond


def altered(counts: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Histograms (N, LEVELS) of films whose grey values went through `change`, clipped to [0, 1] and rounded."""
    top = greys.LEVELS - 1
    moved = np.rint(change(np.arange(greys.LEVELS) / top).clip(0, 1) * top).astype(int)
    moves = np.eye(greys.LEVELS, dtype=int)[moved]  # a row per old level, with 1 at its new level
    found: np.ndarray = counts @ moves
    return found
