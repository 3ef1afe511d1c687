"""Measures the trustworthiness of one film's maps with additional masked copies of that film.

Verdicts: a map is tested against the effects of random covers (`covering`), with two contents of the covers, and
compared with the lungs and with the same method's maps of other findings.
Deletion and insertion curves, in logits (Petsiuk et al. 2018, arXiv:1806.07421): the logit while the cells that a map
ranks highest are masked, or while only these are shown.
Copies that do not depend on a map are scored once per film, for all methods and findings.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cxr_demo import methods
from cxr_demo.case import maps_of_inputs
from cxr_demo.errors import BadSetting
from cxr_demo.evaluation import metrics
from cxr_demo.evaluation.covering import CHANCE, GRID, LEAST, CoverTest, covers
from cxr_demo.evaluation.origin import Origin, origin
from cxr_demo.films import image
from cxr_demo.films.lungs import Lungs, lungs
from cxr_demo.messages import Message, joined, message
from cxr_demo.methods.fill import fill_of, title
from cxr_demo.types import REFERENCE_AREA, Cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from cxr_demo.case import Case
    from cxr_demo.inference.scoring import Budget, Scorer
    from cxr_demo.methods.base import Method
    from cxr_demo.types import Explanation

#: Numbers of covers by the share of the film that each hides, for the first content of the covers and for the second.
#: The second has no halves, the covers that are least like a film.
FIRST: Mapping[float, int] = {0.05: 36, 0.10: 36, 0.25: 36, 0.50: 36}
SECOND: Mapping[float, int] = {0.05: 36, 0.10: 36, 0.25: 36}
#: Cells per side of random maps, each as large as a Grad-CAM cell at 224.
PIECES = 7
#: Shares of the film masked (deletion) or shown (insertion) along a curve.
SHARES = np.array([0.0, 0.03, 0.08, 0.16, 0.3, 0.5, 0.75, 1.0])
#: Number of random maps in the mean control curve.
RANDOM = 2
#: Number of maps of other findings that may predict a finding's score better than its own map.
RIVALS = 2
#: Perturbations for stability: shift down and right as shares of the side, and gain.
JITTER = ((1 / 64, 1 / 64, 1.0), (-1 / 64, -1 / 64, 1.0), (0.0, 0.0, 1.05), (0.0, 0.0, 0.95))
#: Side of a laterality marker as a share of the model input's side.
MARKER = 0.08


class Verdict(str, Enum):
    """The conclusion that covering parts of the film supports, from the weakest to the strongest."""

    UNTESTABLE = "untestable"
    UNDECIDED = "undecided"
    UNSPECIFIC = "unspecific"
    SUPPORTED = "supported"


@dataclass(frozen=True, eq=False)
class Curve:
    """Deletion and insertion curves (len(SHARES),) of one finding and one map, in logits."""

    deletion: np.ndarray  # with the highest-ranked share masked
    insertion: np.ndarray  # with only that share shown

    @property
    def areas(self) -> tuple[float, float]:
        """The areas under deletion (lower is better) and insertion (higher is better), in logits."""
        return metrics.area_under(SHARES, self.deletion), metrics.area_under(SHARES, self.insertion)

    @property
    def gap(self) -> float:
        """Insertion area minus deletion area, in logits; its mean over random orders is zero for any model."""
        deletion, insertion = self.areas
        return insertion - deletion

    def both_ways(self) -> Curve:
        """The mean of this curve and the curve of the reversed order.

        The reverse of a random order is random too, so the mean removes the bias of a small number of random maps.
        """
        deletion, insertion = (np.interp(SHARES, 1 - SHARES[::-1], v[::-1]) for v in (self.insertion, self.deletion))
        return Curve((self.deletion + deletion) / 2, (self.insertion + insertion) / 2)


@dataclass(frozen=True, eq=False)
class Controls:
    """The controls of one film: scores that do not depend on any map."""

    logits: np.ndarray  # (L,) of the film itself
    tests: Mapping[str, CoverTest]  # by the content of the covers, a `fill` choice
    random: tuple[tuple[Curve, ...], ...]  # per finding: curves of random maps
    anatomy: tuple[Curve, ...]  # per finding: the curve of the lungs
    lungs: Lungs
    marker: np.ndarray  # (4, L): change of the logits by a laterality marker in each corner
    forwards: int

    def cover(self, i: int) -> str:
        """The content of the covers that tests finding `i` best: the one that takes most of its logit away.

        The choice does not depend on a map, so the test keeps its level.
        """
        return max(self.tests, key=lambda name: float(self.tests[name].removed[i]))

    def best(self, i: int) -> CoverTest:
        """The test of finding `i` with that content."""
        return self.tests[self.cover(i)]

    @property
    def covered(self) -> np.ndarray:
        """Logits (L,) of the film wholly covered by its blurred self, the end of the curves."""
        covered: np.ndarray = self.logits - self.tests["blurred"].removed
        return covered


@dataclass(frozen=True, eq=False)
class CoverScores:
    """How well maps predict the effects of covers with one content; arrays (L,), nan if undefined.

    See `covering.CoverTest` for scores and chances.
    """

    removed: np.ndarray  # the film's logit minus that of the film wholly covered
    score: np.ndarray  # -1 to 1
    lungs: np.ndarray  # the score of the lungs as a map
    rivals: np.ndarray  # number of the method's maps of other findings with a higher score
    chance: np.ndarray  # share of other places whose score is as high
    in_place: np.ndarray  # the same without displacement
    limit: np.ndarray  # the score that only CHANCE of the places reach

    @classmethod
    def of(cls, test: CoverTest, maps: np.ndarray, seen: Lungs) -> CoverScores:
        """Test maps (L, GRID, GRID), one of each finding."""
        scores = test.scores(maps)
        placed = [test.elsewhere(values, i) for i, values in enumerate(maps)]
        return cls(
            removed=test.removed,
            score=np.diag(scores),
            lungs=test.scores(prior(seen)[None])[0],
            rivals=(scores > np.diag(scores)).sum(0),
            chance=np.array([place.chance for place in placed]),
            in_place=np.array([place.in_place for place in placed]),
            limit=np.array([place.limit for place in placed]),
        )

    def verdict(self, i: int) -> Verdict:
        """The verdict for finding `i`."""
        if math.isnan(self.chance[i]) or self.removed[i] < LEAST:
            return Verdict.UNTESTABLE
        if self.chance[i] > CHANCE:
            return Verdict.UNDECIDED
        if self.score[i] <= self.lungs[i] or self.rivals[i] > RIVALS:
            return Verdict.UNSPECIFIC
        return Verdict.SUPPORTED

    def words(self, i: int) -> tuple[Message, Message]:
        """The verdict for finding `i` in a sentence that gives the reason, and in one that fits a card."""
        match self.verdict(i):
            case Verdict.UNTESTABLE:
                return self._untestable(i)
            case Verdict.UNDECIDED:
                return message("verdict.undecided"), message("verdict.short.undecided")
            case Verdict.UNSPECIFIC if self.score[i] <= self.lungs[i]:
                return message("verdict.unspecific.lungs"), message("verdict.short.unspecific.lungs")
            case Verdict.UNSPECIFIC:
                said = message("verdict.unspecific.findings", n=int(self.rivals[i]))
                return said, message("verdict.short.unspecific.findings")
        k = math.ceil(100 * self.chance[i])
        there = self.in_place[i] <= CHANCE
        said = message("verdict.supported.there", k=k) if there else message("verdict.supported.beside", k=k)
        return said, message("verdict.short.supported")

    def _untestable(self, i: int) -> tuple[Message, Message]:
        if math.isnan(self.lungs[i]):
            return message("verdict.untestable.score"), message("verdict.short.untestable.score")
        if math.isnan(self.score[i]):
            return message("verdict.untestable.map"), message("verdict.short.untestable.map")
        return message("verdict.untestable.cover"), message("verdict.short.untestable.cover")


@dataclass(frozen=True, eq=False)
class Trust:
    """Measures of one method's maps; arrays (L,), nan if undefined."""

    covers: Mapping[str, CoverScores]  # by the content of the covers
    cover: Sequence[str]  # per finding: the content of the covers that tests it best, see `Controls.cover`
    stability: np.ndarray  # -1 to 1 under small changes of the film, or 0 to 1 under resampling
    outside: np.ndarray  # share of the absolute evidence outside the lungs
    border: np.ndarray  # share of the absolute evidence at the film's border
    sums: np.ndarray  # of the map, in logits
    expected_sums: np.ndarray  # the sums that the method aims at, see `Method.expected_sums`

    def best(self, i: int) -> CoverScores:
        """The measures with the covers that test finding `i` best."""
        return self.covers[self.cover[i]]

    def verdict(self, i: int) -> Verdict:
        """The verdict for finding `i`, with the covers that test it best."""
        return self.best(i).verdict(i)

    def others(self, i: int) -> dict[str, Verdict]:
        """The verdicts for finding `i` of other contents that can test it and differ, by the content."""
        own = self.verdict(i)
        found = {name: scores.verdict(i) for name, scores in self.covers.items()}
        return {
            name: verdict
            for name, verdict in found.items()
            if verdict is not own and Verdict.UNTESTABLE not in (verdict, own)
        }

    def short(self, i: int) -> Message:
        """The verdict for finding `i` in a sentence or two that fit a card."""
        said, others = [self.best(i).words(i)[1]], self.others(i).values()
        if Verdict.UNDECIDED in (self.verdict(i), *others):
            said += map(_by_another_in_short, others)
        return joined(*said) if len(said) > 1 else said[0]

    def sentences(self, i: int) -> list[Message]:
        """The verdict for finding `i` in sentences, and that of another cover if it differs."""
        said, _ = self.best(i).words(i)
        found = [said, message("verdict.cover", cover=title(self.cover[i]))]
        found += [_by_another(name, verdict) for name, verdict in self.others(i).items()]
        if self.stability[i] < 0.5:
            found.append(message("verdict.unstable"))
        return found

    def says(self, i: int) -> Message:
        """The sentences as one message."""
        return joined(*self.sentences(i))


