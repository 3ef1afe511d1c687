"""Occlusion (Zeiler & Fergus 2014): the drop of the logit when a sliding window masks a region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.errors import BadSetting
from cxr_demo.messages import message
from cxr_demo.methods.base import SHOWN, Step, setting, values_of
from cxr_demo.methods.fill import fill_of, fill_setting, removed
from cxr_demo.methods.uncertainty import of_mean
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


@dataclass(frozen=True)
class Occlusion:
    """Drop of the logit per reference area, averaged over the windows that mask a pixel (Zeiler & Fergus 2014).

    Windows extend past the border, so that every pixel lies in equally many; each drop is divided by the area masked
    within the film. The method scores every second window in each direction, then windows where the map changes and
    around its maxima, up to `scored` percent, and interpolates the rest. If it scores all, the model is linear and the
    stride divides the window, the map adds up: `mean(map) / REFERENCE_AREA == logit(film) - logit(all masked)`.
    """

    key: ClassVar[str] = "occlusion"
    title: ClassVar[str] = message("method.occlusion.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1311.2901"
    cost: ClassVar[Cost] = Cost.SECONDS
    reading: ClassVar[str] = message("method.occlusion.reading")

    window: int = setting(32, low=8, high=96, step=8, help=message("setting.occlusion.window"))
    stride: int = setting(8, low=4, high=64, step=4, help=message("setting.occlusion.stride"))
    scored: int = setting(40, low=25, high=100, step=5, help=message("setting.occlusion.scored"))
    fill: str = fill_setting()

    def __post_init__(self) -> None:
        values_of(self)  # first, so that the comparison below gets numbers
        if self.stride > self.window:
            raise BadSetting(message("error.setting.gaps", stride=self.stride, window=self.window), "stride")

    def copies(self, side: int) -> int:
        """One masked copy per scored window."""
        return len(self._windows(side))

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """Logits (L,) that covering the whole film takes away."""
        return removed(self.fill, scorer)

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield maps (L, S, S) in logits per reference area: from adjacent windows, every second window, then more.

        Cancelled or DeadlinePassed when the scorer's budget ends the run.
        """
        windows = self._windows(x.shape[-1])
        shown = [windows.cover, *(max(windows.cover, round(share * len(windows))) for share in SHOWN)]
        drops = np.zeros((len(windows), len(scorer.base)))
        choices = [(windows.coarse, windows.choose_change), (windows.broad, windows.choose_tops)]
        for done, logits in scorer.scores(windows, fill_of(self.fill, scorer)):
            drops[done] = scorer.base - logits
            while choices and done.stop >= choices[0][0]:
                _, choose = choices.pop(0)
                choose(drops[: done.stop])
            if done.stop >= shown[0]:
                shown = [n for n in shown if n > done.stop]
                found = windows.average(drops[: done.stop])
                if shown:
                    yield Step(found)
                else:
                    sure, error = of_mean(found, *windows.spread(drops))
                    yield Step(found, sure=sure, error=error)

    def _windows(self, side: int) -> Windows:
        return Windows(side, self.window, self.stride, self.scored)


#: Share of the scored windows reserved for the maxima of the map.
TOPS = 0.2


