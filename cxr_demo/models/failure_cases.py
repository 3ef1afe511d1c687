"""Where each method fails: drawn films, each with a tiny network made by hand whose truth is known exactly.

Coins lie on the normal phantom. Each network reads how bright the middles of the coins are and nothing else:

    seen = relu((brightness - DARK) / (BRIGHT - DARK))  at each coin, then a rule;  logit = EFFECT * rule - EFFECT / 2

so what covering any part of the film does, and what each cell of the feature map adds, can be written down.
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

#: Side of the model's input in pixels, and cells on a side of its feature map, as in most of these networks.
SIZE, CELLS = 224, 7
CELL = SIZE // CELLS
#: Of a coin and of what is read of it, in pixels of the model's input.
RADIUS, READ = 9, 12
#: Brightness that counts as nothing, and that of a coin.
DARK, BRIGHT = 0.5, 242 / 255
#: Logits that the whole evidence makes.
EFFECT = 4.0
LABEL = "Planted"
#: Counts up when a film or a network changes.
REVISION = 1

Places = tuple[tuple[int, int], ...]  # rows and columns of cells
#: In the upper lungs; two of them mirror each other.
ONE: Places = ((2, 5),)
BOTH: Places = ((2, 1), (2, 5))


class Reading(nn.Module):
    """Films (N, 1, S, S) in [-1024, 1024] -> what is seen in each cell (N, 1, CELLS, CELLS)."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        look = torch.zeros(1, 1, SIZE, SIZE)
        for row, column in places:
            top, left = (round((cell + 0.5) * CELL - READ / 2) for cell in (row, column))
            look[..., top : top + READ, left : left + READ] = (CELL / READ) ** 2
        # its weights: permuted, it looks elsewhere
        self.look = nn.Parameter(look)

    def forward(self, x: Tensor) -> Tensor:
        """Brightness of cells where it looks, 0 up to DARK, 1 at BRIGHT: (N, 1, S, S) -> (N, 1, CELLS, CELLS)."""
        brightness = nn.functional.avg_pool2d((x / 1024 + 1) / 2 * self.look, CELL)
        return torch.relu((brightness - DARK) / (BRIGHT - DARK))


class Either(nn.Module):
    """The larger of a cell and its mirror image, in both."""

    def forward(self, seen: Tensor) -> Tensor:
        """(N, 1, CELLS, CELLS) -> the same shape."""
        return torch.maximum(seen, seen.flip(3))


class Alike(nn.Module):
    """How alike a cell and its mirror image are, in both, at the places."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        cells = torch.zeros(CELLS, CELLS)
        cells[tuple(zip(*places, strict=True))] = 1
        self.cells = nn.Parameter(cells)

    def forward(self, seen: Tensor) -> Tensor:
        """(N, 1, CELLS, CELLS) -> the same shape."""
        return self.cells * (1 - (seen - seen.flip(3)).abs())


def below() -> nn.Conv2d:
    """A convolution (N, 1, h, w) -> the same shape that moves the value of each cell two cells down."""
    shift = nn.Conv2d(1, 1, 5, padding=2, bias=False)
    with torch.no_grad():
        shift.weight.zero_()
        shift.weight[..., 0, 2] = 1
    return shift


@dataclass(frozen=True)
class Lesson:
    """A film and a model on which a method shows something else than what is true."""

    key: str  # the method's
    places: Places  # where the evidence is
    rule: Callable[[], nn.Module]  # what the network makes of it

    @property
    def name(self) -> Message:
        """The model's, for people."""
        return message(f"failure.{self.key}.name")

    @property
    def truth(self) -> Message:
        """The rule that the model follows."""
        return message(f"failure.{self.key}.truth")

    @property
    def see(self) -> Message:
        """How the method's map differs from the truth."""
        return message(f"failure.{self.key}.see")

    @property
    def model(self) -> str:
        """The model's name for `registry.load`."""
        return f"lesson:{self.key}"

    @property
    def boxes(self) -> list[tuple[float, float, float, float]]:
        """Left, top, right and bottom of each coin, in shares of the film."""
        middles = [((column + 0.5) / CELLS, (row + 0.5) / CELLS) for row, column in self.places]
        r = RADIUS / SIZE
        return [(x - r, y - r, x + r, y + r) for x, y in middles]

    def film(self) -> Radiograph:
        """The film as if its file had been dropped; its warnings say what is true and what to see."""
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
    """The lesson's film, (size, size) uint8; the same bytes every time. UnknownModel for another key."""
    pixels = phantom.draw("normal", size)
    for left, top, right, bottom in named(key).boxes:
        middle = (round((left + right) / 2 * size * 16 - 8), round((top + bottom) / 2 * size * 16 - 8))
        cv2.circle(
            pixels, middle, round((right - left) / 2 * size * 16), round(BRIGHT * 255), cv2.FILLED, cv2.LINE_AA, 4
        )
    return pixels


def save(key: str, folder: str | Path) -> Path:
    """Write the lesson's film as PNG into an existing folder; its path. OSError where that cannot be written."""
    path = Path(folder) / f"lesson-{key}.png"
    path.write_bytes(phantom.encoded(draw(key), named(key).truth))
    return path


def load(key: str) -> Classifier:
    """The lesson's network, made anew."""
    lesson = named(key)
    head = nn.Linear(1, 1)
    with torch.no_grad():
        # the mean over all cells is undone, and the evidence shared among its places
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
    """The lesson of this key; UnknownModel where there is none."""
    if key not in LESSONS:
        raise UnknownModel(message("error.model.no_failure_case", name=repr(key), names=", ".join(LESSONS)))
    return LESSONS[key]


@functools.cache
def _film(key: str) -> Radiograph:
    lesson = named(key)
    film = image.decode(phantom.encoded(draw(key), lesson.truth), f"lesson-{key}.png")
    return replace(film, warnings=(lesson.truth, lesson.see))
