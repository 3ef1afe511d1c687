"""From logits to probabilities that mean what they say, and to operating points."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_curve

from cxr_demo.errors import DataError


def platt(logits: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]) -> tuple[tuple[float, float], ...]:
    """Slope and intercept per label, so that sigmoid(slope * logit + intercept) is calibrated (Platt 1999).

    Logits and targets (N, L); unknown targets (nan) are left out. DataError where a label has one class only.
    """
    found = []
    for i, label in enumerate(labels):
        known = ~np.isnan(targets[:, i])
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


def operating_points(probabilities: np.ndarray, targets: np.ndarray) -> tuple[float, ...]:
    """The probability per label at which sensitivity + specificity is largest (Youden 1950)."""
    found = []
    for scores, truth in zip(probabilities.T, targets.T, strict=True):
        known = ~np.isnan(truth)
        false_rate, true_rate, thresholds = roc_curve(truth[known], scores[known])
        # the first point of a ROC curve has an infinite threshold: nobody is positive
        found.append(float(thresholds[1:][(true_rate - false_rate)[1:].argmax()]))
    return tuple(found)
