"""Visitors' files: gone in time, gone when the page ends, and gone after a process that was killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
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


@pytest.fixture
def clock(monkeypatch):
    """Seconds that have passed, as the module under test is told."""
    passed = [0.0]
    monkeypatch.setattr(uploads.time, "monotonic", lambda: passed[0])
    return passed


def names(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_old_files_go_and_young_ones_stay(tmp_path, clock):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "film.png").touch()
    (tmp_path / uploads.LOCK).touch()
    seen = uploads.sweep(tmp_path, 3000, {})
    clock[0] = 2000
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "film.png").touch()
    seen = uploads.sweep(tmp_path, 3000, seen)
    clock[0] = 3001
    seen = uploads.sweep(tmp_path, 3000, seen)
    assert names(tmp_path) == {"b", "b/film.png", uploads.LOCK}
    clock[0] = 5001
    uploads.sweep(tmp_path, 3000, seen)
    assert names(tmp_path) == {uploads.LOCK}


@pytest.mark.parametrize("written", [0, time.time() - 86400, time.time() + 86400])
def test_the_time_of_day_decides_nothing(tmp_path, clock, written):
    """A clock that jumps, on this machine or where the file comes from, neither keeps a film nor takes it away."""
    film = tmp_path / "film.png"
    film.touch()
    os.utime(film, (written, written))
    seen = uploads.sweep(tmp_path, 3000, {})
    assert film.exists()
    clock[0] = 3001
    uploads.sweep(tmp_path, 3000, seen)
    assert not film.exists()


def test_a_film_that_is_sent_again_is_a_new_one(tmp_path, clock):
    film = tmp_path / "film.png"
    film.write_text("one")
    seen = uploads.sweep(tmp_path, 3000, {})
    clock[0] = 2999
    film.unlink()
    film.write_text("the same again")
    os.utime(film, (12345, 12345))
    seen = uploads.sweep(tmp_path, 3000, seen)
    clock[0] = 3001
    uploads.sweep(tmp_path, 3000, seen)
    assert film.exists()


def test_files_go_within_an_hour():
    assert uploads.KEPT + 2 * uploads.SWEPT <= 3600


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
