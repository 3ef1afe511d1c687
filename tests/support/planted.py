"""A network with known evidence: each logit is linear in the mean brightness within a box of the film.

    logit = strength * mean brightness in the box + bias

The class activation map and the effect of covering any part follow exactly. The strengths differ, so that a map of
the wrong finding fails; one is negative, one is zero.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from cxr_demo.films import image
from cxr_demo.models.classifier import Classifier, Network
from cxr_demo.types import Explanation, ModelSpec, Radiograph, Unit

SIZE = 128
CELL = 16  # the feature map is SIZE / CELL on a side


@dataclass(frozen=True)
class Spot:
    top: int
    left: int
    strength: float
    side: int = 32

    @property
    def box(self):
        return np.s_[self.top : self.top + self.side, self.left : self.left + self.side]

    def near(self, row, column, margin=CELL):
        rows = self.top - margin <= row < self.top + self.side + margin
        return rows and self.left - margin <= column < self.left + self.side + margin


# Left and Right are point reflections of each other, so that only strength and place differ
SPOTS = {
    "Left": Spot(32, 16, 0.9),
    "Right": Spot(64, 80, 0.6),
    "Against": Spot(80, 16, -0.8),
    "Nothing": Spot(16, 80, 0.0),
}
LABELS = tuple(SPOTS)
BIAS = np.array([-0.4, 0.1, 0.2, 0.3], np.float32)
BRIGHT, DARK = 0.8, 0.2


class Boxes(nn.Module):
    """Images (N, 1, S, S) in a pixel range -> mean brightness within each box, per cell (N, L, cells, cells)."""

    def __init__(self, spots, size, pixel_range):
        super().__init__()
        self.low, self.high = pixel_range
        boxes = torch.zeros(len(spots), size, size)
        for box, spot in zip(boxes, spots, strict=True):
            box[spot.box] = 1
        self.register_buffer("boxes", boxes)
        self.head = nn.Linear(len(spots), len(spots))
        self.images = 0

    def forward(self, x):
        self.images += len(x)
        return nn.functional.avg_pool2d((x - self.low) / (self.high - self.low) * self.boxes, CELL)


def classifier(spots=SPOTS, *, size=SIZE, pixel_range=(-1024.0, 1024.0), bias=BIAS):
    """A classifier with evidence at these spots; its `images()` returns the number of images scored so far."""
    model = Boxes(spots.values(), size, pixel_range)
    with torch.no_grad():
        model.head.weight.copy_(torch.diag(torch.tensor([s.strength * (size / s.side) ** 2 for s in spots.values()])))
        model.head.bias.copy_(torch.from_numpy(bias[: len(spots)]))
    spec = ModelSpec(
        name="planted", architecture="planted", arguments={}, labels=tuple(spots), size=size,
        trained_on="nothing", licence="Apache-2.0", pixel_range=pixel_range,
    )  # fmt: skip
    made = Classifier(spec, Network(model, nn.Identity(), model, model.head), "test:planted@1")
    made.images = lambda: model.images
    return made


def pixels(spots=SPOTS, size=SIZE):
    """A dark film (S, S) with a bright box at each spot, and weak noise for the superpixel segmentation."""
    values = np.full((size, size), DARK, np.float32)
    for spot in spots.values():
        values[spot.box] = BRIGHT
    return values + np.random.default_rng(5).uniform(-0.05, 0.05, values.shape).astype(np.float32)


def film(values=None, name="planted.png"):
    """A film of these pixels (H, W) in [0, 1], by default those of `pixels`."""
    values = np.array(pixels() if values is None else values, np.float32)
    values.flags.writeable = False
    return Radiograph(values, image.centre_square(*values.shape), name, hashlib.sha256(values.tobytes()).hexdigest())


def density(values, spots=SPOTS):
    """Contribution of each pixel to each logit (L, S, S); a finding's map sums to logit - bias."""
    carried = np.zeros((len(spots), *values.shape))
    for part, spot in zip(carried, spots.values(), strict=True):
        part[spot.box] = spot.strength * values[spot.box] / spot.side**2
    return carried


def explanation(values, **more):
    """An explanation with these maps (3, H, W) and the fields of a LIME run."""
    known = {"seconds": 1.234, "forwards": 7, "steps": (3, 9), "settings": {}, "model": "m", "precision": "float32"}
    return Explanation("lime", tuple("abc"), values, Unit.LOGIT, **{**known, **more})
