"""Description of a table of labels, with the command that trains on it: `python -m train init`."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo import tables
from cxr_demo.errors import DataError
from cxr_demo.films import label_tables, table_columns
from cxr_demo.films.image_files import ImageFiles
from cxr_demo.types import NIH_FINDINGS
from train.evaluate import FEWEST

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.films.table_columns import Columns
    from cxr_demo.tables import Row


#: The label of films that have no finding; it is not a finding itself.
NORMAL = "No Finding"


@dataclass(frozen=True)
class Finding:
    """A finding that a table has, with the number of its labels of each kind."""

    name: str
    column: str
    present: int
    absent: int
    uncertain: int
    unknown: int

    @property
    def learnable(self) -> bool:
        """Whether films with it and without it are known."""
        return bool(self.present and self.absent)

    @property
    def enough(self) -> bool:
        """Whether it is on as many films, and absent from as many, as a figure needs."""
        return min(self.present, self.absent) >= FEWEST

    @property
    def lacks(self) -> str:
        """The reason to leave it out."""
        less, count = ("present", self.present) if self.present < self.absent else ("absent", self.absent)
        if not self.present + self.absent:
            return "never known"
        return f"{less} in {count} of the {FEWEST} films that a figure needs" if count else f"never {less}"


def propose(table: Path, given: Mapping[str, str]) -> str:
    """Describe a table's columns and findings, and give the commands to audit it and to train on it.

    `given` are headers by the project's name. DataError if it is no table or does not name its films or patients.
    """
    header, lines = tables.read(table)
    rows = [row for _, row in lines]
    known = [name for name in given if name not in table_columns.NAMES]
    columns = table_columns.recognise(header, known, given, table)
    found = _findings(header, rows, columns)
    learnable = [finding for finding in found if finding.learnable and finding.name != NORMAL]
    if not learnable:
        raise DataError(
            f"{table} has no finding with films that have it and films that do not. Say which column is one: "
            f"--columns Effusion=COLUMN. It has {', '.join(header)}."
        )
    # devices and the like are findings too, but seldom meant
    meant = [finding for finding in learnable if finding.name in {*NIH_FINDINGS, *known}] or learnable
    proposed = [finding.name for finding in meant if finding.enough or finding.name in known]
    proposed = proposed or [finding.name for finding in meant]
    others = [finding for finding in learnable if finding.name not in proposed]
    if any(finding.enough for finding in learnable):
        others = [finding for finding in others if finding.enough]
    names = proposed + [finding.name for finding in others]
    given = {name: column for name, column in given.items() if name in table_columns.NAMES or name in proposed}
    return "\n".join(
        [
            f"{table}: {len(rows):,} rows.",
            *_films(table, rows, columns),
            *_table(found, names),
            *_others(header, found, columns),
            *_also([name for name in names if name not in proposed]),
            "",
            "Check the labels, then train:",
            f"  {_command('audit', table, proposed, given)} --out audit",
            f"  {_command('fit', table, proposed, given)} --out runs/{table.stem}",
        ]
    )


def _findings(header: Sequence[str], rows: Sequence[Row], columns: Columns) -> list[Finding]:
    """The findings with a column of labels, and those in a column of lists."""
    names = dict(columns.findings)
    for column in header:
        if column not in {*columns.used, *names.values()}:
            name = _name(column)
            names |= {name: column} if _holds_labels([row[column] for row in rows], name in NIH_FINDINGS) else {}
    found = []
    for name, column in names.items():
        try:
            values = np.array([label_tables.value(row[column]) for row in rows])
        except ValueError as error:
            raise DataError(f"The column {column}, for {name}, does not hold labels alone: {error}.") from None
        present, absent, uncertain = (int((values == value).sum()) for value in (1, 0, -1))
        found.append(Finding(name, column, present, absent, uncertain, int(np.isnan(values).sum())))
    if "findings" in columns.films:
        column = columns.films["findings"]
        listed = Counter(one.strip() for row in rows for one in set(label_tables.listed(row[column])))
        found += [Finding(_name(n), column, k, len(rows) - k, 0, 0) for n, k in listed.items()]
    order = {name: i for i, name in enumerate(NIH_FINDINGS)}
    return sorted(found, key=lambda finding: (order.get(finding.name, len(order)), finding.name))


def _name(column: str) -> str:
    """The project's name of a finding, or the column's own for one without."""
    bare = table_columns.bare(column)
    for finding in NIH_FINDINGS:
        own = table_columns.bare(finding)
        if bare in (own, *table_columns.FINDINGS.get(own, ())):
            return finding
    return column


def _holds_labels(cells: Sequence[str], known: bool) -> bool:
    """Whether all cells of a column are labels, and at least one is present unless the finding is `known` by name."""
    values = set()
    for cell in set(cells):
        try:
            values.add(label_tables.value(cell))
        except ValueError:
            return False
    return known or 1.0 in values


def _films(table: Path, rows: Sequence[Row], columns: Columns) -> list[str]:
    """A line for each column about films, with the number of files and patients."""
    files, named = ImageFiles(table.absolute(), None), [row[columns.films["file"]].strip() for row in rows]
    absent = [name for name in named if not _found(files, name)]
    lines = [f"  {key:<12}{column}" for key, column in columns.films.items()]
    if "patient_id" in columns.films:
        patients = {label_tables.patient_id(row[columns.films["patient_id"]]) for row in rows}
    else:
        patients = {label_tables.patient_in(name) for name in named}
        lines.append(f"  {'patient_id':<12}from the paths")
    blank = "; some rows name none, see --blank-patients" if "" in patients else ""
    lines.append(
        f"{len(patients - {''}):,} patients{blank}. {len(named) - len(absent):,} of {len(named):,} files found."
    )
    if absent:
        lines.append(f"Not found, first: {absent[0]}. Put the films into {files.first}.")
    return lines


def _found(files: ImageFiles, name: str) -> bool:
    try:
        return files.find(name) is not None
    except DataError:  # in several folders, which the trainer refuses with its line
        return False


def _table(found: Sequence[Finding], named: Collection[str]) -> list[str]:
    wide = max(len(finding.name) for finding in found) + 2
    head = f"{'finding':<{wide}}{'present':>9}{'absent':>9}{'uncertain':>11}{'unknown':>9}"
    return [
        "",
        head,
        *(
            f"{f.name:<{wide}}{f.present:>9,}{f.absent:>9,}{f.uncertain:>11,}{f.unknown:>9,}"
            f"{'' if f.name in named or f.name == NORMAL else f'   left out: {f.lacks}'}"
            for f in found
        ),
    ]


def _others(header: Sequence[str], found: Sequence[Finding], columns: Columns) -> list[str]:
    """Sentences on labels that are not learnt from as they are, and on other columns."""
    lines = [""]
    if any(finding.uncertain for finding in found):
        lines.append("Uncertain labels are left out of training; --uncertain says otherwise.")
    if any(finding.unknown for finding in found):
        lines.append("Unknown labels are left out of training; --missing negative counts them as absent.")
    rest = [name for name in header if name and name not in {*columns.used, *(finding.column for finding in found)}]
    if rest:
        lines.append(f"Other columns: {', '.join(rest)}.")
    return lines


def _also(names: Sequence[str]) -> list[str]:
    return [f"--labels may also name findings other than NIH's: {', '.join(names)}."] if names else []


def _command(name: str, table: Path, labels: Sequence[str], given: Mapping[str, str]) -> str:
    words = ["python", "-m", "train", name, str(table), "--labels", *labels]
    if given:
        words += ["--columns", *(f"{key}={column}" for key, column in given.items())]
    return shlex.join(words)
