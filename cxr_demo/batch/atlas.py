"""An atlas of a data set's maps: mean maps, evidence by region, and clusters of maps that may be shortcuts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cxr_demo.batch import tables
from cxr_demo.batch.explain import LUNGS, VIEW
from cxr_demo.errors import BadSetting, DataError
from cxr_demo.evaluation.clusters import clusters
from cxr_demo.evaluation.regions import REGIONS, regions, shares
from cxr_demo.films import image
from cxr_demo.films.phantom import RIGHT_LUNG
from cxr_demo.types import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

#: Cells along a side to which maps are reduced, and side in pixels of the pictures.
GRID, SIDE = 28, 168
#: Most maps of a finding that are divided into clusters, spread evenly over its films.
CLUSTERED = 1000
#: Films shown of each finding and cluster.
SHOWN = 5
#: A cluster may be a shortcut if evidence for the finding outside the chest, in one square of SPOT of the side, is at
#: least this share of the absolute evidence of its films; and the least films of such a cluster.
SPOT, SHARED, FEWEST = 0.2, 0.15, 5
#: Left, top, right and bottom of the drawn lungs, as shares of the side: the place to which all lungs are moved.
PLACE = np.array([*RIGHT_LUNG.min(0), 1 - RIGHT_LUNG[:, 0].min(), RIGHT_LUNG[:, 1].max()])


@dataclass(frozen=True)
class Film:
    """A film of a run: its name, where its maps lie, and its findings at or above their cut-off."""

    name: str
    shard: str
    number: str  # the part of its arrays' names before the method
    above: frozenset[str]


@dataclass(frozen=True, eq=False)
class Picture:
    """A mean film, or one film, (S, S) in [0, 1] with a map (G, G) over it."""

    film: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class Cluster:
    """Films whose maps of a finding are alike."""

    films: tuple[str, ...]
    spot: float  # evidence for the finding in one spot outside the chest, as a share of all evidence: the largest
    mean: Picture
    shown: tuple[tuple[str, Picture], ...]

    @property
    def suspect(self) -> bool:
        """Whether the classifier may take a shortcut on these films, such as a letter beside the patient."""
        return self.spot >= SHARED and len(self.films) >= FEWEST


@dataclass(frozen=True, eq=False)
class FindingAtlas:
    """The maps of one finding; `above` and `below` are films with a probability at or above, or below, the cut-off."""

    finding: str
    above: int
    below: int
    mean_above: Picture | None  # moved so that all lungs coincide; None without such films
    mean_below: Picture | None
    shares_above: np.ndarray  # (R,) mean share of the evidence in each of REGIONS; nan without films
    shares_below: np.ndarray
    outside: tuple[tuple[str, float, Picture], ...]  # films above with the largest share of evidence outside the chest
    clusters: tuple[Cluster, ...]  # of films above, the most suspect first


@dataclass(frozen=True, eq=False)
class Atlas:
    """The maps of one method over the films of a run."""

    method: str
    unit: Unit
    model: str
    films: int
    areas: np.ndarray  # (R,) mean share of the film that each of REGIONS covers
    findings: tuple[FindingAtlas, ...]


def build(folder: Path, method: str | None = None) -> Atlas:
    """The atlas of the maps that `explain --many` wrote to a folder; by default of the first method there.

    DataError if the folder holds no such maps, BadSetting if none are of this method.
    """
    found = _films(folder, method)
    return _Reading(folder, *found).atlas()


def _films(folder: Path, method: str | None) -> tuple[str, Mapping[str, Any], Sequence[str], list[Film]]:
    """The method, the facts of a run, its findings, and its films that have maps."""
    pq = tables.pyarrow().parquet
    try:
        index = pq.read_table(
            folder / tables.MAPS, columns=["file", "method", "shard", "array", "unit"], filters=[("position", "=", 0)]
        ).to_pylist()
        predictions = pq.read_table(folder / tables.PREDICTIONS, columns=["file", "model", "above_cutoff"]).to_pylist()
        columns = pq.read_schema(folder / tables.PREDICTIONS).names
    except (OSError, tables.pyarrow().ArrowException) as error:
        raise DataError(f"{folder} holds no maps of `explain --many` that can be read ({error}).") from None
    known = list(dict.fromkeys(row["method"] for row in index))
    if not known:
        raise DataError(f"{folder} has no maps: all its films failed.")
    if method is not None and method not in known:
        raise BadSetting(f"{folder} has no maps of {method}, but of {', '.join(known)}.")
    key = method or known[0]
    rows = [row for row in index if row["method"] == key]
    told = {row["file"]: row for row in predictions}
    films = [
        Film(row["file"], row["shard"], row["array"].removesuffix(key), frozenset(told[row["file"]]["above_cutoff"]))
        for row in rows
    ]
    labels = [name.removesuffix("_logit") for name in columns if name.endswith("_logit")]
    return key, {"unit": Unit(rows[0]["unit"]), "model": told[rows[0]["file"]]["model"]}, labels, films


class _Reading:
    """One reading of all maps of a method, and a second one of the films that are shown."""

    def __init__(
        self, folder: Path, method: str, told: Mapping[str, Any], labels: Sequence[str], films: Sequence[Film]
    ) -> None:
        self.folder, self.method, self.told, self.labels, self.films = folder, method, told, labels, films
        self.above = np.array([[label in film.above for label in labels] for film in films])
        self.shares = np.full((len(films), len(labels), len(REGIONS)), np.nan, np.float32)
        self.areas = np.zeros(len(REGIONS))
        self.maps = np.zeros((2, len(labels), GRID, GRID))  # sums of aligned maps of films below, above
        self.views: np.ndarray | None = None  # sums of aligned films (2, L, S, S)
        self.chosen = [_spread(np.flatnonzero(column), CLUSTERED) for column in self.above.T]
        self.kept = [np.zeros((len(rows), GRID, GRID), np.float32) for rows in self.chosen]
        self.outside_chest = np.zeros((len(films), GRID, GRID), bool)

    def atlas(self) -> Atlas:
        place: list[dict[int, int]] = [{int(row): k for k, row in enumerate(rows)} for rows in self.chosen]
        for n, (view, lungs, values) in enumerate(self._read(range(len(self.films)))):
            maps = image.by_area(values, GRID)
            where = regions(view, lungs)
            self.shares[n] = [shares(one, where) for one in maps]
            self.areas += [where[name].mean() for name in REGIONS]
            self.outside_chest[n] = where["chest"] == 0
            for k, rows in enumerate(place):
                if n in rows:
                    self.kept[k][rows[n]] = maps[k]
            moved = np.stack([_aligned(one, lungs) for one in maps])
            film = _aligned(view, lungs)
            if self.views is None:
                self.views = np.zeros((2, len(self.labels), *film.shape), np.float32)
            for k, above in enumerate(self.above[n].astype(int)):
                self.maps[above, k] += moved[k]
                self.views[above, k] += film
        findings = tuple(self._finding(k) for k in range(len(self.labels)))
        return Atlas(self.method, self.told["unit"], self.told["model"], len(self.films),
                     self.areas / len(self.films), findings)  # fmt: skip

    def _finding(self, k: int) -> FindingAtlas:
        above = self.above[:, k]
        outside = 1 - self.shares[:, k, REGIONS.index("chest")]
        worst = np.flatnonzero(above & ~np.isnan(outside))
        worst = worst[np.argsort(-outside[worst], kind="stable")][:SHOWN].tolist()
        pictures = self._pictures(worst, k)
        return FindingAtlas(
            finding=self.labels[k],
            above=int(above.sum()),
            below=int((~above).sum()),
            mean_above=self._mean(1, k, int(above.sum())),
            mean_below=self._mean(0, k, int((~above).sum())),
            shares_above=_mean(self.shares[above, k]),
            shares_below=_mean(self.shares[~above, k]),
            outside=tuple(
                (self.films[n].name, float(outside[n]), picture) for n, picture in zip(worst, pictures, strict=True)
            ),
            clusters=tuple(sorted(self._clusters(k), key=lambda cluster: (-cluster.suspect, -cluster.spot))),
        )

    def _mean(self, above: int, k: int, count: int) -> Picture | None:
        if not count or self.views is None:
            return None
        return Picture(self.views[above, k] / count, self.maps[above, k] / count)

    def _clusters(self, k: int) -> Iterator[Cluster]:
        """The clusters of a finding's maps, with the maps that are most like the cluster's mean."""
        for members in clusters(self.kept[k]).members:
            rows = self.chosen[k][members]
            maps = self.kept[k][members]
            evidence = np.maximum(maps, 0) / np.abs(maps).sum((1, 2), keepdims=True)
            mean = evidence.mean(0)
            typical = rows[np.argsort(np.square(evidence - mean).sum((1, 2)), kind="stable")][:SHOWN].tolist()
            pictures = self._pictures(typical, k)
            films = np.mean([picture.film for picture in pictures], 0)
            yield Cluster(
                films=tuple(self.films[n].name for n in rows),
                spot=_spot(mean, self.outside_chest[rows].mean(0)),
                mean=Picture(films, maps.mean(0)),
                shown=tuple((self.films[n].name, picture) for n, picture in zip(typical, pictures, strict=True)),
            )

    def _pictures(self, rows: Sequence[int], k: int) -> list[Picture]:
        return [Picture(view, image.by_area(values[k][None], GRID)[0]) for view, _, values in self._read(rows)]

    def _read(self, rows: Iterable[int]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The views (S, S) in [0, 1], lungs (G, G) and maps (L, S, S) of films, in the order of `rows`."""
        name, arrays = "", None
        for n in rows:
            film = self.films[n]
            if film.shard != name:
                name, arrays = film.shard, _opened(self.folder / film.shard)
            assert arrays is not None
            view, lungs = arrays[film.number + VIEW], arrays[film.number + LUNGS]
            yield view.astype(np.float32) / 255, lungs, arrays[film.number + self.method]


