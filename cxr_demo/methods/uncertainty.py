"""How sure a map is of its values: their standard errors, and the chance that their signs hold."""

from __future__ import annotations

import numpy as np

from cxr_demo.imports import import_library

#: Number of bootstrap refits of a method's fit that measure how sure its values are.
REFITS = 10


def of_refits(values: np.ndarray, refits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of bootstrap refits (n, L, pieces) that keep the sign of values (L, pieces), and their standard deviation.

    The share is 0 for a value of zero.
    """
    same = (np.sign(refits) == np.sign(values)).mean(0)
    return np.where(values == 0, 0, same), refits.std(0, ddof=1)


def of_mean(mean: np.ndarray, deviation: np.ndarray, n: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Chance that the mean of more values would keep this mean's sign, and the mean's standard error.

    `deviation` is the standard deviation of n > 1 values. By Student's distribution; 0 for a mean of zero, and nan for
    an unknown deviation of nan.
    """
    error = deviation / np.sqrt(n)
    chance = import_library("scipy.special").stdtr(np.asarray(n) - 1, np.abs(mean) / np.maximum(error, 1e-12))
    return np.where(mean == 0, 0, chance), error
