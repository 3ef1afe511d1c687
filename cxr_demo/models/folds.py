"""Load a cross-validation run as one model, which explains each film with the fold not trained on its patient."""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import BadModel
from cxr_demo.films import film_names
from cxr_demo.models import model_folder
from cxr_demo.models.classifier import Classifier, mean_network

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from cxr_demo.types import Radiograph

FOLDS = "folds.csv"


@dataclass(frozen=True)
class FoldOf:
    """The folds of a run's films, by content and by file name."""

    contents: Mapping[str, int]  # by sha256; empty for runs whose table lacks it
    names: Mapping[str, frozenset[int]]  # by file name without folder and ending, which may be that of several films

    def find(self, film: Radiograph) -> int | None:
        """The fold of a film, None for one outside the run.

        A film whose content is unknown may be a copy in another format, and is known by its name if films of one fold
        have that. BadModel if films of several folds have it, and their contents are not known either.
        """
        if film.sha256 in self.contents:
            return self.contents[film.sha256]
        found = self.names.get(film_names.without_ending(film.name), frozenset())
        if len(found) > 1 and not self.contents:
            raise BadModel(
                f"{film.name} is the name of films in several folds of this run, so which fold never saw this film's "
                "patient is not known. End the run anew with `python -m train resume RUN`, which adds the films' "
                f"checksums to its {FOLDS}."
            )
        return next(iter(found)) if len(found) == 1 else None


class Folds(Classifier):
    """A model that averages the logits and maps of all folds, for films outside the run.

    Calibrations and thresholds are the means of the folds'; no calibration if a fold has none. The cost is the sum of
    the folds' costs. `for_film` returns a single fold for a film of the run.
    """

    def __init__(self, models: tuple[Classifier, ...], fold_of: FoldOf, name: str) -> None:
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

    def for_film(self, film: Radiograph) -> Classifier:
        """Return the fold not trained on the patient of this film, or the mean of all folds for a film outside the run.

        BadModel as in `FoldOf.find`.
        """
        fold = self._fold_of.find(film)
        return self if fold is None else self._models[fold]


def is_run(folder: Path) -> bool:
    """Whether a folder contains a run of folds, not a single model."""
    return (folder / FOLDS).is_file() and not (folder / model_folder.CONFIG).exists()


def load(folder: Path, name: str) -> Folds:
    """Load the models `fold-0`, `fold-1` ... of a run; BadModel if one is missing or labels or inputs differ."""
    fold_of = _fold_of(folder / FOLDS)
    count = max(k for folds in fold_of.names.values() for k in folds) + 1
    models = tuple(model_folder.load(folder / f"fold-{k}", f"{name}/fold-{k}") for k in range(count))
    if len({(model.labels, model.size, model.spec.pixel_range) for model in models}) > 1:
        raise BadModel(f"{folder}: its folds differ in findings or input; they are not of one run.")
    revisions = "".join(model.name.rpartition("@")[2] for model in models)
    return Folds(models, fold_of, f"{name}@{hashlib.sha256(revisions.encode()).hexdigest()[:8]}")


def _fold_of(path: Path) -> FoldOf:
    """Read each film's fold; BadModel if the table is invalid or the folds are not numbered from 0 without gaps."""
    contents: dict[str, int] = {}
    names: dict[str, set[int]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                fold = int(row["fold"])
                names.setdefault(film_names.without_ending(PurePosixPath(row["file"]).name), set()).add(fold)
                if row.get("sha256"):
                    contents[row["sha256"]] = fold
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise BadModel(f"{path} is no table of file, patient and fold: {error!r}.") from None
    folds = set().union(*names.values())
    if not folds or folds != set(range(max(folds) + 1)):
        raise BadModel(f"{path} should give each film a fold, counted from 0 without gaps.")
    return FoldOf(contents, {name: frozenset(held) for name, held in names.items()})
