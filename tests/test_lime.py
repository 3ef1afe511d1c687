"""LIME against the package's own loop, and against what is known of a linear model."""

import numpy as np
import pytest
import torch
from lime.lime_image import LimeImageExplainer

from cxr_demo import explain
from cxr_demo.methods import LIME
from cxr_demo.methods.lime import Superpixels, per_area, segment
from tests import planted


def final(model, film, **settings):
    *_, result = explain.explain(model, film, LIME(**settings))
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
    ours = final(model, film, samples=100, superpixels=40, algorithm=algorithm, fill=fill, seed=11)
    for i in range(4):
        for superpixel, weight in theirs.local_exp[i]:
            place = segments[0] == superpixel
            expected = weight * place.size / 49 / place.sum()
            np.testing.assert_allclose(ours.values[i][place], expected, atol=2e-5)
    assert ours.fidelity[0] == pytest.approx(theirs.score, abs=1e-5)  # of the label it fitted last


def test_a_linear_model_is_found_again():
    """The weight of a superpixel is what it carries; ridge shrinks it a little."""
    model, film = planted.classifier(), planted.film()
    result = final(model, film, samples=1000, superpixels=16, algorithm="grid", fill="black")
    per_cell = planted.density(film.pixels).reshape(4, 4, 32, 4, 32).sum((2, 4))
    expected = np.kron(per_cell * 16 / 49, np.ones((32, 32)))
    np.testing.assert_allclose(result.values, expected, atol=0.02 * np.abs(expected).max())
    np.testing.assert_allclose(result.fidelity[:3], 1, atol=1e-3)


def test_fidelity_is_undefined_where_nothing_moves_and_low_where_no_line_fits():
    model, film = planted.classifier(), planted.film()
    straight = final(model, film, samples=200).fidelity
    assert np.isnan(straight[3])
    assert (straight[:3] > 0.95).all()
    plain = model.logits

    def swinging(x):  # up and down many times on the way from the film to its cover
        out = plain(x)
        out[:, 0] = torch.sin(500 * out[:, 0])
        return out

    model.logits = swinging
    bent = final(model, film, samples=200).fidelity
    assert bent[0] < 0.6
    np.testing.assert_allclose(bent[1:3], straight[1:3], atol=1e-4)


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
    runs = list(explain.explain(planted.classifier(), planted.film(), LIME(samples=400)))
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
