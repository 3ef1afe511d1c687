"""Gradients of all logits with respect to the model input."""

from __future__ import annotations

import copy
import itertools
import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cxr_demo.models.classifier import Network

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    import numpy as np

    from cxr_demo.models.classifier import Classifier

#: Largest accepted change of the feature maps by `folded`, as a share of their largest value.
ROUNDING = 1e-3

_FOLDED: WeakKeyDictionary[Classifier, Network] = WeakKeyDictionary()
_FOLDING = threading.Lock()


def gradients_at(
    classifier: Classifier, x: Tensor, turn: Callable[[], AbstractContextManager[None]] = nullcontext
) -> np.ndarray:
    """Return gradients (L, S, S) float32 of the logits at a model input (1, 1, S, S).

    One forward pass, and one backward pass for each finding. A batch of all findings takes longer on a CPU: torch runs
    the backward pass of a convolution once for each of them too, and copies the results together. Each pass runs within
    a `turn` of its own, so that others need not wait for all of them.
    """
    with turn(), torch.enable_grad():
        network = folded(classifier)
        device = next(network.parameters()).device
        x = x.detach().to(device, copy=True, memory_format=torch.channels_last).requires_grad_()
        summed = network.summed(x)
    found: list[Tensor] = []
    for weights in network.weights(summed):
        with turn():
            found += torch.autograd.grad(summed, x, weights, retain_graph=True)
    gradients: np.ndarray = torch.cat(found)[:, 0].float().cpu().numpy()
    return gradients


def cells_of(classifier: Classifier, x: Tensor, features: Tensor) -> np.ndarray:
    """Return each cell's part (L, h, w) of the logits of a model input (1, 1, S, S) with these features (1, C, h, w).

    The product of the features and the means of their gradients, as in Grad-CAM (Selvaraju et al. 2017), with its sign.
    For a network that ends in a mean and a linear layer, the mean of the cells is exactly the logit without the bias.
    """
    with torch.enable_grad():
        features = features.detach().requires_grad_()
        logits = classifier.network.rest(features, x)
        found = []
        for logit in logits[0]:
            (gradient,) = torch.autograd.grad(logit, features, retain_graph=True)
            weights = gradient[0].mean((1, 2)) * features[0, 0].numel()
            found.append(torch.einsum("c,chw->hw", weights, features[0].detach()))
    cells: np.ndarray = torch.stack(found).float().cpu().numpy()
    return cells


def folded(classifier: Classifier) -> Network:
    """Return a copy of a model's network with batch norms folded into convolutions: half the time of a gradient.

    It is made once per model, on the GPU if there is one. A network that folding would change is copied as it is.
    """
    with _FOLDING:
        if classifier not in _FOLDED:
            _FOLDED[classifier] = _folded(classifier)
    return _FOLDED[classifier]


@torch.no_grad()
def _folded(classifier: Classifier) -> Network:
    plain, trial = classifier.network, copy.deepcopy(classifier.network)
    _fold(trial)
    x = torch.linspace(*classifier.spec.pixel_range, classifier.size**2).reshape(1, 1, classifier.size, -1)
    expected, found = plain.summed(x), trial.summed(x)
    same = found.shape == expected.shape and (found - expected).abs().max() <= ROUNDING * expected.abs().max()
    # moved before it is folded: a folded layer belongs to a part of the network alone, which does not move with it
    network: Network = copy.deepcopy(plain).to(_device()).to(memory_format=torch.channels_last)
    if same:
        _fold(network)
    return network


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _fold(network: Network) -> None:
    """Fold each batch norm that is registered just after a convolution into it; in place."""
    for module in itertools.chain(network._early.modules(), network._late.modules()):
        if isinstance(module, Network):  # of a mean of several
            _fold(module)
        for (name, first), (after, second) in itertools.pairwise(list(module.named_children())):
            if isinstance(first, nn.Conv2d) and type(second) is nn.BatchNorm2d:
                module._modules[name] = fuse_conv_bn_eval(first, second)
                module._modules[after] = nn.Identity()
