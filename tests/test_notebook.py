"""What a cell of a notebook shows: read as HTML, its pictures decoded, and looked at in a real browser."""

import ast
import base64
import dataclasses
import json
import re
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import BadSetting, UnknownLabel
from cxr_demo.films import image, phantom
from cxr_demo.output import notebook, render
from cxr_demo.types import Unit
from tests import planted

ROOT = Path(__file__).parent.parent
HOSTILE = """</td><img src=https://example.org/x onerror=alert(1)>"'&$x$.png"""
QUICK = (methods.GradCAM(), methods.LIME(samples=100), methods.Occlusion(stride=16), methods.LayerCAM())

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


class Seen(HTMLParser):
    """Elements, words and pictures of some HTML."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.words = [], []
        self.feed(html)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.words))
        self.images = [attributes for tag, attributes in self.elements if tag == "img"]
        self.maps = [pixels_of(i["src"]) for i in self.images if i["class"] == "map"]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements[-1][0] != "style":
            self.words.append(data)


def pixels_of(source):
    kind, data = source.split(",")
    assert kind == "data:image/png;base64"
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
    return picture if picture.ndim == 2 else picture[..., ::-1]


def run_cell(source, names):
    """What IPython does with a cell: run it, and display the value of its last line by its own HTML."""
    *statements, last = ast.parse(source).body
    assert isinstance(last, ast.Expr), "the last line has a value"
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    try:
        from IPython.core.formatters import DisplayFormatter
    except ImportError:
        return value._repr_html_()
    return DisplayFormatter().format(value)[0]["text/html"]


@pytest.fixture(scope="module")
def explained():
    """A film that is wide and larger than it is shown, by methods of both units."""
    tall = np.kron(np.pad(planted.pixels(), ((0, 0), (30, 30)), mode="edge"), np.ones((3, 3)))
    film = dataclasses.replace(planted.film(tall, name="wide.png"), warnings=("It was scanned upside down.",))
    return notebook.explain(planted.classifier(), film, *QUICK)


def test_the_readmes_cell_shows_what_it_says(tmp_path, monkeypatch):
    cell = next(
        code for code in re.findall(r"```python\n([^`]*)```", (ROOT / "README.md").read_text()) if ".of(" in code
    )
    (tmp_path / "film.png").write_bytes(phantom.png("effusion"))
    monkeypatch.chdir(tmp_path)
    seen = Seen(run_cell(cell, {}))
    assert len(seen.maps) == 2 * (1 + 2)
    for said in ("film.png", "bundled:nih14@", "Grad-CAM", "Occlusion", "window 48", "Effusion", "Cardiomegaly"):
        assert said in seen.text


def test_everything_that_a_reader_needs_is_said(explained):
    seen = Seen(explained.of("Left", "Against")._repr_html_())
    for said in (
        "wide.png", "564 × 384 pixels", "⚠ It was scanned upside down.", "test:planted@1", "Left", "Against",
        "Grad-CAM", "LIME", "Occlusion", "LayerCAM", "logits per 1/49 of the view", "ranking only",
        "window 32, stride 16", "samples 100", "R² ", "forward pass", "not for clinical use",
    ):  # fmt: skip
        assert said in seen.text, said
    assert "Incomplete" not in seen.text
    assert all(i["alt"] for i in seen.images)


def test_pictures_are_the_films_and_maps_own_pixels(explained):
    """Two truths: the same overlay made here, of the film at the size it is shown in."""
    labels = ("Left", "Against")
    seen = Seen(explained.of(*labels)._repr_html_())
    pixels = cv2.resize(explained.film.pixels, (256, 174), interpolation=cv2.INTER_AREA)
    small = dataclasses.replace(explained.film, pixels=pixels, crop=image.centre_square(174, 256))
    rows = [seen.maps[k : k + 5] for k in (0, 5)]
    for label, (film, *maps) in zip(labels, rows, strict=True):
        i = planted.LABELS.index(label)
        view = np.s_[:, 41 : 41 + 174]
        np.testing.assert_array_equal(film[view], np.rint(255 * pixels)[view])
        assert np.median(film[:, :41]) < 0.5 * 255 * pixels[:, :41].mean(), "what the model does not see is dim"
        for e, shown in zip(explained.explanations, maps, strict=True):
            hatched = None
            if e.sure is not None:
                hatched = image.place(render.unsteady(e.values, e.sure)[i], small, smooth=False) == 1
            limit = render.limit_of(e.values[[planted.LABELS.index(name) for name in labels]])
            placed = image.place(e.values[i], small)
            wanted = render.overlay(pixels, placed, limit=limit, unit=e.unit, unsure=hatched)
            np.testing.assert_array_equal(shown, wanted)


def test_scales_are_signed_or_ranks(explained):
    seen = Seen(explained.of("Left")._repr_html_())
    bars = [pixels_of(i["src"]) for i in seen.images if i["class"] == "bar"]
    for e, bar in zip(explained.explanations, bars, strict=True):
        np.testing.assert_array_equal(bar, render.scale_bar(e.unit, bar.shape[1]))
    limits = [np.abs(e.values[0]).max() for e in explained.explanations if e.unit is Unit.LOGIT]
    ends = re.findall(r"−([\d.]+) against 0 for \+([\d.]+)", seen.text)
    np.testing.assert_allclose(np.array(ends, float), np.transpose([limits, limits]), rtol=0.01)
    assert len(ends) == 3
    assert seen.text.count("nothing highest") == 1
    assert seen.text.count("from ") == 3, "the numbers of a ranking mean nothing"


def test_a_map_of_nothing_says_so(explained):
    text = Seen(explained.of("Left", "Nothing")._repr_html_()).text
    assert text.count("nothing to see at this scale") == 4
    assert "nan" not in text, "there is no R2 where nothing varies"


def test_unsure_places_are_hatched_and_said(explained):
    lime = explained.explanations[1]
    sure = np.ones_like(lime.values)
    steady, unsteady = (
        dataclasses.replace(explained, explanations=[dataclasses.replace(lime, sure=s)], labels=["Left"])
        for s in (sure, 0 * sure)
    )
    plain, hatched = (Seen(e._repr_html_()) for e in (steady, unsteady))
    assert "hatched" not in plain.text
    assert "hatched: the sign is unsure" in hatched.text
    darker = hatched.maps[1].astype(int).sum(2) < plain.maps[1].astype(int).sum(2)
    assert 0.005 < darker.mean() < 0.2


def test_a_map_that_is_not_complete_says_so():
    case = Case(planted.classifier(), planted.film())
    first, *_, last = case.explain(methods.Occlusion())
    assert not first.complete
    early = dataclasses.replace(first, stopped="Stopped after the 2 seconds given.")
    shown = notebook.Explained(case, case.predict(), (early, last), ["Left"])
    done, asked = first.steps
    text = Seen(shown._repr_html_()).text
    assert f"Incomplete. Stopped after the 2 seconds given. Map of {done} of {asked} copies." in text
    assert text.count("Incomplete") == 1


def test_where_there_is_no_map_no_empty_one_is_shown():
    shown = notebook.explain(planted.classifier(), planted.film(), methods.Occlusion(), seconds=0)
    seen = Seen(shown._repr_html_())
    assert "There is no map. Stopped after the 0 seconds given." in seen.text
    assert len(seen.images) == 1, "the film alone, and no scale"


def test_another_finding_costs_nothing():
    model = planted.classifier()
    shown = notebook.explain(model, planted.film(), methods.GradCAM())
    assert shown.labels == ("Right",), "the most probable one"
    before = model.images()
    assert "Against" in Seen(shown.of("against")._repr_html_()).text
    assert model.images() == before
    with pytest.raises(UnknownLabel, match="'Measles' is not predicted by this model; choose one of Left"):
        shown.of("Measles")


def test_a_wrong_setting_is_answered_before_any_work():
    model = planted.classifier()
    with pytest.raises(BadSetting, match="window=7000"):
        notebook.explain(model, planted.film(), methods.GradCAM(), methods.Occlusion(window=7000))
    assert model.images() == 0


def test_the_defaults_are_the_pages(monkeypatch):
    monkeypatch.setattr(methods, "DEFAULTS", (methods.GradCAM, methods.LayerCAM))
    shown = notebook.explain(planted.classifier(), planted.film())
    assert [e.method for e in shown.explanations] == ["gradcam", "layercam"]
    assert repr(shown) == "<planted.png: Right by Grad-CAM, LayerCAM of test:planted@1>"


def hostile(explained):
    """Everything that comes from outside is an attack."""
    labels = (HOSTILE, *planted.LABELS[1:])
    prediction = dataclasses.replace(explained.prediction, labels=labels, model=HOSTILE, warnings=(HOSTILE,))
    film = dataclasses.replace(explained.film, name=HOSTILE, warnings=(HOSTILE,), correction=HOSTILE)
    e = dataclasses.replace(
        explained.explanations[0],
        labels=labels,
        method=HOSTILE,
        stopped=HOSTILE,
        complete=False,
        settings={HOSTILE: HOSTILE},
    )
    return notebook.Explained(
        Case(explained.case.model, film), prediction, (e, dataclasses.replace(e, forwards=0)), [HOSTILE]
    )


def test_it_is_saved_as_the_command_line_saves_it(tmp_path):
    shown = notebook.explain(planted.classifier(), planted.film(), methods.GradCAM()).of("Left", "Against")
    shown.save(tmp_path / "new")
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"result.json", "maps.npz", "report.html", "gradcam-Left.png", "gradcam-Against.png"}
    fields = json.loads((tmp_path / "new" / "result.json").read_text())
    assert fields["pictures"]["labels"] == ["Left", "Against"]
    assert fields["methods"]["gradcam"]["trust"]["verdict"][0] == "supported"
    with np.load(tmp_path / "new" / "maps.npz") as maps:
        np.testing.assert_array_equal(maps["gradcam"], shown.explanations[0].values)


def test_maps_that_would_overwrite_each_other_are_not_saved(tmp_path):
    twice = (methods.GradCAM(), methods.GradCAM())
    with pytest.raises(BadSetting, match="twice"):
        notebook.explain(planted.classifier(), planted.film(), *twice).save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_words_from_outside_stay_words(explained):
    html = hostile(explained)._repr_html_()
    seen = Seen(html)
    assert {tag for tag, _ in seen.elements} <= {
        "div", "style", "table", "thead", "tbody", "tfoot", "tr", "th", "td", "b", "s", "br", "span", "strong", "img",
    }  # fmt: skip
    assert all(
        name in ("class", "style", "scope", "width", "height", "alt", "src") for _, a in seen.elements for name in a
    )
    assert all(i["src"].startswith("data:image/png;base64,") for i in seen.images)
    assert html.count(escape(HOSTILE)) >= 10
    assert "mathjax_ignore" in seen.elements[0][1]["class"]


def test_it_is_small_and_asks_nobody(explained):
    html = explained.of("Left")._repr_html_()
    assert len(html) < 700_000
    assert not re.search(r"https?:|url\(|@import|<script|\son\w+=", html)


@pytest.mark.browser
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
    page, asked, complaints = browser.new_page(viewport={"width": 1100, "height": 900}, color_scheme=theme), [], []
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
