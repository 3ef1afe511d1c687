"""Read CSV label tables and the films they list: targets in [0, 1], nan where masked."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo import tables
from cxr_demo.errors import DataError
from cxr_demo.films import film_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Values of a label cell, in lower case: present (1), absent (0), uncertain (-1) or missing (nan).
CELLS = {
    "1": 1.0,
    "1.0": 1.0,
    "0": 0.0,
    "0.0": 0.0,
    "-1": -1.0,
    "-1.0": -1.0,
    "": math.nan,
    "nan": math.nan,
}
#: Target of an uncertain label (-1), by policy; `smooth` is the mean of the range in Pham et al. (arXiv:1911.06475).
UNCERTAIN = {"mask": math.nan, "positive": 1.0, "negative": 0.0, "smooth": 0.7}
#: Target of a missing label, by policy.
MISSING = {"mask": math.nan, "negative": 0.0}

#: Columns other than labels, by the field of Films that holds them.
COLUMNS = {"sources": "source_set", "views": "view", "sexes": "sex"}
NUMBERS = {"ages": "age", "follow_ups": "follow_up"}
#: Upper limit of box coordinates in pixels, larger than any film.
MOST_PIXELS = 1_000_000
KNOWN = {"file", "patient_id", "boxes", *COLUMNS.values(), *NUMBERS.values()}


@dataclass(frozen=True)
class Policy:
    """Targets of uncertain and missing labels in training: keys of UNCERTAIN and MISSING."""

    uncertain: str = "mask"
    missing: str = "mask"

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Convert labels (N, L), which are 1, 0, -1 or nan, to targets (N, L) float32; nan is masked."""
        targets = np.where(raw == -1, UNCERTAIN[self.uncertain], raw)
        return np.where(np.isnan(raw), MISSING[self.missing], targets).astype(np.float32)


@dataclass(frozen=True)
class Box:
    """An annotated bounding box of a finding, in pixels of the file."""

    label: str
    left: float
    top: float
    width: float
    height: float

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in pixels of the film."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Box:
        """Build a box from an entry of a table's `boxes`; KeyError, TypeError or ValueError for an invalid entry."""
        place = [fields[name] for name in ("x", "y", "w", "h")]
        if not all(abs(pixels) < MOST_PIXELS for pixels in place):  # nan fails too
            raise ValueError(f"{place} is no place on a film")
        return cls(fields["label"], *place)

    def fields(self) -> dict[str, Any]:
        """Return the box as an entry of a table's `boxes`."""
        return {"label": self.label, "x": self.left, "y": self.top, "w": self.width, "h": self.height}


@dataclass(frozen=True, eq=False)
class Films:
    """N labelled films; the first axis of every array is N, and missing entries are "" or nan."""

    paths: tuple[Path, ...]
    patients: np.ndarray  # (N,) str
    sources: np.ndarray  # (N,) str, the collection of each film
    labels: tuple[str, ...]  # L
    targets: np.ndarray  # (N, L) float32 in [0, 1], nan where masked
    views: np.ndarray  # (N,) str: PA, AP ...
    sexes: np.ndarray  # (N,) str: M, F
    ages: np.ndarray  # (N,) float, years
    follow_ups: np.ndarray  # (N,) float, the film's number in its patient's history
    boxes: tuple[tuple[Box, ...], ...]
    extra: Mapping[str, np.ndarray]  # (N,) str each: the table's other columns, e.g. "No Finding"

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def names(self) -> np.ndarray:
        """Names (N,) of the films, which differ, see `film_names.unique`."""
        return np.array(film_names.unique(self.paths))

    def take(self, rows: np.ndarray) -> Films:
        """Select films; `rows` are indices (n,) or a mask (N,) bool."""
        rows = np.arange(len(self))[rows]
        chosen: dict[str, Any] = {"extra": {name: column[rows] for name, column in self.extra.items()}}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("paths", "boxes"):
                chosen[field.name] = tuple(value[i] for i in rows)
            elif isinstance(value, np.ndarray):
                chosen[field.name] = value[rows]
        return replace(self, **chosen)


