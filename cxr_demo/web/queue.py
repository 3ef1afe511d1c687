"""The queue of computations: first come, first served, and each waiting visitor is told how many are ahead.

Gradio's own queue tells that to its own components alone. Predictions of new films, and maps that take no time, do not
wait here: they run between the batches of the computation that is under way (`inference/scheduler.py`).
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
from cxr_demo.messages import Message, message

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

T = TypeVar("T")

#: Computations at a time: a visitor's default maps side by side. More would each take longer.
WORKERS = 4
#: Computations that may wait.
CAPACITY = 200
#: Seconds between two checks of whether a waiting visitor has left.
LOOK = 0.5


@dataclass(frozen=True)
class QueueStatus:
    """How long a computation has to wait."""

    ahead: int  # waiting computations that start before it
    seconds: float | None  # about how long; None before any computation has ended


class JobQueue:
    """Computations in the order they came: the first few run, the others wait."""

    def __init__(self, workers: int = WORKERS, capacity: int = CAPACITY) -> None:
        self._workers, self._capacity = workers, capacity
        self.changed = threading.Condition()
        self._order: list[Ticket] = []
        self._took: deque[float] = deque(maxlen=32)

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """A ticket behind all others, for as long as the context lasts; TooBusy where too many wait."""
        with self.changed:
            ticket = Ticket(self)
            ahead = len(self._order) - self._workers
            if ahead >= self._capacity:
                raise TooBusy(_full(ahead, self.expected(ahead)))
            self._order.append(ticket)
        try:
            yield ticket
        finally:
            with self.changed:
                if ticket.began is not None:
                    self._took.append(time.monotonic() - ticket.began)
                self._order.remove(ticket)
                self.changed.notify_all()

    def ahead(self, ticket: Ticket) -> int:
        """Waiting computations that start before a ticket's; below zero while it runs."""
        return self._order.index(ticket) - self._workers

    def expected(self, ahead: int) -> float | None:
        """Seconds, about, until a computation starts that has so many ahead; None before any has ended."""
        return (ahead + 1) * sum(self._took) / len(self._took) / self._workers if self._took else None

    def in_turn(self, work: Callable[[], Generator[T]], over: threading.Event) -> Generator[T | QueueStatus | None]:
        """The queue's status until the computation starts, then what `attended` yields of it."""
        with self.ticket() as ticket:
            yield from ticket.waits(over)
            yield None  # notices a visitor who left while waiting, before anything is computed
            with closing(attended(work, over)) as answers:
                yield from answers


@dataclass(eq=False)
class Ticket:
    """One computation's position in a queue."""

    queue: JobQueue
    began: float | None = None

    def waits(self, over: threading.Event) -> Iterator[QueueStatus]:
        """The status, whenever it changes, until the computation may start; Cancelled once `over` is set."""
        queue, told = self.queue, None
        while True:
            with queue.changed:
                ahead = queue.ahead(self)
                if ahead < 0:
                    self.began = time.monotonic()
                    return
                if ahead == told:
                    queue.changed.wait(LOOK)
            if over.is_set():
                raise Cancelled
            if ahead != told:
                told = ahead
                yield QueueStatus(ahead, queue.expected(ahead))


#: The queue of this process.
JOBS = JobQueue()


def attended(work: Callable[[], Generator[T]], over: threading.Event) -> Generator[T | None]:
    """A computation's answers as they come, and None whenever LOOK seconds have passed without one.

    The server notices that a visitor has left only when it sends something, so it sends something often. Closing this
    iterator sets `over` and ends the work.
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


def _full(ahead: int, seconds: float | None) -> Message:
    if seconds is None:
        return message("error.queue.full", n=ahead)
    if seconds >= 90:
        return message("error.queue.full_minutes", n=ahead, minutes=round(seconds / 60))
    return message("error.queue.full_seconds", n=ahead, seconds=round(seconds))
