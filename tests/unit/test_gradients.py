"""Gradients of all logits against torch's own, one finding at a time, for every architecture."""

import pytest
import torch
from torch import nn

from cxr_demo.inference import gradients
from cxr_demo.inference.gradients import folded, gradients_at
from cxr_demo.models.classifier import ARCHITECTURES, TRACING, Classifier, build, mean_network
from cxr_demo.types import ModelSpec

SIZE = 64


def model(architecture, **arguments):
    """A network whose batch norms differ from the identity, in double precision's reach of its own copy."""
    torch.manual_seed(0)
    if architecture == "DenseNet":
        arguments |= {"growth_rate": 8, "block_config": (2, 2, 2, 2), "num_init_features": 16}
    if architecture == "timm":
        arguments |= {"name": "resnet10t", "mean": (0.5, 0.4, 0.6), "std": (0.2, 0.3, 0.4)}
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


def made(name):
    """A model of an architecture, or "mirrored", or a "pyramid", or "mean": that of two networks."""
    if name == "mean":
        pair = [model("DenseNet"), model("DenseNet")]
        return Classifier(pair[0].spec, mean_network(pair), "mean")
    other = {"mirrored": {"mirrored": True}, "pyramid": {"pyramid": 16}}
    return model("EfficientNetLite0", **other[name]) if name in other else model(name)


every = pytest.mark.parametrize("name", [*ARCHITECTURES, "mirrored", "pyramid", "mean"])


def norms_run(network, x):
    """The number of batch norms that compute the features of x."""
    ran, plain = [], nn.BatchNorm2d.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.BatchNorm2d, "forward", lambda self, y: ran.append(self) or plain(self, y))
        network.features(x)
    return len(ran)


@every
def test_equal_to_torchs_own(name):
    own = made(name)
    x = torch.rand(1, 1, SIZE, SIZE) * 2048 - 1024
    found = gradients_at(own, x)
    assert norms_run(folded(own), x) < norms_run(own.network, x)
    for i in range(3):
        point = x.clone().requires_grad_()
        own.network(point)[0, i].backward()
        expected = point.grad[0, 0]
        error = (torch.from_numpy(found[i]) - expected).norm() / expected.norm()
        assert error < 0.05, "rounding turns over few of the ReLUs"
    assert not any(p.requires_grad for p in own.network.parameters())
    assert all(p.grad is None for p in own.network.parameters())


@every
def test_the_copy_lies_on_another_device_as_a_whole(name, monkeypatch):
    """The meta device computes shapes alone, and refuses tensors of other devices, as a GPU does."""
    monkeypatch.setattr(gradients, "_device", lambda: "meta")
    own = made(name)
    with TRACING:
        features = folded(own).features(torch.zeros(1, 1, SIZE, SIZE, device="meta"))
    assert features.device.type == "meta"


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