def read_tables(
    paths: Sequence[Path], labels: Sequence[str], policy: Policy | None = None, images: Path | None = None
) -> Films:
    """Read the films of CSV tables with the columns `file`, `patient_id` and one per label.

    The columns of COLUMNS and NUMBERS, and `boxes` (JSON with `label, x, y, w, h`), are optional. Image files are in
    `images`, by default the folder of that name beside each table. DataError names the table, line and column of the
    first invalid cell or missing file; no line is skipped.
    """
    rows = [row for path in paths for row in _rows(Path(path), labels, images or Path(path).parent / "images")]
    if not rows:
        raise DataError(f"No film in {', '.join(map(str, paths))}.")
    files = tuple(row["path"] for row in rows)
    if len(set(files)) < len(files):
        raise DataError("A file is listed twice; each film needs one line.")

    def text(name: str) -> np.ndarray:
        return np.array([row.get(name) or "" for row in rows])

    names = dict.fromkeys(name for row in rows for name in row if isinstance(name, str))
    return Films(
        paths=files,
        patients=text("patient_id"),
        labels=tuple(labels),
        targets=(policy or Policy()).apply(np.array([row["labels"] for row in rows], float)),
        **{field: text(column) for field, column in COLUMNS.items()},
        **{field: np.array([row["numbers"][column] for row in rows]) for field, column in NUMBERS.items()},
        boxes=tuple(row["found"] for row in rows),
        extra={n: text(n) for n in names if n not in {*KNOWN, *labels, "path", "labels", "numbers", "found"}},
    )


def join(parts: Sequence[Films]) -> Films:
    """Concatenate the films of several collections; DataError if their labels differ."""
    if len({part.labels for part in parts}) > 1:
        raise DataError("These collections have different labels; read them with the same ones.")
    names = dict.fromkeys(name for part in parts for name in part.extra)
    joined: dict[str, Any] = {
        "labels": parts[0].labels,
        "paths": tuple(path for part in parts for path in part.paths),
        "boxes": tuple(boxes for part in parts for boxes in part.boxes),
        "extra": {
            name: np.concatenate([part.extra.get(name, np.full(len(part), "")) for part in parts]) for name in names
        },
    }
    for field in fields(Films):
        if field.name not in joined:
            joined[field.name] = np.concatenate([getattr(part, field.name) for part in parts])
    return Films(**joined)


def columns(table: Path) -> list[str]:
    """Return a table's column names; DataError if the file cannot be read as a table."""
    return tables.read(table)[0]


def _rows(table: Path, labels: Sequence[str], images: Path) -> list[dict[str, Any]]:
    """Read a table's lines as dictionaries of the cells, plus the parsed `path`, `labels`, `numbers` and `found`.

    `found` has the boxes. Raises DataError for a missing column, a missing image file or an invalid cell.
    """
    names, lines = tables.read(table)
    missing = [c for c in ("file", "patient_id", *labels) if c not in names]
    if missing:
        hint = " Name the findings that it has with --labels." if set(missing) & set(labels) else ""
        raise DataError(f"{table} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.{hint}")
    rows: list[dict[str, Any]] = []
    for line, row in lines:
        where = f"{table} line {line}"
        if not row["file"]:
            raise DataError(f"{where} names no file.")
        path = images / row["file"]
        if not path.is_file():
            raise DataError(f"{where}: {row['file']} is not in {path.parent}.")
        rows.append(
            {
                **row,
                "path": path,
                "labels": [_cell(where, label, row[label]) for label in labels],
                "numbers": {column: _number(where, column, row.get(column)) for column in NUMBERS.values()},
                "found": _boxes(where, row.get("boxes")),
            }
        )
    return rows


def _cell(where: str, label: str, text: str | None) -> float:
    """Parse a label cell by CELLS; DataError, which starts with `where`, for other texts."""
    try:
        return CELLS[(text or "").strip().lower()]
    except KeyError:
        raise DataError(f"{where}, {label}: {text!r} is none of 0, 1, -1 (uncertain) and empty.") from None


def _number(where: str, column: str, text: str | None) -> float:
    """Parse a numeric cell, nan if empty; DataError for other texts."""
    try:
        return float(text) if text else math.nan
    except ValueError:
        raise DataError(f"{where}, {column}: {text!r} is no number.") from None


def _boxes(where: str, text: str | None) -> tuple[Box, ...]:
    """Parse a `boxes` cell, a JSON list or empty; DataError for other texts."""
    try:
        return tuple(Box.of(box) for box in json.loads(text or "[]"))
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{where}, boxes: {text!r:.60} is no list of boxes with label, x, y, w and h.") from None
