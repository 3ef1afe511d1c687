"""Films of a data set: divided among processes, read side by side, counted as they are done."""

from __future__ import annotations

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

#: Films that are read ahead.
AHEAD = 32
#: Seconds between two reports of the progress.
REPORTS = 10.0


@dataclass(frozen=True)
class Part:
    """One of the parts into which a run is divided, counted from 0."""

    number: int = 0
    of: int = 1


def read_ahead(
    pool: ThreadPoolExecutor, files: Iterable[FilmFile], work: Callable[[Radiograph], T]
) -> Iterator[tuple[FilmFile, T | str]]:
    """Films in order with the results of `work`, or with the sentence on why one cannot be read.

    Threads of the pool read and work; AHEAD films are begun before their turn.
    """
    waiting: deque[tuple[FilmFile, Future[T | str]]] = deque()
    for file in files:
        waiting.append((file, pool.submit(_read, file, work)))
        if len(waiting) >= AHEAD:
            first, reading = waiting.popleft()
            yield first, reading.result()
    for first, reading in waiting:
        yield first, reading.result()


def _read(file: FilmFile, work: Callable[[Radiograph], T]) -> T | str:
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
