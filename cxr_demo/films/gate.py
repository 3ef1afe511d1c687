"""Detect whether an image is an upright frontal chest film, in log-odds, from histograms of oriented gradients.

A film that is one is also checked for unusual grey values. `python -m train gate` trains the network and learns the
usual values; bundled/gate/README.md gives its training data and error rates.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors.numpy

from cxr_demo.films import framing, greys, image
from cxr_demo.messages import Message, message, slug

if TYPE_CHECKING:
    from cxr_demo.types import Radiograph

WEIGHTS = Path(__file__).parents[1] / "bundled" / "gate" / "gate.safetensors"
TENSORS = ("hidden.weight", "hidden.bias", "out.weight", "out.bias")
#: The tensor of the limits of grey values, see `greys.warning`.
GREYS = "greys"

#: Side of the thumbnail in pixels; side of the histogram grid in cells, and direction bins per cell.
SIDE = 64
CELLS, DIRECTIONS = 8, 8

#: For each correction, the description of a film that needs it.
LOOKS = {correction: message(f"correction.{slug(correction)}.looks") for correction in image.CORRECTIONS}

#: Least width of two films side by side, in heights of the picture.
PAIR = 1.4

NO_CHEST_FILM = message("warning.no_chest_film")


@dataclass(frozen=True)
class Look:
    """The gate's result for one film: it passes if its log-odds of being an upright frontal chest film are >= 0."""

    as_is: float  # log-odds of the film as stored
    correction: str | None = None  # the correction that makes a failing film pass, as image.corrected takes it
    part: framing.Rectangle | None = None  # the film in a picture with margins, kept by the correction
    lost: float = 0.0  # share of the view in the margins
    pair: bool = False  # whether two films seem to lie side by side
    greys: Message | None = None  # the warning about unusual grey values of a film that passes

    @property
    def passes(self) -> bool:
        """Whether the film passes without a correction."""
        return self.as_is >= 0 and self.part is None

    @property
    def says(self) -> tuple[Message, ...]:
        """Warnings for the reader; empty if the film passes and its grey values are usual."""
        if self.passes:
            return (self.greys,) if self.greys else ()
        if self.pair:
            return (message("warning.two_films"),)
        if self.correction:
            margins = (message("warning.margins", share=f"{100 * self.lost:.0f}"),) if self.part else ()
            way = self.correction.removeprefix(image.CROP_AND)
            return (*margins, *([message("warning.looks", looks=LOOKS[way])] if way in LOOKS else []))
        return (NO_CHEST_FILM,)


def look(film: Radiograph) -> Look:
    """Score a film as stored; if its log-odds are negative or it has margins, find the correction that makes it pass.

    Margins count only if the part within them passes as it lies, or in another orientation while the whole does not.
    Those of a corrected film stay. Grey values are compared on films that pass: another picture has no usual ones, and
    a film is corrected first.
    """
    as_is, way = _orientation(thumb(film))
    part = framing.film_in(film.pixels) if film.correction is None else None
    if part is not None:
        inner = image.corrected(film, image.CROP)
        passed, turned = _orientation(thumb(inner))
        if passed >= 0 or (turned and as_is < 0):
            lost = framing.lost_view(film.pixels.shape, part)
            return Look(as_is, image.CROP_AND + turned if turned else image.CROP, part, lost)
    if as_is >= 0:
        return Look(as_is, greys=greys.warning(film, _limits()))
    return Look(as_is, pair=True) if _is_pair(film) else Look(as_is, way)


def _is_pair(film: Radiograph) -> bool:
    """Whether a wide picture has a chest film in its left or right half, whose neighbour may be a lateral one."""
    height, width = film.pixels.shape
    if width < PAIR * height:
        return False
    halves = film.pixels[:, : width // 2], film.pixels[:, -(width // 2) :]
    alone = [replace(film, pixels=half, crop=image.centre_square(*half.shape)) for half in halves]
    return bool((scores(np.stack([thumb(half) for half in alone])) >= 0).any())


def _orientation(seen: np.ndarray) -> tuple[float, str | None]:
    """Log-odds of a thumbnail as it lies; if they are negative, also the key of image.CORRECTIONS that it needs."""
    as_is = float(scores(seen[None])[0])
    if as_is >= 0:
        return as_is, None
    ways = image.CORRECTIONS.values()
    corrected = scores(np.stack([np.rot90(255 - seen if inverted else seen, turns) for turns, inverted in ways]))
    best = int(corrected.argmax())
    return as_is, list(image.CORRECTIONS)[best] if corrected[best] >= 0 else None


def thumb(film: Radiograph) -> np.ndarray:
    """Return the gate's input: the central square of a film as (SIDE, SIDE) uint8."""
    small: np.ndarray = np.rint(image.view(film, SIDE) * 255).astype(np.uint8)
    return small


def scores(thumbs: np.ndarray) -> np.ndarray:
    """Return log-odds (N,) that thumbnails (N, SIDE, SIDE) uint8 show upright frontal chest films."""
    first, first_bias, second, second_bias = _network()
    hidden = np.maximum(edges(thumbs) @ first.T + first_bias, 0)
    found: np.ndarray = (hidden @ second.T + second_bias)[:, 0]
    return found


@functools.cache
def _network() -> tuple[np.ndarray, ...]:
    """Weights and biases of both layers in the order of TENSORS, float32, read once."""
    found = safetensors.numpy.load_file(WEIGHTS)
    return tuple(found[name].astype(np.float32) for name in TENSORS)


@functools.cache
def _limits() -> np.ndarray:
    """Limits of grey values (2, measures), read once."""
    limits: np.ndarray = safetensors.numpy.load_file(WEIGHTS)[GREYS]
    return limits


def edges(thumbs: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005) of thumbnails: (N, CELLS * CELLS * DIRECTIONS) float32.

    Directions cover 360 degrees, unlike scikit-image's 180: inverting a film rotates its gradients by 180 degrees.
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
        # linear interpolation: a direction between two bins counts towards both
        counts = np.zeros((len(turn), bins))
        for step in (0, 1):
            at = place + (lower + step).astype(int) % DIRECTIONS
            share = strength * (1 - np.abs(turn - lower - step))
            counts += np.bincount(at.ravel(), share.ravel(), counts.size).reshape(counts.shape)
        # shares remove contrast; the square root limits the weight of one strong edge, such as a letter
        found[block] = np.sqrt(counts / np.maximum(counts.sum(1, keepdims=True), 1e-6))
    return found
