"""Second opinions: films that another reader called normal, and boxes that another reader drew without a finding."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo.errors import DataError
from cxr_demo.films.label_tables import Box

if TYPE_CHECKING:
    from cxr_demo.films.label_tables import Films


def called_normal(films: Films, rule: str) -> np.ndarray:
    """Films (N,) bool whose COLUMN has the VALUE of a rule "COLUMN=VALUE".

    DataError if the rule has another form, the table lacks the column, or no film has the value.
    """
    column, _, value = rule.partition("=")
    if not value:
        raise DataError(f"--called-normal {rule!r} should be COLUMN=VALUE, such as rsna_class=Normal.")
    normal: np.ndarray = _column(films, column, "--called-normal") == value
    if not normal.any():
        raise DataError(f"--called-normal {rule}: no film has {value!r} in {column}.")
    return normal


def doubted(targets: np.ndarray, normal: np.ndarray, weight: float) -> np.ndarray:
    """Targets (N, L) of films that a second reader called normal (N,), moved by `weight` in [0, 1] towards absent."""
    return np.where(normal[:, None], (1 - weight) * targets, targets)


def with_hints(films: Films, rule: str) -> Films:
    """Films with the boxes of COLUMN added for each FINDING of a rule "COLUMN=FINDING,..." that is labelled present.

    The column holds boxes without a finding, as JSON: [{"x": ..., "y": ..., "w": ..., "h": ...}]. DataError if the rule
    has another form, the table lacks the column, a finding is not trained on, or a box cannot be read.
    """
    column, _, named = rule.partition("=")
    findings = [name for name in named.split(",") if name]
    unknown = [name for name in findings if name not in films.labels]
    if not findings or unknown:
        wrong = f"; {', '.join(unknown)} is not trained on" if unknown else ""
        raise DataError(f"--box-hints {rule!r} should be COLUMN=FINDING,FINDING{wrong}.")
    boxes = []
    for row, text in enumerate(_column(films, column, "--box-hints").tolist()):
        present = [name for name in findings if films.targets[row, films.labels.index(name)] == 1]
        try:
            drawn = json.loads(text) if text and present else []
            hints = tuple(Box.of({**one, "label": name}) for name in present for one in drawn)
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{films.names[row]}: {column} holds no list of boxes: {error}.") from None
        boxes.append(films.boxes[row] + hints)
    return replace(films, boxes=tuple(boxes))


def _column(films: Films, name: str, flag: str) -> np.ndarray:
    if name not in films.extra:
        raise DataError(f"{flag}: the tables have no column {name!r}; they have {', '.join(sorted(films.extra))}.")
    return films.extra[name]
