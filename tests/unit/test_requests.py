"""Requests of the browser, checked."""

from types import SimpleNamespace

import numpy as np
import pytest

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import label_tables, phantom
from cxr_demo.web import requests


def test_films_come_from_the_uploads_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "cache"))
    inside, outside = tmp_path / "cache" / "ab" / "x.png", tmp_path / "x.png"
    inside.parent.mkdir(parents=True)
    for path in (inside, outside):
        path.write_bytes(phantom.png("normal", 64))
    assert requests.film_of({"kind": "file", "path": str(inside)}).name == "x.png"
    gone, names = tmp_path / "cache" / "gone.png", ("\0", "\ud800", "x" * 5000)
    for bad in (outside, tmp_path / "cache" / ".." / "x.png", gone, None, *(gone.with_name(name) for name in names)):
        with pytest.raises(UnreadableImage, match="send the file again"):
            requests.film_of({"kind": "file", "path": bad and str(bad)})


def test_of_boxes_that_are_sent_only_boxes_are_taken():
    """In shares of the film; on the film, in its pixels."""
    film = SimpleNamespace(pixels=np.zeros((50, 200), np.float32))
    no_boxes = [None, 5, "box", [0, 0, 1, 1], {}, {"label": "Mass"}, {"label": "Mass", "edges": 5}]
    no_edges = [
        [0, 0, 1],
        [0, 0, 1, 1, 1],
        ["left", 0, 1, 1],
        [0, 0, 1, float("nan")],
        [0, 0, 1, 10**400],
        [0, 0, 1, None],
    ]
    bad = no_boxes + [{"label": "Mass", "edges": edges} for edges in no_edges]
    good = {"label": "Mass", "edges": [0.25, 0.5, 1, 0.75], "given": True}
    told = requests.Request.of({"boxes": [*bad, good, *bad]})
    assert told.boxes_on(film) == [label_tables.Box("Mass", 50, 25, 150, 12.5)]
    for nothing in (None, 5, "boxes", {"0": good}):
        assert requests.Request.of({"boxes": nothing}).boxes_on(film) == []
