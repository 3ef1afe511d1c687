"""Exports of the page, without a server."""

import errno
import zipfile
from types import SimpleNamespace

import pytest

from cxr_demo import messages
from cxr_demo.models import registry
from cxr_demo.output import report
from cxr_demo.web import api, exports, handlers, requests, uploads
from cxr_demo.web.sessions import Sessions


def test_nothing_stays_of_what_could_not_be_written(tmp_path, monkeypatch):
    def full(path, explanations):
        path.write_bytes(b"part")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(report, "write_maps", full)
    monkeypatch.setattr(uploads, "claim", lambda: tmp_path)
    for module in (exports, handlers):
        monkeypatch.setattr(module, "sessions", Sessions())
    source = {"kind": "phantom", "key": "normal"}
    told = requests.Request.of({"model": registry.OFFERED[0], "source": source, "methods": ["gradcam"]})
    with pytest.raises(OSError, match="No space left"):
        api._explained(None, source, ["gradcam"], {})
    with pytest.raises(OSError, match="No space left"):
        next(exports._exported(told, "me", {}, None))
    assert not list(tmp_path.iterdir())


def test_only_zips_that_were_made_for_a_visitor_are_packed_together(tmp_path, monkeypatch):
    """A zip that somebody sent might unpack to anything."""
    monkeypatch.setattr(uploads, "claim", lambda: tmp_path)
    monkeypatch.setattr(exports, "sessions", Sessions())
    archive = tmp_path / "film.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("film/result.json", "{}")
    exports.sessions.packed("me").add(str(archive))

    def bundled(visitor, *paths):
        event = SimpleNamespace(_data={"run": 7, "paths": list(paths)})
        return exports.export_films(event, SimpleNamespace(session_hash=visitor))

    answer = bundled("me", str(archive), str(archive))
    assert zipfile.ZipFile(answer["path"]).namelist() == ["film/result.json"], "each once"
    for refused in (("you", str(archive)), ("me", str(archive), "/etc/passwd"), ("me",), ("me", 5)):
        assert bundled(*refused) == {"event": "bundle", "run": 7, "error": messages.record(messages.NOT_PACKED)}
