"""Drawings that are no chest films, and films that need a correction."""

import cv2
import numpy as np

from cxr_demo.films import image
from train import gate as teaching


def spoilt(pixels: np.ndarray, correction: str) -> np.ndarray:
    """Apply the inverse of a correction to pixels (H, W) uint8."""
    turns, inverted = image.CORRECTIONS[correction]
    turned = np.rot90(pixels, -turns)
    return np.ascontiguousarray(255 - turned if inverted else turned)


def drawings():
    rng = np.random.default_rng(11)
    page = np.full((300, 220), 255, np.uint8)
    for line in range(20, 290, 14):
        cv2.putText(page, "some words of a page", (10, line), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 0)
    chart = np.full((240, 320), 255, np.uint8)
    for x, height in zip(range(30, 300, 40), rng.integers(30, 200, 7), strict=True):
        cv2.rectangle(chart, (x, 220 - int(height)), (x + 25, 220), 60, -1)
    face = np.full((256, 256), 200, np.uint8)
    cv2.circle(face, (128, 128), 90, 90, -1)
    cv2.circle(face, (95, 105), 14, 240, -1)
    cv2.circle(face, (160, 105), 14, 240, -1)
    yield "page", page
    yield "chart", chart
    yield "face", face
    for n in range(10):
        yield f"noise {n}", teaching.noise(rng)


DRAWN = dict(drawings())
