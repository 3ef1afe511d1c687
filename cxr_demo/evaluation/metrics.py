"""Metrics of maps as functions of arrays: order, curves, agreement, localisation, stability, bootstrap intervals.

Letters in shapes: G cells on a side of a map, L findings. Undefined values are nan, never 0: a
constant map has no order, and an empty box cannot be hit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Share of a map's cells that count as its top.
TOP = 0.1
#: A map's box bounds the cells that reach this share of its maximum and are connected to it.
BOX_LEVEL = 0.5
#: Width of a film's border, as a share of its side.
BORDER = 0.08


# ------------------------------------------------------------------ order


def order(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Indices (G * G,) of a map's cells (G, G), the highest first; the seed decides the order of ties.

    A share of the cells is therefore an exact number of cells. A percentile threshold would include all tied cells,
    often the whole film.
    """
    drawn = np.random.default_rng(seed).permutation(values.size)
    return drawn[np.argsort(-np.asarray(values).ravel()[drawn], kind="stable")]


def top(values: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """A mask (G, G) bool of the given share of a map's cells, those with the highest values; at least one cell."""
    chosen = np.zeros(values.size, bool)
    chosen[order(values, seed)[: max(1, round(share * values.size))]] = True
    return chosen.reshape(values.shape)


def constant(values: np.ndarray) -> bool:
    """Whether all values of a map are equal, so that its cells have no order."""
    return bool(np.ptp(values) == 0)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0 along the last axis, with the mean rank for ties: float, in the shape of `values`."""
    rows = np.reshape(values, (-1, np.shape(values)[-1]))
    # scipy.stats.rankdata does the same, but takes a second to import
    sorted_rows = np.sort(rows, axis=-1)
    found = [
        (np.searchsorted(s, r) + np.searchsorted(s, r, "right") - 1) / 2 for s, r in zip(sorted_rows, rows, strict=True)
    ]
    return np.reshape(found, np.shape(values))


# ------------------------------------------------------------------ curves


def area_under(shares: np.ndarray, curve: np.ndarray) -> float:
    """The area under a curve (n,) over shares (n,) from 0 to 1, by the trapezoidal rule, in the curve's unit."""
    return float((curve[1:] + curve[:-1]) @ np.diff(shares) / 2)


def normalised(curve: np.ndarray, film: float, covered: float, least: float = 0.1) -> np.ndarray:
    """Rescale logits (n,) so that the masked film has 0 and the film itself 1.

    nan if the film's logit exceeds the masked film's by less than `least`, as there is then no evidence to divide.
    """
    if film - covered < least:
        return np.full_like(np.asarray(curve, float), np.nan)
    return (np.asarray(curve, float) - covered) / (film - covered)


# ------------------------------------------------------------------ agreement


def rank_correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman's correlation (L, M) of each map of a (L, G, G) with each of b (M, G, G); nan for constant maps."""
    first, second = (ranks(np.reshape(maps, (len(maps), -1))) for maps in (a, b))
    first, second = (each - each.mean(1, keepdims=True) for each in (first, second))
    sizes = np.sqrt(np.square(first).sum(1)[:, None] * np.square(second).sum(1))
    found: np.ndarray = np.divide(first @ second.T, sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    return found


def overlap(a: np.ndarray, b: np.ndarray, share: float = TOP) -> np.ndarray:
    """Intersection over union (L, M) of the top cells of each map of a (L, G, G) and each of b (M, G, G).

    Different seeds break the ties of a and b; otherwise two empty maps would have the same top. nan for constant maps.
    """
    tops = [np.stack([top(v, share, seed).ravel() for v in maps]).astype(float) for seed, maps in enumerate((a, b))]
    both = tops[0] @ tops[1].T
    found = both / (tops[0].sum(1)[:, None] + tops[1].sum(1) - both)
    still = [np.array([constant(v) for v in maps]) for maps in (a, b)]
    return np.where(still[0][:, None] | still[1], np.nan, found)


def related(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split a measure of all pairs of findings (L, L) into same finding (L,) and mean over other findings (L,).

    The second estimates the agreement of two methods by anatomy alone; nan for a model of one finding.
    """
    own = np.diag(pairs)
    others = np.where(np.eye(len(pairs), dtype=bool), np.nan, (pairs + pairs.T) / 2)
    known = ~np.isnan(others)
    return own, np.divide(np.nansum(others, 1), known.sum(1), out=np.full(len(own), np.nan), where=known.any(1))


def consensus(maps: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Agreement and conflict (G, G) of several maps (G, G), each divided by its largest absolute value.

    Agreement, -1 to 1, is the value nearest to 0 if all maps have the same sign, else 0. Conflict, 0 to 1, is the
    smaller of the strongest value for and the strongest value against the finding.
    """
    shares = np.stack([values / (np.abs(values).max() or 1.0) for values in maps])
    least, most = shares.min(0), shares.max(0)
    agreed = np.where(least > 0, least, np.where(most < 0, most, 0))
    return agreed, np.minimum(np.maximum(most, 0), np.maximum(-least, 0))


# ------------------------------------------------------------------ localisation


def box_mask(edges: Sequence[tuple[float, float, float, float]], size: int) -> np.ndarray:
    """The share of each cell (size, size) inside boxes (left, top, right, bottom in shares of the model input)."""
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
    """Row and column, in cells, of a map's maximum; the central cell if several connected cells share it.

    Maps of large uniform pieces have no single highest cell, and the first cell of a piece would be its corner.
    """
    rows, columns = np.nonzero(_highest(values))
    middle = rows.mean(), columns.mean()
    # the centroid of a concave piece may lie outside it
    nearest = int(np.argmin((rows - middle[0]) ** 2 + (columns - middle[1]) ** 2))
    return float(rows[nearest]), float(columns[nearest])


def pointing(values: np.ndarray, mask: np.ndarray) -> float:
    """1 if the peak of a map (G, G) lies in the mask, else 0 (pointing game, Zhang et al. 2016, arXiv:1608.00507).

    A cell counts as inside if at least half of it is. nan for a constant map or an empty mask.
    """
    if constant(values) or not (mask >= 0.5).any():
        return np.nan
    row, column = peak(values)
    return float(mask[round(row), round(column)] >= 0.5)


def peak_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of a map's (G, G) highest piece that lies in a mask; nan for a constant map or an empty mask.

    A coarse map says no more of its peak than the piece, of which a part may lie inside; `pointing` counts the centre.
    """
    if constant(values) or not mask.any():
        return np.nan
    return float(mask[_highest(values)].mean())


def _highest(values: np.ndarray) -> np.ndarray:
    """The cells (G, G) bool with a map's highest value that are connected to the first of them."""
    return _piece(values == values.max(), np.unravel_index(int(np.argmax(values)), values.shape))


def energy(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of a map's positive evidence inside a mask, corrected for its area: 0 is chance, 1 is all evidence.

    The energy-based pointing game (Wang et al. 2020, arXiv:1910.01279) favours large boxes. Departs from the paper:
    (share - area) / (1 - area). nan for a map without positive values, and for an empty or a full mask.
    """
    positive = np.maximum(values, 0)
    total, area = float(positive.sum()), float(mask.mean())
    if total == 0 or area in (0.0, 1.0):
        return np.nan
    return (float((positive * mask).sum()) / total - area) / (1 - area)


def found_box(values: np.ndarray, level: float = BOX_LEVEL) -> np.ndarray | None:
    """The bounding box (G, G) bool of the cells that reach `level` of a map's maximum and are connected to it.

    None for a constant map or one without positive values, which localise no finding.
    """
    if constant(values) or values.max() <= 0:
        return None
    at = np.unravel_index(int(np.argmax(values)), values.shape)
    rows, columns = np.nonzero(_piece(values >= level * values.max(), at))
    box = np.zeros(values.shape, bool)
    box[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
    return box


def iou(found: np.ndarray | None, mask: np.ndarray) -> float:
    """Intersection over union of a map's box (G, G) and a mask (G, G); 0 without a box, nan for an empty mask."""
    return _overlap(found, mask, lambda box, both: box + mask.sum() - both)


def iobb(found: np.ndarray | None, mask: np.ndarray) -> float:
    """Intersection over the area of a map's box (IoBB of Wang et al. 2017, arXiv:1705.02315); 0 and nan as in `iou`."""
    return _overlap(found, mask, lambda box, both: box)


def _overlap(found: np.ndarray | None, mask: np.ndarray, whole: Callable[[float, float], float]) -> float:
    """The intersection over `whole`, a function of the box's area and of the intersection, both in cells."""
    if not mask.any():
        return np.nan
    if found is None:
        return 0.0
    both = float(mask[found].sum())
    return both / whole(float(found.sum()), both)


def ceiling(values: np.ndarray, mask: np.ndarray) -> float:
    """The highest IoU with a mask (G, G) that any selection of a map's pieces of equal value can reach.

    Coarse maps have a low ceiling: a nodule may be smaller than one cell of a 7 x 7 map. nan for an empty mask.
    """
    if not mask.any():
        return np.nan
    piece = np.unique(values, return_inverse=True)[1].ravel()
    areas, inside = np.bincount(piece), np.bincount(piece, weights=mask.ravel())
    # the best selection takes pieces in the order of their share inside the mask
    ranked = np.argsort(-inside / areas, kind="stable")
    both, taken = inside[ranked].cumsum(), areas[ranked].cumsum()
    return float((both / (taken + mask.sum() - both)).max())


def _piece(where: np.ndarray, at: tuple[np.intp, ...]) -> np.ndarray:
    """The connected component (G, G) bool of a mask that contains the cell `at`; corners connect (8-connectivity)."""
    import cv2

    _, labels = cv2.connectedComponents(where.astype(np.uint8), connectivity=8)
    part: np.ndarray = labels == labels[at]
    return part


# ------------------------------------------------------------------ stability, places, intervals


def stability(maps: np.ndarray, again: Sequence[np.ndarray]) -> np.ndarray:
    """Mean rank correlation (L,) of maps (L, G, G) with those of slightly perturbed films; nan for constant maps."""
    each = [np.diag(rank_correlation(maps, other)) for other in again]
    found: np.ndarray = np.mean(each, 0)
    return found


def share_inside(values: np.ndarray, mask: np.ndarray) -> float:
    """Share of a map's absolute values inside a mask (G, G) in [0, 1]; nan for a map of zeros."""
    strength = np.abs(values)
    total = float(strength.sum())
    return float((strength * mask).sum()) / total if total > 0 else np.nan


def border(size: int, share: float = BORDER) -> np.ndarray:
    """The cells (size, size) bool within a share of the side from the edge, where markers, cables and arms appear."""
    middle = (np.arange(size) + 0.5) / size
    inner = (middle >= share) & (middle <= 1 - share)
    return ~np.outer(inner, inner)


def bootstrap(
    figures: Callable[[np.ndarray], np.ndarray], patients: np.ndarray, resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Metrics (R, ...) of R resamples, each of patients drawn with replacement, for intervals by patient.

    `patients` (N,) names each film's patient; `figures` computes the metrics of film indices (n,). Resampling films
    instead would ignore the similarity of a patient's films.
    """
    names, of_patient = np.unique(patients, return_inverse=True)
    films = np.split(np.argsort(of_patient, kind="stable"), np.cumsum(np.bincount(of_patient))[:-1])
    rng = np.random.default_rng(seed)
    draws = (rng.integers(len(names), size=len(names)) for _ in range(resamples))
    return np.array([figures(np.concatenate([films[i] for i in drawn])) for drawn in draws])


def interval(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (...) of the 95 % percentile intervals of the metrics (R, ...) of `bootstrap`.

    Ignores resamples in which a metric is nan; nan if it is nan in all of them.
    """
    undefined = np.isnan(drawn).all(0)
    low, high = np.nanpercentile(np.where(undefined, 0, drawn), [2.5, 97.5], axis=0)
    return np.where(undefined, np.nan, low), np.where(undefined, np.nan, high)
