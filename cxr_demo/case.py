"""One model applied to one film: its prediction (logits) and its maps, timed and checked."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from cxr_demo.errors import CxrError, ModelError, Stopped, sentence_of
from cxr_demo.films import gate, image, phantom
from cxr_demo.inference.scoring import Budget, FirstPass, Scorer, first_passes
from cxr_demo.messages import message
from cxr_demo.methods.base import values_of
from cxr_demo.types import Explanation, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from torch import Tensor

    from cxr_demo.methods.base import Method, Step
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Radiograph

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Logits:
    """A film's logits (L,) float32, which many films' are computed together."""

    values: np.ndarray


class Case:
    """One model and one film: predicts, explains, and computes their shared intermediate results once.

    `chosen` is the model as given. `model` makes the predictions for this film: `chosen` itself, or, for a run of
    several folds, the fold whose training data did not contain the film's patient.
    `known` holds the shared results by type. They do not refer to the model, so a caller that creates a new Case per
    request can store the dictionary with the film. Results live exactly as long as this dictionary.
    """

    def __init__(self, model: Classifier, film: Radiograph, known: dict[type, Any] | None = None) -> None:
        self.chosen = model
        self.model = model.for_film(film)
        self.film = film
        self._known: dict[type, Any] = {} if known is None else known

    def once(self, kind: type[T], make: Callable[[], T]) -> T:
        """The shared result of type `kind`, computed at the first call; if `make` raises, the next call tries again."""
        if kind not in self._known:
            self._known.setdefault(kind, make())  # if two threads compute it, both get the first result
        found: T = self._known[kind]
        return found

    @property
    def first(self) -> FirstPass:
        """The model input (1, 1, S, S) and its feature map (1, C, h, w), from one forward pass in float32."""
        return self.once(FirstPass, self._first_pass)

    def scorer(self, budget: Budget | None = None) -> Scorer:
        """A scorer of masked copies of the film. It reuses the first pass; without a budget it has no time limit."""
        return Scorer(self.model, self.first.x, budget or Budget(), self.first)

    def predict(self) -> Prediction:
        """The model's prediction for the film; ModelError if a logit is not finite."""
        model, film = self.model, self.film
        logits = self.once(Logits, lambda: Logits(self.first.logits)).values
        if not np.isfinite(logits).all():
            raise ModelError(message("error.model.no_logits", model=model.name, film=film.name))
        look = gate.look(film)
        return Prediction(
            labels=model.labels,
            logits=_frozen(logits),
            probabilities=_frozen(model.probabilities(logits)),
            thresholds=_frozen(model.thresholds),
            model=model.name,
            warnings=(*look.says, *film.warnings),
            doubted=not look.passes,
            correction=look.correction,
            part=look.part.shares(film.pixels.shape) if look.part else None,
            exclusive=model.network.exclusive,
        )

    def explain(self, method: Method, *, budget: Budget | None = None) -> Generator[Explanation, None, None]:
        """Yield one method's maps (L, S, S) of all findings, coarse ones first; each is a full Explanation.

        The last one is `complete`, or names in `stopped` the reason for an early end; it then holds the last finished
        map, or zeros if the run finished none. BadSetting at the call for a setting out of range; CxrError for a map
        that is not finite or has the wrong shape. Closing the iterator ends the computation.
        """
        return self._explain(method, values_of(method), budget or Budget())

    def last_explanation(self, method: Method, *, budget: Budget | None = None) -> Explanation:
        """The last explanation of a run of `explain`: the result, or the latest map if the run was stopped."""
        *_, last = self.explain(method, budget=budget)
        return last

    def _explain(
        self, method: Method, settings: Mapping[str, Any], budget: Budget
    ) -> Generator[Explanation, None, None]:
        started = time.perf_counter()
        record = _Record(self.model, method, settings)
        last: Explanation | None = None
        try:
            budget.check()
            scorer = self.scorer(budget)
            held = False
            with closing(_steps(method, scorer)) as steps:
                for step in steps:
                    if held and last is not None:
                        yield last
                    last = record(step, scorer, time.perf_counter() - started)
                    # once all copies are scored, this map is most likely the last: hold it back until the method ends
                    held = scorer.steps[0] == scorer.steps[1]
                    if not held:
                        yield last
        except Stopped as stop:
            seconds = time.perf_counter() - started
            found = record.empty(seconds)
            if last is not None:  # its cost is that of the whole run
                found = replace(last, seconds=seconds, forwards=scorer.forwards)
            yield replace(found, stopped=sentence_of(stop))
            return
        if last is None:
            raise CxrError(f"{method.title} returned no map.")
        yield replace(last, seconds=time.perf_counter() - started, complete=True)

    def _first_pass(self) -> FirstPass:
        x, unplanted = self._input(self.film), phantom.unplanted(self.film)
        [first] = first_passes(self.model, x)
        return replace(first, unplanted=None if unplanted is None else self._input(unplanted))

    def _input(self, film: Radiograph) -> Tensor:
        x = torch.from_numpy(image.model_input(film, self.model.size, self.model.spec.pixel_range))
        return x.to(next(self.model.network.parameters()))


def maps_of_inputs(model: Classifier, inputs: Tensor, method: Method, budget: Budget | None = None) -> np.ndarray:
    """A method's final maps (N, L, S, S) for arbitrary model inputs (N, 1, S, S), such as perturbed films.

    Raises Cancelled or DeadlinePassed when the budget ends the run.
    """
    found = []
    for first in first_passes(model, inputs):
        *_, last = _steps(method, Scorer(model, first.x, budget or Budget(), first))
        found.append(last.values)
    return np.stack(found)


def _steps(method: Method, scorer: Scorer) -> Generator[Step, None, None]:
    """A method's steps as a generator, for any kind of iterator; closing it also closes the method's own generator."""
    yield from method.attribute(scorer, scorer.x)


@dataclass(frozen=True)
class _Record:
    """Checks one run's maps and wraps them as Explanations."""

    classifier: Classifier
    method: Method
    settings: Mapping[str, Any]

    def __call__(self, step: Step, scorer: Scorer, seconds: float) -> Explanation:
        found, model = self.empty(seconds), self.classifier
        values = np.asarray(step.values)
        largest = np.finfo(np.float32).max
        if values.shape != found.values.shape or values.dtype.kind != "f" or not (np.abs(values) <= largest).all():
            raise CxrError(
                f"{self.method.title} of {model.name} must be finite numbers of shape {found.values.shape}; "
                f"got {values.dtype} of shape {values.shape}."
            )
        return replace(
            found,
            values=_frozen(values),
            forwards=scorer.forwards,
            steps=scorer.steps,
            precision=scorer.precision,
            fidelity=None if step.fidelity is None else _frozen(step.fidelity),
            sure=None if step.sure is None else _frozen(step.sure),
            error=None if step.error is None else _frozen(step.error),
            missing=None if step.missing is None else _frozen(step.missing),
            grain=step.grain,
        )

    def empty(self, seconds: float) -> Explanation:
        """An Explanation with a map of zeros, for a run that ended before its first map."""
        model = self.classifier
        return Explanation(
            method=self.method.key,
            labels=model.labels,
            values=_frozen(np.zeros((len(model.labels), model.size, model.size))),
            unit=self.method.unit,
            seconds=seconds,
            forwards=0,
            steps=(0, 0),
            settings=self.settings,
            model=model.name,
            precision="float32",
        )


def _frozen(values: np.ndarray) -> np.ndarray:
    """A read-only float32 copy."""
    copy = np.array(values, np.float32)
    copy.flags.writeable = False
    return copy
