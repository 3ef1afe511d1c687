"""Guided backpropagation, which docs/explanations.md shows to know nothing of the finding."""

import numpy as np
import torch
from torch import nn

from benchmarks.pictures import guided_backpropagation, likeness
from cxr_demo.case import Case
from cxr_demo.evaluation.randomisation import permuted
from cxr_demo.films import phantom
from cxr_demo.methods import GradCAM
from cxr_demo.models import registry
from cxr_demo.models.classifier import Classifier, Network
from cxr_demo.types import ModelSpec


def test_by_hand():
    """Two layers of one pixel each: the gradient passes a ReLU only where input and gradient are positive."""
    first, second, head = nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 2, 1, bias=False), nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([2.0, 3.0]).reshape(2, 1, 1, 1))
        second.weight.copy_(torch.tensor([[1.0, -1], [1, 1]]).reshape(2, 2, 1, 1))
        head.weight.copy_(torch.tensor([[-5.0, 7]]))
    model = nn.ModuleDict({"early": nn.Sequential(first, nn.ReLU()), "late": nn.Sequential(second, nn.ReLU())})
    network = Network(model, model["early"], model["late"], head)
    own = Classifier(ModelSpec("T", "none", {}, ("A",), 1, "", ""), network, "test")
    x = torch.ones(1, 1, 1, 1)
    # the first channel of the second layer is negative, so only the second counts: 7 * (2 + 3)
    assert guided_backpropagation(own, x, 0).item() == 35
    with torch.no_grad():
        second.weight[1, 0] = -0.5  # the way through the first channel is negative and dropped: 7 * 3
    assert guided_backpropagation(own, x, 0).item() == 21


def test_its_map_hardly_changes_with_the_classifiers_weights_permuted_and_gradcams_does():
    model, film = registry.load("bundled:nih14"), phantom.PHANTOMS["effusion"].film()
    i = model.labels.index("Effusion")
    own, other = Case(model, film), Case(permuted(model, "classifier"), film)
    edges = [guided_backpropagation(case.model, own.first.x, i) for case in (own, other)]
    cells = [case.last_explanation(GradCAM()).values[i] for case in (own, other)]
    assert likeness(*edges) > 0.9
    assert np.abs(likeness(*cells)) < 0.6
