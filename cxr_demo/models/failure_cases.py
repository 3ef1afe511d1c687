"""Failure cases of the methods: synthetic films, each with a small hand-made network whose true evidence is known.

Each film is the normal phantom with bright discs (coins). The network reads only the brightness of the coins' centres:

    seen = relu((brightness - DARK) / (BRIGHT - DARK))  at each coin, then a rule;  logit = EFFECT * rule - EFFECT / 2

The effect of masking any part of the film and the contribution of each feature-map cell follow in closed form.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import torch
from torch import Tensor, nn

from cxr_demo.errors import UnknownModel
from cxr_demo.films import image, phantom
from cxr_demo.messages import Message, message
from cxr_demo.models.classifier import Classifier, Network
from cxr_demo.types import ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from cxr_demo.types import Radiograph

#: Side of the model input in pixels and of the feature map in cells, as in most networks of this project.
SIZE, CELLS = 224, 7
CELL = SIZE // CELLS
#: Radius of a coin, and side of the square that the network reads at its centre, in pixels of the model input.
RADIUS, READ = 9, 12
#: Brightness in [0, 1] up to which the network sees nothing, and brightness of a coin.
DARK, BRIGHT = 0.5, 242 / 255
#: Change of the logit, in logits, caused by the whole evidence.
EFFECT = 4.0
LABEL = "Planted"
#: Revision of films and networks, incremented with each change.
REVISION = 1

Places = tuple[tuple[int, int], ...]  # (row, column) of cells
#: Positions of the coins in the upper lungs; the two of BOTH mirror each other.
ONE: Places = ((2, 5),)
BOTH: Places = ((2, 1), (2, 5))


class Reading(nn.Module):
    """A layer that measures the brightness of the cells at `places`, with one weight per pixel of the model input."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        look = torch.zeros(1, 1, SIZE, SIZE)
        for row, column in places:
            top, left = (round((cell + 0.5) * CELL - READ / 2) for cell in (row, column))
            look[..., top : top + READ, left : left + READ] = (CELL / READ) ** 2
        # a parameter, so that weight randomisation moves the places that it reads
        self.look = nn.Parameter(look)

    def forward(self, x: Tensor) -> Tensor:
        """Map films (N, 1, S, S) in [-1024, 1024] to (N, 1, CELLS, CELLS): 0 up to DARK, 1 at BRIGHT."""
        brightness = nn.functional.avg_pool2d((x / 1024 + 1) / 2 * self.look, CELL)
        return torch.relu((brightness - DARK) / (BRIGHT - DARK))


class Either(nn.Module):
    """A rule: the maximum of each cell and its mirror image."""

    def forward(self, seen: Tensor) -> Tensor:
        """Apply the rule: (N, 1, CELLS, CELLS) -> the same shape."""
        return torch.maximum(seen, seen.flip(3))


class Alike(nn.Module):
    """A rule: 1 - |difference| of each cell and its mirror image at `places`, 0 elsewhere."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        cells = torch.zeros(CELLS, CELLS)
        cells[tuple(zip(*places, strict=True))] = 1
        self.cells = nn.Parameter(cells)

    def forward(self, seen: Tensor) -> Tensor:
        """Apply the rule: (N, 1, CELLS, CELLS) -> the same shape."""
        return self.cells * (1 - (seen - seen.flip(3)).abs())


def below() -> nn.Conv2d:
    """Return a rule: a convolution (N, 1, h, w) -> the same shape that moves each cell's value two cells down."""
    shift = nn.Conv2d(1, 1, 5, padding=2, bias=False)
    with torch.no_grad():
        shift.weight.zero_()
        shift.weight[..., 0, 2] = 1
    return shift


@dataclass(frozen=True)
class Lesson:
    """A film and a model for which a method's map differs from the true evidence."""

    key: str  # key of the method
    places: Places  # positions of the evidence
    rule: Callable[[], nn.Module]  # factory of the layer after Reading

    @property
    def name(self) -> Message:
        """The displayed name of the model."""
        return message(f"failure.{self.key}.name")

    @property
    def truth(self) -> Message:
        """A sentence with the model's rule."""
        return message(f"failure.{self.key}.truth")

    @property
    def see(self) -> Message:
        """A sentence on the difference between the method's map and the true evidence."""
        return message(f"failure.{self.key}.see")

    @property
    def model(self) -> str:
        """The model's name for `registry.load`."""
        return f"lesson:{self.key}"

    @property
    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Left, top, right and bottom of each coin, as fractions of the film's side."""
        middles = [((column + 0.5) / CELLS, (row + 0.5) / CELLS) for row, column in self.places]
        r = RADIUS / SIZE
        return [(x - r, y - r, x + r, y + r) for x, y in middles]

    def film(self) -> Radiograph:
        """Return the film as decoded from its PNG file; its warnings are `truth` and `see`."""
        return _film(self.key)


LESSONS = {
    lesson.key: lesson
    for lesson in (
        Lesson("gradcam", ONE, below),
        Lesson("lime", BOTH, partial(Alike, BOTH)),
        Lesson("occlusion", BOTH, Either),
    )
}


def draw(key: str, size: int = phantom.SIZE) -> np.ndarray:
    """Draw a lesson's film, (size, size) uint8; every call gives the same bytes. UnknownModel for an unknown key."""
    pixels = phantom.draw("normal", size)
    for left, top, right, bottom in named(key).boxes:
        middle = (round((left + right) / 2 * size * 16 - 8), round((top + bottom) / 2 * size * 16 - 8))
        cv2.circle(
            pixels, middle, round((right - left) / 2 * size * 16), round(BRIGHT * 255), cv2.FILLED, cv2.LINE_AA, 4
        )
    return pixels


def save(key: str, folder: str | Path) -> Path:
    """Write a lesson's film as PNG into an existing folder and return its path.

    Raises UnknownModel for an unknown key and OSError if writing fails.
    """
    path = Path(folder) / f"lesson-{key}.png"
    path.write_bytes(phantom.encoded(draw(key), named(key).truth))
    return path


def load(key: str) -> Classifier:
    """Build a lesson's model; UnknownModel for an unknown key."""
    lesson = named(key)
    head = nn.Linear(1, 1)
    with torch.no_grad():
        # undo the mean over all cells, and divide the effect among the places
        head.weight.fill_(EFFECT * CELLS**2 / len(lesson.places))
        head.bias.fill_(-EFFECT / 2)
    model = nn.ModuleDict({"reading": Reading(lesson.places), "rule": lesson.rule(), "head": head})
    spec = ModelSpec(
        name=lesson.name,
        architecture="lesson",
        arguments={},
        labels=(LABEL,),
        size=SIZE,
        trained_on=f"Nothing: its weights were written by hand. {lesson.truth}",
        licence="Apache-2.0",
    )
    return Classifier(spec, Network(model, model["reading"], model["rule"], head), f"{lesson.model}@{REVISION}")


def named(key: str) -> Lesson:
    """Return the lesson of a key; UnknownModel for an unknown key."""
    if key not in LESSONS:
        raise UnknownModel(message("error.model.no_failure_case", name=repr(key), names=", ".join(LESSONS)))
    return LESSONS[key]


@functools.cache
def _film(key: str) -> Radiograph:
    """Decode a lesson's PNG like an uploaded file, once per process, and add its warnings."""
    lesson = named(key)
    film = image.decode(phantom.encoded(draw(key), lesson.truth), f"lesson-{key}.png")
    return replace(film, warnings=(lesson.truth, lesson.see))
