"""The page in a real browser: a film is dropped, and everything a visitor does with it afterwards."""

import base64
import contextlib
import gzip
import hashlib
import io
import itertools
import json
import os
import re
import statistics
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.visitor import Visitor as Other
from cxr_demo.case import Case
from cxr_demo.evaluation.trust import Verdict
from cxr_demo.films import image, phantom
from cxr_demo.messages import message, record
from cxr_demo.methods import GradCAM
from cxr_demo.models import hub, registry
from cxr_demo.output import render
from cxr_demo.types import NIH_FINDINGS, Unit
from cxr_demo.web.queue import WORKERS
from tests.support.browsing import DEFAULTS, Visitor
from tests.support.corpus import REPORT, without_image

#: The same box as public lists have it, in pixels of a film of 1,024: file, text, finding.
LISTS = {
    "NIH": ("boxes.csv", "Image Index,Finding Label,Bbox [x,y,w,h]\nfilm.png,Mass,128,256,256,512\n", "Mass"),
    "VinDr": (
        "boxes.csv",
        "image_id,class_name,x_min,y_min,x_max,y_max,width,height\nfilm,Nodule/Mass,128,256,384,768,1024,1024\n",
        "Nodule",
    ),
    "RSNA": ("boxes.csv", "patientId,x,y,width,height,Target\nfilm,128,256,256,512,1\n", "Pneumonia"),
    "COCO": (
        "boxes.json",
        json.dumps(
            {
                "images": [{"id": 7, "file_name": "film.png", "width": 1024, "height": 1024}],
                "categories": [{"id": 1, "name": "Mass"}],
                "annotations": [{"image_id": 7, "category_id": 1, "bbox": [128, 256, 256, 512]}],
            }
        ),
        "Mass",
    ),
}
#: Script that delays the end of the first stream of answers until the maps of a film have been requested.
LATE_END = """{
  const fetched = window.fetch;
  const end = 'data: {"msg":"close_stream"';
  let asked = 0, over = false, release = () => {};
  window.fetch = async (...request) => {
    const answer = await fetched(...request);
    const url = request[0].url ?? String(request[0]);
    if (url.includes('queue/join') && ++asked === 4) setTimeout(() => { over = true; release(); }, 500);
    if (!url.includes('queue/data') || over) return answer;
    const delay = new TransformStream({async transform(bytes, to) {
      const text = new TextDecoder().decode(bytes);
      const at = text.indexOf(end);
      if (at < 0 || over) return to.enqueue(bytes);
      window.delayed = true;
      to.enqueue(new TextEncoder().encode(text.slice(0, at)));
      await new Promise(done => { release = done; });
      to.enqueue(new TextEncoder().encode(text.slice(at)));
    }});
    return new Response(answer.body.pipeThrough(delay), {status: answer.status, headers: answer.headers});
  };
}"""
#: Times what happens in the page's own thread until everything is drawn.
TIMED = "action => { const began = performance.now(); eval(action); return performance.now() - began; }"


@pytest.fixture(scope="module")
def film_file(tmp_path_factory):
    """A real film where there are some, else a phantom."""
    if os.environ.get("CXR_FILMS"):
        return Path(os.environ["CXR_FILMS"]) / "xrays" / "00000075_000.png"
    path = tmp_path_factory.mktemp("film") / "phantom.png"
    drawn = next(iter(phantom.PHANTOMS.values())).film()
    cv2.imwrite(str(path), np.rint(drawn.pixels * 255).astype(np.uint8))
    return path


@pytest.fixture(scope="module")
def visit(browser, address, film_file):
    """One visit that most tests share: a dropped film with its three maps and the planted fourth."""
    one = Visitor(browser, address).drop(film_file).wait(*DEFAULTS).turn_on("corners").measured()
    yield one
    assert {url for url in one.requests if not url.startswith(one.address)} == set()
    assert one.complaints == []
    one.page.close()


@pytest.fixture
def visitor(visit):
    """The visit, shown as at first."""
    visit.page.set_viewport_size({"width": 1440, "height": 1000})
    visit.page.evaluate("document.body.classList.remove('dark')")
    visit.page.check("input[name=cxr-scale][value=same]")
    visit.open("view").page.select_option("#cxr-side", "both")
    visit.close().opacity(0.6)
    return visit


@pytest.fixture
def fresh(browser, address):
    one = Visitor(browser, address)
    yield one
    one.page.close()


def noise(folder):
    """A picture that does not look like a chest film."""
    path = folder / "second.png"
    cv2.imwrite(str(path), np.rint(np.random.default_rng(0).random((200, 160)) * 255).astype(np.uint8))
    return path


def test_a_drop_shows_all_findings_and_three_maps(visitor):
    rows = visitor.texts(".list .row")
    assert len(rows) == 14
    shown = [float(re.search(r"([\d.]+) %", row)[1]) for row in rows]
    assert shown == sorted(shown, reverse=True)
    named = [row.get_attribute("aria-label") for row in visitor.page.query_selector_all(".list .row")]
    assert all(len(re.findall(r"[\d.]+ %", name)) == 2 for name in named), "probability and cut-off"
    visitor.page.check("input[name=cxr-scale][value=own]")
    for key in DEFAULTS:
        with_map = visitor.pixels(key)
        assert np.ptp(with_map, axis=2).max() > 20, f"{key} shows no colour"
        more = visitor.open(f"more-{key}").page.inner_text(f"#cxr-more-{key}-pane")
        visitor.close()
        assert "forward pass" in more
        assert "logits per 1/49 of the view" in more
        assert re.search(r"\d\.\d s", more)
    assert "R²" in visitor.page.inner_text(".card[data-method=lime]")
    assert "not for clinical use" in visitor.page.inner_text(".cxr .notice")


def along_axis(p):
    """Place on the bars' axis, which is even in log odds from 0.5 % to 95 %."""
    low, high, value = (np.log(q / (1 - q)) for q in (0.005, 0.95, p))
    return np.clip((value - low) / (high - low), 0, 1)


def test_the_bars_are_the_models_answer(visitor, film_file):
    model = registry.load(visitor.page.input_value("#cxr-model"))
    said = Case(model, image.read(film_file)).predict()
    for row in visitor.page.query_selector_all(".list .row"):
        i = int(row.get_attribute("data-finding"))
        width = row.eval_on_selector(".fill", "n => parseFloat(n.style.width)")
        assert width == pytest.approx(100 * along_axis(said.probabilities[i]), abs=0.01)
        assert row.eval_on_selector(".mark", "n => parseFloat(n.style.left)") == pytest.approx(
            100 * along_axis(said.thresholds[i]), abs=0.01
        )
        assert ("above" in row.get_attribute("class")) == (said.probabilities[i] >= said.thresholds[i])


