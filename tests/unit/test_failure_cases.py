"""Lessons: what each model makes of its film is known by hand, and each method shows there what is said of it."""

import io
import time

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import UnknownModel
from cxr_demo.evaluation import trust
from cxr_demo.films import image, phantom
from cxr_demo.models import failure_cases, registry
from cxr_demo.web.requests import film_of, offered

KEYS = [kind.key for kind in methods.DEFAULTS]


def square(top, left, side):
    """Truth values (S, S) of a square of the view."""
    inside = np.zeros((failure_cases.SIZE, failure_cases.SIZE), bool)
    inside[top : top + side, left : left + side] = True
    return inside


def cell(row, column):
    return square(row * failure_cases.CELL, column * failure_cases.CELL, failure_cases.CELL)


def mapped(key):
    """By method the map (S, S) of a lesson's film, and R2 where there is one."""
    lesson = failure_cases.LESSONS[key]
    model, found = registry.load(lesson.model), {}
    for kind in methods.DEFAULTS:
        *_, last = Case(model, lesson.film()).explain(kind())
        found[kind.key] = last.values[0], None if last.fidelity is None else float(last.fidelity[0])
    return found


def share(values, inside):
    """Of what speaks for the finding, how much lies inside."""
    return values.clip(0)[inside].sum() / values.clip(0).sum()


def test_there_is_one_for_each_method_that_is_shown_at_first():
    assert sorted(failure_cases.LESSONS) == sorted(KEYS)


# ---------------------------------------------------------------------- films and models


@pytest.mark.parametrize("key", KEYS)
def test_the_film_is_the_file_and_differs_from_the_normal_one_by_its_coins_alone(key, tmp_path):
    lesson = failure_cases.LESSONS[key]
    film, again = lesson.film(), image.read(failure_cases.save(key, tmp_path))
    assert film.sha256 == again.sha256
    assert film.name == again.name == f"lesson-{key}.png"
    assert film.warnings == (lesson.truth, lesson.see)
    assert lesson.truth in Image.open(io.BytesIO((tmp_path / film.name).read_bytes())).text["Description"]
    changed = failure_cases.draw(key) != phantom.draw("normal")
    for left, top, right, bottom in np.array(lesson.boxes) * 512:
        box = np.s_[round(top) - 3 : round(bottom) + 3, round(left) - 3 : round(right) + 3]
        assert changed[box].mean() > 0.5
        changed[box] = False
    assert not changed.any()


@pytest.mark.parametrize(
    ("key", "scores"), [("gradcam", [-2, -2, 2, 2]), ("lime", [2, -2, -2, 2]), ("occlusion", [-2, 2, 2, 2])]
)
def test_the_score_is_what_is_said_of_it(key, scores):
    """Without coins, with the one at the viewer's left, with the one at the right, with both."""
    model = failure_cases.load(key)
    copies = np.stack([phantom.draw("normal", failure_cases.SIZE)] * 4).astype(np.float32)
    for copy, columns in zip(copies, ((), (1,), (5,), (1, 5)), strict=True):
        for column in columns:
            copy[cell(2, column)] = 255 * failure_cases.BRIGHT
    x = torch.from_numpy(copies / 255 * 2048 - 1024)[:, None]
    np.testing.assert_allclose(model.logits(x)[:, 0], scores, atol=1e-3)
    *_, own = scores
    assert Case(model, failure_cases.LESSONS[key].film()).predict().logits == pytest.approx(own, abs=1e-3)


def test_a_model_takes_no_time_to_make():
    failure_cases.load("lime")
    began = time.thread_time()
    failure_cases.load("occlusion")
    assert time.thread_time() - began < 0.1


# ---------------------------------------------------------------------- what the methods show


def test_occlusion_misses_what_stands_in_two_places():
    found = mapped("occlusion")
    gradcam, lime, occlusion = (found[key][0] for key in ("gradcam", "lime", "occlusion"))
    left, right = cell(2, 1), cell(2, 5)
    np.testing.assert_allclose(gradcam[left | right], 2, atol=1e-3)
    assert np.abs(gradcam[~(left | right)]).max() < 1e-6
    assert np.abs(occlusion).max() < 0.01 * gradcam.max()
    for place in (left, right):
        assert lime[place].mean() > 0.4
    assert lime[left | right].mean() > 5 * lime[~(left | right)].mean()
    # of an OR a line explains two thirds
    assert found["lime"][1] == pytest.approx(2 / 3, abs=0.1)


def test_gradcam_shows_the_cell_and_not_what_it_has_seen():
    found = mapped("gradcam")
    gradcam, lime, occlusion = (found[key][0] for key in ("gradcam", "lime", "occlusion"))
    true, beside = cell(2, 5), cell(4, 5)
    assert share(gradcam, true) == 0
    assert share(gradcam, beside) == pytest.approx(1)
    for values in (lime, occlusion):
        assert values[true].mean() > 1
        assert values[true].mean() > 10 * abs(values[beside].mean())
    around = square(2 * failure_cases.CELL - 16, 5 * failure_cases.CELL - 16, failure_cases.CELL + 32)
    assert share(occlusion, around) > 0.95
    # a single part, so a line says it all
    assert found["lime"][1] > 0.99


def test_lime_misses_what_is_no_sum_and_says_so():
    found = mapped("lime")
    gradcam, lime, occlusion = (found[key][0] for key in ("gradcam", "lime", "occlusion"))
    left, right = cell(2, 1), cell(2, 5)
    np.testing.assert_allclose(gradcam[left | right], 2, atol=1e-3)
    for place in (left, right):
        assert occlusion[place].mean() > 2
    assert np.abs(lime).max() < 0.02 * occlusion.max()
    assert found["lime"][1] < 0.05
    *_, linear = Case(registry.load("lesson:lime"), failure_cases.LESSONS["lime"].film()).explain(
        methods.method("lime", {"surrogate": "linear"})
    )
    assert np.abs(linear.values).max() < 0.2 * occlusion.max()
    assert linear.fidelity[0] < 0.2


@pytest.mark.parametrize("key", KEYS)
def test_how_far_the_maps_can_be_believed_is_measured_as_for_any_model(key):
    lesson = failure_cases.LESSONS[key]
    case, method = Case(registry.load(lesson.model), lesson.film()), methods.method(key, {})
    *_, last = case.explain(method)
    verdict = trust.measure(case, method, last).verdict(0)
    assert verdict is (trust.Verdict.UNDECIDED if key == "gradcam" else trust.Verdict.UNTESTABLE)


# ---------------------------------------------------------------------- by name


def test_they_are_had_by_name_and_are_in_no_list():
    assert registry.load("lesson:occlusion").name == registry.load("lesson:occlusion@1").name == "lesson:occlusion@1"
    assert not any(choice.name.startswith("lesson:") for choice in registry.choices())
    assert "Either of two coins" in registry.card("lesson:occlusion")
    with pytest.raises(UnknownModel, match=r"no failure case 'shap'; choose one of gradcam, lime, occlusion\."):
        registry.load("lesson:shap")


def test_a_visitor_may_have_them_and_their_films():
    for lesson in failure_cases.LESSONS.values():
        assert offered(lesson.model).labels == (failure_cases.LABEL,)
        assert film_of({"kind": "lesson", "key": lesson.key}) is lesson.film()
    for name in ("lesson:shap", "lesson:", "lesson:occlusion@2"):
        with pytest.raises(UnknownModel, match="not offered here"):
            offered(name)
