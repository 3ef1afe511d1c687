"""Shortcuts: labels that source, view, device, sex, age or follow-up number predict without pixels."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingClassifier

from cxr_demo.films import label_tables
from train import evaluate, splits
from train.audit.base import UNNAMED, Finding, Severity, in_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Check, Subject

#: Odds ratio above which, or below its inverse, a warning is due unless chance explains it.
HIGH_ODDS = 3.0
#: AUROC of a model without pixels above which a warning is due.
HIGH_AUROC = 0.6
#: Probability that chance raises a warning for an attribute, over all its groups and labels.
FALSE_ALARMS = 0.01
#: Least number of films of a group.
FEWEST_FILMS = 30
#: A source is clustered if its films are at least this many times their effective number ...
CLUSTERED = 4.0
#: ... and the effective number is at most this.
FEW_PATIENTS = 200
#: Bounds of the age bands, years.
BANDS = (18, 40, 60, 80)
#: Names of other columns that may identify a device or manufacturer.
DEVICE = re.compile("device|drain|manufacturer|scanner|station", re.IGNORECASE)
#: Most rows that a finding lists.
LISTED = 30
FOLDS = 3


def odds_ratios(
    members: np.ndarray, targets: np.ndarray, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Odds ratio of each label inside a group against outside, with its interval: three arrays (L,).

    `members` (N,) bool; `targets` (N, L), nan is ignored. Woolf's interval of the logarithm; if one of the four cells
    is empty, half a film is added to each (Haldane 1956, Anscombe 1956).
    """
    inside, outside = targets[members], targets[~members]
    cells = np.array([(part == value).sum(0) for part in (inside, outside) for value in (1, 0)], float)
    cells += np.where((cells == 0).any(0), 0.5, 0.0)
    a, b, c, d = cells
    log, error = np.log(a * d / (b * c)), np.sqrt((1 / cells).sum(0))
    width = norm.isf((1 - level) / 2) * error
    return np.exp(log), np.exp(log - width), np.exp(log + width)


def labelled(films: Films) -> tuple[tuple[str, ...], np.ndarray]:
    """Labels and targets (N, L), 1, 0 or nan; includes "No Finding" if the table has it, since it varies by source."""
    targets = np.where((films.targets == 0) | (films.targets == 1), films.targets, np.nan)
    if "No Finding" not in films.extra or "No Finding" in films.labels:
        return films.labels, targets
    said = label_tables.values(films.extra["No Finding"])
    normal = np.where((said == 0) | (said == 1), said, np.nan)
    return (*films.labels, "No Finding"), np.column_stack([targets, normal])


def attributes(films: Films) -> dict[str, np.ndarray]:
    """Metadata of the films by name: source, view, sex, age band and device, each (N,) str, empty if unknown."""
    between = [f"{low}-{high - 1}" for low, high in pairwise(BANDS)]
    bands = np.array([f"under {BANDS[0]}", *between, f"{BANDS[-1]} on"])
    band = bands[np.searchsorted(BANDS, np.nan_to_num(films.ages), side="right")]
    columns = {"source": films.sources, "view": films.views, "sex": films.sexes}
    columns["age"] = np.where(np.isnan(films.ages), "", band)
    # without uncertain cells such a column has two values, of which `groups` compares the rarer
    return columns | {name: np.where(c == "-1", "", c) for name, c in films.extra.items() if DEVICE.search(name)}


def groups(column: np.ndarray) -> list[str]:
    """Values of a column to compare with the other values, each with FEWEST_FILMS films inside and outside.

    Of a column with two values only the rarer one.
    """
    values, counts = np.unique(column[column != ""], return_counts=True)
    large = (counts >= FEWEST_FILMS) & (counts.sum() - counts >= FEWEST_FILMS)
    if len(values) == 2:
        large &= np.arange(2) == counts.argmin()
    return [str(value) for value in values[large]]


def follows(subject: Subject) -> Iterator[Finding]:
    """Labels that depend on source, view, sex, age or device, by odds ratio: one finding per attribute.

    A warning requires a ratio above HIGH_ODDS or below its inverse, and an interval, corrected for the number of pairs
    (Bonferroni), that excludes 1. The figures give the plain 95 % interval.
    """
    labels, targets = labelled(subject.films)
    for attribute, column in attributes(subject.films).items():
        known = column != ""
        rows = _pairs(column[known], labels, targets[known])
        if not rows:
            continue
        worst = rows[0]
        high = [row for row in rows if row["high"]]
        title = f"No label follows {attribute}; the strongest is {_words(worst)}."
        if high:
            title = f"{len({row['label'] for row in high})} of {len(labels)} labels follow {attribute}: {_words(worst)}"
            title += f"; {_words(high[1])}." if len(high) > 1 else "."
        yield Finding(
            f"label-follows-{in_id(attribute)}",
            Severity.WARNING if high else Severity.INFO,
            title,
            f"Give figures within each {attribute}, and balance or leave out what a model could learn instead."
            if high
            else "",
            {"pairs": len(rows), "above": len(high), "rows": rows[:LISTED]},
        )


