"""Visitors' files: gone in time, gone when the page ends, and gone after a process that was killed."""

import os
import time

import pytest

from cxr_demo.web import uploads


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


@pytest.mark.parametrize("ago", [None, 86400, -86400], ids=["1970", "yesterday", "tomorrow"])
def test_the_time_of_day_decides_nothing(tmp_path, clock, ago):
    """A clock that jumps, on this machine or where the file comes from, neither keeps a film nor takes it away."""
    film = tmp_path / "film.png"
    film.touch()
    written = 0 if ago is None else time.time() - ago
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
