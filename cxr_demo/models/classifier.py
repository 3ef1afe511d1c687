"""Wrap torchxrayvision's networks as frozen classifiers that return logits and feature maps after the ReLU.

The wrapper removes these side effects of the library: outputs whose meaning depends on attributes (`op_norm`), the
in-place ReLU after `features`, resizing inside `forward`, and the filter that silences all warnings on import.
"""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cxr_demo.errors import BadModel
from cxr_demo.films.image import by_area
from cxr_demo.imports import import_library
from cxr_demo.models.efficientnet import EfficientNetLite0

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torchvision.models import ResNet

    from cxr_demo.types import ModelSpec, Radiograph


class Network(nn.Module):
    """A backbone that ends in global average pooling and a linear head, split into `early` and `late` layers.

    `model` is the library's own module, so weight files use the library's tensor names; the parts share its layers.
    The early layers are the first few, where rounding causes most error. If `mirrored`, features are the mean of the
    film's features and of its mirror image's features, mirrored back: slightly more accurate at twice the cost, and
    the logits stay linear in the features.
    """

    mirrored = False
    #: Whether a ReLU follows the late layers.
    rectified = True
    #: Pixels of the model input before and after the square that the network sees, on each axis.
    margins = (0, 0)
    #: Whether the logits are `head` of the mean of the feature map; otherwise there is no head.
    exact = True
    #: Whether the outputs are of classes of which each image has one, so that probabilities come from a softmax.
    exclusive = False

    def __init__(self, model: nn.Module, early: nn.Module, late: nn.Module, head: nn.Linear) -> None:
        super().__init__()
        self.model = model
        # bypass registration, so that the state dict holds each tensor once
        for name, part in (("_early", early), ("_late", late), ("head", head)):
            object.__setattr__(self, name, part)

    _early: nn.Module
    _late: nn.Module
    head: nn.Linear

    def early(self, x: Tensor) -> Tensor:
        """Run the early layers: (N, 1, S, S) -> (M, C, h, w); M is N, or 2 N if mirrored, with mirror images last."""
        found: Tensor = self._early(torch.cat([x, x.flip(3)]) if self.mirrored else x)
        return found

    def late(self, y: Tensor) -> Tensor:
        """Run the late layers on the output of `early`: (M, C, h, w) -> feature map (N, C', h', w')."""
        found: Tensor = torch.relu(self._late(y)) if self.rectified else self._late(y)
        if not self.mirrored:
            return found
        as_is, mirror = found.chunk(2)
        return (as_is + mirror.flip(3)) / 2

    def features(self, x: Tensor) -> Tensor:
        """Return the feature map before pooling: (N, 1, S, S) -> (N, C, h, w)."""
        return self.late(self.early(x))

    def first(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the feature maps (N, C, h, w) and the logits (N, L) of images (N, 1, S, S)."""
        features = self.features(x)
        return features, self.answer(features)

    def rest(self, features: Tensor, x: Tensor) -> Tensor:
        """Return logits (N, L) with feature maps (N, C, h, w) in place of those of an image (1, 1, S, S)."""
        return self.answer(features)

    def after_early(self, y: Tensor) -> Tensor:
        """Return logits (N, L) of the output of `early`."""
        return self.answer(self.late(y))

    def summed(self, x: Tensor) -> Tensor:
        """Return a tensor (1, ...) of which each logit of an image (1, 1, S, S) is a weighted sum, plus a constant."""
        return self.features(x)

    def weights(self, summed: Tensor) -> Iterator[Tensor]:
        """Yield the weights of each logit's sum, in the shape of `summed`."""
        for weight in self.head.weight.to(summed.device) / summed[0, 0].numel():
            yield weight[None, :, None, None].expand_as(summed).contiguous(memory_format=torch.channels_last)

    def answer(self, features: Tensor) -> Tensor:
        """Pool feature maps (N, C, h, w) and apply the head: logits (N, L)."""
        pooled: Tensor = self.head(features.mean((2, 3)))
        return pooled

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, L) of images (N, 1, S, S)."""
        return self.answer(self.features(x))


class _Mean(Network):
    """Several networks in parallel: concatenated features, and a head that averages their logits."""

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


def published_models() -> Mapping[str, Mapping[str, Any]]:
    """Torchxrayvision's description of its weights, by name: labels, cut-offs, input size and URL."""
    described: Mapping[str, Mapping[str, Any]] = import_library("torchxrayvision").models.model_urls
    return described


