"""What a person decided about suspects: a file that only grows, and what it changes in a table of films.

One line per decision: file, label, old, new, decision, reason, date. A line without its end was never finished and
does not count. The last decision about a label stands. An empty label means the film itself.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime, timezone
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.files import sha256_of, to_disk
from cxr_demo.types import NIH_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from cxr_demo.films.label_tables import Films

#: What `new` says of a film that is left out.
LEFT_OUT = "left out"


class Decision(str, Enum):
    """What became of a suspect."""

    ACCEPT = "accept"  # it is wrong: the label changes, or the film is left out
    REJECT = "reject"  # it stays as it is
    SKIP = "skip"  # nobody knows yet
    UNDO = "undo"  # the decision before is taken back


@dataclass(frozen=True)
class Correction:
    """One line of the file; values are "1", "0" or "" (masked)."""

    file: str  # as much of the path's end as names one film, with "/"
    label: str
    old: str
    new: str
    decision: Decision
    reason: str
    date: str  # ISO 8601, UTC


HEADER = tuple(f.name for f in fields(Correction))


def tails(films: Films) -> tuple[str, ...]:
    """A name for each film: the file's, with as many of its folders as all of them need to differ."""
    parts = [path.as_posix().split("/") for path in films.paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = tuple("/".join(p[-depth:]) for p in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(path.as_posix() for path in films.paths)


def written(value: float) -> str:
    """A label's value as the file has it; "" where it is masked."""
    return "" if math.isnan(value) else f"{value:g}"


def now() -> str:
    """The time as the file has it."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def append(path: Path, correction: Correction) -> None:
    """Write one decision to the disk, whole or not at all; what a killed program left half-written is cut off."""
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
    text = io.StringIO()
    # one record is one line, so that a half-written one is known by its missing end
    values = (" ".join(str(c.value if isinstance(c, Enum) else c).split()) for c in cells)
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _whole(file: io.BufferedRandom) -> int:
    """The length of the file up to the end of its last whole line."""
    file.seek(0)
    return file.read().rfind(b"\n") + 1


def read(path: Path) -> list[Correction]:
    """All decisions in order, none where the file does not exist; DataError names the line that is wrong."""
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
    try:
        file, label, old, new, decision, reason, date = row
        return Correction(file, label, old, new, Decision(decision), reason, date)
    except ValueError:
        raise DataError(f"{where} is no decision: it needs {', '.join(HEADER)}.") from None


def history(decisions: Iterable[Correction]) -> list[Correction]:
    """The decisions without those that were taken back."""
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
    """The decision that stands for each (file, label)."""
    return {(decision.file, decision.label): decision for decision in history(decisions)}


def apply(films: Films, path: Path) -> Films:
    """The films with accepted corrections made: labels changed, films left out.

    DataError where a file is unknown or ambiguous, where a label is none, or where the table no longer says what it
    said when the decision was made. A correction of a finding that these films are not read for changes nothing.
    """
    changes = [c for c in standing(read(path)).values() if c.decision is Decision.ACCEPT]
    rows = _rows(films, {c.file for c in changes}, path)
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


def _rows(films: Films, files: set[str], path: Path) -> Mapping[str, int]:
    """The row of each file, found by the end of its path."""
    wanted = {len(PurePath(file).parts) for file in files}
    found: dict[str, list[int]] = {}
    for row, film in enumerate(films.paths):
        parts = film.as_posix().split("/")
        for depth in wanted:
            found.setdefault("/".join(parts[-depth:]), []).append(row)
    for file in sorted(files):
        fits = len(found.get(file, ()))
        if fits != 1:
            problem = "is not among these films" if fits == 0 else f"fits {fits} films"
            raise DataError(f"{path}: {file} {problem}; corrections belong to the films they were made for.")
    return {file: found[file][0] for file in files}


def summary(path: Path) -> str:
    """What the file changes, in a sentence for a model's card, with its checksum."""
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
