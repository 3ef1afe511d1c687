"""The page on which suspects are decided, in a real browser."""

import socket

import numpy as np
import pytest

from tests.support.audits import EVIL, TARGETS, films_of, lines, opened
from tests.support.browsing import Reader
from train.audit import corrections, review


@pytest.fixture
def films(tmp_path):
    return films_of(tmp_path, 6, TARGETS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out" / "corrections.csv"


# ------------------------------------------------------------------ the review without its page


# ------------------------------------------------------------------ in a browser


class Reviewer(Reader):
    """A visitor of the review's page."""

    def __init__(self, browser, address):
        super().__init__(browser, address, ".review main", width=1300, height=900)

    def shows(self, heading):
        self.page.wait_for_function("text => document.querySelector('.review h2')?.textContent === text", arg=heading)
        return self.page.inner_text(".review figcaption b") if "left" not in heading else None

    def progress(self):
        return self.page.inner_text(".progress span")


def test_a_review_by_keys_and_buttons(browser, films, path):
    with socket.socket() as free:  # gradio leaves a socket open for every port that it finds taken
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = review.serve(opened(films, path), prevent_thread_lock=True, quiet=True, server_port=port)
    try:
        _drive(browser, films, path, server[1])
    finally:
        server[0].get_blocks().close()


def _drive(browser, films, path, address):
    reader = Reviewer(browser, address)
    page = reader.page
    assert address.startswith("http://127.0.0.1:")
    assert reader.shows("The film itself") == "1.png"
    assert page.locator(".review figure").count() == 2, "with the film that it was compared with"
    assert reader.progress() == "0 of 4 decided"
    page.keyboard.press("a")
    assert reader.shows("Mass: 1") == "0.png"
    assert lines(path) == [("1.png", "", "", "left out", "accept")]
    assert EVIL in page.inner_text(".side")
    page.wait_for_function("document.querySelector('.film img').naturalWidth > 0")
    image, box = page.locator(".film img").bounding_box(), page.locator(".film i.same").bounding_box()
    assert box["x"] == pytest.approx(image["x"] + image["width"] / 2, abs=2)
    assert image["width"] / image["height"] == pytest.approx(100 / 80, rel=0.01), "never stretched"
    assert box["height"] == pytest.approx(image["height"] / 2, abs=3)
    page.keyboard.press("Control+s")  # the browser's own
    page.keyboard.press("S")
    assert reader.shows("Effusion: 1") == "2.png"
    page.keyboard.press("ArrowLeft")
    assert reader.shows("Mass: 0") == "3.png"
    assert reader.progress() == "2 of 4 decided, 1 skipped"
    page.keyboard.press("u")
    reader.shows("Effusion: 1")
    page.click("button[data-what=accept]")
    reader.shows("Mass: 0")
    page.select_option("select.finding", "boxes")
    assert reader.shows("Mass: 1") == "0.png"
    assert reader.progress() == "0 of 1 decided, 1 skipped"
    page.focus("select.finding")
    page.keyboard.press("s")  # while choosing, keys are the list's
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("r")
    reader.shows("Nothing is left to look at here")
    assert lines(path) == [
        ("1.png", "", "", "left out", "accept"),
        ("0.png", "Mass", "1", "1", "skip"),
        ("2.png", "Effusion", "1", "1", "reject"),
        ("2.png", "Effusion", "1", "1", "undo"),
        ("2.png", "Effusion", "1", "0", "accept"),
        ("0.png", "Mass", "1", "1", "reject"),
    ]
    # the reviewer comes back
    reader.reload()
    assert reader.shows("Mass: 0") == "3.png"
    assert reader.progress() == "3 of 4 decided"
    page.keyboard.press("ArrowRight")
    reader.shows("Nothing is left to look at here")
    np.testing.assert_array_equal(
        corrections.apply(films, path).targets, np.array([[1, 1], [0, 0], [0, 1], [1, 1], [0, 0]])
    )
    assert {url for url in reader.requests if not url.startswith(address)} == set()
    assert reader.complaints == []
