"""Random changes of a batch that leave its findings what they are; all on the batch's device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from train.finetune import Recipe


def augment(x: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Rotate, scale, shift, mirror and re-expose films (N, 1, S, S) in [0, 1], each in its own way.

    None of the 14 findings depends on the side of the body, so mirroring keeps the labels.
    """
    n = len(x)

    def uniform(limit: float) -> Tensor:
        return (torch.rand(n, generator=generator) * 2 - 1) * limit

    angle, scale = uniform(math.radians(recipe.rotate)), torch.exp(uniform(math.log(recipe.scale)))
    mirror = torch.where(torch.rand(n, generator=generator) < recipe.mirror, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    theta = torch.stack(
        [
            torch.stack([cos * mirror, -sin, uniform(2 * recipe.shift)], 1),
            torch.stack([sin * mirror, cos, uniform(2 * recipe.shift)], 1),
        ],
        1,
    )
    grid = functional.affine_grid(theta, list(x.shape), align_corners=False)
    x = functional.grid_sample(x, grid, align_corners=False)
    gamma = torch.exp(uniform(recipe.gamma)).view(n, 1, 1, 1)
    gain = 1 + uniform(recipe.contrast).view(n, 1, 1, 1)
    return (x.clamp(0, 1) ** gamma * gain).clamp(0, 1)
