"""AUROC and average precision per finding, pooled and by stratum, with 95 % intervals by patient bootstrap."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.evaluation import metrics
from cxr_demo.types import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cxr_demo.films.label_tables import Films

    #: truth (n,) of 0 and 1, scores (n,) -> the metric's value
    Metric = Callable[[np.ndarray, np.ndarray], float]

#: Least number of positives, and of negatives, for an AUROC to be reported and to enter a mean.
FEWEST = 10
#: Least number of films of a stratum with figures of its own.
FEWEST_FILMS = 300
#: First and last words of the names of metrics of decisions.
DECISIONS, AT_CUTOFF = ("sensitivity", "specificity", "precision"), "at the cut-off"
#: Bounds of the age bands, years.
AGES = (40, 60)


def auroc(truth: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve, with ties counted half; nan unless both classes occur.

    `truth` (N,) is 1 or 0, other values are ignored; `scores` (N,).
    """
    known = (truth == 0) | (truth == 1)
    truth, scores = truth[known] == 1, scores[known]
    positives, negatives = truth.sum(), (~truth).sum()
    if not positives or not negatives:
        return float("nan")
    ranks = metrics.ranks(scores) + 1
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(truth: np.ndarray, scores: np.ndarray) -> float:
    """Mean precision over the positives, in the order of the scores (N,); nan unless both classes occur.

    `truth` (N,) as in `auroc`. The chance level is the prevalence. scikit-learn gives the same value, but its checks of
    the arguments take forty times as long, which a bootstrap notices.
    """
    known = (truth == 0) | (truth == 1)
    truth, scores = truth[known] == 1, scores[known]
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.inf))  # the last film of each score
    found = np.cumsum(truth[order])[ends]
    if not found.size or found[-1] in (0, len(truth)):
        return float("nan")
    return float((np.diff(found, prepend=0) * found / (ends + 1)).sum() / found[-1])


METRICS: dict[str, Metric] = {"AUROC": auroc, "average precision": average_precision}


def enough(targets: np.ndarray) -> np.ndarray:
    """Mask (L,) of the columns of targets (N, L) with at least FEWEST positives and FEWEST negatives."""
    found: np.ndarray = ((targets == 1).sum(0) >= FEWEST) & ((targets == 0).sum(0) >= FEWEST)
    return found


def aurocs(targets: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """AUROC (L,) of each column of targets and scores (N, L); nan with fewer than FEWEST of either class."""
    columns = enough(targets)
    return np.array([auroc(targets[:, i], scores[:, i]) if columns[i] else np.nan for i in range(len(columns))])


def strata(films: Films) -> Iterator[tuple[str, np.ndarray]]:
    """Names and masks (N,) of the strata: all films, then the sources, views, sexes and ages with enough films."""
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
    """A metric that compares films of the same group only; nan if no group has both classes.

    `truth`, `scores` and `groups` (N,). Groups are averaged with their numbers of pairs (positive, negative) as
    weights, so that an AUROC is the share of pairs within groups in the right order. Models of different folds put
    their scores on different scales, which makes ranks across folds meaningless (Forman and Scholz 2010).
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
    """Scores of each finding and their mean: every metric over all films, AUROC in the other strata.

    `scores` (N, L); `folds` (N,) is the fold of the model that scored each film, if there were several models.
    `resamples` is the number of bootstrap samples.
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
    """A metric of each finding with enough films and its mean, with 95 % intervals; empty if no finding has enough.

    Targets and scores (N, L), patients and folds (N,); see `within`. The bootstrap draws patients instead of films,
    because films of a patient resemble each other: intervals by film are up to 1.7 times too narrow.
    """
    columns = np.flatnonzero(enough(targets))
    if not len(columns):
        return []
    measured = METRICS[metric]
    groups = np.zeros(len(targets)) if folds is None else folds

    def figures(rows: np.ndarray) -> np.ndarray:
        """The metric (L,) of films drawn by the bootstrap."""
        return np.array([within(measured, targets[rows, i], scores[rows, i], groups[rows]) for i in columns])

    point = figures(np.arange(len(targets)))
    drawn = metrics.bootstrap(figures, patients, resamples, seed)
    positives = (targets[:, columns] == 1).sum(0)
    found = label_scores([labels[i] for i in columns], point, drawn, subset, metric, positives, len(targets))
    if len(found) > 1:
        found.append(mean_score(point, drawn, subset, metric, int(positives.sum()), len(targets)))
    return found


def shares(labels: tuple[str, ...], hits: np.ndarray, patients: np.ndarray, subset: str, metric: str) -> list[Score]:
    """Share of hits per label and its mean over labels, with 95 % intervals by patient bootstrap.

    `hits` (N, L) is 1 or 0, nan for films without a target to hit; `patients` (N,).
    """
    columns = np.flatnonzero(~np.isnan(hits).all(0))
    rows = np.flatnonzero(~np.isnan(hits).all(1))
    if not len(columns):
        return []

    def figures(chosen: np.ndarray) -> np.ndarray:
        """The share of hits (L,) of films drawn by the bootstrap."""
        part = hits[rows[chosen]][:, columns]
        tried = (~np.isnan(part)).sum(0)
        return np.where(tried > 0, np.nansum(part, 0) / np.maximum(tried, 1), np.nan)

    point = figures(np.arange(len(rows)))
    drawn = metrics.bootstrap(figures, patients[rows])
    tried = (~np.isnan(hits[:, columns])).sum(0)
    found = label_scores([labels[i] for i in columns], point, drawn, subset, metric, tried, len(rows))
    if len(found) > 1:
        found.append(mean_score(point, drawn, subset, metric, int(tried.sum()), len(rows)))
    return found


def at_cutoffs(films: Films, present: np.ndarray) -> list[Score]:
    """Sensitivity, specificity and precision of decisions `present` (N, L) per finding with enough films, and means.

    The precision holds for the prevalence among these films.
    """
    known, truth = (films.targets == 0) | (films.targets == 1), films.targets == 1
    found: list[Score] = []
    for name, rows in zip(DECISIONS, (known & truth, known & ~truth, known & present), strict=True):
        hits = np.where(rows & enough(films.targets), present == truth, np.nan)
        found += shares(films.labels, hits, films.patients, "all sources", f"{name} {AT_CUTOFF}")
    return found


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
    """Mean over findings of figures (L,), with the 95 % interval of bootstrap samples (R, L)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a bootstrap sample may lack a finding
        low, high = metrics.interval(np.nanmean(drawn, 1))
    return Score("mean", subset, metric, float(np.nanmean(point)), float(low), float(high), positives, films)


def calibration_error(truth: np.ndarray, probabilities: np.ndarray, bins: int = 15) -> float:
    """Expected calibration error (Naeini et al. 2015), with bins of equally many films.

    Mean distance between predicted probability (N,) and observed frequency; `truth` (N,) as in `auroc`.
    """
    known = (truth == 0) | (truth == 1)
    order = np.argsort(probabilities[known], kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    truth, probabilities = truth[known], probabilities[known]
    gaps = [abs(truth[part].mean() - probabilities[part].mean()) * len(part) for part in parts]
    return float(np.sum(gaps) / max(1, known.sum()))
