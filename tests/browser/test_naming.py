"""A visitor names a model of the Hub in a real browser."""

import numpy as np
import pytest

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import image
from cxr_demo.types import NIH_FINDINGS
from tests.support.naming import REPO, said


@pytest.fixture(scope="module")
def address(open_page):
    return open_page.address


@pytest.fixture(scope="module")
def published(open_page):
    return open_page.published


@pytest.fixture(scope="module")
def film_file(open_page):
    return open_page.film_file


# ------------------------------------------------------------------ a browser


@pytest.fixture(scope="module")
def visit(browser, address, published, film_file):
    from tests.support.browsing import Visitor

    one = Visitor(browser, address)
    one.drop(film_file)
    one.wait("gradcam")
    yield one
    assert one.complaints == []
    assert {url for url in one.requests if not url.startswith(one.address)} == set()
    one.page.close()


@pytest.fixture
def visitor(visit):
    """The visit, with the page's own model and no name asked for."""
    visit.page.keyboard.press("Escape")
    visit.page.select_option("#cxr-model", index=0)
    visit.page.wait_for_function("!document.querySelector('.facts code').textContent.includes('visitor/')")
    return visit.wait("gradcam")


@pytest.fixture
def named(visitor, published):
    """The visit, with the Hub's model chosen."""
    full, _ = published
    name(visitor.page, full)
    visitor.page.wait_for_function("full => document.querySelector('.facts code').textContent === full", arg=full)
    return visitor.wait("gradcam")


def name(page, words):
    """Ask for a model by its name."""
    if not page.is_visible("#cxr-named"):
        page.select_option("#cxr-model", label="Another model from the Hub…")
    page.fill("#cxr-named", words)
    page.keyboard.press("Enter")


class TestForm:
    def test_it_opens_with_the_last_choice_and_escape_closes_it(self, visitor):
        page = visitor.page
        before = page.input_value("#cxr-model")
        assert not page.is_visible("#cxr-named")
        page.select_option("#cxr-model", label="Another model from the Hub…")
        assert page.evaluate("document.activeElement.id") == "cxr-named"
        assert page.input_value("#cxr-model") == before
        assert page.get_attribute("#cxr-named", "placeholder") == "owner/name@revision"
        page.keyboard.press("Escape")
        assert not page.is_visible("#cxr-named")
        assert page.evaluate("document.activeElement.id") == "cxr-model"

    def test_a_wrong_name_is_said_beside_it_and_the_model_stays(self, visitor):
        page = visitor.page
        before = page.input_value("#cxr-model"), visitor.texts(".list .row"), page.inner_text(".facts code")
        name(page, "visitor/secret")
        page.wait_for_selector("#cxr-named-status >> text=has no public repository 'visitor/secret'")
        assert page.get_attribute("#cxr-named", "aria-invalid") == "true"
        assert page.get_attribute("#cxr-named", "aria-describedby") == "cxr-named-status"
        assert page.get_attribute("#cxr-named-status", "role") == "status"
        assert (page.input_value("#cxr-model"), visitor.texts(".list .row"), page.inner_text(".facts code")) == before
        assert page.get_attribute(".card[data-method=gradcam]", "data-state") == "done"
        name(page, "http://visitor/model")
        page.wait_for_selector("#cxr-named-status >> text=is not offered here")

    def test_what_gradio_refuses_is_said_beside_it(self, visitor):
        page = visitor.page
        page.route("**/queue/join*", lambda route: None)
        name(page, REPO)
        page.wait_for_selector("#cxr-named-status >> text=Fetching")
        page.evaluate("document.dispatchEvent(new CustomEvent('cxr-answer', {detail: {failed: 'named'}}))")
        page.wait_for_selector("#cxr-named-status >> text=is busy and did not take")
        page.unroute("**/queue/join*")

    def test_axe_finds_no_serious_problem(self, visitor):
        from axe_playwright_python.sync_playwright import Axe

        problems = Axe().run(visitor.page, ".cxr .top").response["violations"]
        assert [problem["id"] for problem in problems if problem["impact"] in ("serious", "critical")] == []

    def test_a_name_becomes_a_choice_that_answers(self, visitor, published, film_file):
        full, model = published
        page = visitor.page
        name(page, REPO)
        page.wait_for_function("full => document.querySelector('.facts code').textContent === full", arg=full)
        visitor.wait("gradcam")
        assert not page.is_visible("#cxr-named")
        assert page.input_value("#cxr-model") == full
        titles = visitor.texts("#cxr-model option")
        assert titles[-2:] == [full[: len(REPO) + 8], "Another model from the Hub…"]
        shown = [float(row.split("%")[0].split()[-1]) for row in visitor.texts(".list .row")]
        np.testing.assert_allclose(shown, np.sort(100 * said(model, film_file))[::-1], atol=0.51)
        visitor.open("menu").page.click("text=/^About this model$/")
        page.wait_for_selector("h1 >> text=A stranger")
        page.wait_for_selector("pre >> text=flowchart TD")
        page.keyboard.press("Escape")
        page.wait_for_selector("h1 >> text=A stranger", state="hidden")
        assert page.query_selector("[src*=nobody], [href*='nobody.example/b']") is None
        name(page, f"{REPO}@main")
        page.wait_for_selector("#cxr-named", state="hidden")
        assert visitor.texts("#cxr-model option") == titles, "it is there once"

    def test_it_is_compared_in_the_grid(self, named, published, film_file):
        full, model = published
        visitor, page = named, named.page
        visitor.show("grid")
        page.select_option("#cxr-grid-kind", "models")
        choices = page.query_selector_all("[aria-label='Models to compare'] input")
        boxes = [box.get_attribute("value") for box in choices]
        assert boxes[-1] == full
        visitor.pick("Effusion")
        page.check(f".grid input[value='{boxes[0]}']")
        page.check(f".grid input[value='{full}']")
        page.click("#cxr-grid-run")
        page.wait_for_selector(".grid tbody small >> nth=8")
        page.wait_for_function(
            "() => ![...document.querySelectorAll('.grid tbody small')].some(n => /running|waits/.test(n.textContent))"
        )
        assert visitor.texts(".grid thead th")[1:] == [full[: len(REPO) + 8], "difference"]
        i = NIH_FINDINGS.index("Effusion")
        last = Case(model, image.read(film_file)).last_explanation(methods.method("gradcam", {}))
        told = float(visitor.texts(".grid tbody tr:first-child small")[1].split()[2].strip(",\u00b1"))
        assert abs(told) == pytest.approx(float(np.abs(last.values[i]).max()), rel=0.05)

    def test_a_reload_asks_for_it_again(self, named, published):
        full, _ = published
        visitor, page = named, named.page
        visitor.reload()
        page.wait_for_function("full => document.querySelector('.facts code')?.textContent === full", arg=full)
        visitor.wait("gradcam")
        assert page.input_value("#cxr-model") == full
