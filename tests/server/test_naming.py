"""A visitor names a model of the Hub: by programs, over the page's events, and in a real browser."""

import io
import json
import zipfile
from contextlib import closing
from pathlib import Path

import gradio_client
import numpy as np
import pytest
from gradio_client.exceptions import AppError

from benchmarks.visitor import Visitor as Stranger
from cxr_demo.messages import record
from tests.support.naming import REPO, said
from tests.support.serving import OUTSIDE, client_of


@pytest.fixture(scope="module")
def hub(open_page):
    return open_page.hub


@pytest.fixture(scope="module")
def address(open_page):
    return open_page.address


@pytest.fixture(scope="module")
def folder(open_page):
    return open_page.folder


@pytest.fixture(scope="module")
def published(open_page):
    return open_page.published


@pytest.fixture(scope="module")
def film_file(open_page):
    return open_page.film_file


@pytest.fixture(scope="module")
def client(open_page):
    return client_of(open_page.address)


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
    from tests.support.assistants import FILM, as_data, call, refused

    done, (told,) = call(address, "predict", file=as_data(FILM), model=REPO)
    assert done, told
    assert json.loads(told)["model"] == published[0]
    assert "has no public repository" in refused(address, file=as_data(FILM), model="visitor/secret")


def test_the_pages_events_and_its_export_name_the_commit(address, published, film_file):
    full, _ = published
    with closing(Stranger(address)) as one:
        answer = one.answer("named", {"run": 1, "model": f"{REPO}@main"})
        assert answer == {"event": "named", "run": 1, "choice": {"name": full, "title": record(full[: len(REPO) + 8])}}
        refused = one.answer("named", {"run": 2, "model": "visitor/secret"})
        assert refused["error"]["id"] == "error.model.no_repository"
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


# ------------------------------------------------------------------ a browser


def name(page, words):
    """Ask for a model by its name."""
    if not page.is_visible("#cxr-named"):
        page.select_option("#cxr-model", label="Another model from the Hub…")
    page.fill("#cxr-named", words)
    page.keyboard.press("Enter")
