"""A reviewer's decisions about suspects: an append-only CSV, and its effect on a table of films.

Each line holds file, label, old, new, decision, reason and date; an empty label means the film itself. The last
decision about a label is valid. A last line without its end is an interrupted write and is ignored.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.files import sha256_of, to_disk
from cxr_demo.films import film_names
from cxr_demo.types import NIH_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cxr_demo.films.label_tables import Films

#: Value of `new` for a film that is left out.
LEFT_OUT = "left out"


class Decision(str, Enum):
    """A reviewer's decision about a suspect."""

    ACCEPT = "accept"  # the suspicion is right: the label changes, or the film is left out
    REJECT = "reject"  # the label or film stays
    SKIP = "skip"  # undecided
    UNDO = "undo"  # withdraws the decision before


@dataclass(frozen=True)
class Correction:
    """One line of the file; label values are "1", "0" or "" (masked)."""

    file: str  # the film's name, see `film_names`
    label: str
    old: str
    new: str
    decision: Decision
    reason: str
    date: str  # ISO 8601, UTC


HEADER = tuple(f.name for f in fields(Correction))


def written(value: float) -> str:
    """A label value as text of the file; "" if masked."""
    return "" if math.isnan(value) else f"{value:g}"


def now() -> str:
    """The time as text of the file: ISO 8601, UTC, in seconds."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def append(path: Path, correction: Correction) -> None:
    """Append one decision and force it to the disk; an incomplete last line is removed first.

    DataError if the file cannot be written.
    """
    line = _line(astuple(correction))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = _whole(file)
            file.truncate(end)
            file.write(line if end else _line(HEADER) + line)
            to_disk(file)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None


def _line(cells: Iterable[object]) -> bytes:
    """The cells as one line of CSV in UTF-8; line breaks in cells become spaces."""
    text = io.StringIO()
    # one record is one line, so a missing line end marks an incomplete record
    values = (" ".join(str(c.value if isinstance(c, Enum) else c).split()) for c in cells)
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _whole(file: io.BufferedRandom) -> int:
    """Length of the file up to the end of its last complete line, in bytes."""
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def read(path: Path) -> list[Correction]:
    """All decisions in order, empty if the file does not exist; DataError names the first invalid line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from None
    rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines()))
    if rows and tuple(rows[0]) != HEADER:
        raise DataError(f"{path} is no file of corrections: its first line must be {','.join(HEADER)}.")
    return [_correction(f"{path} line {n}", row) for n, row in enumerate(rows[1:], start=2)]


def _correction(where: str, row: list[str]) -> Correction:
    """The decision of a row; DataError, with the line as `where`, if it is invalid."""
    try:
        file, label, old, new, decision, reason, date = row
        return Correction(file, label, old, new, Decision(decision), reason, date)
    except ValueError:
        raise DataError(f"{where} is no decision: it needs {', '.join(HEADER)}.") from None


def history(decisions: Iterable[Correction]) -> list[Correction]:
    """The decisions in order, without those that were undone."""
    made: list[Correction] = []
    for decision in decisions:
        if decision.decision is not Decision.UNDO:
            made.append(decision)
            continue
        for i in reversed(range(len(made))):
            if (made[i].file, made[i].label) == (decision.file, decision.label):
                del made[i]
                break
    return made


def standing(decisions: Iterable[Correction]) -> dict[tuple[str, str], Correction]:
    """The valid decision for each (file, label)."""
    return {(decision.file, decision.label): decision for decision in history(decisions)}


def apply(films: Films, path: Path) -> Films:
    """The films with accepted corrections: labels changed, films left out.

    DataError if a file is unknown or ambiguous, if a label does not exist, or if the table has changed since the
    decision. A correction of a finding outside `films.labels` has no effect.
    """
    changes = [c for c in standing(read(path)).values() if c.decision is Decision.ACCEPT]
    files = sorted({change.file for change in changes})
    rows = film_names.rows(files, films.paths, path)
    strangers = [file for file in files if file not in rows]
    if strangers:
        raise DataError(
            f"{path}: {strangers[0]} is not among these films; corrections belong to the films they were made for."
        )
    targets, kept = films.targets.copy(), np.ones(len(films), bool)
    for change in changes:
        row = rows[change.file]
        if not change.label:
            kept[row] = False
        elif change.label in films.labels:
            targets[row, films.labels.index(change.label)] = _changed(films, row, change, path)
        elif change.label not in (*NIH_FINDINGS, *films.extra):
            raise DataError(f"{path}: {change.label!r} is no label of {change.file}.")
    return replace(films, targets=targets).take(kept)


def _changed(films: Films, row: int, change: Correction, path: Path) -> float:
    """The new value of a label, nan if masked; DataError if the table's value is not the old one."""
    says = written(float(films.targets[row, films.labels.index(change.label)]))
    if says != change.old:
        raise DataError(
            f"{path}: {change.file}, {change.label} was {change.old!r} when it was corrected and is {says!r} now; "
            "the table has changed, so look at it again."
        )
    try:
        return float(change.new) if change.new else math.nan
    except ValueError:
        raise DataError(f"{path}: {change.file}, {change.label}: {change.new!r} is no label's value.") from None


def summary(path: Path) -> str:
    """A sentence for a model's card: the number of changes by kind, and the file's checksum."""
    final = standing(read(path)).values()
    changed = [c for c in final if c.decision is Decision.ACCEPT and c.label]
    out = sum(c.decision is Decision.ACCEPT and not c.label for c in final)
    stay = sum(c.decision is Decision.REJECT for c in final)
    if not final:
        return "No label was corrected by a person."
    how = Counter(f"{c.label} {c.old or 'masked'} to {c.new or 'masked'}: " for c in changed)
    details = "; ".join(f"{what}{n}" for what, n in sorted(how.items()))
    return (
        f"After a second look a person changed {len(changed)} labels of {len({c.file for c in changed})} films"
        f"{f' ({details})' if details else ''}, left out {out} film{'s' * (out != 1)} "
        f"and kept {stay} suspect{'s' * (stay != 1)} as given "
        f"({path.name}, sha256 {sha256_of(path)})."
    )
