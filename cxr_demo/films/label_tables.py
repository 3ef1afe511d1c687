"""Read CSV label tables and the films they list: targets in [0, 1], nan where masked."""

from __future__ import annotations

import hashlib
import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo import tables
from cxr_demo.errors import DataError
from cxr_demo.films import film_names
from cxr_demo.films.image_files import ImageFiles
from cxr_demo.films.table_columns import NAMES, Columns, bare, meant, recognise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

#: Values of a label cell besides numbers, in small letters: present (1), absent (0), uncertain (-1) or missing (nan).
CELLS = {
    **dict.fromkeys(("true", "yes", "y", "positive", "present"), 1.0),
    **dict.fromkeys(("false", "no", "n", "negative", "absent"), 0.0),
    **dict.fromkeys(("uncertain", "u"), -1.0),
    **dict.fromkeys(("", "na", "n/a", "nan", "none", "null", "unknown", "missing"), math.nan),
}
#: Texts of a cell that mean that nothing is known.
BLANK = frozenset(text for text, value in CELLS.items() if math.isnan(value)) | {"-", "?"}
#: Target of an uncertain label (-1), by policy; `smooth` is the mean of the range in Pham et al. (arXiv:1911.06475).
UNCERTAIN = {"mask": math.nan, "positive": 1.0, "negative": 0.0, "smooth": 0.7}
#: Target of a missing label, by policy.
MISSING = {"mask": math.nan, "negative": 0.0}

#: Columns other than labels, by the field of Films that holds them.
COLUMNS = {"sources": "source_set", "views": "view", "sexes": "sex"}
NUMBERS = {"ages": "age", "follow_ups": "follow_up"}
#: Upper limit of box coordinates in pixels, larger than any film.
MOST_PIXELS = 1_000_000
#: Years of the units of ages, as in DICOM's 057Y.
YEARS = {"y": 1, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}
#: The patient in a path like CheXpert's.
PATIENT = re.compile(r"(?:^|[/\\])(patient\d+)(?=[/\\])", re.IGNORECASE)
#: Most faulty lines that an error lists.
MOST_FAULTS = 10


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
    paths: Sequence[Path],
    labels: Sequence[str],
    policy: Policy | None = None,
    images: Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    blank_patients: str = "refuse",
) -> Films:
    """Read the films of CSV tables, with a row per film and the columns of `table_columns`.

    `columns` are headers by the project's name, for columns with other names. Image files are in `images`, by default
    in the folder of that name beside each table, or where ImageFiles finds them. Rows of the same film that agree
    are one, with the boxes of all. `blank_patients`: "refuse" films without a patient, make each a patient of its
    "own", or "keep" the empty name. DataError lists the faulty rows, the first MOST_FAULTS with table, line and column.
    """
    read = [_Table.read(Path(path), labels, images, columns or {}) for path in paths]
    rows = [row for table in read for row in table.rows]
    faults = [fault for table in read for fault in table.faults]
    if blank_patients == "refuse" and any(not row["patient"] for row in rows):
        faults += [f"{row['where']} names no patient." for row in rows if not row["patient"]]
    rows = _once(rows, faults)
    if faults:
        raise DataError(_together(faults))
    if not rows:
        raise DataError(f"No film in {', '.join(map(str, paths))}.")
    if blank_patients == "own":
        for row in rows:
            row["patient"] = row["patient"] or f"alone-{hashlib.sha256(str(row['path']).encode()).hexdigest()[:12]}"

    def text(name: str) -> np.ndarray:
        return np.array([row[name] for row in rows])

    names = dict.fromkeys(name for row in rows for name in row["extra"])
    return Films(
        paths=tuple(row["path"] for row in rows),
        patients=text("patient"),
        labels=tuple(labels),
        targets=(policy or Policy()).apply(np.array([row["labels"] for row in rows], float)),
        **{field: text(column) for field, column in COLUMNS.items()},
        **{field: text(column) for field, column in NUMBERS.items()},
        boxes=tuple(row["boxes"] for row in rows),
        extra={name: np.array([row["extra"].get(name) or "" for row in rows]) for name in names},
    )


