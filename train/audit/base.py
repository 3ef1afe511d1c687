"""What a check gets and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np

    from cxr_demo.films.label_tables import Films


class Severity(IntEnum):
    """The exit status of an audit is the highest severity it found."""

    INFO = 0
    WARNING = 1
    ERROR = 2


@dataclass(frozen=True)
class Suspect:
    """A film, or one label of it, that a person should look at again."""

    film: int  # row of Films
    label: str | None  # None: the film itself
    reason: str  # a sentence
    score: float = 0.0  # higher is more suspect; comparable within one finding only
    other: int | None = None  # the film it was compared with, e.g. its duplicate


@dataclass(frozen=True)
class Finding:
    """One result of a check, good or bad."""

    id: str  # stable, e.g. "patient-in-two-splits"; `fit --accept ID:reason` names it
    severity: Severity
    title: str  # one sentence with the figure that matters
    advice: str = ""  # what to do about it, in one sentence; "" where there is nothing to do
    figures: Mapping[str, Any] = field(default_factory=dict)  # for audit.json and tables: numbers, text, lists of rows
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True, eq=False)
class Subject:
    """What is audited. Parts that are not known are None, and checks that need them say nothing."""

    films: Films
    split: np.ndarray | None = None  # (N,) str: the split of each film, e.g. "train", "test", "fold-3"
    backbone: str | None = None  # the name of the weights that training starts from
    scores: np.ndarray | None = None  # (N, L) out-of-fold logits
    has_files: bool = True  # False: a table without its images


class Check(Protocol):
    """A check is a function with a docstring; it yields what it found, and nothing where it cannot be done."""

    def __call__(self, subject: Subject) -> Iterator[Finding]: ...  # noqa: D102 - the class' docstring says it
