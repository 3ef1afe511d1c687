"""Films that lie mirrored, turned or inverted relative to the others of the collection.

It needs no reference: most films of a collection lie right, so a classifier is trained on films as they are against
films altered on purpose. Each film is scored by classifiers trained without its patient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from cxr_demo.films.gate import CELLS, DIRECTIONS, edges
from train.audit.base import Check, Finding, Severity, Subject, Suspect
from train.audit.thumbs import TURNED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from train.audit.thumbs import Undo

#: Fewest films to train on, and most: further films do not improve the classifier.
FEWEST, MOST = 100, 1500
FOLDS = 3
#: Least margin of a suspect, see `margins`. It selects 17 of 2,805 films of ChestX-ray14 as mirrored, of which 5 are,
#: by heart, aortic arch and marker; and 4 of 5 films that were mirrored on purpose.
MARGIN = 0.85
COMPONENTS = 150

#: Films whose kernel is computed at a time.
BLOCK = 4096


def _order(cells: Undo, directions: np.ndarray) -> np.ndarray:
    """The order of the columns of `edges` that gives the edges of transformed films.

    `cells` moves the cells as the transform moves pixels; direction d of a transformed film was `directions[d]` before,
    in bins clockwise from "brighter to the right".
    """
    columns = np.arange(CELLS * CELLS * DIRECTIONS).reshape(1, CELLS, CELLS, DIRECTIONS)
    order: np.ndarray = cells(columns)[..., directions % DIRECTIONS].ravel()
    return order


_BIN, _RIGHT_ANGLE = np.arange(DIRECTIONS), DIRECTIONS // 4
_MIRRORED = _order(TURNED["mirrored"], 2 * _RIGHT_ANGLE - _BIN)
_OVER = _order(TURNED["turned upside down"], _BIN - 2 * _RIGHT_ANGLE)
_TO_THE_RIGHT = _order(TURNED["turned left"], _BIN - _RIGHT_ANGLE)
_TO_THE_LEFT = _order(TURNED["turned right"], _BIN + _RIGHT_ANGLE)
_INVERTED = _order(lambda cells: cells, _BIN - 2 * _RIGHT_ANGLE)
#: Defects, each with the order of the columns of `edges` that makes it and the one that undoes it.
DEFECTS: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "mirrored": (_MIRRORED, _MIRRORED),
    "turned upside down": (_OVER, _OVER),
    "turned left": (_TO_THE_LEFT, _TO_THE_RIGHT),
    "turned right": (_TO_THE_RIGHT, _TO_THE_LEFT),
    "inverted": (_INVERTED, _INVERTED),
}
#: Severity, defects and advice of each finding.
FINDINGS = {
    "turned-films": (
        Severity.WARNING,
        ("turned upside down", "turned left", "turned right"),
        "Turn them back: a finding learns its usual side, and a map drawn on such a film misleads.",
    ),
    "inverted-films": (
        Severity.WARNING,
        ("inverted",),
        "Invert them back: black for white is another picture to every model that was not taught both.",
    ),
    "mirrored-films": (
        Severity.INFO,
        ("mirrored",),
        "Look at the side of heart, aortic arch and marker: hearts on the right, shifted or enlarged also look so.",
    ),
}


def orientation(subject: Subject) -> Iterator[Finding]:
    """Films that look mirrored, turned or inverted beside the others of their collection.

    A film is suspected of its most probable defect only. Fewer than FEWEST readable films yield no finding.
    """
    if subject.decoded is None:
        return
    decoded = subject.decoded
    rows = np.flatnonzero(decoded.readable)
    patients = subject.films.patients[rows]
    if len(rows) < FEWEST or len(set(patients)) < FOLDS:
        return
    found = margins(decoded.thumbs[rows], patients)
    likeliest = found.argmax(1)
    for id_, (severity, hows, advice) in FINDINGS.items():
        suspects = [
            Suspect(int(rows[n]), None, f"It looks {how} beside the others.", float(found[n, column]))
            for column, how in enumerate(DEFECTS)
            if how in hows
            for n in np.flatnonzero((likeliest == column) & (found[:, column] > MARGIN))
        ]
        if suspects:
            ranked = tuple(sorted(suspects, key=lambda suspect: -suspect.score))
            title = f"{len(ranked):,} of {len(rows):,} films look {id_.removesuffix('-films')} beside the others."
            yield Finding(id_, severity, title, advice, {"films": len(ranked)}, ranked)


CHECKS: tuple[Check, ...] = (orientation,)


def margins(thumbs: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """How much more each film looks altered as it is than after undoing the defect: (N, len(DEFECTS)) float32.

    `thumbs` (N, SIDE, SIDE) uint8, `patients` (N,). Support vector machines on histograms of oriented gradients,
    trained on other patients' films. The same machine scores both versions, so that other oddities of a film cancel.
    """
    as_is = edges(thumbs)
    found = np.empty((len(thumbs), len(DEFECTS)), np.float32)
    rng = np.random.default_rng(0)
    for column, (make, undo) in enumerate(DEFECTS.values()):
        for teach, judge in GroupKFold(FOLDS).split(thumbs, groups=patients):
            some = as_is[rng.permutation(teach)[:MOST]]
            reduce = make_pipeline(StandardScaler(), PCA(min(COMPONENTS, len(some)), random_state=0))
            seen = reduce.fit_transform(np.concatenate([some, some[:, make]]))
            machine = SVC(C=5.0, gamma=1 / (seen.shape[1] * seen.var()))
            machine.fit(seen, np.repeat([0, 1], len(some)))
            for start in range(0, len(judge), BLOCK):
                rows = judge[start : start + BLOCK]
                here, undone = (decisions(machine, reduce.transform(x)) for x in (as_is[rows], as_is[rows][:, undo]))
                found[rows, column] = here - undone
    return found


def decisions(machine: SVC, x: np.ndarray) -> np.ndarray:
    """Decision values (N,) of a fitted machine of two classes with a numeric gamma, for x (N, features).

    As its `decision_function`, which takes ten times as long since it computes one kernel value at a time.
    """
    kernel = rbf_kernel(x, machine.support_vectors_, machine.gamma)
    values: np.ndarray = kernel @ machine.dual_coef_[0] + machine.intercept_[0]
    return values
