"""NIH labels against reference labels and boxes by radiologists, joined by file name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score, confusion_matrix

from train.audit.base import Finding, Severity, Suspect
from train.datasets import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.films.label_tables import Films
    from train.audit.base import Check, Subject

#: Questions to the readers of Majkowska et al. 2020 (Radiology 294:421), with the equivalent labels.
QUESTIONS = {
    "Pneumothorax": ("Pneumothorax",),
    "Nodule or mass": ("Nodule", "Mass"),
    "Airspace opacity": ("Infiltration", "Consolidation", "Pneumonia", "Edema"),
}
#: Spelling of labels in the table of boxes, where it differs.
SPELT = {"Infiltrate": "Infiltration"}


@cache
def nih_table(name: str) -> pd.DataFrame:
    """A published table of NIH films, indexed by file name without extension; do not change it, it is shared."""
    table = pd.read_csv(metadata() / name)
    return table.set_index(table["Image Index"].str.rpartition(".")[0])


def joined(films: Films, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Indices (n,) of the films in a table, by file name without extension, and their rows (n,) of the table."""
    rows = table.index.get_indexer(pd.Index([path.stem for path in films.paths]))
    return np.flatnonzero(rows >= 0), rows[rows >= 0]


@dataclass(frozen=True)
class Agreement:
    """Agreement of labels with a reference: counts of a confusion matrix, and Cohen's kappa.

    Kappa is None if all films have the same label in both.
    """

    tp: int
    fn: int
    fp: int
    tn: int
    kappa: float | None

    @classmethod
    def of(cls, truth: np.ndarray, said: np.ndarray) -> Agreement:
        """Agreement of labels `said` (n,) bool with a reference `truth` (n,) bool; kappa is None if undefined."""
        tn, fp, fn, tp = confusion_matrix(truth, said, labels=[False, True]).ravel().tolist()
        undefined = (truth & said).all() or not (truth | said).any()
        return cls(tp, fn, fp, tn, None if undefined else float(cohen_kappa_score(truth, said)))

    def row(self) -> dict[str, Any]:
        """Counts, sensitivity and PPV with their intervals, and kappa, as a row of a table."""
        return {
            "films": self.tp + self.fn + self.fp + self.tn,
            "TP": self.tp,
            "FN": self.fn,
            "FP": self.fp,
            "TN": self.tn,
            "sensitivity": share(self.tp, self.tp + self.fn),
            "PPV": share(self.tp, self.tp + self.fp),
            "kappa": self.kappa,
        }


def share(k: int, n: int) -> tuple[float, float, float] | None:
    """A share k / n with Wilson's 95 % interval: value, low, high; None if n is 0."""
    if not n:
        return None
    interval = binomtest(k, n).proportion_ci(method="wilson")
    return k / n, float(interval.low), float(interval.high)


def any_of(films: Films, labels: tuple[str, ...]) -> np.ndarray:
    """(N,) float: 1 if a film has one of these labels, 0 if it has none of them, nan if that is unknown."""
    targets = films.targets[:, [films.labels.index(label) for label in labels]]
    one: np.ndarray = np.where((targets == 1).any(1), 1.0, np.where((targets == 0).all(1), 0.0, np.nan))
    return one


def google(subject: Subject) -> Iterator[Finding]:
    """Labels against the adjudicated labels of four radiologists on 4,376 NIH films (Majkowska et al. 2020).

    These films are enriched with findings, so the PPV holds for them only. The radiologists saw the film alone; NIH's
    labels come from reports, which include the patient's history.
    """
    films, table = subject.films, nih_table("google2019_nih-chest-xray-labels.csv.gz")
    known = {q: labels for q, labels in QUESTIONS.items() if set(labels) <= set(films.labels)}
    found, rows = joined(films, table)
    if not known or not len(found):
        return
    subsets = {"all": np.ones(len(found), bool)}
    for column in (table["Set Id"].to_numpy(str)[rows], films.views[found]):
        subsets |= {str(value): column == value for value in np.unique(column) if value}
    agreements: list[dict[str, Any]] = []
    suspects: list[Suspect] = []
    headline = []
    for question, labels in known.items():
        said = any_of(films, labels)[found]
        truth = table[question].to_numpy(str)[rows] == "YES"
        for subset, members in subsets.items():
            these = members & ~np.isnan(said)
            if these.any():
                row = Agreement.of(truth[these], said[these] == 1).row()
                agreements.append({"finding": question, "films of": subset, **row})
                if subset == "all":
                    headline.append(f"{question} {_words(row)}")
        suspects += _disagreements(films, found, question, truth, said)
    if not agreements:
        return
    yield Finding(
        "reference-google-2019",
        Severity.INFO,
        f"{len(found)} films have adjudicated labels of Google 2019: {'; '.join(headline)}.",
        "Look at the films that disagree, and tune or test on these labels where they are in the right split.",
        {"rows": agreements},
        tuple(suspects),
    )


