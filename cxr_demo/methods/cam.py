"""Class activation maps: Grad-CAM, Grad-CAM++ and LayerCAM, computed from the feature map of the first pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from cxr_demo.imports import import_library
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.messages import message
from cxr_demo.methods.base import Step
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
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
    """Grad-CAM (Selvaraju et al. 2017): each cell's contribution to the logit.

    For a network that ends in global average pooling and a linear layer, it is exact, `mean(map) / REFERENCE_AREA +
    bias == logit`, and equals the class activation map (Zhou et al. 2016). For other networks it is of the first order,
    and `missing` is the error of its sum. Departs from the paper: signed (no ReLU), in logits, and not smoothed.
    """

    key: ClassVar[str] = "gradcam"
    title: ClassVar[str] = message("method.gradcam.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1610.02391"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = message("method.gradcam.reading")

    copies = no_copies

    def expected_sums(self, scorer: Scorer) -> np.ndarray:
        """The logits (L,) without their constant: for a network that ends in a linear layer the bias."""
        logits: np.ndarray = scorer.base - scorer.constant()
        return logits

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """Yield one step: maps (L, S, S) in logits per reference area."""
        model = scorer.classifier
        cells = scorer.cells()
        missing = None if model.network.exact else self.expected_sums(scorer) - cells.mean((1, 2))
        yield Step(model.spread(cells * (REFERENCE_AREA * (model.size / model.seen) ** 2)), missing=missing)


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
        yield Step(scorer.classifier.spread(packaged(import_library("pytorch_grad_cam").GradCAMPlusPlus, scorer)))


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
        yield Step(scorer.classifier.spread(packaged(import_library("pytorch_grad_cam").LayerCAM, scorer)))


def packaged(kind: type[Any], scorer: Scorer) -> np.ndarray:
    """Maps (L, h, w) in [0, 1] by a class of the grad-cam package, applied to a private copy of the head.

    The package registers hooks on the network, and hooks on a shared network would mix up the maps of concurrent
    callers. It therefore runs on a small network of its own: the frozen rest, with the feature map as input.
    """
    import torch

    head = _rest(scorer)
    labels = len(scorer.base)
    target = import_library("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget
    with SCHEDULER.take(Priority.EXPLANATION), torch.enable_grad():
        features = scorer.features.float().repeat(labels, 1, 1, 1).requires_grad_()
        targets = [target(i) for i in range(labels)]
        # no `with`: the package's context manager swallows IndexError
        maps: np.ndarray = kind(head, [head[0]])(features, targets)
    return maps


def _rest(scorer: Scorer) -> Any:
    """Identity, the target layer, and the layers of the model after its feature map."""
    from torch import nn

    class Rest(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = scorer.classifier.network  # the package asks for its device

        def forward(self, features: Tensor) -> Tensor:
            return self.network.rest(features, scorer.x)

    return nn.Sequential(nn.Identity(), Rest())
