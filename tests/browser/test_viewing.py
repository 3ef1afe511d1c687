"""How film and maps are looked at, in a real browser: enlarged in step, windowed, wiped, by mouse, touch and keys."""

import re

import cv2
import numpy as np
import pytest

from cxr_demo.output import render
from cxr_demo.types import NIH_FINDINGS, Unit
from tests.support.browsing import Visitor, new_page

#: Sides of the film that most tests look at; wide, and not a multiple of anything.
WIDTH, HEIGHT = 2401, 1801
STRENGTH = 0.5 * NIH_FINDINGS.index("Pneumothorax")  # of the planted corners
FIT = "#cxr-view-pane button:text-is('Fit')"


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A film of 16 bits: slow waves, a patch that only 16 bits tell from its ground, and stripes of one pixel."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    pixels = 0.5 + 0.3 * np.sin(columns / 190) * np.cos(rows / 230)
    levels = np.rint(pixels * 65535).astype(np.uint16)
    levels[800:1000, 1100:1300] = 33000 + (columns[800:1000, 1100:1300] - 1100) % 200
    levels[400:480, 700:780] = np.where(columns[400:480, 700:780] % 2, 50000, 15000)
    levels[0, 0], levels[-1, -1] = 0, 65535  # so that the reader has nothing to stretch
    path = tmp_path_factory.mktemp("deep") / "deep.png"
    cv2.imwrite(str(path), levels)
    return path, levels


@pytest.fixture(scope="module")
def visit(browser, address, deep):
    """One visit that most tests share: a deep film with its maps and the planted fourth."""
    one = Visitor(browser, address).drop(deep[0]).explain_anyway()
    one.wait("gradcam", "lime", "occlusion").turn_on("corners").measured()
    one.open("view").page.click("[aria-label='Zoom in']")
    one.page.wait_for_selector(".film .stage[data-pixels=done]")
    yield one
    assert one.complaints == []
    assert {url for url in one.requests if not url.startswith(one.address)} == set()
    one.page.close()


@pytest.fixture
def visitor(visit):
    """Looks at the whole film again, with all its greys, whatever the test before has done."""
    page = visit.page
    page.keyboard.press("Escape")
    visit.open("view")
    for button in ("#cxr-full", FIT):
        if page.is_enabled(button):
            page.click(button)
    if page.get_attribute("#cxr-invert", "aria-pressed") == "true":
        page.click("#cxr-invert")
    page.select_option("#cxr-surface", "cells")
    page.select_option("#cxr-palette", next(iter(render.PALETTES)))
    page.fill("#cxr-levels", "")
    visit.close().opacity(0.6)
    visit.pick("Pneumothorax")
    page.evaluate("document.activeElement.blur()")
    drawn(page)
    return visit


