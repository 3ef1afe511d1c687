"""The film in a picture that holds more is found where it was put, and a film by itself is left whole."""

import cv2
import numpy as np
import pytest

from cxr_demo.errors import BadSetting
from cxr_demo.films import framing, gate, image, phantom
from cxr_demo.films.framing import Rectangle

FILM = phantom.draw("effusion")[:480, 30:-30]  # without the flat air beside its arms
#: Lines of margin above, left, below and right of the film.
ROUND, ABOVE, BESIDE = (100, 150, 120, 200), (300, 0, 0, 0), (0, 250, 0, 0)


def framed(margins: tuple[int, int, int, int], grey: int, film: np.ndarray = FILM) -> tuple[np.ndarray, Rectangle]:
    """A picture (H, W) uint8 of a film in margins of a grey, and the place of the film."""
    top, left, bottom, right = margins
    picture = np.pad(film, ((top, bottom), (left, right)), constant_values=grey)
    return picture, Rectangle(top, left, top + film.shape[0], left + film.shape[1])


def decoded(picture: np.ndarray):
    return image.decode(cv2.imencode(".png", picture)[1].tobytes(), "film.png")


def found_in(picture: np.ndarray) -> Rectangle | None:
    return framing.film_in(picture.astype(np.float32) / 255)


def assert_near(found: Rectangle | None, truth: Rectangle, pixels: int) -> None:
    assert found is not None
    np.testing.assert_allclose(found.edges, truth.edges, atol=pixels)


# ------------------------------------------------------------------ the rectangle


@pytest.mark.parametrize("margins", [ROUND, ABOVE, BESIDE])
@pytest.mark.parametrize("grey", [110, 255])
def test_margins_are_found_to_the_pixel(margins, grey):
    picture, truth = framed(margins, grey)
    assert found_in(picture) == truth


@pytest.mark.parametrize("width", [60, 128, 200])
@pytest.mark.parametrize("key", phantom.PHANTOMS)
def test_black_margins_of_a_film_with_black_air_are_found(key, width):
    """There is no straight step between them, but their lines show nothing at all."""
    picture, truth = framed((width,) * 4, 0, phantom.draw(key))
    assert_near(found_in(picture), truth, 1)


def test_letters_and_noise_in_a_margin_change_nothing():
    picture, truth = framed(ROUND, 140)
    cv2.putText(picture, "PORTABLE AP 12:30", (170, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 255, 1)
    noise = np.random.default_rng(1).normal(0, 1.5, picture.shape)
    assert_near(found_in(np.clip(picture + noise, 0, 255)), truth, 1)


@pytest.mark.parametrize(("grey", "panel"), [(45, 0), (130, 0), (215, 0), (255, 0), (130, 120), (215, 120)])
def test_a_viewer_s_toolbar_is_cut_off_with_its_window(grey, panel):
    picture, truth = framed((90, panel + 20, 150, 300), 25)
    picture[:70] = grey
    for at in range(20, picture.shape[1] - 30, 60):
        cv2.rectangle(picture, (at, 14), (at + 24, 54), 255 - grey, -1)
    cv2.putText(picture, "Patient  View  Tools", (10, 11), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 255 - grey)
    picture[70:, :panel] = grey
    assert_near(found_in(picture), truth, 1)


def test_a_film_with_black_air_in_a_lettered_black_window_is_found():
    picture, inner = framed((90, 120, 150, 300), 0, phantom.draw("normal"))
    cv2.putText(picture, "W 2000", (inner.right + 60, 130), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255)
    picture[:70] = 60
    for at in range(20, picture.shape[1] - 30, 60):
        cv2.rectangle(picture, (at, 14), (at + 24, 54), 200, 1)
    found = found_in(picture)
    # the film's own black air may go with the window's
    assert found is not None
    assert inner.left <= found.left + 2 < found.right - 2 <= inner.right
    assert gate.look(decoded(picture)).correction == "crop"


def test_black_margins_in_white_ones_are_both_cut_off():
    picture, _ = framed((90,) * 4, 255, framed((100,) * 4, 0)[0])
    assert_near(found_in(picture), Rectangle(190, 190, 190 + FILM.shape[0], 190 + FILM.shape[1]), 2)


def test_blades_that_lean_by_a_degree_are_found():
    height, width = FILM.shape
    lit = np.zeros(FILM.shape, np.float32)
    lit[70:-80, 60:-90] = 1
    lean = cv2.getRotationMatrix2D((width / 2, height / 2), 1.0, 1)
    lit = cv2.warpAffine(lit, lean, (width, height))
    picture = FILM * lit + 250 * (1 - lit)
    # a side of 360 pixels that leans by a degree spreads over 6
    assert_near(found_in(picture), Rectangle(70, 60, height - 80, width - 90), 7)


@pytest.mark.parametrize("mark", ["dot", "line", "letter"])
def test_a_nearly_black_picture_is_no_film_in_margins(mark):
    picture = np.zeros((2000, 2000), np.uint8)
    if mark == "letter":
        cv2.putText(picture, "L", (900, 900), cv2.FONT_HERSHEY_SIMPLEX, 2, 255, 4)
    else:
        picture[1000, 1000 : 1001 if mark == "dot" else 2000] = 255
    assert found_in(picture) is None
    gate.look(decoded(picture))


@pytest.mark.parametrize("degrees", [-7, 4])
@pytest.mark.parametrize("table", [20, 235])
def test_a_photograph_at_an_angle_is_found(degrees, table):
    """The truth is the rectangle round the film's turned corners."""
    height, width = FILM.shape
    place = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.7)
    place[:, 2] += (300, 150)
    size = (width + 600, height + 300)
    lit = cv2.warpAffine(np.ones(FILM.shape, np.float32), place, size)
    picture = cv2.warpAffine(FILM.astype(np.float32), place, size) + table * (1 - lit)
    picture += np.random.default_rng(0).normal(0, 1, picture.shape)
    corners = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ place.T
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    truth = Rectangle(*(round(edge) for edge in (top, left, bottom, right)))
    found = found_in(np.clip(picture, 0, 255))
    assert found is not None
    both = framing.Rectangle(
        max(found.top, truth.top),
        max(found.left, truth.left),
        min(found.bottom, truth.bottom),
        min(found.right, truth.right),
    )
    areas = [(one.bottom - one.top) * (one.right - one.left) for one in (both, found, truth)]
    assert areas[0] / (areas[1] + areas[2] - areas[0]) > 0.85