def _words(row: dict[str, Any]) -> str:
    """Sensitivity and PPV in words."""
    parts = [
        f"{name} {row[name][0]:.3f} [{row[name][1]:.3f}-{row[name][2]:.3f}]"
        for name in ("sensitivity", "PPV")
        if row[name]
    ]
    return ", ".join(parts) or "in none of them"


def _disagreements(
    films: Films, found: np.ndarray, question: str, truth: np.ndarray, said: np.ndarray
) -> Iterator[Suspect]:
    """Films whose labels contradict the reference for a question of QUESTIONS, as suspects.

    `found` (n,) are indices of films, `truth` (n,) bool the reference, `said` (n,) the labels with nan if unknown.
    """
    labels = QUESTIONS[question]
    for i in np.flatnonzero(~np.isnan(said) & (truth != (said == 1))):
        film = int(found[i])
        if truth[i]:
            # the reference does not distinguish the labels of a question
            label = labels[0] if len(labels) == 1 else None
            yield Suspect(film, label, f"{question}: seen by Google's readers, not labelled.", 1.0)
        for label in labels if not truth[i] else ():
            if films.targets[film, films.labels.index(label)] == 1:
                yield Suspect(film, label, f"{label}: labelled, but Google's readers saw no {question.lower()}.", 1.0)


def boxes(subject: Subject) -> Iterator[Finding]:
    """Labels against the 984 boxes of radiologists on 880 NIH films (Wang et al. 2017).

    The boxes were drawn on films with the label, so their agreement flatters the labels. The Google labels of the same
    films measure the quality of the boxes.
    """
    films = subject.films
    here = pd.DataFrame({"film": range(len(films))}, index=[path.stem for path in films.paths])
    boxed = nih_table("BBox_List_2017.csv.gz")[["Finding Label"]].replace(SPELT).join(here, how="inner")
    boxed = boxed[boxed["Finding Label"].isin(films.labels)]
    if not len(boxed):
        return
    labels = boxed["Finding Label"].tolist()
    target = films.targets[boxed["film"], [films.labels.index(label) for label in labels]]
    yield Finding(
        "reference-boxes",
        Severity.INFO,
        f"{(target == 1).sum()} of {(~np.isnan(target)).sum()} boxes drawn by radiologists lie on films with their "
        "label.",
        "All boxed films are in NIH's official test split: tune no explanation on them that is scored there.",
        {"boxes": len(boxed), "films": boxed["film"].nunique(), "google": _boxes_by_google(boxed["Finding Label"])},
        tuple(
            Suspect(int(film), label, f"{label}: boxed by a radiologist, not labelled.", 1.0)
            for film, label, value in zip(boxed["film"], labels, target, strict=True)
            if value == 0
        ),
    )


def _boxes_by_google(boxed: pd.Series[str]) -> list[dict[str, Any]]:
    """For each question, the boxes on films with Google labels and how many of them those confirm."""
    answers = nih_table("google2019_nih-chest-xray-labels.csv.gz")
    rows = []
    for question, labels in QUESTIONS.items():
        asked = boxed.index[boxed.isin(labels) & boxed.index.isin(answers.index)]
        yes = int((answers.loc[asked, question] == "YES").sum())
        rows.append({"finding": question, "boxes": len(asked), "confirmed": yes})
    return rows


CHECKS: tuple[Check, ...] = (google, boxes)
