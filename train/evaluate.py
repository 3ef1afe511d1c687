"""How good a model is: AUROC and average precision per finding, pooled and in strata, with intervals by patient."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import average_precision_score

from cxr_demo.evaluation import metrics
from cxr_demo.types import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxr_demo.films.label_tables import Films

    #: truth (n,) of 0 and 1, scores (n,) -> a figure
    Metric = Callable[[np.ndarray, np.ndarray], float]

#: Under this number of positives or negatives an AUROC says nothing and is not part of a mean.
FEWEST = 10
#: Strata with fewer films than this get no figures of their own.
FEWEST_FILMS = 300
#: Bounds of the age bands, years.
AGES = (40, 60)


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half; nan where only one class is known.

    `truth` (N,) is 1, 0 or anything else (ignored); `scores` (N,).
    """
    known = (truth == 0) | (truth == 1)
    truth, scores = truth[known] == 1, scores[known]
    positives, negatives = truth.sum(), (~truth).sum()
    if not positives or not negatives:
        return float("nan")
    ranks = metrics.ranks(scores) + 1
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean precision over the positives in the order of the scores; chance is the prevalence. nan as for `auroc`."""
    known = (truth == 0) | (truth == 1)
    if len(np.unique(truth[known])) < 2:
        return float("nan")
    return float(average_precision_score(truth[known] == 1, scores[known]))


METRICS: dict[str, Metric] = {"AUROC": auroc, "average precision": average_precision}


def enough(targets: np.ndarray) -> np.ndarray:
    """Which columns (L,) of targets (N, L) have at least FEWEST positives and negatives."""
    found: np.ndarray = ((targets == 1).sum(0) >= FEWEST) & ((targets == 0).sum(0) >= FEWEST)
    return found


def aurocs(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUROC (L,) of each column; nan where there are fewer than FEWEST positives or negatives."""
    columns = enough(targets)
    return np.array([auroc(targets[:, i], scores[:, i]) if columns[i] else np.nan for i in range(len(columns))])


def strata(films: Films) -> Iterator[tuple[str, np.ndarray]]:
    """Names and masks (N,) of the parts of the films that are large enough: all, sources, views, sexes, ages."""
    yield "all sources", np.ones(len(films), bool)
    parts = [(f"within {source}", films.sources == source) for source in np.unique(films.sources) if source]
    parts += [(f"view {view}", films.views == view) for view in np.unique(films.views) if view]
    parts += [(f"sex {sex}", films.sexes == sex) for sex in np.unique(films.sexes) if sex]
    for low, high in zip((0, *AGES), (*AGES, np.inf), strict=True):
        name = f"age {low} to {high:g}" if np.isfinite(high) else f"age {low} and over"
        parts.append((name, (films.ages >= low) & (films.ages < high)))
    for name, rows in parts:
        if FEWEST_FILMS <= rows.sum() < len(films):
            yield name, rows


def within(metric: Metric, truth: np.ndarray, scores: np.ndarray, groups: np.ndarray) -> float:
    """A metric where only scores (N,) of the same group (N,) are compared: the mean over groups by pairs of films.

    Models of different folds put their scores on different scales, so that ranks across folds say nothing (Forman
    and Scholz 2010). For AUROC it is exactly the share of pairs within groups that are in order.
    """
    values, weights = [], []
    for group in np.unique(groups):
        rows = groups == group
        value = metric(truth[rows], scores[rows])
        if not np.isnan(value):
            values.append(value)
            weights.append(float((truth[rows] == 1).sum() * (truth[rows] == 0).sum()))
    return float(np.average(values, weights=weights)) if values else float("nan")


def measure(films: Films, scores: np.ndarray, folds: np.ndarray | None = None, *, resamples: int = 1000) -> list[Score]:
    """Every metric of every finding and their mean over all films; AUROC in the other strata.

    Scores (N, L); where models of several folds gave them, `folds` (N,) says which.
    """
    found: list[Score] = []
    folds = np.zeros(len(films)) if folds is None else folds
    for name, rows in strata(films):
        part = films.labels, films.targets[rows], scores[rows], films.patients[rows], name
        for metric in METRICS if name == "all sources" else ["AUROC"]:
            found += score(*part, metric=metric, folds=folds[rows], resamples=resamples)
    return found