def _densenet(classes: int, **arguments: Any) -> Network:
    """Build torchxrayvision's DenseNet, by default a DenseNet-121; `arguments` are those of its constructor."""
    model = import_library("torchxrayvision").models.DenseNet(
        weights=None, num_classes=classes, apply_sigmoid=False, **arguments
    )
    return _split(model, model.features, 6, model.classifier)


def _resnet(kind: str) -> Callable[..., Network]:
    """Return a function that builds torchvision's ResNet of this kind with one input channel."""

    def build(classes: int) -> Network:
        model: ResNet = getattr(import_library("torchvision.models"), kind)(num_classes=classes, weights=None)
        model.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
        trunk = nn.Sequential(
            model.conv1, model.bn1, model.relu, model.maxpool,
            model.layer1, model.layer2, model.layer3, model.layer4,
        )  # fmt: skip
        return _split(model, trunk, 4, model.fc)

    return build


def _efficientnet(classes: int, **arguments: Any) -> Network:
    model = EfficientNetLite0(classes, **arguments)
    return _split(model, nn.Sequential(model.scale, *model.features), 4, model.classifier)


class _Channels(nn.Module):
    """The channels that a network for photographs takes, of grey images in the pixel range of model folders."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x: Tensor) -> Tensor:
        mean, std = (x.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (x / 2048 + 0.5 - mean) / std


class _Trunk(nn.Module):
    """A network of timm without its pooling and head, channels first."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.model.forward_features(x)
        last = found.shape[-1] == self.model.num_features and found.shape[1] != self.model.num_features
        return found.permute(0, 3, 1, 2) if last else found


def _timm(classes: int, *, name: str, mean: Sequence[float], std: Sequence[float], **arguments: Any) -> Network:
    """Build a network of timm that ends in a mean and a linear layer; `arguments` are those of `timm.create_model`.

    The description may be a stranger's: arguments and names by which timm would read files or the Hub are refused.
    """
    try:
        timm = import_library("timm")
    except ImportError:
        raise BadModel("Networks of timm need the library: pip install timm.") from None
    fetching = [key for key in arguments if key.startswith("pretrained") or key in ("checkpoint_path", "cache_dir")]
    if not timm.is_model(name) or fetching:
        raise ValueError(f"{', '.join(fetching) or name} is not an architecture of timm or one of its arguments")
    model = timm.create_model(name, pretrained=False, num_classes=classes, **arguments)
    network = Network(model, _Channels(mean, std), _Trunk(model), model.get_classifier())
    network.rectified = False
    return network


def _split(model: nn.Module, trunk: nn.Sequential, early: int, head: nn.Linear) -> Network:
    """Make a Network whose early part is the first `early` layers of the trunk."""
    return Network(model, trunk[:early], trunk[early:], head)


#: Lock for tracing a network or running one on the meta device, since torch keeps that state per process.
TRACING = threading.Lock()

#: Networks by name: torchxrayvision's (its ResNets are torchvision's with one input channel) and EfficientNet-lite0.
ARCHITECTURES: dict[str, Callable[..., Network]] = {
    "DenseNet": _densenet,
    "ResNet50": _resnet("resnet50"),
    "ResNet101": _resnet("resnet101"),
    "EfficientNetLite0": _efficientnet,
    "timm": _timm,
}

#: The argument that turns on mirrored features, for every architecture.
MIRRORED = "mirrored"


