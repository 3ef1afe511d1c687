"""Class activation maps, from the one feature map that the prediction rests on; no hook on the shared model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from cxr_demo.films.image import by_area
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.messages import message
from cxr_demo.methods.base import Step
from cxr_demo.types import REFERENCE_AREA, Cost, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from cxr_demo.inference.scoring import Scorer


def no_copies(method: object, side: int) -> int:
    """How many altered copies a map of the features needs: none."""
    return 0


@dataclass(frozen=True)
class GradCAM:
    """Each cell's share of the logit, exact: `mean(map) / REFERENCE_AREA + bias == logit`.

    For a network that ends in a mean and a linear layer, Grad-CAM (Selvaraju et al. 2017) is the class
    activation map (Zhou et al. 2016). Departs from the paper: signed, in logits, and not smoothed.
    """

    key: ClassVar[str] = "gradcam"
    title: ClassVar[str] = message("method.gradcam.title")
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "arXiv:1610.02391"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = message("method.gradcam.reading")

    copies = no_copies

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """One step: maps (L, S, S) in logits per reference area."""
        weight, _ = scorer.classifier.head
        cells = np.einsum("lc,chw->lhw", weight.cpu().numpy(), scorer.features[0].cpu().numpy())
        yield Step(by_area(cells * REFERENCE_AREA, x.shape[-1]))


@dataclass(frozen=True)
class GradCAMPlusPlus:
    """Grad-CAM++ (Chattopadhyay et al. 2018) by the grad-cam package, each map scaled to its own maximum.

    The package guards a division with 1e-6, which is not small beside the squared gradients here: channels with
    small weights count for less than in the paper.
    """

    key: ClassVar[str] = "gradcampp"
    title: ClassVar[str] = message("method.gradcampp.title")
    unit: ClassVar[Unit] = Unit.RANKING
    paper: ClassVar[str] = "arXiv:1710.11063"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = message("method.gradcampp.reading")

    copies = no_copies

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """One step: maps (L, S, S) in [0, 1]."""
        from pytorch_grad_cam import GradCAMPlusPlus

        yield Step(by_area(packaged(GradCAMPlusPlus, scorer), x.shape[-1]))


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

    def attribute(self, scorer: Scorer, x: Tensor) -> Iterator[Step]:
        """One step: maps (L, S, S) in [0, 1]."""
        from pytorch_grad_cam import LayerCAM

        yield Step(by_area(packaged(LayerCAM, scorer), x.shape[-1]))


def packaged(kind: type[Any], scorer: Scorer) -> np.ndarray:
    """Maps (L, h, w) in [0, 1] of a class of the grad-cam package, on a head made for this call.

    The package hangs hooks on the network it explains, and hooks on a shared network mix up the maps of
    concurrent callers. So it gets a network of its own: the frozen head over the feature map known already.
    """
    import torch
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    head = _private_head(scorer)
    labels = len(scorer.base)
    with SCHEDULER.take(Priority.EXPLANATION), torch.enable_grad():
        features = scorer.features.float().repeat(labels, 1, 1, 1).requires_grad_()
        targets = [ClassifierOutputTarget(i) for i in range(labels)]
        # not in a `with`: the package's swallows an IndexError
        maps: np.ndarray = kind(head, [head[0]])(features, targets)
    return maps


def _private_head(scorer: Scorer) -> Any:
    """Identity (the layer to explain), global mean and a linear layer that shares the frozen weights."""
    from torch import nn

    weight, bias = scorer.classifier.head
    linear = nn.Linear(weight.shape[1], weight.shape[0], device="meta")  # draws no weights
    linear.weight = nn.Parameter(weight.float(), requires_grad=False)
    linear.bias = nn.Parameter(bias.float(), requires_grad=False)
    return nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear)
