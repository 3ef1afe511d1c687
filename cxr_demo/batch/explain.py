"""Explain many films: maps in files of several films, with an index, and the predictions beside them."""

from __future__ import annotations

import hashlib
import io
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.batch import tables
from cxr_demo.batch.films import Done, Progress, in_order, read, readers
from cxr_demo.batch.journal import Journals
from cxr_demo.batch.predict import left_of, prediction_row
from cxr_demo.case import Case
from cxr_demo.errors import CxrError, DataError
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
#: Films that are read before their turn.
AHEAD = 8
#: Films whose maps share an archive, and the folder of films whose archive is not complete.
TOGETHER, UNFINISHED = 16, "unfinished"
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
    page: Callable[[int, Case, Sequence[Explanation]], None] | None = None,
) -> Done:
    """Explain the films of a part that have no maps yet; once all films have, write the index and the predictions.

    `maps-00000.npz` is an archive of the first TOGETHER films: for each an array (L, S, S) float32 per method, its VIEW
    (S, S) uint8 and its LUNGS (G, G) bool; `maps.parquet` says where each map lies. `tested` adds the test by covering,
    see `trust.measure`. `page` gets the index of each film among `files`, its case and its maps before the row is kept.
    `put_right`, `plan`, the films that are tried again, and errors are those of `predict_films`.
    """
    names = [str(file.shown) for file in files]
    plan = {
        "model": model.name,
        "labels": list(model.labels),
        "methods": {method.key: values_of(method) for method in methods},
        "tested": tested,
        # they decide which films share an archive
        "films": f"{len(names):,} films ({hashlib.sha256(str(names).encode()).hexdigest()[:12]})",
        **plan,
    }
    journals = Journals(out, NAME, part, plan)
    work = _Work(model, methods, out, names, tested, page)
    archives = part.range(-(-len(files) // TOGETHER))
    mine = range(archives.start * TOGETHER, min(archives.stop * TOGETHER, len(files)))
    with journals.alone(), readers() as pool:
        place = {file: i for i, file in enumerate(files)}
        left = left_of([files[i] for i in mine], journals, say, lambda file: work.has_maps(place[file]))
        done = {i for i in mine if files[i] not in left}
        progress = Progress(len(left), say)
        films = in_order(pool, left, partial(read, work=put_right), AHEAD)
        for (file, known), film in zip(left.items(), films, strict=True):
            i = place[file]
            journals.own.add([{**work.row(i, film), "state": known}])
            done.add(i)
            progress.add(1)
            work.join(i // TOGETHER, done)
        for archive in archives:
            work.join(archive, done)
    table = tables.Predictions(names, model.labels)
    table.add(journals.rows())
    written = table.write(out / tables.FILMS, say)
    if written:
        tables.write_index(out / tables.MAPS, model.name, work.entries(journals))
    return Done(
        failed=[names[i] for i in mine if names[i] in table.failed], table=out / tables.MAPS if written else None
    )


class _Work:
    """Explains films, by their index in `names`, and joins their maps to files."""

    def __init__(
        self,
        model: Classifier,
        methods: Sequence[Method],
        out: Path,
        names: Sequence[str],
        tested: bool,
        page: Callable[[int, Case, Sequence[Explanation]], None] | None,
    ) -> None:
        self.model, self.methods, self.out, self.names = model, methods, out, names
        self.tested, self.page = tested, page
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
            if self.page:
                self.page(i, case, explanations)
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

    def has_maps(self, i: int) -> bool:
        """Whether the file with the maps of film `i`, or its archive, is on the disk."""
        return (self.out / _archive(i // TOGETHER)).exists() or self._unfinished(i).exists()

    def join(self, archive: int, done: set[int]) -> None:
        """Write an archive once all its films are done, and delete the files of single films.

        DataError if an archive that is there already is damaged.
        """
        films = range(archive * TOGETHER, min((archive + 1) * TOGETHER, len(self.names)))
        single = [path for i in films if (path := self._unfinished(i)).exists()]
        if not done.issuperset(films) or not single:
            return
        target, arrays = self.out / _archive(archive), {}
        if target.exists():  # an earlier process was killed while it deleted, or films have changed
            try:
                # numpy leaves a damaged file open
                arrays = dict(np.load(io.BytesIO(target.read_bytes())))
            except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise DataError(
                    f"{target} is damaged ({error}). Delete it and run again: its films are then explained anew."
                ) from None
        for path in single:
            with np.load(path) as alone:
                arrays |= dict(alone)
        write_whole(target, _npz(np.savez_compressed, dict(sorted(arrays.items()))), synced=True)
        for path in single:
            path.unlink(missing_ok=True)

    def entries(self, journals: Journals) -> Iterator[list[dict[str, Any]]]:
        """The rows of `maps.parquet` in the order of the films, in lists for a few archives each."""
        each = 64 * TOGETHER
        for start in range(0, len(self.names), each):
            names = self.names[start : start + each]
            found = {row["file"]: row for row in journals.rows(names)}
            yield [
                {
                    **{n: value[at] if isinstance(value, list) else value for n, value in measured.items()},
                    "file": name,
                    "method": key,
                    "finding": finding,
                    "archive": _archive(i // TOGETHER),
                    "array": _array(i, key),
                    "position": at,
                }
                for i, name in enumerate(names, start)
                for key, measured in found[name].get("maps", {}).items()
                for at, finding in enumerate(self.model.labels)
            ]

    def _unfinished(self, i: int) -> Path:
        return self.out / UNFINISHED / f"{i:06}.npz"


def _archive(number: int) -> str:
    return f"{NAME}-{number:05}.npz"


def _array(i: int, name: str) -> str:
    return f"{i % TOGETHER:02}-{name}"


def _npz(save: Callable[..., None], arrays: Mapping[str, np.ndarray]) -> bytes:
    written = io.BytesIO()
    save(written, **arrays)
    return written.getvalue()
