"""What training minimises. Sums, so that parts of a batch on several devices add up to the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

#: A box that covers less of every cell of the activation map than this says nothing at that resolution.
LEAST_COVER = 0.05


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy summed over the labels (N, L) that are known (not nan)."""
    known = ~targets.isnan()
    loss = functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    return (loss * known).sum()


def boxed_cam(cam: Tensor, masks: Tensor) -> Tensor:
    """How far activation maps (N, L, h, w) are from lying in boxes (N, L, H, W; all 0 where there is none), summed.

    -log of the share of the map's softmax over its cells that lies in the box, after the idea of Li et al. 2018
    (arXiv:1711.06373) to learn place and finding together. A cell counts by how much of it is covered.
    """
    cover = functional.interpolate(masks, cam.shape[-2:], mode="area").flatten(2)
    most = cover.amax(2)
    # a perfect map of a box smaller than a cell has loss 0
    inside = (cam.flatten(2).softmax(2) * cover).sum(2) / most.clamp(min=LEAST_COVER)
    return -(inside.clamp(min=1e-4).log() * (most > LEAST_COVER)).sum()
