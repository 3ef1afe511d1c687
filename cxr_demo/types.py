"""The records that modules exchange. All are frozen; this module defines their shapes and units.

Letters in shapes: L findings of a model, S side of its square input in pixels, H x W a film as stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

#: Reference area of a signed map's unit: one cell of a 7 x 7 map, as a share of the model input.
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
    """The unit of a map's values."""

    LOGIT = "logits per 1/49 of the view"
    RANKING = "ranking only"

    @property
    def signed(self) -> bool:
        """Whether negative values are evidence against the finding."""
        return self is Unit.LOGIT

    @property
    def comparable(self) -> bool:
        """Whether values of different findings and methods may share a colour scale."""
        return self is Unit.LOGIT


class Cost(str, Enum):
    """A method's run time on two cores; the page starts instant methods automatically."""

    INSTANT = "instant"
    SECONDS = "seconds"
    MINUTE = "up to a minute"


@dataclass(frozen=True)
class Crop:
    """The square region of the film that becomes the model input, in pixels of the film as stored."""

    top: int
    left: int
    side: int


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One upright film, in which air is black."""

    pixels: np.ndarray  # (H, W) float32 in [0, 1], read-only
    crop: Crop
    name: str  # the file's name, without folders
    sha256: str  # of the file's bytes
    warnings: tuple[str, ...] = ()  # sentences for the reader
    correction: str | None = None  # the correction applied to it, as `image.corrected` takes it
    # left, top, right and bottom of the part that it shows of the file's picture, in pixels; None for all of it
    part: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Score:
    """One measured metric of a model, with its 95 % confidence interval by patient bootstrap."""

    finding: str  # a label, or "mean"
    subset: str  # the films it was measured on, e.g. "all sources"
    metric: str  # e.g. "AUROC"
    value: float
    low: float
    high: float
    positives: int
    films: int


@dataclass(frozen=True)
class ModelSpec:
    """The content of a model folder's `config.json`; the weights must match it exactly.

    `calibration` holds one (slope, intercept) per label: probability = sigmoid(slope * logit + intercept).
    `thresholds` holds one cut-off per label, on the calibrated probability. Both are None if unknown.
    """

    name: str
    architecture: str  # a key of classifier.ARCHITECTURES
    arguments: Mapping[str, Any]  # of its constructor, without the number of classes
    labels: tuple[str, ...]
    size: int  # S
    trained_on: str  # sentences for the visitor
    licence: str
    pixel_range: tuple[float, float] = (-1024.0, 1024.0)
    calibration: tuple[tuple[float, float], ...] | None = None
    thresholds: tuple[float, ...] | None = None
    scores: tuple[Score, ...] = ()
    scored_on: str = ""  # a sentence on how the scores were measured
    base_weights: str | None = None  # the initial weights of training; None if random


#: In place of a second finding: all other classes of a softmax.
OTHERS = "the others"


@dataclass(frozen=True, eq=False)
class Prediction:
    """A model's output for one film; every array has shape (L,) in the order of `labels`."""

    labels: tuple[str, ...]
    logits: np.ndarray  # float32
    probabilities: np.ndarray  # float32, calibrated where the model has a calibration
    thresholds: np.ndarray  # float32, nan for labels without a cut-off
    model: str  # name and revision
    warnings: tuple[str, ...] = ()  # sentences for the reader: the gate's, then the film's
    doubted: bool = False  # whether the gate refuses the film: it is no upright frontal chest film
    correction: str | None = None  # the suggested correction, as `image.corrected` takes it
    # left, top, right and bottom of the part that it keeps of the picture, in shares of its sides; None for all of it
    part: tuple[float, float, float, float] | None = None
    exclusive: bool = False  # the labels are classes of which each film has one: the probabilities come from a softmax

    def ranked(self) -> list[int]:
        """Indices of all findings, the most probable first."""
        return [int(i) for i in (-self.probabilities).argsort(kind="stable")]


@dataclass(frozen=True, eq=False)
class Explanation:
    """One method's maps of every finding for one film; positive values are evidence for the finding."""

    method: str  # its key
    labels: tuple[str, ...]
    values: np.ndarray  # (L, S, S) float32, read-only
    unit: Unit
    seconds: float
    forwards: int  # number of images in the forward passes for this map
    steps: tuple[int, int]  # (masked copies scored, total); (0, 0) for methods without copies
    settings: Mapping[str, Any]
    model: str  # name and revision
    precision: str  # arithmetic of the forward passes, e.g. "float32"
    fidelity: np.ndarray | None = None  # (L,) out-of-sample R2 of the surrogate, if the method has one
    sure: np.ndarray | None = None  # (L, S, S) in [0, 1]: chance that the sign of a pixel holds, nan where unknown
    error: np.ndarray | None = None  # (L, S, S) standard errors in the map's unit, nan where unknown
    missing: np.ndarray | None = None  # (L,) logits by which the map's sum falls short of the exact sum it stands for
    grain: float = 0.0  # share of the side by which displays blur the map, since smaller parts of it mean nothing
    stopped: str | None = None  # the reason for an early end; None for a full run
    complete: bool = False  # True for the last map of a run that was not stopped
    against: str | None = None  # label whose maps are taken off, see `rather_than`, or OTHERS

    def rather_than(self, i: int) -> Explanation:
        """Differences of the maps from those of finding `i`: evidence for each finding rather than that one.

        For a signed unit, whose maps are linear in the logits. They have no errors, and no signs that are unsure.
        """
        return self._less(self.values[i], self.labels[i])

    def rather_than_others(self, logits: np.ndarray) -> Explanation:
        """Evidence for each class of a softmax rather than all others: for log(p / (1 - p)), to first order.

        A class' map less those of the others, weighted by their probabilities without this class; `logits` is (L,). The
        unit is signed, as for `rather_than`.
        """
        import numpy as np

        others = np.where(np.eye(len(logits), dtype=bool), -np.inf, np.asarray(logits, np.float64))
        weights = np.exp(others - others.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        return self._less(np.einsum("ij,jhw->ihw", weights, self.values).astype(np.float32), OTHERS)

    def _less(self, values: np.ndarray, against: str) -> Explanation:
        less = self.values - values
        less.flags.writeable = False
        return replace(self, values=less, fidelity=None, sure=None, error=None, missing=None, against=against)
