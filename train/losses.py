"""Training losses, as sums: the parts of a batch on several devices add up to the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

#: Least share of some cell of the activation map that boxes must cover; smaller boxes are left out of the loss.
LEAST_COVER = 0.05


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy of logits (N, L), summed over the targets (N, L) that are not nan."""
    known = ~targets.isnan()
    loss = functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    return (loss * known).sum()


def asymmetric(logits: Tensor, targets: Tensor, focus: float = 4.0, margin: float = 0.05) -> Tensor:
    """Asymmetric loss of logits (N, L), summed over the targets (N, L) that are not nan, for rare findings.

    Easy absent labels weigh less: with the probability p less `margin`, their share of the cross entropy is multiplied
    by p ** `focus` (Ridnik et al. 2021, arXiv:2009.14119, with the exponent 0 for present labels).
    """
    known = ~targets.isnan()
    wanted = targets.nan_to_num()
    shifted = (logits.sigmoid() - margin).clamp(min=0)
    absent = shifted**focus * -torch.log1p(-shifted.clamp(max=1 - 1e-6))
    present = -functional.logsigmoid(logits)
    return ((wanted * present + (1 - wanted) * absent) * known).sum()


#: Losses of labels by the name that --loss takes: logits and targets (N, L), nan where unknown -> their sum.
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"bce": masked_bce, "asymmetric": asymmetric}


def boxed_cam(cam: Tensor, masks: Tensor) -> Tensor:
    """Negative log of the share of each activation map that lies in its boxes, summed over maps with a box.

    `cam` (N, L, h, w) becomes shares by a softmax over cells; `masks` (N, L, H, W) are 1 inside boxes, all 0 without
    one. A cell counts by its covered area. Location and finding are learnt together, as by Li et al. 2018
    (arXiv:1711.06373).
    """
    cover = functional.interpolate(masks, cam.shape[-2:], mode="area").flatten(2)
    most = cover.amax(2)
    # a perfect map of a box smaller than a cell has loss 0
    inside = (cam.flatten(2).softmax(2) * cover).sum(2) / most.clamp(min=LEAST_COVER)
    return -(inside.clamp(min=1e-4).log() * (most > LEAST_COVER)).sum()
