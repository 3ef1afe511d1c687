"""Whether a film is a frontal chest film that lies upright, asked before anything is read into it.

A small network looks at the directions of a thumbnail's edges. `python -m train gate` taught it; bundled/gate/README.md
says on what, and how often it errs.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy

from cxr_demo.films import image
from cxr_demo.messages import Message, message, slug

if TYPE_CHECKING:
    from cxr_demo.types import Radiograph

WEIGHTS = Path(__file__).parents[1] / "bundled" / "gate" / "gate.safetensors"
TENSORS = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")

#: Pixels on a side of the thumbnail; cells on a side of the grid on which directions are counted, and the directions.
SIDE = 64
CELLS, DIRECTIONS = 8, 8

#: How a film looks that each correction would put right.
LOOKS = {correction: message(f"correction.{slug(correction)}.looks") for correction in image.CORRECTIONS}

NO_CHEST_FILM = message("warning.no_chest_film")


@dataclass(frozen=True)
class Look:
    """What a film looks like, by log-odds of being an upright frontal chest film; from 0 on it passes."""

    as_is: float
    correction: str | None = None  # a key of image.CORRECTIONS that makes it pass, where it does not pass as it is

    @property
    def passes(self) -> bool:
        """Whether nothing is odd about it."""
        return self.as_is >= 0

    @property
    def says(self) -> tuple[Message, ...]:
        """What a reader should know, in sentences: none where it passes."""
        if self.passes:
            return ()
        if self.correction:
            return (message("warning.looks", looks=LOOKS[self.correction]),)
        return (NO_CHEST_FILM,)


def look(film: Radiograph) -> Look:
    """The log-odds of a film as it lies and, where these are negative, the correction that would make it pass."""
    seen = thumb(film)
    as_is = float(scores(seen[None])[0])
    if as_is >= 0:
        return Look(as_is)
    ways = image.CORRECTIONS.values()
    corrected = scores(np.stack([np.rot90(255 - seen if inverted else seen, turns) for turns, inverted in ways]))
    best = int(corrected.argmax())
    return Look(as_is, list(image.CORRECTIONS)[best] if corrected[best] >= 0 else None)


def thumb(film: Radiograph) -> np.ndarray:
    """What the gate sees of a film: its central square as (SIDE, SIDE) uint8."""
    small: np.ndarray = np.rint(image.view(film, SIDE) * 255).astype(np.uint8)
    return small


def scores(thumbs: np.ndarray) -> np.ndarray:
    """Log-odds (N,) that thumbnails (N, SIDE, SIDE) uint8 are upright frontal chest films."""
    first, first_bias, second, second_bias = _network()
    hidden = np.maximum(edges(thumbs) @ first.T + first_bias, 0)
    found: np.ndarray = (hidden @ second.T + second_bias)[:, 0]
    return found


@functools.cache
def _network() -> tuple[np.ndarray, ...]:
    found = safetensors.numpy.load_file(WEIGHTS)
    return tuple(found[name].astype(np.float32) for name in TENSORS)


def edges(thumbs: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (N, CELLS * CELLS * DIRECTIONS) of thumbnails (Dalal and Triggs 2005).

    Unlike scikit-image's, directions go all the way round, since black for white turns an edge by half a turn.
    """
    bins = CELLS * CELLS * DIRECTIONS
    found = np.empty((len(thumbs), bins), np.float32)
    cell = np.arange(SIDE) * CELLS // SIDE
    first = (cell[:, None] * CELLS + cell) * DIRECTIONS
    for start in range(0, len(thumbs), 1024):
        block = slice(start, start + 1024)
        down, across = np.gradient(thumbs[block].astype(np.float32), axis=(1, 2))
        strength = np.hypot(down, across)
        turn = np.arctan2(down, across) / (2 * np.pi) % 1 * DIRECTIONS
        lower = np.floor(turn)
        place = np.arange(len(turn))[:, None, None] * bins + first
        # a direction between two bins counts for both, by nearness
        counts = np.zeros((len(turn), bins))
        for step in (0, 1):
            at = place + (lower + step).astype(int) % DIRECTIONS
            share = strength * (1 - np.abs(turn - lower - step))
            counts += np.bincount(at.ravel(), share.ravel(), counts.size).reshape(counts.shape)
        # the root of the share: neither contrast nor one strong edge, such as a letter, decides
        found[block] = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1e-6))
    return found
