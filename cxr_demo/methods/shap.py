"""KernelSHAP (Lundberg & Lee 2017): Shapley values of superpixels, fitted to random subsets of them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.imports import import_library
from cxr_demo.messages import message
from cxr_demo.methods.base import Step, seed_setting
from cxr_demo.methods.fill import fill_of, fill_setting, removed
from cxr_demo.methods.superpixels import algorithm_setting, number_setting, of_input, per_area, samples_setting, scored
from cxr_demo.methods.uncertainty import REFITS, of_refits
from cxr_demo.types import Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer

#: Variance of the noise of the process, as a share of its own. A factor of two either way changes little.
NOISE = 0.05


@dataclass(frozen=True)
class KernelSHAP:
    """Shapley value of each superpixel for the logit (Lundberg & Lee 2017), per reference area.

    A superpixel's value is the mean change of the logit as it is uncovered, over all orders of uncovering the film. The
    values of a finding sum to logit(film) - logit(film wholly covered), exactly. All findings share one set of samples:
    subsets of each size about equally often (Musco & Witter 2024, arXiv:2410.01917), each with its complement, which
    cancels interactions of two superpixels (Covert & Lee 2021, arXiv:2012.01536). Instead of a weighted line, which
    needs twice the samples, a Gaussian process is fitted to them, whose Shapley values are known in closed form.
    """

    key: ClassVar[str] = "shap"
    title: ClassVar[str] = message("method.shap.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1705.07874"
    cost: ClassVar[Cost] = Cost.SECONDS
    reading: ClassVar[str] = message("method.shap.reading")

    samples: int = samples_setting(1200)
    superpixels: int = number_setting()
    algorithm: str = algorithm_setting()
    fill: str = fill_setting()
    seed: int = seed_setting()

    def copies(self, side: int) -> int:
        """One masked copy per sample, which come in pairs, and the film wholly covered."""
        return self.samples // 2 * 2 + 1

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """Logits (L,) that covering the whole film takes away."""
        return removed(self.fill, scorer)

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) in logits per reference area, fitted to a growing number of samples.

        Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        random = np.random.RandomState(self.seed)
        # the same superpixels as LIME's for the same settings
        segments = of_input(x, scorer, self.algorithm, self.superpixels, random.randint(0, high=1000))
        kept = paired_subsets(self.samples // 2, int(segments.max()) + 1, random)
        total = self.expected_sums(scorer)
        for so_far in scored(scorer, segments, kept, fill_of(self.fill, scorer)):
            signs, differences = pairs_of(*so_far)
            values = shapley(signs, differences, total)
            if len(so_far[0]) < len(kept):
                yield Step(per_area(values, segments))
            else:
                sure, error = of_refits(values, refits(signs, differences, total, random))
                yield Step(per_area(values, segments), sure=sure[:, segments], error=per_area(error, segments))


def paired_subsets(pairs: int, superpixels: int, random: np.random.RandomState) -> np.ndarray:
    """Subsets (2 * pairs, superpixels) of 0 and 1 of all sizes but none and all, each followed by its complement.

    Sizes come about equally often. Subsets take their superpixels from shuffled rounds in which each comes once, so
    that all are taken about equally often.
    """
    sizes = 1 + np.arange(pairs) % (superpixels // 2)
    kept = np.zeros((pairs, 2, superpixels), int)
    queue: list[int] = []
    for row, size in enumerate(random.permutation(sizes)):
        if len(set(queue)) < size:
            queue += random.permutation(superpixels).tolist()
        chosen = list(dict.fromkeys(queue))[:size]
        for one in chosen:
            queue.remove(one)
        kept[row, 0, chosen] = 1
    kept[:, 1] = 1 - kept[:, 0]
    return kept.reshape(2 * pairs, superpixels)


def pairs_of(kept: np.ndarray, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of subsets followed by their complements: signs (pairs, superpixels) and differences of logits (pairs, L).

    A superpixel's sign is 1 in the subset and -1 in the complement; a last subset without its complement is left out.
    """
    pairs = len(kept) // 2
    first, second = (logits[turn : 2 * pairs : 2] for turn in (0, 1))
    return 2.0 * kept[: 2 * pairs : 2] - 1, first - second


def shapley(signs: np.ndarray, differences: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Shapley values (L, superpixels) that sum to `total` (L,), of a Gaussian process fitted to pairs.

    The differences (pairs, L) are an odd function of the signs (pairs, superpixels). Its prior is the line of equal
    shares of the total plus a process with the covariance sinh(z.z' / n), which has all odd orders of interactions.
    """
    pairs, n = signs.shape
    z = np.vstack([signs, np.ones(n)])  # the film and its cover are a pair too, known without noise
    equal = total / n
    rest = np.vstack([differences, total]) - z.sum(1)[:, None] * equal
    noise = np.append(np.full(pairs, NOISE), 1e-6) * math.sinh(1)
    dual = np.linalg.solve(np.sinh(z @ z.T / n) + np.diag(noise), rest)
    same, other = _values_of_kernel(n)
    ones = np.rint((z.sum(1) + n) / 2).astype(int)
    # the difference counts each logit's change twice, in the subset and in the complement
    values = (np.where(z > 0, same[ones, None], other[ones, None]).T @ dual).T / 2 + equal[:, None]
    found: np.ndarray = values + (total - values.sum(1))[:, None] / n  # what the tiny noise leaves
    return found


@functools.cache
def _values_of_kernel(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Shapley values of sinh(z.z' / n) as a function of z, by the number of ones in z' (n + 1,).

    Of superpixels with a one in z', and of those with a minus one: the superpixels of each kind are interchangeable, so
    the mean over all orders is a sum over how many of each kind are uncovered already.
    """
    comb = import_library("scipy.special").comb
    same, other = np.zeros(n + 1), np.zeros(n + 1)
    for ones in range(n + 1):
        whole = 2 * math.sinh((2 * ones - n) / n)  # all uncovered, less all covered
        if ones:
            k, m = np.arange(ones)[:, None], np.arange(n - ones + 1)
            chance = comb(ones - 1, k) * comb(n - ones, m) / comb(n - 1, k + m) / n
            before = (n + 2 * (k - m - ones)) / n
            same[ones] = np.sum(chance * (np.sinh(before + 2 / n) - np.sinh(before)))
        if ones < n:
            other[ones] = (whole - ones * same[ones]) / (n - ones)
    return same, other


def refits(signs: np.ndarray, differences: np.ndarray, total: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """Shapley values (REFITS, L, superpixels) of processes fitted to resampled pairs."""
    rows = random.randint(len(signs), size=(REFITS, len(signs)))
    return np.stack([shapley(signs[one], differences[one], total) for one in rows])
