"""A visitor names a model of the Hub: by programs, over the page's events, and in a real browser."""

import io
import json
import zipfile
from contextlib import closing
from pathlib import Path

import cv2
import gradio_client
import numpy as np
import pytest
from gradio_client.exceptions import AppError

from benchmarks.visitor import Visitor as Stranger
from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import model_folder
from cxr_demo.types import NIH_FINDINGS
from cxr_demo.web import layout
from tests.hub_server import HubServer
from tests.serving import OUTSIDE, save_model, served

REPO = "visitor/model"


@pytest.fixture(scope="module")
def hub():
    server = HubServer()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def published(hub, tmp_path_factory):
    """The full name of a model that is for everybody, and what it is."""
    folder = save_model(tmp_path_factory.mktemp("published") / "model", seed=9)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    card = b"# A stranger\n\n![a picture](http://nobody.example/a.png)\n\n"
    card += b'```mermaid\nflowchart TD\n A@{ img: "http://nobody.example/b.png", label: "x", h: 60 }\n```\n'
    commit = hub.repo(REPO).commit({**files, "README.md": card})
    hub.repo("visitor/secret").commit(files)
    hub.repo("visitor/secret").private = True
    hub.repo("visitor/other").commit({"config.json": b'{"model_type": "vit"}', "model.safetensors": b""})
    return f"{REPO}@{commit}", model_folder.load(folder, REPO, revision=commit)


@pytest.fixture(scope="module")
def address(folder, hub):
    """A page that takes guests, and whose owner may read what is private."""
    models = f"{folder / 'fourteen'},{folder / 'one'},hub"
    own = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test", "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_XET": "1"}
    with served(folder, CXR_MODELS=models, **own) as url:
        yield url


@pytest.fixture(scope="module")
def film_file(folder):
    path = folder / "film.png"
    cv2.imwrite(str(path), phantom.draw("effusion"))
    return path


def said(model, film_file):
    return Case(model, image.read(film_file)).predict().probabilities


# ------------------------------------------------------------------ programs


