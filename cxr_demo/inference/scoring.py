"""The logits of many altered copies of one image: what every perturbation method asks for.

The turn is taken per batch, not per request, so that a new film's prediction goes before anyone's next batch.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from cxr_demo.errors import Cancelled, DeadlinePassed
from cxr_demo.inference.engine import engine_of
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.messages import decimal, message

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.engine import Engine
    from cxr_demo.models.classifier import Classifier


class Budget:
    """How long a computation may go on: until a time has passed or somebody calls it off."""

    def __init__(self, seconds: float | None = None, cancelled: threading.Event | None = None) -> None:
        self._seconds = seconds
        self._started = time.monotonic()
        self._cancelled = cancelled

    def check(self) -> None:
        """Nothing while it may go on; Cancelled or DeadlinePassed where it must end."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled
        if self._seconds is not None and time.monotonic() - self._started >= self._seconds:
            raise DeadlinePassed(message("error.stopped.deadline", seconds=decimal(f"{self._seconds:g}")))


class Masks(Protocol):
    """Covers for copies of one image, made batch by batch; 1 is covered, 0 left as it is."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> np.ndarray:
        """(n, S, S) float32 in [0, 1]."""
        ...


@dataclass(frozen=True, eq=False)
class FirstPass:
    """What the model makes of an image itself, known once for all who ask about altered copies of it."""

    x: Tensor  # (1, 1, S, S), the image
    features: Tensor  # (1, C, h, w), from float32
    lacks: dict[str, np.ndarray] = field(default_factory=dict)  # (L,) logits, by the arithmetic that lacks them


class Scorer:
    """What the model says of one image and of its altered copies.

    `features` (1, C, h, w) and `base` (L,) are of the image itself, from one pass in float32, which `forwards` counts.
    `steps` tells how many of the altered copies asked for so far are scored, `precision` in what arithmetic.
    """

    def __init__(self, classifier: Classifier, x: Tensor, budget: Budget, first: FirstPass | None = None) -> None:
        self.classifier = classifier
        self.x = x
        self._first = first or FirstPass(x, first_pass(classifier, x))
        self.features = self._first.features
        self.base = logits_of(classifier, self.features)
        self.forwards = 1
        self.precision = "float32"
        self._budget = budget
        self._done = self._asked = 0

    @property
    def steps(self) -> tuple[int, int]:
        """(altered copies scored, asked for so far)."""
        return self._done, self._asked

    def scores(self, masks: Masks, fill: Tensor) -> Iterator[tuple[slice, np.ndarray]]:
        """Logits (n, L) of `x * (1 - mask) + fill * mask`, batch by batch; fill is (1, 1, S, S).

        They come from the model's quickest engine, shifted so that the unaltered image has exactly `base`.
        Raises Cancelled or DeadlinePassed before a batch that the budget does not allow.
        """
        self._asked += len(masks)
        self._budget.check()
        engine = engine_of(self.classifier)
        self.precision = engine.precision
        shift = self._shift(engine)
        for start in range(0, len(masks), engine.batch):
            where = slice(start, min(start + engine.batch, len(masks)))
            covers = masks[where]
            with SCHEDULER.take(Priority.EXPLANATION):
                self._budget.check()
                logits = engine.logits(covers, self.x, fill)
            self.forwards += len(covers)
            self._done += len(covers)
            yield where, logits + shift

    def _shift(self, engine: Engine) -> np.ndarray:
        """What the engine's answer for the image itself lacks, which it lacks in altered copies too."""
        if engine.exact:
            return np.zeros_like(self.base)
        lacks = self._first.lacks
        if engine.precision not in lacks:
            with SCHEDULER.take(Priority.EXPLANATION):
                own = engine.logits(np.zeros((1, *self.x.shape[2:]), np.float32), self.x, self.x)
            lacks[engine.precision] = self.base - own[0]
        self.forwards += 1  # as the first pass, it counts for everybody who needs it
        return lacks[engine.precision]


def first_pass(classifier: Classifier, x: Tensor) -> Tensor:
    """The feature maps (N, C, h, w) of images themselves (N, 1, S, S), in the turn of a prediction."""
    with SCHEDULER.take(Priority.PREDICTION):
        return classifier.features(x)


def logits_of(classifier: Classifier, features: Tensor) -> np.ndarray:
    """Logits (L,) float32 of a feature map (1, C, h, w)."""
    weight, bias = classifier.head
    logits: np.ndarray = (features.mean((2, 3)) @ weight.T + bias)[0].float().cpu().numpy()
    return logits
