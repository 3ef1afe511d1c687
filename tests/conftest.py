"""Fixtures that all tests share, and a fair share of the machine for each worker."""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# before anything imports gradio or huggingface_hub: they read these on import
os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_DISABLE_PROGRESS_BARS="1")
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    # before anything imports torch: each worker, and each process that it starts, has its share of the processors
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ["OMP_NUM_THREADS"] = str(max(1, share))
if "PYTEST_XDIST_WORKER" not in os.environ:
    # what tests fetch and convert stays among themselves, once for all workers
    os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="cxr_demo-")
    atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

#: The rooms, those of the longest files first.
ROOMS = ("train", "browser", "integration", "server", "unit")


@pytest.hookimpl(optionalhook=True)  # a run may leave xdist out
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors, since each waits for servers, browsers and commands a part of the time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items) -> None:
    """Give long files out first, so that no worker begins one when the others are about to end."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: ROOMS.index(item.path.parent.name))


@pytest.fixture(scope="session")
def films() -> Path:
    """The folder of real films; skips by name without it."""
    folder = os.environ.get("CXR_FILMS")
    if not folder:
        pytest.skip("real films: set CXR_FILMS to a folder laid out as CONTRIBUTING.md says")
    return Path(folder)


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """Of the page that is served for all tests: its models, its uploads in `cache`, and `server.log`."""
    return tmp_path_factory.mktemp("page")


@pytest.fixture(scope="session")
def address(folder) -> Iterator[str]:
    """Where one page is served for all tests, see serving.py: each test is a visitor of its own."""
    from tests.support.serving import served

    with served(folder) as url:
        yield url


@pytest.fixture(scope="session")
def client(address):
    """A program's client of that page."""
    from tests.support.serving import client_of

    return client_of(address)


@pytest.fixture(scope="session")
def open_page(tmp_path_factory):
    """A page that takes models of the Hub, see naming.py."""
    from tests.support.naming import opened

    with opened(tmp_path_factory.mktemp("open")) as page:
        yield page


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """A server that nobody should be talked into asking, and what it was asked."""
    from tests.support.serving import listening

    with listening() as (url, asked):
        yield f"{url}/film.png", asked


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """A real browser, see browsing.py: each page that is opened is a visitor of its own."""
    from tests.support import browsing

    yield from browsing.opened()


@pytest.fixture
def no_engines_kept(tmp_path, monkeypatch) -> Path:
    """The folder where converted models are kept, not there yet."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path))
    return tmp_path / "cxr_demo" / "engines"