def _by_another(fill: str, verdict: Verdict) -> Message:
    """The verdict of covers with another content, in a sentence; only for a finding that they can test."""
    return {
        Verdict.UNDECIDED: message("verdict.other.undecided", cover=title(fill)),
        Verdict.UNSPECIFIC: message("verdict.other.unspecific", cover=title(fill)),
        Verdict.SUPPORTED: message("verdict.other.supported", cover=title(fill)),
    }[verdict]


def _by_another_in_short(verdict: Verdict) -> Message:
    """As `_by_another`, in words that fit a card."""
    return {
        Verdict.UNDECIDED: message("verdict.short.other.undecided"),
        Verdict.UNSPECIFIC: message("verdict.short.other.unspecific"),
        Verdict.SUPPORTED: message("verdict.short.other.supported"),
    }[verdict]


@dataclass(frozen=True, eq=False)
class Assessment:
    """All measures of one film's maps; mappings are by method key."""

    finding: int  # index of the finding of the curves and of the origin
    trust: Mapping[str, Trust]
    curves: Mapping[str, Curve]
    #: of the highest cell of Grad-CAM's map; None without the map, if no cover lowers it, or if cells are not exact
    origin: Origin | None
    controls: Controls
    seconds: float


def on_grid(values: np.ndarray, grid: int = GRID) -> np.ndarray:
    """Average maps (L, S, S) over the cells of a common grid: (L, grid, grid)."""
    return image.by_area(values, grid)


