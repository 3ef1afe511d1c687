"""Phantoms: the same every time, marked, and different from the normal one only where they say so."""

import io
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import image, phantom
from cxr_demo.types import NIH_FINDINGS

#: Drawn once for all who only look at them.
draw = cache(phantom.draw)
PLANTED = [key for key, one in phantom.PHANTOMS.items() if one.finding]


def middle(mask: np.ndarray) -> tuple[float, float]:
    """The centre of a mask (row, column), in sides of the film."""
    return tuple(np.argwhere(mask).mean(0) / len(mask))


def widest(mask: np.ndarray) -> int:
    columns = np.flatnonzero(mask.any(0))
    return columns[-1] - columns[0] + 1


def test_there_is_a_normal_film_and_one_of_each_finding():
    assert list(phantom.PHANTOMS) == ["normal", "nodule", "effusion", "heart", "pneumothorax"]
    assert [phantom.PHANTOMS[key].finding for key in PLANTED] == ["Nodule", "Effusion", "Cardiomegaly", "Pneumothorax"]
    assert all(one.finding in (None, *NIH_FINDINGS) for one in phantom.PHANTOMS.values())


@pytest.mark.parametrize("key", phantom.PHANTOMS)
def test_the_film_is_the_file_and_says_what_it_is(key, tmp_path):
    path = phantom.save(key, tmp_path)
    film, again = phantom.PHANTOMS[key].film(), image.read(path)
    assert film.sha256 == again.sha256
    assert (film.pixels == again.pixels).all()
    assert (again.pixels == np.float32(draw(key)) / 255).all()
    assert film.name == path.name == f"phantom-{key}.png"
    assert "phantom" in film.warnings[0]
    assert phantom.PHANTOMS[key].planted in film.warnings[0]
    assert "Generated phantom" in Image.open(path).text["Description"]


