"""Integrated Gradients against captum, against completeness, and against the closed form of a linear model."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients as Package

from cxr_demo.case import Case
from cxr_demo.methods import method
from cxr_demo.methods.fill import fill_of
from cxr_demo.methods.ig import Line, spread
from cxr_demo.types import REFERENCE_AREA
from tests.support import planted


def final(model, film, **settings):
    *_, result = Case(model, film).explain(method("ig", settings))
    return result


def test_of_a_linear_model_a_pixel_has_its_weight_times_its_change():
    model, film = planted.classifier(), planted.film()
    result = final(model, film, steps=8, fill="black")
    expected = planted.density(film.pixels) * REFERENCE_AREA * film.pixels.size
    np.testing.assert_allclose(result.values, expected, atol=1e-4 * np.abs(expected).max())


def curved():
    """The planted model with logits that bend along the way."""
    model = planted.classifier()
    plain = model.network.features
    object.__setattr__(model.network, "features", lambda x: torch.sin(3 * plain(x)) + plain(x) ** 2)
    return model


@pytest.mark.parametrize("fill", ["blurred", "black", "mirror"])
def test_the_map_sums_to_the_effect_of_the_cover(fill):
    model, film = curved(), planted.film()
    result = final(model, film, steps=64, fill=fill)
    expected = method("ig", {"fill": fill}).expected_sums(Case(model, film).scorer())
    np.testing.assert_allclose(result.values.mean((1, 2)) / REFERENCE_AREA, expected, atol=1e-4)
    coarse = final(model, film, steps=8, fill=fill)
    short = expected - coarse.values.mean((1, 2)) / REFERENCE_AREA
    np.testing.assert_allclose(coarse.missing, short, atol=1e-4)


def test_equal_to_captum():
    model, film = curved(), planted.film()
    scorer = Case(model, film).scorer()
    weight, bias = model.head

    def logits(x):
        return model.network.features(x).mean((2, 3)) @ weight.T + bias

    ours = final(model, film, steps=16).values
    for i in range(4):
        theirs = Package(logits).attribute(
            scorer.x, fill_of("blurred", scorer), target=i, n_steps=16, method="gausslegendre"
        )
        expected = theirs[0, 0].detach().numpy() * REFERENCE_AREA * film.pixels.size
        np.testing.assert_allclose(ours[i], expected, atol=1e-4 * max(1e-3, np.abs(expected).max()))


def test_maps_before_the_last_are_estimates_of_it_that_state_their_own_sums():
    model, film = curved(), planted.film()
    *early, last = Case(model, film).explain(method("ig", {"steps": 24, "fill": "black"}))
    assert [found.steps for found in (*early, last)] == [
        (done + 1, 25) for done in (3, 5, 8, 10, 12, 15, 17, 20, 22, 24)
    ]
    expected = method("ig", {"fill": "black"}).expected_sums(Case(model, film).scorer())
    for found in early:
        np.testing.assert_allclose(found.missing, expected - found.values.mean((1, 2)) / REFERENCE_AREA, atol=1e-4)
    off = [np.abs(found.values - last.values).mean() / np.abs(last.values).mean() for found in early]
    assert off[-1] < off[0] < 0.6


@pytest.mark.parametrize("n", [1, 2, 3, 8, 24, 100, 256])
def test_every_beginning_of_the_order_is_spread_over_the_line(n):
    order = spread(n)
    assert sorted(order) == list(range(n))
    for k in range(1, n + 1):
        gaps = np.diff([-1, *sorted(order[:k]), n])
        assert gaps.max() <= 2 * n / k + 1


def test_of_noisy_copies_each_is_integrated_along_its_whole_line_before_the_next():
    x = torch.zeros(1, 1, 4, 4)
    line = Line(x + 1, x, 8, [x, x + 2])
    places = np.array([float(line[number].mean()) for number in range(16)])
    nodes = (np.polynomial.legendre.leggauss(8)[0] + 1) / 2
    np.testing.assert_allclose(np.sort(places[:8]), nodes, atol=1e-6)
    np.testing.assert_allclose(np.sort(places[8:]), 3 * nodes, atol=1e-6)
    assert sum(line.weight(number) for number in range(16)) == pytest.approx(1)


def test_noise_is_averaged_and_keeps_the_sum_nearly():
    model, film = planted.classifier(), planted.film()
    plain, smooth = (final(model, film, steps=8, smooth=n, fill="black").values for n in (1, 16))
    assert np.abs(plain - smooth).max() > 0
    np.testing.assert_allclose(plain.mean((1, 2)), smooth.mean((1, 2)), atol=2e-4)
