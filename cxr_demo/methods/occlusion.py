"""Occlusion: cover a place and see what the score loses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from cxr_demo.errors import BadSetting
from cxr_demo.methods.base import SHOWN, Step, setting, values_of
from cxr_demo.methods.fill import fill_of, fill_setting
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.scoring import Scorer


@dataclass(frozen=True)
class Occlusion:
    """Logit lost when a window covers the place, averaged over the windows that do (Zeiler & Fergus 2014).

    Windows hang over the border, so that each pixel is covered equally often, and each counts by the area it
    really covers. For a linear model and a stride that divides the window, the map then adds up as a CAM does:
    `mean(map) / REFERENCE_AREA == logit(film) - logit(all covered)`.
    """

    key: ClassVar[str] = "occlusion"
    title: ClassVar[str] = "Occlusion"
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1311.2901"
    cost: ClassVar[Cost] = Cost.SECONDS
    signed: ClassVar[bool] = True
    class_specific: ClassVar[bool] = True
    reading: ClassVar[str] = (
        "How far the finding's score falls when this place is covered; where negative, covering raises it. "
        "It depends on what the cover shows, and evidence that stands in two places hides from it."
    )

    window: int = setting(32, low=8, high=96, step=8, help="side of the covering window, in pixels of the model's view")
    stride: int = setting(16, low=4, high=64, step=4, help="distance between windows, at most the window's side")
    fill: str = fill_setting()

    def __post_init__(self) -> None:
        values_of(self)  # so that what is compared are numbers
        if self.stride > self.window:
            raise BadSetting(f"stride={self.stride} leaves gaps between windows of {self.window}; make it smaller.")

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """A first map from windows side by side, then finer ones as those in between are scored."""
        windows = Windows(x.shape[-1], self.window, self.stride)
        shown = [windows.cover, *(max(windows.cover, round(share * len(windows))) for share in SHOWN)]
        drops = np.zeros((len(windows), len(scorer.base)))
        for done, logits in scorer.scores(windows, fill_of(self.fill, scorer)):
            drops[done] = scorer.base - logits
            if done.stop >= shown[0]:
                shown = [n for n in shown if n > done.stop]
                yield Step(windows.average(drops[: done.stop]))


class Windows:
    """The windows of one run as masks, in the order they are scored: first those that cover all once."""

    def __init__(self, size: int, window: int, stride: int) -> None:
        starts = np.arange(stride - window, size, stride)[:, None]
        pixels = np.arange(size)
        #: (rows of windows, size): 1 where a window lies; the same for columns
        self.spans = ((starts <= pixels) & (pixels < starts + window)).astype(np.float32)
        row, column = np.indices((len(starts), len(starts))).reshape(2, -1)
        apart = window // stride  # so many steps apart, windows just touch
        order = np.lexsort((column, row, column % apart, row % apart))
        self.row, self.column = row[order], column[order]
        #: how many of the first windows cover every pixel
        self.cover = int(((self.row % apart == 0) & (self.column % apart == 0)).sum())

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, where: slice) -> np.ndarray:
        """(n, S, S), 1 where covered."""
        masks: np.ndarray = self.spans[self.row[where], :, None] * self.spans[self.column[where], None, :]
        return masks

    def average(self, drops: np.ndarray) -> np.ndarray:
        """The mean over the windows on each pixel of drop per area: (n, L) of the first n -> (L, S, S)."""
        row, column = self.row[: len(drops)], self.column[: len(drops)]
        areas = self.spans.sum(1)
        shares = areas[row] * areas[column] / self.spans.shape[1] ** 2
        grid = np.zeros((drops.shape[1] + 1, len(areas), len(areas)))
        grid[:-1, row, column] = (drops * (REFERENCE_AREA / shares)[:, None]).T
        grid[-1, row, column] = 1
        *sums, counts = self.spans.T @ grid @ self.spans
        means: np.ndarray = np.stack(sums) / counts
        return means
