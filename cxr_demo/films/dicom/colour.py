"""The luma of colour images (DICOM PS3.3, C.7.6.3.1.2)."""

from __future__ import annotations

import numpy as np

#: Shares of red, green and blue in luma (ITU-R BT.601).
RED, GREEN, BLUE = (np.float32(share) for share in (0.299, 0.587, 0.114))


def luma(samples: np.ndarray, kind: str, bits: int) -> np.ndarray:
    """Return luma (H, W) float32 in [0, 1] of samples (H, W, 3) with so many bits.

    `kind` is their photometric interpretation. Images of luma and chroma become RGB first, and colours beyond red,
    green and blue are clipped, as on a display.
    """
    scale = np.float32(2**bits - 1)
    first, second, third = (samples[..., channel].astype(np.float32) / scale for channel in range(3))
    if kind.startswith(("YBR_FULL", "YBR_PARTIAL")):
        middle = np.float32(2 ** (bits - 1)) / scale
        if kind.startswith("YBR_PARTIAL"):
            first = (first - 16 / scale) * 255 / 219
            second, third = ((chroma - middle) * 255 / 224 + middle for chroma in (second, third))
        first, second, third = _rgb(first, second - middle, third - middle)
    grey: np.ndarray = RED * first + GREEN * second + BLUE * third
    return grey.clip(0, 1)


def _rgb(luma: np.ndarray, blueness: np.ndarray, redness: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Red, green and blue in [0, 1] from luma and from chroma around 0."""
    red = luma + 2 * (1 - RED) * redness
    blue = luma + 2 * (1 - BLUE) * blueness
    green = (luma - RED * red - BLUE * blue) / GREEN
    return red.clip(0, 1), green.clip(0, 1), blue.clip(0, 1)
