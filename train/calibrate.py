"""From logits to probabilities that mean what they say, and to operating points."""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import precision_recall_curve, roc_curve

from cxr_demo.errors import DataError

#: The sensitivity that one of the operating points reaches.
SENSITIVITY = 0.9


def platt(logits: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Slope and intercept per label, so that sigmoid(slope * logit + intercept) is calibrated (Platt 1999).

    Logits and targets (N, L); labels that are neither 0 nor 1 are left out. DataError where a label has one class.
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
    """Calibrated logits (N, L)."""
    slope, intercept = np.array(calibration).T
    calibrated: np.ndarray = logits * slope + intercept
    return calibrated


def probabilities(logits: np.ndarray) -> np.ndarray:
    """Of calibrated logits."""
    found: np.ndarray = expit(logits)
    return found


def operating_points(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Probabilities per label (N, L) at which to call a finding present, by rule.

    `youden`: sensitivity + specificity is largest (Youden 1950). `max_f1`: F1 is largest. `sensitivity`: the highest
    at which at least SENSITIVITY of the positives are found.
    """
    columns = []
    for scores, truth in zip(probabilities.T, targets.T, strict=True):
        known = (truth == 0) | (truth == 1)
        columns.append((_youden(truth[known], scores[known]), _max_f1(truth[known], scores[known]),
                        _sensitive(truth[known], scores[known])))  # fmt: skip
    return dict(zip(("youden", "max_f1", "sensitivity"), zip(*columns, strict=True), strict=True))


def _youden(truth: np.ndarray, scores: np.ndarray) -> float:
    false_rate, true_rate, thresholds = roc_curve(truth, scores)
    # the first point of a ROC curve has an infinite threshold: nobody is positive
    return float(thresholds[1:][(true_rate - false_rate)[1:].argmax()])


def _max_f1(truth: np.ndarray, scores: np.ndarray) -> float:
    precision, recall, thresholds = precision_recall_curve(truth, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[f1[:-1].argmax()])


def _sensitive(truth: np.ndarray, scores: np.ndarray) -> float:
    _, recall, thresholds = precision_recall_curve(truth, scores)
    return float(thresholds[np.flatnonzero(recall[:-1] >= SENSITIVITY)[-1]])
