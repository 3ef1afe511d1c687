"""What every method must keep. A new name in METHODS is tested by all of this at once."""

import copy
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from functools import cache

import numpy as np
import pytest
import torch

from cxr_demo.case import Case
from cxr_demo.errors import BadSetting
from cxr_demo.inference.scoring import Budget
from cxr_demo.methods import DEFAULTS, METHODS, configure, method, settings_of, values_of
from cxr_demo.types import REFERENCE_AREA, Cost, Unit
from tests.support import planted
from tests.support.planted import LABELS, SPOTS

every = pytest.mark.parametrize("kind", METHODS, ids=lambda kind: kind.key)
every_signed = pytest.mark.parametrize("kind", [k for k in METHODS if k.unit.signed], ids=lambda kind: kind.key)
every_slow = pytest.mark.parametrize(
    "kind", [k for k in METHODS if k.cost is not Cost.INSTANT], ids=lambda kind: kind.key
)

every_random = pytest.mark.parametrize(
    "kind", [k for k in METHODS if "seed" in {s.name for s in settings_of(k)}], ids=lambda kind: kind.key
)


def last(model, film, chosen, **budget):
    *_, result = Case(model, film).explain(chosen, budget=Budget(**budget))
    return result


@cache
def planted_maps(kind):
    """Maps by label of the planted film, in the default settings."""
    result = last(planted.classifier(), planted.film(), kind())
    assert result.complete
    return dict(zip(result.labels, result.values, strict=True))


def quick(kind, **more):
    """A method in settings that take little time."""
    small = {"samples": 100, "superpixels": 30}
    names = {s.name for s in settings_of(kind)}
    return configure(kind, {k: v for k, v in (small | more).items() if k in names})


def peak(values):
    return np.unravel_index(values.argmax(), values.shape)


@every
@pytest.mark.parametrize("more", [{}, {"samples": 200, "window": 48, "stride": 16, "scored": 70}])
def test_how_many_copies_it_scores_is_known_before(kind, more):
    chosen = quick(kind, **more)
    assert last(planted.classifier(), planted.film(), chosen).steps[1] == chosen.copies(planted.SIZE)
    assert (chosen.copies(planted.SIZE) == 0) == (kind.cost is Cost.INSTANT)


@every
def test_says_what_it_is(kind):
    assert re.fullmatch(r"[a-z][a-z0-9]*", kind.key)
    assert kind.title
    assert isinstance(kind.unit, Unit)
    assert re.match(r"(arXiv:\d{4}\.\d{4,5}|doi:10\.)", kind.paper)
    assert kind.reading.count(". ") == 1
    assert kind.reading.endswith(".")


def test_keys_are_told_apart_and_defaults_are_methods():
    assert len({kind.key for kind in METHODS}) == len(METHODS)
    assert METHODS[:3] == DEFAULTS


@every
def test_settings_are_the_fields(kind):
    assert [s.name for s in settings_of(kind)] == [f.name for f in fields(kind)]
    assert all(s.help for s in settings_of(kind))
    assert values_of(kind()) == {s.name: s.default for s in settings_of(kind)}


@every
def test_settings_outside_their_range_are_refused(kind):
    for s in settings_of(kind):
        wrong = ["no such choice"] if s.choices else [s.low - s.step, s.high + s.step, "many", float("nan")]
        for value in wrong:
            with pytest.raises(BadSetting, match=s.name):
                method(kind.key, {s.name: value})
            with pytest.raises(BadSetting, match=s.name):
                Case(planted.classifier(), planted.film()).explain(kind(**{s.name: value}))


def test_unknown_methods_and_settings_are_refused():
    with pytest.raises(BadSetting, match="gradcam, lime, occlusion"):
        method("saliency", {})
    with pytest.raises(BadSetting, match="has no setting 'patch'; it has window, stride, scored, fill"):
        method("occlusion", {"patch": 3})


@every
@pytest.mark.parametrize("label", ["Left", "Right"])
def test_planted_evidence_is_found_in_its_place(kind, label):
    values = planted_maps(kind)[label]
    assert SPOTS[label].near(*peak(values))
    inside = values[SPOTS[label].box].mean()
    outside = np.abs(values[planted.density(planted.pixels())[LABELS.index(label)] == 0]).mean()
    assert inside > 4 * outside


@every_signed
def test_evidence_against_is_negative(kind):
    values = planted_maps(kind)["Against"]
    assert SPOTS["Against"].near(*peak(-values))
    assert values.min() < 0
    assert -values.min() > 3 * values.max()


