"""Who computes now and who waits: first come, first served, and told how many are before them.

Gradio's own queue tells that to its own components alone. Predictions of new films, and maps that take no time, do not
wait here: they go between the batches of whoever computes (`turns.py`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass
from queue import Empty, Queue
from typing import TYPE_CHECKING, TypeVar

from cxr_demo.errors import Cancelled, TooBusy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")

#: How many compute at a time: a visitor's default maps side by side. More would each take longer.
PLACES = 4
#: How many may wait.
MOST = 200
#: Seconds between two looks at whether somebody who waits has left.
LOOK = 0.5


@dataclass(frozen=True)
class Wait:
    """How long it is until one's turn."""

    ahead: int  # computations that will begin before
    seconds: float | None  # about how long; None until anything is known


class Room:
    """Computations in the order they came: the first few are at work, the others wait."""

    def __init__(self, places: int = PLACES, most: int = MOST) -> None:
        self._places, self._most = places, most
        self.changed = threading.Condition()
        self._order: list[Place] = []
        self._took: deque[float] = deque(maxlen=32)

    @contextmanager
    def place(self) -> Iterator[Place]:
        """A place behind all others, for as long as the context lasts; TooBusy where too many wait."""
        with self.changed:
            place = Place(self)
            ahead = len(self._order) - self._places
            if ahead >= self._most:
                raise TooBusy(
                    f"{ahead} computations are waiting{_about(self.expected(ahead))}. Please try again later."
                )
            self._order.append(place)
        try:
            yield place
        finally:
            with self.changed:
                if place.began is not None:
                    self._took.append(time.monotonic() - place.began)
                self._order.remove(place)
                self.changed.notify_all()

    def ahead(self, place: Place) -> int:
        """How many that wait will begin before a place; below zero for those at work."""
        return self._order.index(place) - self._places

    def expected(self, ahead: int) -> float | None:
        """About how many seconds until one begins that has so many before it."""
        return (ahead + 1) * sum(self._took) / len(self._took) / self._places if self._took else None

    def in_turn(self, work: Callable[[], Generator[T]], over: threading.Event) -> Generator[T | Wait | None]:
        """What `attended` gives of a computation when it is its turn, and until then how long it is."""
        with self.place() as place:
            yield from place.waits(over)
            yield None  # whoever left while waiting is noticed before anything is computed
            with closing(attended(work, over)) as answers:
                yield from answers


@dataclass(eq=False)
class Place:
    """One computation's place in a room."""

    room: Room
    began: float | None = None

    def waits(self, over: threading.Event) -> Iterator[Wait]:
        """How long it is, whenever that changes, until it is its turn; Cancelled once `over` is set."""
        room, told = self.room, None
        while True:
            with room.changed:
                ahead = room.ahead(self)
                if ahead < 0:
                    self.began = time.monotonic()
                    return
                if ahead == told:
                    room.changed.wait(LOOK)
            if over.is_set():
                raise Cancelled
            if ahead != told:
                told = ahead
                yield Wait(ahead, room.expected(ahead))


#: Of this process.
ROOM = Room()


def attended(work: Callable[[], Generator[T]], over: threading.Event) -> Generator[T | None]:
    """A computation's answers as they come, and None whenever LOOK seconds have passed without one.

    A visitor who leaves is noticed when something is said to them, so something is said often. Closing this sets
    `over` and ends the work.
    """
    said: Queue[tuple[T | None, BaseException | None]] = Queue(maxsize=1)

    def compute() -> None:
        error: BaseException = StopIteration()  # it has ended
        try:
            with closing(work()) as answers:
                for answer in answers:
                    said.put((answer, None))
                    if over.is_set():  # who is still there reads so
                        raise Cancelled
        except BaseException as raised:
            error = raised
        said.put((None, error))

    # what is asked of a ZeroGPU is known by the context of its request
    worker = threading.Thread(target=copy_context().run, args=(compute,), daemon=True)
    worker.start()
    try:
        while True:
            try:
                answer, error = said.get(timeout=LOOK)
            except Empty:
                yield None
                continue
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield answer
    finally:
        over.set()
        while worker.is_alive():  # it may be about to say something that nobody hears
            with suppress(Empty):
                said.get_nowait()
            worker.join(0.02)


def _about(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f", about {round(seconds / 60)} minutes" if seconds >= 90 else f", about {round(seconds)} seconds"
