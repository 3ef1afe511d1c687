"""RISE (Petsiuk et al. 2018): the effect of showing each place, over random soft masks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import cv2
import numpy as np

from cxr_demo.messages import message
from cxr_demo.methods.base import Step, seed_setting, setting
from cxr_demo.methods.fill import fill_of, fill_setting, removed
from cxr_demo.methods.lime import balanced, independent
from cxr_demo.methods.uncertainty import of_mean
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


@dataclass(frozen=True)
class RISE:
    """Difference of the mean logit where a place is shown and where it is hidden, over soft random masks, per area.

    Departs from the paper: logits instead of probabilities, signed, in logits per reference area, hidden parts blurred
    instead of black, and balanced masks (see LIME): those of a Hadamard matrix share a shift, so that for an additive
    model the effects of all other cells cancel, and the map sums to the effect of covering the whole film. With
    `draw="independent"` masks are drawn as in the paper, and the map is its weighted mean less the mean of all copies,
    scaled by the part of each cell that lies in the view.
    """

    key: ClassVar[str] = "rise"
    title: ClassVar[str] = message("method.rise.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1806.07421"
    cost: ClassVar[Cost] = Cost.SECONDS
    reading: ClassVar[str] = message("method.rise.reading")

    cells: int = setting(7, low=4, high=20, step=1, help=message("setting.rise.cells"))
    rounds: int = setting(6, low=2, high=40, step=1, help=message("setting.rise.rounds"))
    draw: str = setting("balanced", choices=("balanced", "independent"), help=message("setting.rise.draw"))
    fill: str = fill_setting()
    seed: int = seed_setting()

    def copies(self, side: int) -> int:
        """The masked copies of all rounds."""
        return self.rounds * round_of(self.cells)

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """Logits (L,) that covering the whole film takes away."""
        return removed(self.fill, scorer)

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) in logits per reference area, the mean over the rounds so far.

        Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        masks = SoftMasks(x.shape[-1], self.cells, self.rounds, self.draw, np.random.RandomState(self.seed))
        logits = np.zeros((len(masks), len(scorer.base)))
        mean = np.zeros((len(scorer.base), *x.shape[2:]))
        squares = np.zeros_like(mean)  # of the rounds' distances from their mean, updated by Welford's method
        finished = 0
        for done, scores in scorer.scores(masks, fill_of(self.fill, scorer)):
            logits[done] = scores
            while finished < done.stop // masks.round:
                apart = masks.effects(finished, logits) - mean
                finished += 1
                mean = mean + apart / finished
                squares += apart**2 * (1 - 1 / finished)
                if finished < self.rounds:
                    yield Step(mean)
                else:
                    sure, error = of_mean(mean, np.sqrt(squares / (finished - 1)), finished)
                    yield Step(mean, sure=sure, error=error)


def round_of(cells: int) -> int:
    """The number of masks in a round: the rows of a Hadamard matrix with a column per cell, and their complements."""
    return int(2 * 2 ** math.ceil(math.log2((cells + 1) ** 2)))


class SoftMasks:
    """The masks of all rounds: (n, S, S) float32, 1 where the film is hidden.

    Each is a grid of zeros and ones, enlarged bilinearly by `side / cells` and shifted by less than a cell, so that one
    more row and column of cells is needed.
    """

    def __init__(self, side: int, cells: int, rounds: int, draw: str, random: np.random.RandomState) -> None:
        self.round = round_of(cells)
        self._side, self._cell, self._across = side, math.ceil(side / cells), cells + 1
        n = rounds * self.round
        kept = {"balanced": balanced, "independent": independent}[draw](n, self._across**2, random)
        self._kept = kept.reshape(n, self._across, self._across).astype(np.float32)
        # the noise of a cell's effect is the same however little of it lies in the view: no slivers in balanced rounds
        alike, least = (self.round, self._cell // 4) if draw == "balanced" else (1, 0)
        self._shifts = random.randint(least, self._cell - least, (n // alike, 2)).repeat(alike, 0)

    def __len__(self) -> int:
        return len(self._kept)

    def __getitem__(self, where: slice) -> np.ndarray:
        """Masks (n, S, S) float32 of a slice of the samples."""
        return 1 - np.stack([self._enlarged(*one) for one in zip(self._kept[where], self._shifts[where], strict=True)])

    def effects(self, number: int, logits: np.ndarray) -> np.ndarray:
        """Maps (L, S, S) in logits per reference area of one round, from the logits (n, L) of all rounds.

        A cell's effect is the mean logit of the copies that show it less that of the others. It is spread over the
        cell's part of the view in proportion to how far a mask of this cell alone shows each pixel.
        """
        rows = slice(number * self.round, (number + 1) * self.round)
        maps = np.zeros((logits.shape[1], self._side, self._side))
        apart = logits[rows] - logits[rows].mean(0)
        shifts, same = np.unique(self._shifts[rows], axis=0, return_inverse=True)
        for k, shift in enumerate(shifts):
            signs = 2 * self._kept[rows][same == k] - 1
            cells = np.tensordot(apart[same == k], signs, (0, 0)) * (2 / self.round)
            area = np.outer(*(self._enlarging(by).sum(0) for by in shift)) / self._side**2 / REFERENCE_AREA
            cells = np.divide(cells, area, out=np.zeros_like(cells), where=area > 1e-9)
            maps += np.stack([self._enlarged(one, shift) for one in cells])
        return maps

    def _enlarging(self, shift: int) -> np.ndarray:
        """How far each cell of a row shows each pixel of a row of the view: (S, cells + 1)."""
        full = self._across * self._cell
        weights: np.ndarray = cv2.resize(np.eye(self._across), (self._across, full), interpolation=cv2.INTER_LINEAR)
        return weights[shift : shift + self._side]

    def _enlarged(self, grid: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """A grid of cells (cells + 1, cells + 1) as pixels of the view (S, S) float32."""
        down, across = (self._enlarging(by) for by in shift)
        pixels: np.ndarray = (down @ grid @ across.T).astype(np.float32)
        return pixels
