"""LIME (Ribeiro et al. 2016): fits a linear surrogate of the logit to random masks of superpixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.imports import import_library
from cxr_demo.messages import message
from cxr_demo.methods.base import Step, seed_setting, setting
from cxr_demo.methods.fill import fill_of, fill_setting, removed
from cxr_demo.methods.superpixels import algorithm_setting, number_setting, of_input, per_area, samples_setting, scored
from cxr_demo.methods.uncertainty import REFITS, of_refits
from cxr_demo.types import Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


#: Width of the package's sample kernel, a function of the cosine distance.
KERNEL_WIDTH = 0.25
#: Number of parts of the samples, each predicted by a fit to the others, that measure the fidelity.
PARTS = 5
#: Ridge of the quadratic surrogate, as a share of its kernel's diagonal. A factor of ten either way changes little.
RIDGE = 0.05


@dataclass(frozen=True)
class LIME:
    """Weight of each superpixel in a linear surrogate of the logit (Ribeiro et al. 2016), per reference area.

    All findings share one set of samples. With `surrogate="linear"` the lime package draws, weights and fits them.
    `surrogate="quadratic"` estimates the limit of the package's weights for many samples from fewer: it draws balanced
    samples with their complements, fits a quadratic surrogate and projects that on a line. Both use the package's
    kernel, which is hardly local: a sample with half the superpixels masked still has the weight 0.5.
    """

    key: ClassVar[str] = "lime"
    title: ClassVar[str] = message("method.lime.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1602.04938"
    cost: ClassVar[Cost] = Cost.SECONDS
    reading: ClassVar[str] = message("method.lime.reading")

    samples: int = samples_setting(400)
    superpixels: int = number_setting()
    algorithm: str = algorithm_setting()
    surrogate: str = setting(
        "quadratic",
        choices=("quadratic", "linear"),
        help=message("setting.lime.surrogate"),
    )
    fill: str = fill_setting()
    seed: int = seed_setting()

    def copies(self, side: int) -> int:
        """One masked copy per sample."""
        return self.samples

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """Logits (L,) that covering the whole film takes away."""
        return removed(self.fill, scorer)

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) in logits per reference area, fitted to a growing number of samples.

        Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        # drawn in the package's order, so that a seed gives the same superpixels and samples as in the package
        random = np.random.RandomState(self.seed)
        segments = of_input(x, scorer, self.algorithm, self.superpixels, random.randint(0, high=1000))
        draw, fit = {"quadratic": (balanced, fit_quadratic), "linear": (independent, fit_linear)}[self.surrogate]
        kept = draw(self.samples, int(segments.max()) + 1, random)
        for so_far in scored(scorer, segments, kept, fill_of(self.fill, scorer)):
            weights = fit(*so_far)
            values, fidelity = per_area(weights, segments), out_of_sample(fit, *so_far)
            if self.surrogate == "quadratic" and len(so_far[0]) == len(kept):
                sure, error = of_refits(weights, refits(*so_far, random))
                yield Step(values, fidelity, sure[:, segments], per_area(error, segments))
            else:
                yield Step(values, fidelity)


def independent(samples: int, superpixels: int, random: np.random.RandomState) -> np.ndarray:
    """Samples as drawn by the package: (samples, superpixels) of 0 and 1, the first without masked superpixels."""
    kept: np.ndarray = random.randint(0, 2, (samples, superpixels))
    kept[0] = 1
    return kept


def balanced(samples: int, superpixels: int, random: np.random.RandomState) -> np.ndarray:
    """Balanced random samples (samples, superpixels) of 0 and 1.

    The complement follows each sample, so that interactions of two superpixels do not bias the weight of a single one
    (the fold-over of Box & Wilson 1951; for Shapley values Covert & Lee 2021, arXiv:2012.01536). The first of each pair
    is a row of a Hadamard matrix, so that any two superpixels agree as often as they differ (Plackett & Burman 1946).
    Each further matrix has other random columns, rows and signs.
    """
    hadamard = import_library("scipy.linalg").hadamard
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


def fit_linear(kept: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The package's surrogates of logits (n, L): weights (L, superpixels).

    The package's ridge of 1 shrinks the weights for few samples. A constant logit gives weights of 0.
    """
    # imported here, as it loads matplotlib and scikit-learn and is rarely used
    base = import_library("lime.lime_image").LimeImageExplainer(kernel_width=KERNEL_WIDTH).base
    weights = np.zeros((logits.shape[1], kept.shape[1]))
    for i in np.flatnonzero(np.ptp(logits, axis=0) > 0):
        _, found, *_ = base.explain_instance_with_data(
            kept, logits, _distance(kept.mean(1)), i, kept.shape[1], feature_selection="none"
        )
        for superpixel, weight in found:
            weights[i, superpixel] = weight
    return weights


def fit_quadratic(kept: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """Weights (L, superpixels) of linear fits, in the package's kernel and over all masks, to quadratic surrogates.

    The surrogates are fitted to logits (n, L); a constant logit gives weights of 0.
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
    weights: np.ndarray = 2 * (linear + own * pairs_of_each + others * (pairs - pairs_of_each)).T
    return weights


def out_of_sample(
    fit: Callable[[np.ndarray, np.ndarray], np.ndarray], kept: np.ndarray, logits: np.ndarray
) -> np.ndarray:
    """R2 (L,) of linear surrogates of logits (n, L) on samples that they were not fitted to, in the package's kernel.

    Each of PARTS parts is predicted by a fit to the others; a sample and its complement stay in one part. Unlike the
    R2 of a fit on its own samples, that of a surrogate that explains nothing is 0 or less. nan for a constant logit.
    """
    part, weight = np.arange(len(kept)) // 2 % PARTS, _weight(kept.mean(1))
    predicted = np.zeros(logits.shape)
    for held in range(PARTS):
        own, others = part == held, part != held
        slopes = fit(kept[others], logits[others]).T
        predicted[own] = kept[own] @ slopes + np.average(logits[others] - kept[others] @ slopes, 0, weight[others])
    spread = weight @ np.square(logits - np.average(logits, 0, weight))
    missed = weight @ np.square(logits - predicted)
    moving = np.ptp(logits, axis=0) > 0
    return np.where(moving, 1 - missed / np.where(moving, spread, 1), np.nan)


def refits(kept: np.ndarray, logits: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Weights (REFITS, L, superpixels) of quadratic surrogates fitted to resampled pairs of sample and complement.

    They measure how sure the weights are, without further forward passes.
    """
    pairs = len(kept) // 2
    drawn = random.randint(pairs, size=(REFITS, pairs))
    rows = np.stack([2 * drawn, 2 * drawn + 1], 2).reshape(REFITS, -1)
    return np.stack([fit_quadratic(kept[one], logits[one]) for one in rows])


def _line_through_a_pair(n: int) -> tuple[float, float]:
    """Slopes, along z_i or z_j and along any other z_k, of the package's linear fit to z_i z_j over all masks.

    Entries z of a mask are 1 or -1, drawn independently, and the kernel weights a mask by its number of 1s; the fit
    therefore depends only on the mean products of one, two and three entries.
    """
    comb = import_library("scipy.special").comb
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
    """Cosine distance between the unmasked film and samples that keep this share of the superpixels."""
    distance: np.ndarray = 1 - np.sqrt(share)
    return distance


def _weight(share: np.ndarray) -> np.ndarray:
    """Weight, in the package's kernel, of samples that keep this share of the superpixels."""
    weight: np.ndarray = np.exp(-((_distance(share) / KERNEL_WIDTH) ** 2) / 2)
    return weight
