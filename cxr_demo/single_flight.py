"""Computes slow results once, in a thread per result, for all callers that wait for them (waits in seconds)."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """A cache of results by name that computes each result once.

    Callers that wait for the same computation share its result or its error. Errors are not cached: the next call
    starts the computation again.
    """

    def __init__(self) -> None:
        self._made: dict[str, futures.Future[T]] = {}
        self._guard = threading.Lock()

    def get(self, name: str, make: Callable[[], T], patience: float | None = None, *, keep: bool = True) -> T:
        """The result of a name; starts `make` in a new thread if the result is neither cached nor being computed.

        TooSlow after `patience` seconds (None waits without limit); the computation continues. Raises the error of
        `make`. Without `keep` the result is shared with concurrent callers only, and not cached.
        """
        with self._guard:
            under_way = self._made.get(name)
            if under_way is None:
                under_way = self._made[name] = futures.Future()
                threading.Thread(
                    target=self._make, args=(name, make, under_way, keep), name=f"making {name}", daemon=True
                ).start()
        done, _ = futures.wait([under_way], patience)
        if not done:
            raise TooSlow
        return under_way.result()

    def keep(self, name: str, thing: T) -> T:
        """Cache `thing` under a name and return it; if a result is cached already, return that one instead."""
        with self._guard:
            known = self._made.get(name)
            if known is None or not known.done():
                known = self._made[name] = futures.Future()
                known.set_result(thing)
        return known.result()

    def _make(self, name: str, make: Callable[[], T], under_way: futures.Future[T], keep: bool) -> None:
        try:
            thing = make()
        except BaseException as error:
            self._forget(name, under_way)
            under_way.set_exception(error)
            return
        with self._guard:
            kept = self._made.get(name, under_way)
            if kept is not under_way:  # `keep` stored another result meanwhile
                thing = kept.result()
            elif not keep:
                del self._made[name]
        under_way.set_result(thing)

    def _forget(self, name: str, under_way: futures.Future[T]) -> None:
        with self._guard:
            if self._made.get(name) is under_way:
                del self._made[name]


class TooSlow(Exception):
    """The computation did not finish within the caller's patience; it continues."""
