"""Splits of films by patient: all films of a patient are in the same part."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo import tables
from cxr_demo.errors import DataError
from cxr_demo.files import sha256_of
from cxr_demo.films import film_names
from cxr_demo.films.label_tables import patient_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.films.label_tables import Films

#: Ids of the 2,797 patients of NIH's published test list, via github.com/jlianglab/Ark, and the checksum of the ids.
OFFICIAL = Path(__file__).with_name("nih_official_test_patients.txt")
OFFICIAL_SHA256 = "b6591b241b8b102607ea42cd9d2010cc7b2ba139698a218d118527269ac686a8"
#: Highest number of an NIH patient; the lowest is 1.
NIH_PATIENTS = 30_805

COLUMNS = ("file", "patient", "split")


def patient_folds(patients: np.ndarray, targets: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """Fold (N,) of each film; folds share no patient, and each finding is spread over all of them.

    Patients (N,) and targets (N, L). DataError for fewer than two folds, or more folds than patients.
    """
    if folds < 2:
        raise DataError(f"{folds} folds are no folds; 2 is the least.")
    return _dealt(patients, targets, np.full(folds, 1 / folds), seed)


def by_patient(films: Films, shares: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """Part (N,) of each film, a key of `shares`, stratified like `patient_folds`.

    DataError unless there are two or more shares of patients, all positive, that sum to 1.
    """
    parts = np.array(list(shares.values()), float)
    if len(parts) < 2 or not (parts > 0).all() or not np.isclose(parts.sum(), 1):
        said = ", ".join(f"{name} {share:g}" for name, share in shares.items())
        raise DataError(f"Shares must be two or more, positive, and sum to 1; these are {said or 'none'}.")
    names = np.array(list(shares))
    return np.take(names, _dealt(films.patients, films.targets, parts, seed))


def official(films: Films) -> np.ndarray:
    """Part (N,) "train" or "test" of each NIH film, by NIH's published list of test patients.

    DataError if a patient's id is not one of NIH's, because films of other collections have no official split.
    """
    patients = np.array([int(patient) if patient.isdecimal() else 0 for patient in films.patients.tolist()])
    strange = (patients < 1) | (patients > NIH_PATIENTS)
    if strange.any():
        example = films.patients[strange][0]
        raise DataError(f"The official split is of NIH's patients 1 to {NIH_PATIENTS}; {example!s} is none of them.")
    return np.where(np.isin(patients, official_patients()), "test", "train")


def official_patients() -> np.ndarray:
    """Ids of NIH's test patients, ascending; DataError if the list does not have its checksum."""
    ids = np.sort(np.loadtxt(OFFICIAL, int, comments="#"))
    if hashlib.sha256(",".join(map(str, ids)).encode()).hexdigest() != OFFICIAL_SHA256:
        raise DataError(f"{OFFICIAL} was changed: its checksum is wrong. Restore it from the project.")
    return ids


def write(path: Path, films: Films, split: np.ndarray, checksums: Sequence[str] | None = None) -> str:
    """Write file, patient and part of each film as sorted CSV; the sha256, which is equal for equal splits.

    `checksums`, the sha256 of the films' files, are a fourth column where given.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [films.names.tolist(), films.patients.tolist(), split.tolist()]
    writer.writerow([*COLUMNS, *(["sha256"] if checksums else [])])
    writer.writerows(sorted(zip(*columns, *([checksums] if checksums else []), strict=True)))
    path.write_bytes(text.getvalue().encode())
    return sha256_of(path)


def read(path: Path, films: Films) -> np.ndarray:
    """Part (N,) of each film, from a CSV like those of `write`; the file may list other films too.

    DataError if it lacks a film or has it under another patient, if a name in it fits several films, or if a patient is
    in two parts.
    """
    lines = _lines(path)
    sides: dict[str, set[str]] = {}
    for _, patient, split in lines:
        sides.setdefault(patient, set()).add(split)
    torn = [patient for patient, splits in sides.items() if len(splits) > 1]
    if torn:
        where = " and ".join(sorted(sides[torn[0]]))
        raise DataError(f"{path}: {len(torn)} patients are on two sides, e.g. {torn[0]} in {where}; split by patient.")
    row_of = film_names.rows({file for file, _, _ in lines}, films.paths, path)
    patients = [patient_id(patient) for patient in films.patients.tolist()]
    found = {
        row_of[file]: split for file, patient, split in lines if file in row_of and patients[row_of[file]] == patient
    }
    strangers = [row for row in range(len(films)) if row not in found]
    if strangers:
        file, patient = films.names[strangers[0]], films.patients[strangers[0]]
        raise DataError(
            f"{path} has no line for {len(strangers)} of {len(films)} films, e.g. {file} of patient {patient}; "
            "make the split from these films."
        )
    return np.array([found[row] for row in range(len(films))])


def parts(films: Films, name: str) -> np.ndarray:
    """Part (N,) of each film, by the path of a split or "official"; errors of `read` and `official`."""
    return official(films) if name == "official" else read(Path(name), films)


def _lines(path: Path) -> list[tuple[str, str, str]]:
    """File, patient and part of each line of a split; DataError names the first line that lacks one."""
    names, lines = tables.read(path)
    missing = [column for column in COLUMNS if column not in names]
    if missing:
        raise DataError(f"{path} lacks the column{'s' * (len(missing) > 1)} {', '.join(missing)}.")
    rows = []
    for line, row in lines:
        file, patient, split = (row[column] for column in COLUMNS)
        if not (file and patient and split):
            raise DataError(f"{path} line {line}: file, patient and split must all be given.")
        rows.append((file, patient_id(patient), split))
    return rows


def _dealt(patients: np.ndarray, targets: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """Part (N,) of each film, as an index of `shares`, by iterative stratification (Sechidis et al. 2011) of patients.

    Patients with the rarest findings come first; each goes to the part that lacks most patients with its rarest
    finding.
    """
    names, of_patient = np.unique(patients, return_inverse=True)
    if len(shares) > len(names):
        raise DataError(f"{len(shares)} parts need as many patients at least; there are {len(names)}.")
    positive = np.zeros((len(names), targets.shape[1] + 1), bool)
    positive[:, -1] = True  # a column for patients without any finding
    np.logical_or.at(positive[:, :-1], of_patient, targets == 1)
    rarity = positive.sum(0)
    rarest = np.where(positive, rarity, rarity.max() + 1).argmin(1)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(rarity[rarest[order]], kind="stable")]
    lacking = shares[:, None] * rarity
    part_of = np.zeros(len(names), int)
    for patient in order:
        # the part that lacks most of the rarest finding, then most patients
        part = np.lexsort((-lacking[:, -1], -lacking[:, rarest[patient]]))[0]
        part_of[patient] = part
        lacking[part] -= positive[patient]
    return part_of[of_patient]
