"""Score masked copies of one image, in logits, for every perturbation method.

Each batch takes its own turn of the scheduler, so a new film's prediction runs before the next batch.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from cxr_demo.errors import Cancelled, DeadlinePassed
from cxr_demo.inference.engine import engine_of
from cxr_demo.inference.gradients import cells_of, gradients_at
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.messages import decimal, message

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.engine import Engine
    from cxr_demo.models.classifier import Classifier


class Budget:
    """The limits of a computation: a number of seconds and an event that cancels it, both optional.

    Waits for a `turn` do not count: several computations side by side may each take all their seconds.
    """

    def __init__(self, seconds: float | None = None, cancelled: threading.Event | None = None) -> None:
        self._seconds = seconds
        self._started = time.monotonic()
        self._cancelled = cancelled

    def check(self) -> None:
        """Raise Cancelled if the event is set, or DeadlinePassed if the time is up."""
        if self._cancelled is not None and self._cancelled.is_set():
            raise Cancelled
        if self._seconds is not None and time.monotonic() - self._started >= self._seconds:
            raise DeadlinePassed(message("error.stopped.deadline", seconds=decimal(f"{self._seconds:g}")))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn of the scheduler and hold it while the block runs. Raises as `check` when the turn comes."""
        asked = time.monotonic()
        with SCHEDULER.take(Priority.EXPLANATION):
            self._started += time.monotonic() - asked
            self.check()
            yield


class Masks(Protocol):
    """Covers of the copies of one image, computed batch by batch; 1 is masked, 0 is unchanged."""

    def __len__(self) -> int: ...

    def __getitem__(self, where: slice, /) -> np.ndarray:
        """Return the covers (n, S, S) float32 in [0, 1] of a slice."""
        ...


class Points(Protocol):
    """Model inputs, computed one by one."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> Tensor:
        """Return a model input (1, 1, S, S)."""
        ...


@dataclass(frozen=True, eq=False)
class FirstPass:
    """The model's results for the unmasked image, shared by all scorers of its masked copies."""

    x: Tensor  # (1, 1, S, S), the image
    features: Tensor  # (1, C, h, w), in float32
    logits: np.ndarray  # (L,) float32
    lacks: dict[str, np.ndarray] = field(default_factory=dict)  # (L,) float32 logits minus the engine's, by precision
    unplanted: Tensor | None = None  # (1, 1, S, S), a phantom without its planted finding


class Scorer:
    """Logits of one image and of its masked copies.

    `features` (1, C, h, w) and `base` (L,) come from one float32 pass of the unmasked image. `forwards` counts that
    pass and all later ones. `precision` is the precision of the masked copies' logits. `unplanted` (1, 1, S, S) is the
    same image without its finding, which is known of phantoms alone.
    """

    def __init__(self, classifier: Classifier, x: Tensor, budget: Budget, first: FirstPass | None = None) -> None:
        self.classifier = classifier
        self.x = x
        self._first = first or first_passes(classifier, x)[0]
        self.features = self._first.features
        self.unplanted = self._first.unplanted
        self.base = self._first.logits
        self.forwards = 1
        self.precision = "float32"
        self._budget = budget
        self._done = self._asked = 0

    @property
    def steps(self) -> tuple[int, int]:
        """Numbers of masked copies scored and requested so far."""
        return self._done, self._asked

    def scores(self, masks: Masks, fill: Tensor) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices and logits (n, L) of `x * (1 - mask) + fill * mask`, batch by batch; fill is (1, 1, S, S).

        The model's fastest engine computes them; a constant shift makes the unmasked image's logits equal `base`.
        Raises Cancelled or DeadlinePassed before the first batch that exceeds the budget.
        """
        self._asked += len(masks)
        self._budget.check()
        engine = engine_of(self.classifier)
        self.precision = engine.precision
        shift = self._shift(engine)
        for start in range(0, len(masks), engine.batch):
            where = slice(start, min(start + engine.batch, len(masks)))
            covers = masks[where]
            with self._budget.turn():
                logits = engine.logits(covers, self.x, fill)
            self.forwards += len(covers)
            self._done += len(covers)
            yield where, logits + shift

    def gradients(self, points: Points) -> Iterator[np.ndarray]:
        """Yield the gradients (L, S, S) of all logits at model inputs (1, 1, S, S), input by input, in float32.

        Raises as `scores`, also before the backward pass of each finding.
        """
        self.precision = "float32"
        self._asked += len(points)
        for number in range(len(points)):
            gradients = gradients_at(self.classifier, points[number], self._budget.turn)
            self.forwards += 1
            self._done += 1
            yield gradients

    def cells(self) -> np.ndarray:
        """Each cell's part (L, h, w) of the image's logits by Grad-CAM, see `cells_of`. Raises as `scores`."""
        with self._budget.turn():
            return cells_of(self.classifier, self.x, self.features)

    def constant(self) -> np.ndarray:
        """Logits (L,) of the image with an empty feature map: the bias, if the network ends in a linear layer."""
        with self._budget.turn(), torch.no_grad():
            empty = self.classifier.network.rest(torch.zeros_like(self.features), self.x)
        constant: np.ndarray = empty[0].float().cpu().numpy()
        return constant

    def logits(self, x: Tensor) -> np.ndarray:
        """Logits (L,) float32 of another model input (1, 1, S, S). Raises as `scores`."""
        self._asked += 1
        with self._budget.turn():
            logits: np.ndarray = self.classifier.logits(x)[0].float().cpu().numpy()
        self.forwards += 1
        self._done += 1
        return logits

    def _shift(self, engine: Engine) -> np.ndarray:
        """Error (L,) of the engine's logits for the unmasked image, which masked copies share; 0 for exact engines."""
        if engine.exact:
            return np.zeros_like(self.base)
        lacks = self._first.lacks
        if engine.precision not in lacks:
            with self._budget.turn():
                own = engine.logits(np.zeros((1, *self.x.shape[2:]), np.float32), self.x, self.x)
            lacks[engine.precision] = self.base - own[0]
        self.forwards += 1  # like the first pass, it counts for every scorer that uses it
        return lacks[engine.precision]


def first_passes(classifier: Classifier, x: Tensor) -> list[FirstPass]:
    """Return the model's results for unmasked images (N, 1, S, S), at the priority of a prediction."""
    with SCHEDULER.take(Priority.PREDICTION):
        features, logits = classifier.first(x)
    found = zip(x[:, None], features[:, None], logits.float().cpu().numpy(), strict=True)
    return [FirstPass(*one) for one in found]
