"""Links that open a state of the page, in a real browser."""

import cv2
import pytest

from cxr_demo import messages
from cxr_demo.films import phantom
from cxr_demo.models import failure_cases
from tests.support.browsing import Visitor

SHOWN = ".list .row[aria-selected=true] .label"
NORWEGIAN = messages.languages()["nb"]["texts"]


@pytest.fixture
def opened(browser, address):
    """Opens the page with a query, each time as another visitor."""
    visitors = []

    def visit(query, first=""):
        visitors.append(Visitor(browser, f"{address}{query}", first))
        return visitors[-1]

    yield visit
    for one in visitors:
        assert one.complaints == []
        one.page.close()


def methods_of(page):
    return page.eval_on_selector_all(".card:not([hidden])", "cards => cards.map(card => card.dataset.method)")


def test_a_link_opens_film_finding_methods_and_language(opened):
    one = opened("?__theme=dark&example=effusion&finding=Mass&methods=gradcam,corners&lang=nb")
    page = one.wait("gradcam", "corners").page
    assert page.inner_text(".filmname b") == NORWEGIAN["phantom.effusion.title"]
    assert page.get_attribute("html", "lang") == "nb"
    assert page.inner_text(SHOWN) == NORWEGIAN["finding.Mass"]
    assert methods_of(page) == ["gradcam", "corners"]
    ticked = page.eval_on_selector_all(
        ".controls [data-method]:checked", "boxes => boxes.map(box => box.dataset.method)"
    )
    assert ticked == ["gradcam", "corners"]
    assert page.evaluate("document.body.classList.contains('dark')"), "Gradio's own parameter"
    one.open("menu").page.select_option("#cxr-language", "en")
    page.wait_for_function("document.documentElement.lang === 'en'")
    one.complaints.clear()  # of requests that the reload cut off
    one.wait("gradcam")
    assert page.inner_text(SHOWN) == "Mass", "the list of languages beats the link"


def test_a_link_opens_a_failure_case(opened):
    page = opened("?lesson=occlusion").wait("gradcam").page
    assert page.input_value("#cxr-model") == failure_cases.LESSONS["occlusion"].model
    assert page.inner_text(".filmname b") == "Where Occlusion fails"


def test_unknown_parts_are_ignored_in_one_sentence(opened):
    page = opened("?example=unicorn&methods=gradcam,magic&lang=xx").page
    page.wait_for_selector("text=unknown here and were ignored: example=unicorn, lang=xx, methods=magic.")
    assert methods_of(page) == ["gradcam"]
    assert page.is_visible(".invite")
    assert page.get_attribute("html", "lang") == "en"


def test_a_link_beats_what_the_tab_remembers_until_a_reload(opened, tmp_path):
    path = tmp_path / "own.png"
    cv2.imwrite(str(path), phantom.draw("normal"))
    one = opened("").drop(path).wait("gradcam")
    page, start = one.page, one.page.url
    one.pick("Hernia")
    page.click("#cxr-pin")
    page.goto(f"{start}?example=nodule&finding=Nodule")
    page.wait_for_selector(".filmname b:text-is('Nodule')")
    one.complaints.clear()  # of requests that the new address cut off
    one.wait("gradcam")
    assert page.inner_text(SHOWN) == "Nodule"
    assert one.texts(".strip .name") == ["own.png", "Nodule"], "the tab's films stay"
    page.click(".strip .thumb >> nth=0")
    one.wait("gradcam")
    assert page.inner_text(SHOWN) == "Hernia"
    one.reload().wait("gradcam")
    assert page.inner_text(".filmname b") == "own.png"


def test_the_copied_address_opens_the_same(opened, tmp_path):
    first = (
        "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async text => { window.copied = text; }}})"
    )
    one = opened("?view=nothing&lang=en", first)
    page = one.page
    one.example("phantom", "effusion").wait("gradcam")
    one.pick("Mass")
    one.open("methods").page.uncheck(".controls [data-method=lime]")
    one.open("menu").page.click("#cxr-copy-link")
    page.wait_for_selector("#cxr-copy-link:text-is('Link copied')")
    copied = page.evaluate("window.copied")
    assert copied == f"{one.address.split('?')[0]}?example=effusion&finding=Mass&methods=gradcam,occlusion&lang=en"
    page.wait_for_selector("#cxr-copy-link:text-is('Copy link')")
    page.evaluate("() => { navigator.clipboard.writeText = async () => { throw new Error('not allowed'); }; }")
    page.click("#cxr-copy-link")
    assert page.input_value(".top input[readonly]") == copied
    selected = (
        "(({value, selectionStart, selectionEnd}) => value.slice(selectionStart, selectionEnd))(document.activeElement)"
    )
    assert page.evaluate(selected) == copied
    page.evaluate("document.activeElement.blur()")
    assert page.query_selector(".top input[readonly]") is None
    path = tmp_path / "own.png"
    cv2.imwrite(str(path), phantom.draw("normal"))
    one.drop(path).wait("gradcam")
    assert page.is_disabled("#cxr-copy-link")
    assert "not your own films" in page.get_attribute("#cxr-copy-link", "title")
