"""Doubtful labels, by confident learning on out-of-fold scores (Northcutt et al. 2021); suspects for review only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from train import calibrate, evaluate
from train.audit.base import Finding, Severity, Suspect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from train.audit.base import Check, Subject

ADVICE = "Look at them again (`--review`): model and labels may share an error, so nothing is changed by itself."
#: Per class, 0 and 1: id of the finding, predicate of its title.
SIDES = (
    ("doubtful-negatives", "deny a finding that a model sees"),
    ("doubtful-positives", "name a finding that a model does not see"),
)


@dataclass(frozen=True, eq=False)
class Doubt:
    """Result of confident learning for one finding with N known labels."""

    flagged: np.ndarray  # (N,) bool
    usual: tuple[float, float]  # mean probability of the given label among films labelled absent, present
    own: np.ndarray  # (N,) probability of the label that was given


def doubt(truth: np.ndarray, probability: np.ndarray) -> Doubt:
    """Confident learning for one finding (Northcutt et al. 2021, arXiv:1911.00068), pruned by noise rate.

    `truth` (N,) is 0 or 1, both present; `probability` (N,) of 1, out of sample. A film is confident for a class if its
    probability of it reaches the mean over that class' own films. The share of a class' films that are confident for
    the other class estimates its number of wrong labels; that many with the lowest probability are flagged, except
    those that the model predicts to be right after all.
    """
    truth = truth.astype(int)
    both = np.stack([1 - probability, probability], 1)
    own = both[np.arange(len(truth)), truth]
    usual = np.array([own[truth == k].mean() for k in (0, 1)])
    confident = both >= usual - 1e-6
    believed = np.where(confident.all(1), both.argmax(1), confident.argmax(1))
    flagged = np.zeros(len(truth), bool)
    for k in (0, 1):
        rows = np.flatnonzero(truth == k)
        counted = rows[confident[rows].any(1)]
        against = int((believed[counted] != k).sum())
        wrong = round(len(rows) * against / max(len(counted), against + 1))
        least = rows[np.argsort(own[rows], kind="stable")[:wrong]]
        flagged[least] = own[least] < 0.5
    return Doubt(flagged, (float(usual[0]), float(usual[1])), own)


def label_noise(subject: Subject) -> Iterator[Finding]:
    """Labels that contradict the out-of-fold scores: one finding for positives, one for negatives.

    They are separate because a common ranking puts nearly all positives of a rare finding before all negatives. A
    suspect's score is the distance of its label's probability below that label's mean. Labels with fewer than
    evaluate.FEWEST films of a class, or with an AUROC of 0.5 or less, are left out.
    """
    if subject.scores is None:
        return
    rows: tuple[list[dict[str, object]], ...] = ([], [])
    suspects: tuple[list[Suspect], ...] = ([], [])
    for i, label in enumerate(subject.films.labels):
        truth, logits = subject.films.targets[:, i], subject.scores[:, i]
        known = np.flatnonzero(((truth == 0) | (truth == 1)) & np.isfinite(logits))
        truth, logits = truth[known], logits[known]
        area = evaluate.auroc(truth, logits)
        if min((truth == 0).sum(), (truth == 1).sum()) < evaluate.FEWEST or area <= 0.5:
            continue
        logits = logits[:, None].astype(float)
        # confident learning needs calibrated probabilities, and networks are overconfident (Guo 2017, arXiv:1706.04599)
        calibration = calibrate.platt(logits, truth[:, None], (label,))
        found = doubt(truth, calibrate.probabilities(calibrate.apply(logits, calibration))[:, 0])
        for k in (0, 1):
            mine = np.flatnonzero(found.flagged & (truth == k))
            films = int((truth == k).sum())
            rows[k].append({"label": label, "films": films, "flagged": len(mine), "auroc": round(area, 3)})
            suspects[k].extend(_suspect(int(known[n]), label, k, found, int(n)) for n in mine)
    for k in (1, 0):
        if rows[k]:
            yield _finding(k, rows[k], suspects[k])


def _suspect(film: int, label: str, given: int, found: Doubt, n: int) -> Suspect:
    """Suspect for the n-th known label of a finding."""
    gives, usual = (found.own[n], found.usual[1]) if given else (1 - found.own[n], 1 - found.usual[0])
    reason = (
        f"Labelled {'with' if given else 'without'} {label}, to which a model that never saw the patient gives "
        f"{gives:.2f}; films labelled so get {usual:.2f} in the mean."
    )
    return Suspect(film, label, reason, float(found.usual[given] - found.own[n]))


def _finding(given: int, rows: list[dict[str, object]], suspects: list[Suspect]) -> Finding:
    """The finding for positives (`given` 1) or negatives (0), with the most doubtful suspect first."""
    name, what = SIDES[given]
    ranked = tuple(sorted(suspects, key=lambda suspect: -suspect.score))
    title = f"{len(ranked)} labels {what}; worth a second look." if ranked else f"No labels {what}."
    return Finding(name, Severity.INFO, title, ADVICE if ranked else "", {"by label": rows}, ranked)


CHECKS: tuple[Check, ...] = (label_noise,)
