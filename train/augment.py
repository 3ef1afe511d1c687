"""Random augmentation of a batch by affine transforms and exposure; labels stay valid."""

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
    """Augmentation parameters of n films, one set per film.

    They are drawn on the CPU; `take` moves those of a part of the batch to its device.
    """

    theta: Tensor  # (n, 2, 3) affine matrices for `affine_grid`
    gamma: Tensor  # (n,) exponents of the grey values
    gain: Tensor  # (n,) factors of the grey values

    def take(self, rows: slice | list[int], device: torch.device) -> Change:
        """The parameters of the films in `rows`, moved to a device."""
        return Change(*(getattr(self, f.name)[rows].to(device) for f in fields(self)))

    def move(self, x: Tensor) -> Tensor:
        """Images (n, C, h, w), rotated, scaled, shifted and mirrored; pixels from outside the source are 0."""
        grid = functional.affine_grid(self.theta, [len(x), 1, *x.shape[2:]], align_corners=False)
        return functional.grid_sample(x, grid, align_corners=False)

    def expose(self, x: Tensor) -> Tensor:
        """Images (n, C, h, w) in [0, 1] with another exposure: x ** gamma * gain, clipped to [0, 1]."""
        return (x.clamp(0, 1) ** self.gamma.view(-1, 1, 1, 1) * self.gain.view(-1, 1, 1, 1)).clamp(0, 1)


def draw(n: int, recipe: Recipe, generator: torch.Generator) -> Change:
    """Independent parameters for n films, within the limits of the recipe.

    Rotation is uniform in degrees, scale log-uniform, shifts are uniform shares of the side. Mirroring is valid because
    none of the 14 findings depends on the side of the body.
    """

    def uniform(limit: float) -> Tensor:
        """(n,) uniform in [-limit, limit]."""
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(recipe.rotate)), torch.exp(uniform(math.log(recipe.scale)))
    mirror = torch.where(torch.rand(n, generator=generator) < recipe.mirror, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = (
        torch.stack([cos * mirror, -sin, uniform(2 * recipe.shift)], 1),
        torch.stack([sin * mirror, cos, uniform(2 * recipe.shift)], 1),
    )
    return Change(torch.stack(rows, 1), torch.exp(uniform(recipe.gamma)), 1 + uniform(recipe.contrast))
