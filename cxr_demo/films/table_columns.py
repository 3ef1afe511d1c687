"""The meaning of a table's columns, by the names that data sets give them, in any case and spacing."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from cxr_demo.errors import DataError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Mapping, Sequence

#: Names of each column of films in published tables, as `bare` writes them; the first is this project's.
NAMES = {
    "file": ("file", "filename", "filepath", "path", "image", "imageindex", "imagename", "imagepath", "imagefile"),
    "patient_id": ("patientid", "patient", "patientnumber", "subjectid", "subject"),
    "source_set": ("sourceset", "source", "dataset"),
    "view": ("view", "viewposition", "projection", "appa"),
    "sex": ("sex", "gender", "patientsex", "patientgender"),
    "age": ("age", "patientage", "ageyears"),
    "follow_up": ("followup", "followupnumber"),
    "boxes": ("boxes",),
    "findings": ("findings", "findinglabels"),
}
#: Names of findings in published tables besides the project's, as `bare` writes them.
FINDINGS = {"effusion": ("pleuraleffusion",)}
#: Columns without which a table lists no films.
NEEDED = ("file", "patient_id")


@dataclass(frozen=True)
class Columns:
    """The header of each column that a table has: by the project's name, and by finding."""

    films: Mapping[str, str]  # by keys of NAMES
    findings: Mapping[str, str]

    @cached_property
    def used(self) -> set[str]:
        """The headers with a known meaning."""
        return {*self.films.values(), *self.findings.values()}


@lru_cache(maxsize=4096)  # of a table's header and lists, which repeat in each row
def bare(name: str) -> str:
    """A column's name in small letters, without everything but letters and digits."""
    return re.sub(r"[\W_]+", "", name.casefold())


def recognise(
    header: Sequence[str],
    labels: Sequence[str],
    given: Mapping[str, str],
    table: object,
    *,
    in_list: bool = True,
    needed: Sequence[str] = NEEDED,
) -> Columns:
    """Find the columns of films and of `labels` in a table's header.

    `given` are headers by keys of NAMES or by finding, and are used before all others. With `in_list` a column of lists
    of findings serves for findings without a column. `needed` are the keys that must have a column. DataError, which
    names the table and proposes columns of similar names, if a needed column is missing or several could be meant.
    """
    strange = [name for name in given if name not in (*NAMES, *labels)]
    if strange:
        raise DataError(f"--columns: {strange[0]} is none of {', '.join([*NAMES, *labels])}.")
    absent = [f"{name}={column}" for name, column in given.items() if column not in header]
    if absent:
        raise DataError(f"--columns {absent[0]}: {table} has no such column; it has {', '.join(header)}.")
    free = [name for name in header if name not in given.values()]
    films = {key: _one(key, names, free, given, table) for key, names in NAMES.items()}
    found = {label: _one(label, meant(label), free, given, table) for label in labels}
    columns = Columns(_there(films), _there(found))
    missing = [key for key in needed if key not in columns.films]
    if "patient_id" in missing and _names_patients(columns.films.get("file")):
        missing.remove("patient_id")
    if not (in_list and "findings" in columns.films):
        missing += [label for label in labels if label not in columns.findings]
    if missing:
        raise DataError(_lacking(missing, columns, [name for name in free if name not in columns.used], table))
    return columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that read films from tables: --columns, for `pairs`, and --blank-patients."""
    add_columns(parser)
    parser.add_argument(
        "--blank-patients",
        choices=("refuse", "own"),
        default="refuse",
        help="films without a patient: refuse them (the default), or make each a patient of its own",
    )


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the flag --columns, for `pairs`."""
    parser.add_argument(
        "--columns", nargs="+", default=[], metavar="NAME=COLUMN", help="of tables: columns with other names"
    )


def meant(label: str) -> set[str]:
    """The names of a finding in tables, as `bare` writes them."""
    return {bare(label), *FINDINGS.get(bare(label), ())}


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Columns by their meaning from words like file=Path; DataError for other words."""
    wrong = [word for word in words if not all(word.partition("="))]
    if wrong:
        raise DataError(f"--columns {wrong[0]} should be like file=Path or Effusion='Pleural Effusion'.")
    return {name: column for name, _, column in (word.partition("=") for word in words)}


def _one(key: str, names: Collection[str], free: Sequence[str], given: Mapping[str, str], table: object) -> str | None:
    """The header of one column: the one given, the exact one, or the only one with a known name."""
    if key in given or key in free:
        return given.get(key, key)
    fits = [name for name in free if bare(name) in names]
    if len(fits) > 1:
        raise DataError(
            f"{table} has the columns {' and '.join(fits)} for {key}: choose with --columns {key}={fits[0]}."
        )
    return fits[0] if fits else None


def _there(found: Mapping[str, str | None]) -> dict[str, str]:
    return {key: name for key, name in found.items() if name is not None}


def _lacking(missing: Sequence[str], columns: Columns, free: Sequence[str], table: object) -> str:
    """The sentence about missing columns, with similar names and the findings that the table has."""
    near = {key: difflib.get_close_matches(bare(key), {bare(n): n for n in free}, 1, 0.7) for key in missing}
    by_bare = {bare(name): name for name in free}
    proposed = " ".join(f"{key}={_quoted(by_bare[names[0]])}" for key, names in near.items() if names)
    said = f"{table} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}."
    if proposed:
        said += f" Perhaps --columns {proposed}."
    if set(missing) - set(NEEDED) and columns.findings:
        said += f" It has --labels {' '.join(map(_quoted, columns.findings))}."
    elif set(missing) - set(NEEDED):
        said += " Name the findings that it has with --labels."
    if set(missing) & set(NEEDED) and not proposed:
        said += f" Say with --columns {missing[0]}=... which of {', '.join(free)} it is."
    return said


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w./-]+", name) else f"'{name}'"


def _names_patients(file: str | None) -> bool:
    """Whether a table's files may name their patients in their paths, as CheXpert's do."""
    return file is not None and bare(file) == "path"
