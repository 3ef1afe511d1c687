"""Contents of the covered part of a model input: the film blurred or mirrored, grey, black, or a normal phantom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from cxr_demo.errors import BadSetting
from cxr_demo.messages import message, message_or
from cxr_demo.methods.base import setting

if TYPE_CHECKING:
    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer

#: Standard deviation of the blur as a share of the input's side: 14 pixels of 224, wider than a rib or a nodule; and of
#: the wide blur, which removes lungs and heart as well.
BLUR, WIDE = 1 / 16, 1 / 4


def fill_setting() -> Any:
    """The `fill` setting of methods that cover parts of the film.

    The default is blurred: a black patch resembles air and a grey one an opacity, and both of these are findings.
    """
    return setting(
        "blurred",
        choices=("blurred", "wide", "mirror", "mean", "black", "normal"),
        help=message("setting.fill"),
    )


def title(kind: str) -> str:
    """The display name of a `fill` choice."""
    return message_or(f"choice.{kind}", kind)


def fill_of(kind: str, scorer: Scorer) -> Tensor:
    """The fill (1, 1, S, S) for the scorer's model input, in the model's pixel range; `kind` is a `fill` choice.

    BadSetting for `normal` unless the film is a phantom with a planted finding.
    """
    x = scorer.x
    if kind == "black":
        return x.new_full(x.shape, scorer.classifier.spec.pixel_range[0])
    if kind == "mean":
        return x.mean().expand(x.shape)
    if kind == "mirror":
        return x.flip(3)
    if kind == "normal":
        if scorer.unplanted is None:
            raise BadSetting(message("error.setting.no_phantom"), "fill")
        return scorer.unplanted
    pixels = x[0, 0].float().cpu().numpy()
    deviation = {"blurred": BLUR, "wide": WIDE}[kind] * len(pixels)
    return x.new_tensor(cv2.GaussianBlur(pixels, (0, 0), deviation, borderType=cv2.BORDER_REFLECT))[None, None]


def removed(kind: str, scorer: Scorer) -> np.ndarray:
    """Logits (L,) that covering the whole film takes away: the film's minus those of the fill."""
    everything = np.ones((1, *scorer.x.shape[2:]), np.float32)
    ((_, covered),) = scorer.scores(everything, fill_of(kind, scorer))
    lost: np.ndarray = scorer.base - covered[0]
    return lost