def files_of(table: Path, columns: Mapping[str, str] | None = None) -> list[Path]:
    """The image files that a table names, each once and in its order; of labels and patients it needs none.

    `columns` are headers by the project's name, as in `read_tables`. A file that is not there is named as if it lay in
    the first folder where ImageFiles looks. DataError if the table cannot be read or has no column of files.
    """
    header, lines = tables.read(table)
    column = recognise(header, (), columns or {}, table, needed=("file",)).films["file"]
    files = ImageFiles(table.absolute(), None)
    named = (name for _, row in lines if (name := (row.get(column) or "").strip()))
    return list(dict.fromkeys(files.find(name) or files.first / name for name in named))


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


def findings_in(path: Path, among: Sequence[str], columns: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Those of the findings `among` that a table has a column of, or names in its lists of findings.

    DataError if the file cannot be read as a table.
    """
    header, lines = tables.read(path)
    given = dict(columns or {})
    about = {name: column for name, column in given.items() if name in NAMES}
    found = recognise(header, (), about, path)
    there = []
    for label in among:
        with suppress(DataError):
            own = {label: given[label]} if label in given else {}
            recognise(header, [label], about | own, path, in_list=False)
            there.append(label)
    if "findings" in found.films:
        named = {bare(one) for _, row in lines for one in listed(row[found.films["findings"]])}
        there += [label for label in among if label not in there and meant(label) & named]
    return tuple(label for label in among if label in there)


def value(text: str | None) -> float:
    """The value of a label cell: 1, 0, -1 if uncertain, or nan if unknown; ValueError for other texts."""
    cell = (text or "").strip().casefold()
    if cell in CELLS:
        return CELLS[cell]
    with suppress(ValueError):
        if (number := float(cell)) in (1, 0, -1):
            return number
    raise ValueError(f"{text!r} is no label")


def values(cells: Iterable[str]) -> np.ndarray:
    """The values (N,) of label cells, see `value`; nan for other texts too."""
    cells = list(cells)
    known = dict.fromkeys(cells, math.nan)
    for cell in known:
        with suppress(ValueError):
            known[cell] = value(cell)
    return np.array([known[cell] for cell in cells])


def listed(text: str) -> list[str]:
    """The findings in a list such as Cardiomegaly|Effusion."""
    return [name for name in re.split(r"[|;,]", text) if name.strip()]


def patient_in(path: str) -> str:
    """The patient in a path like CheXpert's, "" if there is none."""
    found = PATIENT.search(path)
    return patient_id(found[1]) if found else ""


def patient_id(text: str | None) -> str:
    """A patient's identifier without spaces around it, in small letters; "" if it is blank.

    Spreadsheets turn numbers in columns with empty cells into fractions, so that 12.0 is 12.
    """
    name = (text or "").strip().casefold()
    return "" if name in BLANK else re.sub(r"^(\d+)\.0$", r"\1", name)


@dataclass(frozen=True, eq=False)
class _Table:
    """The rows of one table that can be read, as dictionaries, and a sentence about each of the others."""

    rows: list[dict[str, Any]]
    faults: list[str]

    @classmethod
    def read(cls, table: Path, labels: Sequence[str], images: Path | None, given: Mapping[str, str]) -> _Table:
        """Read a table; DataError if it cannot be read or lacks a column."""
        header, lines = tables.read(table)
        columns = recognise(header, labels, given, table)
        # from the root, so that the same film has the same path and name wherever a command runs
        files = ImageFiles(table.absolute(), images and images.absolute())
        rows, faults = [], []
        for line, row in lines:
            where = f"{table} line {line}"
            try:
                rows.append(_row(where, row, columns, labels, files))
            except DataError as error:
                faults.append(str(error))
        return cls(rows, faults)


def _row(
    where: str, row: Mapping[str, str], columns: Columns, labels: Sequence[str], files: ImageFiles
) -> dict[str, Any]:
    """The contents of a row; DataError, which begins with `where`, if a cell is invalid or the file is missing."""

    def text(key: str) -> str:
        return (row.get(columns.films.get(key, "")) or "").strip()

    file = text("file")
    if not file:
        raise DataError(f"{where} names no file.")
    try:
        path = files.find(file)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    if path is None:
        raise DataError(f"{where}: {file} is not in {files.first}.")
    named = {bare(one) for one in listed(text("findings"))}
    unlisted = math.nan if text("findings").casefold() in BLANK else 0.0
    values = [
        _cell(where, label, row[columns.findings[label]])
        if label in columns.findings
        else 1.0
        if meant(label) & named
        else unlisted
        for label in labels
    ]
    extra = {name: cell for name, cell in row.items() if name not in columns.used}
    if "findings" in columns.films and named:
        extra.setdefault("No Finding", str(int("nofinding" in named)))
    return {
        "where": where,
        "path": path,
        "patient": patient_id(text("patient_id")) or patient_in(file),
        "labels": values,
        "boxes": _boxes(where, text("boxes")),
        "source_set": text("source_set"),
        "view": _view(text("view"), row),
        "sex": _sex(text("sex")),
        "age": _known_as("age", columns, partial(_age, where, text("age"))),
        "follow_up": _known_as("follow_up", columns, partial(_number, where, "follow_up", text("follow_up"))),
        "extra": extra,
    }


def _known_as(key: str, columns: Columns, read: Callable[[], float]) -> float:
    """A number from a column with the project's name, or nan if one with another name holds something else."""
    try:
        return read()
    except DataError:
        if columns.films[key] == key:
            raise
        return math.nan


def _once(rows: Sequence[dict[str, Any]], faults: list[str]) -> list[dict[str, Any]]:
    """The rows, with those of the same file joined; a sentence is added to `faults` for those that contradict."""
    found: dict[Path, dict[str, Any]] = {}
    for row in rows:
        first = found.setdefault(row["path"], row)
        if first is row:
            continue
        same = first["patient"] == row["patient"] and np.array_equal(first["labels"], row["labels"], equal_nan=True)
        if not same:
            faults.append(
                f"{row['where']}: {row['path'].name} has another patient or other labels than {first['where']}."
            )
        first["boxes"] = tuple(dict.fromkeys((*first["boxes"], *row["boxes"])))
    return list(found.values())


def _together(faults: Sequence[str]) -> str:
    """One sentence for one faulty row; a list of the first for several."""
    if len(faults) == 1:
        return faults[0]
    more = f"\n... and {len(faults) - MOST_FAULTS:,} more." if len(faults) > MOST_FAULTS else ""
    return "\n".join([f"{len(faults):,} rows cannot be used:", *faults[:MOST_FAULTS]]) + more


def _view(text: str, row: Mapping[str, str]) -> str:
    """A film's view; CheXpert has LATERAL in a column of its own."""
    return text or ("LATERAL" if (row.get("Frontal/Lateral") or "").strip().casefold() == "lateral" else "")


def _sex(text: str) -> str:
    """M or F; other words as they are, and blank ones empty."""
    known = {"male": "M", "m": "M", "female": "F", "f": "F"}
    return "" if text.casefold() in BLANK else known.get(text.casefold(), text)


def _age(where: str, text: str) -> float:
    """An age in years, also as DICOM writes it, e.g. 057Y; nan if blank."""
    found = re.fullmatch(r"(\d+)\s*([ymwd])", text.casefold())
    return int(found[1]) * YEARS[found[2]] if found else _number(where, "age", text)


def _cell(where: str, label: str, text: str | None) -> float:
    """`value` of a label cell; DataError, which starts with `where`, for other texts."""
    try:
        return value(text)
    except ValueError:
        raise DataError(
            f"{where}, {label}: {text!r} is none of 1 (or true, yes), 0 (false, no), -1 (uncertain) and empty (NA)."
        ) from None


def _number(where: str, column: str, text: str) -> float:
    """Parse a numeric cell, nan if blank; DataError for other texts."""
    try:
        return math.nan if text.casefold() in BLANK else float(text)
    except ValueError:
        raise DataError(f"{where}, {column}: {text!r} is no number.") from None


def _boxes(where: str, text: str) -> tuple[Box, ...]:
    """Parse a `boxes` cell, a JSON list or empty; DataError for other texts."""
    try:
        return tuple(Box.of(box) for box in json.loads(text or "[]"))
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{where}, boxes: {text!r:.60} is no list of boxes with label, x, y, w and h.") from None
