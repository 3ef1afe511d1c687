"""Runs a benchmark film by film, in one or several processes, and resumes an interrupted run."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo import processes
from cxr_demo.errors import CxrError, DataError
from cxr_demo.evaluation.benchmark.film import measure_film
from cxr_demo.evaluation.benchmark.plan import Plan
from cxr_demo.evaluation.benchmark.tables import write_tables
from cxr_demo.files import write_whole
from cxr_demo.methods.base import values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cxr_demo.films.label_tables import Films
    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier


def measure_films(
    model: Classifier,
    films: Films,
    methods: Sequence[Method],
    out: Path,
    *,
    limit: int | None = None,
    permuted: int = 0,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Measure all films without a record of the same plan, then write tables and plots; returns errors of failed films.

    Those are the films of this process; of the first process, all.

    `limit` is the number of films to measure, evenly spaced among those with a finding to measure, and `permuted` that
    of films, evenly spaced among these, that also get weight randomisation. Processes started together (`torchrun`)
    divide the films, and the first one writes the tables. Passes progress to `say`. DataError if no film has a finding
    to measure.
    """
    plan = Plan(model.name, {m.key: values_of(m) for m in methods})
    found = pairs(films)
    if not found:
        raise DataError(f"No film has a box or a label of {', '.join(films.labels)}; there is nothing to measure.")
    folder = out / "films"
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(found)
    if limit and limit < len(rows):
        rows = [rows[k * len(rows) // limit] for k in range(limit)]
    with_permuted = set(rows[:: max(1, len(rows) // permuted)][:permuted]) if permuted else set()
    rank, count = processes.place()
    failed, mine = [], rows[rank::count]
    started, done = time.monotonic(), 0
    for at, row in enumerate(mine):
        name = films.names[row]
        path = folder / f"{name}.json"
        if _known(path, plan, row in with_permuted):
            continue
        try:
            record = measure_film(model, films, row, found[row], methods, row in with_permuted)
        except CxrError as error:
            failed.append(str(error))
            say(f"{name}: {error}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(
            path, json.dumps({"plan": plan.digest, "permuted": row in with_permuted, **record}, indent=1) + "\n"
        )
        for warning in record["warnings"]:
            say(f"{name}: {warning}")
        done += 1
        left = (time.monotonic() - started) / done * (len(mine) - at - 1)
        say(f"{at + 1} of {len(mine)}: {name}, {timedelta(seconds=round(left))} left")
    processes.wait()
    if rank == 0:
        write_tables(out, plan, set(films.names.tolist()))
        failed += [
            f"{films.names[row]} could not be measured; the process that tried says why."
            for row in set(rows).difference(mine)
            if not _known(folder / f"{films.names[row]}.json", plan, row in with_permuted)
        ]
    return failed


def pairs(films: Films) -> dict[int, list[int]]:
    """Indices of the findings to measure, by row: findings with boxes, or, if no film has boxes, those labelled 1."""
    boxed = {
        row: sorted({films.labels.index(box.label) for box in boxes if box.label in films.labels})
        for row, boxes in enumerate(films.boxes)
    }
    if not any(boxed.values()):
        boxed = {row: np.flatnonzero(films.targets[row] == 1).tolist() for row in range(len(films))}
    return {row: findings for row, findings in boxed.items() if findings}


def _known(path: Path, plan: Plan, permuted: bool) -> bool:
    """Whether a record exists that this plan wrote, with permuted weights if requested."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return bool(record["plan"] == plan.digest and record["permuted"] >= permuted)
    except (OSError, ValueError, KeyError, TypeError):
        return False
