"""The handlers of the page, without a server."""

import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from cxr_demo import messages, methods
from cxr_demo.case import Case
from cxr_demo.errors import Cancelled, DeadlinePassed
from cxr_demo.models import registry
from cxr_demo.web import exports, handlers
from cxr_demo.web.sessions import Sessions
from tests.support import planted


def test_a_deadline_is_no_stop_that_somebody_asked_for(monkeypatch):
    """Who reads "stopped" may ask again: after a deadline that would go on for ever."""
    monkeypatch.setattr(handlers, "sessions", Sessions())
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

        *_, last = handlers.of_maps(exports.EXPORT, work, event, SimpleNamespace(session_hash="me"))
        assert last == {"event": "export", "run": 1, **said}


def test_a_computation_ends_when_its_card_is_closed(monkeypatch):
    """Closing the handler, as gradio does when a visitor stops or leaves, sets the flag that the engine checks."""
    seen = []

    def explaining(case, method, *, budget):
        try:
            while True:
                yield planted.explanation(np.zeros((3, 4, 4), np.float32))
        finally:
            seen.append("closed")

    flags = Sessions()
    monkeypatch.setattr(handlers, "sessions", flags)
    monkeypatch.setattr(Case, "explain", explaining)
    monkeypatch.setattr(handlers, "offered", lambda name: planted.classifier())
    monkeypatch.setattr(handlers, "film_of", lambda source: planted.film())
    request = type("Request", (), {"session_hash": "me"})
    event = type("Event", (), {"_data": {"run": 3, "model": "m", "source": {}, "settings": {}}})
    answers = handlers.run_handler(methods.METHODS[0])(event, request)
    assert [next(answers)["run"] for _ in range(2)] == [3, 3]
    _, flag = flags._of("me").flags["gradcam"]
    assert isinstance(flag, threading.Event)
    assert not flag.is_set()
    answers.close()
    assert seen == ["closed"]
    assert flag.is_set()


def test_a_stop_that_comes_after_the_last_map_is_too_late(monkeypatch):
    """The maps are kept, so that the browser must show them too."""
    flags = Sessions()

    def explaining(case, method, *, budget):
        _, flag = flags._of("me").flags["gradcam"]
        flag.set()
        yield replace(planted.explanation(np.zeros((3, 4, 4), np.float32)), complete=True)

    monkeypatch.setattr(handlers, "sessions", flags)
    monkeypatch.setattr(Case, "explain", explaining)
    monkeypatch.setattr(handlers, "offered", lambda name: planted.classifier())
    monkeypatch.setattr(handlers, "film_of", lambda source: planted.film())
    event = SimpleNamespace(_data={"run": 3, "model": "m", "source": {}, "settings": {}})
    *_, last = handlers.run_handler(methods.METHODS[0])(event, SimpleNamespace(session_hash="me"))
    assert last["complete"]
    assert last["maps"]
    assert not last["stopped"]


def test_an_error_is_the_answer_to_its_event():
    caller = SimpleNamespace(session_hash="me")
    asked = SimpleNamespace(_data={"run": 2, "model": "no such model", "method": "lime", "settings": {"samples": 9}})
    for answer, more in (
        (handlers.pixels(asked, caller), {"event": "pixels", "unreadable": True}),
        (handlers.estimate(asked), {"event": "estimate", "method": "lime", "field": "samples"}),
        (handlers.named(asked), {"event": "named", "model": True}),
    ):
        assert {name: value for name, value in answer.items() if name != "error"} == {"run": 2, **more}
        assert answer["error"]
