"""Knowledge distillation: targets mixed with the probabilities of a teacher model (Hinton et al. 2015)."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.films import film_names
from train import calibrate

if TYPE_CHECKING:
    from pathlib import Path

    from cxr_demo.films.label_tables import Films


def read(path: Path, films: Films) -> np.ndarray:
    """A teacher's logits (N, L) from a table of its probabilities; nan for films that the table lacks.

    The CSV, plain or gzipped, has a column `Image Index` with the films' names and a column `prob_<finding>` per
    finding. Its predictions must be out of sample for the teacher. DataError if a column is missing, or if a name fits
    several films.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        reader = csv.DictReader(file)
        missing = {"Image Index", *(f"prob_{label}" for label in films.labels)} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
        known = {row["Image Index"]: [float(row[f"prob_{label}"]) for label in films.labels] for row in reader}
    p = np.full((len(films), len(films.labels)), np.nan)
    for name, row in film_names.rows(known, films.paths, path).items():
        p[row] = known[name]
    p = p.clip(1e-7, 1 - 1e-7)
    logits: np.ndarray = np.log(p / (1 - p))
    return logits


def soften(targets: np.ndarray, teacher: np.ndarray, labels: tuple[str, ...], weight: float) -> np.ndarray:
    """Targets (N, L) moved by `weight` in [0, 1] towards the teacher's probabilities, for films that it predicts.

    `teacher` holds logits (N, L), nan where unknown. They are first calibrated on these films, because findings were
    rarer in the teacher's training data. DataError if the teacher predicts none of the films.
    """
    known = ~np.isnan(teacher).any(1)
    if not known.any():
        raise DataError("The teacher's table holds none of these films.")
    calibration = calibrate.platt(teacher[known], targets[known], labels)
    probabilities = 1 / (1 + np.exp(-calibrate.apply(teacher[known], calibration)))
    softened = targets.copy()
    softened[known] = (1 - weight) * targets[known] + weight * probabilities
    return softened
