"""Folds by patient: no patient is ever on both sides."""

from __future__ import annotations

import numpy as np

from cxr_demo.errors import DataError


def patient_folds(patients: np.ndarray, targets: np.ndarray, folds: int, seed: int = 0) -> np.ndarray:
    """The fold (N,) of each film, so that a patient is in one fold and rare findings are in all.

    Patients with the rarest findings are dealt out first, each to the fold that has the fewest patients of
    that finding (after Sechidis et al. 2011, iterative stratification, by patient).
    """
    names, of_patient = np.unique(patients, return_inverse=True)
    if not 2 <= folds <= len(names):
        raise DataError(f"{folds} folds need at least 2 and at most {len(names)} (the number of patients).")
    positive = np.zeros((len(names), targets.shape[1] + 1), bool)
    positive[:, -1] = True  # so that a patient without any finding has a column too
    for film, patient in enumerate(of_patient):
        positive[patient, :-1] |= targets[film] == 1
    rarity = positive.sum(0)
    rarest = np.where(positive, rarity, rarity.max() + 1).argmin(1)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(rarity[rarest[order]], kind="stable")]
    held = np.zeros((folds, positive.shape[1]), int)
    fold_of = np.zeros(len(names), int)
    for patient in order:
        # fewest of its rarest finding, then fewest patients
        fold = np.lexsort((held[:, -1], held[:, rarest[patient]]))[0]
        fold_of[patient] = fold
        held[fold] += positive[patient]
    return fold_of[of_patient]
