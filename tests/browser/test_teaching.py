"""Guess first: nothing of the model's answer is seen before one has given one's own."""

import json
import re

import cv2
import numpy as np
import pytest

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry
from cxr_demo.output import viewer_data
from tests.support.browsing import DEFAULTS, GREEN, YELLOW, Visitor

#: Left, top, right, bottom of what the student marks, in shares of the film.
MARK = (0.1, 0.5, 0.45, 0.8)


@pytest.fixture
def visitor(browser, address):
    one = Visitor(browser, address)
    yield one
    assert one.complaints == []
    one.page.close()


def phantom_film(visitor, key):
    """Open one of the drawn films that the page offers."""
    visitor.open("add").page.click(f"#cxr-add-pane [data-phantom={key}]")


def mark(visitor, left, top, right, bottom):
    visitor.page.click("#cxr-guess-mark")
    box = visitor.page.query_selector(".film canvas").bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in ((left, top), (right, bottom))]
    visitor.page.mouse.move(*at[0])
    visitor.page.mouse.down()
    visitor.page.mouse.move(*at[1], steps=3)
    visitor.page.mouse.up()


def test_a_guess_is_compared_with_the_model_its_maps_and_the_truth(visitor):
    page = visitor.page
    case = Case(registry.load(page.input_value("#cxr-model")), phantom.PHANTOMS["effusion"].film())
    prediction = case.predict()
    *_, gradcam = case.explain(methods.method("gradcam", {}))
    i = int(gradcam.values.max((1, 2)).argmax())  # one that has evidence
    page.click("#cxr-quiz")
    phantom_film(visitor, "effusion")
    page.wait_for_selector("#cxr-reveal:visible")
    for hidden in (".findings", ".controls", ".cards", ".drawer", ".believe", ".grid"):
        assert not page.is_visible(hidden), hidden
    assert "%" not in page.inner_text(".quiz")
    page.select_option("#cxr-guess", str(i))
    mark(visitor, *MARK)
    for key in DEFAULTS:  # they are made meanwhile, unseen
        page.wait_for_selector(f".card[data-method={key}][data-state=done]", state="attached")
    assert page.input_value("#cxr-guess") == str(i), "still what was chosen"
    assert not page.is_visible(".findings")
    page.click("#cxr-reveal")
    assert page.is_visible(".findings")
    assert page.is_visible(".cards")
    assert page.get_attribute(".list [aria-selected=true]", "data-finding") == str(i)
    said = page.inner_text(".quiz .said")
    guessed = prediction.labels[i].replace("_", " ")
    assert re.fullmatch(f"You: {guessed} · Model: .+ · Truth: Effusion", page.inner_text(".said p"))
    assert page.inner_text(".said h3") == ("Right" if guessed == "Effusion" else "Wrong")
    assert f"rank {prediction.ranked().index(i) + 1} of 14" in said
    assert "Fluid hides the base of the right lung" in said
    spoken = gradcam.values[i].clip(0)
    side = len(spoken)
    left, top, right, bottom = (round(edge * side) for edge in MARK)
    share = spoken[top:bottom, left:right].sum() / spoken.sum()
    assert int(re.search(r"Grad-CAM (\d+) %", said)[1]) == pytest.approx(100 * share, abs=3)
    assert int(re.search(r"The mark covers (\d+) %", said)[1]) == pytest.approx(100 * 0.35 * 0.3, abs=1.5)
    a, b = np.array(MARK), np.array(viewer_data.drawing_fields("effusion")["edges"])
    shared = np.prod(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    iou = shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared)
    assert float(re.search(r"overlap by ([\d.]+)", said)[1]) == pytest.approx(iou, abs=0.03)
    assert "1 of 1 mark overlapped the known place" in said
    visitor.show("box")
    page.wait_for_selector("text=best IoU of its pieces")


def test_the_keys_can_be_read_before_one_has_guessed(visitor):
    page = visitor.page
    page.click("#cxr-quiz")
    phantom_film(visitor, "nodule")
    page.wait_for_selector("#cxr-reveal:visible")
    page.keyboard.press("?")
    assert page.is_visible("dialog.keys")
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog.keys")


def test_the_next_film_is_hidden_again_and_the_count_goes_on(visitor):
    page = visitor.page
    page.click("#cxr-quiz")
    for n, key in enumerate(("nodule", "normal"), 1):
        phantom_film(visitor, key)
        page.wait_for_function(
            "name => document.querySelector('.filmname b')?.textContent === name", arg=phantom.PHANTOMS[key].title
        )
        page.wait_for_selector("#cxr-reveal:visible")
        assert not page.is_visible(".findings")
        assert page.is_disabled("#cxr-reveal"), "nothing is guessed by mistake"
        page.select_option("#cxr-guess", label="none of these")
        page.click("#cxr-reveal")
        said = page.inner_text(".quiz .said")
        # right is what is true, not what the model says
        assert page.inner_text(".said h3") == ("Right" if key == "normal" else "Wrong")
        truth = "none of these" if key == "normal" else "Nodule"
        assert re.fullmatch(f"You: none of these · Model: .+ · Truth: {truth}", page.inner_text(".said p"))
        assert f"So far: {n - 1} of {n} guess" in said
    page.click("#cxr-quiz")
    assert not page.is_visible(".quiz")
    assert page.is_visible(".findings")


