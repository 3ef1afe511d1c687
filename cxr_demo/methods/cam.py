"""Class activation maps: Grad-CAM, Grad-CAM++ and LayerCAM, computed from the feature map of the first pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cxr_demo.films.image import by_area
from cxr_demo.imports import import_library
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.messages import message
from cxr_demo.methods.base import Step
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


def no_copies(method: object, side: int) -> int:
    """Return 0: class activation maps need no masked copies."""
    return 0


def no_sums(method: object, scorer: Scorer) -> None:
    """Return None: rankings do not add up."""
    return


@dataclass(frozen=True)
class GradCAM:
    """Grad-CAM: each cell's exact contribution to the logit, `mean(map) / REFERENCE_AREA + bias == logit`.

    For a network that ends in global average pooling and a linear layer, Grad-CAM (Selvaraju et al. 2017) equals the
    class activation map (Zhou et al. 2016). Departs from the paper: signed (no ReLU), in logits, and not smoothed.
    """

    key: ClassVar[str] = "gradcam"
    title: ClassVar[str] = message("method.gradcam.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1610.02391"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = message("method.gradcam.reading")

    copies = no_copies

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """The logits (L,) without the bias, to which the maps sum exactly."""
        _, bias = scorer.classifier.head
        logits: np.ndarray = scorer.base - bias.float().cpu().numpy()
        return logits

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield one step: maps (L, S, S) in logits per reference area."""
        weight, _ = scorer.classifier.head
        cells = np.einsum("lc,chw->lhw", weight.cpu().numpy(), scorer.features[0].cpu().numpy())
        yield Step(by_area(cells * REFERENCE_AREA, x.shape[-1]))


@dataclass(frozen=True)
class GradCAMPlusPlus:
    """Grad-CAM++ (Chattopadhyay et al. 2018) by the grad-cam package, each map scaled to its own maximum.

    Departs from the paper: the package adds 1e-6 to a divisor, which is not small compared with the squared gradients
    here, so channels with small weights count for less.
    """

    key: ClassVar[str] = "gradcampp"
    title: ClassVar[str] = message("method.gradcampp.title")
    unit: ClassVar[Unit] = Unit.RANKING
    paper: ClassVar[str] = "arXiv:1710.11063"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = message("method.gradcampp.reading")

    copies = no_copies
    expected_sums = no_sums

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield one step: maps (L, S, S) in [0, 1]."""
        yield Step(by_area(packaged(import_library("pytorch_grad_cam").GradCAMPlusPlus, scorer), x.shape[-1]))


@dataclass(frozen=True)
class LayerCAM:
    """LayerCAM (Jiang et al. 2021) by the grad-cam package, each map scaled to its own maximum."""

    key: ClassVar[str] = "layercam"
    title: ClassVar[str] = message("method.layercam.title")
    unit: ClassVar[Unit] = Unit.RANKING
    paper: ClassVar[str] = "doi:10.1109/TIP.2021.3089943"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = message("method.layercam.reading")

    copies = no_copies
    expected_sums = no_sums

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield one step: maps (L, S, S) in [0, 1]."""
        yield Step(by_area(packaged(import_library("pytorch_grad_cam").LayerCAM, scorer), x.shape[-1]))


def packaged(kind: type[Any], scorer: Scorer) -> np.ndarray:
    """Maps (L, h, w) in [0, 1] by a class of the grad-cam package, applied to a private copy of the head.

    The package registers hooks on the network, and hooks on a shared network would mix up the maps of concurrent
    callers. It therefore runs on a small network of its own: the frozen head, with the feature map as input.
    """
    import torch

    head = _private_head(scorer)
    labels = len(scorer.base)
    target = import_library("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget
    with SCHEDULER.take(Priority.EXPLANATION), torch.enable_grad():
        features = scorer.features.float().repeat(labels, 1, 1, 1).requires_grad_()
        targets = [target(i) for i in range(labels)]
        # no `with`: the package's context manager swallows IndexError
        maps: np.ndarray = kind(head, [head[0]])(features, targets)
    return maps


def _private_head(scorer: Scorer) -> Any:
    """Identity (the target layer), global average pooling and a linear layer that shares the frozen weights."""
    from torch import nn

    weight, bias = scorer.classifier.head
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")  # draws no weights
    linear.weight = nn.Parameter(weight.float(), requires_grad=False)
    linear.bias = nn.Parameter(bias.float(), requires_grad=False)
    return nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
