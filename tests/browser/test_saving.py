"""What a visitor takes away: a picture that says what it shows."""

import csv
import hashlib
import io
import json
import math
import zipfile

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.evaluation import metrics
from cxr_demo.films import image, phantom
from cxr_demo.messages import NOT_PACKED, message, record
from cxr_demo.models import registry
from cxr_demo.output import render
from cxr_demo.types import NIH_FINDINGS, Unit
from tests.support.browsing import DEFAULTS, GREEN, Visitor

#: How the maps lie to the boxes of the finding that is shown, a row for each method.
FIGURES = ".drawer table:has-text('peak inside') tbody tr"

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
    with visitor.open(f"more-{key}").page.expect_download() as waiting:
        visitor.page.click(f".card[data-method={key}] >> text=Save PNG")
    visitor.close()
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
    probability = visitor.page.inner_text(".list [aria-selected=true] .number").removeprefix("\u25b2 ")
    assert said[0] == f"Planted corners \u00b7 Hernia \u00b7 probability {probability}"
    strength = 0.5 * NIH_FINDINGS.index("Hernia")
    assert said[1:4] == [f"\u2212{strength:.2f} against", "0", f"for +{strength:.2f}"]
    assert {"File a film.png", "Research demo \u00b7 not for clinical use"} <= set(said)
    assert any(one.startswith("Model ") for one in said)


def test_its_caption_says_how_far_the_map_can_be_trusted(browser, address):
    one = Visitor(browser, f"{address}?example=effusion&finding=Effusion&methods=gradcam").wait("gradcam").measured()
    one.page.evaluate(WRITTEN)
    saved(one, "gradcam")
    said = " ".join(text for text, *_ in one.page.evaluate("window.written"))
    assert one.page.inner_text(".card[data-method=gradcam] .trust") in said
    assert "Dashed yellow: where the finding is planted" in said
    one.page.close()


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


def several(folder):
    """Two films of one name, another, and a file that is none."""
    paths = [folder / "one" / "film.png", folder / "two" / "film.png", folder / "other.png", folder / "letter.png"]
    for key, path in zip(("normal", "effusion", "nodule"), paths, strict=False):
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), phantom.draw(key))
    paths[3].write_text("Dear doctor, ...")
    return paths


def test_all_films_come_in_one_zip_whether_looked_at_or_not(visitor, tmp_path):
    """Each whole, with the maps that the library makes; looking at another film meanwhile loses none."""
    page, paths = visitor.page, several(tmp_path)
    page.set_input_files(".cxr input.picker", paths)
    visitor.wait(*DEFAULTS).measured()
    page.wait_for_function("() => /3 of 3/.test(document.querySelector('.table.films h3').textContent)")
    visitor.show("films")
    with page.expect_download() as waiting:
        page.click("#cxr-save-films")
        assert page.is_disabled("#cxr-save-all"), "one zip after another"
        page.wait_for_function("() => /1 of 3/.test(document.querySelector('.table.films [role=status]').textContent)")
        page.click(".strip .thumb >> nth=2")
    assert waiting.value.suggested_filename == "films.zip"
    with zipfile.ZipFile(waiting.value.path()) as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    assert {name.split("/")[0] for name in files} == {"film", "film-2", "other"}
    model = registry.load(page.input_value("#cxr-model"))
    sent = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    for folder in ("film", "film-2", "other"):
        result = json.loads(files[f"{folder}/result.json"])
        path = sent.pop(result["sha256"])
        sums = dict(reversed(line.split("  ")) for line in files[f"{folder}/SHA256SUMS"].decode().splitlines())
        for name, checksum in sums.items():
            assert hashlib.sha256(files[f"{folder}/{name}"]).hexdigest() == checksum, name
        *_, wanted = Case(model, image.read(path)).explain(methods.method("gradcam", {}))
        with np.load(io.BytesIO(files[f"{folder}/maps.npz"])) as maps:
            assert set(maps) == {*DEFAULTS, "lime_error", "occlusion_error", "labels"}
            # what was finished before is kept in half precision
            np.testing.assert_allclose(maps["gradcam"], wanted.values, atol=2e-3 * np.abs(wanted.values).max())
    assert page.is_enabled("#cxr-save-films")
    visitor.wait(*DEFAULTS)


