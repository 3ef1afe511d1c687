"""Films of a data set: divided among processes, read side by side, counted as they are done."""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from cxr_demo.errors import CxrError
from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor

    from cxr_demo.films.archives import FilmFile
    from cxr_demo.types import Radiograph

T = TypeVar("T")
Item = TypeVar("Item")

#: Seconds between two reports of the progress.
REPORTS = 10.0


@dataclass(frozen=True)
class Part:
    """One of the parts into which a run is divided, counted from 0."""

    number: int = 0
    of: int = 1


def threads() -> int:
    """The number of threads that fill this process' share of the cores, beside others that torchrun started here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def in_order(pool: ThreadPoolExecutor, items: Iterable[Item], work: Callable[[Item], T], ahead: int) -> Iterator[T]:
    """The results of `work` in the order of the items; threads of the pool begin `ahead` items before their turn."""
    waiting: deque[Future[T]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def read(file: FilmFile, work: Callable[[Radiograph], T]) -> T | str:
    """The result of `work` on a film, or the sentence on why it cannot be read."""
    try:
        return work(image.read(file.path, file.member))
    except CxrError as error:
        return str(error)
    except OSError as error:
        return f"{file.shown.name}: {error}"


class Progress:
    """Counts films that are done, and says every REPORTS seconds how many, how fast and how long it will take."""

    def __init__(self, films: int, say: Callable[[str], None]) -> None:
        self.films, self.say = films, say
        self.done = 0
        self.started = self.told = time.monotonic()

    def add(self, films: int) -> None:
        """Count further films."""
        self.done += films
        now = time.monotonic()
        if self.done and now - self.told >= REPORTS:
            self.told = now
            rate = self.done / (now - self.started)
            left = timedelta(seconds=round((self.films - self.done) / rate))
            pace = f"{rate:.1f} a second" if rate >= 1 else f"{1 / rate:.1f} s each"
            self.say(f"{self.done:,} of {self.films:,} films, {pace}, {left} left")
