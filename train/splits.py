"""Who trains and who tests, by patient: no patient is ever on both sides."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.files import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxr_demo.films.label_tables import Films

#: Ids of the 2,797 patients of NIH's published test list, via github.com/jlianglab/Ark, and the checksum of the ids.
OFFICIAL = Path(__file__).with_name("nih_official_test_patients.txt")
OFFICIAL_SHA256 = "b6591b241b8b102607ea42cd9d2010cc7b2ba139698a218d118527269ac686a8"
#: NIH numbers its patients from 1 to this.
NIH_PATIENTS = 30_805

COLUMNS = ("file", "patient", "split")


def patient_folds(patients: np.ndarray, targets: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """The fold (N,) of each film, so that a patient is in one fold and rare findings are in all."""
    if folds < 2:
        raise DataError(f"{folds} folds are no folds; 2 is the least.")
    return _dealt(patients, targets, np.full(folds, 1 / folds), seed)


def by_patient(films: Films, shares: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """The split (N,) of each film, a key of `shares` (of patients, summing to 1), stratified as the folds are."""
    parts = np.array(list(shares.values()), float)
    if len(parts) < 2 or not (parts > 0).all() or not np.isclose(parts.sum(), 1):
        said = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        raise DataError(f"Shares must be two or more, positive, and sum to 1; these are {said or 'none'}.")
    names = np.array(list(shares))
    return np.take(names, _dealt(films.patients, films.targets, parts, seed))


def official(films: Films) -> np.ndarray:
    """The split (N,) "train" or "test" of NIH films: test is who is on the list that NIH published.

    DataError where a patient's id cannot be one of NIH's, since a film of another collection has no such split.
    """
    patients = np.array([int(patient) if patient.isdecimal() else 0 for patient in films.patients.tolist()])
    strange = (patients < 1) | (patients > NIH_PATIENTS)
    if strange.any():
        example = films.patients[strange][0]
        raise DataError(f"The official split is of NIH's patients 1 to {NIH_PATIENTS}; {example!s} is none of them.")
    return np.where(np.isin(patients, official_patients()), "test", "train")


def official_patients() -> np.ndarray:
    """The ids of NIH's test patients, ascending; DataError where the list is not the one that was shipped."""
    ids = np.sort(np.loadtxt(OFFICIAL, int, comments="#"))
    if hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest() != OFFICIAL_SHA256:
        raise DataError(f"{OFFICIAL} was changed: its checksum is wrong. Restore it from the project.")
    return ids


def write(path: Path, films: Films, split: np.ndarray) -> str:
    """Write who is where as CSV, sorted; the file's sha256, which stays the same for the same split."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(sorted(zip(films.names.tolist(), films.patients.tolist(), split.tolist(), strict=True)))
    path.write_bytes(text.getvalue().encode())
    return sha256_of(path)


def read(path: Path, films: Films) -> np.ndarray:
    """The split (N,) of each film by a file that `write` made, or one like it; it may name more films than these.

    DataError where a film is not in it (under its patient), or a patient is on two sides.
    """
    rows = _rows(path)
    sides: dict[str, set[str]] = {}
    for _, patient, split in rows:
        sides.setdefault(patient, set()).add(split)
    torn = [patient for patient, splits in sides.items() if len(splits) > 1]
    if torn:
        where = " and ".join(sorted(sides[torn[0]]))
        raise DataError(f"{path}: {len(torn)} patients are on two sides, e.g. {torn[0]} in {where}; split by patient.")
    known = {(file, patient): split for file, patient, split in rows}
    wanted = list(zip(films.names.tolist(), films.patients.tolist(), strict=True))
    strangers = [film for film in wanted if film not in known]
    if strangers:
        file, patient = strangers[0]
        raise DataError(
            f"{path} has no line for {len(strangers)} of {len(films)} films, e.g. {file} of patient {patient}; "
            "make the split from these films."
        )
    return np.array([known[film] for film in wanted])


def parts(films: Films, name: str) -> np.ndarray:
    """The split (N,) that a command line names: a file, or "official"."""
    return official(films) if name == "official" else read(Path(name), films)


def _rows(path: Path) -> list[tuple[str, str, str]]:
    try:
        reader = csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a split: {error}.") from None
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.")
    rows = []
    for line, row in enumerate(reader, start=2):
        file, patient, split = (row[column] or "" for column in COLUMNS)
        if not (file and patient and split):
            raise DataError(f"{path} line {line}: file, patient and split must all be given.")
        rows.append((file, patient, split))
    return rows


def _dealt(patients: np.ndarray, targets: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """The part (N,) of each film: an index of shares.

    Patients with the rarest findings are dealt out first, each to the part that lacks most patients of that
    finding (after Sechidis et al. 2011, iterative stratification, by patient).
    """
    names, of_patient = np.unique(patients, return_inverse=True)
    if len(shares) > len(names):
        raise DataError(f"{len(shares)} parts need as many patients at least; there are {len(names)}.")
    positive = np.zeros((len(names), targets.shape[1] + 1), bool)
    positive[:, -1] = True  # so that a patient without any finding has a column too
    np.logical_or.at(positive[:, :-1], of_patient, targets == 1)
    rarity = positive.sum(0)
    rarest = np.where(positive, rarity, rarity.max() + 1).argmin(1)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(rarity[rarest[order]], kind="stable")]
    lacking = shares[:, None] * rarity
    part_of = np.zeros(len(names), int)
    for patient in order:
        # lacks most of its rarest finding, then most patients
        part = np.lexsort((-lacking[:, -1], -lacking[:, rarest[patient]]))[0]
        part_of[patient] = part
        lacking[part] -= positive[patient]
    return part_of[of_patient]
