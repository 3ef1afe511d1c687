"""torchxrayvision's networks without their ambiguities: frozen, logits out, features after the ReLU.

Ended here: outputs that are logits, probabilities or re-scaled probabilities depending on attributes
(`op_norm`), the in-place ReLU behind `features`, the resizing inside `forward`, and the filter that
silences every warning of the process on import.
"""

from __future__ import annotations

import math
import threading
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cxr_demo.errors import BadModel
from cxr_demo.models.efficientnet import EfficientNetLite0

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cxr_demo.types import ModelSpec

with warnings.catch_warnings():
    import torchxrayvision as xrv
    from torchvision.models import resnet


class Network(nn.Module):
    """A backbone that ends in a ReLU, a global mean and a linear head, in two parts: `early` layers, then `late` ones.

    `model` is the library's own module, so that weight files carry its names and load there too; the parts are made of
    its layers. Early are the first few, where rounding may cost most. If `mirrored`, features are the mean of those of
    the film and, mirrored back, of its mirror image: a little better, at twice the cost, and everything that is linear
    in them holds as before.
    """

    mirrored = False

    def __init__(self, model: nn.Module, early: nn.Module, late: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.model = model
        # not registered a second time: the state has each tensor once
        for name, part in (("_early", early), ("_late", late), ("head", head)):
            object.__setattr__(self, name, part)

    _early: nn.Module
    _late: nn.Module
    head: nn.Linear

    def early(self, x: Tensor) -> Tensor:
        """What the early layers make of (N, 1, S, S): (M, C, h, w); M is N, or 2 N if mirrored, mirror images last."""
        found: Tensor = self._early(torch.cat([x, x.flip(3)]) if self.mirrored else x)
        return found

    def late(self, y: Tensor) -> Tensor:
        """The map that the head averages, of what `early` returned: (N, C, h, w), not negative."""
        found = torch.relu(self._late(y))
        if not self.mirrored:
            return found
        as_is, mirror = found.chunk(2)
        return (as_is + mirror.flip(3)) / 2

    def features(self, x: Tensor) -> Tensor:
        """The map that the head averages: (N, 1, S, S) -> (N, C, h, w), not negative."""
        return self.late(self.early(x))

    def answer(self, features: Tensor) -> Tensor:
        """Logits (N, L) of maps (N, C, h, w) of `features`."""
        pooled: Tensor = self.head(features.mean((2, 3)))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, L) of images (N, 1, S, S)."""
        return self.answer(self.features(x))


class _Mean(Network):
    """Several networks side by side."""

    def __init__(self, networks: Sequence[Network]) -> None:
        head = nn.Linear(1, 1, device="meta")
        head.weight = nn.Parameter(torch.cat([n.head.weight for n in networks], 1) / len(networks), requires_grad=False)
        head.bias = nn.Parameter(torch.stack([n.head.bias for n in networks]).mean(0), requires_grad=False)
        head.out_features, head.in_features = head.weight.shape
        parts = nn.ModuleList(networks)
        super().__init__(nn.ModuleList(n.model for n in networks), parts, parts, head)

    def early(self, x: Tensor) -> Tensor:
        return torch.cat([n.early(x) for n in self._parts], 1)

    def late(self, y: Tensor) -> Tensor:
        return torch.cat([n.late(part) for n, part in zip(self._parts, y.chunk(len(self._parts), 1), strict=True)], 1)

    @property
    def _parts(self) -> list[Network]:
        return list(self._early.children())  # type: ignore[arg-type]


def _densenet(classes: int, **arguments: Any) -> Network:
    model = xrv.models.DenseNet(weights=None, num_classes=classes, apply_sigmoid=False, **arguments)
    return _split(model, model.features, 6, model.classifier)


def _resnet(kind: str) -> Callable[..., Network]:
    def build(classes: int) -> Network:
        model: resnet.ResNet = getattr(resnet, kind)(num_classes=classes, weights=None)
        model.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        trunk = nn.Sequential(
            model.conv1, model.bn1, model.relu, model.maxpool,
            model.layer1, model.layer2, model.layer3, model.layer4,
        )  # fmt: skip
        return _split(model, trunk, 4, model.fc)

    return build


def _efficientnet(classes: int) -> Network:
    model = EfficientNetLite0(classes)
    return _split(model, nn.Sequential(model.scale, *model.features), 4, model.classifier)


def _split(model: nn.Module, trunk: nn.Sequential, early: int, head: nn.Linear) -> Network:
    return Network(model, trunk[:early], trunk[early:], head)


#: Hold this while torch traces a network or runs one on the meta device: torch keeps that state once per process.
TRACING = threading.Lock()

#: Classifiers by name: torchxrayvision's (its ResNets are torchvision's with one input channel), and a smaller one.
ARCHITECTURES: dict[str, Callable[..., Network]] = {
    "DenseNet": _densenet,
    "ResNet50": _resnet("resnet50"),
    "ResNet101": _resnet("resnet101"),
    "EfficientNetLite0": _efficientnet,
}

#: The argument of any architecture that asks for mirrored features.
MIRRORED = "mirrored"

#: What torchxrayvision says of its own weights, by name: labels, operating points, size, what they were trained on.
PUBLISHED: Mapping[str, Mapping[str, Any]] = xrv.models.model_urls


def build(architecture: str, arguments: Mapping[str, Any], classes: int) -> Network:
    """A network with random weights; BadModel where the name or an argument is unknown.

    Besides the architecture's own arguments there is `mirrored`, see Network.
    """
    own = {name: value for name, value in arguments.items() if name != MIRRORED}
    if architecture not in ARCHITECTURES:
        raise BadModel(f"Unknown architecture {architecture!r}; known are {', '.join(ARCHITECTURES)}.")
    try:
        network = ARCHITECTURES[architecture](classes, **own)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise BadModel(f"{architecture} does not take these arguments: {error}") from None
    network.mirrored = bool(arguments.get(MIRRORED))
    return network


def mean_network(classifiers: Sequence[Classifier]) -> Network:
    """One network whose logits, and whose activation maps, are the means of several models'.

    Each is linear in its own features, so their features side by side with the heads divided by their number do it.
    """
    return _Mean([classifier.network for classifier in classifiers])


class Classifier:
    """A frozen network with its description. Safe to share between threads: no hooks, no gradients.

    `name` says which model and revision, e.g. "bundled:nih14@1f3a5c7e".
    """

    def __init__(self, spec: ModelSpec, network: Network, name: str) -> None:
        self.spec = spec
        self.name = name
        self.labels = spec.labels
        self.size = spec.size
        if network.head.out_features != len(spec.labels):
            raise BadModel(f"{name} has {network.head.out_features} outputs for {len(spec.labels)} labels.")
        # the faster layout of convolutions on a processor (x86: 1.3 to 1.8 times)
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def for_film(self, name: str) -> Classifier:
        """The model that speaks about a film of this file name: itself, unless it is several."""
        return self

    @property
    def head(self) -> tuple[Tensor, Tensor]:
        """Weights (L, C) and bias (L) of the linear head."""
        return self.network.head.weight, self.network.head.bias

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The frozen weights and statistics under the library's names, as a model folder holds them."""
        state: dict[str, Tensor] = self.network.model.state_dict()
        return state

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """The last feature map after its ReLU: (N, 1, S, S) in the model's pixel range -> (N, C, h, w).

        ValueError for another shape.
        """
        return self.network.features(self._checked(x))

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """(N, 1, S, S) in the model's pixel range -> logits (N, L); ValueError for another shape."""
        out: Tensor = self.network(self._checked(x))
        return out

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities (..., L) of logits (..., L); a plain sigmoid without a calibration."""
        logits = np.asarray(logits, np.float64)
        if self.spec.calibration is not None:
            slope, intercept = np.array(self.spec.calibration, np.float64).T
            logits = logits * slope + intercept
        # not 1 / (1 + exp(-logits)), which overflows where a model is very sure
        probabilities: np.ndarray = np.exp(-np.logaddexp(0, -logits)).astype(np.float32)
        return probabilities

    @property
    def thresholds(self) -> np.ndarray:
        """Operating points (L,) float32 on the calibrated probability; nan where unknown."""
        known = self.spec.thresholds
        return np.array(known if known is not None else [math.nan] * len(self.labels), np.float32)

    def _checked(self, x: Tensor) -> Tensor:
        if x.shape[1:] != (1, self.size, self.size):
            raise ValueError(f"{self.name} takes (N, 1, {self.size}, {self.size}), got {tuple(x.shape)}.")
        return x.contiguous(memory_format=torch.channels_last)
