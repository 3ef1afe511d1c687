"""An atlas of a data set's maps: mean maps, evidence by region, and clusters of maps that may be shortcuts."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from cxr_demo.batch import tables
from cxr_demo.batch.explain import LUNGS, VIEW
from cxr_demo.batch.films import Progress
from cxr_demo.errors import BadSetting, DataError
from cxr_demo.evaluation.clusters import clusters
from cxr_demo.evaluation.covering import GRID
from cxr_demo.evaluation.regions import REGIONS, regions, shares
from cxr_demo.films import image
from cxr_demo.films.phantom import RIGHT_LUNG
from cxr_demo.tables import pyarrow
from cxr_demo.types import Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

#: Side in pixels of the pictures.
SIDE = 168
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
    archive: str  # the file that holds its maps
    number: str  # the beginning of its arrays' names there
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
    areas_above: np.ndarray  # (R,) mean share of the film that each of REGIONS covers, on the same films
    areas_below: np.ndarray
    outside: tuple[tuple[str, float, Picture], ...]  # films above with the largest share of evidence outside the chest
    examined: int  # films above whose maps were divided into clusters
    clusters: tuple[Cluster, ...]  # the most suspect first


@dataclass(frozen=True, eq=False)
class Atlas:
    """The maps of one method over the films of a run."""

    method: str
    unit: Unit
    model: str
    films: int
    findings: tuple[FindingAtlas, ...]


def build(folder: Path, method: str | None = None, say: Callable[[str], None] = print) -> Atlas:
    """The atlas of the maps that `explain --many` wrote to a folder; by default of the first method there.

    Passes progress to `say`. DataError if the folder holds no such maps or lacks some, BadSetting if none are of this
    method.
    """
    return _Reading(_run_in(folder, method), say).atlas()


@dataclass(frozen=True, eq=False)
class _Run:
    """The results of `explain --many` in a folder, of one method."""

    folder: Path
    method: str
    unit: Unit
    model: str
    labels: Sequence[str]
    films: Sequence[Film]  # those that have maps


def _run_in(folder: Path, method: str | None) -> _Run:
    """The run in a folder; errors as in `build`."""
    pq = pyarrow().parquet
    if not (folder / tables.MAPS).exists():
        raise DataError(f"{folder} holds no maps of `explain --many`: {tables.MAPS} is missing.")
    try:
        schema = pq.read_schema(folder / tables.MAPS)
        index = pq.read_table(folder / tables.MAPS, columns=["file", "method", "archive", "array", "unit"],
                              filters=[("position", "=", 0)]).to_pylist()  # fmt: skip
        rows = pq.read_table(folder / tables.FILMS, columns=["file", "above_cutoff"]).to_pylist()
        columns = pq.read_schema(folder / tables.FILMS).names
    except (OSError, pyarrow().ArrowException) as error:
        raise DataError(f"{folder} holds no maps of `explain --many` that can be read ({error}).") from None
    known = list(dict.fromkeys(row["method"] for row in index))
    if not known:
        raise DataError(f"{folder} has no maps: all its films failed.")
    if method is not None and method not in known:
        raise BadSetting(f"{folder} has no maps of {method}, but of {', '.join(known)}.")
    key = method or known[0]
    index = [row for row in index if row["method"] == key]
    above = {row["file"]: frozenset(row["above_cutoff"]) for row in rows}
    films = [Film(row["file"], row["archive"], row["array"].removesuffix(key), above[row["file"]]) for row in index]
    labels = [name.removesuffix("_logit") for name in columns if name.endswith("_logit")]
    model = (schema.metadata or {}).get(tables.MODEL, b"").decode()
    return _Run(folder, key, Unit(index[0]["unit"]), model, labels, films)


class _Reading:
    """One reading of all maps of a run, and a second one of the films that are shown."""

    def __init__(self, run: _Run, say: Callable[[str], None]) -> None:
        self.run, self.films, self.say = run, run.films, say
        labels = run.labels
        self.above = np.array([[label in film.above for label in labels] for film in self.films])
        self.shares = np.full((len(self.films), len(labels), len(REGIONS)), np.nan, np.float32)
        self.areas = np.zeros((len(self.films), len(REGIONS)), np.float32)
        self.maps = np.zeros((2, len(labels), GRID, GRID))  # sums of aligned maps of films below, above
        self.views: np.ndarray | None = None  # sums of aligned films (2, L, S, S)
        self.examined = [_spread(np.flatnonzero(column), CLUSTERED) for column in self.above.T]
        self.kept = [np.zeros((len(rows), GRID, GRID), np.float32) for rows in self.examined]
        self.outside = np.zeros((len(self.films), GRID, GRID), bool)  # of the chest

    def atlas(self) -> Atlas:
        place: list[dict[int, int]] = [{int(row): k for k, row in enumerate(rows)} for rows in self.examined]
        progress = Progress(len(self.films), self.say)
        for n, (view, lungs, values) in enumerate(self._read(range(len(self.films)))):
            maps = image.by_area(values, GRID)
            where = regions(view, lungs)
            self.shares[n] = [shares(one, where) for one in maps]
            self.areas[n] = [where[name].mean() for name in REGIONS]
            self.outside[n] = where["chest"] == 0
            for k, rows in enumerate(place):
                if n in rows:
                    self.kept[k][rows[n]] = maps[k]
            film = _aligned(view, lungs)
            if self.views is None:
                self.views = np.zeros((2, len(maps), *film.shape), np.float32)
            for k, above in enumerate(self.above[n].astype(int)):
                self.maps[above, k] += _aligned(maps[k], lungs)
                self.views[above, k] += film
            progress.add(1)
        findings = tuple(self._finding(k) for k in range(len(self.run.labels)))
        return Atlas(self.run.method, self.run.unit, self.run.model, len(self.films), findings)

    def _finding(self, k: int) -> FindingAtlas:
        above = self.above[:, k]
        many = int(above.sum()), int((~above).sum())
        outside = 1 - self.shares[:, k, REGIONS.index("chest")]
        known = ~np.isnan(outside)  # a map of zeros has no shares
        worst = np.flatnonzero(above & known)
        worst = worst[np.argsort(-outside[worst], kind="stable")][:SHOWN].tolist()
        pictures = self._pictures(worst, k)
        return FindingAtlas(
            finding=self.run.labels[k],
            above=many[0],
            below=many[1],
            mean_above=self._mean_picture(1, k, many[0]),
            mean_below=self._mean_picture(0, k, many[1]),
            shares_above=_mean(self.shares[above, k]),
            shares_below=_mean(self.shares[~above, k]),
            areas_above=_mean(self.areas[above & known]),
            areas_below=_mean(self.areas[~above & known]),
            outside=tuple(
                (self.films[n].name, float(outside[n]), picture) for n, picture in zip(worst, pictures, strict=True)
            ),
            examined=len(self.examined[k]),
            clusters=tuple(sorted(self._clusters(k), key=lambda cluster: (-cluster.suspect, -cluster.spot))),
        )

    def _mean_picture(self, above: int, k: int, count: int) -> Picture | None:
        if not count or self.views is None:
            return None
        return Picture(self.views[above, k] / count, self.maps[above, k] / count)

    def _clusters(self, k: int) -> Iterator[Cluster]:
        """The clusters of a finding's maps, with the maps that are most like the cluster's mean."""
        for members in clusters(self.kept[k]).members:
            rows = self.examined[k][members]
            maps = self.kept[k][members]
            evidence = np.maximum(maps, 0) / np.abs(maps).sum((1, 2), keepdims=True)
            mean = evidence.mean(0)
            typical = rows[np.argsort(np.square(evidence - mean).sum((1, 2)), kind="stable")][:SHOWN].tolist()
            pictures = self._pictures(typical, k)
            films = np.mean([picture.film for picture in pictures], 0)
            yield Cluster(
                films=tuple(self.films[n].name for n in rows),
                spot=_spot((evidence * self.outside[rows]).mean(0)),
                mean=Picture(films, maps.mean(0)),
                shown=tuple((self.films[n].name, picture) for n, picture in zip(typical, pictures, strict=True)),
            )

    def _pictures(self, rows: Sequence[int], k: int) -> list[Picture]:
        return [Picture(view, image.by_area(values[k][None], GRID)[0]) for view, _, values in self._read(rows)]

    def _read(self, rows: Iterable[int]) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """The views (S, S) in [0, 1], lungs (G, G) and maps (L, S, S) of films, in the order of `rows`.

        DataError if a file of maps is missing or damaged.
        """
        name, arrays = "", {}
        for n in rows:
            film = self.films[n]
            path = self.run.folder / film.archive
            try:
                if film.archive != name:
                    # numpy leaves a damaged file open
                    name, arrays = film.archive, np.load(io.BytesIO(path.read_bytes()))
                view, lungs, values = (arrays[film.number + part] for part in (VIEW, LUNGS, self.run.method))
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
                raise DataError(f"{path} cannot be read ({error}). Delete it and explain the films again.") from None
            yield view.astype(np.float32) / 255, lungs, values


def _aligned(values: np.ndarray, lungs: np.ndarray) -> np.ndarray:
    """An image (n, n) stretched and shifted so that the lungs (G, G) lie at PLACE; its edge is repeated beyond it."""
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


def _spot(evidence: np.ndarray) -> float:
    """The largest sum of evidence (G, G) in a square of SPOT of the side."""
    width = round(SPOT * len(evidence))
    return float(
        cv2.boxFilter(
            evidence.astype(np.float64), -1, (width, width), normalize=False, borderType=cv2.BORDER_CONSTANT
        ).max()
    )


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
