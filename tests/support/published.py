"""Fixtures: the smallest model as a folder, and published on a Hub."""

import pytest

from cxr_demo.models import hub as client
from cxr_demo.models import model_folder
from tests.support.tiny_model import SPEC, network

REPO = "someone/tiny"
FILES = ("config.json", "model.safetensors")


@pytest.fixture
def folder(tmp_path):
    model_folder.save(tmp_path / "own" / "tiny", SPEC, network(), "# Card\n")
    (tmp_path / "own" / "tiny" / "curves.csv").write_text("for people")
    return tmp_path / "own" / "tiny"


@pytest.fixture
def published(hub, folder):
    return client.push(folder, REPO)


@pytest.fixture
def public(hub, published):
    """The commit of the published model after it was made public; the Hub's log and tokens are empty."""
    hub.repos["models", REPO].private = False
    hub.log.clear()
    hub.tokens.clear()
    return published