def build(architecture: str, arguments: Mapping[str, Any], classes: int) -> Network:
    """Build a network with random weights and `classes` outputs; BadModel if the name or an argument is unknown.

    `arguments` are those of the architecture, plus `mirrored` (see Network).
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
    """Combine models into one network whose logits and activation maps are the means of theirs.

    Logits are linear in the features, so the network concatenates the features and divides the heads' weights by the
    number of models.
    """
    return _Mean([classifier.network for classifier in classifiers])


class Classifier:
    """A frozen network with its description, without hooks or gradients, so threads can share it.

    `name` includes the revision, e.g. "bundled:nih14@1f3a5c7e". Raises BadModel if the head's outputs do not match
    `spec.labels`.
    """

    def __init__(self, spec: ModelSpec, network: Network, name: str) -> None:
        self.spec = spec
        self.name = name
        self.labels = spec.labels
        self.size = spec.size
        if network.exact and network.head.out_features != len(spec.labels):
            raise BadModel(f"{name} has {network.head.out_features} outputs for {len(spec.labels)} labels.")
        # faster memory layout of convolutions on a CPU (x86: 1.3 to 1.8 times)
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def for_film(self, film: Radiograph) -> Classifier:
        """Return the model that predicts a film: this one, except for Folds."""
        return self

    @property
    def head(self) -> tuple[Tensor, Tensor]:
        """Weights (L, C) and bias (L) of the linear head, where the network is `exact`."""
        return self.network.head.weight, self.network.head.bias

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The frozen weights and statistics under the library's names, as stored in a model folder."""
        state: dict[str, Tensor] = self.network.model.state_dict()
        return state

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """Return the last feature map: (N, 1, S, S) in the model's pixel range -> (N, C, h, w).

        Raises ValueError for another input shape.
        """
        return self.network.features(self._checked(x))

    @torch.no_grad()
    def first(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return `features` and `logits` of the same images, from one pass; ValueError for another shape."""
        return self.network.first(self._checked(x))

    @torch.no_grad()
    def logits(self, x: Tensor) -> Tensor:
        """Return logits (N, L) of (N, 1, S, S) in the model's pixel range; ValueError for another shape."""
        out: Tensor = self.network(self._checked(x))
        return out

    def spread(self, cells: np.ndarray) -> np.ndarray:
        """Draw maps (L, h, w) of the cells of `features` on the model input: (L, S, S) float64, 0 where no cell is.

        A pixel's value is that of its cell, averaged by area where cells and pixels do not coincide.
        """
        return np.pad(by_area(cells, self.seen), ((0, 0), self.network.margins, self.network.margins))

    @property
    def seen(self) -> int:
        """The side in pixels of the square of the model input that the network sees."""
        return self.size - sum(self.network.margins)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities (..., L) float32 of logits (..., L); the sigmoid without a calibration.

        For classes that exclude one another, the softmax.
        """
        logits = np.asarray(logits, np.float64)
        if self.network.exclusive:
            shares = np.exp(logits - logits.max(-1, keepdims=True))
            exclusive: np.ndarray = (shares / shares.sum(-1, keepdims=True)).astype(np.float32)
            return exclusive
        if self.spec.calibration is not None:
            slope, intercept = np.array(self.spec.calibration, np.float64).T
            logits = logits * slope + intercept
        # 1 / (1 + exp(-logits)) overflows for large negative logits
        probabilities: np.ndarray = np.exp(-np.logaddexp(0, -logits)).astype(np.float32)
        return probabilities

    @property
    def thresholds(self) -> np.ndarray:
        """Cut-offs (L,) float32 as calibrated probabilities; nan where unknown."""
        known = self.spec.thresholds
        return np.array(known if known is not None else [math.nan] * len(self.labels), np.float32)

    def _checked(self, x: Tensor) -> Tensor:
        """Return the input in channels-last layout; ValueError unless it is (N, 1, S, S)."""
        if x.shape[1:] != (1, self.size, self.size):
            raise ValueError(f"{self.name} takes (N, 1, {self.size}, {self.size}), got {tuple(x.shape)}.")
        return x.contiguous(memory_format=torch.channels_last)
