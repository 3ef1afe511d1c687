"""From a film to a prediction and to maps: one place that times, checks and wraps what methods return."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import torch

from cxr_demo.errors import CxrError, ModelError, Stopped, sentence_of
from cxr_demo.films import gate, image
from cxr_demo.inference.scoring import Budget, FirstPass, Scorer, first_pass, logits_of
from cxr_demo.messages import message
from cxr_demo.methods.base import values_of
from cxr_demo.types import Explanation, Prediction

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from torch import Tensor

    from cxr_demo.methods.base import Method, Step
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Radiograph

#: The first pass of each film, shared by its prediction and its maps. It lives as long as the film's object,
#: so that nobody is served from another visitor's film.
_PASSES: WeakKeyDictionary[Classifier, WeakKeyDictionary[Radiograph, tuple[Tensor, FirstPass]]] = WeakKeyDictionary()


def predict(classifier: Classifier, film: Radiograph) -> Prediction:
    """What a model says of a film; ModelError where its answer is not a number."""
    classifier = classifier.for_film(film.name)
    _, first = _pass(classifier, film)
    logits = logits_of(classifier, first.features)
    if not np.isfinite(logits).all():
        raise ModelError(message("error.model.no_logits", model=classifier.name, film=film.name))
    look = gate.look(film)
    return Prediction(
        labels=classifier.labels,
        logits=_frozen(logits),
        probabilities=_frozen(classifier.probabilities(logits)),
        thresholds=_frozen(classifier.thresholds),
        model=classifier.name,
        warnings=look.says,
        correction=look.correction,
    )


def explain(
    classifier: Classifier, film: Radiograph, method: Method, *, budget: Budget | None = None
) -> Generator[Explanation, None, None]:
    """One method's maps of all findings, coarse first; each stands for itself.

    The last is `complete`, or says in `stopped` why it is not; its map is then the last that was finished,
    or zero where none was. BadSetting for a setting out of range. Closing the iterator ends the work at once.
    """
    return _explain(classifier.for_film(film.name), film, method, values_of(method), budget or Budget())


def last_explanation(
    classifier: Classifier, film: Radiograph, method: Method, *, budget: Budget | None = None
) -> Explanation:
    """The last explanation of a run of `explain`: its result, or, where `stopped` says why, the map so far."""
    *_, last = explain(classifier, film, method, budget=budget)
    return last


def _explain(
    classifier: Classifier, film: Radiograph, method: Method, settings: Mapping[str, Any], budget: Budget
) -> Generator[Explanation, None, None]:
    started = time.perf_counter()
    record = _Record(classifier, method, settings)
    last: Explanation | None = None
    try:
        budget.check()
        x, first = _pass(classifier, film)
        scorer = Scorer(classifier, x, budget, first)
        held = False
        with closing(_steps(method, scorer)) as steps:
            for step in steps:
                if held and last is not None:
                    yield last
                last = record(step, scorer, time.perf_counter() - started)
                # a map after which nothing remains to be scored is most likely the last: wait for the word
                held = scorer.steps[0] == scorer.steps[1]
                if not held:
                    yield last
    except Stopped as stop:
        yield replace(last or record.empty(time.perf_counter() - started), stopped=sentence_of(stop))
        return
    if last is None:
        raise CxrError(f"{method.title} returned no map.")
    yield replace(last, seconds=time.perf_counter() - started, complete=True)


def scorer_of(classifier: Classifier, film: Radiograph, budget: Budget | None = None) -> Scorer:
    """What answers questions about altered copies of a film; it shares the film's first pass."""
    x, first = _pass(classifier, film)
    return Scorer(classifier, x, budget or Budget(), first)


def maps_of_inputs(classifier: Classifier, inputs: Tensor, method: Method, budget: Budget | None = None) -> np.ndarray:
    """A method's last maps (N, L, S, S) of inputs (N, 1, S, S) that are nobody's film, such as changed ones."""
    found = []
    for x, features in zip(inputs[:, None], first_pass(classifier, inputs)[:, None], strict=True):
        *_, last = _steps(method, Scorer(classifier, x, budget or Budget(), FirstPass(features)))
        found.append(last.values)
    return np.stack(found)


def _steps(method: Method, scorer: Scorer) -> Generator[Step, None, None]:
    """A method's steps, as a generator whatever kind of iterator it returns: closing it closes that one."""
    yield from method.attribute(scorer, scorer.x)


@dataclass(frozen=True)
class _Record:
    """Wraps one run's maps as Explanations, after checking them."""

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
        )

    def empty(self, seconds: float) -> Explanation:
        """A map of zeros, for a run that has not got anywhere."""
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


def _pass(classifier: Classifier, film: Radiograph) -> tuple[Tensor, FirstPass]:
    """The model's input and what it makes of it, computed once per film object."""
    passes = _PASSES.setdefault(classifier, WeakKeyDictionary())
    known = passes.get(film)
    if known is None:
        weight, _ = classifier.head
        pixels = image.model_input(film, classifier.size, classifier.spec.pixel_range)
        x = torch.from_numpy(pixels).to(weight)
        known = passes[film] = x, FirstPass(first_pass(classifier, x))
    return known


def _frozen(values: np.ndarray) -> np.ndarray:
    """A float32 copy that cannot be written to."""
    copy = np.array(values, np.float32)
    copy.flags.writeable = False
    return copy
