"""Load torchxrayvision's published weights (Cohen et al., arXiv:2002.02497) by commit and checksum, as tensors only.

The library itself unpickles whole modules without a checksum. Labels and cut-offs are the library's; unlabelled
outputs are removed, and cut-offs refer to plain sigmoid probabilities.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cxr_demo.errors import BadModel
from cxr_demo.messages import Message, message
from cxr_demo.models import hub, model_folder
from cxr_demo.types import ModelSpec

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import Tensor

    from cxr_demo.models.classifier import Classifier

OWNER = "torchxrayvision"
WEIGHTS = "model.pt"


@dataclass(frozen=True)
class Weights:
    """Commit and checksum of one repository; without a checksum, the first download's is recorded."""

    revision: str = "main"
    sha256: str | None = None


#: Weights by torchxrayvision's name, which is also the repository's: network, side of the input, collection.
ZOO = {
    "resnet50-res512-all": Weights("6f3c415eaa41bf7b6e53d42e41aaf1467ed87c1e"),
    "densenet121-res224-all": Weights(
        "588eadcc6a744da71f8dce768bc974ec629443f5", "56524913dd16a906422e8d8b66a7a5c46be1d82eb7ac012d8103776f1aa68899"
    ),
    "densenet121-res224-nih": Weights(),
    "densenet121-res224-pc": Weights(
        "5fd7f7ace36101dfbe4a3304932630dd3965a816", "a9148ef62ae4e7a31a9bed8cef22811f39681cd61e4390398936efc6280af521"
    ),
    "densenet121-res224-chex": Weights(),
    "densenet121-res224-rsna": Weights(
        "99f966ef7574e9884af632cc68906455f802d407", "906a59f48cf09638b745d66848a6c6f9d741368c66244717a81207329d140268"
    ),
    "densenet121-res224-mimic_nb": Weights("d519bacbbb4a8e0a9593c682db33a8cc142f6ae1"),
    "densenet121-res224-mimic_ch": Weights(
        "132a5ee9f88ecd77b8f39f27b70a66b98976187d", "23b13a04459684ffa41247d068207a7657b4e1b4dec2b02431f5026bd75b1189"
    ),
}

#: Collections of films by their code in the names of weight files.
COLLECTIONS = {
    "nih": "NIH ChestX-ray14",
    "pc": "PadChest",
    "chex": "CheXpert",
    "mimic_nb": "MIMIC-CXR (labels by NegBio)",
    "mimic_ch": "MIMIC-CXR (labels by CheXpert's labeller)",
    "google": "Google's relabelled NIH films",
    "openi": "OpenI",
    "kaggle": "RSNA's pneumonia challenge (NIH films)",
    "rsna": "RSNA's pneumonia challenge (NIH films)",
    "siim": "SIIM's pneumothorax challenge (NIH films)",
    "vin": "VinDr-CXR",
}

#: Published outputs for the authors' example film (the library's scripts/README.md), on the scale of `rescaled`.
PRINTED: dict[str, dict[str, float]] = {
    "densenet121-res224-all": {
        "Atelectasis": 0.328, "Cardiomegaly": 0.365, "Consolidation": 0.429, "Edema": 0.024, "Effusion": 0.278,
        "Emphysema": 0.501, "Enlarged Cardiomediastinum": 0.272, "Fibrosis": 0.519, "Fracture": 0.519,
        "Hernia": 0.010, "Infiltration": 0.532, "Lung Lesion": 0.011, "Lung Opacity": 0.591, "Mass": 0.639,
        "Nodule": 0.690, "Pleural_Thickening": 0.245, "Pneumonia": 0.186, "Pneumothorax": 0.288,
    },
    "densenet121-res224-rsna": {"Lung Opacity": 0.504, "Pneumonia": 0.504},
}  # fmt: skip


def title(name: str) -> Message:
    """Return the displayed title of a model, given its key in ZOO; does not import torch."""
    network, side, films = name.split("-")
    network = network.replace("densenet", "DenseNet-").replace("resnet", "ResNet-")
    films = COLLECTIONS.get(films) or message("model.several_collections")
    return message("model.torchxrayvision", network=network, side=side.removeprefix("res"), films=films)


