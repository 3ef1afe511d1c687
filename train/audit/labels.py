"""Errors in labels and metadata: contradictions, swapped columns, and differences from published tables."""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from cxr_demo.films import label_tables
from cxr_demo.models.classifier import published_models
from cxr_demo.types import NIH_FINDINGS
from train import evaluate
from train.audit.base import Finding, Severity, Suspect, in_id
from train.audit.leaks import sides
from train.audit.reference import joined, nih_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Check, Subject

#: NIH's table of its 112,120 films.
TABLE = "Data_Entry_2017_v2020.csv.gz"
#: Versions of the table by their number of films with Pneumonia.
VERSIONS = {1353: "v1 of 2017", 1431: "v2020"}
#: Ages in years above which an error is probable, and above which it is certain.
OLD, OLDEST = 100, 120
#: Numbers of positives of a label in a part below which figures are meaningless, or imprecise.
FEWEST, FEW = evaluate.FEWEST, 30
#: Largest factor between the prevalence of a label in a held-out part and in training.
SHIFT = 2.0
#: Standard errors by which another score's AUROC must be higher for a column to count as swapped.
SURE = 4.0


@cache
def published() -> pd.DataFrame:
    """NIH's labels as columns of 0 and 1, with "No Finding", in the order of `nih_table(TABLE)`."""
    return nih_table(TABLE)["Finding Labels"].str.get_dummies("|").astype(np.float32)


def names(subject: Subject) -> Iterator[Finding]:
    """Labels that no published model predicts; an error if one is a misspelt known label."""
    others = [label for label in subject.films.labels if label not in NIH_FINDINGS]
    if not others:
        return
    published_labels = {name for model in published_models().values() for name in model["labels"] if name}
    known = sorted({*NIH_FINDINGS, *published_labels})
    unknown = [label for label in others if label not in known]
    near = {label: difflib.get_close_matches(label, known, n=1, cutoff=0.85) for label in unknown}
    spelt = [f"{label} looks like {match[0]}" for label, match in near.items() if match]
    if unknown:
        yield Finding(
            "unknown-label",
            Severity.ERROR if spelt else Severity.WARNING,
            f"{len(unknown)} labels that no published model predicts: {', '.join([*spelt, *_without(unknown, near)])}.",
            "Rename the column, if it means the same.",
            {"unknown": unknown, "known": known},
        )


def _without(unknown: list[str], near: dict[str, list[str]]) -> list[str]:
    """The unknown labels without a similar known one."""
    return [label for label in unknown if not near[label]]


def version(subject: Subject) -> Iterator[Finding]:
    """Version of NIH's table, by its Pneumonia labels and its highest age.

    A note for v2020 with plausible ages, otherwise a warning. A part of the table counts as v2020 if its Pneumonia
    labels are those of 2020.
    """
    films = subject.films
    found, rows = joined(films, nih_table(TABLE))
    if not len(found) or "Pneumonia" not in films.labels:
        return
    said = films.targets[found, films.labels.index("Pneumonia")] == 1
    corrected = published()["Pneumonia"].to_numpy()[rows] == 1
    whole = len(set(rows)) == len(published())
    name = VERSIONS.get(int(said.sum()), "unknown") if whole else ("v2020" if (said == corrected).all() else "unknown")
    ages = films.ages[found]
    oldest = None if np.isnan(ages).all() else float(np.nanmax(ages))
    aged = oldest is not None and oldest > OLD
    part = "NIH's whole table" if whole else f"{len(found)} of NIH's films"
    yield Finding(
        "nih-version",
        Severity.INFO if name == "v2020" and not aged else Severity.WARNING,
        f"{part}: {said.sum()} with Pneumonia, {corrected.sum()} in v2020"
        f"{f'; ages up to {oldest:.0f}, in v2020 95' if oldest else ''}: version {name}.",
        "" if name == "v2020" and not aged else "Use Data_Entry_2017_v2020.csv: labels and ages are corrected in it.",
        {"version": name, "films": len(found), "Pneumonia": int(said.sum()), "highest age": oldest},
    )


#: Labels that a film without a finding may have, as in CheXpert.
NO_DISEASE = ("No Finding", "Support Devices")


