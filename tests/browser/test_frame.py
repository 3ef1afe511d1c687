"""The page's frame: film, findings and maps on the first screen, at every size and in both themes."""

import cv2
import pytest

from cxr_demo.films import phantom
from tests.support.browsing import DEFAULTS, Visitor

#: Sizes of the window in pixels, and the least side of a map there.
SIZES = {(1440, 900): 350, (1280, 720): 320, (1920, 1080): 480, (820, 1180): 250}
PHONE = (390, 844)

#: Rectangles of the parts that belong on the first screen, and how far the page scrolls.
PARTS = """() => {
  const rect = node => {
    const {left, top, right, bottom} = node.getBoundingClientRect();
    return [left, top, right, bottom];
  };
  const seen = selector => [...document.querySelectorAll(selector)].filter(node => node.checkVisibility());
  const all = selector => seen(selector).map(rect);
  const {scrollWidth, scrollHeight} = document.documentElement;
  return {film: all('.film .stage'), findings: all('.list .row'), cards: all('.card'), maps: all('.card .stage'),
          scrolled: [scrollWidth - innerWidth, scrollHeight - innerHeight]};
}"""


@pytest.fixture(scope="module")
def visit(browser, address):
    one = Visitor(browser, address).example("phantom", "effusion").wait(*DEFAULTS).measured()
    yield one
    assert one.complaints == []
    one.page.close()


@pytest.fixture(scope="module")
def five(browser, address, tmp_path_factory):
    folder = tmp_path_factory.mktemp("five")
    paths = [folder / f"patient_0001_{key}.png" for key in phantom.PHANTOMS]
    for key, path in zip(phantom.PHANTOMS, paths, strict=True):
        cv2.imwrite(str(path), phantom.draw(key))
    one = Visitor(browser, address)
    one.page.set_input_files(".cxr input.picker", paths)
    one.wait(*DEFAULTS).measured()
    yield one
    assert one.complaints == []
    one.page.close()


def shown(visitor, size, theme="light"):
    visitor.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
    visitor.page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    if visitor.page.get_attribute("#cxr-tab-reliable", "aria-selected") == "true":
        visitor.page.evaluate("document.querySelector('#cxr-tab-reliable').click()")
    visitor.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return visitor.page.evaluate(PARTS)


def is_inside(rect, size):
    left, top, right, bottom = rect
    return left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1] and right > left and bottom > top


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("films", ["visit", "five"])
def test_film_findings_and_maps_are_on_the_first_screen(films, size, theme, request):
    parts = shown(request.getfixturevalue(films), size, theme)
    assert [len(parts[name]) for name in ("film", "findings", "cards")] == [1, 14, 3]
    for name in ("film", "findings", "cards"):
        assert all(is_inside(rect, size) for rect in parts[name]), name
    tops = {round(rect[1]) for rect in parts["cards"]}
    assert len(tops) == 1, "the maps are in one row"
    for left, top, right, bottom in parts["maps"]:
        assert min(right - left, bottom - top) >= SIZES[size]
    assert max(parts["scrolled"]) <= 0


def test_on_a_telephone_one_picture_stays_over_the_findings(visit):
    parts = shown(visit, PHONE)
    pictures = parts["film"] + parts["maps"]
    assert len(pictures) == 1
    assert is_inside(pictures[0], PHONE)
    assert pictures[0][3] - pictures[0][1] >= 350
    listed = visit.page.evaluate("document.querySelector('.findings').getBoundingClientRect().bottom")
    assert sum(is_inside(rect, (PHONE[0], listed)) for rect in parts["findings"]) >= 4
    assert max(parts["scrolled"]) <= 0
    small = visit.page.evaluate(
        """() => [...document.querySelectorAll('.cxr :is(button, select, .row)')].filter(node => node.checkVisibility())
          .filter(node => node.getBoundingClientRect().height < 44).map(node => node.outerHTML.slice(0, 80))"""
    )
    assert small == []


def test_on_a_telephone_tabs_and_swipes_change_the_picture(visit):
    shown(visit, PHONE)
    page = visit.page
    for k, selector in enumerate((".film .stage", *(f".card[data-method={key}] .stage" for key in DEFAULTS))):
        page.click(f".stages button >> nth={k}")
        assert page.is_visible(selector)
        assert len(page.query_selector_all(":is(.film, .card) .stage:visible")) == 1
        assert page.evaluate("document.activeElement.matches('.stages [aria-pressed=true]')"), "for the next key"
    swipe = """([selector, by]) => {
      const node = document.querySelector(selector);
      const at = x => new Touch({identifier: 1, target: node, clientX: x, clientY: 300});
      node.dispatchEvent(new TouchEvent('touchstart', {bubbles: true, touches: [at(200)], changedTouches: [at(200)]}));
      node.dispatchEvent(new TouchEvent('touchend', {bubbles: true, touches: [], changedTouches: [at(200 + by)]}));
    }"""
    page.evaluate(swipe, [".card[data-method=occlusion] canvas", 120])
    assert page.is_visible(".card[data-method=lime] .stage")
    page.evaluate(swipe, [".card[data-method=lime] canvas", -120])
    assert page.is_visible(".card[data-method=occlusion] .stage")
    page.evaluate(swipe, [".card[data-method=occlusion] canvas", 20])
    assert page.is_visible(".card[data-method=occlusion] .stage"), "too short for a swipe"


def test_on_a_telephone_the_first_findings_are_chosen_and_pinned_above_the_list(visit):
    shown(visit, PHONE)
    page = visit.page
    first = page.get_attribute(".leading .chip >> nth=0", "data-chip")
    for k in (1, 0):
        page.click(f".leading .chip >> nth={k}")
        assert page.evaluate("document.activeElement.matches('.leading .chip[aria-pressed=true]')"), "for the next key"
    assert page.get_attribute(".list [aria-selected=true]", "data-finding") == first
    page.click(".leading #cxr-pin")
    assert page.get_attribute("#cxr-pin", "aria-pressed") == "true"
    page.click(".leading #cxr-pin")
    shown(visit, (1440, 900))
    assert page.is_visible(".heads #cxr-pin")


def test_with_one_method_no_map_is_larger_than_the_screen(visit):
    shown(visit, (1440, 900))
    for key in DEFAULTS[1:]:
        visit.open("methods").page.uncheck(f".controls [data-method={key}]")
    visit.close()
    try:
        parts = shown(visit, (1440, 900))
        [card] = parts["cards"]
        assert is_inside(card, (1440, 900))
        assert card[2] - card[0] > 500, "it grows into the room of the others"
    finally:
        for key in DEFAULTS[1:]:
            visit.turn_on(key)


def test_strip_names_films_by_their_differences(five):
    names = five.texts(".strip .thumb .name")
    assert names == [f"\u2026{key}.png" for key in phantom.PHANTOMS]


def test_few_controls_on_the_empty_page(browser, address):
    one = Visitor(browser, address)
    many = one.page.evaluate(
        """() => [...document.querySelectorAll('a[href], button, select, input, summary, [tabindex]')]
          .filter(node => node.tabIndex >= 0 && !node.disabled && node.checkVisibility()).length"""
    )
    assert 10 < many <= 35
    one.page.close()
