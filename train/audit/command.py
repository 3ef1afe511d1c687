"""The audit on the command line: flags, input files, reports."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.files import write_whole
from cxr_demo.films import film_names
from train import cache, splits
from train.audit import corrections, page, report
from train.audit import run as audit
from train.audit.base import Severity, Subject

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Collection, Mapping

    from cxr_demo.films.label_tables import Films
    from train.audit.run import Audit
    from train.cache import Decoded

#: File of a review's decisions, in the folder of the reports.
CORRECTIONS = "corrections.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of `python -m train audit`, except those that name films."""
    parser.add_argument("--metadata", action="store_true", help="of data sets by name: the tables without the films")
    parser.add_argument(
        "--split", metavar="CSV", help="who trains and who tests: columns `file`, `split`; or: official"
    )
    parser.add_argument("--scores", type=Path, metavar="NPZ", help="a run's out_of_fold.npz, for doubtful labels")
    parser.add_argument("--backbone", metavar="NAME", help="the weights that training is to start from")
    parser.add_argument("--out", type=Path, default=Path("audit"), metavar="DIR", help="default: audit")
    cache.add_arguments(parser, "--cache")
    parser.add_argument("--accept", action="append", default=[], metavar="ID:REASON", help="let a finding stand")
    parser.add_argument("--corrections", type=Path, metavar="CSV", help="audit the films as corrected by a review")
    parser.add_argument("--review", action="store_true", help="then show the suspects one by one, on this machine")


def run(arguments: argparse.Namespace, films: Films, *, say: Callable[[str], None] = print) -> int:
    """Audit the films, write the reports, start the review if requested; the exit status.

    With --metadata it audits tables without their images. A review resumes from its file of corrections, so it needs
    the table without them. DataError if a split, scores or corrections do not fit the films, or if --accept names no
    finding.
    """
    if arguments.review and (arguments.corrections or arguments.metadata):
        raise DataError("--review needs the films and their table as it is: leave --corrections out.")
    accept = audit.acceptance(arguments.accept)
    if arguments.corrections:
        films = corrections.apply(films, arguments.corrections)
    folder = arguments.cache or cache.shared_folder()
    subject = Subject(
        films,
        split=read_split(arguments.split, films) if arguments.split else None,
        backbone=arguments.backbone,
        scores=read_scores(arguments.scores, films) if arguments.scores else None,
        decoded=None if arguments.metadata else cache.decode(films, arguments.size, folder),
    )
    result = audit.record(subject, audit.audit(subject, audit.CHECKS), accept)
    say(report.text(result))
    for written in write(result, films, arguments.out, pictures=not arguments.metadata):
        say(f"Wrote {written}.")
    if arguments.review:
        from train.audit import review

        review.serve(review.Review(films, result.findings, arguments.out / CORRECTIONS))
    return int(result.status)


def read_split(name: str, films: Films) -> np.ndarray:
    """Part (N,) of each film: NIH's official split for "official", otherwise from a table with columns file and split.

    Unlike `splits.read` it accepts a patient in two parts, because the audit reports that. DataError if a film has no
    part.
    """
    if name == "official":
        return splits.official(films)
    path = Path(name)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            known = {row["file"]: row["split"] for row in csv.DictReader(file)}
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a table: {error}.") from None
    except KeyError as column:
        raise DataError(f"{path} lacks the column {column}.") from None
    return np.array([known[name] for name in _listed(films, known, path)])


def gate(
    films: Films,
    decoded: Decoded,
    folder: Path,
    accepted: Mapping[str, str],
    *,
    split: np.ndarray | None = None,
    backbone: str | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Audit films once before a training; DataError if an error is found that `accepted` lacks.

    `folder` gets the reports; an earlier report of the same films without open errors skips the audit. `accepted` maps
    ids of findings to reasons.
    """
    report_file = folder / "audit.json"
    if _passed(report_file, films, accepted):
        return
    say("Auditing the films (python -m train audit shows everything).")
    findings = audit.audit(Subject(films, split=split, backbone=backbone, decoded=decoded))
    there = {finding.id for finding in findings}
    result = audit.record(Subject(films), findings, {name: why for name, why in accepted.items() if name in there})
    written = write(result, films, folder)
    say(f"{report.verdict(result)} See {written[1]}.")
    wrong = [f for f in result.findings if f.severity is Severity.ERROR and f.id not in accepted]
    if wrong:
        named = "\n".join(f"- {f.id}: {f.title} {f.advice}" for f in wrong)
        raise DataError(
            f"The audit found errors, so nothing is trained (see {written[1]}):\n{named}\n"
            f"Mend the films or the table, or let one stand and say why: --accept '{wrong[0].id}:reason'."
        )


def _passed(report_file: Path, films: Films, accepted: Mapping[str, str]) -> bool:
    """Whether an earlier report covers these films and all its errors are accepted."""
    try:
        known = json.loads(report_file.read_text(encoding="utf-8"))
        errors = {f["id"] for f in known["findings"] if f["severity"] == "error"}
        return bool(known["fingerprint"] == audit.fingerprint(films)) and errors <= set(accepted)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_scores(path: Path, films: Films) -> np.ndarray:
    """Out-of-fold logits (N, L) from a run's file; DataError if it lacks a film or a finding."""
    try:
        with np.load(path, allow_pickle=False) as held:
            logits, labels = held["logits"], held["labels"].tolist()
            known = held["files"].tolist()
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path} holds no out-of-fold scores: {error}.") from None
    lacking = [label for label in films.labels if label not in labels]
    if lacking:
        raise DataError(f"{path} does not know {len(lacking)} of {len(films.labels)} findings, e.g. {lacking[0]}.")
    columns = [labels.index(label) for label in films.labels]
    row_of = {name: row for row, name in enumerate(known)}
    rows = [row_of[name] for name in _listed(films, known, path)]
    scores: np.ndarray = logits[np.ix_(rows, columns)]
    return scores


def _listed(films: Films, names: Collection[str], path: Path) -> list[str]:
    """The name of each film in a file; DataError with the number and an example of those that it lacks."""
    name_of = {row: name for name, row in film_names.rows(names, films.paths, path).items()}
    strangers = [row for row in range(len(films)) if row not in name_of]
    if strangers:
        example = films.names[strangers[0]]
        raise DataError(f"{path} does not know {len(strangers)} of {len(films)} films, e.g. {example}.")
    return [name_of[row] for row in range(len(films))]


def write(result: Audit, films: Films, folder: Path, *, pictures: bool = True) -> tuple[Path, ...]:
    """Write `audit.json` and `audit.html` to a folder, each in one step; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {
        "audit.json": json.dumps(report.fields(result, films), indent=1, allow_nan=False) + "\n",
        "audit.html": page.write(result, films, pictures=pictures),
    }
    for name, content in made.items():
        write_whole(folder / name, content)
    return tuple(folder / name for name in made)
