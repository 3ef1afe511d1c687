import base64
import io
import json

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from cxr_demo.films import image
from cxr_demo.output import render
from cxr_demo.output.render import PALETTES, STOPS, limit_of, overlay, quantise, rgba
from cxr_demo.types import Unit
from tests.support import planted

#: What the two kinds of red-green blindness and blue-yellow blindness leave of linear RGB (Machado et al. 2009).
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def luminance(colours):
    return np.asarray(colours, float) @ [0.2126, 0.7152, 0.0722]


def signed(values, limit=1.0):
    return rgba(np.array(values, float), limit=limit, unit=Unit.LOGIT).astype(int)


@pytest.fixture(params=PALETTES)
def palette(request, monkeypatch):
    """Each palette in turn, as if it were the default."""
    monkeypatch.setattr(render, "STOPS", PALETTES[request.param])
    return PALETTES[request.param]


@pytest.mark.parametrize("unit", Unit)
def test_every_unit_has_colours_that_a_page_can_be_told(unit, palette):
    stops = palette[unit]
    positions = [stop[0] for stop in stops]
    assert positions == sorted(set(positions))
    assert positions[-1] == 1
    assert json.loads(json.dumps(stops)) == [list(stop) for stop in stops]
    assert 0 in positions


@pytest.mark.parametrize("unit", Unit)
def test_the_stops_are_the_colours(unit, palette):
    for position, *colour in palette[unit]:
        *got, alpha = rgba(np.array(position * 3.0), limit=3.0, unit=unit)
        assert got == colour
        assert alpha == round(255 * abs(position) + 1e-9)


def test_between_stops_colours_are_mixed_evenly():
    (_, *low), (_, *high) = STOPS[Unit.LOGIT][3:]
    np.testing.assert_allclose(signed(0.75)[:3], (np.array(low) + high) / 2, atol=0.5)


def test_no_evidence_has_no_colour():
    assert signed([0.0, -0.0, np.nan])[:, 3].tolist() == [0, 0, 0]


def test_more_evidence_covers_more():
    alpha = signed(np.linspace(-1, 1, 201))[:, 3]
    np.testing.assert_allclose(alpha, np.abs(np.linspace(-255, 255, 201)), atol=0.5)


def test_beyond_the_limit_is_the_limit():
    np.testing.assert_array_equal(signed([5, -7], limit=2), signed([2, -2], limit=2))


def test_rankings_have_no_negative_side():
    assert rgba(np.array(-1.0), limit=1, unit=Unit.RANKING)[3] == 0


@pytest.mark.parametrize("kind", BLINDNESS)
@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.usefixtures("palette")
def test_for_and_against_differ_for_every_eye(kind, strength):
    against, towards = (signed([-strength, strength])[:, :3] / 255) ** 2.2 @ np.transpose(BLINDNESS[kind])
    assert np.abs(against - towards).max() > 0.25


@pytest.mark.usefixtures("palette")
def test_rankings_grow_brighter_steadily():
    shades = luminance(rgba(np.linspace(0, 1, 50), limit=1, unit=Unit.RANKING)[:, :3])
    assert (np.diff(shades) > 0).all()


@pytest.mark.usefixtures("palette")
def test_for_and_against_are_about_as_bright():
    against, towards = luminance(signed([-1, 1])[:, :3])
    assert abs(against - towards) < 30


def test_a_limit_is_shared_and_clips_nothing():
    assert limit_of([np.array([[1.0, -4.0]]), np.array([3.0])]) == 4
    assert limit_of([np.array([np.nan, 0.5])]) == 0.5


@pytest.mark.parametrize("maps", [[], [np.zeros((2, 3, 3))], [np.full((2, 2), 1e-7)], [np.full(3, np.nan)]])
def test_an_empty_map_stays_empty(maps):
    limit = limit_of(maps)
    assert limit == render.SMALLEST_LIMIT
    for values in maps:
        assert signed(values, limit)[..., 3].max() == 0


def test_quantised_maps_are_true_to_half_a_step():
    values = (
        np.random.default_rng(0).normal(size=(3, 20, 20)).astype(np.float32) * np.array([1, 1e-6, 1e4])[:, None, None]
    )
    planes, scales = quantise(values)
    assert (planes.dtype, scales.dtype) == (np.int8, np.float32)
    assert planes.shape == values.shape
    assert scales.shape == (3,)
    back = planes * scales[:, None, None]
    assert (np.abs(back - values).max((1, 2)) <= 0.5001 * scales).all()
    assert np.abs(planes).max((1, 2)).tolist() == [127, 127, 127]


