"""Chromium under Playwright, and the actions of a visitor on the page."""

import base64
import os
import shutil

import numpy as np
import pytest

from cxr_demo.types import NIH_FINDINGS
from tests.support.serving import PATIENCE

if os.environ.get("CXR_BROWSER") == "required":
    import playwright.sync_api as playwright
else:
    playwright = pytest.importorskip("playwright.sync_api")

QUIET = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--no-sandbox", "--disable-component-update", "--disable-sync"]
DEFAULTS = ("gradcam", "lime", "occlusion")

DROP = """([name, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], name));
  for (const kind of ['dragover', 'drop'])
    document.querySelector('.film .stage').dispatchEvent(
      new DragEvent(kind, {dataTransfer: carried, bubbles: true, cancelable: true}));
}"""
PIXELS = """key => {
  const canvas = document.querySelector(`.card[data-method=${key}] canvas`);
  const {data, width, height} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [width, height, btoa(Array.from(data, b => String.fromCharCode(b)).join(''))];
}"""
#: Script that counts the film's pixels in the colour of a box's outline.
GREEN = """() => {
  const canvas = document.querySelector('.film canvas');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let many = 0;
  for (let k = 0; k < data.length; k += 4) many += data[k + 1] > data[k] + 60;
  return many;
}"""
#: Script that counts the film's pixels in the colour of a known place.
YELLOW = """() => {
  const canvas = document.querySelector('.film canvas');
  const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let many = 0;
  for (let k = 0; k < data.length; k += 4) many += data[k] > data[k + 2] + 120;
  return many;
}"""


def opened():
    """Yield a Chromium browser; skips the test, or fails it in CI, on a machine without Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        # CI sets "required": there a skipped browser test is a failure
        (pytest.fail if os.environ.get("CXR_BROWSER") == "required" else pytest.skip)("no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


def new_page(browser, **options):
    """An open page of its own context, that waits at most PATIENCE seconds for anything."""
    page = browser.new_page(**options)
    page.set_default_timeout(1000 * PATIENCE)
    return page


class Reader:
    """An open page with its recorded requests and console errors; the script `first` runs before the page's own.

    `ready` selects an element that the page has once it is built.
    """

    def __init__(self, browser, address, ready, first="", width=1440, height=1000):
        self.page = new_page(browser, viewport={"width": width, "height": height})
        self.page.add_init_script(first)
        self.address, self.requests, self.complaints = address, [], []
        self.page.on("request", lambda r: r.url.startswith("data:") or self.requests.append(r.url))
        self.page.on("pageerror", lambda e: self.complaints.append(str(e)))
        self.page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))
        self.page.goto(address)
        self.page.wait_for_selector(ready)

    def reload(self):
        """Load the page again.

        Errors during the reload are dropped, since Gradio's client reports the requests that it cuts off; earlier and
        later errors are kept.
        """
        kept = list(self.complaints)
        self.page.once("framenavigated", lambda _: self.complaints.__setitem__(slice(None), kept))
        self.page.reload()
        return self


class Visitor(Reader):
    """A visitor of the page."""

    def __init__(self, browser, address, first=""):
        super().__init__(browser, address, ".cxr .list .row", first)

    def drop(self, path):
        self.page.evaluate(DROP, [path.name, base64.b64encode(path.read_bytes()).decode()])
        return self

    def explain_anyway(self):
        """Request the maps of a film that does not look like a chest film."""
        self.page.click("#cxr-explain-anyway")
        return self

    def wait(self, *keys, state="done"):
        for key in keys:
            self.page.wait_for_selector(f".card[data-method={key}][data-state={state}]", state="attached")
        return self

    def measured(self):
        """Wait until the measures of trust, which start by themselves, are complete."""
        self.page.wait_for_selector(".believe[data-state=done]", state="attached")
        return self

    def pixels(self, key):
        width, height, data = self.page.evaluate(PIXELS, key)
        return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3].astype(int)

    def opacity(self, value):
        self.page.eval_on_selector(
            "#cxr-opacity",
            "(n, v) => { n.value = v; n.dispatchEvent(new Event('input', {bubbles: true})); }",
            str(value),
        )

    def open(self, name):
        """Open a popover by its button `#cxr-<name>`: methods, view, saving, add, facts, menu or more-<method>."""
        if not self.page.query_selector(f"#cxr-{name}-pane:popover-open"):
            self.close().page.click(f"#cxr-{name}")
        return self

    def close(self):
        """Close the popover that is open, if there is one."""
        self.page.evaluate("document.querySelector('.popover:popover-open')?.hidePopover()")
        return self

    def example(self, kind, key):
        """Open an example that comes with the page: a phantom, example or lesson."""
        self.open("add").page.click(f"#cxr-add-pane [data-{kind}='{key}']")
        return self

    def show(self, tab):
        """Open a tab of the drawer: reliable, agree, box, randomise, grid or films."""
        if self.page.get_attribute(f"#cxr-tab-{tab}", "aria-selected") != "true":
            self.page.click(f"#cxr-tab-{tab}")
        return self

    def pick(self, label):
        self.page.click(f".list .row[data-finding='{NIH_FINDINGS.index(label)}']")

    def texts(self, selector):
        return [node.inner_text() for node in self.page.query_selector_all(selector)]

    def turn_on(self, key):
        self.open("methods").page.check(f".controls [data-method={key}]")
        return self.close().wait(key)
