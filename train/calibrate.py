"""Platt calibration of logits (Platt 1999) and operating points on the probabilities."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve, roc_curve

from cxr_demo.errors import DataError

#: Least sensitivity of the operating point `sensitivity`, and least specificity of `specificity`.
SENSITIVITY = 0.9
SPECIFICITY = 0.95
#: The operating point that new models show as a finding's cut-off: of 14 findings, few are above it on a healthy film.
SHOWN = "specificity"


def platt(logits: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Slope and intercept per label, such that sigmoid(slope * logit + intercept) is calibrated (Platt 1999).

    Logits and targets (N, L); films whose target is neither 0 nor 1 are ignored. DataError if a label has one class
    only.
    """
    found = []
    for i, label in enumerate(labels):
        known = (targets[:, i] == 0) | (targets[:, i] == 1)
        truth = targets[known, i]
        if len(np.unique(truth)) < 2:
            raise DataError(f"{label} is never, or always, present; it cannot be calibrated.")
        model = LogisticRegression(C=1e6).fit(logits[known, i : i + 1], truth)
        found.append((float(model.coef_[0, 0]), float(model.intercept_[0])))
    return tuple(found)


def apply(logits: np.ndarray, calibration: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Calibrated logits (N, L) from raw logits (N, L): slope * logit + intercept of each label."""
    slope, intercept = np.array(calibration).T
    calibrated: np.ndarray = logits * slope + intercept
    return calibrated


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Probabilities of calibrated logits, of the same shape."""
    found: np.ndarray = expit(logits)
    return found


def operating_points(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Thresholds (L,) on probabilities (N, L) by rule; a finding counts as present from its threshold on.

    `specificity` is the lowest threshold below which at least SPECIFICITY of the negatives stay, `youden` maximises
    sensitivity + specificity (Youden 1950), `max_f1` maximises F1, and `sensitivity` is the highest threshold that
    detects at least SENSITIVITY of the positives. Targets (N, L) other than 0 and 1 are ignored.
    """
    rules = {"specificity": _specific, "youden": _youden, "max_f1": _max_f1, "sensitivity": _sensitive}
    known = (targets == 0) | (targets == 1)
    return {
        name: tuple(
            rule(truth[rows], scores[rows])
            for truth, scores, rows in zip(targets.T, probabilities.T, known.T, strict=True)
        )
        for name, rule in rules.items()
    }


def _specific(truth: np.ndarray, scores: np.ndarray) -> float:
    """The lowest threshold whose specificity reaches SPECIFICITY."""
    false_rate, _, thresholds = roc_curve(truth, scores, drop_intermediate=False)
    # the first threshold is infinite, and the only specific one where many negatives share the highest score
    return min(1.0, float(thresholds[np.flatnonzero(false_rate <= 1 - SPECIFICITY)[-1]]))


def _youden(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold with the largest sensitivity + specificity."""
    false_rate, true_rate, thresholds = roc_curve(truth, scores)
    # the first threshold of scikit-learn's ROC curve is infinite: no film is positive
    return float(thresholds[1:][(true_rate - false_rate)[1:].argmax()])


def _max_f1(truth: np.ndarray, scores: np.ndarray) -> float:
    """The threshold with the largest F1."""
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[f1[:-1].argmax()])


def _sensitive(truth: np.ndarray, scores: np.ndarray) -> float:
    """The highest threshold whose sensitivity reaches SENSITIVITY."""
    _, recall, thresholds = precision_recall_curve(truth, scores)
    return float(thresholds[np.flatnonzero(recall[:-1] >= SENSITIVITY)[-1]])