@pytest.mark.parametrize("value", [0.0, 1e-45])
def test_quantised_nothing_is_nothing(value):
    planes, scales = quantise(np.full((2, 4, 4), value, np.float32))
    assert not planes.any()
    np.testing.assert_array_equal(scales, 0)


def grey(film):
    return np.repeat(np.rint(film * 255)[..., None], 3, axis=2)


@pytest.mark.parametrize("smooth", [False, True])
def test_an_empty_map_leaves_the_film_as_it_is(smooth):
    film = planted.pixels().clip(0, 1)
    picture = overlay(film, np.zeros_like(film), limit=1, unit=Unit.LOGIT, smooth=smooth)
    assert (picture.dtype, picture.shape) == (np.uint8, (128, 128, 3))
    np.testing.assert_array_equal(picture, grey(film))


def test_opacity_is_how_much_full_evidence_covers():
    film = np.full((8, 8), 0.5, np.float32)
    half = overlay(film, np.ones((8, 8)), limit=1, unit=Unit.LOGIT, opacity=0.5)
    expected = 0.5 * 127.5 + 0.5 * np.array(STOPS[Unit.LOGIT][-1][1:])
    np.testing.assert_allclose(half[3, 3], expected, atol=1)
    none = overlay(film, np.ones((8, 8)), limit=1, unit=Unit.LOGIT, opacity=0)
    np.testing.assert_array_equal(none, np.full((8, 8, 3), 128))


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("shape", [(90, 60), (60, 90)])
def test_what_the_model_did_not_see_is_dimmed_and_hatched(shape, smooth):
    film = planted.film(np.full(shape, 0.9))
    placed = image.place(np.ones((10, 10), np.float32), film)
    picture = overlay(film.pixels, placed, limit=1, unit=Unit.LOGIT, smooth=smooth).astype(int)
    unseen = np.isnan(placed)
    assert unseen.sum() == 30 * 60
    assert not np.ptp(picture[unseen], axis=1).any()
    assert len(np.unique(picture[unseen])) == 2
    assert picture[unseen].mean() < 0.5 * 255 * 0.9
    assert (picture[~unseen][:, 0] > picture[~unseen][:, 2] + 50).all()  # orange to the border of the view


def test_smoothing_is_for_the_eye_within_the_view():
    placed = np.full((70, 100), np.nan, np.float32)
    placed[:, 15:85] = 0
    placed[30:40, 45:55] = 1
    blurred = render._blurred(placed, np.isfinite(placed))
    np.testing.assert_array_equal(np.isnan(blurred), np.isnan(placed))
    assert np.nansum(blurred) == pytest.approx(100, rel=0.01)
    assert 0.2 < np.nanmax(blurred) < 0.9
    assert placed[35, 50] == 1  # the map itself is untouched


@pytest.mark.parametrize("unit", Unit)
def test_a_scale_bar_has_the_colours_of_a_map_from_end_to_end(unit):
    bar = render.scale_bar(unit, 101, 3)
    assert bar.shape == (3, 101, 3)
    lowest = STOPS[unit][0][0]
    values = np.linspace(lowest, 1, 101) * 7
    wanted = overlay(np.full((1, 101), 0.5), values[None], limit=7, unit=unit)
    assert np.abs(bar.astype(int) - wanted).max() <= 1


def captioned(width, title="Occlusion · Effusion", unit=Unit.LOGIT, limit=0.5, notes=("File film.png",)):
    """A grey picture of this width and the strip below it, apart."""
    picture = np.full((40, width, 3), 128, np.uint8)
    whole = render.captioned(picture, render.Legend(title, unit, limit, notes))
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole[:40], picture)
    return whole[40:]


def where(strip, text, size, weight=""):
    """Where a text of this size stands in a strip: x and y of its ink's left upper corner, None where it does not."""
    font = render._font(size, weight)
    paper = Image.new("L", (int(font.getlength(text)) + 2 * size, 2 * size), render.PAPER)
    ImageDraw.Draw(paper).text((size, size), text, fill=render.INK, font=font, anchor="ls")
    drawn = np.asarray(paper)
    rows, columns = (np.flatnonzero((drawn < 128).any(axis)) for axis in (1, 0))
    ink = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    apart = cv2.matchTemplate(np.ascontiguousarray(strip[..., 0]), ink, cv2.TM_SQDIFF) / ink.size
    y, x = np.unravel_index(apart.argmin(), apart.shape)
    return (int(x), int(y)) if apart.min() < 1 else None


