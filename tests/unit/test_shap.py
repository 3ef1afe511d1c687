"""KernelSHAP against values by enumeration, against the shap package, and against its own axioms."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from cxr_demo.case import Case
from cxr_demo.methods.fill import fill_of
from cxr_demo.methods.shap import KernelSHAP, _values_of_kernel, paired_subsets, pairs_of, shapley
from cxr_demo.methods.superpixels import Superpixels, of_input
from cxr_demo.types import REFERENCE_AREA
from tests.support import planted


def bent(strength=0.05):
    """The planted model with logits that are no sum over places."""
    model = planted.classifier()
    plain = model.logits

    def logits(x):
        out = plain(x)
        return out + strength * out**2 - 0.3 * strength * out**3

    object.__setattr__(model, "logits", logits)
    return model


def game(model, film, segments):
    """The logits (n, L) of copies in which the superpixels of `kept` (n, superpixels) are uncovered."""
    scorer = Case(model, film).scorer()
    fill = fill_of("black", scorer)

    def play(kept):
        found = np.zeros((len(kept), len(scorer.base)))
        for done, logits in scorer.scores(Superpixels(segments, np.asarray(kept)), fill):
            found[done] = logits
        return found

    return play


def enumerated(play, n):
    """Shapley values (L, n) by their definition: the mean gain over all subsets of the others."""
    subsets = [np.array(one) for size in range(n + 1) for one in combinations(range(n), size)]
    kept = np.zeros((len(subsets), n), int)
    for row, subset in enumerate(subsets):
        kept[row, subset.astype(int)] = 1
    worth = play(kept)
    row_of = {tuple(one): row for row, one in enumerate(kept.tolist())}
    values = np.zeros((worth.shape[1], n))
    for row, one in enumerate(kept.tolist()):
        for i in np.flatnonzero(np.array(one) == 0):
            joined = [*one]
            joined[i] = 1
            weight = 1 / (n * comb(n - 1, sum(one)))
            values[:, i] += weight * (worth[row_of[tuple(joined)]] - worth[row])
    return values


@pytest.fixture(scope="module")
def nine():
    """The planted film in nine superpixels, with the exact values of a model that is no sum."""
    model, film = bent(), planted.film()
    scorer = Case(model, film).scorer()
    segments = of_input(scorer.x, scorer, "grid", 10, 0)
    return model, film, segments, enumerated(game(model, film, segments), 9)


def final(model, film, **settings):
    *_, result = Case(model, film).explain(KernelSHAP(**settings))
    return result


def per_superpixel(result, segments):
    """Values (L, superpixels) in logits of maps per reference area."""
    sums = np.stack([np.bincount(segments.ravel(), one.ravel()) for one in result.values])
    return sums / REFERENCE_AREA / segments.size


def test_values_are_those_by_enumeration(nine):
    model, film, segments, exact = nine
    found = per_superpixel(final(model, film, samples=3000, superpixels=10, algorithm="grid", fill="black"), segments)
    spread = np.abs(exact).max()
    np.testing.assert_allclose(found, exact, atol=0.02 * spread)


def test_values_are_those_of_the_shap_package(nine):
    model, film, segments, exact = nine
    play = game(model, film, segments)
    import shap as package  # loads slowly

    explainer = package.KernelExplainer(lambda kept: play(kept.astype(int)), np.zeros((1, 9)))
    theirs = explainer.shap_values(np.ones((1, 9)), nsamples=5000, l1_reg=0, silent=True)[0].T
    np.testing.assert_allclose(exact, theirs, atol=1e-5)
    found = per_superpixel(final(model, film, samples=3000, superpixels=10, algorithm="grid", fill="black"), segments)
    np.testing.assert_allclose(found, theirs, atol=0.02 * np.abs(theirs).max())


@pytest.mark.parametrize("samples", [100, 400])
@pytest.mark.parametrize("fill", ["blurred", "black"])
def test_values_sum_to_the_effect_of_covering_everything(samples, fill):
    model, film = bent(), planted.film()
    chosen = KernelSHAP(samples=samples, fill=fill)
    result = final(model, film, samples=samples, fill=fill)
    expected = chosen.expected_sums(Case(model, film).scorer())
    np.testing.assert_allclose(result.values.mean((1, 2)) / REFERENCE_AREA, expected, atol=1e-4)


def test_values_of_a_cubic_game_are_found_from_few_samples():
    """Interactions of two cancel, those of three are shared equally; both are known in closed form."""
    random, n = np.random.RandomState(0), 12
    own, two = random.normal(size=n), np.triu(random.normal(size=(n, n)), 1)
    triple, effect = random.permutation(n)[:3], 2.0
    kept = paired_subsets(60, n, random)
    worth = kept @ own + np.einsum("ni,ij,nj->n", kept, two, kept) + effect * kept[:, triple].all(1)
    exact = own + (two.sum(0) + two.sum(1)) / 2
    exact[triple] += effect / 3
    total = np.array([own.sum() + two.sum() + effect])
    values = shapley(*pairs_of(kept, worth[:, None]), total)[0]
    np.testing.assert_allclose(values, exact, atol=0.1 * np.abs(exact).max())
    assert values.sum() == pytest.approx(total[0], abs=1e-9)


@pytest.mark.parametrize("n", [3, 6])
def test_values_of_the_kernel_are_those_by_enumeration(n):
    same, other = _values_of_kernel(n)
    for ones in range(n + 1):
        anchor = np.where(np.arange(n) < ones, 1, -1)
        exact = enumerated(lambda kept, anchor=anchor: np.sinh((2 * kept - 1) @ anchor / n)[:, None], n)[0]
        np.testing.assert_allclose(exact, np.where(anchor > 0, same[ones], other[ones]), atol=1e-12)


def test_subsets_come_in_pairs_of_all_sizes():
    kept = paired_subsets(2000, 20, np.random.RandomState(0))
    assert (kept[::2] + kept[1::2] == 1).all()
    assert np.bincount(kept[::2].sum(1), minlength=21).tolist() == [0, *[200] * 10, *[0] * 10]
    assert np.ptp(kept[::2].sum(0)) <= 2, "each superpixel is drawn about equally often"


def test_superpixels_of_a_grid_have_the_planted_values_and_their_signs_are_sure():
    model, film = planted.classifier(), planted.film()
    result = final(model, film, samples=400, superpixels=16, algorithm="grid", fill="black")
    per_cell = planted.density(film.pixels).reshape(4, 4, 32, 4, 32).sum((2, 4))
    expected = np.kron(per_cell * 16 / 49, np.ones((32, 32)))
    np.testing.assert_allclose(result.values, expected, atol=0.02 * np.abs(expected).max())
    assert (result.sure[np.abs(result.values) > 0.2 * np.abs(expected).max()] > 0.9).all()


def test_of_an_odd_number_of_samples_the_last_is_left_out():
    result = final(planted.classifier(), planted.film(), samples=101)
    assert result.steps == (101, 101), "50 pairs, and the film wholly covered"
    assert result.error is not None


def test_the_error_is_that_of_other_seeds():
    model, film = planted.classifier(), planted.film()
    runs = [final(model, film, samples=200, seed=seed) for seed in range(6)]
    spread = np.std([one.values for one in runs], 0, ddof=1)
    told = np.mean([one.error for one in runs], 0)
    assert 0.5 < np.sqrt((spread**2).mean() / (told**2).mean()) < 2