def _pairs(column: np.ndarray, labels: tuple[str, ...], targets: np.ndarray) -> list[dict[str, Any]]:
    """A row per group and label, with the interval farthest from 1 first."""
    there = np.flatnonzero((targets == 1).any(0) & (targets == 0).any(0))
    names = groups(column)
    rows = []
    strict = 1 - FALSE_ALARMS / max(len(names) * len(there), 1)
    for name in names:
        members = column == name
        table = np.array(odds_ratios(members, targets[:, there])).T
        guarded = np.array(odds_ratios(members, targets[:, there], strict)).T
        for i, (ratio, low, high), (_, lowest, highest) in zip(there, table, guarded, strict=True):
            beyond = bool((ratio > HIGH_ODDS and lowest > 1) or (ratio < 1 / HIGH_ODDS and highest < 1))
            row = {"group": name, "label": labels[i], "odds ratio": float(ratio), "low": float(low)}
            row |= {"up to": float(high), "high": beyond, "in": _count(targets[members, i])}
            rows.append(row | {"out": _count(targets[~members, i])})
    # sorted by the bound nearest to 1, so that a ratio from a handful of films does not come first
    return sorted(rows, key=lambda row: (row["high"], max(np.log(row["low"]), -np.log(row["up to"]))), reverse=True)


def _count(target: np.ndarray) -> str:
    """Positives and known labels, as "3 of 40"."""
    return f"{(target == 1).sum()} of {(~np.isnan(target)).sum()}"


def _words(row: dict[str, Any]) -> str:
    """A pair and its odds ratio in words."""
    ratio, low, high = (f"{x:,.1f}" if x >= 10 else f"{x:.3g}" for x in (row["odds ratio"], row["low"], row["up to"]))
    return f"{row['label']} in {row['group']}, odds ratio {ratio} [{low}-{high}]"


def one_sided_sources(subject: Subject) -> Iterator[Finding]:
    """Sources that never, or always, have a label that should occur there.

    That is, ten or more films would have, or lack, the label at the rate of the other sources.
    """
    labels, targets = labelled(subject.films)
    sources = subject.films.sources
    rows: list[dict[str, Any]] = []
    for name in np.unique(sources):
        inside, outside = targets[sources == name], targets[sources != name]
        for i, label in enumerate(labels):
            for value, word in ((1, "never"), (0, "always")):
                films = int((~np.isnan(inside[:, i])).sum())
                others = (outside[:, i] == value).sum() / max((~np.isnan(outside[:, i])).sum(), 1)
                if not (inside[:, i] == value).any() and others * films >= evaluate.FEWEST:
                    expected = float(others * films if value else films - others * films)
                    rows.append({"source": str(name), "label": label, "given": word, "films": films})
                    rows[-1]["expected positives"] = expected
    if rows:
        names = list(dict.fromkeys(row["source"] or UNNAMED for row in rows))
        rows.sort(key=lambda row: -row["films"])
        yield Finding(
            "source-tells-label",
            Severity.WARNING,
            f"{len(names)} sources give away a label by never or always having it: {', '.join(names[:4])}"
            f"{' ...' if len(names) > 4 else ''}.",
            "Give figures within sources that have both, and do not read a pooled AUROC as skill.",
            {"rows": rows[:LISTED]},
        )


def clusters(subject: Subject) -> Iterator[Finding]:
    """Sources with many films of few patients, which look like more evidence than they are.

    Effective number of films: (sum n)^2 / sum n^2, with n films of a patient (Kish 1965).
    """
    known = subject.films.patients != ""
    patients, sources = subject.films.patients[known], subject.films.sources[known]
    rows: list[dict[str, Any]] = []
    for name in np.unique(sources):
        _, counts = np.unique(patients[sources == name], return_counts=True)
        worth = counts.sum() ** 2 / (counts**2).sum()
        row = {"source": str(name), "films": int(counts.sum()), "patients": len(counts), "most": int(counts.max())}
        rows.append(row | {"worth": float(worth), "high": bool(_clustered(int(counts.sum()), worth))})
    if not rows:
        return
    rows.sort(key=lambda row: -row["films"] / row["worth"])
    high = [row for row in rows if row["high"]]
    names = "; ".join(
        f"{row['source'] or UNNAMED}, {row['films']} films of {row['patients']} patients, up to {row['most']} of one,"
        f" worth {row['worth']:.0f}"
        for row in high
    )
    yield Finding(
        "films-of-few-patients",
        Severity.WARNING if high else Severity.INFO,
        f"Films cluster in few patients: {names}." if high else "No source's films cluster in few patients.",
        "Split by patient, and draw patients, not films, for intervals." if high else "",
        {"rows": rows[:LISTED]},
    )


