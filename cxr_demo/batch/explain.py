"""Explain many films: maps in files of several films, with an index, and the predictions beside them."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.batch import tables
from cxr_demo.batch.films import Progress, read_ahead
from cxr_demo.batch.journal import Journals
from cxr_demo.batch.predict import prediction_row
from cxr_demo.case import Case
from cxr_demo.errors import CxrError
from cxr_demo.evaluation import trust
from cxr_demo.files import write_whole
from cxr_demo.films import image
from cxr_demo.methods.base import values_of
from cxr_demo.output import report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.batch.films import Part
    from cxr_demo.batch.journal import Row
    from cxr_demo.films.archives import FilmFile
    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Radiograph

NAME = "maps"
#: Films whose maps share a file, and the folder of maps whose file is not complete.
SHARD, UNFINISHED = 16, "unfinished"
#: Names of a film's arrays besides those of its maps: the film as the model sees it, and its lungs.
VIEW, LUNGS = "view", "lungs"


def explain_films(
    model: Classifier,
    files: Sequence[FilmFile],
    methods: Sequence[Method],
    out: Path,
    part: Part,
    put_right: Callable[[Radiograph], Radiograph],
    plan: Mapping[str, Any],
    say: Callable[[str], None],
    *,
    tested: bool = False,
) -> bool:
    """Explain the films of a part that have no maps yet; once all films have, write the index and the predictions.

    `maps-00000.npz` holds the maps of the first SHARD films, an array (L, S, S) float32 for each film and method, and
    for each film its VIEW (S, S) uint8 and LUNGS (G, G) bool; `maps.parquet` says where each map lies. `tested` adds
    the test by covering, see `trust.measure`. `put_right`, `plan`, errors and the value returned are those of
    `predict_films`.
    """
    tables.pyarrow()  # before hours of work
    names = [str(file.shown) for file in files]
    plan = {
        "model": model.name,
        "labels": list(model.labels),
        "methods": {method.key: values_of(method) for method in methods},
        "tested": tested,
        "films": hashlib.sha256("\n".join(names).encode()).hexdigest(),  # they decide which films share a file
        **plan,
    }
    journals = Journals(out, NAME, part, plan)
    known = journals.files()
    work = _Work(model, methods, out, names, tested)
    mine = [i for i in range(len(files)) if i // SHARD % part.of == part.number]
    left = [i for i in mine if names[i] not in known]
    progress = Progress(len(left), say)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        films = read_ahead(pool, (files[i] for i in left), put_right)
        for i, (_, film) in zip(left, films, strict=True):
            journals.own.add([work.row(i, film)])
            known.add(names[i])
            progress.add(1)
            work.join(i // SHARD, known)
    for shard in dict.fromkeys(i // SHARD for i in mine):
        work.join(shard, known)
    table = tables.Predictions(names, model.labels)
    table.add(journals.rows())
    if table.write(out / tables.PREDICTIONS, say):
        tables.write_index(out / tables.MAPS, work.entries(journals))
    return not table.failed & {names[i] for i in mine}


class _Work:
    """Explains films, by their index in `names`, and joins their maps to files."""

    def __init__(
        self, model: Classifier, methods: Sequence[Method], out: Path, names: Sequence[str], tested: bool
    ) -> None:
        self.model, self.methods, self.out, self.names, self.tested = model, methods, out, names, tested
        (out / UNFINISHED).mkdir(exist_ok=True)

    def row(self, i: int, film: Radiograph | str) -> Row:
        """Explain film `i` and store its maps; the row of its prediction, measures and place of the maps."""
        name = self.names[i]
        if isinstance(film, str):
            return {"file": name, "error": film}
        try:
            case = Case(self.model, film)
            told = prediction_row(name, case)
            explanations = [case.last_explanation(method) for method in self.methods]
            measured = [self._measured(case, *pair) for pair in zip(self.methods, explanations, strict=True)]
        except CxrError as error:
            return {"file": name, "error": str(error)}
        # before the row, which says that they are here
        arrays: dict[str, np.ndarray] = {_array(i, e.method): e.values for e in explanations}
        seen = image.view(case.film, case.model.size)
        arrays |= {_array(i, VIEW): np.rint(255 * seen).astype(np.uint8), _array(i, LUNGS): trust.lungs_of(case).mask}
        write_whole(self._unfinished(i), _npz(np.savez, arrays), synced=True)
        return {**told, "maps": dict(zip((e.method for e in explanations), measured, strict=True))}

    def _measured(self, case: Case, method: Method, explanation: Explanation) -> dict[str, Any]:
        """Measures of a method's maps as JSON values, as in `maps.parquet`; lists are in the order of the labels."""
        outside, border = trust.misplaced(explanation.values, trust.lungs_of(case))
        found: dict[str, Any] = {
            "unit": explanation.unit.value,
            "stopped": explanation.stopped,
            "fidelity": None if explanation.fidelity is None else report.measures(explanation.fidelity),
            "error_share": None if explanation.error is None else report.measures(report.error_share(explanation)),
            "outside_lungs": report.measures(outside),
            "at_border": report.measures(border),
        }
        if self.tested:
            told = trust.measure(case, method, explanation)
            each = range(len(explanation.labels))
            found["verdict"] = [told.verdict(i).value for i in each]
            found["faithfulness"] = report.measures(np.array([told.best(i).score[i] for i in each]))
            found["stability"] = report.measures(told.stability)
        return found

    def join(self, shard: int, known: set[str]) -> None:
        """Write a file of maps once all its films have a row, and delete the single ones."""
        films = range(shard * SHARD, min((shard + 1) * SHARD, len(self.names)))
        if not all(self.names[i] in known for i in films) or not any(self._unfinished(i).exists() for i in films):
            return
        target, arrays = self.out / _file(shard), {}
        if target.exists():  # it was killed while it deleted
            with np.load(target) as joined:
                arrays = dict(joined)
        for i in films:
            if self._unfinished(i).exists():
                with np.load(self._unfinished(i)) as single:
                    arrays |= dict(single)
        write_whole(target, _npz(np.savez_compressed, dict(sorted(arrays.items()))), synced=True)
        for i in films:
            self._unfinished(i).unlink(missing_ok=True)

    def entries(self, journals: Journals) -> Iterator[list[dict[str, Any]]]:
        """The rows of `maps.parquet` in the order of the films, in lists for a few files of maps each."""
        each = 16 * SHARD
        for start in range(0, len(self.names), each):
            names = self.names[start : start + each]
            found = {row["file"]: row for row in journals.rows(names)}
            yield [
                {
                    **{n: value[at] if isinstance(value, list) else value for n, value in measured.items()},
                    "file": name,
                    "method": key,
                    "finding": finding,
                    "shard": _file(i // SHARD),
                    "array": _array(i, key),
                    "position": at,
                }
                for i, name in enumerate(names, start)
                for key, measured in found[name].get("maps", {}).items()
                for at, finding in enumerate(self.model.labels)
            ]

    def _unfinished(self, i: int) -> Path:
        return self.out / UNFINISHED / f"{i:06}.npz"


def _file(shard: int) -> str:
    return f"{NAME}-{shard:05}.npz"


def _array(i: int, method: str) -> str:
    return f"{i % SHARD:02}-{method}"


def _npz(save: Callable[..., None], arrays: Mapping[str, np.ndarray]) -> bytes:
    written = io.BytesIO()
    save(written, **arrays)
    return written.getvalue()
