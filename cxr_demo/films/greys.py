"""Compare a film's grey values with those of the films that models are trained on, to find films read wrongly.

`python -m train gate` learns the limits; bundled/gate/README.md gives their error rates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.messages import Message, decimal, message

if TYPE_CHECKING:
    from cxr_demo.types import Radiograph

#: Grey levels of a histogram.
LEVELS = 256
#: Shares of a film's pixels, whose quantiles are compared: at few pixels lie marks and borders.
SHARES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
#: Rows and columns of the crop that are counted at least, if it has as many.
SAMPLED = 128


def warning(film: Radiograph, limits: np.ndarray) -> Message | None:
    """The warning about a film whose grey values are unusual, None for other films.

    `limits` (2, len(SHARES) + 1) are the least and the greatest usual values of `measures`. The warning names the
    quantile farthest outside its limits; few grey levels are named where all quantiles are usual, since a film read too
    dark has few of them too.
    """
    *found, levels = measures(histogram(film)[None])[0]
    outside = np.stack([limits[0, :-1] - found, found - limits[1, :-1]])
    side, at = np.unravel_index(outside.argmax(), outside.shape)
    if outside[side, at] <= 0:
        few = levels < limits[0, -1]
        return message("warning.read.few_levels", count=round(levels * LEVELS), levels=LEVELS) if few else None
    dark = side == 0
    share = SHARES[at] if dark else 1 - SHARES[at]
    value, usual = (decimal(f"{number:.2f}") for number in (found[at], limits[side, at]))
    return message(
        "warning.read.dark" if dark else "warning.read.bright", share=round(100 * share), value=value, usual=usual
    )


def histogram(film: Radiograph) -> np.ndarray:
    """Pixels (LEVELS,) of the film's crop by grey level, counted on a regular sample of its rows and columns."""
    c = film.crop
    step = max(1, c.side // SAMPLED)
    sample = film.pixels[c.top : c.top + c.side : step, c.left : c.left + c.side : step]
    return np.bincount(np.rint(sample * (LEVELS - 1)).astype(np.uint8).ravel(), minlength=LEVELS)


def measures(histograms: np.ndarray) -> np.ndarray:
    """Quantiles in [0, 1] at SHARES, then the share of grey levels in use: (N, len(SHARES) + 1) of (N, LEVELS)."""
    below = histograms.cumsum(1) / histograms.sum(1, keepdims=True)
    quantiles = [(below < share).sum(1) / (LEVELS - 1) for share in SHARES]
    return np.stack([*quantiles, (histograms > 0).mean(1)], 1)
