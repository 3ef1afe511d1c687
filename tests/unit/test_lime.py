"""LIME against the package's own loop, and against what is known of linear and quadratic models."""

import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer

from cxr_demo.case import Case
from cxr_demo.methods import LIME
from cxr_demo.methods.lime import (
    balanced,
    fit_linear,
    fit_quadratic,
    independent,
    out_of_sample,
)
from cxr_demo.methods.superpixels import Superpixels, per_area, segment
from tests.support import planted


def final(model, film, **settings):
    *_, result = Case(model, film).explain(LIME(**settings))
    return result


@pytest.mark.parametrize("algorithm", ["slic", "grid", "quickshift"])
@pytest.mark.parametrize(("fill", "colour"), [("black", 0.0), ("mean", planted.pixels().mean())])
def test_equal_to_the_packages_own_loop(fill, colour, algorithm):
    """The package cuts, masks, composes, weighs and fits by itself; the model is asked through its own interface."""
    model, film = planted.classifier(), planted.film()
    segments = []

    def cut(picture):
        segments.append(segment(picture[..., 0], algorithm, 40, explainer_seed))
        return segments[0]

    def logits(pictures):
        return model.logits(torch.from_numpy(pictures[:, None, :, :, 0] * 2048 - 1024).float()).numpy()

    explainer_seed = np.random.RandomState(11).randint(0, high=1000)
    theirs = LimeImageExplainer(random_state=11).explain_instance(
        film.pixels,
        logits,
        labels=(3, 2, 1, 0),
        top_labels=None,
        hide_color=colour,
        num_samples=100,
        segmentation_fn=cut,
    )
    ours = final(model, film, samples=100, superpixels=40, algorithm=algorithm, surrogate="linear", fill=fill, seed=11)
    for i in range(4):
        for superpixel, weight in theirs.local_exp[i]:
            place = segments[0] == superpixel
            expected = weight * place.size / 49 / place.sum()
            np.testing.assert_allclose(ours.values[i][place], expected, atol=2e-5)


