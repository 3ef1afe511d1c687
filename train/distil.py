"""Learn from another model's probabilities beside labels that are often wrong (Hinton et al. 2015)."""

from __future__ import annotations

import csv
import gzip
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from train import calibrate

if TYPE_CHECKING:
    from pathlib import Path

    from cxr_demo.films.label_tables import Films


def read(path: Path, films: Films) -> np.ndarray:
    """A teacher's logits (N, L) for the films; nan for films that its table does not hold.

    The CSV (may be gzipped) has a column `Image Index` with file names, whose ending is ignored, and
    `prob_<finding>` per finding. It must be predictions for films on which the teacher was not trained.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        reader = csv.DictReader(file)
        missing = {"Image Index", *(f"prob_{label}" for label in films.labels)} - set(reader.fieldnames or ())
        if missing:
            raise DataError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
        rows = {
            row["Image Index"].partition(".")[0]: [float(row[f"prob_{label}"]) for label in films.labels]
            for row in reader
        }
    nothing = [np.nan] * len(films.labels)
    p = np.array([rows.get(path.stem, nothing) for path in films.paths]).clip(1e-7, 1 - 1e-7)
    logits: np.ndarray = np.log(p / (1 - p))
    return logits


def soften(targets: np.ndarray, teacher: np.ndarray, labels: tuple[str, ...], weight: float) -> np.ndarray:
    """Targets (N, L) moved by `weight` towards the teacher's probabilities where it has any.

    The teacher is calibrated on these very films first: it was trained where findings are rarer.
    """
    known = ~np.isnan(teacher).any(1)
    if not known.any():
        raise DataError("The teacher's table holds none of these films.")
    calibration = calibrate.platt(teacher[known], targets[known], labels)
    probabilities = 1 / (1 + np.exp(-calibrate.apply(teacher[known], calibration)))
    softened = targets.copy()
    softened[known] = (1 - weight) * targets[known] + weight * probabilities
    return softened
