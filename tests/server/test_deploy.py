"""A deployed page: by itself, and behind a proxy."""

import os
import sys
from contextlib import closing

import gradio_client
import pytest
import yaml

from benchmarks.process import address_of, running
from benchmarks.visitor import Visitor
from cxr_demo import deploy
from cxr_demo.films import phantom
from cxr_demo.models import hub as client
from tests.support import hub_server, proxy
from tests.support.serving import patient, save_model

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
hub = hub_server.hub


@pytest.fixture
def published(hub, tmp_path):
    """A model on the Hub by its commit."""
    return client.push(save_model(tmp_path / "tiny"), "someone/tiny", private=False)


def front_matter(readme: bytes | str) -> dict:
    text = readme.decode() if isinstance(readme, bytes) else readme
    return yaml.safe_load(text.split("---\n")[1])


def test_the_prepared_folder_serves_by_itself(hub, published, tmp_path):
    """Away from the repository, with what is fetched before a Space starts and no Hub after that."""
    folder = tmp_path / "space"
    folder.mkdir()
    variables = deploy.prepare(folder, "someone/films", "someone/tiny")
    repo, files, commit = front_matter((folder / "README.md").read_text())["preload_from_hub"][0].split()
    client.pull(repo, files.split(",")[:2], revision=commit, optional=files.split(",")[2:])
    settings = {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": ""}
    environment = {**os.environ, **variables, **settings}
    with running([sys.executable, "-u", "app.py"], environment, tmp_path / "log", folder) as page:
        address = address_of(page)
        assert patient.get(address).status_code == 200
        film = tmp_path / "film.png"
        film.write_bytes(phantom.png("normal", 256))
        asked = gradio_client.Client(address, verbose=False, analytics_enabled=False)
        told = asked.predict(gradio_client.handle_file(film), api_name="/predict")
        assert told["model"] == f"someone/tiny@{published}"
        assert len(told["probabilities"]) == 14


@pytest.fixture
def proxied(tmp_path):
    with proxy.proxied(tmp_path) as address:
        yield address


def test_behind_a_proxy_with_a_path_all_works(proxied, tmp_path):
    film = tmp_path / "film.png"
    film.write_bytes(phantom.png("effusion", 256))
    asked = gradio_client.Client(f"{proxied}/", verbose=False, analytics_enabled=False)
    assert len(asked.predict(gradio_client.handle_file(film), api_name="/predict")["probabilities"]) == 14
    with closing(Visitor(proxied)) as one:
        told = {"model": str(tmp_path / "fourteen"), "source": one.upload("film.png", film.read_bytes()), "run": 1}
        assert one.answer("run_occlusion", told)["complete"]