# ------------------------------------------------------------------ controls


def controls(case: Case, budget: Budget | None = None) -> Controls:
    """A case's controls, scored at the first call. Cancelled or DeadlinePassed when the budget ends the run."""
    return case.once(Controls, lambda: _controls(case.scorer(budget), lungs_of(case)))


def _controls(scorer: Scorer, seen: Lungs) -> Controls:
    """Score the controls of a film with these lungs."""
    before = scorer.forwards
    second = "wide" if scorer.unplanted is None else "normal"
    tests = {"blurred": _test(scorer, "blurred", FIRST), second: _test(scorer, second, SECOND)}
    orders = [metrics.order(values, seed) for seed, values in enumerate([*random_maps(RANDOM), prior(seen)])]
    cuts = np.concatenate([_cuts(order) for order in orders])
    logits = _all(scorer, _Cells(cuts, scorer.x.shape[-1]), fill_of("blurred", scorer))
    points = logits.reshape(len(orders), 2, len(SHARES) - 2, -1)
    covered = scorer.base - tests["blurred"].removed
    curves = [[_curve(scorer.base[i], covered[i], one[..., i]) for one in points] for i in range(len(scorer.base))]
    return Controls(
        logits=scorer.base,
        tests=tests,
        random=tuple(tuple(each[:-1]) for each in curves),
        anatomy=tuple(each[-1] for each in curves),
        lungs=seen,
        marker=_all(scorer, *_marked(scorer)) - scorer.base,
        forwards=scorer.forwards - before,
    )