@pytest.mark.parametrize("size", [256, 512, 1500])
def test_every_size_has_grey_values_like_a_film_and_the_word_at_the_bottom(size):
    pixels = draw("normal", size)
    assert pixels.shape == (size, size)
    assert pixels.dtype == np.uint8
    # air around the body, dark lungs, a bright middle
    lung = pixels[int(0.3 * size) : int(0.6 * size), int(0.15 * size) : int(0.35 * size)].mean()
    spine = pixels[int(0.5 * size) : int(0.8 * size), int(0.47 * size) : int(0.53 * size)].mean()
    assert pixels[: size // 64, : size // 64].mean() < 20
    assert 60 < lung < 130
    assert 200 < spine < 245
    # the word stands white on a dark plate, as wide as a third of the film
    plate = pixels == phantom.PLATE
    rows = np.flatnonzero(plate.sum(1) > 0.1 * size)
    assert 0.2 * size < plate[rows].sum(1).max() < 0.4 * size
    assert rows[0] > 0.9 * size
    assert 0.05 < (pixels[rows[0] : rows[-1], int(0.4 * size) : int(0.6 * size)] > 200).mean() < 0.5


def test_the_word_can_be_read():
    """Drawn again, it lies in the picture, and its letters in another order do not."""
    bottom = draw("effusion")[440:]

    def found(word: str) -> float:
        letters = np.full((40, 160), phantom.PLATE, np.uint8)
        cv2.putText(letters, word, (10, 30), cv2.FONT_HERSHEY_SIMPLEX, 1, 255, 2, cv2.LINE_AA)
        return cv2.matchTemplate(bottom, letters[:, 12:140], cv2.TM_CCOEFF_NORMED).max()

    assert found("PHANTOM") > 0.8
    assert found("MOTNAHP") < 0.6


@pytest.mark.parametrize("use", [phantom.draw, phantom.truth, phantom.png])
def test_an_unknown_phantom_is_refused_by_name(use):
    with pytest.raises(UnreadableImage, match=r"'lung'; choose one of normal, nodule, .*pneumothorax\."):
        use("lung")


def test_the_word_is_all_that_the_mark_adds(monkeypatch):
    marked = phantom.draw("normal")
    monkeypatch.setattr(phantom, "_marked", lambda pixels: pixels)
    bare = phantom.draw("normal")
    rows, columns = np.nonzero(marked != bare)
    assert rows.min() > 0.9 * 512
    assert columns.min() > 0.3 * 512
    assert columns.max() < 0.7 * 512


def test_the_same_bytes_every_time():
    once = phantom.png("nodule")
    phantom._skeleton.cache_clear()  # else the anatomy would be drawn only once
    assert phantom.png("nodule") == once
    assert phantom.PHANTOMS["nodule"].film() is phantom.PHANTOMS["nodule"].film()
    assert not phantom.PHANTOMS["nodule"].film().pixels.flags.writeable


def test_grain_is_not_a_smooth_drawing():
    pixels = draw("normal").astype(float)
    belly = pixels[400:430, 150:200]
    assert 1 < (belly - cv2.GaussianBlur(belly, (0, 0), 3)).std() < 6


@pytest.mark.parametrize("key", PLANTED)
def test_a_phantom_differs_from_the_normal_one_only_where_its_evidence_is(key):
    change = np.abs(draw(key).astype(int) - draw("normal"))
    where = phantom.truth(key)
    assert change[~where].max() <= 4
    assert change[where].mean() > 8
    # and the evidence is no larger than it needs to be: its outline follows the change
    strong = cv2.dilate((change > 12).astype(np.uint8), np.ones((9, 9)))
    assert key == "heart" or strong[where].mean() > 0.7


def test_the_evidence_is_where_the_words_say():
    """Viewer's left is the patient's right; rows grow downwards."""
    assert not phantom.truth("normal").any()
    row, column = middle(phantom.truth("nodule"))
    assert row == pytest.approx(0.32, abs=0.01)
    assert column == pytest.approx(0.735, abs=0.01)
    row, column = middle(phantom.truth("effusion"))
    assert row > 0.55
    assert column < 0.45
    assert middle(phantom.truth("pneumothorax"))[1] > 0.6
    assert widest(phantom.truth("heart")) / 512 > 0.6 * (0.896 - 0.104)


def test_the_heart_lies_to_the_patients_left():
    """That is to the viewer's right: along a row through it, more than half of the bright middle is there."""
    row = cv2.GaussianBlur(draw("normal"), (0, 0), 6)[int(0.6 * 512)] > 180
    right, left = np.argmin(row[:256][::-1]), np.argmin(row[256:])
    assert left > 1.5 * right > 0
    assert middle(phantom.truth("heart"))[1] > 0.53


def test_findings_look_as_findings_do():
    """Fluid and nodules are denser than lung, free air is thinner."""
    normal = draw("normal").astype(int)
    for key, sign in {"nodule": 1, "effusion": 1, "heart": 1, "pneumothorax": -1}.items():
        assert sign * (draw(key) - normal)[phantom.truth(key)].mean() > 5, key


def test_evidence_has_the_same_place_at_every_size():
    for key in PLANTED:
        small = phantom.truth(key, 256)
        large = cv2.resize(phantom.truth(key, 1024).astype(np.float32), (256, 256), interpolation=cv2.INTER_AREA)
        assert (small != (large > 0.5)).mean() < 0.01


def test_png_is_eight_bit_grey():
    picture = Image.open(io.BytesIO(phantom.png("normal", 300)))
    assert (picture.mode, picture.size) == ("L", (300, 300))


def test_a_phantom_is_recognised_under_its_own_name_and_upright():
    heart = phantom.PHANTOMS["heart"]
    assert phantom.recognised(heart.film()) is heart
    assert phantom.unplanted(heart.film()) is phantom.PHANTOMS["normal"].film()
    assert phantom.unplanted(phantom.PHANTOMS["normal"].film()) is None
    for other in (
        replace(heart.film(), name="heart.png"),
        replace(heart.film(), sha256="0" * 64),
        image.corrected(heart.film(), "turn over"),
    ):
        assert phantom.recognised(other) is None