def contradictions(subject: Subject) -> Iterator[Finding]:
    """Films with both "No Finding" and a finding, an error.

    Also films with neither, a warning, if the table has all of NIH's findings and none of the film's labels is masked.
    """
    films = subject.films
    if "No Finding" not in films.extra:
        return
    said = label_tables.values(films.extra["No Finding"])
    given = {label: films.targets[:, i] == 1 for i, label in enumerate(films.labels) if label not in NO_DISEASE}
    given |= {name: label_tables.values(films.extra[name]) == 1 for name in NIH_FINDINGS if name in films.extra}
    positive = np.any(list(given.values()), axis=0)
    both = np.flatnonzero((said == 1) & positive)
    if len(both):
        which = [[label for label, has in given.items() if has[i]] for i in both]
        yield Finding(
            "no-finding-with-finding",
            Severity.ERROR,
            f"{len(both)} films are labelled No Finding and have a finding, {', '.join(which[0])} in the first.",
            "Mend the table; a column in the wrong place looks like this too.",
            {"films": len(both)},
            tuple(
                Suspect(int(i), label, f"{label}, but labelled No Finding.")
                for i, labels in zip(both, which, strict=True)
                for label in labels
                if label in films.labels
            ),
        )
    masked = np.isnan(films.targets).any(1)
    neither = np.flatnonzero((said == 0) & ~positive & ~masked)
    if len(neither) and set(NIH_FINDINGS) <= set(given):
        yield Finding(
            "neither-finding-nor-none",
            Severity.WARNING,
            f"{len(neither)} films have none of {len(given)} findings, but are not labelled No Finding.",
            "See which finding is missing, or in a column that was not read.",
            {"films": len(neither)},
            tuple(Suspect(int(i), None, "Has no finding, but is not labelled No Finding.") for i in neither),
        )


#: Values by which another reader's column calls a film normal, and the most values that such a column has.
NORMAL, MOST_VALUES = re.compile("normal|no[ _]finding|healthy|negative", re.IGNORECASE), 12


def second_readers(subject: Subject) -> Iterator[Finding]:
    """Films with a finding that another column of the table calls normal: a warning per column."""
    films = subject.films
    positive = (films.targets == 1).any(1)
    for name, column in films.extra.items():
        values = np.unique(column[column != ""])
        normal = [str(value) for value in values if NORMAL.fullmatch(str(value).strip())]
        if len(normal) != 1 or not 1 < len(values) <= MOST_VALUES:
            continue
        called = column == normal[0]
        doubted = np.flatnonzero(called & positive)
        if not len(doubted):
            continue
        common = [(int((called & (films.targets[:, i] == 1)).sum()), label) for i, label in enumerate(films.labels)]
        listed = ", ".join(f"{label} {count}" for count, label in sorted(common, reverse=True)[:3] if count)
        yield Finding(
            f"second-reader-{in_id(name)}",
            Severity.WARNING,
            f"{len(doubted)} of {called.sum()} films that {name} calls {normal[0]} have a finding: {listed}.",
            f"Ask which of the two is right; fit --called-normal {name}={normal[0]} doubts these findings.",
            {"films": len(doubted), "called normal": int(called.sum()), **{label: count for count, label in common}},
            tuple(
                Suspect(int(i), label, f"{label}, but {name} calls the film {normal[0]}.")
                for i in doubted
                for label, there in zip(films.labels, films.targets[i] == 1, strict=True)
                if there
            ),
        )


def constants(subject: Subject) -> Iterator[Finding]:
    """Labels without both classes: masked in all films, never present, or never absent.

    A warning, since such a label can be neither learnt nor measured.
    """
    films = subject.films
    wrong = {"masked in every film": np.isnan(films.targets).all(0)}
    wrong["never present"] = ~wrong["masked in every film"] & ~(films.targets > 0).any(0)
    wrong["never absent"] = ~wrong["masked in every film"] & ~(films.targets < 1).any(0)
    rows = {word: [films.labels[i] for i in np.flatnonzero(which)] for word, which in wrong.items()}
    if any(rows.values()):
        yield Finding(
            "label-without-contrast",
            Severity.WARNING,
            "; ".join(f"{', '.join(labels)}: {word}" for word, labels in rows.items() if labels) + ".",
            "Leave these labels out, or add films.",
            rows,
        )


def columns(subject: Subject) -> Iterator[Finding]:
    """Label columns of NIH films that agree better with another published column than with their own.

    Agreement is the phi coefficient (correlation), since a share of equal cells is high for any two rare findings.
    """
    films = subject.films
    found, rows = joined(films, nih_table(TABLE))
    if not len(found):
        return
    phi = _phi(films.targets[found], published().to_numpy()[rows])
    wrong = []
    for i, label in enumerate(films.labels):
        if label in published() and (films.targets[found, i] == 1).sum() >= FEWEST:
            own, best = list(published()).index(label), int(phi[i].argmax())
            if phi[i, best] > phi[i, own]:
                row = {"label": label, "looks like": published().columns[best]}
                wrong.append({**row, "agreement": float(phi[i, best]), "with its own": float(phi[i, own])})
    if wrong:
        yield _permuted(wrong, "published labels", "agreement")


