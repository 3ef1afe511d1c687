"""Models that have unlearnt, to see whether a map is about the model at all (Adebayo et al. 2018, arXiv:1810.03292).

Weights are permuted within each layer, from the classifier inwards: as many large and small ones as before, in the
wrong places. A map that stays as it was shows the film or the method, not what the model learnt.
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

#: How much is permuted, by name: the share of the layers before the classifier, from the last one backwards.
DEPTHS = {"classifier": 0.0, "last third": 1 / 3, "two thirds": 2 / 3, "everything": 1.0}
#: A map that agrees with its permuted model's by more than this, in the sizes of their values' ranks, stays.
STAYS = 0.5

_MADE: WeakKeyDictionary[Classifier, dict[str, Classifier]] = WeakKeyDictionary()
_MAKING = threading.Lock()


def depth_title(depth: str) -> Message:
    """One of DEPTHS for people."""
    return message(f"depth.{slug(depth)}")


def permuted(classifier: Classifier, depth: str, seed: int = 0) -> Classifier:
    """The model with its weights permuted down to a depth, one of DEPTHS; made once. BadSetting for another name.

    Scales and shifts of batch norms are permuted together, and their statistics measured anew on phantoms: with the old
    ones activations would vanish or grow without bounds, and maps be constant.
    """
    if depth not in DEPTHS:
        raise BadSetting(message("error.depth.unknown", name=repr(depth), names=", ".join(DEPTHS)))
    with _MAKING:
        made = _MADE.setdefault(classifier, {})
        if depth not in made:
            made[depth] = _permuted(classifier, depth, seed)
        return made[depth]


def _permuted(classifier: Classifier, depth: str, seed: int) -> Classifier:
    random = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(classifier.network)
    layers = [m for m in network.model.modules() if m is not network.head and list(m.parameters(recurse=False))]
    norms = []
    for layer in layers[len(layers) - round(DEPTHS[depth] * len(layers)) :]:
        if isinstance(layer, nn.BatchNorm2d):
            norms.append(layer)
            _permute([layer.weight, layer.bias], random)
        else:
            for parameter in layer.parameters(recurse=False):
                _permute([parameter], random)
    _permute([network.head.weight], random)
    if norms:
        _measure_anew(network, norms, _phantoms(classifier))
    return Classifier(classifier.spec, network, f"{classifier.name}, {depth} permuted")


def _permute(together: Sequence[Tensor], random: torch.Generator) -> None:
    order = torch.randperm(together[0].numel(), generator=random)
    for parameter in together:
        flat = parameter.detach().reshape(-1)[order]
        parameter.detach().copy_(flat.reshape(parameter.shape))


@torch.no_grad()
def _measure_anew(network: nn.Module, norms: Sequence[nn.BatchNorm2d], images: Tensor) -> None:
    """Batch norms' means and variances on these images (N, 1, S, S), layer after layer in one pass."""
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean
        norm.train()
    with SCHEDULER.take(Priority.EXPLANATION):
        network(images)
    network.eval()


def _phantoms(classifier: Classifier) -> Tensor:
    low, high = classifier.spec.pixel_range
    drawn = np.stack([phantom.draw(key, classifier.size) for key in phantom.PHANTOMS])
    values = torch.from_numpy(drawn.astype(np.float32) / 255 * (high - low) + low)[:, None]
    return torch.cat([values, values.flip(3)])


def kept(maps: np.ndarray, again: np.ndarray) -> np.ndarray:
    """How much of each map (L, G, G) a permuted model's keep: correlation (L,) of the ranks of absolute values.

    Absolute, since a permuted classifier may turn the sign of evidence that it still sees in the same places. nan where
    one of them is constant.
    """
    found: np.ndarray = np.diag(metrics.rank_correlation(np.abs(maps), np.abs(again)))
    return found
