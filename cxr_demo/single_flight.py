"""What takes long is made once, in a thread of its own, and whoever asks for it waits no longer than they like."""

from __future__ import annotations

import threading
from concurrent import futures
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """Things by name. An error is not kept: who asks meanwhile shares it, the next one tries again."""

    def __init__(self) -> None:
        self._made: dict[str, futures.Future[T]] = {}
        self._guard = threading.Lock()

    def get(self, name: str, make: Callable[[], T], patience: float | None = None, *, keep: bool = True) -> T:
        """The thing of a name, made where there is none; TooSlow where that takes more than so many seconds.

        It goes on being made all the same. Without `keep` it is shared only by those who ask meanwhile.
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
        """What is kept under a name, which is this where there was nothing."""
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
            if kept is not under_way:  # somebody kept another meanwhile
                thing = kept.result()
            elif not keep:
                del self._made[name]
        under_way.set_result(thing)

    def _forget(self, name: str, under_way: futures.Future[T]) -> None:
        with self._guard:
            if self._made.get(name) is under_way:
                del self._made[name]


class TooSlow(Exception):
    """It is still being made."""
