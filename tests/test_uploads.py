"""Visitors' files: gone in time, gone when the page ends, and gone after a process that was killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cxr_demo.ui import uploads

#: A process that takes its folder, says which, and waits.
TAKES = "from cxr_demo.ui import uploads; print(uploads.claim(), flush=True); input()"


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


def test_old_files_go_and_young_ones_stay(tmp_path):
    for name in ("a/old.png", "b/young.png", uploads.LOCK):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    for name in ("a/old.png", uploads.LOCK):
        os.utime(tmp_path / name, (time.time() - 4000,) * 2)
    uploads.sweep(tmp_path, 3000)
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {"b", "b/young.png", uploads.LOCK}


def test_files_go_within_an_hour():
    assert uploads.KEPT + uploads.SWEPT < 3600


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
    from tests.serving import save_model

    settings = {"CXR_MODEL": str(save_model(tmp_path / "model")), "GRADIO_TEMP_DIR": str(root)}
    with (tmp_path / "log").open("w") as log:
        page = subprocess.Popen([sys.executable, "app.py"], env={**os.environ, **settings}, stdout=log, stderr=log)
    try:
        for _ in range(600):
            if list(root.glob(f"{uploads.PREFIX}*/{uploads.LOCK}")) and "http://" in (tmp_path / "log").read_text():
                break
            time.sleep(0.1)
        (folder,) = root.glob(f"{uploads.PREFIX}*")
        (folder / "film.png").write_text("somebody's film")
        page.send_signal(signal.SIGTERM)
        assert page.wait(20) == 0
    finally:
        page.kill()
    assert not folder.exists()
