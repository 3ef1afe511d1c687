"""What all tests share: the real films, if there are any, and no way out to the network."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# before anything imports gradio or huggingface_hub: they read these on import
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
# what tests fetch and convert stays among themselves
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="cxr_demo-")
atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def films() -> Path:
    """The folder of real films; skips by name without it."""
    folder = os.environ.get("CXR_FILMS")
    if not folder:
        pytest.skip("real films: set CXR_FILMS to a folder laid out as CONTRIBUTING.md says")
    return Path(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Of a page that is served for one module: its models, its uploads in `cache`, and `server.log`."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="module")
def address(folder) -> Iterator[str]:
    """Where a page is served for one module, see serving.py."""
    from tests.support.serving import served

    with served(folder) as url:
        yield url


@pytest.fixture(scope="module")
def client(address):
    """A program's client of that page."""
    import gradio_client

    return gradio_client.Client(address, verbose=False, analytics_enabled=False)


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that nobody should be talked into asking, and what it was asked."""
    from tests.support.serving import listening

    with listening() as (url, asked):
        yield f"{url}/film.png", asked


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A real browser, see browsing.py."""
    from tests.support import browsing

    yield from browsing.opened()


@pytest.fixture
def no_engines_kept(tmp_path, monkeypatch) -> Path:
    """The folder where converted models are kept, not there yet."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    return tmp_path / "cxr_demo" / "engines"
