"""First-in, first-out queue of computations that reports to each waiting visitor how many are ahead.

Gradio's own queue reports this only to its own components. Predictions of new films and instant maps bypass this
queue: they run between the batches of the current computation (`inference/scheduler.py`).
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

#: Maximum number of running computations, enough for a visitor's default maps side by side; more would slow each.
WORKERS = 4
#: Maximum number of waiting computations.
CAPACITY = 200
#: Interval between two checks of whether a waiting visitor has left, in seconds.
LOOK = 0.5


@dataclass(frozen=True)
class QueueStatus:
    """The position of a waiting computation and its estimated wait."""

    ahead: int  # waiting computations that start before it
    seconds: float | None  # estimated wait; None before the first computation has ended


class JobQueue:
    """Computations in order of arrival: the first `workers` run, up to `capacity` others wait."""

    def __init__(self, workers: int = WORKERS, capacity: int = CAPACITY) -> None:
        self._workers, self._capacity = workers, capacity
        self.changed = threading.Condition()
        self._order: list[Ticket] = []
        self._took: deque[float] = deque(maxlen=32)

    @contextmanager
    def ticket(self) -> Iterator[Ticket]:
        """Hold a ticket at the end of the queue while the context lasts; TooBusy if the queue is full."""
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
        """Number of waiting computations ahead of a ticket; negative while it runs."""
        return self._order.index(ticket) - self._workers

    def expected(self, ahead: int) -> float | None:
        """Estimated seconds until a computation with `ahead` others before it starts; None before any has ended."""
        return (ahead + 1) * sum(self._took) / len(self._took) / self._workers if self._took else None

    def in_turn(self, work: Callable[[], Generator[T]], over: threading.Event) -> Generator[T | QueueStatus | None]:
        """Yield the queue's status until the computation may start, then the items of `attended`.

        TooBusy if the queue is full; Cancelled once `over` is set.
        """
        with self.ticket() as ticket:
            yield from ticket.waits(over)
            yield None  # detects a visitor who left while waiting, before the computation starts
            with closing(attended(work, over)) as answers:
                yield from answers


@dataclass(eq=False)
class Ticket:
    """One computation's position in a queue."""

    queue: JobQueue
    began: float | None = None

    def waits(self, over: threading.Event) -> Iterator[QueueStatus]:
        """Yield the status at each change until the computation may start; Cancelled once `over` is set."""
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
    """Yield a computation's answers as they arrive, and None after every LOOK seconds without one.

    The server notices that a visitor has left only when it sends a message, so each None makes it send one. Closing
    this iterator sets `over` and ends the computation. Errors of the computation are raised here.
    """
    said: Queue[tuple[T | None, BaseException | None]] = Queue(maxsize=1)

    def compute() -> None:
        error: BaseException = StopIteration()  # marks the regular end
        try:
            with closing(work()) as answers:
                for answer in answers:
                    said.put((answer, None))
                    if over.is_set():  # a visitor who is still there reads that it was stopped
                        raise Cancelled
        except BaseException as raised:
            error = raised
        said.put((None, error))

    # ZeroGPU finds the request in the context variables
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
        while worker.is_alive():  # it may be blocked on a full queue of answers
            with suppress(Empty):
                said.get_nowait()
            worker.join(0.02)


def _full(ahead: int, seconds: float | None) -> Message:
    if seconds is None:
        return message("error.queue.full", n=ahead)
    if seconds >= 90:
        return message("error.queue.full_minutes", n=ahead, minutes=round(seconds / 60))
    return message("error.queue.full_seconds", n=ahead, seconds=round(seconds))
