"""LIME: switch superpixels off at random and fit a line to what the score does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.messages import message
from cxr_demo.methods.base import SHOWN, Step, setting
from cxr_demo.methods.fill import fill_of, fill_setting
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


#: Width of the kernel on the cosine distance by which the package weighs samples.
KERNEL_WIDTH = 0.25
#: How often the quadratic surrogate is fitted anew to see which signs hold.
REFITS = 10
#: Ridge of the quadratic surrogate, as a share of its kernel's diagonal. Tenfold more or less changes little.
RIDGE = 0.05


@dataclass(frozen=True)
class LIME:
    """Weight of each superpixel in a linear surrogate of the logit (Ribeiro et al. 2016), per reference area.

    One set of samples serves all findings. With `surrogate="linear"` the lime package draws, weighs and fits. What its
    line comes to with ever more samples is also what `surrogate="quadratic"` estimates, from fewer: samples are drawn
    in balance, each with its complement, and the line is that of the quadratic surrogate they give. The package's
    kernel stands in both, which is hardly local (half the superpixels off still weighs 0.5).
    """

    key: ClassVar[str] = "lime"
    title: ClassVar[str] = message("method.lime.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1602.04938"
    cost: ClassVar[Cost] = Cost.SECONDS
    reading: ClassVar[str] = message("method.lime.reading")

    samples: int = setting(400, low=100, high=5000, step=100, help=message("setting.lime.samples"))
    superpixels: int = setting(50, low=10, high=200, step=10, help=message("setting.lime.superpixels"))
    algorithm: str = setting("slic", choices=("slic", "quickshift", "grid"), help=message("setting.lime.algorithm"))
    surrogate: str = setting(
        "quadratic",
        choices=("quadratic", "linear"),
        help=message("setting.lime.surrogate"),
    )
    fill: str = fill_setting()
    seed: int = setting(0, low=0, high=9999, step=1, help=message("setting.lime.seed"))

    def copies(self, side: int) -> int:
        """One for each sample."""
        return self.samples

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Maps (L, S, S) in logits per reference area, from more and more of the samples.

        Cancelled or DeadlinePassed as the scorer's budget says.
        """
        low, high = scorer.classifier.spec.pixel_range
        display = ((x[0, 0].float().cpu().numpy() - low) / (high - low)).clip(0, 1)
        # in the package's order, so that the same seed gives the package's own superpixels and samples
        random = np.random.RandomState(self.seed)
        segments = segment(display, self.algorithm, self.superpixels, random.randint(0, high=1000))
        draw, fit = {"quadratic": (balanced, fit_quadratic), "linear": (independent, fit_linear)}[self.surrogate]
        kept = draw(self.samples, int(segments.max()) + 1, random)
        logits = np.zeros((self.samples, len(scorer.base)))
        shown = [round(share * self.samples) for share in SHOWN]
        for done, scores in scorer.scores(Superpixels(segments, kept), fill_of(self.fill, scorer)):
            logits[done] = scores
            if done.stop >= shown[0]:
                shown = [n for n in shown if n > done.stop]
                weights, fidelity = fit(kept[: done.stop], logits[: done.stop])
                sure = None
                if self.surrogate == "quadratic" and not shown:
                    sure = sign_stability(weights, kept, logits, random)[:, segments]
                yield Step(per_area(weights, segments), fidelity, sure)


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


def independent(samples: int, superpixels: int, random: np.random.RandomState) -> np.ndarray:
    """Samples as the package draws them: (samples, superpixels) of 0 and 1, the first with nothing covered."""
    kept: np.ndarray = random.randint(0, 2, (samples, superpixels))
    kept[0] = 1
    return kept


def balanced(samples: int, superpixels: int, random: np.random.RandomState) -> np.ndarray:
    """Samples (samples, superpixels) of 0 and 1, as if drawn independently but for their balance.

    Each is followed by its complement, so that no pair of superpixels that act together can pass for one that acts
    alone (the fold-over of Box & Wilson 1951; for Shapley values Covert & Lee 2021, arXiv:2012.01536). One of each
    pair is a row of a Hadamard matrix, so that any two superpixels agree as often as they differ (Plackett & Burman
    1946). Each further matrix has other columns, rows and signs.
    """
    from scipy.linalg import hadamard

    order = 2 ** math.ceil(math.log2(superpixels))
    rows = np.concatenate(
        [
            hadamard(order)[random.permutation(order)][:, random.permutation(order)[:superpixels]]
            * random.choice([-1, 1], superpixels)
            for _ in range(0, samples, 2 * order)
        ]
    )
    signs = np.stack([rows, -rows], 1).reshape(-1, superpixels)[:samples]
    kept: np.ndarray = (signs + 1) // 2
    return kept


