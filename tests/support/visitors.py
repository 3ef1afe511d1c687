"""Fixtures for models that visitors name: a public model on a Hub, and an empty list of loaded ones."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from cxr_demo.models import model_folder, visitor_models
from tests.support.tiny_model import SPEC, network

REPO = "someone/tiny"


@pytest.fixture(autouse=True)
def nobody_has_come_yet(monkeypatch):
    monkeypatch.setattr(visitor_models, "_shelf", visitor_models.Shelf())
    for name in ("CXR_MODEL", "CXR_MODELS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def publish(hub, tmp_path):
    """A function that publishes a model on the Hub and returns its commit."""

    def make(repo=REPO, spec=SPEC, card="# Card\n", seed=0, **files):
        folder = tmp_path / "published"
        model_folder.save(folder, spec, network(SPEC, seed), card)
        contents = {path.name: path.read_bytes() for path in folder.iterdir()}
        return hub.repo(repo).commit(contents | {name.replace("_", "."): data for name, data in files.items()})

    return make


def kept():
    """Names (owner/name) of the visitor models on disk."""
    folder = Path(constants.HF_HOME) / "cxr_demo" / "guests"
    return {path.name.rpartition("--")[0].replace("--", "/") for path in folder.glob("*")}


def all_of(publish, *names):
    """Publish and load models of these names in order; only the returned list keeps them in use."""
    for name in names:
        publish(f"someone/{name}")
    return [visitor_models.load(f"someone/{name}") for name in names]
