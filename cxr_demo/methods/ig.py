"""Integrated Gradients (Sundararajan et al. 2017): gradients summed on the way from a cover to the film."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.messages import message
from cxr_demo.methods.base import SHOWN, Step, setting
from cxr_demo.methods.fill import fill_of, fill_setting
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer

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
        """One copy per step and noisy film, and the film wholly covered."""
        return self.steps * self.smooth + 1

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """Logits (L,) that covering the whole film takes away."""
        lost: np.ndarray = scorer.base - scorer.logits(fill_of(self.fill, scorer))  # in float32, as the gradients
        return lost

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) in logits per reference area: from few steps of the line, spread over it, then from all.

        Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        total = self.expected_sums(scorer)
        line = Line(x, fill_of(self.fill, scorer), self.steps, self._noise(scorer, x))
        shown = {math.ceil(share * len(line)) for share in SHOWN}
        found, covered = np.zeros((len(scorer.base), *x.shape[2:])), 0.0
        for number, gradients in enumerate(scorer.gradients(line)):
            found += line.part(number, gradients)
            covered += line.weight(number)
            if number + 1 in shown:
                values = found / covered
                # noisy films have other scores, so that the map's sum stands for another difference
                missing = total - values.sum((1, 2)) if self.smooth == 1 else None
                yield Step(values * (x[0, 0].numel() * REFERENCE_AREA), missing=missing, grain=GRAIN)

    def _noise(self, scorer: Scorer, x: Tensor) -> list[Tensor]:
        """The noise (1, 1, S, S) of each copy; zeros for one without `smooth`."""
        if self.smooth == 1:
            return [x.new_zeros(x.shape)]
        random = np.random.RandomState(0)
        low, high = scorer.classifier.spec.pixel_range
        return [x.new_tensor(random.normal(0, NOISE * (high - low), x.shape)) for _ in range(self.smooth)]


class Line:
    """Points on the lines from the fill to noisy copies of a film, line by line; each beginning is spread evenly."""

    def __init__(self, x: Tensor, fill: Tensor, steps: int, noise: list[Tensor]) -> None:
        self._fill, self._ways = fill, [x + one - fill for one in noise]
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        self._places, self._weights = (nodes + 1) / 2, weights / 2
        self._order = spread(steps)

    def __len__(self) -> int:
        return len(self._order) * len(self._ways)

    def __getitem__(self, number: int) -> Tensor:
        """A point as a model input (1, 1, S, S)."""
        return self._fill + float(self._places[self._node(number)]) * self._way(number)

    def weight(self, number: int) -> float:
        """A point's share of the lines; all shares sum to 1."""
        return float(self._weights[self._node(number)]) / len(self._ways)

    def part(self, number: int, gradients: np.ndarray) -> np.ndarray:
        """A point's part (L, S, S) of the integral, from the gradients (L, S, S) of the logits there."""
        part: np.ndarray = self.weight(number) * self._way(number)[0, 0].cpu().numpy() * gradients
        return part

    def _node(self, number: int) -> int:
        return self._order[number % len(self._order)]

    def _way(self, number: int) -> Tensor:
        return self._ways[number // len(self._order)]


def spread(n: int) -> list[int]:
    """The numbers below n in an order whose every beginning is spread evenly (van der Corput 1935, base 2)."""
    bits = n.bit_length()
    # bit reversal of k / 2^bits; times n, two of them may fall on one number, which counts once
    order = (int(f"{k:0{bits}b}"[::-1], 2) * n >> bits for k in range(1, 2**bits))
    return list(dict.fromkeys(order))