def score(
    labels: tuple[str, ...],
    targets: np.ndarray,
    scores: np.ndarray,
    patients: np.ndarray,
    subset: str,
    *,
    metric: str = "AUROC",
    folds: np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> list[Score]:
    """A metric of every finding that has enough films and their mean, with 95 % intervals by patient bootstrap.

    Patients, not films, are drawn, since films of one patient resemble each other: intervals by film are up to
    1.7 times too narrow. Targets and scores (N, L), patients and folds (N,); see `within`.
    """
    columns = np.flatnonzero(enough(targets))
    if not len(columns):
        return []
    measured = METRICS[metric]
    groups = np.zeros(len(targets)) if folds is None else folds

    def figures(rows: np.ndarray) -> np.ndarray:
        return np.array([within(measured, targets[rows, i], scores[rows, i], groups[rows]) for i in columns])

    point = figures(np.arange(len(targets)))
    drawn = metrics.bootstrap(figures, patients, resamples, seed)
    positives = (targets[:, columns] == 1).sum(0)
    found = label_scores([labels[i] for i in columns], point, drawn, subset, metric, positives, len(targets))
    if len(found) > 1:
        found.append(mean_score(point, drawn, subset, metric, int(positives.sum()), len(targets)))
    return found


def shares(labels: tuple[str, ...], hits: np.ndarray, patients: np.ndarray, subset: str, metric: str) -> list[Score]:
    """The share of hits (N, L), nan where there is nothing to hit, per label and in the mean over labels."""
    columns = np.flatnonzero(~np.isnan(hits).all(0))
    rows = np.flatnonzero(~np.isnan(hits).all(1))
    if not len(columns):
        return []

    def figures(chosen: np.ndarray) -> np.ndarray:
        part = hits[rows[chosen]][:, columns]
        tried = (~np.isnan(part)).sum(0)
        return np.where(tried > 0, np.nansum(part, 0) / np.maximum(tried, 1), np.nan)

    point = figures(np.arange(len(rows)))
    drawn = metrics.bootstrap(figures, patients[rows])
    tried = (~np.isnan(hits[:, columns])).sum(0)
    found = label_scores([labels[i] for i in columns], point, drawn, subset, metric, tried, len(rows))
    return [*found, mean_score(point, drawn, subset, metric, int(tried.sum()), len(rows))]


def label_scores(
    labels: Sequence[str], point: np.ndarray, drawn: np.ndarray, subset: str, metric: str, counts: np.ndarray,
    films: int,
) -> list[Score]:  # fmt: skip
    """Figures (L,) of findings that so many films (L,) have, each with the interval of its resamples (R, L)."""
    return [
        Score(label, subset, metric, float(value), float(low), float(high), int(count), films)
        for label, value, low, high, count in zip(labels, point, *metrics.interval(drawn), counts, strict=True)
    ]


def mean_score(point: np.ndarray, drawn: np.ndarray, subset: str, metric: str, positives: int, films: int) -> Score:
    """The mean over findings of figures (L,) with the interval of its resamples (R, L)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a resample may lack a finding altogether
        low, high = metrics.interval(np.nanmean(drawn, 1))
    return Score("mean", subset, metric, float(np.nanmean(point)), float(low), float(high), positives, films)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Mean distance between probability and frequency over bins of equally many films (ECE, Naeini et al. 2015)."""
    known = (truth == 0) | (truth == 1)
    order = np.argsort(probabilities[known], kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    truth, probabilities = truth[known], probabilities[known]
    gaps = [abs(truth[part].mean() - probabilities[part].mean()) * len(part) for part in parts]
    return float(np.sum(gaps) / max(1, known.sum()))