@every
def test_unsigned_maps_have_no_negative_values(kind):
    lowest = min(values.min() for values in planted_maps(kind).values())
    assert (lowest < -0.01) == kind.unit.signed


@every
def test_no_evidence_is_no_map(kind):
    np.testing.assert_allclose(planted_maps(kind)["Nothing"], 0, atol=1e-6)


@every_signed
@pytest.mark.parametrize("size", [128, 160])
def test_the_unit_is_logits_per_reference_area(kind, size):
    """With black as what is missing, all evidence of a linear model adds up to its logit above the bias."""
    model = planted.classifier(size=size)
    film = planted.film(planted.pixels(size=size))
    result = last(model, film, quick(kind, fill="black", samples=600, superpixels=20))
    evidence = Case(model, film).predict().logits - planted.BIAS
    np.testing.assert_allclose(result.values.mean((1, 2)) / REFERENCE_AREA, evidence, rtol=0.06, atol=1e-5)


@every
def test_maps_do_not_depend_on_the_models_pixel_range(kind):
    here, there = (
        last(planted.classifier(pixel_range=r), planted.film(), quick(kind)).values for r in [(-1024.0, 1024.0), (0, 1)]
    )
    np.testing.assert_allclose(here, there, atol=2e-4)


@every
def test_a_model_that_never_moves_gives_a_zero_map(kind):
    still = planted.classifier({label: planted.Spot(0, 0, 0.0) for label in LABELS})
    result = last(still, planted.film(), quick(kind))
    np.testing.assert_array_equal(result.values, 0)


@every
def test_the_model_is_left_as_found(kind):
    model, film = planted.classifier(), planted.film()
    network = model.network
    before = copy.deepcopy(network.state_dict())
    last(model, film, quick(kind))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
    for module in network.modules():
        assert not module.training
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks
    for parameter in network.parameters():
        assert parameter.grad is None
        assert not parameter.requires_grad
    assert torch.is_grad_enabled()


@every
def test_the_same_settings_give_the_same_map(kind):
    once, twice = (last(planted.classifier(), planted.film(), quick(kind)).values for _ in range(2))
    np.testing.assert_array_equal(once, twice)


@every_random
def test_the_seed_decides(kind):
    model, film = planted.classifier(), planted.film()
    np.random.seed(3)  # the process' own generators must not matter
    torch.manual_seed(3)
    one = last(model, film, quick(kind, seed=1)).values
    other = last(model, film, quick(kind, seed=2)).values
    assert np.abs(one - other).max() > 1e-4


@every
def test_eight_threads_give_the_maps_of_one(kind):
    """Films differ, so that a map that goes to the wrong caller shows."""
    model = planted.classifier()
    films = [planted.film(np.roll(planted.pixels(), 9 * i, axis=0)) for i in range(8)]
    alone = [last(model, film, quick(kind)).values for film in films]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda film: last(model, film, quick(kind)).values, films))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


@every_slow
def test_a_cancelled_run_keeps_its_last_complete_map(kind):
    cancelled = threading.Event()
    model, film = planted.classifier(), planted.film()
    runs = Case(model, film).explain(quick(kind), budget=Budget(cancelled=cancelled))
    first = next(runs)
    cancelled.set()
    (stopped,) = runs
    assert first.stopped is None
    assert stopped.stopped == "Stopped on request."
    assert not stopped.complete
    assert 0 < stopped.steps[0] < stopped.steps[1]
    np.testing.assert_array_equal(stopped.values, first.values)
    assert np.abs(first.values).max() > 0


@every
def test_without_time_there_is_an_empty_map_that_says_so(kind):
    (only,) = Case(planted.classifier(), planted.film()).explain(kind(), budget=Budget(seconds=0))
    assert only.stopped == "Stopped at the limit of 0 seconds."
    assert not only.complete
    assert not only.values.any()
    assert only.forwards == 0


@every_slow
def test_maps_come_coarse_first_and_each_is_complete(kind):
    *coarse, final = Case(planted.classifier(), planted.film()).explain(kind())
    assert len(coarse) >= 2
    assert [e.complete for e in (*coarse, final)] == [False] * len(coarse) + [True]
    done = [e.steps[0] for e in (*coarse, final)]
    assert done == sorted(set(done))
    assert final.steps == (done[-1], done[-1])
    assert final.forwards == done[-1] + 1
    for e in coarse:
        assert SPOTS["Left"].near(*peak(e.values[0]), margin=32)
