"""What takes the place of the covered part of a film."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2

from cxr_demo.messages import message
from cxr_demo.methods.base import setting

if TYPE_CHECKING:
    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer

#: Standard deviation of the blur as a share of the view's side: 14 pixels of 224, wider than a rib or a nodule.
BLUR = 1 / 16


def fill_setting() -> Any:
    """The setting that LIME and occlusion share.

    Blurred is the default: a black patch looks like air, a finding of its own, and a grey one like an opacity.
    """
    return setting(
        "blurred",
        choices=("blurred", "mean", "black"),
        help=message("setting.fill"),
    )


def fill_of(kind: str, scorer: Scorer) -> Tensor:
    """The fill (1, 1, S, S) for the scorer's image, in the model's pixel range."""
    x = scorer.x
    if kind == "black":
        return x.new_full(x.shape, scorer.classifier.spec.pixel_range[0])
    if kind == "mean":
        return x.mean().expand(x.shape)
    pixels = x[0, 0].float().cpu().numpy()
    blurred = cv2.GaussianBlur(pixels, (0, 0), BLUR * len(pixels), borderType=cv2.BORDER_REFLECT)
    return x.new_tensor(blurred)[None, None]
