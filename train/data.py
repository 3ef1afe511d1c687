"""Label tables and the films they name."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a cell of a label column may say, in lower case; "missing" cells are masked in the loss.
CELLS = {
    "1": 1.0,
    "1.0": 1.0,
    "0": 0.0,
    "0.0": 0.0,
    "": math.nan,
    "nan": math.nan,
    "-1": math.nan,
    "-1.0": math.nan,
}


@dataclass(frozen=True, eq=False)
class Films:
    """N labelled films; every array's first axis is N."""

    paths: tuple[Path, ...]
    patients: np.ndarray  # (N,) str
    sources: np.ndarray  # (N,) str, where the film came from; "" if the table does not say
    labels: tuple[str, ...]  # L
    targets: np.ndarray  # (N, L) float32: 1, 0, or nan where the table is silent

    def __len__(self) -> int:
        return len(self.paths)


def read_tables(tables: Sequence[Path], labels: Sequence[str]) -> Films:
    """The films of CSV tables with columns `file`, `patient_id`, one per label and, if known, `source_set`.

    The files lie in the folder `images` beside each table. DataError names the table, line and column that is
    wrong; nothing is skipped silently.
    """
    rows = [row for table in tables for row in _rows(Path(table), labels)]
    if not rows:
        raise DataError(f"No film in {', '.join(map(str, tables))}.")
    paths, patients, sources, targets = zip(*rows, strict=True)
    if len(set(paths)) < len(paths):
        raise DataError("A file is listed twice; each film needs one line.")
    return Films(paths, np.array(patients), np.array(sources), tuple(labels), np.array(targets, np.float32))


def _rows(table: Path, labels: Sequence[str]) -> list[tuple[Path, str, str, list[float]]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table} cannot be read as a table: {error}.") from None
    reader = csv.DictReader(text.splitlines())
    missing = [c for c in ("file", "patient_id", *labels) if c not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{table} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.")
    rows = []
    for line, row in enumerate(reader, start=2):
        path = table.parent / "images" / row["file"]
        if not path.is_file():
            raise DataError(f"{table} line {line}: {row['file']} is not in {path.parent}.")
        cells = [_cell(table, line, label, row[label]) for label in labels]
        rows.append((path, row["patient_id"], row.get("source_set") or "", cells))
    return rows


def _cell(table: Path, line: int, label: str, text: str | None) -> float:
    try:
        return CELLS[(text or "").strip().lower()]
    except KeyError:
        raise DataError(f"{table} line {line}, {label}: {text!r} is none of 0, 1, -1 (unknown) and empty.") from None
