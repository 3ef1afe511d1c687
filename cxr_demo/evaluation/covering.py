"""Tests whether a map predicts how far the logit falls when parts of the film are covered: a randomisation test.

Random covers of several sizes, mostly small, each hide smooth parts of the film. A map predicts a cover's effect as
the sum of its values under it. Its score is the correlation of these sums with the measured effects, and the null
distribution is that of the same map put elsewhere, turned and mirrored (Besag and Clifford 1989).

Letters in shapes: G cells on a side of a map, n covers, L findings, M maps.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Cells per side of covers and maps: 8 pixels each at 224.
GRID = 28
#: Standard deviation in cells of the blur of the noise that covers are cut from.
SMOOTH = 3
#: Share of the side by which a map may be displaced: one cell of a 7 x 7 map.
ASIDE = 1 / 7
#: Deduction from the score of a map displaced so far, in proportion for shorter distances. Without it all places of a
#: round map within that distance would tie, which are 6 % of the film, more than CHANCE.
DEDUCTION = 0.1
#: Steps in cells between the places to which a map is moved for the null distribution.
STEP = 2
#: A map is no better than the same map put elsewhere if a larger share of places does as well.
CHANCE = 0.05
#: Standard deviation in logits of the effects of covers of one size below which they count as equal.
STILL = 1e-4
#: Least logits that covering the whole film must take away; otherwise the cover leaves the finding there.
LEAST = 0.1


def covers(counts: Mapping[float, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Covers (n, GRID, GRID) bool, True where the film is hidden, and the share (n,) of cells that each hides.

    `counts` is the number of covers by that share. Each cover is the highest part of blurred noise; covers of one half
    come in complementary pairs.
    """
    random = np.random.default_rng(seed)
    found, shares = [], []
    for share, count in counts.items():
        drawn = [_cover(random, share) for _ in range(count // 2 if share == 0.5 else count)]
        found += [one for cover in drawn for one in ((cover, ~cover) if share == 0.5 else (cover,))]
        shares += [share] * count
    return np.stack(found), np.array(shares)


def _cover(random: np.random.Generator, share: float) -> np.ndarray:
    """One cover (GRID, GRID) bool of a share of the cells."""
    blur = cv2.GaussianBlur(np.eye(GRID), (1, 8 * SMOOTH + 1), SMOOTH, borderType=cv2.BORDER_REFLECT)
    # where the blur is reflected, noise would vary more, and places at the edges would be covered more often
    deviation = np.sqrt(np.square(blur).sum(1))
    noise = blur @ random.standard_normal((GRID, GRID)) @ blur.T / np.outer(deviation, deviation)
    cover = np.zeros(noise.size, bool)
    cover[np.argsort(-noise.ravel())[: round(share * noise.size)]] = True
    return cover.reshape(noise.shape)


@dataclass(frozen=True)
class Elsewhere:
    """A map compared with the same map put elsewhere; nan for a constant map, or a logit that no cover moves."""

    chance: float  # p-value: share of places whose score is as high
    in_place: float  # the same without displacement
    limit: float  # the score that only CHANCE of the places exceed


@dataclass(frozen=True, eq=False)
class CoverTest:
    """Covers and their measured effects on one film."""

    covers: np.ndarray  # (n, G, G) bool, True where a copy is hidden
    shares: np.ndarray  # (n,) share of the cells that each hides; covers of one share form a group
    effects: np.ndarray  # (n, L): the film's logit minus the copy's
    removed: np.ndarray  # (L,): the film's logit minus that of the film wholly covered

    def testable(self, i: int) -> bool:
        """Whether covering can test finding `i`: the film wholly covered has a lower logit, and some cover moves it."""
        return bool(self.removed[i] >= LEAST and np.any(self._effects[:, i]))

    def scores(self, maps: np.ndarray, *, aside: bool = True) -> np.ndarray:
        """Scores (M, L), -1 to 1, of maps (M, G, G) for each finding.

        The correlation of predicted and measured effects within covers of one size: about 1 if the effects are sums of
        the map's values. With `aside`, the highest of the map displaced by at most ASIDE, less the DEDUCTION for the
        distance. nan for a constant map, or a logit that no cover moves.
        """
        found = np.stack([self._everywhere(values, self._effects) for values in maps])
        return np.array((_highest_near(found) if aside else found)[..., 0, 0])

    def elsewhere(self, values: np.ndarray, i: int) -> Elsewhere:
        """Compare a map (G, G) of finding `i` with its cyclic shifts by STEP cells, turned and mirrored as well.

        Of maps placed, turned and mirrored at random, at most 5 % have a chance of 0.05 or less.
        """
        scores = np.stack([self._everywhere(turned, self._effects[:, [i]])[0] for turned in _turned(values)])
        if np.isnan(scores).any():
            return Elsewhere(np.nan, np.nan, np.nan)
        near = _highest_near(scores)
        chance, in_place = (
            # rounding must not make the map worse than itself
            float(np.mean(each[:, ::STEP, ::STEP] >= each[0, 0, 0] - 1e-6))
            for each in (near, scores)
        )
        return Elsewhere(chance, in_place, float(np.quantile(near[:, ::STEP, ::STEP], 1 - CHANCE)))

    def _everywhere(self, values: np.ndarray, effects: np.ndarray) -> np.ndarray:
        """The scores (L, G, G) of a map at every cyclic shift, for effects (n, L); [:, 0, 0] are the map itself."""
        spectrum = self._spectrum * np.fft.rfft2(values.astype(np.float32)).conj()
        predicted = np.fft.irfft2(spectrum, s=values.shape)  # (n, G, G): the sum under each cover, for each shift
        size = np.sqrt(np.square(predicted).sum(0) * np.square(effects).sum(0)[:, None, None])
        least = 1e-7 * len(effects) * max(float(np.abs(values).max()), 1e-30)
        # the differences of a map that is constant but for rounding mean nothing
        defined = (np.abs(effects).max(0) > 0) & bool(np.ptp(values) > 1e-6 * np.abs(values).max())
        scores: np.ndarray = np.tensordot(effects.T, predicted, 1) / np.maximum(size, least)
        return np.where(defined[:, None, None], scores, np.nan)

    @cached_property
    def _spectrum(self) -> np.ndarray:
        """The Fourier transform of the covers, centred and of equal variance within each size."""
        masks = self.covers.astype(np.float32)
        for group in self._groups():
            centred = masks[group] - masks[group].mean(0)
            masks[group] = centred / np.sqrt(np.square(centred).mean())
        return np.fft.rfft2(masks)

    @cached_property
    def _effects(self) -> np.ndarray:
        """The effects (n, L), centred and of equal variance within each size; 0 where they are all equal."""
        effects = self.effects.astype(np.float32)
        for group in self._groups():
            centred = effects[group] - effects[group].mean(0)
            spread = centred.std(0)
            effects[group] = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > STILL)
        return effects

    def _groups(self) -> Iterator[np.ndarray]:
        """Masks (n,) bool of the covers of each size."""
        for share in np.unique(self.shares):
            yield self.shares == share


def _turned(values: np.ndarray) -> Iterator[np.ndarray]:
    """A map (G, G) and its seven turned and mirrored copies, the map itself first."""
    for mirrored in (values, values[:, ::-1]):
        for turns in range(4):
            yield np.rot90(mirrored, turns)


def _highest_near(scores: np.ndarray) -> np.ndarray:
    """The highest of scores (..., G, G) within ASIDE of each shift, around the edges, less the DEDUCTION."""
    reach = ASIDE * scores.shape[-1]
    steps = range(-int(reach), int(reach) + 1)
    highest = scores
    for down, across in itertools.product(steps, steps):
        away = math.hypot(down, across) / reach
        if 0 < away <= 1:
            beside = np.roll(scores, (down, across), (-2, -1)) - DEDUCTION * away
            highest = np.maximum(highest, beside)
    return highest
