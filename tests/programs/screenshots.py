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
    page.wait_for_function("() => document.querySelector('details.table summary').textContent.includes('3 of 3')")
    page.set_viewport_size({"width": 1440, "height": 1540})
    shot(page, out / f"{theme}-page.png")
    page.set_viewport_size({"width": 1440, "height": 1000})
    page.click("details.table:not(.grid) summary")
    page.select_option("#cxr-beside", label="normal.png")
    shot(page, out / f"{theme}-films.png", ".cxr .table")
    page.select_option("#cxr-beside", index=0)
    page.click("details.table:not(.grid) summary")
    page.click("#cxr-wipe")
    page.select_option("#cxr-surface", "smooth")
    page.fill("#cxr-levels", "50")
    page.evaluate("document.activeElement.blur()")
    for _ in range(2):
        page.keyboard.press("+")
    shot(page, out / f"{theme}-viewing.png", ".cxr .bench")
    page.keyboard.press("0")
    page.fill("#cxr-levels", "")
    page.select_option("#cxr-surface", "cells")
    page.click("#cxr-wipe")
    page.click(".grid summary")
    shot(page, out / f"{theme}-grid.png", ".cxr .grid")
    page.click(".grid summary")
    shot(page, out / f"{theme}-trust.png", ".cxr .believe")
    page.keyboard.press("?")
    shot(page, out / f"{theme}-keys.png", "dialog.keys")
    page.keyboard.press("Escape")
    for width in (1024, 390):
        page.set_viewport_size({"width": width, "height": 844})
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
