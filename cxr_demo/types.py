"""The records that travel between modules. All are frozen; shapes and units are said here, once.

Letters in shapes: L findings of a model, S side of its square input in pixels, H x W a film as stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

#: The area one unit of a signed map refers to: one cell of a 7 x 7 map, as a share of the model's view.
REFERENCE_AREA = 1 / 49

#: The 14 findings of NIH ChestX-ray14, named as torchxrayvision names them, in the order of the NIH table.
NIH_FINDINGS = (
    "Atelectasis",
    "Cardiomegaly",
    "Consolidation",
    "Edema",
    "Effusion",
    "Emphysema",
    "Fibrosis",
    "Hernia",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pleural_Thickening",
    "Pneumonia",
    "Pneumothorax",
)


class Unit(str, Enum):
    """What a number of a map means."""

    LOGIT = "logits per 1/49 of the view"
    RANKING = "ranking only"

    @property
    def signed(self) -> bool:
        """Whether negative numbers speak against the finding."""
        return self is Unit.LOGIT

    @property
    def comparable(self) -> bool:
        """Whether numbers of different findings and methods may share a scale."""
        return self is Unit.LOGIT


class Cost(str, Enum):
    """How long a method takes on two cores, so that the page can start the quick ones by itself."""

    INSTANT = "instant"
    SECONDS = "seconds"


@dataclass(frozen=True)
class Crop:
    """The square of the film that the model sees, in pixels of the film as stored."""

    top: int
    left: int
    side: int


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One film, upright, black is air."""

    pixels: np.ndarray  # (H, W) float32 in [0, 1], read-only
    crop: Crop
    name: str  # the file's name, without folders
    sha256: str  # of the file's bytes
    warnings: tuple[str, ...] = ()  # what a reader should know, in sentences
    correction: str | None = None  # how it was put right before it was read, see image.CORRECTIONS


@dataclass(frozen=True)
class Score:
    """One measured figure of a model, with its 95 % interval by patient bootstrap."""

    finding: str  # a label, or "mean"
    subset: str  # which films, e.g. "all sources"
    metric: str  # e.g. "AUROC"
    value: float
    low: float
    high: float
    positives: int
    films: int


@dataclass(frozen=True)
class ModelSpec:
    """What stands in a model folder's `config.json`; the weights follow it strictly.

    `calibration` holds one (slope, intercept) per label: probability = sigmoid(slope * logit + intercept).
    `thresholds` are operating points on the calibrated probability. Either may be None where unknown.
    """

    name: str
    architecture: str  # a key of classifier.ARCHITECTURES
    arguments: Mapping[str, Any]  # its constructor's arguments, without the number of classes
    labels: tuple[str, ...]
    size: int  # S
    trained_on: str  # sentences for the visitor
    licence: str
    pixel_range: tuple[float, float] = (-1024.0, 1024.0)
    calibration: tuple[tuple[float, float], ...] | None = None
    thresholds: tuple[float, ...] | None = None
    scores: tuple[Score, ...] = ()
    scored_on: str = ""  # how the scores were measured, in a sentence
    base_weights: str | None = None  # what training started from; None is random


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one film; every array has shape (L,) in the order of `labels`."""

    labels: tuple[str, ...]
    logits: np.ndarray  # float32
    probabilities: np.ndarray  # float32, calibrated where the model has a calibration
    thresholds: np.ndarray  # float32, nan where the model has none
    model: str  # name and revision
    warnings: tuple[str, ...] = ()
    correction: str | None = None  # what would put the film right before it is read, see image.CORRECTIONS

    def ranked(self) -> list[int]:
        """Indices of the findings, the most probable first."""
        return [int(i) for i in (-self.probabilities).argsort(kind="stable")]


@dataclass(frozen=True, eq=False)
class Explanation:
    """One method's maps of every finding for one film; positive speaks for the finding."""

    method: str  # its key
    labels: tuple[str, ...]
    values: np.ndarray  # (L, S, S) float32, read-only
    unit: Unit
    seconds: float
    forwards: int  # images the model was run on for this map
    steps: tuple[int, int]  # (altered copies scored, of how many); (0, 0) where a method needs none
    settings: Mapping[str, Any]
    model: str  # name and revision
    precision: str  # arithmetic of the forward passes, e.g. "float32"
    fidelity: np.ndarray | None = None  # (L,) R2 of a surrogate on its samples, where there is one
    sure: np.ndarray | None = None  # (L, S, S) in [0, 1], how often a place kept its sign with other samples
    stopped: str | None = None  # why it ended early, None if it did not
    complete: bool = False  # True for the last map of an undisturbed run
