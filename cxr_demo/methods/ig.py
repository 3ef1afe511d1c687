"""Integrated Gradients (Sundararajan et al. 2017): gradients summed on the way from a cover to the film."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.messages import message
from cxr_demo.methods.base import Step, setting
from cxr_demo.methods.fill import fill_of, fill_setting
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer

#: The numbers of steps of the maps, one finer than the other, are those of the setting divided by these.
PARTS = (8, 4, 1)
#: Standard deviation of the noise of `smooth`, as a share of the model's pixel range (Smilkov et al. 2017: 0.1 to 0.2).
NOISE = 0.1
#: Standard deviation of the displays' blur, as a share of the side: that of the page's smooth display.
GRAIN = 1 / 21


@dataclass(frozen=True)
class IntegratedGradients:
    """Each pixel's share of logit(film) - logit(fill), along the straight line from one to the other, per area.

    The integral is by Gauss and Legendre's rule with `steps` points. The map sums to the difference of the logits, but
    for the error of the rule. With `smooth` above 1 it is the mean over copies of the film with Gaussian noise
    (SmoothGrad, Smilkov et al. 2017, arXiv:1706.03825), and sums to the mean of their differences.
    """

    key: ClassVar[str] = "ig"
    title: ClassVar[str] = message("method.ig.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1703.01365"
    cost: ClassVar[Cost] = Cost.MINUTE
    reading: ClassVar[str] = message("method.ig.reading")

    steps: int = setting(24, low=8, high=256, step=4, help=message("setting.ig.steps"))
    smooth: int = setting(1, low=1, high=32, step=1, help=message("setting.ig.smooth"))
    fill: str = fill_setting()

    def copies(self, side: int) -> int:
        """One copy per step and noisy film, for the first map too, and the film wholly covered."""
        return sum(self.steps // part for part in PARTS) * self.smooth + 1

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """Logits (L,) that covering the whole film takes away."""
        lost: np.ndarray = scorer.base - scorer.logits(fill_of(self.fill, scorer))  # in float32, as the gradients
        return lost

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) in logits per reference area: from few steps, then from all.

        Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        total = self.expected_sums(scorer)
        line = Line(x, fill_of(self.fill, scorer), self.steps, self._noise(scorer, x))
        found = np.zeros((len(scorer.base), *x.shape[2:]))
        for number, gradients in enumerate(scorer.gradients(line)):
            found += line.part(number, gradients)
            if number + 1 in line.ends:
                # noisy films have other scores, so that the map's sum stands for another difference
                missing = total - found.sum((1, 2)) if self.smooth == 1 else None
                yield Step(found * (x[0, 0].numel() * REFERENCE_AREA), missing=missing, grain=GRAIN)
                found = np.zeros_like(found)

    def _noise(self, scorer: Scorer, x: Tensor) -> list[Tensor]:
        """The noise (1, 1, S, S) of each copy; zeros for one without `smooth`."""
        if self.smooth == 1:
            return [x.new_zeros(x.shape)]
        random = np.random.RandomState(0)
        low, high = scorer.classifier.spec.pixel_range
        return [x.new_tensor(random.normal(0, NOISE * (high - low), x.shape)) for _ in range(self.smooth)]


class Line:
    """Points on the lines from the fill to noisy copies of a film: those of each map, one after the other."""

    def __init__(self, x: Tensor, fill: Tensor, steps: int, noise: list[Tensor]) -> None:
        self._fill, self._ways = fill, [x + one - fill for one in noise]
        self._places: list[float] = []
        self._weights: list[float] = []
        #: the number of points up to the end of each map
        self.ends: list[int] = []
        for part in PARTS:
            nodes, weights = np.polynomial.legendre.leggauss(steps // part)
            self._places += [(one + 1) / 2 for one in nodes for _ in noise]
            self._weights += [one / 2 / len(noise) for one in weights for _ in noise]
            self.ends.append(len(self._places))

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Tensor:
        """A point as a model input (1, 1, S, S)."""
        return self._fill + self._places[number] * self._ways[number % len(self._ways)]

    def part(self, number: int, gradients: np.ndarray) -> np.ndarray:
        """A point's part (L, S, S) of the integral, from the gradients (L, S, S) of the logits there."""
        way = self._ways[number % len(self._ways)][0, 0].cpu().numpy()
        part: np.ndarray = self._weights[number] * way * gradients
        return part
