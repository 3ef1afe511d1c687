"""What is no frontal chest film, or does not lie as one should, is told before anything is read into it."""

import cv2
import numpy as np
import pytest

from cxr_demo.case import Case
from cxr_demo.errors import BadSetting
from cxr_demo.films import gate, greys, image, phantom
from cxr_demo.models import registry
from cxr_demo.output import report
from tests.support.pictures import DRAWN, spoilt


def film(pixels: np.ndarray, name: str = "film.png"):
    """A film of pixels (H, W) uint8."""
    return image.decode(cv2.imencode(".png", pixels)[1].tobytes(), name)


# ------------------------------------------------------------------ what it sees


@pytest.mark.parametrize(
    ("change", "direction"),
    [
        (lambda ramp: ramp, 0),
        (lambda ramp: ramp.T, 2),
        (lambda ramp: 255 - ramp, 4),
        (lambda ramp: 255 - ramp.T, 6),
    ],
)
def test_edges_of_a_ramp_all_point_uphill(change, direction):
    ramp = np.tile(np.arange(gate.SIDE, dtype=np.uint8) * 3, (gate.SIDE, 1))
    bins = gate.edges(change(ramp)[None]).reshape(-1, gate.DIRECTIONS)
    share = 1 / gate.CELLS
    assert bins[:, direction] == pytest.approx(share, rel=0.01)
    assert np.delete(bins, direction, 1).max() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("key", phantom.PHANTOMS)
def test_phantoms_are_let_through_and_marked(key):
    drawn = phantom.PHANTOMS[key].film()
    assert gate.look(drawn).passes
    assert "phantom" in drawn.warnings[0]


@pytest.mark.parametrize("correction", image.CORRECTIONS)
def test_a_film_that_lies_wrong_is_recognised_and_put_right(correction):
    upright = phantom.draw("effusion")
    found = gate.look(film(spoilt(upright, correction)))
    assert not found.passes
    assert found.correction == correction
    assert gate.LOOKS[correction] in found.says[0]
    assert gate.look(image.corrected(film(spoilt(upright, correction)), correction)).passes


@pytest.mark.parametrize("name", DRAWN)
def test_drawings_and_noise_are_no_chest_films(name):
    found = gate.look(film(DRAWN[name]))
    assert not found.passes
    if found.correction is None:
        assert found.says == (gate.NO_CHEST_FILM,)


# ------------------------------------------------------------------ putting a film right


@pytest.mark.parametrize("correction", image.CORRECTIONS)
def test_a_corrected_film_has_the_upright_ones_pixels_and_says_so(correction):
    upright = np.random.default_rng(3).integers(0, 256, (60, 80), dtype=np.uint8)
    wrong, right = film(spoilt(upright, correction)), film(upright)
    found = image.corrected(wrong, correction)
    np.testing.assert_allclose(found.pixels, right.pixels, atol=1e-6)
    assert not found.pixels.flags.writeable
    assert found.crop == right.crop
    assert found.sha256 == wrong.sha256
    assert found.correction == correction
    assert found.warnings == (*right.warnings, f"The film was corrected here before it was read: {correction}.")


def test_there_is_no_other_correction():
    with pytest.raises(BadSetting, match="turn left"):
        image.corrected(phantom.PHANTOMS["normal"].film(), "mirror")


def test_a_prediction_of_something_else_is_marked():
    model = registry.load("bundled:nih14")
    odd = film(DRAWN["page"])
    found = Case(model, odd).predict()
    assert found.doubted
    assert found.warnings == (gate.NO_CHEST_FILM, *odd.warnings)
    assert gate.NO_CHEST_FILM in report.prediction_fields(odd, found)["warnings"]
    drawn = phantom.PHANTOMS["normal"].film()
    assert not Case(model, drawn).predict().doubted
    assert Case(model, drawn).predict().warnings == drawn.warnings


# ------------------------------------------------------------------ grey values


def test_a_dark_film_is_warned_of_and_not_doubted():
    dark = film(phantom.draw("effusion") // 4)
    found = gate.look(dark)
    assert found.passes
    assert found.says == (greys.warning(dark, gate._limits()),)
    assert "unusually dark" in found.says[0]
    prediction = Case(registry.load("bundled:nih14"), dark).predict()
    assert (prediction.doubted, prediction.correction) == (False, None)
    assert found.says[0] in prediction.warnings


def test_an_inverted_dark_film_gets_one_warning_at_a_time():
    wrong = film(255 - phantom.draw("effusion") // 4)
    found = gate.look(wrong)
    assert (found.correction, len(found.says)) == ("invert", 1)
    assert image.of_reading(found.says) == []
    (then,) = gate.look(image.corrected(wrong, "invert")).says
    assert "unusually dark" in then


def test_the_gate_says_no_grey_values_of_other_pictures():
    assert image.of_reading(gate.look(film(DRAWN["page"] // 8)).says) == []
