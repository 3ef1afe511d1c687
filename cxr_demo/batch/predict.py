"""Predict many films: read side by side, scored in batches, and written as one table."""

from __future__ import annotations

import functools
import os
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cxr_demo.batch import tables
from cxr_demo.batch.journal import Journal
from cxr_demo.case import Case, Logits
from cxr_demo.errors import CxrError
from cxr_demo.films import image
from cxr_demo.inference.engine import logits_of_films
from cxr_demo.output import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.batch.journal import Row
    from cxr_demo.films.archives import FilmFile
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Radiograph

NAME = "predictions"
TABLE = f"{NAME}.parquet"
#: Films of a batch, and films that are read ahead.
BATCH, AHEAD = 8, 32
#: Seconds between two reports of the progress.
REPORTS = 10.0


@dataclass(frozen=True)
class Part:
    """One of the parts into which a run is divided, counted from 0."""

    number: int = 0
    of: int = 1


@dataclass(frozen=True, eq=False)
class Read:
    """A film with its model input (1, 1, S, S)."""

    film: Radiograph
    x: Tensor


def predict_films(
    model: Classifier,
    files: Sequence[FilmFile],
    out: Path,
    part: Part,
    put_right: Callable[[Radiograph], Radiograph],
    plan: Mapping[str, Any],
    say: Callable[[str], None],
) -> bool:
    """Predict the films of a part that have no row yet, and write `predictions.parquet` once all films have one.

    `put_right` corrects a film before it is scored; `plan` says how, so that results of another plan are refused. A
    film that fails has its sentence in the column `error`. Returns whether all films of the part have a prediction.
    DataError if `out` cannot be used, BadSetting if pyarrow is not installed.
    """
    tables.pyarrow()  # before hours of work
    plan = {"model": model.name, "labels": list(model.labels), **plan}
    own = Journal(out / f"{NAME}-{part.number + 1}-of-{part.of}.sqlite", plan)
    journals = [Journal(path, plan) for path in sorted(out.glob(f"{NAME}-*-of-*.sqlite"))]
    known = {name for journal in journals for name in journal.files()}
    mine = files[part.number :: part.of]
    left = [file for file in mine if str(file.shown) not in known]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        films = _ahead(pool, lambda file: _read(file, model, put_right), left)
        for rows in _reported(_scored(pool, model, films), len(left), say):
            own.add(rows)
    names = [str(file.shown) for file in files]
    missing = tables.write(out / TABLE, names, (row for journal in journals for row in journal.rows()), model.labels)
    if missing:
        say(f"{len(missing)} of {len(names)} films belong to other parts; the part that ends last writes {TABLE}.")
    ours = {str(file.shown) for file in mine}
    return not any(row["error"] for journal in journals for row in journal.rows() if row["file"] in ours)


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[FilmFile], Read | str], files: Iterable[FilmFile]
) -> Iterator[tuple[str, Read | str]]:
    """The names of films, and the results of `work`, in order; at most AHEAD films are begun before their turn."""
    waiting: deque[tuple[str, Future[Read | str]]] = deque()
    for file in files:
        waiting.append((str(file.shown), pool.submit(work, file)))
        if len(waiting) >= AHEAD:
            name, first = waiting.popleft()
            yield name, first.result()
    for name, first in waiting:
        yield name, first.result()


def _read(file: FilmFile, model: Classifier, put_right: Callable[[Radiograph], Radiograph]) -> Read | str:
    """A film, or the sentence on why it cannot be read."""
    try:
        film = put_right(image.read(file.path, file.member))
    except CxrError as error:
        return str(error)
    except OSError as error:
        return f"{file.shown.name}: {error}"
    return Read(film, torch.from_numpy(image.model_input(film, model.size, model.spec.pixel_range)))


def _scored(
    pool: ThreadPoolExecutor, model: Classifier, films: Iterator[tuple[str, Read | str]]
) -> Iterator[list[Row]]:
    """Rows of films, batch by batch; while one is scored, the gate looks at the films of the one before."""
    waiting: list[Future[Row]] = []
    while batch := list(islice(films, BATCH)):
        cases = _cases(model, {name: found for name, found in batch if isinstance(found, Read)})
        begun = [pool.submit(_row, name, cases.get(name, str(found))) for name, found in batch]
        yield [row.result() for row in waiting]
        waiting = begun
    yield [row.result() for row in waiting]


def _cases(model: Classifier, films: Mapping[str, Read]) -> dict[str, Case]:
    """The cases of films by name; films of one model, such as a fold of a run, are scored together."""
    found = {name: Case(model, read.film) for name, read in films.items()}
    for chosen in dict.fromkeys(case.model for case in found.values()):
        logits, most = _scorer(chosen)
        group = [name for name, case in found.items() if case.model is chosen]
        for names in (group[start : start + most] for start in range(0, len(group), most)):
            # filled up, so that a film's numbers depend on no other film
            x = torch.zeros(most, 1, model.size, model.size)
            x[: len(names)] = torch.cat([films[name].x for name in names])
            for name, values in zip(names, logits(x), strict=False):
                found[name] = Case(model, films[name].film, {Logits: Logits(values)})
    return found


_scorer = functools.cache(logits_of_films)


def _row(name: str, case: Case | str) -> Row:
    """A film's prediction, or the sentence on why it has none."""
    if isinstance(case, str):
        return {"file": name, "error": case}
    try:
        told = report.prediction_fields(case.film, case.predict())
    except CxrError as error:
        return {"file": name, "error": str(error)}
    return {**told, "file": name, "correction": case.film.correction, "error": None}


def _reported(batches: Iterable[list[Row]], films: int, say: Callable[[str], None]) -> Iterator[list[Row]]:
    """The batches, with a line on the progress every REPORTS seconds."""
    started = told = time.monotonic()
    done = 0
    for rows in batches:
        yield rows
        done += len(rows)
        now = time.monotonic()
        if done and now - told >= REPORTS:
            told = now
            left = timedelta(seconds=round((now - started) / done * (films - done)))
            say(f"{done:,} of {films:,} films, {done / (now - started):.1f} a second, {left} left")