@pytest.mark.alone
class TestChoosing:
    """Another finding, opacity or scale: no request, at most 50 ms."""

    def each(self, visitor, actions):
        before = len(visitor.requests)
        times, pictures = [], []
        for action in actions:
            times.append(visitor.page.evaluate(TIMED, action))
            pictures.append(visitor.pixels("gradcam"))
        assert visitor.requests[before:] == []
        assert statistics.median(times) <= 50, times
        return pictures

    def test_by_click(self, visitor):
        rows = [f"document.querySelector('.list .row[data-finding=\"{i}\"]').click()" for i in range(1, 10)]
        pictures = self.each(visitor, rows)
        assert all((a != b).any() for a, b in itertools.pairwise(pictures))
        assert visitor.page.get_attribute(".list .row[data-finding='9']", "aria-selected") == "true"

    def test_by_keyboard(self, visitor):
        visitor.page.focus(".cxr .list")
        before = len(visitor.requests)
        chosen = []
        for key in ("Home", "ArrowDown", "ArrowDown", "ArrowUp", "End"):
            visitor.page.keyboard.press(key)
            chosen.append(visitor.page.eval_on_selector_all(".row", "r => r.findIndex(n => n.ariaSelected === 'true')"))
        assert chosen == [0, 1, 2, 1, 13]
        press = "document.querySelector('.list').dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
        self.each(visitor, [press % key for key in ("Home", *["ArrowDown"] * 8)])
        assert visitor.requests[before:] == []

    def test_while_the_server_computes(self, fresh, film_file):
        fresh.drop(film_file).wait("gradcam")
        slow(fresh, "lime")
        before = len(fresh.requests)
        pictures, times = [], []
        for i in range(5):
            times.append(fresh.page.evaluate(TIMED, f"document.querySelectorAll('.list .row')[{i}].click()"))
            pictures.append(fresh.pixels("gradcam"))
        assert fresh.page.get_attribute(".card[data-method=lime]", "data-state") == "running"
        assert fresh.requests[before:] == []
        assert statistics.median(times) <= 50, times
        assert all((a != b).any() for a, b in itertools.pairwise(pictures))

    def test_opacity_moves_from_the_film_alone_to_full_colour(self, visitor):
        visitor.pick("Pneumothorax")
        before = len(visitor.requests)
        colour = []
        for value in (0, 0.3, 0.9):
            visitor.opacity(value)
            colour.append(np.ptp(visitor.pixels("corners"), axis=2).max())
        assert visitor.requests[before:] == []
        assert colour[0] == 0
        assert 30 < colour[1] < colour[2] - 30
        assert "90 %" in visitor.page.inner_text(".controls output")

    def test_one_scale_or_each_its_own(self, visitor):
        visitor.pick("Effusion")  # the planted evidence of 2 logits is more than any true method's here
        before = len(visitor.requests)
        visitor.page.check("input[name=cxr-scale][value=same]")
        same = visitor.texts(".card:not([hidden]) .high")
        visitor.page.check("input[name=cxr-scale][value=own]")
        own = visitor.texts(".card:not([hidden]) .high")
        assert len(set(same)) == 1
        assert len(set(own)) == 4
        assert own[-1] == "+2.00"
        assert float(same[0]) == max(map(float, own))
        assert visitor.requests[before:] == []


