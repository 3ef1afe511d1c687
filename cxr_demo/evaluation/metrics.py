"""What can be said of maps: faithfulness, agreement, localisation, stability. Formulas on arrays; no model.

Letters in shapes: G cells on a side of a map, n copies, L findings. What is undefined is nan, never 0: a constant map
has no order, an empty box cannot be hit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Share of a map's cells that count as its top.
TOP = 0.1
#: A map's box goes round what reaches this share of its maximum, connected with the maximum.
BOX_LEVEL = 0.5


# ------------------------------------------------------------------ order


def order(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Indices (G * G,) of a map's cells (G, G), the highest first; ties in an order drawn from the seed.

    So a share of the cells is always an exact number of them. A percentile as threshold instead takes all cells of a
    map whose values tie there, often the whole film.
    """
    drawn = np.random.default_rng(seed).permutation(values.size)
    return drawn[np.argsort(-np.asarray(values).ravel()[drawn], kind="stable")]


def top(values: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """The highest share of a map (G, G): as many cells True, at least one."""
    chosen = np.zeros(values.size, bool)
    chosen[order(values, seed)[: max(1, round(share * values.size))]] = True
    return chosen.reshape(values.shape)


def constant(values: np.ndarray) -> bool:
    """Whether a map has one value only, and so no order."""
    return bool(np.ptp(values) == 0)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 along the last axis, ties sharing the mean of theirs: the shape of `values`, float."""
    rows = np.reshape(values, (-1, np.shape(values)[-1]))
    # scipy.stats does the same, but takes a second to import
    sorted_rows = np.sort(rows, axis=-1)
    found = [
        (np.searchsorted(s, r) + np.searchsorted(s, r, "right") - 1) / 2 for s, r in zip(sorted_rows, rows, strict=True)
    ]
    return np.reshape(found, np.shape(values))


# ------------------------------------------------------------------ faithfulness


def area_under(shares: np.ndarray, curve: np.ndarray) -> float:
    """The area under a curve (n,) over shares (n,) from 0 to 1, linear in between: in the curve's unit."""
    return float((curve[1:] + curve[:-1]) @ np.diff(shares) / 2)


def normalised(curve: np.ndarray, film: float, covered: float, least: float = 0.1) -> np.ndarray:
    """Logits (n,) as shares of the way from the covered film (0) to the film itself (1).

    nan where the film is less than `least` logits above the covered one: what is no evidence cannot be shared out.
    """
    if film - covered < least:
        return np.full_like(np.asarray(curve, float), np.nan)
    return (np.asarray(curve, float) - covered) / (film - covered)


def faithfulness(values: np.ndarray, signs: np.ndarray, moved: np.ndarray) -> float:
    """How well a map (G, G) foretells what covering does: -1 to 1 (after Bhatt et al. 2020, arXiv:2005.00631).

    `signs` (n, G, G) is 1 where a copy shows the film and -1 where it is covered; `moved` (n,) is that copy's logit
    less that of its complement. Departs from the paper: complements in place of single subsets, which takes out the
    constant and everything of even order, so the correlation is about zero as it stands. 1 if the model is additive and
    the map its evidence. nan for a map of zeros and a logit that never moves.
    """
    foretold = np.tensordot(signs, values, 2)
    return _cosine(foretold, moved)


def faithfulness_elsewhere(values: np.ndarray, signs: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The same of the map moved to every place of the film, around its edges: (G, G), [0, 0] where it is.

    What a random map of this very structure would score.
    """
    spectrum = np.fft.rfft2(signs) * np.fft.rfft2(values).conj()
    foretold = np.fft.irfft2(spectrum, s=values.shape)  # (n, G, G): of the map moved by so much
    size = np.sqrt(np.square(foretold).sum(0) * np.square(moved).sum())
    found: np.ndarray = np.divide(
        np.tensordot(moved, foretold, 1), size, out=np.full(values.shape, np.nan), where=size > 0
    )
    return found


def chance(values: np.ndarray, signs: np.ndarray, moved: np.ndarray) -> float:
    """Share of the places to which a map may be moved where it would be as faithful as where it is.

    A randomisation test: below 0.05 for 5 % of maps that lie at random. nan where there is nothing to compare.
    """
    if constant(values):
        return np.nan
    elsewhere = faithfulness_elsewhere(values, signs, moved)
    if np.isnan(elsewhere[0, 0]):
        return np.nan
    return float(np.mean(elsewhere >= elsewhere[0, 0] - 1e-9))


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    size = float(np.sqrt(np.square(a).sum() * np.square(b).sum()))
    return float(a @ b) / size if size > 0 else np.nan


# ------------------------------------------------------------------ agreement


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's correlation of every map of a (L, G, G) with every one of b (M, G, G): (L, M); nan where constant."""
    first, second = (ranks(np.reshape(maps, (len(maps), -1))) for maps in (a, b))
    first, second = (each - each.mean(1, keepdims=True) for each in (first, second))
    sizes = np.sqrt(np.square(first).sum(1)[:, None] * np.square(second).sum(1))
    found: np.ndarray = np.divide(first @ second.T, sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    return found


def overlap(a: np.ndarray, b: np.ndarray, share: float = TOP) -> np.ndarray:
    """Of the tops of two maps, the part they share: intersection over union of every pair (L, M); nan where constant.

    Ties are drawn apart for a and b, or two empty maps would have the same top.
    """
    tops = [np.stack([top(v, share, seed).ravel() for v in maps]).astype(float) for seed, maps in enumerate((a, b))]
    both = tops[0] @ tops[1].T
    found = both / (tops[0].sum(1)[:, None] + tops[1].sum(1) - both)
    still = [np.array([constant(v) for v in maps]) for maps in (a, b)]
    return np.where(still[0][:, None] | still[1], np.nan, found)


def related(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a measure of all pairs of findings (L, L): (L,) of each with itself, and (L,) the mean with the others.

    The second is what two methods agree by anatomy alone; nan for a model of one finding.
    """
    own = np.diag(pairs)
    others = np.where(np.eye(len(pairs), dtype=bool), np.nan, (pairs + pairs.T) / 2)
    known = ~np.isnan(others)
    return own, np.divide(np.nansum(others, 1), known.sum(1), out=np.full(len(own), np.nan), where=known.any(1))


def consensus(maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where several maps (G, G) agree and where they contradict, each map as a share of its own largest value.

    Agreement is signed: what all say at least, 0 where one says nothing or the opposite. Conflict is what the strongest
    for and the strongest against have at least, from 0 to 1.
    """
    shares = np.stack([values / (np.abs(values).max() or 1.0) for values in maps])
    least, most = shares.min(0), shares.max(0)
    agreed = np.where(least > 0, least, np.where(most < 0, most, 0))
    return agreed, np.minimum(np.maximum(most, 0), np.maximum(-least, 0))


# ------------------------------------------------------------------ localisation


def box_mask(edges: Sequence[tuple[float, float, float, float]], size: int) -> np.ndarray:
    """The share of each cell (size, size) that lies in boxes: left, top, right, bottom in shares of the view."""
    mask = np.zeros((size, size))
    cell = np.arange(size)
    for left, upper, right, lower in edges:
        sides = [
            (np.clip(end * size, cell, cell + 1) - np.clip(start * size, cell, cell + 1)).clip(0)
            for start, end in ((upper, lower), (left, right))
        ]
        mask = np.maximum(mask, np.outer(*sides))
    return mask


def peak(values: np.ndarray) -> tuple[float, float]:
    """Row and column, in cells, of a map's highest place; the middle where several cells tie, if they touch.

    A map of large pieces has no single highest pixel, and the first one of a piece would be its corner.
    """
    highest = _piece(values == values.max(), np.unravel_index(int(np.argmax(values)), values.shape))
    rows, columns = np.nonzero(highest)
    middle = rows.mean(), columns.mean()
    # the middle of a bent piece may lie outside it
    nearest = int(np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2))
    return float(rows[nearest]), float(columns[nearest])


def pointing(values: np.ndarray, mask: np.ndarray) -> float:
    """1 if the peak of a map (G, G) lies in the mask, else 0 (pointing game, Zhang et al. 2016, arXiv:1608.00507).

    nan for a constant map and an empty mask.
    """
    if constant(values) or not (mask >= 0.5).any():
        return np.nan
    row, column = peak(values)
    return float(mask[round(row), round(column)] >= 0.5)


def energy(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of a map's positive evidence inside a mask, corrected for its area: 0 is chance, 1 all of it.

    The energy-based pointing game (Wang et al. 2020, arXiv:1910.01279) rewards large boxes; here (share - area) /
    (1 - area). nan for a map without positive values, for an empty mask and a full one.
    """
    positive = np.maximum(values, 0)
    total, area = float(positive.sum()), float(mask.mean())
    if total == 0 or area in (0.0, 1.0):
        return np.nan
    return (float((positive * mask).sum()) / total - area) / (1 - area)


def found_box(values: np.ndarray, level: float = BOX_LEVEL) -> np.ndarray | None:
    """The box (G, G) bool around what reaches `level` of a map's maximum and is connected with it.

    None for a map without positive values or of one value: it shows no place.
    """
    if constant(values) or values.max() <= 0:
        return None
    at = np.unravel_index(int(np.argmax(values)), values.shape)
    rows, columns = np.nonzero(_piece(values >= level * values.max(), at))
    box = np.zeros(values.shape, bool)
    box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return box


def iou(found: np.ndarray | None, mask: np.ndarray) -> float:
    """Intersection over union of a box found (G, G) and a mask; 0 where none was found, nan for an empty mask."""
    return _overlap(found, mask, lambda box, both: box + mask.sum() - both)


def iobb(found: np.ndarray | None, mask: np.ndarray) -> float:
    """Intersection over the area of the box found (IoBB of Wang et al. 2017, arXiv:1705.02315); else as `iou`."""
    return _overlap(found, mask, lambda box, both: box)


def _overlap(found: np.ndarray | None, mask: np.ndarray, whole: Callable[[float, float], float]) -> float:
    if not mask.any():
        return np.nan
    if found is None:
        return 0.0
    both = float(mask[found].sum())
    return both / whole(float(found.sum()), both)


def ceiling(values: np.ndarray, mask: np.ndarray) -> float:
    """The best IoU with a mask that any choice among a map's pieces of equal value could have.

    A nodule smaller than a cell of a 7 x 7 map is out of reach whatever the map says. nan for an empty mask.
    """
    if not mask.any():
        return np.nan
    piece = np.unique(values, return_inverse=True)[1].ravel()
    areas, inside = np.bincount(piece), np.bincount(piece, weights=mask.ravel())
    # the best choice takes pieces in the order of the share that lies inside
    ranked = np.argsort(-inside / areas, kind="stable")
    both, taken = inside[ranked].cumsum(), areas[ranked].cumsum()
    return float((both / (taken + mask.sum() - both)).max())


def _piece(where: np.ndarray, at: tuple[np.intp, ...]) -> np.ndarray:
    """The connected part of a mask (G, G) that a cell belongs to; cells that touch at a corner are connected."""
    import cv2

    _, labels = cv2.connectedComponents(where.astype(np.uint8), connectivity=8)
    part: np.ndarray = labels == labels[at]
    return part


# ------------------------------------------------------------------ stability, places, intervals


def stability(maps: np.ndarray, again: Sequence[np.ndarray]) -> np.ndarray:
    """Mean rank correlation (L,) of maps (L, G, G) with those of films that were changed a little; nan if constant."""
    each = [np.diag(rank_correlation(maps, other)) for other in again]
    found: np.ndarray = np.mean(each, 0)
    return found


def share_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of a map's evidence, for and against, that lies in a mask (G, G) in [0, 1]; nan for a map of zeros."""
    strength = np.abs(values)
    total = float(strength.sum())
    return float((strength * mask).sum()) / total if total > 0 else np.nan


def border(size: int, share: float = 0.08) -> np.ndarray:
    """The cells (size, size) bool within a share of the side from the edge, where markers, cables and arms are."""
    middle = (np.arange(size) + 0.5) / size
    inner = (middle >= share) & (middle <= 1 - share)
    return ~np.outer(inner, inner)


def bootstrap(
    figures: Callable[[np.ndarray], np.ndarray], patients: np.ndarray, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Figures (R, ...) of films whose patients (N,) were drawn with replacement; `figures` takes rows (n,).

    Patients, not films, are drawn, since films of one patient resemble each other.
    """
    names, of_patient = np.unique(patients, return_inverse=True)
    films = np.split(np.argsort(of_patient, kind="stable"), np.cumsum(np.bincount(of_patient))[:-1])
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(names), size=len(names)) for _ in range(resamples))
    return np.array([figures(np.concatenate([films[i] for i in drawn])) for drawn in draws])


def interval(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends (...) of the 95 % percentile intervals of figures (R, ...) of `bootstrap`.

    Draws in which a figure is undefined are left out; nan where it is undefined in all of them.
    """
    undefined = np.isnan(drawn).all(0)
    low, high = np.nanpercentile(np.where(undefined, 0, drawn), [2.5, 97.5], axis=0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