def test_boxes_go_with_the_film_into_zip_and_report(visitor, tmp_path, browser):
    """All of them, with how the maps lie to them, as on the page and as the library measures it."""
    page = visitor.page
    boxes = [
        {"label": "Effusion", "x": 30.0, "y": 60.0, "w": 90.0, "h": 120.0},
        {"label": "Mass", "x": 100.0, "y": 20.0, "w": 50.0, "h": 40.0},
        {"label": "Mass", "x": 10.0, "y": 20.0, "w": 40.0, "h": 30.0},
        {"label": "No finding of ours", "x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0},
    ]
    table = tmp_path / "boxes.csv"
    with table.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([("file", "boxes"), ("film.png", json.dumps(boxes))])
    visitor.drop(table)
    visitor.drop(film_of_size(tmp_path, 240, 300, "film.png")).wait(*DEFAULTS).measured()
    shown = {}
    visitor.show("box")
    for label in ("Effusion", "Mass"):
        visitor.pick(label)
        shown[label] = visitor.texts(FIGURES)
    with visitor.open("saving").page.expect_download() as waiting:
        page.click("#cxr-save-all")
    with zipfile.ZipFile(waiting.value.path()) as packed:
        packed.extractall(tmp_path)
    folder = tmp_path / "film"
    result = json.loads((folder / "result.json").read_text())
    assert result["boxes"] == boxes[:3]
    assert result["pictures"]["labels"][:2] == ["Mass", "Effusion"], "what was looked at, and what has boxes"

    crop = image.read(tmp_path / "film.png").crop
    for label, rows in shown.items():
        edges = [
            (
                (box["x"] - crop.left) / crop.side,
                (box["y"] - crop.top) / crop.side,
                (box["x"] + box["w"] - crop.left) / crop.side,
                (box["y"] + box["h"] - crop.top) / crop.side,
            )
            for box in boxes
            if box["label"] == label
        ]
        with np.load(folder / "maps.npz") as maps:
            for key, row in zip(DEFAULTS, rows, strict=True):
                values = maps[key][list(maps["labels"]).index(label)].astype(np.float32)
                mask = metrics.box_mask(edges, values.shape[-1])
                _, inside, *figures = row.split("\t")
                peak = metrics.peak_inside(values, mask)
                assert inside == "–" if np.isnan(peak) else float(inside[:-2]) == pytest.approx(100 * peak, abs=0.5001)
                told = [math.nan if figure == "–" else float(figure.replace("−", "-")) for figure in figures]
                known = metrics.energy(values, mask), metrics.iou(metrics.found_box(values), mask)
                assert told == pytest.approx([*known, metrics.ceiling(values, mask)], abs=0.006, nan_ok=True)

    taken = Visitor(browser, (folder / "report.html").as_uri()).measured()
    report = taken.page
    assert "Mass" in report.inner_text(".list .row[aria-selected=true]"), "it opens with what was looked at"
    taken.show("reliable")
    assert "Mass" in report.inner_text(".curves h4")
    taken.show("box")
    drawn = {}
    for label in ("Effusion", "Mass", "Hernia"):
        taken.pick(label)
        assert [row.inner_text() for row in report.query_selector_all(FIGURES) if row.is_visible()] == shown.get(
            label, []
        )
        assert report.is_visible(".boxes") == (label in shown)
        assert not report.is_visible("#cxr-draw-box")
        drawn[label] = report.evaluate(GREEN)
    assert drawn["Effusion"] > 100
    assert drawn["Mass"] > 100
    assert drawn["Hernia"] == 0
    report.close()


@pytest.fixture
def held(visitor, tmp_path):
    """A page with three films whose every further question is held back; what was asked, and a way to answer it."""
    page, asked = visitor.page, []
    page.set_input_files(".cxr input.picker", several(tmp_path)[:3])
    visitor.wait(*DEFAULTS).measured()
    page.wait_for_function("() => /3 of 3/.test(document.querySelector('.table.films h3').textContent)")
    visitor.show("films")

    def hold(route):
        asked.append(json.loads(route.request.post_data)["event_data"])  # and let it wait

    page.route("**/queue/join*", hold)

    def answer(event, run, **told):
        page.evaluate(
            "told => document.dispatchEvent(new CustomEvent('cxr-answer', {detail: told}))",
            {"event": event, "run": run, **told},
        )

    yield asked, answer
    page.unroute("**/queue/join*")
    visitor.complaints.clear()  # of what was held back


def until(page, asked, many):
    for _ in range(100):
        if len(asked) >= many:
            return asked[many - 1]
        page.wait_for_timeout(50)
    pytest.fail(f"asked {asked}")


def status(page):
    return page.inner_text(".table.films .group [role=status]")


def test_what_fails_is_counted_and_what_is_interrupted_asked_again(visitor, held):
    """And what is asked was settled when the button was pressed, whatever is chosen meanwhile."""
    page, (asked, answer) = visitor.page, held
    page.click("#cxr-save-films")
    first = until(page, asked, 1)
    answer("export", first["run"], ahead=2, wait=9)
    assert "in the queue" in status(page)
    answer("export", first["run"], busy=True)
    assert "0 of 3 films done" in status(page)
    answer("export", first["run"], error=record(message("error.stopped.deadline", seconds="120")))
    second = until(page, asked, 2)
    assert second["source"] != first["source"]
    stopped = record(message("error.stopped.on_request"))
    answer("export", second["run"], stopped=stopped, error=stopped)
    again = until(page, asked, 3)
    assert {**again, "run": 0} == {**second, "run": 0}
    answer("export", second["run"], path="/late.zip", name="late.zip")  # of a question that is over
    page.fill("#cxr-lime-samples", "777", force=True)
    answer("export", again["run"], path="/second.zip", name="second.zip")
    third = until(page, asked, 4)
    assert {**third, "run": 0, "source": 0} == {**first, "run": 0, "source": 0}
    answer("export", third["run"], path="/third.zip", name="third.zip")
    last = until(page, asked, 5)
    assert last["paths"] == ["/second.zip", "/third.zip"]
    answer("bundle", last["run"], error=record(NOT_PACKED))
    assert "save again" in status(page)
    assert page.is_enabled("#cxr-save-films")


def test_after_stop_nothing_more_is_asked_or_saved(visitor, held):
    page, (asked, answer) = visitor.page, held
    page.click("#cxr-save-films")
    run = until(page, asked, 1)["run"]
    with page.expect_request(lambda request: '"method":"export"' in (request.post_data or "")) as told:
        page.click("[aria-label='Stop saving all films']")
    assert json.loads(told.value.post_data)["event_data"] == {"method": "export", "run": run}
    downloads = []
    page.on("download", lambda download: downloads.append(download))
    answer("export", run, path="/a.zip", name="a.zip")
    answer("bundle", run, path="/films.zip", name="films.zip")
    page.wait_for_timeout(300)
    assert (len(asked), downloads) == (1, [])
    assert "Stopped on request." in status(page)
    assert page.is_enabled("#cxr-save-films")
