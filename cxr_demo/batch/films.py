"""Films of a data set: divided among processes, read side by side, counted as they are done."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from cxr_demo import processes
from cxr_demo.errors import CxrError
from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from cxr_demo.films.archives import FilmFile
    from cxr_demo.types import Radiograph

T = TypeVar("T")
Item = TypeVar("Item")

log = logging.getLogger(__name__)

#: Seconds between two reports of the progress.
REPORTS = 10.0


@dataclass(frozen=True)
class Part:
    """One of the parts into which a run is divided, counted from 0."""

    number: int = 0
    of: int = 1

    def range(self, count: int) -> range:
        """The part's share of `count` things: neighbours, since rows of a table of images are read in groups."""
        return range(self.number * count // self.of, (self.number + 1) * count // self.of)


@dataclass(frozen=True)
class Done:
    """How a part of a run ended: its films that failed, and the table if this part wrote it."""

    failed: Sequence[str]
    table: Path | None


def threads() -> int:
    """The number of threads that fill this process' share of the cores, beside others that torchrun started here."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // processes.on_this_machine())


@contextmanager
def readers() -> Iterator[ThreadPoolExecutor]:
    """A pool of `threads` threads; work that has not begun when the block ends, such as by an error, is dropped."""
    pool = ThreadPoolExecutor(threads())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


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
    """The result of `work` on a film, or the reason why there is none."""
    try:
        return work(image.read(file.path, file.member))
    except CxrError as error:
        return str(error)
    except OSError as error:
        return f"{file.shown.name}: {error}"
    except Exception as error:  # else one odd file would end the run over all others, each time it is resumed
        log.exception("%s", file.shown)
        return f"{file.shown.name} cannot be read: {type(error).__name__}: {error}"


def state(file: FilmFile) -> str | None:
    """The size of a film's file and the time of its last change, which tell another film of its name; None if gone."""
    with suppress(OSError):
        found = file.path.stat()
        return f"{found.st_size} {found.st_mtime_ns}"
    return None


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