def _test(scorer: Scorer, fill: str, counts: Mapping[float, int]) -> CoverTest:
    """Score covers of a film with one content."""
    drawn, shares = covers(counts)
    masks = np.concatenate([np.ones((1, GRID, GRID), bool), drawn])
    effects = scorer.base - _all(scorer, _Cells(masks, scorer.x.shape[-1]), fill_of(fill, scorer))
    return CoverTest(drawn, shares, effects[1:], effects[0])


def random_maps(number: int, seed: int = 0) -> np.ndarray:
    """Random control maps (number, GRID, GRID), each resized from PIECES x PIECES independent normal values."""
    return image.by_area(np.random.default_rng(seed).standard_normal((number, PIECES, PIECES)), GRID)


def prior(seen: Lungs) -> np.ndarray:
    """The anatomy control map (GRID, GRID): the lungs, with blurred edges."""
    faded: np.ndarray = cv2.GaussianBlur(seen.mask.astype(np.float32), (0, 0), GRID / 28).astype(float)
    return faded


def _marked(scorer: Scorer) -> tuple[_Cells, Tensor]:
    """Masks and fill for four copies of the film, each with a white L in another corner."""
    size = scorer.x.shape[-1]
    drawn = scorer.x[0, 0].float().cpu().numpy().copy()
    side, start = max(4, round(MARKER * size)), max(2, round(MARKER * size / 2))
    masks = np.zeros((4, size, size), np.float32)
    white = float(scorer.classifier.spec.pixel_range[1])
    for mask, (row, column) in zip(masks, ((0, 0), (0, 1), (1, 0), (1, 1)), strict=True):
        top, left = (size - start - side if at else start for at in (row, column))
        stroke = max(1, side // 5)
        for part in (
            np.s_[top : top + side, left : left + stroke],
            np.s_[top + side - stroke : top + side, left : left + side * 2 // 3],
        ):
            drawn[part] = white
        mask[top : top + side, left : left + side] = 1
    return _Cells(masks, size), scorer.x.new_tensor(drawn)[None, None]


# ------------------------------------------------------------------ measures of a method


def measure(case: Case, method: Method, explanation: Explanation, budget: Budget | None = None) -> Trust:
    """The measures of a method's maps for all findings; scores the case's controls if necessary.

    Cancelled or DeadlinePassed when the budget ends the run.
    """
    held = controls(case, budget)
    maps, pixels = on_grid(explanation.values), explanation.values
    outside, border = misplaced(pixels, held.lungs)
    expected = method.expected_sums(case.scorer(budget))
    nothing = np.full(len(pixels), np.nan)
    return Trust(
        covers={name: CoverScores.of(test, maps, held.lungs) for name, test in held.tests.items()},
        cover=[held.cover(i) for i in range(len(pixels))],
        stability=_stability(case, method, explanation, budget),
        outside=outside,
        border=border,
        sums=nothing if expected is None else pixels.mean((1, 2)) / REFERENCE_AREA,
        expected_sums=nothing if expected is None else expected,
    )


def misplaced(maps: np.ndarray, seen: Lungs) -> tuple[np.ndarray, np.ndarray]:
    """Shares (L,) of the absolute evidence of maps (L, S, S) outside the lungs and at the border; nan without any."""
    inside = cv2.resize(seen.mask.astype(np.float32), maps.shape[1:], interpolation=cv2.INTER_LINEAR)
    edge = metrics.border(maps.shape[-1])
    outside = np.array([1 - metrics.share_inside(values, inside) for values in maps])
    return outside, np.array([metrics.share_inside(values, edge) for values in maps])


def lungs_of(case: Case) -> Lungs:
    """The lungs of a case's film on the grid of the tests, segmented at the first call."""
    return case.once(Lungs, lambda: lungs(image.view(case.film, case.model.size), GRID))


def curves(case: Case, i: int, maps: Sequence[np.ndarray], budget: Budget | None = None) -> list[Curve]:
    """Deletion and insertion curves of finding `i`, in logits, for the order of cells in each map (S, S).

    Cancelled or DeadlinePassed when the budget ends the run.
    """
    scorer = case.scorer(budget)
    held = controls(case, budget)
    cuts = np.concatenate([_cuts(metrics.order(on_grid(values[None])[0])) for values in maps])
    logits = _all(scorer, _Cells(cuts, case.model.size), fill_of("blurred", scorer))[:, i]
    points = logits.reshape(len(maps), 2, -1)
    return [_curve(held.logits[i], held.covered[i], one) for one in points]


def assess(
    case: Case, explanations: Mapping[str, Explanation], finding: int, budget: Budget | None = None
) -> Assessment:
    """Measure a film's maps: trust for all findings, curves and origin for the finding with index `finding`.

    BadSetting for an index that the model does not have; Cancelled or DeadlinePassed when the budget ends the run.
    """
    began = time.perf_counter()
    if not 0 <= finding < len(case.model.labels):
        raise BadSetting(message("error.finding.index", index=finding, count=len(case.model.labels)))
    used = {key: methods.method(key, e.settings) for key, e in explanations.items()}
    measured = {key: measure(case, used[key], e, budget) for key, e in explanations.items()}
    maps = [e.values[finding].astype(np.float32) for e in explanations.values()]
    drawn = dict(zip(explanations, curves(case, finding, maps, budget), strict=True))
    traced = origin(case, finding, budget) if methods.GradCAM.key in explanations else None
    return Assessment(finding, measured, drawn, traced, controls(case, budget), time.perf_counter() - began)


def _stability(case: Case, method: Method, explanation: Explanation, budget: Budget | None) -> np.ndarray:
    """Stability (L,): how far the evidence keeps its sign, or the rank correlation under small changes of the film.

    nan for slow methods without sign stability.
    """
    maps = on_grid(explanation.values)
    if explanation.sure is not None:
        strength = np.where(np.isnan(explanation.sure), 0, np.abs(explanation.values))
        total = strength.sum((1, 2))
        steady = (strength * np.nan_to_num(explanation.sure)).sum((1, 2))
        kept: np.ndarray = np.divide(steady, total, out=np.full(len(total), np.nan), where=total > 0)
        return kept
    if method.cost is not Cost.INSTANT:
        return np.full(len(maps), np.nan)
    x = case.first.x
    size = x.shape[-1]
    shifts = [(round(down * size), round(across * size)) for down, across, _ in JITTER]
    reach = case.model.spec.pixel_range
    changed = [_changed(x, by, gain, reach) for by, (*_, gain) in zip(shifts, JITTER, strict=True)]
    moved = maps_of_inputs(case.model, x.new_tensor(np.stack(changed)[:, None]), method, budget)
    back = [(-down, -across) for down, across in shifts]
    again = [on_grid(np.roll(values, by, (1, 2))) for values, by in zip(moved, back, strict=True)]
    return metrics.stability(maps, again)


def _changed(x: Tensor, shift: tuple[int, int], gain: float, pixel_range: tuple[float, float]) -> np.ndarray:
    """The model input (S, S), shifted down and right by whole pixels and multiplied by a gain, in the pixel range."""
    low, high = pixel_range
    pixels = (x[0, 0].float().cpu().numpy() - low) * gain
    down, across = shift
    size = len(pixels)
    rows, columns = (np.clip(np.arange(size) - by, 0, size - 1) for by in (down, across))
    changed: np.ndarray = np.clip(pixels[np.ix_(rows, columns)], 0, high - low) + low
    return changed


# ------------------------------------------------------------------ masked copies


@dataclass(frozen=True, eq=False)
class _Cells:
    """Masks (n, G, G), 1 where the film is masked, enlarged to `size` pixels per side."""

    covered: np.ndarray
    size: int

    def __len__(self) -> int:
        return len(self.covered)

    def __getitem__(self, where: slice) -> np.ndarray:
        cell = np.arange(self.size) * self.covered.shape[-1] // self.size
        masks: np.ndarray = self.covered[where].astype(np.float32).take(cell, 1).take(cell, 2)
        return masks


def _cuts(order: np.ndarray) -> np.ndarray:
    """Masks (2 (len(SHARES) - 2), GRID, GRID) of a curve: first the deletion masks, then the insertion masks."""
    ends = np.rint(SHARES[1:-1] * order.size).astype(int)
    place = np.empty(order.size, int)
    place[order] = np.arange(order.size)
    first = (place < ends[:, None]).reshape(-1, GRID, GRID)
    return np.concatenate([first, ~first]).astype(np.float32)


def _curve(film: float, covered: float, inner: np.ndarray) -> Curve:
    """Add the end points, which all orders share, to the inner points (2, len(SHARES) - 2) of a curve."""
    return Curve(np.r_[film, inner[0], covered], np.r_[covered, inner[1], film])


def _all(scorer: Scorer, masks: Any, fill: Tensor) -> np.ndarray:
    """Logits (n, L) of all n masked copies."""
    logits = np.zeros((len(masks), len(scorer.base)))
    for where, scores in scorer.scores(masks, fill):
        logits[where] = scores
    return logits
