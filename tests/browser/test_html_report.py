"""A film with its maps as one HTML file, opened in a real browser."""

import pytest

from tests.support import html_report
from tests.support.browsing import new_page
from tests.support.html_report import FIRST, HOSTILE


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return html_report.made(tmp_path_factory.mktemp("portable"))


def test_it_works_without_a_server(made, browser, tmp_path):
    path, prediction, _ = made
    page, asked, complaints = new_page(browser, viewport={"width": 1440, "height": 1000}), [], []
    page.on("request", lambda r: asked.append(r.url))
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
    page.goto(path.as_uri())
    for key in ("gradcam", "occlusion"):
        page.wait_for_selector(f".card[data-method={key}][data-state=done]")
        assert page.inner_text(f".card[data-method={key}] .trust")
    assert page.inner_text(".filmname b") == HOSTILE
    assert page.get_attribute(".list .row[aria-selected=true]", "data-finding") == str(FIRST)
    assert prediction.labels[FIRST] in page.inner_text(".curves h4")
    assert page.input_value("#cxr-occlusion-window") == "24"
    if page.get_attribute("#cxr-tab-reliable", "aria-selected") != "true":
        page.click("#cxr-tab-reliable")
    page.wait_for_selector(".believe[data-state=done] .charts svg")
    drawn = "() => document.querySelector('.card[data-method=occlusion] canvas').toDataURL()"
    before = page.evaluate(drawn)
    last = prediction.ranked()[-1]
    page.click(f".list .row[data-finding='{last}']")
    assert page.evaluate(drawn) != before
    page.click("#cxr-more-occlusion")
    for hidden in ("Run again", "Stop", "Randomise the weights"):
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