def _permuted(wrong: list[dict[str, Any]], judge: str, figure: str) -> Finding:
    """The error about swapped columns, judged by published labels or by scores.

    Rows hold label, the column it looks like, and the measure `figure` for that column and for its own.
    """
    pairs = ", ".join(f"{row['label']} holds {row['looks like']}" for row in wrong)
    return Finding(
        f"label-columns-{judge.split()[-1]}",
        Severity.ERROR,
        f"{len(wrong)} label columns are in the wrong place, by the {judge}: {pairs} "
        f"({figure} {wrong[0][figure]:.2f}, with its own {wrong[0]['with its own']:.2f}).",
        "Put the names of the columns in the order of their contents.",
        {"rows": wrong},
    )


def _phi(targets: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation (L, M) of labels (N, L), where 0 or 1, with columns (N, M) of 0 and 1; 0 for constant columns."""
    known = (targets == 0) | (targets == 1)
    positive = known & (targets == 1)
    n, a = known.sum(0)[:, None].astype(float), positive.sum(0)[:, None]
    b, both = known.T.astype(float) @ other, positive.T.astype(float) @ other
    spread = np.sqrt((n * a - a**2) * (n * b - b**2))
    phi: np.ndarray = np.where(spread > 0, (n * both - a * b) / np.maximum(spread, 1e-9), 0.0)
    return phi


def scored_columns(subject: Subject) -> Iterator[Finding]:
    """Label columns that another finding's score ranks better than their own score, by the AUROCs of all pairs.

    The scores must come from a model that was trained on columns in the right order. Findings resemble each other;
    therefore a column counts as swapped only if the best joint assignment of scores to labels moves it, and if the
    other score's AUROC is higher by SURE standard errors.
    """
    films, scores = subject.films, subject.scores
    if scores is None:
        return
    known = ~np.isnan(scores).any(1)
    targets, scores = films.targets[known], scores[known]
    enough = np.flatnonzero(~np.isnan(evaluate.aurocs(targets, scores)))
    if len(enough) < 2:
        return
    matrix = np.array([[evaluate.auroc(targets[:, i], scores[:, j]) for j in enough] for i in enough])
    wrong = []
    for i, j in zip(*linear_sum_assignment(-matrix), strict=True):
        target = targets[:, enough[i]]
        error = np.sqrt((1 / (target == 1).sum() + 1 / (target == 0).sum()) / 6)  # standard error of the difference
        if matrix[i, j] - matrix[i, i] > SURE * error:
            row = {"label": films.labels[enough[i]], "looks like": films.labels[enough[j]]}
            wrong.append({**row, "AUROC": float(matrix[i, j]), "with its own": float(matrix[i, i])})
    if wrong:
        yield _permuted(wrong, "model's scores", "AUROC")


def disagreements(subject: Subject) -> Iterator[Finding]:
    """Labels of NIH films that differ from those published in 2020, cell by cell.

    A warning with one suspect per cell; a note if all labels agree. Masked labels are not compared.
    """
    films = subject.films
    found, rows = joined(films, nih_table(TABLE))
    both = [label for label in films.labels if label in published()]
    if not len(found) or not both:
        return
    targets = films.targets[found][:, [films.labels.index(label) for label in both]]
    truth = published()[both].to_numpy()[rows]
    added, missing = (targets == 1) & (truth == 0), (targets == 0) & (truth == 1)
    cells = int(added.sum() + missing.sum())
    counts = zip(both, added.sum(0).tolist(), missing.sum(0).tolist(), strict=True)
    where: list[list[int]] = np.argwhere(added | missing).tolist()
    yield Finding(
        "differs-from-published",
        Severity.WARNING if cells else Severity.INFO,
        f"{cells} labels of {int((added | missing).any(1).sum())} films differ from those NIH published, of "
        f"{len(found)} films that it did.",
        "If these are corrections, keep a list of them; if not, read the table of 2020." if cells else "",
        {"rows": [{"label": label, "only here": a, "only published": m} for label, a, m in counts if a or m]},
        tuple(
            Suspect(int(found[i]), both[j], f"{both[j]}: {'not ' if added[i, j] else ''}in NIH's table of 2020.")
            for i, j in where
        ),
    )


def split_patients(subject: Subject) -> Iterator[Finding]:
    """NIH patients with several names in the table: a split by name can put their films on both sides.

    An error. NIH's ids identify the patients.
    """
    films = subject.films
    found, rows = joined(films, nih_table(TABLE))
    if not len(found):
        return
    published_names = nih_table(TABLE)["Patient ID"].to_numpy()[rows].astype(str)
    pairs = np.unique(np.column_stack([published_names, films.patients[found]]), axis=0)
    ids, counts = np.unique(pairs[:, 0], return_counts=True)
    if (counts > 1).any():
        yield Finding(
            "patient-with-several-names",
            Severity.ERROR,
            f"{(counts > 1).sum()} of {len(ids)} of NIH's patients have several names here, e.g. {ids[counts > 1][0]}.",
            "Name patients as NIH does: by the number before the underscore of the file.",
            {"patients": ids[counts > 1][:20].tolist()},
        )


def few_positives(subject: Subject) -> Iterator[Finding]:
    """Labels with fewer than FEW positives in a part of the split, too few for precise figures.

    A warning below FEWEST, otherwise a note. Without a split all films count as one part.
    """
    films = subject.films
    split = np.full(len(films), "all films") if subject.split is None else subject.split
    rows = []
    for name in np.unique(split[split != ""]):
        counts = (films.targets[split == name] == 1).sum(0).tolist()
        rows += [
            {"split": str(name), "label": lab, "positives": n} for lab, n in zip(films.labels, counts, strict=True)
        ]
    rows = sorted((row for row in rows if row["positives"] < FEW), key=lambda row: row["positives"])
    if rows:
        listed = ", ".join(f"{row['label']} {row['positives']} in {row['split']}" for row in rows[:4])
        more = f", and {len(rows) - 4} more" if len(rows) > 4 else ""
        yield Finding(
            "few-positives",
            Severity.WARNING if rows[0]["positives"] < FEWEST else Severity.INFO,
            f"Fewer than {FEW} positives: {listed}{more}.",
            "Give intervals by patient, and leave figures from fewer than ten out of means.",
            {"rows": rows},
        )


def prevalence(subject: Subject) -> Iterator[Finding]:
    """Labels whose prevalence in a held-out part differs from training by more than the factor SHIFT.

    The 95 % interval of the ratio, by patient, must exclude 1.
    """
    films = subject.films
    if subject.split is None:
        return
    rows: list[dict[str, Any]] = []
    for name, trained, held in sides(subject.split):
        for i, label in enumerate(films.labels):
            shares = [_share(films, i, part) for part in (held, trained)]
            if all(share for share, _ in shares):
                ratio = shares[0][0] / shares[1][0]
                width = 1.96 * float(np.hypot(shares[0][1], shares[1][1]))
                row = {"split": name, "label": label, "share": shares[0][0], "in training": shares[1][0]}
                low, high = ratio * np.exp(-width), ratio * np.exp(width)
                beyond = bool((ratio > SHIFT and low > 1) or (ratio < 1 / SHIFT and high < 1))
                rows.append({**row, "ratio": ratio, "low": float(low), "up to": float(high), "high": beyond})
    rows.sort(key=lambda row: (row["high"], abs(np.log(row["ratio"]))), reverse=True)
    high = [row for row in rows if row["high"]]
    if high:
        listed = ", ".join(
            f"{row['label']} x{row['ratio']:.1f} [{row['low']:.1f}-{row['up to']:.1f}] in {row['split']}"
            for row in high[:3]
        )
        yield Finding(
            "prevalence-shift",
            Severity.WARNING,
            f"{len(high)} labels are over {SHIFT:.0f} times as frequent, or rare, as in training: {listed}.",
            "Calibrate and choose operating points on films like those that will be seen.",
            {"rows": rows},
        )


def _share(films: Films, label: int, part: np.ndarray) -> tuple[float, float]:
    """Prevalence of a label in `part` (N,) bool, and the standard error of its logarithm; 0, 0 without positives.

    Linearised with patients as clusters: the sum over patients of (positives - share * films)^2, over films^2.
    """
    rows = part & ~np.isnan(films.targets[:, label])
    if not rows.any():
        return 0.0, 0.0
    positive = films.targets[rows, label] == 1
    share = float(positive.mean())
    _, of_patient = np.unique(films.patients[rows], return_inverse=True)
    rest = np.bincount(of_patient, positive - share)
    return share, float(np.sqrt((rest**2).sum()) / rows.sum() / share) if share else 0.0


def sexes(subject: Subject) -> Iterator[Finding]:
    """Patients recorded with both sexes: two people under one name, or a wrong entry."""
    films = subject.films
    known = (films.sexes != "") & (films.patients != "")
    pairs = np.unique(np.column_stack([films.patients[known], films.sexes[known]]), axis=0)
    ids, counts = np.unique(pairs[:, 0], return_counts=True)
    if (counts > 1).any():
        rows = np.flatnonzero(np.isin(films.patients, ids[counts > 1]) & known)
        yield Finding(
            "sex-changes",
            Severity.WARNING,
            f"{(counts > 1).sum()} patients have films of both sexes, e.g. patient {ids[counts > 1][0]}.",
            "See whether two people share a name: then splits by patient are wrong too.",
            {"patients": ids[counts > 1][:20].tolist()},
            tuple(Suspect(int(i), None, f"Patient {films.patients[i]} is of both sexes.") for i in rows),
        )


def ages(subject: Subject) -> Iterator[Finding]:
    """Ages below 0 or above OLD, which are impossible or probable errors of entry."""
    years = subject.films.ages
    rows = np.flatnonzero((years < 0) | (years > OLD))
    if len(rows):
        impossible = int(((years < 0) | (years > OLDEST)).sum())
        yield Finding(
            "age-out-of-range",
            Severity.WARNING,
            f"{len(rows)} films have an age under 0 or over {OLD}, {impossible} of them an impossible one; "
            f"the extremes are {years[rows].min():g} and {years[rows].max():g}.",
            "Leave these ages empty, or take them from a corrected table.",
            {"films": len(rows), "impossible": impossible},
            tuple(Suspect(int(i), None, f"Age {years[i]:g}.") for i in rows),
        )


def _histories(films: Films) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n,) of the films in the order of patient and follow-up number.

    Also a mask (n - 1,), True where the next film is of the same patient.
    """
    known = np.flatnonzero(~np.isnan(films.follow_ups) & (films.patients != ""))
    _, of_patient = np.unique(films.patients[known], return_inverse=True)
    order = np.lexsort((films.follow_ups[known], of_patient))
    return known[order], np.diff(of_patient[order]) == 0


def younger(subject: Subject) -> Iterator[Finding]:
    """Films on which a patient is younger than on the film before: follow-up numbers or ages are wrong.

    A warning; the suspect is the later film.
    """
    films = subject.films
    order, same = _histories(films)
    steps = np.flatnonzero(same & (np.diff(films.ages[order]) < 0))
    if len(steps):
        yield Finding(
            "age-decreases",
            Severity.WARNING,
            f"{len(steps)} films show a patient younger than the film before, by follow-up number.",
            "Do not take this order for time: NIH's, for one, is the follow-up number and not that in the file's name.",
            {"films": len(steps)},
            tuple(
                Suspect(int(order[i + 1]), None, "The patient is younger than on the film before.", 0.0, int(order[i]))
                for i in steps
            ),
        )


def flicker(subject: Subject) -> Iterator[Finding]:
    """Films without a label that the patient's films before and after have: most reports just omit it.

    A note with one suspect per label and film; figures count such gaps and those that lack the label.
    """
    films = subject.films
    order, same = _histories(films)
    inner = same[:-1] & same[1:]
    rows: list[dict[str, Any]] = []
    suspects: list[Suspect] = []
    for i, label in enumerate(films.labels):
        target = films.targets[order, i]
        between = np.flatnonzero(inner & (target[:-2] == 1) & (target[2:] == 1)) + 1
        gone = order[between[target[between] == 0]]
        if len(gone):
            rows.append({"label": label, "between": len(between), "without": len(gone)})
            reason = f"{label} on the films before and after, not on this one."
            suspects += [Suspect(int(film), label, reason) for film in gone]
    rows.sort(key=lambda row: -row["without"] / row["between"])
    if rows:
        listed = ", ".join(f"{row['label']} {row['without'] / row['between']:.0%}" for row in rows[:3])
        yield Finding(
            "label-flickers",
            Severity.INFO,
            f"{len(suspects)} times a film lacks a label that the patient's films before and after have; {listed}.",
            "Take a missing label for not mentioned, rather than for absent.",
            {"rows": rows},
            tuple(suspects),
        )


CHECKS: tuple[Check, ...] = (
    names,
    version,
    contradictions,
    second_readers,
    constants,
    columns,
    scored_columns,
    disagreements,
    split_patients,
    few_positives,
    prevalence,
    sexes,
    ages,
    younger,
    flicker,
)
