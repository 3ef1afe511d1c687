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
from cxr_demo.inference.scoring import Budget
from cxr_demo.methods.fill import fill_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cxr_demo.case import Case
    from cxr_demo.models.classifier import Classifier

#: Windows as wide as a cell of a 7 x 7 map, side by side, up to so many from the highest cell.
WINDOW, STEPS = 1 / 7, 2
#: Share of the cell's drop that the outline encloses.
INSIDE = 0.5
#: Copies per forward pass.
BATCH = 4


@dataclass(frozen=True, eq=False)
class Origin:
    """The effect of covering places on the value of a class activation map's highest cell."""

    drops: np.ndarray  # (GRID, GRID): drop of the cell's value, in logits, by the window that covers a place; >= 0
    level: float  # the places whose drop reaches it hold INSIDE of the sum of all drops


def origin(case: Case, i: int, budget: Budget | None = None) -> Origin | None:
    """Cover the surroundings of the highest cell of finding `i`; None if covering lowers its value nowhere.

    None also for a network that does not end in a linear layer, where a cell's value is of the first order.
    Scores the cell's value in float32. Cancelled or DeadlinePassed when the budget ends the run.
    """
    budget = budget or Budget()
    scorer = case.scorer(budget)
    if not case.model.network.exact:
        return None
    weight = case.model.head[0][i].float()
    size, fill = case.model.size, fill_of("blurred", scorer)
    cells = torch.einsum("c,chw->hw", weight, scorer.features[0]) / scorer.features[0, 0].numel()
    row, column = np.unravel_index(int(cells.argmax()), cells.shape)
    masks = np.stack(list(_windows((int(row), int(column)), tuple(cells.shape), case.model)))
    drops = np.zeros((size, size))
    for covers in np.array_split(masks, range(BATCH, len(masks), BATCH)):
        with budget.turn():
            copies = torch.lerp(scorer.x, fill, torch.from_numpy(covers)[:, None].to(scorer.x))
            values = case.model.features(copies)[:, :, row, column].float() @ weight / cells.numel()
        drops += np.tensordot((cells[row, column] - values).cpu().numpy(), covers, 1)
    found = image.by_area(drops[None], GRID)[0].clip(0)
    if found.max() <= 0:
        return None
    ranked = np.sort(found.ravel())[::-1]
    enough = int(np.searchsorted(ranked.cumsum(), INSIDE * ranked.sum()))
    return Origin(found, float(ranked[enough]))


def _windows(cell: tuple[int, int], shape: tuple[int, ...], model: Classifier) -> Iterator[np.ndarray]:
    """Masks (S, S) float32 of the windows around a cell of a feature map, except those outside the model input."""
    size, side = model.size, WINDOW * model.size
    before = model.network.margins[0]
    middle = [before + (at + 0.5) * model.seen / cells for at, cells in zip(cell, shape, strict=True)]
    steps = np.arange(-STEPS, STEPS + 1) * side
    pixel = np.arange(size) + 0.5
    rows, columns = ((np.abs(pixel - (at + steps)[:, None]) < side / 2).astype(np.float32) for at in middle)
    for down in rows:
        for across in columns:
            if down.any() and across.any():
                yield np.outer(down, across)
