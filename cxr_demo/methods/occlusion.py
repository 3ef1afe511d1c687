"""Occlusion: cover a place and see what the score loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.errors import BadSetting
from cxr_demo.messages import message
from cxr_demo.methods.base import SHOWN, Step, setting, values_of
from cxr_demo.methods.fill import fill_of, fill_setting
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


@dataclass(frozen=True)
class Occlusion:
    """Logit lost when a window covers the place, averaged over the windows that do (Zeiler & Fergus 2014).

    Windows hang over the border, so that each pixel is covered equally often, and each counts by the area it
    really covers. Every second window each way is scored, and more where the map changes and around its tops, up to
    `scored` percent; the rest are interpolated. With all scored, a linear model and a stride that divides the window,
    the map adds up as a CAM does: `mean(map) / REFERENCE_AREA == logit(film) - logit(all covered)`.
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
        values_of(self)  # so that what is compared are numbers
        if self.stride > self.window:
            raise BadSetting(message("error.setting.gaps", stride=self.stride, window=self.window), "stride")

    def copies(self, side: int) -> int:
        """One for each window that is scored."""
        return len(self._windows(side))

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Maps (L, S, S) in logits per reference area: from windows side by side, from every second one, then finer.

        Cancelled or DeadlinePassed as the scorer's budget says.
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
                yield Step(windows.average(drops[: done.stop]))

    def _windows(self, side: int) -> Windows:
        return Windows(side, self.window, self.stride, self.scored)


#: Share of the windows scored that is kept for the tops of the map.
TOPS = 0.2


class Windows:
    """The windows of one run as masks, in the order they are scored.

    First those that cover all once, then the rest of every second one each way, then where the map changes
    (`choose_change`), last around its tops (`choose_tops`), until `scored` percent of all are. What is not scored is
    interpolated between the windows of the second kind.
    """

    def __init__(self, size: int, window: int, stride: int, scored: int = 100) -> None:
        starts = np.arange(stride - window, size, stride)[:, None]
        pixels = np.arange(size)
        #: (rows of windows, size): 1 where a window lies; the same for columns
        self.spans = ((starts <= pixels) & (pixels < starts + window)).astype(np.float32)
        row, column = np.indices((len(starts), len(starts))).reshape(2, -1)
        step = min(window // stride, 2)
        apart = window // stride // step * step  # so many steps apart, windows touch or overlap
        side_by_side = [index % apart == apart - 1 for index in (row, column)]
        every_second = [index % step == step - 1 for index in (row, column)]
        order = np.lexsort(
            (column, row, column % apart, row % apart, ~np.all(every_second, 0), ~np.all(side_by_side, 0))
        )
        self.row, self.column = row[order], column[order]
        #: how many of the first windows cover every pixel, and how many are every second one
        self.cover, self.coarse = (int(np.all(kind, 0).sum()) for kind in (side_by_side, every_second))
        self._scored = max(self.coarse, round(len(row) * scored / 100))
        #: how many are scored before the tops are looked at
        self.broad = max(self.coarse, round(self._scored * (1 - TOPS)))
        at = np.unique(self.row[: self.coarse])
        #: (rows of windows, every second one): values at every second window -> at each, linear between them
        self._between = np.stack([np.interp(np.arange(len(starts)), at, one) for one in np.eye(len(at))], 1)
        areas = self.spans.sum(1)
        self._shares = areas[self.row] * areas[self.column] / size**2

    def __len__(self) -> int:
        return self._scored

    def __getitem__(self, where: slice) -> np.ndarray:
        """(n, S, S), 1 where covered."""
        row, column = (index[: self._scored][where] for index in (self.row, self.column))
        masks: np.ndarray = self.spans[row, :, None] * self.spans[column, None, :]
        return masks

    def choose_change(self, drops: np.ndarray) -> None:
        """Put next, of the windows not scored yet, those where the map changes most: `drops` (n, L), n >= coarse.

        Each finding counts alike, whatever its size.
        """
        if self.coarse == len(self.row):
            return
        coarse = self._grid(drops)
        spread = coarse.std((1, 2), keepdims=True)
        steep = sum(np.square(g).sum(0) for g in np.gradient(coarse / np.where(spread > 0, spread, 1), axis=(1, 2)))
        wanted = (self._between @ steep @ self._between.T)[self.row, self.column]
        # drops again: per area, noise is large where little of a window lies on the film
        self._put_next(wanted * self._shares**2, len(drops))

    def choose_tops(self, drops: np.ndarray) -> None:
        """Put next, of the windows not scored yet, those that decide where a map is highest: `drops` (n, L)."""
        maps = self.average(drops)
        spread = maps.std((1, 2), keepdims=True)
        # one at the top, and a seventh where the map is half a standard deviation lower
        near = np.exp(4 * (maps - maps.max((1, 2), keepdims=True)) / np.where(spread > 0, spread, 1))
        covered = self.spans @ near @ self.spans.T
        wanted = (covered / covered.max((1, 2), keepdims=True)).max(0)
        self._put_next(wanted[self.row, self.column], len(drops))

    def _put_next(self, wanted: np.ndarray, done: int) -> None:
        """Sort the windows after the first `done`, the most wanted first."""
        wanted[:done] = np.inf
        order = np.argsort(-wanted, kind="stable")
        self.row, self.column, self._shares = self.row[order], self.column[order], self._shares[order]

    def average(self, drops: np.ndarray) -> np.ndarray:
        """The mean over the windows on each pixel of drop per area: (n, L) of the first n -> (L, S, S)."""
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

    def _per_area(self, drops: np.ndarray) -> np.ndarray:
        """Drops (n, L) of the first n windows per reference area: (L, n)."""
        scaled: np.ndarray = (drops * (REFERENCE_AREA / self._shares[: len(drops)])[:, None]).T
        return scaled

    def _grid(self, drops: np.ndarray) -> np.ndarray:
        """Drops per area of every second window, as they lie: (L, rows, columns)."""
        side = self._between.shape[1]
        order = np.lexsort((self.column[: self.coarse], self.row[: self.coarse]))
        grid: np.ndarray = self._per_area(drops)[:, : self.coarse][:, order].reshape(-1, side, side)
        return grid
