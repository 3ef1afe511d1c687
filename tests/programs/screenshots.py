"""The pictures of the page in the documentation, taken in a real browser: `make screenshots`.

They show films drawn by this program alone. With a folder named, light and dark pictures of every part go there.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
from PIL import Image

from benchmarks.process import address_of, running
from cxr_demo.films import phantom
from tests.support.browsing import DEFAULTS, Visitor, opened

if TYPE_CHECKING:
    from playwright.sync_api import Page

DOCS = Path(__file__).parents[2] / "docs"
#: What the documentation shows, of the light ones.
SHOWN = ("page.png", "viewing.png", "grid.png")
#: Colours of a picture: few enough for a small file, enough that maps look as they do.
COLOURS = 256


def main() -> None:
    """Take the pictures of the documentation, or all of them into a folder to look at."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(sys.argv[1] if len(sys.argv) > 1 else folder)
        out.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, "CXR_MODEL": "bundled:nih14"}
        with running([sys.executable, "-u", "app.py"], environment, Path(folder, "log")) as page:
            address = address_of(page)
            for browser in opened():
                for theme in ("light", "dark"):
                    take(Visitor(browser, address), Path(folder), out, theme)
        if len(sys.argv) == 1:
            for name in SHOWN:
                shutil.copy(out / f"light-{name}", DOCS / name)


def take(visitor: Visitor, folder: Path, out: Path, theme: str) -> None:
    """One visit with all its pictures."""
    page = visitor.page
    page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    films = []
    for key in ("effusion", "normal", "nodule"):
        films.append(folder / f"{key}.png")
        cv2.imwrite(str(films[-1]), phantom.draw(key))
    page.set_input_files(".cxr input.picker", films)
    visitor.wait(*DEFAULTS).measured()
    page.wait_for_function("() => document.querySelector('.table.films h3').textContent.includes('3 of 3')")
    page.set_viewport_size({"width": 1440, "height": 900})
    shot(page, out / f"{theme}-page.png")
    visitor.open("view").page.select_option("#cxr-beside", label="normal.png")
    visitor.close().show("films")
    shot(page, out / f"{theme}-films.png")
    visitor.open("view").page.select_option("#cxr-beside", index=0)
    page.select_option("#cxr-surface", "smooth")
    page.fill("#cxr-levels", "50")
    visitor.close().page.click("#cxr-wipe")
    page.evaluate("document.activeElement.blur()")
    for _ in range(2):
        page.keyboard.press("+")
    page.set_viewport_size({"width": 1440, "height": 1140})  # four cards, in two rows
    page.click("#cxr-tab-films")  # closes the drawer
    shot(page, out / f"{theme}-viewing.png", ".cxr .cards")
    page.keyboard.press("0")
    visitor.open("view").page.fill("#cxr-levels", "")
    page.select_option("#cxr-surface", "cells")
    visitor.close().page.click("#cxr-wipe")
    page.set_viewport_size({"width": 1440, "height": 1500})
    visitor.show("grid")
    shot(page, out / f"{theme}-grid.png", "#cxr-panel-grid")
    page.set_viewport_size({"width": 1440, "height": 900})
    for tab in ("reliable", "agree", "box", "randomise"):
        visitor.show(tab)
        shot(page, out / f"{theme}-{tab}.png")
    for name in ("add", "facts", "methods", "view", "saving", "more-lime", "menu"):
        visitor.open(name)
        shot(page, out / f"{theme}-{name}.png")
    visitor.close().page.keyboard.press("?")
    shot(page, out / f"{theme}-keys.png", "dialog.keys")
    page.keyboard.press("Escape")
    page.click("#cxr-tab-randomise")
    for width, height in ((1280, 720), (1920, 1080), (820, 1180), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        shot(page, out / f"{theme}-{width}.png")
    page.close()


def shot(page: Page, path: Path, selector: str | None = None) -> None:
    """A picture of the page's first screen, or of a part, in few colours."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.evaluate("scrollTo(0, 0)")
    (page.query_selector(selector) if selector else page).screenshot(path=str(path))
    Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