@pytest.mark.parametrize(("width", "size"), [(256, 11), (512, 11), (1024, 18), (3000, 54)])
def test_a_strip_says_what_it_is_told_in_letters_that_suit_the_picture(width, size):
    strip = captioned(width, notes=("File Bjørn Ærlig åtte.png", "Research demo"))
    (_, title), (_, file), (_, notice) = (
        where(strip, "Occlusion · Effusion", size, "-Bold"),
        where(strip, "File Bjørn Ærlig åtte.png", size),
        where(strip, "Research demo", size),
    )
    assert title < file < notice
    assert where(strip, "Occlusion · Edema", size, "-Bold") is None
    assert where(strip, "File Bjorn Ærlig åtte.png", size) is None


@pytest.mark.parametrize("unit", Unit)
@pytest.mark.parametrize(("width", "size"), [(256, 11), (1024, 18)])
def test_a_strip_has_the_colours_and_their_values(width, size, unit):
    strip = captioned(width, unit=unit, limit=0.25)
    bar = render.scale_bar(unit, width - 2 * (size // 2), size)
    top = next(y for y in range(len(strip)) if (strip[y, size // 2 : -(size // 2)] == bar[0]).all())
    np.testing.assert_array_equal(strip[top : top + size, size // 2 : -(size // 2)], bar)
    values = {Unit.LOGIT: ("−0.250 against", "0", "for +0.250"), Unit.RANKING: ("0", "+0.125", "+0.250")}[unit]
    below = strip[top + size : top + 3 * size]
    for at, value in enumerate(values):
        left = (0, width // 3, width * 3 // 5)[at]  # a zero stands in the others, too
        x, _ = where(below[:, left : left + width * 2 // 5], value, size)
        length = render._font(size).getlength(value)
        wanted = (size // 2, (width - length) / 2, width - size // 2 - length)[at]
        assert left + x == pytest.approx(wanted, abs=3)


NAMES = (
    "a name with spaces " * 20, "x" * 400, "W" * 300 + ".png", "胸部" * 60, "", " ", "a\nb\tc\0d", "\u202egnp.exe",
    "\ud800", "e\u0301" * 90, "م" * 80, "👍🏽 · % %", "j" * 99 + "ÅÇ",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
@pytest.mark.parametrize("width", [32, 64, 256, 257, 1000])
def test_nothing_of_a_strip_is_cut_off(width, name):
    """What goes beyond the paper leaves ink at its edge."""
    strip = captioned(width, title=name, limit=1e30, notes=(name, "Research demo, not for clinical use"))
    for edge in (strip[:, :2], strip[:, -2:], strip[:2], strip[-2:]):
        assert (edge == render.PAPER).all()
    assert (strip < 128).any()


@pytest.mark.parametrize("width", [30, 90, 240])
@pytest.mark.parametrize("text", ["Research demo, not for clinical use", "x" * 99, f"File {'W' * 40} and more"])
def test_broken_lines_fit_and_lose_no_letter(text, width):
    font = render._font(11)
    lines = render._wrapped(text, font, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(font.getlength(line) <= width for line in lines)
    assert len(lines) < 2 * font.getlength(text) / width + 2


def test_no_line_begins_with_a_dot_or_a_percent_sign():
    font = render._font(11)
    lines = [render._wrapped("LIME · Edema · probability 73 %", font, width) for width in range(80, 200)]
    assert not [line for found in lines for line in found if line[0] in "·%"]
    assert len({len(found) for found in lines}) > 1


def test_values_that_would_touch_stand_one_after_the_other():
    strip = captioned(256, limit=1e15)
    _, low = where(strip, "−1000000000000000.0 against · 0 ·", 11)
    _, high = where(strip, "+1000000000000000.0", 11)
    assert high > low


def test_letters_are_whole_and_what_cannot_be_seen_is_marked():
    assert render._printable("a\u030angstro\u0308m \n\u202e\ud800") == "ångström \ufffd\ufffd\ufffd"


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_picture_comes_back_from_its_address(shape):
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    kind, data = render.data_uri(picture).split(",")
    assert kind == "data:image/png;base64"
    read = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(read if read.ndim == 2 else read[..., ::-1], picture)


def test_a_file_holds_its_texts_in_any_script():
    texts = {"Title": "Ærlig · 胸部", "Software": "plain", "Description": "two\nlines \ud800"}
    read = Image.open(io.BytesIO(render.png(np.zeros((5, 7), np.uint8), texts)))
    assert read.text == texts | {"Description": "two\ufffdlines \ufffd"}


@pytest.mark.parametrize(("strongest", "empty"), [(0.0199, True), (0.0201, False), (-0.0199, True), (-0.0201, False)])
def test_a_map_below_a_fiftieth_of_its_scale_is_empty(strongest, empty):
    values = np.array([[0, 3 * strongest], [0, 0]])
    assert render.empty(values, 3) == empty
