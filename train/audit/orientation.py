"""Films that lie mirrored, turned or inverted relative to the others of the collection.

It needs no reference: most films of a collection lie right, so a classifier is trained on films as they are against
films altered on purpose. Each film is scored by classifiers trained without its patient.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from cxr_demo.films.gate import edges
from train.audit.base import Check, Finding, Severity, Subject, Suspect
from train.audit.thumbs import TURNED, inverted, look

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

#: Defects, each with the transform of thumbnails that makes it and the one that undoes it.
DEFECTS: dict[str, tuple[Undo, Undo]] = {
    "mirrored": (TURNED["mirrored"], TURNED["mirrored"]),
    "turned upside down": (TURNED["turned upside down"], TURNED["turned upside down"]),
    "turned left": (TURNED["turned right"], TURNED["turned left"]),
    "turned right": (TURNED["turned left"], TURNED["turned right"]),
    "inverted": (inverted, inverted),
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
    if not subject.has_files:
        return
    looks = look(subject.films)
    rows = np.flatnonzero(looks.readable)
    patients = subject.films.patients[rows]
    if len(rows) < FEWEST or len(set(patients)) < FOLDS:
        return
    found = margins(looks.thumbs[rows], patients)
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
        spoiled, undone = edges(make(thumbs)), edges(undo(thumbs))
        for teach, judge in GroupKFold(FOLDS).split(thumbs, groups=patients):
            some = rng.permutation(teach)[:MOST]
            machine = make_pipeline(StandardScaler(), PCA(min(COMPONENTS, len(some)), random_state=0), SVC(C=5.0))
            machine.fit(np.concatenate([as_is[some], spoiled[some]]), np.repeat([0, 1], len(some)))
            found[judge, column] = machine.decision_function(as_is[judge]) - machine.decision_function(undone[judge])
    return found
