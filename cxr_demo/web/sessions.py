"""Per-visitor state: the current film, its finished maps, and flags that end running computations.

A visitor's browser numbers its runs in ascending order. Requests may arrive out of order, so runs are ended by number:
a request never ends a later run, and an ended run that arrives late is over before it begins.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from cxr_demo.case import Case
from cxr_demo.output.trust_data import rounded

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Radiograph

#: Visitors whose film is kept in memory; the film of a visitor beyond that is read again when needed.
MOST = 32

#: Maximum number of sessions, the same as Gradio's own; each takes a few numbers.
REMEMBERED = 10_000


@dataclass(frozen=True, eq=False)
class _Opened:
    key: Hashable
    film: Radiograph
    # weak keys by model: storing cases would keep an evicted model in memory
    known: WeakKeyDictionary[Classifier, dict[type, Any]] = field(default_factory=WeakKeyDictionary)


@dataclass
class _Session:
    flags: dict[str, tuple[int, threading.Event]] = field(default_factory=dict)  # by method: its latest run
    over: dict[str | None, int] = field(default_factory=dict)  # by method, None for all: runs up to here are over
    film: _Opened | None = None
    packed: set[str] = field(default_factory=set)  # paths of zips made for this visitor


class Sessions:
    """State of all visitors by session name. No visitor sees another's data."""

    def __init__(self, most: int = MOST) -> None:
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        # finished maps by (visitor, film and model), then by method; least recently used first
        self._maps: OrderedDict[tuple[str, Hashable], dict[str, Explanation]] = OrderedDict()
        self._most = most

    def begin(self, visitor: str, method: str, run: int) -> threading.Event:
        """The flag that ends a new run; ends earlier runs of the same method and visitor."""
        flag = threading.Event()
        session = self._of(visitor)
        with self._lock:
            latest, earlier = session.flags.get(method, (-1, None))
            if run <= max(session.over.get(None, -1), session.over.get(method, -1), latest):
                flag.set()
            else:
                session.flags[method] = run, flag
                if earlier is not None:
                    earlier.set()
        return flag

    def end(self, visitor: str, run: int, method: str | None = None) -> None:
        """End the runs of one method, or of all, up to this number; each stops at its next batch."""
        session = self._of(visitor)
        with self._lock:
            session.over[method] = max(run, session.over.get(method, -1))
            for key, (number, flag) in session.flags.items():
                if number <= run and method in (None, key):
                    flag.set()

    def film(self, visitor: str, key: Hashable, read: Callable[[], Radiograph]) -> Radiograph:
        """The visitor's current film, read once per key."""
        return self._opened(visitor, key, read).film

    def case(self, visitor: str, key: Hashable, model: Classifier, read: Callable[[], Radiograph]) -> Case:
        """The visitor's film with a model; prediction, maps and measures share what the case computes."""
        opened = self._opened(visitor, key, read)
        with self._lock:
            known = opened.known.setdefault(model, {})
        return Case(model, opened.film, known)

    def _opened(self, visitor: str, key: Hashable, read: Callable[[], Radiograph]) -> _Opened:
        session = self._of(visitor)
        opened = session.film
        if opened is None or opened.key != key:
            opened = session.film = _Opened(key, read())
            with self._lock:
                holders = [one for one in self._sessions.values() if one.film is not None]
                for left in holders[: -self._most]:
                    left.film = None
        return opened

    def packed(self, visitor: str) -> set[str]:
        """The paths of zips made for a visitor; the caller adds to this set."""
        return self._of(visitor).packed

    def keep(self, visitor: str, key: Hashable, explanation: Explanation) -> None:
        """Keep a method's finished maps under the key of their film and model, least recently used ones dropped.

        Values are stored as float16, which is finer than the browser's int8. `sure` keeps its precision, since many
        of its values equal the threshold `render.UNSURE`.
        """
        error = None if explanation.error is None else rounded(explanation.error)
        small = replace(explanation, values=rounded(explanation.values), error=error)
        with self._lock:
            self._maps.setdefault((visitor, key), {})[explanation.method] = small
            self._maps.move_to_end((visitor, key))
            while len(self._maps) > self._most:
                self._maps.popitem(last=False)

    def kept(self, visitor: str, key: Hashable) -> dict[str, Explanation]:
        """The finished maps of a film and a model, by method, as float32."""
        with self._lock:
            known = dict(self._maps.get((visitor, key), {}))
            if known:
                self._maps.move_to_end((visitor, key))
        return {method: _restored(small) for method, small in known.items()}

    def forget(self, visitor: str) -> None:
        """End all runs of a visitor who has left, and drop the visitor's data."""
        with self._lock:
            _end_all(self._sessions.pop(visitor, None))
            for left in [one for one in self._maps if one[0] == visitor]:
                del self._maps[left]

    def _of(self, visitor: str) -> _Session:
        with self._lock:
            session = self._sessions.setdefault(visitor, _Session())
            self._sessions.move_to_end(visitor)
            while len(self._sessions) > REMEMBERED:
                _end_all(self._sessions.popitem(last=False)[1])
        return session


def _restored(small: Explanation) -> Explanation:
    error = None if small.error is None else small.error.astype(np.float32)
    return replace(small, values=small.values.astype(np.float32), error=error)


def _end_all(session: _Session | None) -> None:
    for _, flag in session.flags.values() if session else ():
        flag.set()
