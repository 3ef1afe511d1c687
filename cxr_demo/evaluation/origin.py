"""Where the highest cell of a class activation map gets its value: occlusion of that cell instead of the logit.

A cell of the last feature map responds to far more of the film than the square that it is drawn on, so the evidence may
lie beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from cxr_demo.evaluation.covering import GRID
from cxr_demo.films import image
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.inference.scoring import Budget
from cxr_demo.methods.fill import fill_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.case import Case

#: Windows as wide as a cell of a 7 x 7 map, at half that distance, up to so many steps from the cell's centre.
WINDOW, STEPS = 1 / 7, 4
#: Share of the cell's drop that the outline encloses.
INSIDE = 0.5
#: Copies per forward pass.
BATCH = 4


@dataclass(frozen=True, eq=False)
class Origin:
    """The effect of covering places on the value of a class activation map's highest cell."""

    drops: np.ndarray  # (GRID, GRID): mean drop of the cell's value, in logits, by the windows that cover a place; >= 0
    level: float  # the places whose drop reaches it hold INSIDE of the sum of all drops


def origin(case: Case, i: int, budget: Budget | None = None) -> Origin | None:
    """Cover the surroundings of the highest cell of finding `i`; None if covering lowers its value nowhere.

    Scores the cell's value in float32. Cancelled or DeadlinePassed when the budget ends the run.
    """
    budget = budget or Budget()
    scorer = case.scorer(budget)
    weight = case.model.head[0][i].float()
    size, fill = case.model.size, fill_of("blurred", scorer)
    cells = torch.einsum("c,chw->hw", weight, scorer.features[0]) / scorer.features[0, 0].numel()
    row, column = np.unravel_index(int(cells.argmax()), cells.shape)
    masks = np.stack(list(_windows((int(row), int(column)), tuple(cells.shape), size)))
    sums, counts = np.zeros((size, size)), np.zeros((size, size))
    for covers in np.array_split(masks, range(BATCH, len(masks), BATCH)):
        budget.check()
        with SCHEDULER.take(Priority.EXPLANATION):
            copies = torch.lerp(scorer.x, fill, torch.from_numpy(covers)[:, None].to(scorer.x))
            values = case.model.features(copies)[:, :, row, column].float() @ weight / cells.numel()
        drops = (cells[row, column] - values).cpu().numpy()
        sums += np.tensordot(drops, covers, 1)
        counts += covers.sum(0)
    mean = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    drops = image.by_area(mean[None], GRID)[0].clip(0)
    if drops.max() <= 0:
        return None
    ranked = np.sort(drops.ravel())[::-1]
    enough = int(np.searchsorted(ranked.cumsum(), INSIDE * ranked.sum()))
    return Origin(drops, float(ranked[enough]))


def _windows(cell: tuple[int, int], shape: tuple[int, ...], size: int) -> Iterator[np.ndarray]:
    """Masks (size, size) float32 of the windows around a cell of a feature map, except those outside the input."""
    side = WINDOW * size
    middle = [(at + 0.5) * size / cells for at, cells in zip(cell, shape, strict=True)]
    steps = np.arange(-STEPS, STEPS + 1) * side / 2
    pixel = np.arange(size) + 0.5
    rows, columns = ((np.abs(pixel - (at + steps)[:, None]) < side / 2).astype(np.float32) for at in middle)
    for down in rows:
        for across in columns:
            if down.any() and across.any():
                yield np.outer(down, across)
