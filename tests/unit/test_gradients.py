"""Gradients of all logits against torch's own, one finding at a time, for every architecture."""

import pytest
import torch
from torch import nn

from cxr_demo.inference.gradients import folded, gradients_at
from cxr_demo.models.classifier import ARCHITECTURES, Classifier, build
from cxr_demo.types import ModelSpec

SIZE = 64


def model(architecture, mirrored=False):
    """A network whose batch norms differ from the identity, in double precision's reach of its own copy."""
    torch.manual_seed(0)
    arguments = {"mirrored": True} if mirrored else {}
    if architecture == "DenseNet":
        arguments |= {"growth_rate": 8, "block_config": (2, 2, 2, 2), "num_init_features": 16}
    network = build(architecture, arguments, 3)
    for module in network.model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    spec = ModelSpec(
        name="T", architecture=architecture, arguments=arguments, labels=("A", "B", "C"), size=SIZE,
        trained_on="", licence="",
    )  # fmt: skip
    return Classifier(spec, network, "test")


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "mirrored"])
def test_equal_to_torchs_own(architecture):
    own = model("EfficientNetLite0", True) if architecture == "mirrored" else model(architecture)
    norms = [module for module in own.network.model.modules() if isinstance(module, nn.BatchNorm2d)]
    x = torch.rand(1, 1, SIZE, SIZE) * 2048 - 1024
    found = gradients_at(own, x)
    twin = folded(own)
    kept = [m for part in (twin._early, twin._late) for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(kept) < len(norms), "else nothing was folded"
    for i in range(3):
        point = x.clone().requires_grad_()
        own.network(point)[0, i].backward()
        expected = point.grad[0, 0]
        error = (torch.from_numpy(found[i]) - expected).norm() / expected.norm()
        assert error < 0.05, "rounding turns over few of the ReLUs"
    assert not any(p.requires_grad for p in own.network.parameters())
    assert all(p.grad is None for p in own.network.parameters())


class Turned(nn.Module):
    """A convolution after its batch norm, registered the other way round."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(64, 64, 1), nn.BatchNorm2d(64)
        nn.init.uniform_(self.norm.weight, 0.5, 1.5)
        nn.init.uniform_(self.norm.bias, 1, 2)

    def forward(self, x):
        return self.conv(self.norm(x))


def test_a_network_that_folding_would_change_stays_as_it_is():
    own = model("ResNet50")
    own.network._early.append(Turned().eval())
    assert any(isinstance(module, nn.BatchNorm2d) for module in folded(own)._early.modules())
