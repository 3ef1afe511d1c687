"""RISE against the paper's own formula, and against the known truth of additive models."""

import numpy as np
import pytest

from cxr_demo.case import Case
from cxr_demo.methods import method
from cxr_demo.methods.rise import SoftMasks, round_of
from cxr_demo.types import REFERENCE_AREA
from tests.support import planted


def final(**settings):
    model, film = planted.classifier(), planted.film()
    *_, result = Case(model, film).explain(method("rise", settings))
    return result


def test_of_an_additive_model_one_round_sums_to_the_effect_of_covering_all():
    """Whatever the shift, the effects of other cells cancel exactly."""
    model, film = planted.classifier(), planted.film()
    for seed in range(3):
        result = final(rounds=2, fill="black", seed=seed)
        expected = method("rise", {"fill": "black"}).expected_sums(Case(model, film).scorer())
        np.testing.assert_allclose(result.values.mean((1, 2)) / REFERENCE_AREA, expected, atol=2e-3)


def test_the_map_is_the_papers_weighted_mean_less_the_mean_of_all_copies():
    """Away from the border, where each cell lies wholly in the view."""
    masks = SoftMasks(64, 8, 2, "independent", np.random.RandomState(0))
    logits = np.random.RandomState(1).normal(3, 1, (len(masks), 2))
    rows = slice(0, masks.round)
    shown, mine = 1 - masks[rows], logits[rows]
    weighted = np.einsum("nl,nhw->lhw", mine, shown) / len(mine) / 0.5  # the paper's, p = 1/2
    mean = mine.mean(0)[:, None, None] * shown.mean(0) / 0.5
    cell = 1 / 8**2 / REFERENCE_AREA
    expected = 2 * (weighted - mean) / cell
    inside = np.s_[:, 16:48, 16:48]
    np.testing.assert_allclose(masks.effects(0, logits)[inside], expected[inside], atol=1e-6)


@pytest.mark.parametrize(("cells", "n"), [(7, 128), (4, 64), (10, 256)])
def test_balanced_masks_of_a_round_share_a_shift_and_hide_each_half(cells, n):
    assert round_of(cells) == n
    masks = SoftMasks(56, cells, 2, "balanced", np.random.RandomState(0))
    found = masks[slice(0, n)]
    assert len(masks) == 2 * n
    np.testing.assert_allclose(found[::2] + found[1::2], 1, atol=1e-6)
    np.testing.assert_allclose(found.mean(0), 0.5, atol=1e-6)
    assert len(np.unique(masks._shifts, axis=0)) == 2


def test_the_error_is_that_of_other_seeds():
    runs = [final(seed=seed, rounds=4) for seed in range(8)]
    spread = np.std([one.values for one in runs], 0, ddof=1)
    told = np.mean([one.error for one in runs], 0)
    moving = spread > 0.1 * spread.max()
    assert 0.7 < np.sqrt((spread[moving] ** 2).mean() / (told[moving] ** 2).mean()) < 1.4


def test_the_border_is_hardly_noisier_than_the_middle():
    """A sliver of a cell would have the whole noise of its effect in a small part of the view."""
    masks = SoftMasks(56, 7, 12, "balanced", np.random.RandomState(0))
    noise = np.random.RandomState(1).normal(0, 1, (len(masks), 1))
    rounds = np.stack([masks.effects(k, noise)[0] for k in range(12)])
    spread = np.sqrt((rounds**2).mean(0))
    assert spread[[0, -1]].mean() < 2.5 * spread[20:36, 20:36].mean()