def load(name: str) -> Classifier:
    """Load a model, a key of ZOO, downloading it unless cached.

    Raises the errors of `hub.pull`, and BadModel if the checksum differs or the file contains more than tensors.
    """
    weights, repo = ZOO[name], f"{OWNER}/{name}"
    pulled = hub.pull(repo, [WEIGHTS], revision=weights.revision)
    path = pulled.folder / WEIGHTS
    hub.verify_checksum(path, f"{repo}/{WEIGHTS}", weights.sha256)
    tensors = _named_outputs(_tensors(path), name)
    return model_folder.assemble(describe(name), tensors, f"xrv:{name}@{pulled.commit[:12]}", f"{WEIGHTS} of {repo}")


def describe(name: str) -> ModelSpec:
    """Return the description of a model, a key of ZOO, from the library's own, limited to labelled outputs."""
    from cxr_demo.models.classifier import published_models

    known = published_models()[name]
    resnet = name.startswith("resnet")
    # the sigmoid was applied twice to the ResNet's points (all are in 0.50 to 0.54): invert one
    points = [_logit(t) if resnet else float(t) for t in known["op_threshs"]]
    return ModelSpec(
        name=title(name),
        architecture="ResNet50" if resnet else "DenseNet",
        arguments={},
        labels=tuple(label for label in known["labels"] if label),
        size=known["input_resolution"],
        trained_on=_trained_on(known["weights_url"]),
        licence="Apache-2.0",
        thresholds=tuple(t for t, label in zip(points, known["labels"], strict=True) if label),
    )


def rescaled(probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Rescale probabilities (..., L) as the library does: 0.5 at the cut-offs (L,), linear below and above."""
    import numpy as np

    below = probabilities / (2 * thresholds)
    above = 1 - (1 - probabilities) / (2 * (1 - thresholds))
    shown: np.ndarray = np.where(probabilities < thresholds, below, above)
    return shown


def _logit(probability: float) -> float:
    """Inverse of the sigmoid."""
    return math.log(probability / (1 - probability))


def _trained_on(url: str) -> str:
    """Sentences on the training data, from the collections in the weights' file name."""
    listed = re.split(r"-(?:densenet|resnet)", url.rsplit("/", 1)[-1])[0].split("-")
    films = ", ".join(dict.fromkeys(COLLECTIONS[code] for code in listed))
    text = f"Trained by the authors of torchxrayvision (Cohen et al., arXiv:2002.02497) on {films}."
    if "NIH" in films:
        text += " NIH films were among them, so what it says of an NIH film flatters it."
    return text


def _named_outputs(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Keep the head's rows of labelled outputs; BadModel unless the head has as many outputs as the library lists."""
    from cxr_demo.models.classifier import published_models

    labels = published_models()[name]["labels"]
    rows = [i for i, label in enumerate(labels) if label]
    heads = [n for n in tensors if n.startswith(("classifier.", "fc."))]
    for head in heads:
        if len(tensors[head]) != len(labels):
            raise BadModel(f"{WEIGHTS} of {OWNER}/{name} has {len(tensors[head])} outputs, should have {len(labels)}.")
    return {**tensors, **{head: tensors[head][rows] for head in heads}}


def _tensors(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a torch.save file, by the network's own names; BadModel if it contains other objects."""
    import torch

    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise BadModel(
            f"{path.name} of {path.parent} is a pickled program and not just tensors: reading it could run any code "
            "it brings, so it is refused."
        ) from None
    except (RuntimeError, EOFError, ValueError, OSError) as error:
        raise BadModel(f"{path} is damaged: {error}.") from None
    if not isinstance(found, Mapping) or not all(isinstance(t, torch.Tensor) for t in found.values()):
        raise BadModel(f"{path} does not hold tensors by name; a plain state_dict is needed.")
    renamed = {_own_name(name): tensor for name, tensor in found.items()}
    if len(renamed) < len(found):
        raise BadModel(f"{path} holds some tensors twice under different names.")
    # the library stores cut-offs in the network, this project in the description
    renamed.pop("op_threshs", None)
    return renamed


def _own_name(name: str) -> str:
    """Strip wrappers (`model.`, `module.`) from a tensor's name, and rename `norm.1` of old DenseNets to `norm1`."""
    name = re.sub(r"^(?:model\.|module\.)+", "", name)
    return re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d\.)", r"\1\2", name)
