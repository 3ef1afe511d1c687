"""Load a cross-validation run as one model, which explains each film with the fold not trained on its patient."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from cxr_demo.errors import BadModel
from cxr_demo.models import model_folder
from cxr_demo.models.classifier import Classifier, mean_network

FOLDS = "folds.csv"


class Folds(Classifier):
    """A model that averages the logits and maps of all folds, for films outside the run.

    Calibrations and thresholds are the means of the folds'; no calibration if a fold has none. The cost is the sum of
    the folds' costs. `for_film` returns a single fold for a film of the run.
    """

    def __init__(self, models: tuple[Classifier, ...], fold_of: dict[str, int], name: str) -> None:
        first = models[0].spec
        calibrations = [model.spec.calibration for model in models]
        # the mean of the folds' calibrations is applied to the mean of their logits
        mean = None if None in calibrations else tuple(map(tuple, np.mean(calibrations, 0).tolist()))  # type: ignore[arg-type]
        spec = replace(
            first,
            name=re.sub(r"-fold-\d+$", "", first.name),
            calibration=mean,
            thresholds=tuple(np.mean([model.thresholds for model in models], 0).tolist()),
        )
        super().__init__(spec, mean_network(models), name)
        self._models = models
        self._fold_of = fold_of

    def for_film(self, name: str) -> Classifier:
        """Return the fold not trained on the patient of this file, or the mean of all folds for an unknown file."""
        fold = self._fold_of.get(Path(name).stem)
        return self if fold is None else self._models[fold]


def is_run(folder: Path) -> bool:
    """Whether a folder contains a run of folds, not a single model."""
    return (folder / FOLDS).is_file() and not (folder / model_folder.CONFIG).exists()


def load(folder: Path, name: str) -> Folds:
    """Load the models `fold-0`, `fold-1` ... of a run; BadModel if one is missing or labels or inputs differ."""
    fold_of = _fold_of(folder / FOLDS)
    models = tuple(
        model_folder.load(folder / f"fold-{k}", f"{name}/fold-{k}") for k in range(max(fold_of.values()) + 1)
    )
    if len({(model.labels, model.size, model.spec.pixel_range) for model in models}) > 1:
        raise BadModel(f"{folder}: its folds differ in findings or input; they are not of one run.")
    revisions = "".join(model.name.rpartition("@")[2] for model in models)
    return Folds(models, fold_of, f"{name}@{hashlib.sha256(revisions.encode()).hexdigest()[:8]}")


def _fold_of(path: Path) -> dict[str, int]:
    """Read the fold of each film, by the stem of its file name, which does not depend on the image format.

    Raises BadModel if the table is invalid or the folds are not numbered from 0 without gaps.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            found = {Path(row["file"]).stem: int(row["fold"]) for row in csv.DictReader(file)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadModel(f"{path} is no table of file, patient and fold: {error!r}.") from None
    if not found or set(found.values()) != set(range(max(found.values()) + 1)):
        raise BadModel(f"{path} should give each film a fold, counted from 0 without gaps.")
    return found
