"""LIME: switch superpixels off at random and fit a line to what the score does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cxr_demo.methods.base import SHOWN, Step, setting
from cxr_demo.methods.fill import fill_of, fill_setting
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.scoring import Scorer


@dataclass(frozen=True)
class LIME:
    """Weight of each superpixel in a linear surrogate of the logit (Ribeiro et al. 2016), per reference area.

    The lime package draws the samples, weighs and fits; only the altered films are made and scored here, once
    for all findings. Its defaults stand: kernel width 0.25 on the cosine distance, which is hardly local (half
    the superpixels off still weighs 0.5), and a ridge of 1, which shrinks weights when samples are few.
    """

    key: ClassVar[str] = "lime"
    title: ClassVar[str] = "LIME"
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1602.04938"
    cost: ClassVar[Cost] = Cost.SECONDS
    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    reading: ClassVar[str] = (
        "How much each superpixel adds to the finding's score on average, while about half of the others are "
        "covered. It is a linear summary from random samples: trust it as far as its fidelity and a second seed agree."
    )

    samples: int = setting(600, low=100, high=5000, step=100, help="altered films scored")
    superpixels: int = setting(50, low=10, high=200, step=10, help="about how many; quickshift finds its own number")
    algorithm: str = setting("slic", choices=("slic", "quickshift", "grid"), help="how the film is cut up")
    fill: str = fill_setting()
    seed: int = setting(0, low=0, high=9999, step=1, help="decides which samples are drawn")

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Maps from more and more of the samples."""
        # imported here: it brings matplotlib and scikit-learn, and listing the methods shall be quick
        from lime.lime_image import LimeImageExplainer

        explainer = LimeImageExplainer(feature_selection="none", random_state=self.seed)
        low, high = scorer.classifier.spec.pixel_range
        display = ((x[0, 0].float().cpu().numpy() - low) / (high - low)).clip(0, 1)
        # in the package's order, so that the same seed gives the package's own samples
        cut_seed = explainer.random_state.randint(0, high=1000)
        segments = segment(display, self.algorithm, self.superpixels, cut_seed)
        kept = explainer.random_state.randint(0, 2, (self.samples, segments.max() + 1))
        kept[0] = 1
        logits = np.zeros((self.samples, len(scorer.base)))
        shown = [round(share * self.samples) for share in SHOWN]
        for done, scores in scorer.scores(Superpixels(segments, kept), fill_of(self.fill, scorer)):
            logits[done] = scores
            if done.stop >= shown[0]:
                shown = [n for n in shown if n > done.stop]
                weights, fidelity = fit(explainer, kept[: done.stop], logits[: done.stop])
                yield Step(per_area(weights, segments), fidelity)


@dataclass(frozen=True, eq=False)
class Superpixels:
    """Samples as masks: `kept` (n, superpixels) is 0 where the film is covered."""

    segments: np.ndarray
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, where: slice) -> np.ndarray:
        """(n, S, S), 1 where covered."""
        off = (1 - self.kept[where]).astype(np.float32)
        masks: np.ndarray = off[:, self.segments]
        return masks


def segment(display: np.ndarray, algorithm: str, superpixels: int, seed: int) -> np.ndarray:
    """The superpixels of a picture (S, S) in [0, 1]: labels 0 to n - 1, none missing, as lime's columns need."""
    from skimage.color import gray2rgb
    from skimage.segmentation import quickshift, slic

    if algorithm == "grid":
        side = round(superpixels**0.5)
        cell = np.arange(len(display)) * side // len(display)
        found = cell[:, None] * side + cell
    elif algorithm == "slic":
        found = slic(display, superpixels, compactness=0.1, sigma=1, channel_axis=None, start_label=0)
    else:
        found = quickshift(gray2rgb(display.astype(np.float64)), kernel_size=4, max_dist=200, ratio=0.2, rng=seed)
    labels: np.ndarray = np.unique(found, return_inverse=True)[1].reshape(display.shape)
    return labels


def fit(explainer: Any, kept: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The package's surrogates of logits (n, L): weights (L, superpixels), and R2 (L,) on these same samples.

    A logit that never moves has no evidence anywhere, and its R2 is undefined.
    """
    from sklearn.metrics import pairwise_distances

    distances = pairwise_distances(kept, kept[:1], metric="cosine").ravel()
    weights = np.zeros((logits.shape[1], kept.shape[1]))
    fidelity = np.full(logits.shape[1], np.nan)
    for i in np.flatnonzero(np.ptp(logits, axis=0) > 0):
        _, found, fidelity[i], _ = explainer.base.explain_instance_with_data(
            kept, logits, distances, i, kept.shape[1], feature_selection=explainer.feature_selection
        )
        for superpixel, weight in found:
            weights[i, superpixel] = weight
    return weights, fidelity


def per_area(weights: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Weights (L, superpixels) as maps (L, S, S), each per reference area."""
    share = np.bincount(segments.ravel()) / segments.size
    maps: np.ndarray = (weights * (REFERENCE_AREA / share))[:, segments]
    return maps