def test_programs_name_it_as_any_other(client, published, film_file):
    full, model = published
    told = client.predict(gradio_client.handle_file(film_file), REPO, api_name="/predict")
    assert told["model"] == full
    np.testing.assert_allclose(told["probabilities"], said(model, film_file), rtol=1e-4)
    told, _ = client.predict(gradio_client.handle_file(film_file), ["gradcam"], None, full, api_name="/explain")
    assert told["model"] == full
    assert told["methods"]["gradcam"]["complete"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("visitor/secret", "has no public repository 'visitor/secret'; check the name"),
        ("visitor/other", r"visitor/other@\w{40} cannot be used here: config.json: .* no `format`"),
        (f"{REPO}@v9", "has no revision 'v9'"),
        ("visitor", "is not offered here; choose one of .*, or a public model folder of the Hugging Face Hub"),
        ("http://visitor/model", "is not offered here"),
    ],
)
@pytest.mark.usefixtures("published")
def test_programs_are_told_what_cannot_be_had(client, film_file, name, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(gradio_client.handle_file(film_file), name, api_name="/predict")


def test_assistants_name_it_as_any_other(address, published):
    pytest.importorskip("mcp", reason="gradio[mcp] is not installed")
    from tests.test_mcp import FILM, as_data, call, refused

    done, (told,) = call(address, "predict", file=as_data(FILM), model=REPO)
    assert done, told
    assert json.loads(told)["model"] == published[0]
    assert "has no public repository" in refused(address, file=as_data(FILM), model="visitor/secret")


def test_the_pages_events_and_its_export_name_the_commit(address, published, film_file):
    full, _ = published
    with closing(Stranger(address)) as one:
        answer = one.answer("named", {"run": 1, "model": f"{REPO}@main"})
        assert answer == {"event": "named", "run": 1, "choice": {"name": full, "title": full[: len(REPO) + 8]}}
        assert "no public repository" in one.answer("named", {"run": 2, "model": "visitor/secret"})["error"]
        told = {"model": full, "source": one.upload("film.png", film_file.read_bytes()), "methods": ["gradcam"]}
        assert one.answer("film", told)["spec"]["revision"] == full
        assert one.answer("run_gradcam", {**told, "run": 3})["complete"]
        archive = Path(one.answer("export", {**told, "run": 4})["path"])
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as packed:
        (name,) = (entry for entry in packed.namelist() if entry.endswith("result.json"))
        assert json.loads(packed.read(name))["model"] == full


@pytest.mark.usefixtures("published")
def test_no_token_was_shown_and_nobody_else_was_asked(hub, address, client, folder, film_file):
    hub.tokens.clear()
    hub.repo("visitor/later").commit(hub.repo(REPO).commits[hub.repo(REPO).refs["main"]])
    client.predict(gradio_client.handle_file(film_file), "visitor/later", api_name="/predict")
    assert hub.tokens == {None}
    log = (folder / "server.log").read_text()
    assert OUTSIDE not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(("listed", "welcome"), [("bundled:nih14,hub", True), ("bundled:nih14", False)])
def test_the_viewer_is_told_whether_a_model_may_be_named(published, monkeypatch, listed, welcome):
    monkeypatch.setenv("CXR_MODELS", listed)
    told = layout._about(published[1])
    assert told["guests"] == welcome
    assert [choice["name"] for choice in told["models"]] == ["bundled:nih14"]


# ------------------------------------------------------------------ a browser


@pytest.fixture(scope="module")
def visitor(browser, address, published, film_file):
    from tests.browsing import Visitor

    one = Visitor(browser, address)
    one.drop(film_file)
    one.wait("gradcam")
    yield one
    assert one.complaints == []
    assert {url for url in one.requests if not url.startswith(one.address)} == set()
    one.page.close()


def name(page, words):
    """Ask for a model by its name."""
    if not page.is_visible("#cxr-named"):
        page.select_option("#cxr-model", label="Another from the Hub…")
    page.fill("#cxr-named", words)
    page.keyboard.press("Enter")


@pytest.mark.browser
class TestForm:
    def test_it_opens_with_the_last_choice_and_escape_closes_it(self, visitor):
        page = visitor.page
        before = page.input_value("#cxr-model")
        assert not page.is_visible("#cxr-named")
        page.select_option("#cxr-model", label="Another from the Hub…")
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
        page.wait_for_selector("#cxr-named-status >> text=too many may be waiting")
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
        assert titles[-2:] == [full[: len(REPO) + 8], "Another from the Hub…"]
        shown = [float(row.split("%")[0].split()[-1]) for row in visitor.texts(".list .row")]
        np.testing.assert_allclose(shown, np.sort(100 * said(model, film_file))[::-1], atol=0.51)
        page.click("text=/^About this model$/")
        page.wait_for_selector("h1 >> text=A stranger")
        page.wait_for_selector("pre >> text=flowchart TD")
        assert page.query_selector("[src*=nobody], [href*='nobody.example/b']") is None
        name(page, f"{REPO}@main")
        page.wait_for_selector("#cxr-named", state="hidden")
        assert visitor.texts("#cxr-model option") == titles, "it is there once"

    def test_it_is_compared_in_the_grid(self, visitor, published, film_file):
        full, model = published
        page = visitor.page
        page.click(".grid summary")
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
        *_, last = Case(model, image.read(film_file)).explain(methods.method("gradcam", {}))
        told = float(visitor.texts(".grid tbody tr:first-child small")[1].split()[2].strip(",\u00b1"))
        assert abs(told) == pytest.approx(float(np.abs(last.values[i]).max()), rel=0.05)

    def test_a_reload_asks_for_it_again(self, visitor, published):
        full, _ = published
        page = visitor.page
        page.select_option("#cxr-model", value=full)
        visitor.wait("gradcam")
        visitor.reload()
        page.wait_for_function("full => document.querySelector('.facts code')?.textContent === full", arg=full)
        visitor.wait("gradcam")
        assert page.input_value("#cxr-model") == full