def _opened(path: Path) -> Mapping[str, np.ndarray]:
    """The arrays of a file of maps, each read when it is asked for; DataError if it cannot be opened."""
    try:
        found: Mapping[str, np.ndarray] = np.load(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): explain its films again.") from None
    return found


def _aligned(values: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """An image (n, n) stretched and shifted so that the lungs (G, G) lie at PLACE; what is outside repeats the edge."""
    rows, columns = np.flatnonzero(lungs.any(1)), np.flatnonzero(lungs.any(0))
    if not len(rows):
        return values.astype(np.float32)
    own = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / len(lungs)
    scale = (PLACE[2:] - PLACE[:2]) / (own[2:] - own[:2])
    shift = PLACE[:2] - scale * own[:2]
    # OpenCV counts from the middle of the first pixel
    side = len(values)
    moved = np.column_stack([np.diag(scale), shift * side + (scale - 1) / 2])
    found: np.ndarray = cv2.warpAffine(
        values.astype(np.float32), moved, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return found


def _spot(evidence: np.ndarray, outside: np.ndarray) -> float:
    """The largest sum of evidence (G, G) outside the chest in a square of SPOT of the side.

    `outside` (G, G) is the share of the films in which a cell lies outside the chest.
    """
    width = 2 * round(SPOT * len(evidence) / 2) + 1
    beside = (evidence * outside).astype(np.float64)
    return float(cv2.boxFilter(beside, -1, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT).max())


def _mean(values: np.ndarray) -> np.ndarray:
    """The mean (R,) of rows (n, R) without nan; nan where there is none."""
    known = ~np.isnan(values)
    count = known.sum(0)
    found: np.ndarray = np.divide(
        np.where(known, values, 0).sum(0), count, out=np.full(values.shape[1], np.nan), where=count > 0
    )
    return found


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most `most` of the rows, evenly spread."""
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).astype(int)]
