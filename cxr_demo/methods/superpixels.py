"""Superpixels: pieces of the model input that LIME and KernelSHAP cover together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.imports import import_library
from cxr_demo.messages import message
from cxr_demo.methods.base import SHOWN, setting
from cxr_demo.types import REFERENCE_AREA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


def samples_setting(default: int) -> Any:
    """The `samples` setting of a method."""
    return setting(default, low=100, high=5000, step=100, help=message("setting.samples"))


def number_setting() -> Any:
    """The `superpixels` setting of a method."""
    return setting(50, low=10, high=200, step=10, help=message("setting.superpixels"))


def algorithm_setting() -> Any:
    """The `algorithm` setting of a method."""
    return setting("slic", choices=("slic", "quickshift", "grid"), help=message("setting.algorithm"))


@dataclass(frozen=True, eq=False)
class Superpixels:
    """Samples as masks: `segments` (S, S) labels superpixels, `kept` (n, superpixels) is 0 for masked ones."""

    segments: np.ndarray
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, where: slice) -> np.ndarray:
        """Masks (n, S, S) float32, 1 where the film is masked."""
        off = (1 - self.kept[where]).astype(np.float32)
        masks: np.ndarray = off[:, self.segments]
        return masks


def of_input(x: Tensor, scorer: Scorer, algorithm: str, superpixels: int, seed: int) -> np.ndarray:
    """Superpixel labels (S, S) of a model input (1, 1, S, S), as `segment` gives them."""
    low, high = scorer.classifier.spec.pixel_range
    return segment(((x[0, 0].float().cpu().numpy() - low) / (high - low)).clip(0, 1), algorithm, superpixels, seed)


def scored(
    scorer: Scorer, segments: np.ndarray, kept: np.ndarray, fill: Tensor
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the samples (n, superpixels) and logits (n, L) so far, at SHOWN shares of all samples; the last are all.

    Cancelled or DeadlinePassed when the scorer's budget ends the run.
    """
    logits = np.zeros((len(kept), len(scorer.base)))
    shown = [round(share * len(kept)) for share in SHOWN]
    for done, scores in scorer.scores(Superpixels(segments, kept), fill):
        logits[done] = scores
        if done.stop >= shown[0]:
            shown = [n for n in shown if n > done.stop]
            yield kept[: done.stop], logits[: done.stop]


def segment(display: np.ndarray, algorithm: str, superpixels: int, seed: int) -> np.ndarray:
    """Superpixel labels (S, S) of an image (S, S) in [0, 1]: consecutive from 0, as column indices of the fit.

    `algorithm` is one of the method's choices; the number of superpixels is approximate, and quickshift ignores it.
    """
    if algorithm == "grid":
        side = round(superpixels**0.5)
        cell = np.arange(len(display)) * side // len(display)
        found = cell[:, None] * side + cell
    elif algorithm == "slic":
        found = import_library("skimage.segmentation").slic(
            display, superpixels, compactness=0.1, sigma=1, channel_axis=None, start_label=0
        )
    else:
        colours = import_library("skimage.color").gray2rgb(display.astype(np.float64))
        quickshift = import_library("skimage.segmentation").quickshift
        found = quickshift(colours, kernel_size=4, max_dist=200, ratio=0.2, rng=seed)
    labels: np.ndarray = np.unique(found, return_inverse=True)[1].reshape(display.shape)
    return labels


def per_area(weights: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Weights (L, superpixels) in logits as maps (L, S, S) in logits per reference area."""
    share = np.bincount(segments.ravel()) / segments.size
    maps: np.ndarray = (weights * (REFERENCE_AREA / share))[:, segments]
    return maps
