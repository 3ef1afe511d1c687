"""Random changes of a batch that leave its findings what they are: drawn for the whole batch, applied where it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from train.recipe import Recipe


@dataclass(frozen=True)
class Change:
    """One change per film of a batch of n."""

    theta: Tensor  # (n, 2, 3), affine, as `affine_grid` takes it
    gamma: Tensor  # (n,)
    gain: Tensor  # (n,)

    def take(self, rows: slice, device: torch.device) -> Change:
        """The changes of some films, on a device."""
        return Change(*(getattr(self, f.name)[rows].to(device) for f in fields(self)))

    def move(self, x: Tensor) -> Tensor:
        """Rotated, scaled, shifted and mirrored pictures (n, C, h, w); outside is 0."""
        grid = functional.affine_grid(self.theta, [len(x), 1, *x.shape[2:]], align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)

    def expose(self, x: Tensor) -> Tensor:
        """Pictures (n, C, h, w) in [0, 1], as if the film had been exposed otherwise."""
        return (x.clamp(0, 1) ** self.gamma.view(-1, 1, 1, 1) * self.gain.view(-1, 1, 1, 1)).clamp(0, 1)


def draw(n: int, recipe: Recipe, generator: torch.Generator) -> Change:
    """Changes for n films, each its own; none of the 14 findings depends on the side of the body."""

    def uniform(limit: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(recipe.rotate)), torch.exp(uniform(math.log(recipe.scale)))
    mirror = torch.where(torch.rand(n, generator=generator) < recipe.mirror, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = (
        torch.stack([cos * mirror, -sin, uniform(2 * recipe.shift)], 1),
        torch.stack([sin * mirror, cos, uniform(2 * recipe.shift)], 1),
    )
    return Change(torch.stack(rows, 1), torch.exp(uniform(recipe.gamma)), 1 + uniform(recipe.contrast))
