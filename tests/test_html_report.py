"""A film with its maps as one HTML file, opened in a real browser."""

import dataclasses
import json
import re

import pytest

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import phantom
from cxr_demo.models import registry
from cxr_demo.output import html_report
from cxr_demo.output.result import complete
from tests.serving import save_model

#: The finding that it opens with.
FIRST = 5

HOSTILE = "</script><img src=x onerror=alert(1)>.png"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The file, and what is in it: prediction and explanations by method."""
    folder = tmp_path_factory.mktemp("portable")
    film = dataclasses.replace(phantom.PHANTOMS["effusion"].film(), name=HOSTILE)
    case = Case(registry.load(str(save_model(folder / "model"))), film)
    chosen = methods.choose(["gradcam", "occlusion"], {"occlusion.window": 24})
    explanations = [list(case.explain(method))[-1] for method in chosen]
    result = complete(case, explanations, finding=FIRST)
    path = folder / "report.html"
    path.write_text(html_report.page(result), encoding="utf-8")
    return path, result.prediction, explanations


def test_it_names_nobody_else(made):
    path, _, _ = made
    text = path.read_text()
    assert not re.search(r"(src|href)=[\"']", text)
    addresses = set(re.findall(r"https?://([\w.]+)", text))
    assert addresses <= {"www.w3.org", "arxiv.org"}, "a name space, and papers as text"


def test_what_it_records_is_what_was_done(made):
    path, prediction, explanations = made
    data = json.loads(re.search(r'id="recorded">(.*?)</script>', path.read_text(), re.DOTALL).group(1))
    assert data["answers"]["film"]["probabilities"] == pytest.approx(prediction.probabilities.tolist())
    assert data["name"] == HOSTILE
    (occlusion,) = (m for m in data["about"]["methods"] if m["key"] == "occlusion")
    assert {s["name"]: s["default"] for s in occlusion["settings"]} == dict(explanations[1].settings)
    assert set(data["answers"]) == {"film", "run_gradcam", "run_occlusion", "trust"}


@pytest.mark.browser
def test_it_works_without_a_server(made, browser, tmp_path):
    path, prediction, _ = made
    page, asked, complaints = browser.new_page(viewport={"width": 1440, "height": 1000}), [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
    page.goto(path.as_uri())
    for key in ("gradcam", "occlusion"):
        page.wait_for_selector(f".card[data-method={key}][data-state=done]", timeout=20_000)
        assert page.inner_text(f".card[data-method={key}] .trust")
    assert page.inner_text(".filmname b") == HOSTILE
    assert page.get_attribute(".list .row[aria-selected=true]", "data-finding") == str(FIRST)
    assert prediction.labels[FIRST] in page.inner_text(".curves h4")
    assert page.input_value("#cxr-occlusion-window") == "24"
    page.wait_for_selector(".believe[data-state=done] .charts svg")
    drawn = "() => document.querySelector('.card[data-method=occlusion] canvas').toDataURL()"
    before = page.evaluate(drawn)
    last = prediction.ranked()[-1]
    page.click(f".list .row[data-finding='{last}']")
    assert page.evaluate(drawn) != before
    for hidden in ("Choose films", "Run again", "Stop", "Scramble the model"):
        there = [node.is_visible() for node in page.query_selector_all(f"button:text-is('{hidden}')")]
        assert there, f"{hidden} is what no button says"
        assert not any(there), hidden
    assert len(page.query_selector_all("#cxr-model option")) == 1
    assert page.query_selector("#cxr-named") is None, "there is nobody to ask for a model"
    page.screenshot(path=tmp_path / "portable.png", full_page=True)
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert complaints == []
    assert page.pdf(landscape=True)[:5] == b"%PDF-"
    page.close()
