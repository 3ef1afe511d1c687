"""Fills for the masked part of a model input: blurred film, mean grey or black, in the model's pixel range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2

from cxr_demo.messages import message
from cxr_demo.methods.base import setting

if TYPE_CHECKING:
    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer

#: Standard deviation of the blur as a share of the input's side: 14 pixels of 224, wider than a rib or a nodule.
BLUR = 1 / 16


def fill_setting() -> Any:
    """The `fill` setting of LIME and occlusion.

    The default is blurred: a black patch resembles air and a grey one an opacity, and both of these are findings.
    """
    return setting(
        "blurred",
        choices=("blurred", "mean", "black"),
        help=message("setting.fill"),
    )


def fill_of(kind: str, scorer: Scorer) -> Tensor:
    """The fill (1, 1, S, S) for the scorer's model input, in the model's pixel range; `kind` is a `fill` choice."""
    x = scorer.x
    if kind == "black":
        return x.new_full(x.shape, scorer.classifier.spec.pixel_range[0])
    if kind == "mean":
        return x.mean().expand(x.shape)
    pixels = x[0, 0].float().cpu().numpy()
    blurred = cv2.GaussianBlur(pixels, (0, 0), BLUR * len(pixels), borderType=cv2.BORDER_REFLECT)
    return x.new_tensor(blurred)[None, None]