@pytest.mark.parametrize("key", phantom.PHANTOMS)
def test_a_film_by_itself_is_whole(key):
    assert found_in(phantom.draw(key)) is None


def test_a_small_margin_is_not_worth_a_word():
    """Five hundredths on each side take 0.19 of the view, less than LOST; seven take 0.26."""
    small, large = (framed((round(452 * share / (1 - 2 * share)),) * 4, 110, FILM[:452])[0] for share in (0.05, 0.07))
    assert found_in(small) is None
    assert found_in(large) is not None


def test_the_share_of_the_view_in_the_margins_is_an_area():
    # the view of 100 x 200 is columns 50 to 150; the film covers 40 x 50 of its 100 x 100 pixels
    assert framing.lost_view((100, 200), Rectangle(30, 100, 70, 190)) == pytest.approx(0.8)
    assert framing.lost_view((100, 200), Rectangle(0, 0, 100, 200)) == 0


# ------------------------------------------------------------------ the offer


@pytest.mark.parametrize("way", [None, "turn left", "turn over", "turn right"])
def test_a_film_in_margins_is_offered_alone_and_upright(way):
    turns = image.CORRECTIONS[way][0] if way else 0
    picture, _ = framed(ROUND, 255, np.rot90(FILM, -turns))
    film = decoded(picture)
    found = gate.look(film)
    correction = f"crop and {way}" if way else "crop"
    assert not found.passes
    assert found.correction == correction
    assert found.says[0].id == "warning.margins"
    assert len(found.says) == (2 if way else 1)
    alone = image.corrected(film, correction)
    np.testing.assert_allclose(alone.pixels * 255, FILM, atol=0.01)
    assert alone.crop == image.centre_square(*FILM.shape)
    assert alone.correction == correction
    assert gate.look(alone).passes


def test_a_cropped_film_knows_its_place_in_the_file():
    picture, truth = framed(ROUND, 255)
    assert image.corrected(decoded(picture), "crop").part == truth.edges == (150, 100, 602, 580)


@pytest.mark.parametrize("gutter", [0, 30])
def test_two_films_side_by_side_are_named(gutter):
    between = np.zeros((phantom.SIZE, gutter), np.uint8)
    found = gate.look(decoded(np.hstack([phantom.draw("normal"), between, phantom.draw("effusion")])))
    assert [said.id for said in found.says] == ["warning.two_films"]
    assert found.correction is None


def test_a_wide_picture_of_something_else_is_no_pair():
    noise = np.random.default_rng(3).integers(0, 256, (300, 600), np.uint8)
    assert not gate.look(decoded(noise)).pair


def test_a_picture_of_something_else_in_margins_is_no_film_to_crop():
    noise = np.random.default_rng(2).integers(0, 256, (400, 400), np.uint8)
    picture, _ = framed((200, 200, 200, 200), 255, noise)
    assert found_in(picture) is not None
    assert gate.look(decoded(picture)).part is None


@pytest.mark.parametrize("correction", ["", "crop and ", "crop and crop", "crop and nothing"])
def test_unknown_corrections_are_refused(correction):
    with pytest.raises(BadSetting, match="There is no correction"):
        image.corrected(decoded(framed(ROUND, 255)[0]), correction)


def test_a_crop_that_would_turn_an_upright_film_is_not_offered(monkeypatch):
    picture, _ = framed(ROUND, 255)
    judged = iter([(1.0, None), (-1.0, "turn over")])
    monkeypatch.setattr(gate, "_orientation", lambda _: next(judged))
    assert gate.look(decoded(picture)).part is None


def test_a_film_without_margins_cannot_be_cropped():
    with pytest.raises(BadSetting, match="no margins"):
        image.corrected(decoded(FILM), "crop")
    with pytest.raises(BadSetting, match="crop and turn left"):
        image.corrected(decoded(FILM), "crop and mirror")
