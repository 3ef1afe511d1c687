"""Who runs a model now: one computation at a time in a process.

First come first served, but a new film's prediction goes before anyone's next batch.
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
    """Who goes first when several wait for the model; the lower number does."""

    PREDICTION = 0
    EXPLANATION = 1


class Scheduler:
    """A fair lock: among those who wait, priority decides, then who came first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._tickets = itertools.count()
        self._waiting: list[tuple[Priority, int]] = []
        self._busy = False

    @contextmanager
    def take(self, priority: Priority) -> Iterator[None]:
        """Wait for the caller's turn, and hold it while the block runs."""
        with self._changed:
            ticket = (priority, next(self._tickets))
            self._waiting.append(ticket)
            try:
                self._changed.wait_for(lambda: not self._busy and min(self._waiting) == ticket)
            finally:  # an interrupted wait must not leave a ticket that nobody redeems
                self._waiting.remove(ticket)
                self._changed.notify_all()
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()


#: The turns of this process: one model runs at a time.
SCHEDULER = Scheduler()
