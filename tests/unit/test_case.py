"""A case's predictions and maps, whatever the method: checked, frozen, timed, counted, ended on request."""

import gc
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import pytest

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import BadSetting, CxrError, DeadlinePassed, ModelError
from cxr_demo.evaluation import trust
from cxr_demo.films import image
from cxr_demo.inference.scoring import Budget
from cxr_demo.methods import GradCAM, Occlusion, Step, setting
from cxr_demo.types import Cost, Explanation, Unit
from tests.support import planted

SHAPE = (4, planted.SIZE, planted.SIZE)


@dataclass(frozen=True)
class Brightness:
    """A method that somebody adds: how bright each pixel is."""

    key: ClassVar[str] = "testonly"
    title: ClassVar[str] = "Brightness"
    unit: ClassVar[Unit] = Unit.RANKING
    paper: ClassVar[str] = "arXiv:0000.00000"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = "Bright is bright. It says nothing of the model."

    gain: float = setting(1.0, low=0.0, high=2.0, step=0.5, help="times the brightness")

    def attribute(self, scorer, x) -> Iterator[Step]:
        yield Step((x[0].numpy() / 2048 + 0.5) * self.gain * np.ones((len(scorer.base), 1, 1)))


def method_of(attribute):
    """A method with this function of (scorer, x)."""
    return type("Odd", (Brightness,), {"title": "Odd", "attribute": lambda self, scorer, x: attribute(scorer, x)})()


def runs(chosen, **budget):
    model = budget.pop("model", None) or planted.classifier()
    return list(Case(model, planted.film()).explain(chosen, budget=Budget(**budget)))


def test_a_prediction_is_what_the_model_says():
    model, film = planted.classifier(), planted.film()
    p = Case(model, film).predict()
    expected = planted.density(film.pixels).sum((1, 2)) + planted.BIAS
    np.testing.assert_allclose(p.logits, expected, atol=1e-5)
    np.testing.assert_allclose(p.probabilities, 1 / (1 + np.exp(-expected)), atol=1e-5)
    assert np.isnan(p.thresholds).all()
    assert (p.labels, p.model) == (planted.LABELS, "test:planted@1")
    assert p.ranked() == [1, 0, 3, 2]


def test_arrays_are_frozen():
    p = Case(planted.classifier(), planted.film()).predict()
    e = runs(methods.method("lime", {"samples": 100}))[-1]
    for array in (p.logits, p.probabilities, p.thresholds, e.values, e.fidelity):
        assert array.dtype == np.float32
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_damaged_model_is_an_error():
    model = planted.classifier(bias=np.array([0, np.nan, 0, 0], np.float32))
    with pytest.raises(ModelError, match=r"test:planted@1 gives no finite logits for planted\.png"):
        Case(model, planted.film()).predict()


def test_everything_is_recorded():
    (e,) = runs(Brightness(gain=0.5))
    assert {f.name for f in fields(Explanation)} == {*vars(e)}
    assert (e.method, e.labels, e.unit, e.model) == ("testonly", planted.LABELS, Unit.RANKING, "test:planted@1")
    assert e.settings == {"gain": 0.5}
    assert (e.forwards, e.steps, e.precision, e.fidelity) == (1, (0, 0), "float32", None)
    assert (e.complete, e.stopped) == (True, None)
    assert 0 <= e.seconds < 60
    np.testing.assert_allclose(e.values[2], planted.film().pixels / 2, atol=1e-5)


def test_a_new_class_works_everywhere(monkeypatch):
    monkeypatch.setattr(methods, "METHODS", (*methods.METHODS, Brightness))
    chosen = methods.method("testonly", {"gain": "1.5"})
    assert chosen == Brightness(1.5)
    assert runs(chosen)[-1].settings == {"gain": 1.5}
    with pytest.raises(BadSetting, match=r", testonly\."):
        methods.method("dullness", {})


def test_settings_out_of_range_are_refused_before_any_work():
    model = planted.classifier()
    with pytest.raises(BadSetting, match=r"gain=2\.5: a number from 0 to 2"):
        Case(model, planted.film()).explain(Brightness(gain=2.5))
    assert model.images() == 0


@pytest.mark.parametrize(
    "values",
    [
        np.zeros((3, 128, 128)),
        np.zeros((4, 64, 64)),
        np.zeros(SHAPE, int),
        np.full(SHAPE, np.nan),
        np.full(SHAPE, np.inf),
        np.full(SHAPE, 1e39),  # beyond float32
    ],
    ids=["findings", "size", "whole numbers", "nan", "infinite", "too large"],
)
def test_a_map_that_is_none_is_an_error(values):
    with pytest.raises(CxrError, match=r"Odd .* finite numbers of shape \(4, 128, 128\)"):
        runs(method_of(lambda scorer, x: iter([Step(values)])))


def test_no_map_at_all_is_an_error():
    with pytest.raises(CxrError, match="Odd returned no map"):
        runs(method_of(lambda scorer, x: iter([])))


def test_maps_are_copies():
    shared = np.zeros(SHAPE, np.float32)

    def attribute(scorer, x):
        for i in (1, 2, 3):
            shared[:] = i
            yield Step(shared)

    assert [e.values[0, 0, 0] for e in runs(method_of(attribute))] == [1, 2, 3]


