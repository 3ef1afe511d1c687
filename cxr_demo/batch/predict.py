"""Predict many films: read side by side, scored in batches, and written as one table."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from cxr_demo.batch import tables
from cxr_demo.batch.films import Progress, in_order, read, threads
from cxr_demo.batch.journal import Journals
from cxr_demo.case import Case, Logits
from cxr_demo.errors import CxrError
from cxr_demo.films import image
from cxr_demo.inference.engine import films_at_once, logits_of_films
from cxr_demo.output import report
from cxr_demo.tables import pyarrow

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
    """Predict the films of a part that are not predicted yet, and write `predictions.parquet` once all have a row.

    `put_right` corrects a film before it is scored; `plan` says how, so that results of another plan are refused. A
    film that fails has its sentence in the column `error`, and is tried again by the next run. Returns whether all
    films of the part have a prediction. DataError if `out` cannot be used, BadSetting if pyarrow is not installed.
    """
    pyarrow()  # before hours of work
    journals = Journals(out, NAME, part, {"model": model.name, "labels": list(model.labels), **plan})
    mine = files[part.number :: part.of]
    with journals.alone(), ThreadPoolExecutor(threads()) as pool:
        succeeded = journals.succeeded()
        left = [file for file in mine if str(file.shown) not in succeeded]
        progress = Progress(len(left), say)
        work = partial(_rows, model, put_right)
        # each thread takes a batch from its files to its rows, so that all cores work all the time
        size = films_at_once(model.size)
        batches = (left[start : start + size] for start in range(0, len(left), size))
        for rows in in_order(pool, batches, work, AHEAD * threads()):
            journals.own.add(rows)
            progress.add(len(rows))
    table = tables.Predictions([str(file.shown) for file in files], model.labels)
    table.add(journals.rows())
    table.write(out / tables.PREDICTIONS, say)
    return not table.failed & {str(file.shown) for file in mine}


def _rows(model: Classifier, put_right: Callable[[Radiograph], Radiograph], files: Sequence[FilmFile]) -> list[Row]:
    """The rows of a batch of films: a prediction, or the sentence on why there is none."""

    def prepare(film: Radiograph) -> Read:
        right = put_right(film)
        return Read(right, torch.from_numpy(image.model_input(right, model.size, model.spec.pixel_range)))

    found = {str(file.shown): read(file, prepare) for file in files}
    cases = _cases(model, {name: one for name, one in found.items() if isinstance(one, Read)})
    return [_row(name, cases.get(name, str(one))) for name, one in found.items()]


def _cases(model: Classifier, films: Mapping[str, Read]) -> dict[str, Case]:
    """The cases of films by name; films of one model, such as a fold of a run, are scored together."""
    found = {name: Case(model, one.film) for name, one in films.items()}
    for chosen in dict.fromkeys(case.model for case in found.values()):
        names = [name for name, case in found.items() if case.model is chosen]
        with _compiling:
            logits = _scorer(chosen)
        # filled up, so that a film's numbers depend on no other film
        x = torch.zeros(films_at_once(model.size), 1, model.size, model.size)
        x[: len(names)] = torch.cat([films[name].x for name in names])
        for name, values in zip(names, logits(x), strict=False):
            found[name] = Case(model, films[name].film, {Logits: Logits(values)})
    return found


#: The threads share one compiled model.
_compiling = threading.Lock()


@functools.cache
def _scorer(model: Classifier) -> Callable[[Tensor], np.ndarray]:
    return logits_of_films(model, threads())


def _row(name: str, case: Case | str) -> Row:
    """A film's prediction, or the sentence on why it has none."""
    if isinstance(case, str):
        return {"file": name, "error": case}
    try:
        return prediction_row(name, case)
    except CxrError as error:
        return {"file": name, "error": str(error)}


def prediction_row(name: str, case: Case) -> Row:
    """The row of a film that was read; CxrError if the model fails."""
    prediction = case.predict()
    above = [prediction.labels[i] for i in np.flatnonzero(prediction.probabilities >= prediction.thresholds)]
    told = {**report.prediction_fields(case.film, prediction), "above_cutoff": above}
    return {**told, "file": name, "correction": case.film.correction, "error": None}
