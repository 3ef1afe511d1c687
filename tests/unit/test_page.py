"""The handlers of the page, without a server."""

import errno
import threading
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from cxr_demo import messages, methods
from cxr_demo.errors import Cancelled, DeadlinePassed
from cxr_demo.models import model_folder, registry
from cxr_demo.output import report
from cxr_demo.web import api, page, requests, uploads
from cxr_demo.web.sessions import Sessions
from tests.support import planted
from tests.support.serving import save_model


def test_nothing_stays_of_what_could_not_be_written(tmp_path, monkeypatch):
    def full(path, explanations):
        path.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report, "write_maps", full)
    monkeypatch.setattr(uploads, "claim", lambda: tmp_path)
    monkeypatch.setattr(page, "sessions", Sessions())
    source = {"kind": "phantom", "key": "normal"}
    told = requests.Request.of({"model": registry.OFFERED[0], "source": source, "methods": ["gradcam"]})
    with pytest.raises(OSError, match="No space left"):
        api._explained(None, source, ["gradcam"], {})
    with pytest.raises(OSError, match="No space left"):
        next(page._exported(told, "me", {}, None))
    assert not list(tmp_path.iterdir())


def test_only_zips_that_were_made_for_a_visitor_are_packed_together(tmp_path, monkeypatch):
    """A zip that somebody sent might unpack to anything."""
    monkeypatch.setattr(uploads, "claim", lambda: tmp_path)
    monkeypatch.setattr(page, "sessions", Sessions())
    archive = tmp_path / "film.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("film/result.json", "{}")
    page.sessions.packed("me").add(str(archive))

    def bundled(visitor, *paths):
        event = SimpleNamespace(_data={"run": 7, "paths": list(paths)})
        return page.bundle(event, SimpleNamespace(session_hash=visitor))

    answer = bundled("me", str(archive), str(archive))
    assert zipfile.ZipFile(answer["path"]).namelist() == ["film/result.json"], "each once"
    for refused in (("you", str(archive)), ("me", str(archive), "/etc/passwd"), ("me",), ("me", 5)):
        assert bundled(*refused) == {"event": "bundle", "run": 7, "error": messages.record(messages.NOT_PACKED)}


def test_folders_in_a_zip_of_several_have_names_of_their_own(tmp_path):
    """Also where a system holds capital and small letters for the same."""
    archives = []
    for k, name in enumerate(("film", "film", "film-2", "Film")):
        (tmp_path / str(k)).mkdir()
        archives.append(tmp_path / str(k) / f"{name}.zip")
        with zipfile.ZipFile(archives[-1], "w") as packed:
            packed.writestr(f"{name}/result.json", str(k))
    together = zipfile.ZipFile(report.bundle(archives, tmp_path / "films.zip"))
    assert together.namelist() == [f"{name}/result.json" for name in ("film", "film-2", "film-2-2", "Film-3")]
    assert [together.read(name).decode() for name in together.namelist()] == ["0", "1", "2", "3"]


def test_a_deadline_is_no_stop_that_somebody_asked_for(monkeypatch):
    """Who reads "stopped" may ask again: after a deadline that would go on for ever."""
    monkeypatch.setattr(page, "sessions", Sessions())
    event = SimpleNamespace(_data={"run": 1, "model": registry.OFFERED[0], "settings": {"lime": {}}})
    late = messages.message("error.stopped.deadline", seconds="1")
    asked = messages.record(messages.message("error.stopped.on_request"))
    for ended, said in (
        (DeadlinePassed(late), {"error": messages.record(late)}),
        (Cancelled(), {"stopped": asked, "error": asked}),
    ):

        def work(*_, ended=ended):
            raise ended
            yield

        *_, last = page._of_maps(page.EXPORT, work, event, SimpleNamespace(session_hash="me"))
        assert last == {"event": "export", "run": 1, **said}


def test_a_computation_ends_when_its_card_is_closed(monkeypatch):
    """Closing the handler, as gradio does when a visitor stops or leaves, sets the flag that the engine checks."""
    seen = []

    def explaining(model, film, method, *, budget):
        try:
            while True:
                yield planted.explanation(np.zeros((3, 4, 4), np.float32))
        finally:
            seen.append("closed")

    flags = Sessions()
    monkeypatch.setattr(page, "sessions", flags)
    monkeypatch.setattr(page.explain, "explain", explaining)
    monkeypatch.setattr(page, "offered", lambda name: None)
    monkeypatch.setattr(page, "film_of", lambda source: None)
    request = type("Request", (), {"session_hash": "me"})
    event = type("Event", (), {"_data": {"run": 3, "model": "m", "source": {}, "settings": {}}})
    answers = page._run_handler(methods.METHODS[0])(event, request)
    assert [next(answers)["run"] for _ in range(2)] == [3, 3]
    _, flag = flags._of("me").flags["gradcam"]
    assert isinstance(flag, threading.Event)
    assert not flag.is_set()
    answers.close()
    assert seen == ["closed"]
    assert flag.is_set()


@pytest.mark.parametrize(("listed", "welcome"), [("bundled:nih14,hub", True), ("bundled:nih14", False)])
def test_the_viewer_is_told_whether_a_model_may_be_named(tmp_path, monkeypatch, listed, welcome):
    monkeypatch.setenv("CXR_MODELS", listed)
    told = page._about(model_folder.read(save_model(tmp_path), "visitor/model", revision="main"))
    assert told["guests"] == welcome
    assert [choice["name"] for choice in told["models"]] == ["bundled:nih14"]