def drawn(page):
    """Wait until what was asked for is on the screen."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def chosen_in(page):
    """Number of the finding that is chosen in the list."""
    return page.get_attribute(".list [aria-selected=true]", "data-finding")


def box_of(visitor, key):
    canvas = visitor.page.query_selector(f".card[data-method={key}] canvas")
    canvas.scroll_into_view_if_needed()
    return canvas.bounding_box()


def zoom(visitor, key, x, y, notches=4):
    """Turn the wheel with Ctrl held over about this place of a card, in shares of its canvas; gives the exact one.

    A browser tells a mouse's place in whole pixels.
    """
    box = box_of(visitor, key)
    across, down = round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"])
    visitor.page.mouse.move(across, down)
    visitor.page.keyboard.down("Control")
    for _ in range(notches):
        visitor.page.mouse.wheel(0, -100)
    visitor.page.keyboard.up("Control")
    drawn(visitor.page)
    return (across - box["x"]) / box["width"], (down - box["y"]) / box["height"]


def pull(visitor, key, dx, dy):
    """Press in the middle of a card, move so many pixels, and let go."""
    box = box_of(visitor, key)
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    visitor.page.mouse.move(x, y)
    visitor.page.mouse.down()
    visitor.page.mouse.move(x + dx, y + dy, steps=4)
    visitor.page.mouse.up()
    drawn(visitor.page)


def of_film(levels, left, top, right, bottom, shape):
    """A part of the film, in shares of it, at a canvas' size (0 to 255)."""
    height, width = levels.shape
    size = max(shape[1], round((right - left) * width)), max(shape[0], round((bottom - top) * height))
    scale = (right - left) * width / size[0], (bottom - top) * height / size[1]
    where = np.array(
        [[scale[0], 0, left * width + scale[0] / 2 - 0.5], [0, scale[1], top * height + scale[1] / 2 - 0.5]]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(levels.astype(np.float32) / 257, where, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA)


class TestZoom:
    def test_all_cards_show_the_same_place_enlarged(self, visitor, deep):
        visitor.opacity(0)
        left, top = zoom(visitor, "gradcam", 0.25, 0.25)
        assert visitor.page.inner_text("#cxr-zoom") == "400 %"
        first = visitor.pixels("gradcam")[..., 0]
        for key in ("lime", "occlusion", "corners"):
            np.testing.assert_array_equal(visitor.pixels(key)[..., 0], first)
        # the place under the mouse stays
        x, y = 0.75 * left, 0.75 * top
        expected = of_film(deep[1], x, y, x + 0.25, y + 0.25, first.shape)
        assert np.abs(first - expected).mean() < 2

    def test_maps_are_enlarged_with_the_film(self, visitor):
        before = visitor.pixels("corners")
        zoom(visitor, "lime", 0.5, 0.5)
        after = visitor.pixels("corners")
        height, width = after.shape[:2]
        # the corner's evidence ends in the middle, where the mouse stood: still a quarter of the picture, all coloured
        orange = after[..., 0].astype(int) - after[..., 2] > 40
        assert orange[: height // 2 - 3, : width // 2 - 3].mean() > 0.95
        assert orange[: height // 2, width // 2 + 3 :].mean() < 0.05
        unseen = (before[: before.shape[0] // 2, : round(0.1 * width)]).astype(int)
        assert np.ptp(unseen, axis=2).max() <= 2, "before, the left edge was a strip that the model never saw"

    def test_a_pull_moves_all_in_step_and_never_beyond_the_edge(self, visitor, deep):
        zoom(visitor, "gradcam", 0.5, 0.5)
        visitor.opacity(0)
        before = visitor.pixels("occlusion")[..., 0]
        pull(visitor, "lime", 50, 20)
        after = visitor.pixels("occlusion")[..., 0]
        dense = after.shape[1] / box_of(visitor, "lime")["width"]
        dx, dy = round(50 * dense), round(20 * dense)
        assert np.abs(after[dy:, dx:].astype(int) - before[:-dy, :-dx]).mean() < 1.5
        pull(visitor, "lime", 3000, 3000)
        corner = visitor.pixels("occlusion")[..., 0].astype(int)
        edge = round((WIDTH - HEIGHT) / 2 / WIDTH * 4 * corner.shape[1]) + 3  # left of it the model saw nothing
        assert np.abs(corner - of_film(deep[1], 0, 0, 0.25, 0.25, corner.shape))[:, edge:].mean() < 2
        visitor.open("view").page.click(FIT)
        assert visitor.page.inner_text("#cxr-zoom") == "100 %"

    def test_the_value_under_the_pointer_is_that_of_the_enlarged_place(self, visitor):
        zoom(visitor, "corners", 0.45, 0.45)  # top left of the middle: evidence for, wherever one points left of it
        box = box_of(visitor, "corners")
        for x, y, said in ((0.1, 0.1, STRENGTH), (0.97, 0.97, -STRENGTH / 2), (0.97, 0.1, 0)):
            visitor.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            (read,) = visitor.texts(".card[data-method=corners] .readout")
            assert float(read.split()[1].replace("\u2212", "-")) == pytest.approx(said, abs=STRENGTH / 127)

    def test_close_to_it_the_film_has_its_own_pixels(self, visitor, deep):
        visitor.opacity(0)
        left, top = zoom(visitor, "gradcam", 740 / WIDTH, 440 / HEIGHT, notches=8)
        assert visitor.page.inner_text("#cxr-zoom") == "1600 %"
        shown = visitor.pixels("gradcam")[..., 0].astype(int)
        height, width = shown.shape
        across = shown[round(top * height), round(left * width) - 40 : round(left * width) + 40]
        assert np.ptp(across) > 100, "stripes of one pixel, of which a copy of 1024 pixels has nothing"
        x, y = left - left / 16, top - top / 16
        assert np.abs(shown - of_film(deep[1], x, y, x + 1 / 16, y + 1 / 16, shown.shape)).mean() < 4

    def test_a_mere_wheel_scrolls_the_page(self, visitor):
        box = box_of(visitor, "gradcam")
        visitor.page.evaluate("document.activeElement.blur()")
        visitor.page.mouse.move(box["x"] + 30, box["y"] + 30)
        visitor.page.mouse.wheel(0, -100)
        assert visitor.page.inner_text("#cxr-zoom") == "100 %"

    def test_a_button_let_go_outside_leaves_nothing_held(self, visitor):
        box = box_of(visitor, "gradcam")
        visitor.page.mouse.move(box["x"] + 50, box["y"] + 50)
        visitor.page.mouse.down()
        visitor.page.mouse.move(box["x"] + 50, box["y"] - 60)
        visitor.page.mouse.up()
        zoom(visitor, "gradcam", 0.5, 0.5)
        before = visitor.pixels("gradcam")
        visitor.page.mouse.move(box["x"] + 90, box["y"] + 120, steps=3)
        drawn(visitor.page)
        np.testing.assert_array_equal(visitor.pixels("gradcam"), before)

    def test_what_arrow_keys_read_is_spoken(self, visitor):
        visitor.page.focus(".card[data-method=corners] canvas")
        visitor.page.keyboard.press("ArrowLeft")
        spoken = visitor.page.text_content(".bench .sr[role=status]")
        assert re.search(r"Grad-CAM here .*; LIME here .*; Occlusion here .*; Planted corners here ", spoken)


class TestWindow:
    def test_sixteen_bits_show_what_eight_cannot(self, visitor, deep):
        visitor.opacity(0)
        before = visitor.pixels("gradcam")[..., 0]
        rows, columns = (
            round(900 / HEIGHT * before.shape[0]),
            slice(*(round(c / WIDTH * before.shape[1]) for c in (1110, 1290))),
        )
        assert np.ptp(before[rows, columns]) <= 2
        # level 33,100 of 65,535, and the narrowest window, 256 of them
        for name, value in (("level", 33100 / 65535), ("contrast", 1)):
            visitor.page.eval_on_selector(
                f"#cxr-{name}", "(n, v) => { n.value = v; n.dispatchEvent(new Event('input')); }", str(value)
            )
        drawn(visitor.page)
        ramp = visitor.pixels("gradcam")[rows, columns, 0].astype(int)
        assert np.ptp(ramp) > 120
        assert len(np.unique(ramp)) > 20
        assert (np.diff(ramp) >= -1).all()

    def test_auto_is_from_the_darkest_to_the_brightest_hundredth(self, visitor, deep):
        visitor.opacity(0)
        visitor.open("view").page.click("#cxr-auto")
        drawn(visitor.page)
        shown = visitor.pixels("gradcam")[..., 0]
        side = HEIGHT
        view = deep[1][:, (WIDTH - side) // 2 : (WIDTH + side) // 2]
        low, high = np.quantile(view, (0.01, 0.99))
        edge = (shown.shape[1] - shown.shape[0]) // 2 + 3
        expected = of_film(((deep[1].clip(low, high) - low) / (high - low) * 65535), 0, 0, 1, 1, shown.shape)
        assert np.abs(shown - expected)[:, edge:-edge].mean() < 4

    def test_inverted_is_white_for_black(self, visitor):
        visitor.opacity(0)
        before = visitor.pixels("gradcam")[..., 0].astype(int)
        visitor.open("view").page.click("#cxr-invert")
        drawn(visitor.page)
        after = visitor.pixels("gradcam")[..., 0].astype(int)
        edge = (after.shape[1] - after.shape[0]) // 2 + 3
        assert np.abs(before + after - 255)[:, edge:-edge].max() <= 1
        assert visitor.page.get_attribute("#cxr-invert", "aria-pressed") == "true"

    def test_the_right_button_sets_it(self, visitor):
        box = box_of(visitor, "gradcam")
        before = [float(visitor.page.input_value(f"#cxr-{name}")) for name in ("level", "contrast")]
        visitor.page.mouse.move(box["x"] + 100, box["y"] + 100)
        visitor.page.mouse.down(button="right")
        visitor.page.mouse.move(box["x"] + 40, box["y"] + 130, steps=3)
        visitor.page.mouse.up(button="right")
        after = [float(visitor.page.input_value(f"#cxr-{name}")) for name in ("level", "contrast")]
        assert after[0] > before[0]
        assert after[1] > before[1]


class TestColours:
    @pytest.mark.parametrize("name", render.PALETTES)
    def test_a_palette_is_that_of_render(self, visitor, monkeypatch, name):
        monkeypatch.setattr(render, "STOPS", render.PALETTES[name])
        visitor.open("view").page.select_option("#cxr-palette", name)
        visitor.opacity(0)
        film = visitor.pixels("corners")
        visitor.opacity(0.8)
        shown = visitor.pixels("corners")
        height, width = shown.shape[:2]
        for x, y, value in ((0.3, 0.2, STRENGTH), (0.7, 0.8, -STRENGTH / 2)):
            at = round(y * height), round(x * width)
            expected = render.overlay(
                film[at][:1][None] / 255, np.full((1, 1), value), limit=STRENGTH, unit=Unit.LOGIT, opacity=0.8
            )
            assert np.abs(shown[at].astype(int) - expected[0, 0]).max() <= 3

    def test_cells_have_edges_and_smooth_is_blurred_as_in_files(self, visitor):
        visitor.opacity(0)
        film = visitor.pixels("corners")
        visitor.opacity(0.6)
        cells = visitor.pixels("corners")
        visitor.open("view").page.select_option("#cxr-surface", "smooth")
        smooth = visitor.pixels("corners")
        height, width = smooth.shape[:2]
        side, left = height, (width - height) // 2
        placed = np.full((height, width), np.nan, np.float32)
        view = placed[:, left : left + side]
        view[:] = 0
        view[: side // 2, : side // 2] = STRENGTH
        view[side // 2 :, side // 2 :] = -STRENGTH / 2
        row = height // 4
        for shown, blurred in ((cells, False), (smooth, True)):
            wanted = render.overlay(
                film[..., 0] / 255, placed, limit=STRENGTH, unit=Unit.LOGIT, opacity=0.6, smooth=blurred
            )
            apart = np.abs(shown.astype(int) - wanted)[row, left + 6 : left + side - 6]
            assert np.median(apart) <= 3
            assert apart.max() <= (200 if not blurred else 14)  # the edge of a cell falls between pixels
        middle = slice(left + side // 2 - 4, left + side // 2 + 4)
        steepest = [np.abs(np.diff(shown[row, middle, 2].astype(int))).max() for shown in (cells, smooth)]
        assert steepest[0] > 4 * steepest[1]

    def test_contours_stand_where_the_value_is_crossed(self, visitor):
        visitor.open("view").page.select_option("#cxr-surface", "smooth")
        plain = visitor.pixels("corners").astype(int)
        visitor.page.fill("#cxr-levels", "50")
        lined = visitor.pixels("corners").astype(int)
        height, width = lined.shape[:2]
        row, side, left = height // 4, height, (width - height) // 2
        changed = np.flatnonzero(np.abs(lined - plain)[row].max(1) > 20)
        # half of the corner's value is crossed where the corner ends, however it is blurred
        assert np.abs(changed - (left + side / 2)).max() <= 8
        assert lined[row, changed].max() > 220, "a white line"
        assert "percent" not in visitor.page.inner_text(".look-status")
        visitor.page.fill("#cxr-levels", "nonsense, 200")
        np.testing.assert_array_equal(visitor.pixels("corners"), plain)
        assert "Contours are percentages of full scale" in visitor.page.inner_text(".look-status")
        assert visitor.page.get_attribute("#cxr-levels", "aria-invalid") == "true"


class TestWipe:
    def test_left_is_one_map_and_right_the_other(self, visitor):
        page = visitor.page
        page.click("#cxr-wipe")
        page.select_option(".wipe select >> nth=0", "corners")
        page.select_option(".wipe select >> nth=1", "gradcam")
        page.eval_on_selector("#cxr-wipe-at", "n => { n.value = 0.3; n.dispatchEvent(new Event('input')); }")
        drawn(page)
        width, height, data = page.evaluate(
            """() => { const canvas = document.querySelector('.wipe canvas');
                 const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
                 return [width, height, [...data]]; }"""
        )
        shown = np.array(data, np.uint8).reshape(height, width, 4)[..., :3]
        left, right = visitor.pixels("corners"), visitor.pixels("gradcam")
        assert shown.shape == left.shape
        at = round(0.3 * width)
        np.testing.assert_array_equal(shown[:, : at - 3], left[:, : at - 3])
        np.testing.assert_array_equal(shown[:, at + 3 :], right[:, at + 3 :])
        assert (left[:, at + 3 :] != right[:, at + 3 :]).any()
        page.select_option(".wipe select >> nth=1", "film")
        assert "the film alone" in page.get_attribute(".wipe canvas", "aria-label")
        page.click("#cxr-wipe")
        assert not page.is_visible(".wipe")


def test_a_second_row_of_cards_begins_below_the_first(visitor):
    edges = "nodes => nodes.map(n => n.getBoundingClientRect()).map(({top, bottom}) => [top, bottom])"
    *first, (top, _) = visitor.page.eval_on_selector_all(".card:not([hidden])", edges)
    assert len(first) == 3
    assert top > max(bottom for _, bottom in first)


@pytest.mark.parametrize(("width", "height", "opens"), [(1280, 720, False), (1440, 1000, True)])
def test_reliability_opens_by_itself_only_where_maps_leave_room(browser, address, width, height, opens):
    one = Visitor(browser, address)
    one.page.set_viewport_size({"width": width, "height": height})
    one.open("add").page.click("#cxr-add-pane [data-phantom=effusion]")
    one.wait("gradcam")
    assert one.page.get_attribute("#cxr-tab-reliable", "aria-selected") == str(opens).lower()
    one.page.close()


@pytest.mark.parametrize("one", ["#cxr-draw-box", ".drawer p.soft", ".popover .reading"])
def test_base_rules_leave_a_part_its_own_colour(visitor, one):
    colours = "n => [n, n.parentElement].map(each => getComputedStyle(each).color)"
    own, around = visitor.page.eval_on_selector(one, colours)
    assert own != around


class TestPopovers:
    @pytest.fixture
    def small(self, visitor):
        """The page in the window of a small laptop."""
        usual = visitor.page.viewport_size
        visitor.page.set_viewport_size({"width": 1280, "height": 720})
        yield visitor
        visitor.page.set_viewport_size(usual)

    @pytest.mark.parametrize("name", ["view", "menu", "more-occlusion"])
    def test_one_lies_inside_the_window_and_escape_gives_the_focus_back(self, small, name):
        page, pane = small.page, f"#cxr-{name}-pane"
        small.open(name)
        box = page.query_selector(pane).bounding_box()
        assert min(box["x"], box["y"]) >= 0
        assert box["x"] + box["width"] <= 1280
        assert box["y"] + box["height"] <= 720
        page.keyboard.press("Tab")
        assert page.evaluate(f"document.activeElement.closest('{pane}') !== null"), "the next key is its own"
        page.keyboard.press("Escape")
        assert not page.is_visible(pane)
        assert page.evaluate("document.activeElement.id") == f"cxr-{name}"


class TestFullScreen:
    def test_maps_and_their_controls_fill_it(self, visitor):
        page = visitor.page
        page.click("#cxr-full-screen")
        page.wait_for_function("() => document.fullscreenElement?.matches('.bench')")
        drawn(page)
        for box in page.eval_on_selector_all(
            ".bench .card:not([hidden]) .stage canvas",
            "nodes => nodes.map(n => [n, n.closest('.cards')].map(one => one.getBoundingClientRect().bottom))",
        ):
            assert box[0] <= box[1], "every map is seen whole"
        assert page.is_visible("#cxr-opacity")
        page.click("#cxr-full-screen")
        page.wait_for_function("() => !document.fullscreenElement")


class TestKeys:
    def test_the_page_lists_them(self, visitor):
        visitor.page.keyboard.press("?")
        assert visitor.page.is_visible("dialog.keys")
        listed = visitor.texts("dialog.keys kbd")
        assert {"+", "-", "0", "i", "w", "f", "m", "n", "p", "s", "c"} <= set(listed)
        visitor.page.keyboard.press("Escape")
        assert not visitor.page.is_visible("dialog.keys")

    def test_each_does_what_it_says(self, visitor):
        page = visitor.page
        page.focus(".card[data-method=gradcam] canvas")
        press = page.keyboard.press
        press("+")
        assert page.inner_text("#cxr-zoom") == "150 %"
        before = visitor.pixels("corners")
        press("Shift+ArrowRight")
        drawn(page)
        assert (visitor.pixels("corners") != before).any()
        press("0")
        assert page.inner_text("#cxr-zoom") == "100 %"
        press("i")
        assert page.get_attribute("#cxr-invert", "aria-pressed") == "true"
        press("w")
        assert float(page.input_value("#cxr-contrast")) > 0
        press("W")
        assert float(page.input_value("#cxr-contrast")) == 0
        press("s")
        assert page.input_value("#cxr-surface") == "smooth"
        press("c")
        assert page.input_value("#cxr-levels") == "50"
        press("]")
        assert page.inner_text("output[for=cxr-opacity]") == "70 %"
        chosen = chosen_in(page)
        press("j")
        assert chosen_in(page) != chosen
        press("k")
        assert chosen_in(page) == chosen
        press("m")
        assert page.is_visible(".wipe")
        press("m")
        press("b")
        assert page.get_attribute("#cxr-draw-box", "aria-pressed") == "true"
        press("b")

    def test_who_writes_is_left_alone(self, visitor):
        visitor.open("view").page.focus("#cxr-levels")
        visitor.page.keyboard.type("i0")
        assert visitor.page.get_attribute("#cxr-invert", "aria-pressed") == "false"
        assert visitor.page.input_value("#cxr-levels") == "i0"

    def test_they_can_be_switched_off(self, visitor):
        visitor.open("menu").page.click("#cxr-keys")
        visitor.page.uncheck("#cxr-keys-on")
        visitor.page.click("dialog.keys >> text=Close")
        assert visitor.page.evaluate("document.activeElement.id") == "cxr-menu"
        visitor.page.keyboard.press("i")
        assert visitor.page.get_attribute("#cxr-invert", "aria-pressed") == "false"
        visitor.open("menu").page.click("#cxr-keys")
        visitor.page.check("#cxr-keys-on")
        visitor.page.click("dialog.keys >> text=Close")


def test_looking_asks_for_pixels_once_and_for_nothing_else(visitor):
    before = len(visitor.requests)
    zoom(visitor, "gradcam", 0.5, 0.5)
    visitor.open("view").page.click("#cxr-auto")
    visitor.page.select_option("#cxr-surface", "smooth")
    visitor.page.fill("#cxr-levels", "25 50 75")
    visitor.close()
    visitor.page.click("#cxr-wipe")
    visitor.page.click("#cxr-wipe")
    drawn(visitor.page)
    assert visitor.requests[before:] == [], "the film's pixels came with the first look"


@pytest.mark.alone
def test_a_finding_is_chosen_in_a_blink_however_it_is_looked_at(visitor):
    zoom(visitor, "gradcam", 0.5, 0.5)
    visitor.open("view").page.select_option("#cxr-surface", "smooth")
    visitor.page.fill("#cxr-levels", "50")
    times = [
        visitor.page.evaluate(
            "i => { const began = performance.now(); document.querySelectorAll('.list .row')[i].click();"
            " return performance.now() - began; }",
            i,
        )
        for i in range(8)
    ]
    assert sorted(times)[len(times) // 2] <= 150, times


def test_two_fingers_enlarge_and_one_moves(browser, address, tmp_path):
    """On a telephone, with its own events."""
    page = new_page(browser, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.goto(address)
    page.wait_for_selector(".cxr .list .row")
    page.tap("#cxr-add")
    page.tap("#cxr-add-pane [data-phantom]")
    page.wait_for_selector(".card[data-method=gradcam][data-state=done]")
    canvas = page.query_selector(".card[data-method=gradcam] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    session = page.context.new_cdp_session(page)

    def touch(kind, *points):
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": px, "y": py, "id": i} for i, (px, py) in enumerate(points)]},
        )

    touch("touchStart", (x - 20, y), (x + 20, y))
    for apart in (30, 45, 60, 80):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    drawn(page)
    shown = float(page.inner_text("#cxr-zoom").rstrip(" %"))
    assert shown == pytest.approx(400, rel=0.15)
    scrolled = page.evaluate("scrollY")
    before = page.evaluate("key => document.querySelector(`.card[data-method=${key}] canvas`).toDataURL()", "gradcam")
    touch("touchStart", (x, y))
    for step in (10, 25, 40):
        touch("touchMove", (x + step, y + step))
    touch("touchEnd")
    drawn(page)
    assert page.evaluate("scrollY") == scrolled
    after = page.evaluate("key => document.querySelector(`.card[data-method=${key}] canvas`).toDataURL()", "gradcam")
    assert after != before
    page.screenshot(path=tmp_path / "telephone.png")
    page.context.close()


def test_methods_and_looks_outlive_a_reload(browser, address):
    one = Visitor(browser, address)
    page = one.page
    last = list(render.PALETTES)[-1]
    one.open("methods").page.uncheck(".controls [data-method=lime]")
    page.check(".controls [data-method=corners]")
    one.close().opacity(0.35)
    page.check("input[name=cxr-scale][value=same]")
    one.open("view").page.select_option("#cxr-palette", last)
    page.select_option("#cxr-side", "for")
    page.select_option("#cxr-surface", "smooth")
    one.reload().page.wait_for_selector(".controls [data-method=corners]", state="attached")
    ticked = page.eval_on_selector_all(
        ".controls [data-method]:checked", "boxes => boxes.map(box => box.dataset.method)"
    )
    assert ticked == ["gradcam", "occlusion", "corners"]
    assert page.eval_on_selector_all(".card:not([hidden])", "cards => cards.map(card => card.dataset.method)") == ticked
    assert "35 %" in page.inner_text(".controls output")
    assert page.is_checked("input[name=cxr-scale][value=same]")
    assert [page.input_value(f"#cxr-{name}") for name in ("opacity", "palette", "side", "surface")] == [
        "0.35",
        last,
        "for",
        "smooth",
    ]
    one.example("phantom", "normal").wait("gradcam")
    assert page.get_attribute(".card[data-method=lime]", "data-state") == "idle"
    assert one.complaints == []
    page.close()
