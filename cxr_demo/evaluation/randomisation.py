"""Weight randomisation: a sanity check of maps with permuted weights (Adebayo et al. 2018, arXiv:1810.03292).

Permutes weights within each layer, from the classifier towards the input, which keeps their distribution. A map that
does not change depends on the film or the method alone, not on the learnt weights.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import nn

from cxr_demo.errors import BadSetting
from cxr_demo.evaluation import metrics
from cxr_demo.films import phantom
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.messages import Message, message, slug
from cxr_demo.models.classifier import Classifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

#: Depths by name: the permuted share of the layers before the classifier, counted from the last one.
DEPTHS = {"classifier": 0.0, "last third": 1 / 3, "two thirds": 2 / 3, "everything": 1.0}
#: A map counts as unchanged if the rank correlation of its absolute values with the permuted model's exceeds this.
STAYS = 0.5

_MADE: WeakKeyDictionary[Classifier, dict[str, Classifier]] = WeakKeyDictionary()
_MAKING = threading.Lock()


def depth_title(depth: str) -> Message:
    """The display name of a depth, one of DEPTHS."""
    return message(f"depth.{slug(depth)}")


def permuted(classifier: Classifier, depth: str, seed: int = 0) -> Classifier:
    """The model with its weights permuted down to a depth, one of DEPTHS; cached per model and depth.

    Permutes scales and shifts of a batch norm together, and recomputes its statistics on phantoms: with the original
    statistics activations would vanish or explode, and maps would be constant. BadSetting for an unknown depth.
    """
    if depth not in DEPTHS:
        raise BadSetting(message("error.depth.unknown", name=repr(depth), names=", ".join(DEPTHS)))
    with _MAKING:
        made = _MADE.setdefault(classifier, {})
        if depth not in made:
            made[depth] = _permuted(classifier, depth, seed)
        return made[depth]


def _permuted(classifier: Classifier, depth: str, seed: int) -> Classifier:
    """A copy of the model with permuted weights; the original remains unchanged."""
    random = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(classifier.network)
    layers = [
        m
        for m in network.model.modules()
        if not (network.exact and m is network.head) and list(m.parameters(recurse=False))
    ]
    norms = []
    deep = round(DEPTHS[depth] * len(layers))
    if not network.exact:
        deep = max(deep, 1)  # the last layer with parameters takes the place of the head
    for layer in layers[len(layers) - deep :]:
        if isinstance(layer, nn.BatchNorm2d):
            norms.append(layer)
            _permute([layer.weight, layer.bias], random)
        else:
            for parameter in layer.parameters(recurse=False):
                _permute([parameter], random)
    if network.exact:
        _permute([network.head.weight], random)
    if norms:
        _measure_anew(network, norms, _phantoms(classifier))
    return Classifier(classifier.spec, network, f"{classifier.name}, {depth} permuted")


def _permute(together: Sequence[Tensor], random: torch.Generator) -> None:
    """Permute the entries of tensors of equal size in place, all in the same order."""
    order = torch.randperm(together[0].numel(), generator=random)
    for parameter in together:
        flat = parameter.detach().reshape(-1)[order]
        parameter.detach().copy_(flat.reshape(parameter.shape))


@torch.no_grad()
def _measure_anew(network: nn.Module, norms: Sequence[nn.BatchNorm2d], images: Tensor) -> None:
    """Recompute the means and variances of batch norms on images (N, 1, S, S), in one forward pass."""
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average instead of an exponential one
        norm.train()
    with SCHEDULER.take(Priority.EXPLANATION):
        network(images)
    network.eval()


def _phantoms(classifier: Classifier) -> Tensor:
    """All phantoms and their mirror images as model inputs (N, 1, S, S)."""
    low, high = classifier.spec.pixel_range
    drawn = np.stack([phantom.draw(key, classifier.size) for key in phantom.PHANTOMS])
    values = torch.from_numpy(drawn.astype(np.float32) / 255 * (high - low) + low)[:, None]
    return torch.cat([values, values.flip(3)])


def kept(maps: np.ndarray, again: np.ndarray) -> np.ndarray:
    """Similarity (L,) of maps (L, G, G) to those of a permuted model: rank correlation of absolute values, -1 to 1.

    Absolute values, because a permuted classifier can reverse the sign of evidence that it still finds in the same
    places. nan if either map is constant.
    """
    found: np.ndarray = np.diag(metrics.rank_correlation(np.abs(maps), np.abs(again)))
    return found
