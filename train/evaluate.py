"""How good a model is: AUROC per finding, pooled and within sources, with intervals by patient."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from cxr_demo.types import Score

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Under this number of positives or negatives an AUROC says nothing and is not part of a mean.
FEWEST = 10


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; nan where only one class is known.

    `truth` (N,) is 1, 0 or nan (ignored); `scores` (N,).
    """
    known = ~np.isnan(truth)
    truth, scores = truth[known] == 1, scores[known]
    positives, negatives = truth.sum(), (~truth).sum()
    if not positives or not negatives:
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def aurocs(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUROC (L,) of each column; nan where there are fewer than FEWEST positives or negatives."""
    enough = ((targets == 1).sum(0) >= FEWEST) & ((targets == 0).sum(0) >= FEWEST)
    columns = range(targets.shape[1])
    return np.array([auroc(targets[:, i], scores[:, i]) if enough[i] else np.nan for i in columns])


def score(
    labels: Sequence[str],
    targets: np.ndarray,
    scores: np.ndarray,
    patients: np.ndarray,
    subset: str,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Score]:
    """AUROC of every finding that has enough films and their mean, with 95 % intervals by patient bootstrap.

    Patients, not films, are drawn, since films of one patient resemble each other: intervals by film are up to
    1.7 times too narrow. Targets and scores (N, L), patients (N,).
    """
    point = aurocs(targets, scores)
    drawn = _bootstrap(targets, scores, patients, ~np.isnan(point), resamples, seed)
    found = []
    for i, label in enumerate(labels):
        if not np.isnan(point[i]):
            low, high = np.nanpercentile(drawn[:, i], [2.5, 97.5])
            positives = int((targets[:, i] == 1).sum())
            found.append(
                Score(label, subset, "AUROC", float(point[i]), float(low), float(high), positives, len(targets))
            )
    if len(found) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a resample may lack a finding altogether
            low, high = np.nanpercentile(np.nanmean(drawn, 1), [2.5, 97.5])
        positives = int((targets == 1).sum())
        found.append(
            Score(
                "mean",
                subset,
                "AUROC",
                float(np.nanmean(point)),
                float(low),
                float(high),
                positives,
                len(targets),
            )
        )
    return found


def _bootstrap(
    targets: np.ndarray,
    scores: np.ndarray,
    patients: np.ndarray,
    columns: np.ndarray,
    resamples: int,
    seed: int,
) -> np.ndarray:
    names, of_patient = np.unique(patients, return_inverse=True)
    films = [np.flatnonzero(of_patient == i) for i in range(len(names))]
    rng = np.random.default_rng(seed)
    drawn = np.full((resamples, targets.shape[1]), np.nan)
    for r in range(resamples):
        rows = np.concatenate([films[i] for i in rng.integers(len(names), size=len(names))])
        for i in np.flatnonzero(columns):
            drawn[r, i] = auroc(targets[rows, i], scores[rows, i])
    return drawn
