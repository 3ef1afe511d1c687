"""Folders of visitors' files, when processes end."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.process import address_of, running
from cxr_demo.web import uploads

#: A process that takes its folder, says which, and waits.
TAKES = "from cxr_demo.web import uploads; print(uploads.claim(), flush=True); input()"


@contextlib.contextmanager
def taken(root):
    """The folder of a process that lives as long as this; then it is killed."""
    environment = {**os.environ, "GRADIO_TEMP_DIR": str(root)}
    with subprocess.Popen(
        [sys.executable, "-c", TAKES], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Path(process.stdout.readline().strip()), process
        finally:
            process.kill()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "uploads"


def test_what_a_killed_process_left_is_cleared_away_and_nothing_of_a_living_one(root):
    with taken(root) as (left, _):
        (left / "film.png").write_text("somebody's film")
        with taken(root):
            assert (left / "film.png").exists()
    with taken(root) as (kept, _):
        assert not left.exists()
        with taken(root):
            assert (kept / uploads.LOCK).exists()


def test_a_process_that_ends_takes_its_folder_with_it(root):
    with taken(root) as (folder, process):
        assert folder.is_dir()
        process.communicate("\n")
        assert process.returncode == 0
        assert not folder.exists()


def test_the_page_ended_by_a_signal_leaves_no_film_behind(root, tmp_path):
    from tests.support.serving import save_model

    settings = {"CXR_MODEL": str(save_model(tmp_path / "model")), "GRADIO_TEMP_DIR": str(root)}
    environment = {**os.environ, **settings}
    with running([sys.executable, "-u", "app.py"], environment, tmp_path / "log") as page:
        address_of(page)
        (folder,) = root.glob(f"{uploads.PREFIX}*")
        (folder / "film.png").write_text("somebody's film")
        page.send_signal(signal.SIGTERM)
        assert page.wait(20) == 0
    assert not folder.exists()