#: Keeps in `names` the film's name as often as a frame shows it.
WATCH_NAME = """() => {
  window.names = [];
  const look = () => {
    const name = document.querySelector('.filmname b');
    if (name?.checkVisibility()) names.push(name.textContent);
    requestAnimationFrame(look);
  };
  look();
}"""


def test_a_drawn_film_by_chance_does_not_say_what_it_is(visitor):
    page = visitor.page
    page.click("#cxr-quiz")
    titles = set()
    page.evaluate(WATCH_NAME)
    for _ in phantom.PHANTOMS:
        page.evaluate("names.length = 0, document.querySelector('#cxr-guess-any').click()")
        page.wait_for_selector("#cxr-reveal:visible")
        assert page.evaluate("names") == [], "not even while it is read"
        assert not page.is_visible(".filmname b")
        assert not page.is_visible(".film .notes")
        page.select_option("#cxr-guess", label="none of these")
        page.click("#cxr-reveal")
        titles.add(page.inner_text(".filmname b"))
        assert "Truth: " in page.inner_text(".quiz .said")
    assert titles == {item.title for item in phantom.PHANTOMS.values()}, "each once before one comes again"


def test_boxes_of_a_table_stay_hidden_until_then(visitor, tmp_path):
    path = tmp_path / "film.png"
    cv2.imwrite(str(path), phantom.draw("normal"))
    box = json.dumps([{"label": "Mass", "x": 100, "y": 120, "w": 90, "h": 80}]).replace('"', '""')
    table = tmp_path / "boxes.csv"
    table.write_text(f'file,boxes\nfilm.png,"{box}"\n')
    page = visitor.page
    page.click("#cxr-quiz")
    visitor.drop(table)
    visitor.drop(path)
    page.wait_for_selector("#cxr-reveal:visible")
    assert page.evaluate(GREEN) == 0
    page.select_option("#cxr-guess", label="Mass")
    mark(visitor, 0.2, 0.24, 0.36, 0.4)
    page.click("#cxr-reveal")
    assert "overlap by 0." in page.inner_text(".quiz .said")
    page.wait_for_function(f"() => ({GREEN})() > 20")
    assert image.read(path).pixels.shape == (512, 512)


@pytest.mark.parametrize("width", [390, 1440])
def test_the_tour_goes_round_the_page_on_a_drawn_film(visitor, width):
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 844})
    visitor.open("menu").page.click("#cxr-tour")
    visitor.wait(*DEFAULTS).measured()
    seen = []
    while page.is_visible(".tour"):
        seen.append(page.inner_text(".tour [role=status]"))
        page.wait_for_function(
            "() => { const {top, bottom} = document.querySelector('.toured').getBoundingClientRect();"
            " return top < innerHeight && bottom > top && bottom > 0; }"
        )  # what is spoken of is on the screen
        covering = """() => {
          const {top, left, right} = document.querySelector('.toured').getBoundingClientRect();
          return document.elementFromPoint((left + right) / 2, top + 12).closest('.tour') !== null;
        }"""
        assert not page.evaluate(covering), "its own words leave the place free"
        page.keyboard.press("Enter")  # the next step has the focus
    assert [text.split(".")[0] for text in seen] == [f"{n} of {len(seen)}" for n in range(1, len(seen) + 1)]
    assert len(seen) == 6
    assert page.evaluate("document.activeElement.id") == "cxr-menu"
    assert page.inner_text(".filmname b") == "Effusion"
    visitor.open("menu").page.click("#cxr-tour")
    page.keyboard.press("Escape")
    assert not page.is_visible(".tour")
    assert page.query_selector(".toured") is None


@pytest.mark.parametrize("width", [390, 820, 1024])
def test_the_film_is_seen_and_can_be_marked_at_every_width(visitor, width):
    page = visitor.page
    page.set_viewport_size({"width": width, "height": 844})
    if not page.is_visible("#cxr-quiz"):
        visitor.open("menu")  # a telephone's header has no room for it
    page.click("#cxr-quiz")
    phantom_film(visitor, "effusion")
    page.wait_for_selector("#cxr-reveal:visible")
    film = page.query_selector(".film canvas").bounding_box()
    assert film["width"] > 250
    assert film["x"] >= 0
    assert film["x"] + film["width"] <= width
    page.select_option("#cxr-guess", label="Effusion")
    mark(visitor, *viewer_data.drawing_fields("effusion")["edges"])  # as well as can be, and the truth is still seen
    page.click("#cxr-reveal")
    said = page.inner_text(".quiz .said")
    assert said.startswith("Right\n")
    assert "Yellow on the film: the known place." in said
    assert page.is_visible(".film canvas")
    assert page.evaluate(YELLOW) > 50


def test_a_planted_finding_is_outlined_while_it_is_chosen_but_not_while_one_guesses(visitor):
    page = visitor.page
    visitor.example("phantom", "nodule")
    page.wait_for_function(f"() => ({YELLOW})() > 20")  # the nodule is small
    assert "Dashed yellow" in page.inner_text(".film .notes")
    visitor.pick("Effusion")
    page.wait_for_function(f"() => ({YELLOW})() === 0")
    visitor.pick("Nodule")
    page.wait_for_function(f"() => ({YELLOW})() > 20")
    page.click("#cxr-quiz")
    page.wait_for_function(f"() => ({YELLOW})() === 0")
