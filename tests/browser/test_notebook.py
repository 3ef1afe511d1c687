"""A cell of a notebook, looked at in a real browser."""

import dataclasses

import pytest

from tests.support import notebook
from tests.support.browsing import new_page
from tests.support.notebook import hostile

#: What JupyterLab says of the text and the tables in an output; other notebooks say less.
NOTEBOOK = """
body {{ margin: 0; background: {ground}; }}
.jp-RenderedHTMLCommon {{ color: {ink}; font: 14px sans-serif; }}
.jp-RenderedHTMLCommon table {{ color: {ink}; font-size: 12px; border: none; margin: 0 auto 1em; }}
.jp-RenderedHTMLCommon td, .jp-RenderedHTMLCommon th, .jp-RenderedHTMLCommon tr {{
  vertical-align: middle; padding: .5em; line-height: normal; max-width: none; border: none; }}
:not(.x).jp-RenderedHTMLCommon td, :not(.x).jp-RenderedHTMLCommon th, :not(.x).jp-RenderedHTMLCommon tr {{
  text-align: right; }}
.jp-RenderedHTMLCommon th {{ font-weight: bold; }}
.jp-RenderedHTMLCommon tbody tr:nth-child(odd) {{ background: {stripe}; }}
.jp-RenderedHTMLCommon img {{ max-width: 100%; height: auto; }}
"""
THEMES = {
    "light": {"ground": "#fff", "ink": "rgb(0 0 0 / .87)", "stripe": "#f5f5f5"},
    "dark": {"ground": "#111", "ink": "#fff", "stripe": "#333"},
}
#: Of every element with text of its own, the contrast with what lies below it.
CONTRASTS = """() => {
  const parts = css => { const [r, g, b, a = 1] = css.match(/[\\d.]+/g).map(Number); return {rgb: [r, g, b], a}; };
  const light = rgb => rgb.map(v => v / 255).map(v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, k) => sum + v * [.2126, .7152, .0722][k], 0);
  const over = (top, below) => top.rgb.map((v, k) => v * top.a + below[k] * (1 - top.a));
  const ground = node => node ? over(parts(getComputedStyle(node).backgroundColor), ground(node.parentElement))
    : [255, 255, 255];
  return [...document.querySelectorAll('.cxr-explained *:not(style)')]
    .filter(n => [...n.childNodes].some(c => c.nodeType === 3 && c.data.trim())).map(node => {
      const below = ground(node);
      const [a, b] = [light(over(parts(getComputedStyle(node).color), below)), light(below)].sort();
      return [node.textContent, (b + .05) / (a + .05)];
    });
}"""


@pytest.fixture(scope="module")
def explained():
    return notebook.explained()


@pytest.mark.parametrize("theme", THEMES)
def test_it_is_readable_in_light_and_dark(explained, browser, tmp_path, theme):
    stopped = dataclasses.replace(explained.explanations[2], complete=False, stopped="Stopped on request.")
    shown = dataclasses.replace(
        explained, explanations=(*explained.explanations[:2], stopped), labels=["Left", "Right"]
    )
    path = tmp_path / "cell.html"
    around = f"<!doctype html><meta charset=utf-8><style>{NOTEBOOK.format(**THEMES[theme])}</style>"
    cells = "".join(e._repr_html_() for e in (shown, hostile(explained)))
    path.write_text(f"{around}<div class='jp-RenderedHTMLCommon'>{cells}</div>", encoding="utf-8")
    page, asked, complaints = new_page(browser, viewport={"width": 1100, "height": 900}, color_scheme=theme), [], []
    page.on("request", lambda r: r.url.startswith("data:") or asked.append(r.url))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("dialog", lambda d: (complaints.append(d.message), d.dismiss()))
    page.goto(path.as_uri())
    assert asked == [path.as_uri()]
    assert complaints == []
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 30
    assert min(contrast for _, contrast in contrasts) >= 7
    first = page.query_selector(".cxr-explained tbody tr")
    boxes = [node.bounding_box() for node in first.query_selector_all("img")]
    assert len(boxes) == 4
    assert len({round(box["y"]) for box in boxes}) == 1, "side by side"
    assert all(200 < box["width"] <= 256 for box in boxes)
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    page.set_viewport_size({"width": 400, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400, "what is too wide scrolls by itself"
    assert 120 < first.query_selector("img").bounding_box()["width"] < 150
    page.close()