class TestPictures:
    def test_colours_are_those_of_render(self, visitor):
        """The same numbers through the browser's canvas and through render.py."""
        visitor.pick("Hernia")
        visitor.page.check("input[name=cxr-scale][value=own]")
        visitor.opacity(0)
        film = visitor.pixels("corners")
        for opacity in (0.35, 0.8):
            visitor.opacity(opacity)
            drawn = visitor.pixels("corners")
            height, width = drawn.shape[:2]
            side = min(height, width)
            placed = np.full((height, width), np.nan, np.float32)
            strength = 0.5 * NIH_FINDINGS.index("Hernia")
            top, left = (height - side) // 2, (width - side) // 2
            view = placed[top : top + side, left : left + side]
            view[:] = 0
            view[: side // 2, : side // 2] = strength
            view[side // 2 :, side // 2 :] = -strength / 2
            wanted = render.overlay(film[..., 0] / 255, placed, limit=strength, unit=Unit.LOGIT, opacity=opacity)
            inside = np.zeros((side, side), bool)
            for part in np.array_split(np.arange(side), 2):
                for other in np.array_split(np.arange(side), 2):
                    inside[part[6] : part[-6], other[6] : other[-6]] = True
            apart = np.abs(drawn - wanted)[top : top + side, left : left + side][inside]
            assert apart.max() <= 3

    def test_a_map_without_evidence_looks_empty(self, visitor):
        visitor.pick("Atelectasis")  # the first finding, to which the planted method gives nothing
        for scale in ("own", "same"):
            visitor.page.check(f"input[name=cxr-scale][value={scale}]")
            assert np.ptp(visitor.pixels("corners"), axis=2).max() == 0
        said = visitor.page.get_attribute(".card[data-method=corners] canvas", "aria-label")
        assert "nothing to see" in said

    def test_only_one_side_may_be_shown(self, visitor):
        visitor.pick("Pneumothorax")
        for side, red_wins in (("for", True), ("against", False)):
            visitor.open("view").page.select_option("#cxr-side", side)
            red, _, blue = np.moveaxis(visitor.pixels("corners"), 2, 0)
            assert ((red > blue).any(), (blue > red).any()) == (red_wins, not red_wins)

    def test_the_value_under_the_pointer_in_all_cards(self, visitor, film_file):
        visitor.pick("Edema")
        before = len(visitor.requests)
        canvas = visitor.page.query_selector(".card[data-method=corners] canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        visitor.page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
        said = visitor.texts(".card:not([hidden]) .readout")
        assert said[-1] == "here +1.50"
        film = image.read(film_file)
        model = registry.load(visitor.page.input_value("#cxr-model"))
        *_, made = Case(model, film).explain(GradCAM())
        values = made.values[NIH_FINDINGS.index("Edema")]
        there = int(0.3 * len(values))
        assert film.pixels.shape[0] == film.pixels.shape[1], "else 0.3 of the film is not 0.3 of the view"
        assert float(said[0].split()[1].replace("\u2212", "-")) == pytest.approx(
            values[there, there], abs=float(np.abs(values).max()) / 100
        )
        assert visitor.requests[before:] == []

    def test_the_pointer_moves_by_keyboard(self, visitor):
        visitor.page.mouse.move(0, 0)
        visitor.page.focus(".card[data-method=gradcam] canvas")
        visitor.page.keyboard.press("ArrowRight")
        assert all(text.startswith("here") for text in visitor.texts(".card:not([hidden]) .readout"))

    def test_a_wide_films_unseen_strips_are_hatched(self, fresh, tmp_path):
        path = tmp_path / "wide.png"
        rows = np.linspace(60, 240, 300).astype(np.uint8)
        cv2.imwrite(str(path), np.repeat(rows[:, None], 500, 1))
        fresh.drop(path).explain_anyway().wait("gradcam")
        fresh.opacity(0)
        drawn = fresh.pixels("gradcam")[..., 0]
        width = drawn.shape[1]
        assert np.ptp(drawn[:, int(width * 0.22) : int(width * 0.78)], axis=1).max() <= 1
        for strip in (drawn[:, : int(width * 0.18)], drawn[:, int(width * 0.82) :]):
            assert strip.max() < 150
            assert np.ptp(strip, axis=1).min() > 10, "every row crosses a slanted line"


def test_one_finding_rather_than_another(visitor):
    """By the planted corners: half a logit per number of the finding, and half of that against it."""
    visitor.pick("Mass")
    alone = visitor.pixels("corners")
    card = ".card[data-method=corners]"
    visitor.page.select_option("#cxr-other", "Nodule")
    apart = 0.5 * (NIH_FINDINGS.index("Mass") - NIH_FINDINGS.index("Nodule"))
    told = visitor.page.get_attribute(f"{card} canvas", "aria-label")
    assert "Mass rather than Nodule" in told
    assert f"{-abs(apart):.2f}".replace("-", "\u2212") in told
    assert visitor.page.inner_text(f"{card} .trust") == "Mass rather than Nodule: not tested, errors unknown"
    assert (visitor.pixels("corners") != alone).any()
    visitor.pick("Nodule")
    assert visitor.page.input_value("#cxr-other") == "", "a finding is not compared with itself"
    visitor.pick("Mass")
    visitor.page.select_option("#cxr-other", "")
    np.testing.assert_array_equal(visitor.pixels("corners"), alone)


class TestFilms:
    def test_several_at_once_make_a_strip(self, fresh, film_file, tmp_path):
        other = noise(tmp_path)
        fresh.page.set_input_files(".cxr input.picker", [film_file, other])
        fresh.wait(*DEFAULTS).measured()
        assert fresh.texts(".strip .thumb .name") == [film_file.name, "second.png"]
        first = fresh.texts(".list .row")
        fresh.page.click(".strip .thumb >> nth=1")
        fresh.explain_anyway().wait(*DEFAULTS).measured()
        assert fresh.page.inner_text(".filmname b") == "second.png"
        assert fresh.texts(".list .row") != first
        before = len(fresh.requests)
        fresh.page.click(".strip .thumb >> nth=0")
        assert fresh.texts(".list .row") == first
        assert fresh.requests[before:] == [], "what is known is not asked for again"

    def test_a_table_chosen_with_films_leaves_them(self, fresh, film_file, tmp_path):
        table = tmp_path / "boxes.csv"
        table.write_text("file,boxes\n" + film_file.name + ',"[]"\n')
        fresh.page.set_input_files(".cxr input.picker", [table, film_file])
        fresh.wait("gradcam")
        assert fresh.page.inner_text(".filmname b") == film_file.name

    def test_a_zip_makes_way_for_its_films(self, fresh, film_file, tmp_path):
        path = tmp_path / "study.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("DICOM/IM0001", film_file.read_bytes())
            archive.writestr("DICOM/IM0002", noise(tmp_path).read_bytes())
            archive.writestr("AUTORUN.INF", b"[autorun]")
        fresh.page.set_input_files(".cxr input.picker", path)
        fresh.wait("gradcam")
        assert fresh.texts(".strip .thumb .name") == ["IM0001", "IM0002"]
        assert fresh.page.inner_text(".filmname b") == "IM0001"
        assert fresh.texts(".film .others") == ["1 other file was passed over: it is no film."]
        fresh.reload().wait("gradcam")
        assert fresh.texts(".strip .thumb .name") == ["IM0001", "IM0002"]
        alone = tmp_path / "film.png.gz"
        alone.write_bytes(gzip.compress(film_file.read_bytes()))
        fresh.page.set_input_files(".cxr input.picker", alone)
        fresh.page.wait_for_selector(".filmname:has-text('film.png.gz'):has-text('pixels')")

    @pytest.mark.parametrize("way", ["chosen", "dropped"])
    def test_a_folder_is_walked(self, fresh, film_file, tmp_path, way):
        """A CD's files have no ending."""
        folder = tmp_path / "CD"
        (folder / "DICOM" / "ST0").mkdir(parents=True)
        (folder / "DICOM" / "ST0" / "IM0001").write_bytes(film_file.read_bytes())
        (folder / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
        (folder / "DICOM" / "ST0" / "SR0001").write_bytes(without_image(REPORT))
        (folder / "AUTORUN.INF").write_text("[autorun]")
        (folder / ".hidden").write_text("-")
        if way == "chosen":
            fresh.page.set_input_files(".cxr input.folder", folder)
        else:
            place = fresh.page.locator(".film .stage").bounding_box()
            spot = {"x": place["x"] + place["width"] / 2, "y": place["y"] + place["height"] / 2}
            carried = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
            session = fresh.page.context.new_cdp_session(fresh.page)
            for kind in ("dragEnter", "dragOver", "drop"):
                session.send("Input.dispatchDragEvent", {"type": kind, **spot, "data": carried})
        fresh.wait("gradcam")
        assert fresh.page.inner_text(".filmname b") == "IM0001"
        assert fresh.texts(".film .others") == ["3 other files were passed over: they are no films."]

    def test_a_film_is_removed_and_the_next_one_shown(self, fresh, film_file):
        fresh.example("phantom", "normal").wait("gradcam")
        fresh.drop(film_file)
        fresh.page.wait_for_selector(f".filmname b:text-is('{film_file.name}')")
        fresh.page.click(".strip .thumb >> nth=0")
        fresh.page.click("#cxr-remove")
        fresh.wait(*DEFAULTS)
        assert fresh.page.inner_text(".filmname b") == film_file.name
        assert not fresh.page.is_visible(".strip")
        fresh.page.click("#cxr-remove")
        assert fresh.page.is_visible(".invite")
        assert not fresh.page.is_visible("#cxr-remove")
        assert fresh.texts(".filmname b") == []
        fresh.drop(film_file).wait("gradcam")

    def test_a_pasted_film_is_read(self, fresh, film_file):
        fresh.page.evaluate(
            """([name, data]) => {
              const carried = new DataTransfer();
              carried.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name));
              document.dispatchEvent(new ClipboardEvent('paste', {clipboardData: carried, bubbles: true}));
            }""",
            ["pasted.png", base64.b64encode(film_file.read_bytes()).decode()],
        )
        fresh.wait("gradcam")
        assert fresh.page.inner_text(".filmname b") == "pasted.png"

    def test_dicom(self, fresh, films):
        fresh.drop(films / "xrays" / "Fake_MONOHR1.dcm").explain_anyway().wait("gradcam")
        assert len(fresh.texts(".list .row")) == 14

    def test_a_file_that_is_no_film_is_refused_in_words(self, fresh, tmp_path):
        path = tmp_path / "<img src=x onerror=alert(1)>.txt"
        path.write_text("Dear doctor, ...")
        fresh.drop(path)
        fresh.page.wait_for_selector(".film .notes .failure")
        said = fresh.page.inner_text(".film .notes .failure")
        assert said.startswith(f"{path.name}: ")
        assert "not an image that can be read" in said
        assert fresh.page.query_selector_all(".cxr img:not(.picture img)") == []
        assert fresh.page.get_attribute(".card[data-method=lime]", "data-state") == "idle"
        assert fresh.page.is_visible(".invite")
        assert fresh.texts(".filmname b") == []

    def test_files_that_are_no_films_leave_the_film_in_view(self, fresh, film_file, tmp_path):
        letters = [tmp_path / name for name in ("one.png", "two.png")]
        for letter in letters:
            letter.write_text("Dear doctor, ...")
        fresh.example("phantom", "nodule").wait("gradcam")
        fresh.example("phantom", "normal")
        fresh.page.wait_for_selector(".filmname b:text-is('Normal')")
        fresh.page.click(".strip .thumb >> nth=0")
        fresh.page.set_input_files(".cxr input.picker", letters)
        fresh.page.wait_for_selector(".film .failure >> nth=1")
        said = fresh.texts(".film .failure")
        assert [text.split()[0] for text in said] == ["one.png", "two.png"]
        assert fresh.page.inner_text(".filmname b") == "Nodule", "not the last of the list"
        assert fresh.texts(".strip .name") == ["Nodule", "Normal"]
        fresh.page.set_input_files(".cxr input.picker", [letters[0], film_file])
        fresh.page.wait_for_selector(f".filmname b:text-is('{film_file.name}')")
        fresh.wait("gradcam")
        assert len(fresh.texts(".film .failure")) == 1, "those of the files before are gone"
        assert fresh.texts(".strip .name") == ["Nodule", "Normal", film_file.name]
        fresh.page.route("**/upload*", lambda route: route.abort())
        fresh.page.set_input_files(".cxr input.picker", letters[:1])
        fresh.page.wait_for_selector(".film .failure:has-text('one.png could not be uploaded')")
        assert fresh.page.inner_text(".filmname b") == film_file.name
        fresh.page.click(".strip .thumb >> nth=0")
        assert fresh.texts(".film .failure") == []

    def test_a_film_that_lies_on_its_side_is_marked_and_offered_upright(self, fresh, tmp_path):
        path = tmp_path / "left.png"
        cv2.imwrite(str(path), np.ascontiguousarray(np.rot90(phantom.draw("effusion"))))
        fresh.drop(path).page.wait_for_selector("#cxr-explain-anyway")
        assert "turned to the left" in fresh.page.inner_text(".film .notes")
        assert fresh.page.is_visible(".doubt")
        fresh.page.click(".chip[data-correction='turn right']")
        fresh.page.wait_for_selector(".chip[data-correction=none]")
        fresh.wait(*DEFAULTS)
        assert "turned to the left" not in fresh.page.inner_text(".film .notes")
        assert not fresh.page.is_visible(".doubt")
        shown = fresh.texts(".list .row")
        cv2.imwrite(str(path), phantom.draw("effusion"))
        fresh.drop(path).wait("gradcam")
        assert fresh.texts(".list .row") == shown, "as if it had been sent upright"
        fresh.page.click(".strip .thumb >> nth=0")
        fresh.page.click(".chip[data-correction=none]")
        fresh.page.wait_for_selector(".chip[data-correction='turn right']")
        assert fresh.page.is_visible(".doubt")

    def test_a_film_in_margins_is_marked_and_offered_cropped_with_its_boxes(self, fresh, tmp_path):
        """Drawn boxes and those of a table, there, back, and over a reload."""
        page, path = fresh.page, tmp_path / "film.png"
        upright = phantom.draw("effusion")
        cv2.imwrite(str(path), np.pad(np.rot90(upright), ((150, 0), (200, 260)), constant_values=255))
        # on the upright film 20 % to 40 % across and 10 % to 50 % down; the picture has it turned to the left
        inner = {"x": 0.1, "y": 0.6, "w": 0.4, "h": 0.2}
        box = {name: side * phantom.SIZE for name, side in inner.items()}
        box = {**box, "label": "Mass", "x": 200 + box["x"], "y": 150 + box["y"]}
        text = json.dumps([box]).replace('"', '""')
        (tmp_path / "boxes.csv").write_text(f'file,boxes\nfilm.png,"{text}"\n')
        page.set_input_files(".cxr input.picker", [path, tmp_path / "boxes.csv"])
        page.wait_for_selector("#cxr-explain-anyway")
        assert "is not film but margin" in page.inner_text(".film .notes")
        assert page.is_visible(".doubt")

        def edges():
            [kept] = json.loads(page.evaluate("sessionStorage.getItem('cxr-films')"))["films"]
            return kept["boxes"][0]["edges"]

        before = edges()
        crop = ".chip[data-correction='crop and turn right']"
        page.click(crop)
        page.wait_for_selector(".chip[data-correction=none]")
        fresh.wait(*DEFAULTS)
        assert edges() == pytest.approx([0.2, 0.1, 0.4, 0.5])
        assert not page.is_visible(".doubt")
        shown = fresh.texts(".list .row")
        page.reload()
        page.wait_for_selector(".chip[data-correction=none]")
        fresh.wait("gradcam")
        assert edges() == pytest.approx([0.2, 0.1, 0.4, 0.5])
        assert fresh.texts(".list .row") == shown
        page.click(".chip[data-correction=none]")
        page.wait_for_selector(crop)
        assert edges() == pytest.approx(before)

    def test_a_picture_that_is_no_chest_film_is_explained_on_request(self, fresh, tmp_path):
        """All methods by the button, one by its switch or its card; what was requested stays so."""
        page, other = fresh.page, tmp_path / "film.png"
        cv2.imwrite(str(other), phantom.draw("normal"))
        fresh.drop(noise(tmp_path)).page.wait_for_selector("#cxr-explain-anyway")
        assert page.is_visible(".doubt")
        blank = "key => getComputedStyle(document.querySelector(`.card[data-method=${key}] .stage`), '::after').content"
        page.wait_for_timeout(500)  # nothing starts by itself
        for key in DEFAULTS:
            assert page.get_attribute(f".card[data-method={key}]", "data-state") == "idle"
            assert "on request" in page.evaluate(blank, key)
        fresh.turn_on("corners")
        fresh.open("more-gradcam").page.click(".card[data-method=gradcam] >> text=Run again")
        fresh.close().wait("gradcam")
        assert page.evaluate(blank, "gradcam") == "none"
        assert [page.get_attribute(f".card[data-method={key}]", "data-state") for key in DEFAULTS[1:]] == ["idle"] * 2
        fresh.explain_anyway().wait(*DEFAULTS)
        assert not page.is_visible("#cxr-explain-anyway")
        fresh.drop(other).page.wait_for_function("document.querySelector('.filmname b').textContent === 'film.png'")
        fresh.wait(*DEFAULTS)
        page.select_option("#cxr-model", index=1)
        page.click(".strip .thumb >> nth=0")
        fresh.wait(*DEFAULTS)
        assert page.is_visible(".doubt")

    def test_a_phantom_is_first_seen_with_the_finding_that_it_shows(self, fresh):
        """Later with the one that it was last shown with; a pinned one is shown on all films."""

        def opened(key):
            fresh.example("phantom", key)
            fresh.page.wait_for_selector(f".filmname b:text-is('{phantom.PHANTOMS[key].title}')")
            fresh.page.wait_for_selector(".list [aria-selected=true]")
            return fresh.page.inner_text(".list [aria-selected=true] .label")

        for key, one in phantom.PHANTOMS.items():
            first = opened(key)
            assert first == one.finding or not one.finding, key
        assert opened("nodule") == "Nodule"
        fresh.pick("Edema")
        assert opened("effusion") == "Effusion", "a choice is the film's own"
        assert opened("nodule") == "Edema"
        fresh.page.click("#cxr-pin")
        assert opened("effusion") == "Edema"
        fresh.pick("Mass")  # the pin follows
        assert fresh.page.get_attribute("#cxr-pin", "aria-pressed") == "true"
        assert opened("nodule") == "Mass"
        fresh.reload().page.wait_for_selector("#cxr-pin[aria-pressed=true]:enabled")
        assert opened("normal") == "Mass"
        fresh.page.click("#cxr-pin")
        fresh.pick("Hernia")
        fresh.reload().page.wait_for_selector("#cxr-pin[aria-pressed=false]:enabled")
        assert opened("effusion") == "Mass", "what it was last shown with outlives a reload"
        assert opened("normal") == "Hernia"

    def test_phantoms_are_examples_and_marked(self, fresh):
        fresh.example("phantom", "normal").wait("gradcam")
        assert "hantom" in fresh.page.inner_text(".film")

    def test_an_example_out_of_reach_can_be_asked_for_again(self, fresh):
        for _ in range(2):
            before = len(fresh.requests)
            fresh.example("example", hub.example_films()[0].name)
            fresh.page.wait_for_selector(".film .notes.bad p")
            assert len(fresh.requests) > before
            fresh.example("phantom", "normal")
            fresh.page.wait_for_selector(".film .notes:not(.bad) p")


def slow(visitor, key):
    """Ask for so many samples that the method is sure to be at work."""
    visitor.open(f"more-{key}").page.fill(f"#cxr-{key}-samples", "5000")
    visitor.wait(key)
    visitor.page.click(f".card[data-method={key}] >> text=Run again")
    visitor.close().wait(key, state="running")


def stopped(visitor, film_file):
    """A film whose LIME was stopped in its first run."""
    visitor.open("more-lime").page.fill("#cxr-lime-samples", "5000")
    visitor.close().drop(film_file).wait("lime", state="running")
    visitor.page.wait_for_selector(".card[data-method=lime] .status >> text=/of 500\\d copies/")
    visitor.page.click(".card[data-method=lime] .stop")
    return visitor.wait("lime", state="stopped")


def test_stop_ends_one_method_and_says_so(fresh, film_file):
    stopped(fresh, film_file)
    expected = r"Stopped on request\. Estimate from \d+ of \d+ copies; uncertainty not measured\."
    assert re.fullmatch(expected, fresh.page.inner_text(".card[data-method=lime] .status"))
    assert fresh.page.get_attribute(".card[data-method=occlusion]", "data-state") != "stopped"


def test_a_finished_map_outlives_a_later_run_that_was_stopped(fresh, film_file):
    fresh.drop(film_file).wait("lime").measured()
    before, verdict = fresh.pixels("lime"), fresh.page.inner_text(".card[data-method=lime] .trust")
    slow(fresh, "lime")
    fresh.page.click(".card[data-method=lime] .stop")
    fresh.wait("lime", state="done")
    said = "Stopped on request. The map is from the previous run."
    assert fresh.page.inner_text(".card[data-method=lime] .status") == said
    np.testing.assert_array_equal(fresh.pixels("lime"), before)
    assert fresh.page.inner_text(".card[data-method=lime] .trust") == verdict


def test_maps_come_although_the_stream_ended_late(browser, address, film_file):
    one = Visitor(browser, address, LATE_END).drop(film_file).wait(*DEFAULTS)
    assert one.page.evaluate("window.delayed"), "else this test shows nothing"
    assert one.complaints == []
    one.page.close()


def test_what_it_will_take_is_said_before_and_what_is_left_while(fresh, film_file):
    fresh.drop(film_file).wait("lime")
    card = ".card[data-method=lime]"
    fresh.open("more-lime")
    fresh.page.wait_for_selector(f"{card} .estimate >> text=/^400 copies of the film, about/")
    fresh.page.fill("#cxr-lime-samples", "5000")
    fresh.page.wait_for_selector(f"{card} .estimate >> text=/^5000 copies of the film, about/")
    said = int(re.search(r"about (\d+) s", fresh.page.inner_text(f"{card} .estimate"))[1])
    before = float(re.search(r"([\d.]+) s", fresh.page.text_content(f"{card} .figures"))[1])
    assert said == pytest.approx(5000 / 400 * before, abs=1 + 5000 / 400 * 0.05), "at the pace of the run before"
    fresh.page.click(f"{card} >> text=Run again")
    fresh.page.wait_for_selector(f"{card} .status >> text=/about .* left$/")
    fresh.page.click(f"{card} .stop")
    fresh.wait("lime", state="done")
    fresh.open("more-lime").page.fill("#cxr-lime-samples", "7")
    fresh.page.wait_for_selector(f"{card} .estimate >> text=samples=7")
    fresh.measured()
    before = len(fresh.requests)
    fresh.page.fill("#cxr-lime-samples", "400")
    fresh.close().page.wait_for_timeout(1000)
    assert fresh.requests[before:] == [], "the cost is in view no longer"


def test_a_setting_out_of_range_is_refused_on_its_card_and_the_map_stays(fresh, film_file):
    fresh.drop(film_file).wait("occlusion")
    before = fresh.pixels("occlusion")
    fresh.open("more-occlusion").page.fill("#cxr-occlusion-window", "400")
    fresh.page.click(".card[data-method=occlusion] >> text=Run again")
    fresh.page.wait_for_selector(".card[data-method=occlusion] .status >> text=window=400")
    fresh.wait("occlusion")
    assert np.ptp(before, axis=2).max() > 20
    np.testing.assert_array_equal(fresh.pixels("occlusion"), before)


def test_back_on_an_earlier_film_its_maps_can_still_be_taken_away(fresh, film_file, tmp_path):
    """And its cards show the settings that its maps were made with."""
    fresh.drop(film_file).wait(*DEFAULTS)
    fresh.open("more-lime").page.fill("#cxr-lime-samples", "200")
    fresh.close()
    other = tmp_path / "second.png"
    cv2.imwrite(str(other), phantom.draw("effusion"))
    fresh.drop(other)
    fresh.page.wait_for_function("document.querySelector('.filmname b')?.textContent === 'second.png'")
    fresh.wait(*DEFAULTS).measured()
    assert "20" in fresh.page.text_content(".card[data-method=lime] .figures")
    fresh.page.click(".strip .thumb >> nth=0")
    assert fresh.page.input_value("#cxr-lime-samples") == "400"
    with fresh.page.expect_download():
        fresh.open("saving").page.click("#cxr-save-all")
    fresh.page.click(".strip .thumb >> nth=1")
    assert fresh.page.input_value("#cxr-lime-samples") == "200"


def test_who_waits_reads_how_many_are_before(fresh, address, folder, film_file):
    """Beside visitors who take every place; what takes no time does not wait."""
    others = [Other(address) for _ in range(WORKERS)]
    with contextlib.ExitStack() as stack:
        for other in others:
            stack.callback(other.close)
            source = other.upload("film.png", film_file.read_bytes())
            told = {"run": 1, "model": str(folder / "fourteen"), "source": source, "settings": {"samples": 5000}}
            next(stack.enter_context(contextlib.closing(other.ask(("run_lime", told)))))
        fresh.drop(film_file).wait("gradcam")
        fresh.page.wait_for_function(
            "() => [...document.querySelectorAll('.card .status')].some(n => n.textContent.includes('1 ahead'))"
        )
        assert any("in the queue: next" in text for text in fresh.texts(".card .status"))
    fresh.wait(*DEFAULTS)


def test_a_model_that_cannot_be_had_leaves_film_and_model_as_they_are(fresh, film_file):
    page = fresh.drop(film_file).wait(*DEFAULTS).page
    before = page.input_value("#cxr-model")
    page.eval_on_selector("#cxr-model", "list => list.add(new Option('Another', 'nobody/there'))")
    page.select_option("#cxr-model", "nobody/there")
    page.wait_for_selector("#cxr-model-problem:has-text('is not offered here')")
    assert page.input_value("#cxr-model") == before
    fresh.wait(*DEFAULTS)
    assert len(fresh.texts(".list .row")) == 14
    assert not page.is_visible(".film .notes.bad")
    page.select_option("#cxr-model", index=1)
    page.wait_for_function("document.querySelectorAll('.list .row').length === 1")
    assert page.inner_text("#cxr-model-problem") == ""


def test_a_new_film_ends_what_runs(fresh, film_file, tmp_path):
    fresh.drop(film_file).wait("lime")
    slow(fresh, "lime")
    other = noise(tmp_path)
    # before the drop: the new film's run may begin at once, and takes the settings that it finds
    fresh.open("more-lime").page.fill("#cxr-lime-samples", "100")
    fresh.close().drop(other)
    fresh.page.wait_for_function("document.querySelector('.filmname b')?.textContent === 'second.png'")
    fresh.explain_anyway().wait("gradcam", "occlusion", "lime")
    # the film, 100 samples, and the film once more where they do not run in plain float32
    assert re.search("10[12] forward passes", fresh.page.text_content(".card[data-method=lime] .figures"))


def test_back_from_another_model_what_was_left_is_done_anew(fresh, film_file):
    fresh.drop(film_file).wait("lime")
    slow(fresh, "lime")
    fresh.open("more-lime").page.fill("#cxr-lime-samples", "100")
    fresh.close()
    for index, findings in ((1, 1), (0, 14)):
        fresh.page.select_option("#cxr-model", index=index)
        fresh.page.wait_for_function("n => document.querySelectorAll('.list .row').length === n", arg=findings)
    fresh.wait("gradcam", "occlusion", "lime")


def test_save_all_brings_a_zip_that_is_whole(fresh, film_file, tmp_path):
    fresh.drop(film_file).wait(*DEFAULTS).measured()
    with fresh.page.expect_download() as waiting:
        fresh.open("saving").page.click("#cxr-save-all")
    path = tmp_path / "all.zip"
    waiting.value.save_as(path)
    stem = film_file.stem
    assert waiting.value.suggested_filename == f"{stem}.zip"
    with zipfile.ZipFile(path) as packed:
        files = {name.removeprefix(f"{stem}/"): packed.read(name) for name in packed.namelist()}
    sums = dict(reversed(line.split("  ")) for line in files.pop("SHA256SUMS").decode().splitlines())
    assert sums == {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    result = json.loads(files["result.json"])
    with np.load(io.BytesIO(files["maps.npz"])) as maps:
        assert set(maps) == {*DEFAULTS, "lime_error", "occlusion_error", "labels"}
        assert list(result["methods"]) == list(DEFAULTS)
    film = cv2.imread(str(film_file), cv2.IMREAD_GRAYSCALE)
    picture = next(data for name, data in files.items() if name.startswith("lime-"))
    height, width, _ = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape
    assert (height > film.shape[0], width) == (True, film.shape[1]), "the film, and what is said below it"
    assert b'id="recorded"' in files["report.html"]


def test_save_all_says_what_it_lacks(fresh, film_file):
    stopped(fresh, film_file).wait("gradcam", "occlusion")
    with fresh.page.expect_download() as waiting:
        fresh.open("saving").page.click("#cxr-save-all")
    fresh.page.wait_for_selector("text=saved without LIME, which had not finished")
    with zipfile.ZipFile(waiting.value.path()) as packed:
        assert not [name for name in packed.namelist() if "lime" in name]


def test_another_model_answers_with_its_own_findings(fresh, film_file):
    fresh.drop(film_file).wait("gradcam")
    fresh.page.select_option("#cxr-model", index=1)
    fresh.page.wait_for_function("document.querySelectorAll('.list .row').length === 1")
    fresh.wait("gradcam")
    assert "Pneumothorax" in fresh.texts(".list .row")[0]
    assert "0.51" in fresh.open("facts").page.inner_text(".facts")


def luminance(colour):
    parts = np.array([float(v) for v in re.findall(r"[\d.]+", colour)[:3]]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 390])
def test_light_and_dark_at_every_width(visitor, tmp_path, theme, width):
    visitor.page.set_viewport_size({"width": width, "height": 1000})
    visitor.page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    visitor.page.screenshot(path=tmp_path / f"{theme}-{width}.png", full_page=True)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
    visitor.open("more-gradcam")
    inside_card = (".card h3", ".card .reading", ".card .paper", ".card .ticks", ".card .trust", ".card .line")
    for inside in (*inside_card, ".list .row .label", ".heads .soft", ".cxr .notice"):
        ink, face = visitor.page.eval_on_selector(
            inside,
            """node => {
              let behind = node;
              while (/, 0\\)|transparent/.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
              return [getComputedStyle(node).color, getComputedStyle(behind).backgroundColor];
            }""",
        )
        low, high = sorted((luminance(ink), luminance(face)))
        assert (high + 0.05) / (low + 0.05) >= 4.5, f"{inside}: {ink} on {face}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_problem(fresh, film_file, tmp_path, theme):
    """With everything open that can be."""
    from axe_playwright_python.sync_playwright import Axe

    other = tmp_path / "second.png"
    cv2.imwrite(str(other), phantom.draw("effusion"))
    fresh.page.set_input_files(".cxr input.picker", [film_file, other])
    fresh.wait(*DEFAULTS).measured()
    fresh.page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    fresh.page.click("#cxr-wipe")
    fresh.page.wait_for_function("() => document.querySelector('#cxr-beside').options.length > 1")
    fresh.open("view").page.select_option("#cxr-beside", index=1)
    fresh.close()

    def clean():
        problems = Axe().run(fresh.page).response["violations"]
        serious = [problem for problem in problems if problem["impact"] in ("serious", "critical")]
        assert [(p["id"], [node["html"] for node in p["nodes"]]) for p in serious] == []

    for tab in ("reliable", "agree", "box", "randomise", "films", "grid"):
        fresh.show(tab)
        clean()
    for name in ("add", "facts", "methods", "view", "saving", "more-lime", "menu"):
        fresh.open(name)
        clean()
    fresh.page.click("#cxr-keys")
    clean()


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_makes_the_page_wider_than_the_screen(fresh, film_file, width):
    """With all chapters open: the model's card has long lines and a table."""
    fresh.page.set_viewport_size({"width": width, "height": 900})
    fresh.drop(film_file).wait(*DEFAULTS).measured()
    fresh.open("menu").page.click("text=About this model")
    fresh.page.wait_for_selector(".chapters:popover-open .prose:visible")
    fresh.page.evaluate(
        """() => {
          const chapter = document.querySelector('.chapters:popover-open .prose:not(:empty)');
          chapter.innerHTML += '<pre>' + 'x'.repeat(900) + '</pre>';
        }"""
    )
    assert fresh.page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_control_has_a_name(visitor):
    nameless = visitor.page.evaluate(
        """() => [...document.querySelectorAll('.cxr button, .cxr input, .cxr select, .cxr canvas[tabindex]')]
          .filter(n => !(n.ariaLabel || n.labels?.length || n.textContent.trim())).map(n => n.outerHTML)"""
    )
    assert nameless == []


@pytest.fixture(scope="module")
def measured(browser, address, film_file):
    one = Visitor(browser, address).drop(film_file).wait(*DEFAULTS).measured()
    yield one
    assert one.complaints == []
    one.page.close()


#: What is said of boxes, beside the film.
NOTE = ".film > p[role=status]"


def draw_a_box(visitor):
    page = visitor.page
    page.click("#cxr-draw-box")
    box = page.query_selector(".film canvas").bounding_box()
    left, top = box["x"], box["y"]
    page.mouse.move(left + 0.3 * box["width"], top + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(left + 0.6 * box["width"], top + 0.7 * box["height"], steps=3)
    page.mouse.up()


class TestBelieving:
    """What is measured of the maps once they are complete."""

    def test_every_card_has_its_verdict(self, measured):
        for key in DEFAULTS:
            line = measured.page.query_selector(f".card[data-method={key}] .trust")
            assert line.get_attribute("data-verdict") in {verdict.value for verdict in Verdict}
            assert line.is_visible()
            assert len(line.inner_text()) > 20

    def test_curves_of_controls_are_drawn_beside_those_of_the_methods(self, measured):
        for chart in measured.page.query_selector_all(".charts svg"):
            lines = [line.get_attribute("data-line") for line in chart.query_selector_all("polyline")]
            assert sorted(lines) == sorted([*DEFAULTS, "random", "lungs"])

    def test_a_method_keeps_its_colour_whatever_ran_first(self, fresh, film_file):
        colours = """() => Object.fromEntries([...document.querySelectorAll('.charts polyline')]
          .map(line => [line.dataset.line, line.getAttribute('stroke')]))"""
        fresh.drop(film_file).wait(*DEFAULTS).measured()
        before = fresh.page.evaluate(colours)
        assert len({before[key] for key in DEFAULTS}) == 3
        fresh.open("methods").page.uncheck(".controls [data-method=gradcam]")
        fresh.open("more-lime").page.click(".card[data-method=lime] >> text=Run again")
        drawn = "key => document.querySelector(`.charts [data-line=${key}]`)"
        fresh.page.wait_for_function(f"() => ({drawn})('lime') && !({drawn})('gradcam')")
        after = fresh.page.evaluate(colours)
        assert [after[key] for key in ("lime", "occlusion")] == [before[key] for key in ("lime", "occlusion")]

    def test_a_card_says_so_while_its_map_is_tested(self, fresh, film_file):
        fresh.page.evaluate(
            """() => {
              window.said = new Set();
              const shown = '.said .trust:not([hidden])', cards = document.querySelector('.cards');
              const note = () => document.querySelectorAll(shown).forEach(node => said.add(node.textContent));
              const all = {subtree: true, childList: true, characterData: true, attributes: true};
              new MutationObserver(note).observe(cards, all);
            }"""
        )
        fresh.drop(film_file).wait(*DEFAULTS).measured()
        assert "Testing this map by covering parts of the film…" in fresh.page.evaluate("[...said]")

    def test_another_finding_asks_nothing_until_it_is_wanted(self, measured):
        was = measured.page.inner_text(".list .row[aria-selected=true] .label")
        before = len(measured.requests)
        measured.show("reliable").pick("Hernia")
        assert measured.requests[before:] == []
        measured.page.click(".measure")
        measured.page.wait_for_function("document.querySelector('.curves h4').textContent.includes('Hernia')")
        assert len(measured.requests) > before
        before = len(measured.requests)
        measured.pick(was)
        measured.page.wait_for_function(f"document.querySelector('.curves h4').textContent.includes('{was}')")
        assert measured.page.query_selector(".measure") is None, "what was measured stays"
        assert measured.page.query_selector(".believe .beside canvas"), "so does where the maps agree"
        assert measured.requests[before:] == []

    def test_a_box_is_drawn_and_measured(self, measured):
        draw_a_box(measured)
        measured.page.wait_for_selector(".card[data-method=lime] .boxed >> text=In the box")
        measured.show("box").page.wait_for_selector("text=best IoU of its pieces")
        assert measured.page.get_attribute("#cxr-draw-box", "aria-pressed") == "false"
        rows = measured.page.query_selector_all("table:has-text('peak inside (share of its cell') tbody tr")
        assert len(rows) == 3
        measured.page.click("text=Remove boxes")
        measured.page.wait_for_selector("text=best IoU of its pieces", state="detached")

    def test_a_box_is_drawn_by_keys_alone(self, fresh, film_file):
        page = fresh.page
        fresh.drop(film_file).wait(*DEFAULTS).measured()
        page.focus("#cxr-draw-box")
        page.keyboard.press("Enter")
        assert "arrows, Enter, arrows, Enter" in page.inner_text(NOTE)
        assert page.evaluate("document.activeElement === document.querySelector('.film canvas')")
        page.keyboard.press("Escape")
        assert page.get_attribute("#cxr-draw-box", "aria-pressed") == "false"
        assert page.inner_text(NOTE) == ""
        page.keyboard.press("b")
        for key, times in (
            ("ArrowLeft", 7),
            ("ArrowUp", 14),
            ("Enter", 1),
            ("ArrowRight", 21),
            ("ArrowDown", 7),
        ):
            for _ in range(times):
                page.keyboard.press(key)
        pulled = page.evaluate("document.querySelector('.film canvas').toDataURL()")
        page.keyboard.press("Enter")
        assert page.evaluate("document.querySelector('.film canvas').toDataURL()") == pulled, "it followed the arrows"
        fresh.show("box")
        page.wait_for_selector("table:has-text('peak inside')")
        assert page.get_attribute("#cxr-draw-box", "aria-pressed") == "false"
        # a step is 1/56 of the film, from its middle: 1/2 - 7/56 to 1/2 + 14/56, 1/2 - 14/56 to 1/2 - 7/56
        [kept] = json.loads(page.evaluate("sessionStorage.getItem('cxr-films')"))["films"]
        assert kept["boxes"][0]["edges"] == pytest.approx([0.375, 0.25, 0.75, 0.375])

    @pytest.mark.parametrize("kind", LISTS)
    def test_boxes_of_public_lists_lie_where_their_films_have_them(self, fresh, tmp_path, kind):
        """A film of half the size that a list was made on."""
        name, text, finding = LISTS[kind]
        (tmp_path / "film.png").write_bytes(phantom.png("effusion", 512))
        (tmp_path / name).write_text(text)
        fresh.page.set_input_files(".cxr input.picker", [tmp_path / "film.png", tmp_path / name])
        fresh.wait("gradcam").page.wait_for_selector(f"text=1 box read from {name}.")
        [kept] = json.loads(fresh.page.evaluate("sessionStorage.getItem('cxr-films')"))["films"]
        [box] = kept["boxes"]
        assert box["label"] == finding
        assert box["edges"] == pytest.approx([0.125, 0.25, 0.375, 0.75])

    def test_a_list_with_an_unknown_header_is_refused_by_name(self, fresh, tmp_path):
        (tmp_path / "marks.csv").write_text("film,left,top\nfilm.png,1,2\n")
        fresh.page.set_input_files(".cxr input.picker", tmp_path / "marks.csv")
        fresh.page.wait_for_selector("text=marks.csv is not a list of boxes that can be read here")

    @pytest.mark.parametrize(
        ("correction", "quarters"), [("invert", 0), ("turn left", 1), ("turn over", 2), ("turn right", 3)]
    )
    def test_boxes_turn_with_their_film(self, fresh, tmp_path, correction, quarters):
        """Drawn ones and those of a table, there and back."""
        page = fresh.page
        upright = phantom.draw("effusion")[:460]
        film = np.ascontiguousarray(np.rot90(upright if quarters else 255 - upright, -quarters))
        height, width = film.shape
        cv2.imwrite(str(tmp_path / "film.png"), film)
        box = {"label": "Mass", "x": 0.1 * width, "y": 0.1 * height, "w": 0.2 * width, "h": 0.3 * height}
        text = json.dumps([box]).replace('"', '""')
        (tmp_path / "boxes.csv").write_text(f'file,boxes\nfilm.png,"{text}"\n')
        page.set_input_files(".cxr input.picker", [tmp_path / "film.png", tmp_path / "boxes.csv"])
        fresh.explain_anyway().wait("gradcam")
        fresh.pick("Effusion")
        draw_a_box(fresh)

        def edges():
            [kept] = json.loads(page.evaluate("sessionStorage.getItem('cxr-films')"))["films"]
            return {box["label"]: box["edges"] for box in kept["boxes"]}

        before = edges()
        assert before["Mass"] == pytest.approx([0.1, 0.1, 0.3, 0.4])
        assert before["Effusion"] == pytest.approx([0.3, 0.3, 0.6, 0.7], abs=0.02)
        page.click(f"[data-correction='{correction}']")
        page.wait_for_selector("[data-correction=none]")
        fresh.wait("gradcam")
        for label, (left, top, right, bottom) in before.items():
            marked = np.zeros((1000, 1000))
            marked[round(1000 * top) : round(1000 * bottom), round(1000 * left) : round(1000 * right)] = 1
            there = np.argwhere(np.rot90(marked, quarters))
            truth = [*there.min(0)[::-1] / 1000, *(there.max(0)[::-1] + 1) / 1000]
            assert edges()[label] == pytest.approx(truth, abs=0.002), label
        page.click("[data-correction=none]")
        page.wait_for_selector(f"[data-correction='{correction}']")
        fresh.wait("gradcam")
        assert edges() == {label: pytest.approx(known) for label, known in before.items()}

    def test_boxes_drawn_beside_another_model_are_measured_when_asked(self, fresh, film_file):
        figures, ask = "table:has-text('peak inside')", "#cxr-measure-boxes"
        fresh.drop(film_file).wait(*DEFAULTS).measured()
        fresh.pick("Pneumothorax")
        fresh.page.select_option("#cxr-model", index=1)
        fresh.page.wait_for_function("document.querySelectorAll('.list .row').length === 1")
        fresh.wait(*DEFAULTS).measured()
        draw_a_box(fresh)
        fresh.show("box").page.wait_for_selector(figures)
        fresh.page.select_option("#cxr-model", index=0)
        fresh.page.wait_for_function("document.querySelectorAll('.list .row').length === 14")
        fresh.pick("Pneumothorax")
        assert fresh.page.query_selector(figures) is None
        fresh.page.click(ask)
        fresh.page.wait_for_selector(figures)
        assert fresh.page.query_selector(ask) is None

    def test_boxes_of_a_table_are_shown_on_their_film(self, fresh, film_file, tmp_path):
        box = json.dumps([{"label": "Effusion", "x": 10, "y": 20, "w": 60, "h": 50}]).replace('"', '""')
        nih = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"
        for text in (
            f'file,patient_id,boxes\n{film_file.name},1,"{box}"\n',
            f"{nih}{film_file.stem}.png,Effusion,100,200,600,500,,\n",
        ):
            path = tmp_path / "boxes.csv"
            path.write_text(text)
            fresh.drop(path)
            if not fresh.texts(".filmname b"):
                fresh.drop(film_file).wait(*DEFAULTS)
                fresh.measured()
                fresh.pick("Atelectasis")
                fresh.pick("Effusion")
            fresh.show("box").page.wait_for_selector("table:has-text('peak inside')")
            assert fresh.page.get_attribute(".row.boxed[aria-selected=true]", "aria-description")
            assert fresh.page.inner_text(NOTE) == "1 box read from boxes.csv."

    def test_what_is_wrong_with_a_table_of_boxes_is_said_beside_the_film(self, fresh, film_file, tmp_path):
        def box(**other):
            return {"label": "Mass", "x": 10, "y": 20, "w": 60, "h": 50, **other}

        def said(content, name="some.csv"):
            (tmp_path / name).write_text(content)
            fresh.page.evaluate(f"document.querySelector('{NOTE}').textContent = ''")
            fresh.drop(tmp_path / name)
            fresh.page.wait_for_function(f"() => document.querySelector('{NOTE}').textContent")
            return fresh.page.inner_text(NOTE)

        def table(*boxes, file=film_file.name):
            text = json.dumps(boxes).replace('"', '""')
            return f'file,boxes\n{file},"{text}"\n'

        needs = "it needs a finding and four numbers, in pixels of the film."
        assert said(table(box())) == "1 box read from some.csv. None of its films has been added yet."
        fresh.drop(film_file).wait("gradcam")
        for other in ("a,b\n1,2\n", "", "{}"):
            assert said(other).startswith(
                "some.csv is not a list of boxes that can be read here: it needs the columns file"
            )
        assert said("file;boxes\nnothing.png;[]\n") == "some.csv contains no boxes."
        assert said(f"file,boxes\n{film_file.name},[{{\n") == f"1 entry of some.csv is not a box: {needs}"
        assert said(f"file,boxes\n{film_file.name},5\n") == f"1 entry of some.csv is not a box: {needs}"
        wrong = (box(w=-5), box(h="abc"), box(label=""), None)
        assert "4 entries of some.csv are not boxes" in said(table(*wrong))
        assert said(table(box(), box(w=0))) == f"1 box read from some.csv. 1 entry of some.csv is not a box: {needs}"
        assert said(table(box(), file="other.png")).endswith("None of its films has been added yet.")
        assert said(table(box(label="Unicorn"))).endswith(
            "1 of them is for a finding that this model does not predict."
        )
        far = f"1 box of {film_file.name} lies outside the film: coordinates must be in pixels of the film."
        assert said(table(box(x=5000))) == far

    def test_a_scrambled_map_that_ran_out_of_time_is_words_alone(self, browser, address):
        fresh = Visitor(browser, f"{address}?example=normal&methods=gradcam").wait("gradcam").measured()
        fresh.page.route("**/queue/join*", lambda route: None)  # nothing is answered
        fresh.show("randomise")
        with fresh.page.expect_request("**/queue/join*") as asked:
            fresh.page.click("#cxr-scramble")
        late = record(message("error.stopped.deadline", seconds="60"))
        fresh.page.evaluate(
            "told => document.dispatchEvent(new CustomEvent('cxr-answer', {detail: told}))",
            {
                "event": "scramble",
                "run": asked.value.post_data_json["event_data"]["run"],
                "method": "gradcam",
                "error": late,
            },
        )
        fresh.page.wait_for_selector(".smalls figure:has-text('Stopped at the limit of 60 seconds.')")
        assert fresh.page.query_selector(".smalls .stage") is None
        fresh.page.close()

    def test_the_scrambled_model_is_explained(self, measured):
        measured.show("randomise").page.select_option("#cxr-depth", "classifier")
        measured.page.click("#cxr-scramble")
        measured.page.wait_for_function("document.querySelectorAll('.smalls figure').length === 3")
        words = measured.texts(".smalls figcaption")
        assert all(re.search(r"correlation|empty", text) for text in words)