def fit_linear(kept: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The package's surrogates of logits (n, L): weights (L, superpixels), and R2 (L,) on these same samples.

    Its ridge of 1 shrinks weights when samples are few. A logit that never moves has no evidence anywhere, and its
    R2 is undefined.
    """
    # imported here: it brings matplotlib and scikit-learn, and few ask for it
    from lime.lime_image import LimeImageExplainer

    base = LimeImageExplainer(kernel_width=KERNEL_WIDTH).base
    weights = np.zeros((logits.shape[1], kept.shape[1]))
    fidelity = np.full(logits.shape[1], np.nan)
    for i in np.flatnonzero(np.ptp(logits, axis=0) > 0):
        _, found, fidelity[i], _ = base.explain_instance_with_data(
            kept, logits, _distance(kept.mean(1)), i, kept.shape[1], feature_selection="none"
        )
        for superpixel, weight in found:
            weights[i, superpixel] = weight
    return weights, fidelity


def fit_quadratic(kept: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The package's line through quadratic surrogates of logits (n, L), as from every mask there is.

    Weights (L, superpixels), and R2 (L,) of the line on these samples, weighed by the package's kernel; undefined for
    a logit that never moves.
    """
    n = kept.shape[1]
    z = 2.0 * kept - 1
    # f(z) = b.z + sum of q_ij z_i z_j over pairs, by kernel ridge regression
    kernel = (1 + z @ z.T / n) ** 2
    ridge = RIDGE * kernel.diagonal().mean()
    dual = np.linalg.solve(kernel + ridge * np.eye(len(z)), logits - logits.mean(0))
    total = z.sum(1, keepdims=True)
    linear = 2 / n * z.T @ dual
    pairs_of_each = 2 / n**2 * (z.T @ (dual * total) - dual.sum(0))  # sum of q_ij over j
    pairs = (dual * (total**2 - n)).sum(0) / n**2
    own, others = _line_through_a_pair(n)
    weights = 2 * (linear + own * pairs_of_each + others * (pairs - pairs_of_each))
    return weights.T, _fidelity(kept @ weights, logits, _weight(kept.mean(1)))


def sign_stability(
    weights: np.ndarray, kept: np.ndarray, logits: np.ndarray, random: np.random.RandomState
) -> np.ndarray:
    """How often weights (L, superpixels) keep their sign when samples are drawn again with their complements.

    A bootstrap of the samples there are: no film is scored for it. A weight of zero keeps nothing.
    """
    pairs = len(kept) // 2
    same = np.zeros(weights.shape)
    for _ in range(REFITS):
        drawn = random.randint(pairs, size=pairs)
        rows = np.stack([2 * drawn, 2 * drawn + 1], 1).ravel()
        same += np.sign(fit_quadratic(kept[rows], logits[rows])[0]) == np.sign(weights)
    return np.where(weights == 0, 0, same / REFITS)


def _line_through_a_pair(n: int) -> tuple[float, float]:
    """Slopes, along z_i or z_j and along any other z_k, of the package's line through z_i z_j over all masks.

    Masks z are 1 and -1, each drawn independently and weighed by how many are 1; so only the mean products of one, two
    and three of them count.
    """
    from scipy.special import comb

    ones = np.arange(n + 1)
    share = comb(n, ones) / 2.0**n * _weight(ones / n)
    share /= share.sum()
    total = 2.0 * ones - n
    one = share @ total / n
    two = share @ (total**2 - n) / max(n * (n - 1), 1)
    three = share @ (total**3 - (3 * n - 2) * total) / max(n * (n - 1) * (n - 2), 1)
    variance, covariance = 1 - one**2, two - one**2
    own, others = np.linalg.solve(
        [[variance + covariance, (n - 2) * covariance], [2 * covariance, variance + (n - 3) * covariance]],
        [one - one * two, three - one * two],
    )
    return float(own), float(others)


def _distance(share: np.ndarray) -> np.ndarray:
    """Cosine distance, from the film itself, of samples that keep a share of the superpixels."""
    distance: np.ndarray = 1 - np.sqrt(share)
    return distance


def _weight(share: np.ndarray) -> np.ndarray:
    """What samples that keep a share of the superpixels count in the package's fit."""
    weight: np.ndarray = np.exp(-((_distance(share) / KERNEL_WIDTH) ** 2) / 2)
    return weight


def _fidelity(found: np.ndarray, logits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """R2 (L,) of found (n, L) but for a constant, weighed; NaN where logits never move."""
    spread, left = (weights @ np.square(values - np.average(values, 0, weights)) for values in (logits, logits - found))
    moving = np.ptp(logits, axis=0) > 0
    return np.where(moving, 1 - left / np.where(moving, spread, 1), np.nan)


def per_area(weights: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Weights (L, superpixels) as maps (L, S, S), each per reference area."""
    share = np.bincount(segments.ravel()) / segments.size
    maps: np.ndarray = (weights * (REFERENCE_AREA / share))[:, segments]
    return maps