@pytest.mark.parametrize(("surrogate", "samples"), [("quadratic", 400), ("linear", 1000)])
def test_a_linear_model_is_found_again(surrogate, samples):
    """The weight of a superpixel is what it carries; ridge shrinks it a little."""
    model, film = planted.classifier(), planted.film()
    result = final(model, film, samples=samples, superpixels=16, algorithm="grid", surrogate=surrogate, fill="black")
    per_cell = planted.density(film.pixels).reshape(4, 4, 32, 4, 32).sum((2, 4))
    expected = np.kron(per_cell * 16 / 49, np.ones((32, 32)))
    np.testing.assert_allclose(result.values, expected, atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(result.fidelity[:3], 1, atol=1e-3)


@pytest.mark.parametrize("surrogate", ["quadratic", "linear"])
def test_fidelity_is_undefined_where_nothing_moves_and_low_where_no_line_fits(surrogate):
    model, film = planted.classifier(), planted.film()
    straight = final(model, film, samples=200, surrogate=surrogate).fidelity
    assert np.isnan(straight[3])
    assert (straight[:3] > 0.95).all()
    plain = model.logits

    def swinging(x):  # up and down many times on the way from the film to its cover
        out = plain(x)
        out[:, 0] = torch.sin(500 * out[:, 0])
        return out

    model.logits = swinging
    bent = final(model, film, samples=200, surrogate=surrogate).fidelity
    assert bent[0] < 0.6
    np.testing.assert_allclose(bent[1:3], straight[1:3], atol=1e-4)


@pytest.mark.parametrize("fit", [fit_linear, fit_quadratic])
def test_fidelity_is_measured_on_other_samples(fit):
    """By hand: each fifth of the pairs against a fit to the rest. Noise fits its own samples, and no others."""
    random = np.random.RandomState(3)
    kept = balanced(100, 12, random)
    logits = np.stack([2 * kept[:, 0] - kept[:, 3] + 0.3 * random.normal(size=100), random.normal(size=100)], 1)
    near = np.exp(-(((1 - np.sqrt(kept.mean(1))) / 0.25) ** 2) / 2)
    missed, fifths = np.zeros(2), np.arange(100) // 2 % 5
    for fifth in range(5):
        rest, own = fifths != fifth, fifths == fifth
        slopes = fit(kept[rest], logits[rest]).T
        offset = np.average(logits[rest] - kept[rest] @ slopes, 0, near[rest])
        missed += near[own] @ (logits[own] - kept[own] @ slopes - offset) ** 2
    by_hand = 1 - missed / (near @ (logits - np.average(logits, 0, near)) ** 2)
    found = out_of_sample(fit, kept, logits)
    np.testing.assert_allclose(found, by_hand)
    assert found[0] > 0.8
    assert found[1] < 0.05


def every_mask(superpixels):
    return np.arange(2**superpixels)[:, None] >> np.arange(superpixels)[::-1] & 1


def polynomial(superpixels, *, cubic, seed=0):
    """Three logits that superpixels move alone, in pairs, and (cubic times as much) in threes."""
    random = np.random.default_rng(seed)
    alone = random.normal(size=(superpixels, 3))
    pairs = np.triu(random.normal(size=(3, superpixels, superpixels)), 1) / superpixels**0.5
    threes = random.normal(size=(3, superpixels, superpixels, superpixels)) * cubic / superpixels

    def logits(kept):
        z = 2.0 * kept - 1
        found = z @ alone + np.einsum("mi,mj,lij->ml", z, z, pairs, optimize=True)
        if not cubic:
            return found
        for i, of_i in enumerate(threes.swapaxes(0, 1)):
            found += z[:, i, None] * ((z @ of_i) * z).sum(-1).T
        return found

    return logits


@pytest.mark.parametrize("superpixels", [2, 3, 7, 11])
def test_the_line_is_the_packages_own_through_every_mask(superpixels):
    """Repeated so often that the package's ridge does not count."""
    logits = polynomial(superpixels, cubic=0)
    every = np.tile(every_mask(superpixels), (max(1, 4096 // 2**superpixels), 1))
    theirs, ours = fit_linear(every, logits(every)), fit_quadratic(every, logits(every))
    np.testing.assert_allclose(ours, theirs, atol=0.01 * np.abs(theirs).max())


def test_a_quadratic_model_needs_few_samples():
    """The effects of pairs lend no weight to single superpixels."""
    logits = polynomial(16, cubic=0)
    truth = fit_linear(every_mask(16), logits(every_mask(16)))
    kept = balanced(200, 16, np.random.RandomState(1))
    found = fit_quadratic(kept, logits(kept))
    np.testing.assert_allclose(found, truth, atol=0.1 * np.abs(truth).max())
    chance = independent(200, 16, np.random.RandomState(1))
    assert np.abs(fit_linear(chance, logits(chance)) - truth).mean() > 3 * np.abs(found - truth).mean()


def test_fewer_balanced_samples_are_worth_more_than_the_packages_own():
    """Also where superpixels act in threes, which no quadratic surrogate knows: 400 against 1000, error of the mean."""
    logits = polynomial(16, cubic=0.4)
    truth = fit_linear(every_mask(16), logits(every_mask(16)))

    def error(draw, fit, samples):
        found = []
        for seed in range(10):
            kept = draw(samples, 16, np.random.RandomState(seed))
            found.append(fit(kept, logits(kept)))
        assert np.abs(np.mean(found, 0) - truth).max() < 0.1 * np.abs(truth).max()  # no bias
        return np.abs(found - truth).mean()

    assert error(balanced, fit_quadratic, 400) < error(independent, fit_linear, 1000)


@pytest.mark.parametrize("superpixels", [1, 2, 45, 64, 200])
def test_balanced_samples(superpixels):
    block = 2 ** int(np.ceil(np.log2(superpixels)))
    kept = balanced(4 * block + 3, superpixels, np.random.RandomState(0))
    assert kept.shape == (4 * block + 3, superpixels)
    assert set(kept.ravel()) == {0, 1}
    np.testing.assert_array_equal(kept[0:-3:2], 1 - kept[1:-3:2])
    for matrix in (kept[: 2 * block], kept[2 * block : 4 * block]):
        signs = 2 * matrix - 1
        np.testing.assert_array_equal(signs.T @ signs, 2 * block * np.eye(superpixels))
    if superpixels > 2:
        assert (kept[: 2 * block] != kept[2 * block : 4 * block]).any()
        assert (kept != balanced(len(kept), superpixels, np.random.RandomState(1))).any()
    np.testing.assert_array_equal(kept, balanced(len(kept), superpixels, np.random.RandomState(0)))


@pytest.mark.parametrize("samples", [2, 10, 40])
def test_maps_from_fewer_samples_than_superpixels(samples):
    kept = balanced(samples, 50, np.random.RandomState(0))
    logits = polynomial(50, cubic=0)(kept)
    logits[:, 2] = 1
    weights = fit_quadratic(kept, logits)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(weights[2], 0, atol=1e-9)


@pytest.mark.parametrize("algorithm", ["slic", "quickshift", "grid"])
@pytest.mark.parametrize("picture", ["planted", "flat", "noise"])
def test_superpixels_are_numbered_without_gaps(algorithm, picture):
    pictures = {
        "planted": planted.pixels(),
        "flat": np.full((96, 96), 0.5, np.float32),
        "noise": np.random.default_rng(0).random((96, 96)).astype(np.float32),
    }
    labels = segment(pictures[picture], algorithm, 50, 3)
    assert labels.shape == pictures[picture].shape
    np.testing.assert_array_equal(np.unique(labels), np.arange(labels.max() + 1))
    if algorithm != "quickshift":
        assert 25 <= labels.max() + 1 <= 75


@pytest.mark.parametrize("superpixels", [10, 50, 200])
def test_a_grid_has_cells_of_one_size(superpixels):
    areas = np.bincount(segment(planted.pixels(), "grid", superpixels, 0).ravel())
    assert len(areas) == round(superpixels**0.5) ** 2
    assert areas.max() <= 1.35 * areas.min()


def test_superpixels_follow_the_film():
    """Few pixels are of the other kind, bright or dark, than most of their superpixel."""
    bright = planted.pixels() > 0.5

    def mixed(labels):
        share = np.bincount(labels.ravel(), bright.ravel()) / np.bincount(labels.ravel())
        return np.minimum(share, 1 - share)[labels].mean()

    for algorithm in ("slic", "quickshift"):
        assert mixed(segment(planted.pixels(), algorithm, 50, 0)) < 0.03
    assert mixed(segment(planted.pixels(), "grid", 50, 0)) > 0.05


def test_masks_cover_what_is_switched_off():
    segments = np.arange(16).reshape(4, 4) // 4
    kept = np.array([[1, 1, 1, 1], [0, 1, 1, 0]])
    masks = Superpixels(segments, kept)
    assert len(masks) == 2
    np.testing.assert_array_equal(masks[0:2][0], 0)
    np.testing.assert_array_equal(masks[1:2][0][:, 0], [1, 0, 0, 1])


def test_weights_are_scaled_by_area():
    segments = np.array([[0, 0], [0, 1]])
    maps = per_area(np.array([[3.0, 1.0]]), segments)
    np.testing.assert_allclose(maps[0], np.array([[4, 4], [4, 4]]) / 49)


def test_refined_as_samples_arrive():
    runs = list(Case(planted.classifier(), planted.film()).explain(LIME(samples=400)))
    done = [e.steps[0] for e in runs]
    assert len(done) == 10
    for i, n in enumerate(done):  # every tenth, to the end of its batch
        assert 40 * (i + 1) <= n < 40 * (i + 1) + 16
    assert done[-1] == runs[0].steps[1] == 400
    assert all(e.fidelity is not None for e in runs)
    assert runs[-1].forwards == 401


def test_nothing_is_written_to_the_terminal(capfd):
    final(planted.classifier(), planted.film(), samples=100)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_the_seed_decides_where_the_film_gives_no_edge():
    flat = np.full((96, 96), 0.5, np.float32)
    one, same, other = (segment(flat, "quickshift", 50, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
