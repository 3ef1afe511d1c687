"""Schedule the models' computations: one at a time per process, by priority, then in order of arrival.

Explanations take a turn per batch, so that the prediction of a new film runs before the next batch.
"""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Priority(IntEnum):
    """Order of waiting computations; lower numbers run first."""

    PREDICTION = 0
    EXPLANATION = 1


class Scheduler:
    """A fair lock: waiting threads run by priority, then in order of arrival."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tickets = itertools.count()
        self._waiting: list[tuple[Priority, int]] = []
        self._busy = False

    @contextmanager
    def take(self, priority: Priority) -> Iterator[None]:
        """Wait for the caller's turn and hold it while the block runs; not reentrant."""
        with self._changed:
            ticket = (priority, next(self._tickets))
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: not self._busy and min(self._waiting) == ticket)
            finally:  # a ticket left by an interrupted wait would block the queue
                self._waiting.remove(ticket)
                self._changed.notify_all()
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()


#: The scheduler shared by all threads of this process.
SCHEDULER = Scheduler()
