"""Records of the audit: the input of a check and its findings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from cxr_demo.films.label_tables import Films
    from train.cache import Decoded


#: How films without a source are called in a sentence.
UNNAMED = "no named source"


class Severity(IntEnum):
    """Severity of a finding; the highest of an audit is its exit status."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Suspect:
    """A film, or one label of a film, that a person should review."""

    film: int  # index in Films
    label: str | None  # None: the film itself
    reason: str  # one sentence
    score: float = 0.0  # higher is more suspect; comparable within one finding only
    other: int | None = None  # index of the film compared with it, e.g. its duplicate


def in_id(name: str) -> str:
    """A column's or attribute's name as a part of a finding's id: "RSNA class" -> "rsna-class"."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())


@dataclass(frozen=True)
class Finding:
    """One result of a check, whether good or bad."""

    id: str  # stable, e.g. "patient-in-two-splits"; `fit --accept ID:reason` names it
    severity: Severity
    title: str  # one sentence with the decisive figure
    advice: str = ""  # recommended action, in one sentence; "" for none
    figures: Mapping[str, Any] = field(default_factory=dict)  # for audit.json and tables: numbers, text, lists of rows
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True, eq=False)
class Subject:
    """Films to audit with their split, backbone and scores; a check without its input yields nothing."""

    films: Films
    split: np.ndarray | None = None  # (N,) str: the split of each film, e.g. "train", "test", "fold-3"
    backbone: str | None = None  # the name of the weights that training starts from
    scores: np.ndarray | None = None  # (N, L) out-of-fold logits
    decoded: Decoded | None = None  # None: a table without its images


class Check(Protocol):
    """A function with a docstring that yields findings, or nothing if the subject lacks its input.

    Checks do not change the subject. Modules list theirs as CHECKS, and `train.audit.run` runs all of them.
    """

    def __call__(self, subject: Subject) -> Iterator[Finding]: ...  # noqa: D102 - the class' docstring says it
