"""Predict many films: read side by side, scored in batches, and written as one table."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cxr_demo.batch import tables
from cxr_demo.batch.films import Done, Progress, in_order, read, readers, state, threads
from cxr_demo.batch.journal import Journals
from cxr_demo.case import Case, Logits
from cxr_demo.errors import CxrError
from cxr_demo.films import image
from cxr_demo.inference.engine import films_at_once, logits_of_films
from cxr_demo.output import report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.batch.films import Part
    from cxr_demo.batch.journal import Row
    from cxr_demo.films.archives import FilmFile
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Radiograph

NAME = "predictions"
#: Batches per thread that are begun before their turn.
AHEAD = 4


@dataclass(frozen=True, eq=False)
class Read:
    """A film's case, with the model input (1, 1, S, S)."""

    case: Case
    x: Tensor


def predict_films(
    model: Classifier,
    files: Sequence[FilmFile],
    out: Path,
    part: Part,
    put_right: Callable[[Radiograph], Radiograph],
    plan: Mapping[str, Any],
    say: Callable[[str], None],
) -> Done:
    """Predict the films of a part that are not predicted yet, and write `predictions.parquet` once all have a row.

    `put_right` corrects a film before it is scored; `plan` says how, so that results of another plan are refused. A
    film that fails has the reason in the column `error`. The next run tries it again, and films whose files have
    changed. DataError if `out` cannot be used.
    """
    journals = Journals(out, NAME, part, {"model": model.name, "labels": list(model.labels), **plan})
    mine = [files[i] for i in part.range(len(files))]
    with journals.alone(), readers() as pool:
        left = left_of(mine, journals, say)
        progress = Progress(len(left), say)
        work = partial(_rows, model, put_right)
        # each thread takes a batch from its files to its rows, so that all cores work all the time
        size = films_at_once(model.size)
        items = list(left.items())
        batches = (items[start : start + size] for start in range(0, len(items), size))
        for rows in in_order(pool, batches, work, AHEAD * threads()):
            journals.own.add(rows)
            progress.add(len(rows))
    table = tables.Predictions([str(file.shown) for file in files], model.labels)
    table.add(journals.rows())
    written = table.write(out / tables.PREDICTIONS, say)
    return Done(
        failed=[name for file in mine if (name := str(file.shown)) in table.failed],
        table=out / tables.PREDICTIONS if written else None,
    )


def left_of(
    files: Sequence[FilmFile],
    journals: Journals,
    say: Callable[[str], None],
    has_results: Callable[[FilmFile], bool] = lambda _: True,
) -> dict[FilmFile, str | None]:
    """The films to work on, each with its file's `state`: without a row of success, changed, or without results.

    `say` gets the number of the others, if there are any.
    """
    succeeded = journals.succeeded()

    def done(file: FilmFile, now: str | None) -> bool:
        known = succeeded.get(str(file.shown))
        return known is not None and now in (None, known.state) and has_results(file)

    left = {file: now for file in files if not done(file, now := state(file))}
    if len(left) < len(files):
        say(f"{len(files) - len(left):,} of {len(files):,} films are done already.")
    return left


def _rows(
    model: Classifier, put_right: Callable[[Radiograph], Radiograph], files: Sequence[tuple[FilmFile, str | None]]
) -> list[Row]:
    """The rows of a batch of films, given with their states: a prediction, or the reason why there is none."""

    def prepare(film: Radiograph) -> Read:
        case = Case(model, put_right(film))
        return Read(case, torch.from_numpy(image.model_input(case.film, model.size, model.spec.pixel_range)))

    found = {file: read(file, prepare) for file, _ in files}
    _score([one for one in found.values() if isinstance(one, Read)])
    return [{**_row(str(file.shown), found[file]), "state": known} for file, known in files]


def _score(films: Sequence[Read]) -> None:
    """Compute the logits of films for their cases; films of one model, such as a fold of a run, are scored together."""
    for model in dict.fromkeys(one.case.model for one in films):
        own = [one for one in films if one.case.model is model]
        with _compiling:
            logits = _scorer(model)
        # filled up, so that a film's numbers depend on no other film
        x = torch.zeros(films_at_once(model.size), 1, model.size, model.size)
        x[: len(own)] = torch.cat([one.x for one in own])
        for one, values in zip(own, logits(x), strict=False):
            one.case.once(Logits, partial(Logits, values))


#: The threads share one compiled model.
_compiling = threading.Lock()


@functools.cache
def _scorer(model: Classifier) -> Callable[[Tensor], np.ndarray]:
    return logits_of_films(model, threads())


def _row(name: str, film: Read | str) -> Row:
    """A film's prediction, or the reason why it has none."""
    if isinstance(film, str):
        return {"file": name, "error": film}
    try:
        return prediction_row(name, film.case)
    except CxrError as error:
        return {"file": name, "error": str(error)}


def prediction_row(name: str, case: Case) -> Row:
    """The row of a film that was read; CxrError if the model fails."""
    prediction = case.predict()
    above = [prediction.labels[i] for i in np.flatnonzero(prediction.probabilities >= prediction.thresholds)]
    told = {**report.prediction_fields(case.film, prediction), "above_cutoff": above}
    return {**told, "file": name, "correction": case.film.correction, "error": None}
