"""What a visitor takes away: a picture that says what it shows."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_demo import phantom, render
from cxr_demo.types import NIH_FINDINGS, Unit
from tests.browsing import Visitor

pytestmark = pytest.mark.browser

#: Where a canvas wrote, and how wide.
WRITTEN = """() => {
  const write = CanvasRenderingContext2D.prototype.fillText;
  window.written = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const wide = this.measureText(text).width;
    const left = x - {left: 0, center: wide / 2, right: wide}[this.textAlign];
    window.written.push([text, left, left + wide, y, this.canvas.width, this.canvas.height]);
    return write.call(this, text, x, y);
  };
}"""


@pytest.fixture
def visitor(browser, address):
    one = Visitor(browser, address)
    one.page.evaluate(WRITTEN)
    yield one
    assert one.complaints == []
    one.page.close()


def saved(visitor, key):
    with visitor.page.expect_download() as waiting:
        visitor.page.click(f".card[data-method={key}] >> text=Save PNG")
    picture = Image.open(io.BytesIO(waiting.value.path().read_bytes())).convert("RGB")
    return waiting.value.suggested_filename, np.array(picture)


def film_of_size(folder, width, height, name="a film.png"):
    path = folder / name
    cv2.imwrite(str(path), cv2.resize(phantom.draw("effusion"), (width, height)))
    return path


def test_the_picture_is_the_film_at_its_own_size_above_what_it_shows(visitor, tmp_path):
    path = film_of_size(tmp_path, 1500, 1300)
    visitor.drop(path).turn_on("corners")
    visitor.pick("Hernia")
    name, picture = saved(visitor, "corners")
    assert name == "a film-corners-Hernia.png"
    assert picture.shape[1] == 1500
    assert picture.shape[0] > 1300
    film = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    quiet = slice(700, 1200), slice(120, 600)  # below the planted corner: no evidence, no colour
    np.testing.assert_array_equal(picture[:1300][quiet], np.repeat(film[quiet][..., None], 3, axis=2))
    assert np.ptp(picture[300, 300].astype(int)) > 40, "the planted corner is coloured"
    said = [one[0] for one in visitor.page.evaluate("window.written")]
    probability = visitor.page.inner_text(".list [aria-selected=true] .number")
    assert said[0] == f"Planted corners \u00b7 Hernia \u00b7 probability {probability}"
    strength = 0.5 * NIH_FINDINGS.index("Hernia")
    assert said[1:4] == [f"\u2212{strength:.2f} against", "0", f"for +{strength:.2f}"]
    assert {"File a film.png", "Research demo \u00b7 not for clinical use"} <= set(said)
    assert any(one.startswith("Model ") for one in said)


def test_its_bar_has_the_colours_of_the_picture(visitor, tmp_path):
    visitor.drop(film_of_size(tmp_path, 900, 900)).turn_on("corners")
    visitor.pick("Hernia")
    _, picture = saved(visitor, "corners")
    size = 16  # 900 / 56
    bar = picture[900 + size // 2 + round(1.4 * size) + size // 2, size // 2 : 900 - size // 2]
    ramp = np.linspace(-1, 1, len(bar))[None].astype(np.float32)
    wanted = render.overlay(np.full((1, len(bar)), 0.5), ramp, limit=1.0, unit=Unit.LOGIT, opacity=0.6)
    assert np.abs(bar.astype(int) - wanted[0]).max() <= 4


@pytest.mark.parametrize(
    ("width", "name"), [(300, "x" * 180 + ".png"), (640, "one two " * 20 + ".png"), (2400, "a.png")]
)
def test_all_that_is_written_lies_within_the_picture(visitor, tmp_path, width, name):
    visitor.drop(film_of_size(tmp_path, width, width, name)).turn_on("corners")
    saved(visitor, "corners")
    written = visitor.page.evaluate("window.written")
    assert len(written) >= 7
    for text, left, right, bottom, wide, high in written:
        assert left >= 0, text
        assert right <= wide, text
        assert bottom <= high, text
    together = "".join(one[0] for one in written).replace(" ", "")
    assert name.strip().replace(" ", "")[:40] in together