def test_every_map_is_shown_once_and_the_last_is_complete():
    def attribute(scorer, x):
        yield Step(np.full(SHAPE, 1.0))
        for _ in scorer.scores(np.zeros((10, 128, 128), np.float32), x):
            yield Step(np.full(SHAPE, float(scorer.steps[0])))

    found = runs(method_of(attribute))
    assert [e.values[0, 0, 0] for e in found] == [1, 4, 8, 10]
    assert [e.complete for e in found] == [False, False, False, True]
    assert [e.forwards for e in found] == [1, 5, 9, 11]
    assert [e.steps for e in found] == [(0, 0), (4, 10), (8, 10), (10, 10)]


def test_a_map_shown_before_the_samples_ended_is_given_again_as_complete():
    def attribute(scorer, x):
        scores = scorer.scores(np.zeros((40, 128, 128), np.float32), x)
        next(scores)
        yield Step(np.ones(SHAPE))

    first, final = runs(method_of(attribute))
    assert (first.complete, final.complete) == (False, True)
    assert final.values is first.values


def test_maps_come_as_they_are_made():
    """A coarse map is not held back until the next one is there."""
    reached = []

    def attribute(scorer, x):
        for i, _ in enumerate(scorer.scores(np.zeros((40, 128, 128), np.float32), x)):
            reached.append(i)
            yield Step(np.zeros(SHAPE))

    next(Case(planted.classifier(), planted.film()).explain(method_of(attribute)))
    assert reached == [0]


def test_a_visitor_who_leaves_ends_the_work_at_once():
    ended = []

    def attribute(scorer, x):
        try:
            for _ in scorer.scores(np.zeros((400, 128, 128), np.float32), x):
                yield Step(np.zeros(SHAPE))
        finally:
            ended.append(scorer.forwards)

    model = planted.classifier()
    explanations = Case(model, planted.film()).explain(method_of(attribute))
    next(explanations)
    explanations.close()
    assert ended == [5]
    assert model.images() == 5


def test_a_deadline_keeps_the_last_map():
    def attribute(scorer, x):
        yield Step(np.full(SHAPE, 7.0))
        while True:
            yield from (Step(np.full(SHAPE, 8.0)) for _ in scorer.scores(np.zeros((16, 128, 128), np.float32), x))

    *_, end = runs(method_of(attribute), seconds=0.2)
    assert end.stopped == "Stopped at the limit of 0.2 seconds."
    assert not end.complete
    assert end.values.min() >= 7


def test_stopped_before_anything_was_there():
    cancelled = threading.Event()
    cancelled.set()
    model = planted.classifier()
    (only,) = runs(Occlusion(), cancelled=cancelled, model=model)
    assert (only.stopped, only.complete, only.forwards) == ("Stopped on request.", False, 0)
    assert only.values.shape == SHAPE
    assert not only.values.any()
    assert only.settings == {"window": 32, "stride": 8, "scored": 40, "fill": "blurred"}
    assert model.images() == 0


def test_prediction_maps_and_measures_share_one_pass():
    model = planted.classifier()
    case = Case(model, planted.film())
    case.predict()
    list(case.explain(GradCAM()))
    scorer = case.scorer()
    assert scorer.features is case.first.features
    assert scorer.x is case.first.x
    assert model.images() == 1


def test_another_case_of_the_same_film_has_its_own_pass():
    model, film = planted.classifier(), planted.film()
    for n in (1, 2):
        Case(model, film).predict()
        assert model.images() == n


def test_the_fold_that_answers_is_chosen_once(monkeypatch):
    model, fold, asked = planted.classifier(), planted.classifier(), []
    monkeypatch.setattr(model, "for_film", lambda film: asked.append(film.name) or fold)
    case = Case(model, planted.film(name="known.png"))
    assert case.model is fold
    case.predict()
    *_, last = case.explain(GradCAM())
    trust.measure(case, GradCAM(), last)
    trust.curves(case, 0, [last.values[0]])
    assert asked == ["known.png"]
    assert model.images() == 0


def test_a_shared_result_is_made_once_and_again_after_a_failure():
    case, made = Case(planted.classifier(), planted.film()), []

    def make():
        made.append(len(made))
        if len(made) == 1:
            raise DeadlinePassed("Stopped.")
        return len(made)

    with pytest.raises(DeadlinePassed):
        case.once(int, make)
    assert [case.once(int, make) for _ in range(2)] == [2, 2]


def test_nothing_is_kept_of_a_case_that_is_gone():
    case = Case(planted.classifier(), planted.film())
    list(case.explain(Occlusion()))
    trust.controls(case)
    gone = [weakref.ref(each) for each in (case.film, case.model, case.first.features)]
    del case
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


def test_the_film_is_seen_through_its_crop():
    """A tall film: the model sees the square in the middle, and maps are of that square."""
    tall = np.pad(planted.pixels(), ((40, 40), (0, 0)))
    model = planted.classifier()
    film = planted.film(tall)
    assert film.crop == image.centre_square(208, 128)
    (e,) = Case(model, film).explain(GradCAM())
    (square,) = Case(model, planted.film()).explain(GradCAM())
    np.testing.assert_allclose(e.values, square.values, atol=1e-6)
