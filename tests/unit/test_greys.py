"""A film whose grey values are unusual is warned of, by the value that is farthest from usual."""

import time

import cv2
import numpy as np
import pytest

from cxr_demo.films import gate, greys, image, phantom

TOP = greys.LEVELS - 1
#: Limits that a film of evenly spread grey values is well inside of.
LIMITS = np.array([[0, 0, 0.1, 0.3, 0.6, 0.8, 0.8, 0.5], [0.2, 0.2, 0.4, 0.7, 0.9, 0.98, 0.995, 1]])


def film(pixels: np.ndarray, name: str = "film.png"):
    """A film of pixels (H, W) uint8."""
    return image.decode(cv2.imencode(".png", pixels)[1].tobytes(), name)


def spread(side: int = 128) -> np.ndarray:
    """A film (side, side) uint8 with the same number of pixels of each grey level."""
    values = np.arange(side * side) * greys.LEVELS // (side * side)
    return np.random.default_rng(2).permutation(values).reshape(side, side).astype(np.uint8)


# ------------------------------------------------------------------ measures


def test_quantiles_are_those_of_numpy():
    pixels = np.random.default_rng(1).integers(20, 200, (128, 128), dtype=np.uint8)
    (found,) = greys.measures(greys.histogram(film(pixels))[None])
    expected = np.quantile(pixels / TOP, greys.SHARES, method="inverted_cdf")
    np.testing.assert_allclose(found[:-1], expected, atol=1e-12)
    assert found[-1] == 180 / 256


def test_only_the_crop_counts():
    wide = np.hstack([np.full((128, 40), 255, np.uint8), spread(), np.full((128, 40), 255, np.uint8)])
    np.testing.assert_array_equal(greys.histogram(film(wide)), greys.histogram(film(spread())))


@pytest.mark.parametrize(("side", "rows"), [(100, 100), (128, 128), (255, 255), (256, 128), (1000, 143)])
def test_a_large_film_is_sampled_regularly(side, rows):
    ramp = np.tile(np.linspace(0, 255, side).astype(np.uint8), (side, 1))
    counts = greys.histogram(film(ramp))
    assert counts.sum() == rows**2
    assert np.average(np.arange(256), weights=counts) == pytest.approx(127.5, abs=2)


# ------------------------------------------------------------------ warnings


def test_usual_grey_values_are_not_warned_of():
    assert greys.warning(film(spread()), LIMITS) is None


@pytest.mark.parametrize(
    ("change", "identity", "parameters"),
    [
        (lambda grey: grey // 4, "dark", {"share": 95, "value": "0.24", "usual": "0.80"}),
        (lambda grey: grey // 4 + 192, "bright", {"share": 95, "value": "0.76", "usual": "0.20"}),
        (lambda grey: np.minimum(grey.astype(int) * 4, 255), "bright", {"share": 75, "value": "0.99", "usual": "0.40"}),
        (lambda grey: np.maximum(grey.astype(int) - 170, 0), "dark", {"share": 75, "value": "0.08", "usual": "0.60"}),
        (lambda grey: grey // 16 * 16 + 8, "few_levels", {"count": 16, "levels": 256}),
    ],
)
def test_the_warning_names_the_value_farthest_from_usual(change, identity, parameters):
    said = greys.warning(film(change(spread()).astype(np.uint8)), LIMITS)
    assert said.id == f"warning.read.{identity}"
    assert {name: str(value) for name, value in said.parameters.items()} == {k: str(v) for k, v in parameters.items()}
    assert "compare the film with your viewer" in said


@pytest.mark.parametrize("key", phantom.PHANTOMS)
def test_drawn_films_are_usual_until_they_are_spoilt(key):
    pixels = phantom.draw(key)
    limits = gate._limits()
    assert greys.warning(film(pixels), limits) is None
    for wrong in (pixels // 2, pixels // 4, pixels // 8, 191 + pixels // 4, np.minimum(4 * pixels.astype(int), 255)):
        assert greys.warning(film(wrong.astype(np.uint8)), limits)


def test_a_large_film_costs_little():
    drawn = film(cv2.resize(phantom.draw("normal"), (3000, 3000)))
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        greys.warning(drawn, LIMITS)
        taken.append(time.perf_counter() - started)
    assert min(taken) < 0.002
