"""The empty page shows a recorded example."""

import json

import cv2
import numpy as np
import pytest

from cxr_demo.films import phantom
from tests.support.browsing import DEFAULTS, Visitor
from tests.support.serving import served

JOIN = "/gradio_api/queue/join"


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """A page with the bundled models."""
    models = {"CXR_MODEL": "bundled:nih14", "CXR_MODELS": "bundled:nih14,bundled:pneumothorax"}
    with served(tmp_path_factory.mktemp("bundled"), **models) as address:
        yield address


@pytest.fixture
def visitor(browser, bundled):
    one = Visitor(browser, bundled).wait(*DEFAULTS).measured()
    yield one
    assert one.complaints == []
    assert {url for url in one.requests if not url.startswith((one.address, "blob:"))} == set()
    one.page.close()


def joined(visitor):
    """Requests to the server's queue so far."""
    return [url for url in visitor.requests if JOIN in url]


def kept(visitor):
    """Films that a reload would bring back."""
    return json.loads(visitor.page.evaluate("sessionStorage.getItem('cxr-films')"))["films"]


def only(visitor, key):
    """Switch the other methods off, so that the server has less to do."""
    visitor.open("methods")
    for other in DEFAULTS:
        if other != key:
            visitor.page.uncheck(f".controls [data-method={other}]")
    visitor.close()


def test_an_untouched_page_shows_three_maps_without_asking_the_server(visitor, tmp_path):
    page = visitor.page
    assert page.inner_text(".film .badge") == "Example"
    assert page.inner_text(".filmname b") == phantom.PHANTOMS["effusion"].title
    assert "phantom drawn by this program" in page.inner_text(".film .notes")
    assert page.inner_text(".list [aria-selected=true] .label") == "Effusion"
    before = {key: visitor.pixels(key) for key in DEFAULTS}
    assert all(np.ptp(drawn, axis=2).max() > 20 for drawn in before.values())
    assert all(page.inner_text(f".card[data-method={key}] .trust") for key in DEFAULTS)
    visitor.pick("Cardiomegaly")
    for key in DEFAULTS:
        assert (visitor.pixels(key) != before[key]).any(), key
    page.screenshot(path=tmp_path / "example.png", full_page=True)
    assert joined(visitor) == []
    assert not page.is_visible("#cxr-remove")
    assert kept(visitor) == []
    with page.expect_file_chooser():
        page.click(".invite")
    visitor.reload().page.wait_for_selector(".film .badge:visible")
    visitor.wait(*DEFAULTS)
    assert page.inner_text(".list [aria-selected=true] .label") == "Effusion", "nothing of it is kept"


def test_a_dropped_film_takes_its_place(visitor, tmp_path):
    page = visitor.page
    visitor.pick("Hernia")
    only(visitor, "gradcam")
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), phantom.draw("heart"))
    visitor.drop(path).page.wait_for_function("document.querySelector('.filmname b').textContent === 'film.png'")
    visitor.wait("gradcam")
    assert not page.is_visible(".film .badge")
    assert not page.is_visible(".invite")
    assert page.inner_text(".list [aria-selected=true] .label") != "Hernia", "that was chosen on the example"
    assert [film["name"] for film in kept(visitor)] == ["film.png"]
    page.click("#cxr-remove")
    assert page.is_visible(".invite")
    assert visitor.texts(".filmname b") == []
    assert not page.is_visible(".film .badge")


def test_what_the_record_lacks_is_computed_on_the_phantom(visitor):
    """Here the measures of a drawn box."""
    page = visitor.page
    visitor.show("randomise")
    assert page.is_disabled("#cxr-scramble")
    assert "stored example" in page.inner_text(".scrambling")
    only(visitor, "gradcam")
    assert joined(visitor) == []
    page.click("#cxr-draw-box")
    box = page.query_selector(".film canvas").bounding_box()
    for at, move in ((0.3, "down"), (0.6, "up")):
        page.mouse.move(box["x"] + at * box["width"], box["y"] + at * box["height"])
        getattr(page.mouse, move)()
    page.wait_for_function("() => !document.querySelector('.film .stage.example')")
    assert [(film["source"], len(film["boxes"])) for film in kept(visitor)] == [
        ({"kind": "phantom", "key": "effusion"}, 1)
    ]
    visitor.show("box").page.wait_for_selector("table:has-text('peak inside')")
    visitor.show("randomise")
    assert page.is_visible("#cxr-remove")
    assert page.is_enabled("#cxr-scramble")
    assert joined(visitor)


def test_the_quiz_begins_with_another_film(visitor):
    page = visitor.page
    only(visitor, "gradcam")
    page.click("#cxr-quiz")
    page.wait_for_selector("#cxr-reveal:visible")
    assert not page.is_visible(".findings")
    assert not page.is_visible(".filmname b")
    assert len(kept(visitor)) == 1


def test_another_model_answers_for_the_phantom(visitor):
    page = visitor.page
    only(visitor, "gradcam")
    page.select_option("#cxr-model", "bundled:pneumothorax")
    page.wait_for_function("document.querySelectorAll('.list .row').length === 1")
    visitor.wait("gradcam")
    assert not page.is_visible(".film .badge")
    page.select_option("#cxr-model", "bundled:nih14")
    page.wait_for_function("document.querySelectorAll('.list .row').length === 14")
    visitor.wait("gradcam").measured()


def test_it_is_enlarged_compared_and_exported_as_it_stands(visitor):
    page = visitor.page
    visitor.open("view").page.click("[aria-label='Zoom in']")
    page.wait_for_selector(".film .stage[data-pixels=done]")
    only(visitor, "gradcam")
    visitor.pick("Pneumothorax")  # which both models predict
    visitor.show("grid")
    page.select_option("#cxr-grid-kind", "models")
    page.click("#cxr-grid-run")
    page.wait_for_function("document.querySelectorAll('.grid td .stage:not(.blank)').length >= 2")
    with page.expect_download() as waiting:
        visitor.open("saving").page.click("#cxr-save-all")
    assert waiting.value.suggested_filename.endswith(".zip")
    assert page.is_visible(".film .badge")


@pytest.mark.parametrize("width", [1366, 390])
def test_measures_are_not_cut_off(visitor, width):
    visitor.show("reliable").page.set_viewport_size({"width": width, "height": 900})
    visitor.page.wait_for_function(
        """() => {
          const blocks = [...document.querySelectorAll('.drawer .believe .block')].filter(node => node.clientWidth);
          return blocks.length && blocks.every(node => node.scrollWidth <= node.clientWidth + 1);
        }"""
    )