def _clustered(films: int, worth: float) -> bool:
    """Whether a source with an effective number `worth` of films is clustered."""
    return films >= FEWEST_FILMS and films / worth >= CLUSTERED and worth <= FEW_PATIENTS


def without_pixels(subject: Subject) -> Iterator[Finding]:
    """AUROC per label of a gradient boosting model of metadata alone, as a baseline for networks.

    Out of fold by patient. A warning requires an AUROC above HIGH_AUROC and beyond its 95 % interval of chance.
    """
    films = subject.films
    columns = _columns(films)
    labels, targets = labelled(films)
    enough = [i for i in range(len(labels)) if _enough(targets[:, i])]
    if not columns or not enough or len(set(films.patients)) < FOLDS * evaluate.FEWEST:
        return
    values = np.column_stack([values for values, _ in columns.values()])
    model = HistGradientBoostingClassifier(
        max_iter=30,
        max_leaf_nodes=15,
        early_stopping=False,
        categorical_features=[category for _, category in columns.values()],
        random_state=0,
    )
    fold = splits.patient_folds(films.patients, films.targets, FOLDS)
    rows: list[dict[str, Any]] = []
    for i in enough:
        auroc = evaluate.auroc(targets[:, i], _out_of_fold(model, values, targets[:, i], fold))
        positives, negatives = int((targets[:, i] == 1).sum()), int((targets[:, i] == 0).sum())
        chance = 1.96 * np.sqrt((1 / positives + 1 / negatives) / 12)
        high = bool(auroc > HIGH_AUROC and auroc - 0.5 > chance)
        rows.append({"label": labels[i], "AUROC": auroc, "positives": positives, "high": high})
    mean = float(np.mean([row["AUROC"] for row in rows if row["label"] in films.labels or len(rows) == 1]))
    rows.sort(key=lambda row: -row["AUROC"])
    high = any(row["high"] for row in rows)
    best = ", ".join(f"{row['label']} {row['AUROC']:.2f}" for row in rows[:3])
    yield Finding(
        "label-without-pixels",
        Severity.WARNING if high else Severity.INFO,
        f"A model that sees no pixel ({', '.join(columns)}) has a mean AUROC of {mean:.3f}; best {best}.",
        "Print it beside the network's: only what lies above was learnt from the films." if high else "",
        {"mean": mean, "columns": list(columns), "rows": rows},
    )


def _columns(films: Films) -> dict[str, tuple[np.ndarray, bool]]:
    """Metadata by name: values (N,) float and whether they are categories; constant columns are left out."""
    found: dict[str, tuple[np.ndarray, bool]] = {}
    for name, column in {"source": films.sources, "view": films.views, "sex": films.sexes}.items():
        # the model accepts at most 255 categories
        found[name] = np.minimum(np.unique(column, return_inverse=True)[1], 254).astype(float), True
    found |= {"age": (films.ages, False), "follow-up": (films.follow_ups, False)}
    return {name: pair for name, pair in found.items() if len(np.unique(pair[0])) > 1}


def _enough(target: np.ndarray) -> bool:
    """Whether a label has evaluate.FEWEST positives and negatives."""
    return bool(min((target == 1).sum(), (target == 0).sum()) >= evaluate.FEWEST)


def _out_of_fold(
    model: HistGradientBoostingClassifier, values: np.ndarray, target: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Probabilities (N,) of a label, each film scored by a model trained on the other folds."""
    known = ~np.isnan(target)
    scores = np.full(len(target), np.nan)
    for k in range(FOLDS):
        rows = known & (fold != k)
        held = fold == k
        if len(np.unique(target[rows])) == 2:
            scores[held] = model.fit(values[rows], target[rows] == 1).predict_proba(values[held])[:, 1]
        else:
            scores[held] = target[rows].mean()
    return scores


CHECKS: tuple[Check, ...] = (follows, one_sided_sources, clusters, without_pixels)