class Windows:
    """The windows of one run as masks (n, S, S), in scoring order.

    First the adjacent windows that tile the input, then the other windows at every second position, then windows where
    the map changes (`choose_change`), last those around its maxima (`choose_tops`), up to `scored` percent of all.
    Drops of the remaining windows are interpolated between those at every second position.
    """

    def __init__(self, size: int, window: int, stride: int, scored: int = 100) -> None:
        starts = np.arange(stride - window, size, stride)[:, None]
        pixels = np.arange(size)
        #: (rows of windows, size): 1 for pixels inside a window; the same for columns
        self.spans = ((starts <= pixels) & (pixels < starts + window)).astype(np.float32)
        row, column = np.indices((len(starts), len(starts))).reshape(2, -1)
        step = min(window // stride, 2)
        apart = window // stride // step * step  # in strides; windows this far apart touch or overlap
        side_by_side = [index % apart == apart - 1 for index in (row, column)]
        every_second = [index % step == step - 1 for index in (row, column)]
        order = np.lexsort(
            (column, row, column % apart, row % apart, ~np.all(every_second, 0), ~np.all(side_by_side, 0))
        )
        self.row, self.column = row[order], column[order]
        #: numbers of windows, from the first, that cover every pixel and that are at every second position
        self.cover, self.coarse = (int(np.all(kind, 0).sum()) for kind in (side_by_side, every_second))
        self._scored = max(self.coarse, round(len(row) * scored / 100))
        #: number of windows scored before `choose_tops`
        self.broad = max(self.coarse, round(self._scored * (1 - TOPS)))
        at = np.unique(self.row[: self.coarse])
        #: (rows of windows, every second row): linear interpolation from every second window to all windows
        self._between = np.stack([np.interp(np.arange(len(starts)), at, one) for one in np.eye(len(at))], 1)
        areas = self.spans.sum(1)
        self._shares = areas[self.row] * areas[self.column] / size**2

    def __len__(self) -> int:
        return self._scored

    def __getitem__(self, where: slice) -> np.ndarray:
        """Masks (n, S, S) float32, 1 where the film is masked."""
        row, column = (index[: self._scored][where] for index in (self.row, self.column))
        masks: np.ndarray = self.spans[row, :, None] * self.spans[column, None, :]
        return masks

    def choose_change(self, drops: np.ndarray) -> None:
        """Schedule next the windows where the map changes most, given `drops` (n, L) in logits, n >= coarse.

        Every finding has the same weight, whatever the range of its drops.
        """
        if self.coarse == len(self.row):
            return
        coarse = self._grid(drops)
        spread = coarse.std((1, 2), keepdims=True)
        steep = sum(np.square(g).sum(0) for g in np.gradient(coarse / np.where(spread > 0, spread, 1), axis=(1, 2)))
        wanted = (self._between @ steep @ self._between.T)[self.row, self.column]
        # back to drops: values per area are noisy for windows that lie mostly outside the film
        self._put_next(wanted * self._shares**2, len(drops))

    def choose_tops(self, drops: np.ndarray) -> None:
        """Schedule next the windows that decide the position of each map's maximum, given `drops` (n, L) in logits."""
        maps = self.average(drops)
        spread = maps.std((1, 2), keepdims=True)
        # 1 at the maximum, 1/7 where the map is half a standard deviation lower
        near = np.exp(4 * (maps - maps.max((1, 2), keepdims=True)) / np.where(spread > 0, spread, 1))
        covered = self.spans @ near @ self.spans.T
        wanted = (covered / covered.max((1, 2), keepdims=True)).max(0)
        self._put_next(wanted[self.row, self.column], len(drops))

    def _put_next(self, wanted: np.ndarray, done: int) -> None:
        """Sort the windows after the first `done` by descending `wanted` (windows,)."""
        wanted[:done] = np.inf
        order = np.argsort(-wanted, kind="stable")
        self.row, self.column, self._shares = self.row[order], self.column[order], self._shares[order]

    def average(self, drops: np.ndarray) -> np.ndarray:
        """Maps (L, S, S) from the drops (n, L) of the first n windows: per pixel, the mean drop per reference area."""
        n, side = len(drops), len(self.spans)
        row, column = self.row[:n], self.column[:n]
        grid = np.zeros((drops.shape[1] + 1, side, side))
        if n >= self.coarse:
            grid[:-1] = self._between @ self._grid(drops) @ self._between.T
            grid[-1] = 1
        grid[:-1, row, column] = self._per_area(drops)
        grid[-1, row, column] = 1
        *sums, counts = self.spans.T @ grid @ self.spans
        means: np.ndarray = np.stack(sums) / counts
        return means

    def spread(self, drops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviation (L, S, S) of the scored windows that mask a pixel, and their number (S, S).

        In logits per reference area, from the drops (n, L) of all scored windows; nan where fewer than two mask it.
        """
        grid = np.zeros((2 * drops.shape[1] + 1, *(len(self.spans),) * 2))
        values = self._per_area(drops)
        grid[:, self.row[: len(drops)], self.column[: len(drops)]] = [*values, *values**2, np.ones(len(drops))]
        *sums, counts = self.spans.T @ grid @ self.spans
        n = np.maximum(counts, 2)
        mean, square = np.split(np.stack(sums) / np.maximum(counts, 1), 2)
        deviation = np.sqrt(np.maximum(square - mean**2, 0) * n / (n - 1))
        return np.where(counts > 1, deviation, np.nan), n

    def _per_area(self, drops: np.ndarray) -> np.ndarray:
        """Drops (n, L) of the first n windows as logits per reference area (L, n)."""
        scaled: np.ndarray = (drops * (REFERENCE_AREA / self._shares[: len(drops)])[:, None]).T
        return scaled

    def _grid(self, drops: np.ndarray) -> np.ndarray:
        """Drops per reference area of every second window, in their positions: (L, rows, columns)."""
        side = self._between.shape[1]
        order = np.lexsort((self.column[: self.coarse], self.row[: self.coarse]))
        grid: np.ndarray = self._per_area(drops)[:, : self.coarse][:, order].reshape(-1, side, side)
        return grid
