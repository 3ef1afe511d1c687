"""The small backbone: its size, that it is what its paper says, and where its cells look."""

import pytest
import torch

from cxr_demo.models import classifier, efficientnet
from cxr_demo.models.efficientnet import EfficientNetLite0


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EfficientNetLite0(14).eval()


def test_it_has_the_parameters_of_its_paper(network):
    backbone = sum(p.numel() for n, p in network.named_parameters() if not n.startswith("classifier"))
    # 4.65 million with a thousand classes (1,281,000) and three channels (576 weights more)
    assert backbone == 4_652_008 - 1_281_000 - 576


@torch.no_grad()
def test_logits_are_the_head_over_the_mean_of_features(network):
    built = classifier.build("EfficientNetLite0", {}, 14)
    built.model.load_state_dict(network.state_dict())
    x = torch.rand(2, 1, 96, 96) * 2048 - 1024
    features = built.eval().features(x)
    assert features.shape == (2, 1280, 3, 3)
    assert features.min() >= 0
    assert torch.allclose(built(x), network(x), atol=1e-5)
    assert torch.allclose(built(x), built.head(features.mean((2, 3))), atol=1e-5)


@torch.no_grad()
def test_a_pyramid_is_twice_as_fine_and_as_exact():
    torch.manual_seed(0)
    built = classifier.build("EfficientNetLite0", {"pyramid": 16}, 14).eval()
    x = torch.rand(2, 1, 96, 96) * 2048 - 1024
    features = built.features(x)
    assert features.shape == (2, 32, 6, 6)
    assert features.min() >= 0
    assert torch.allclose(built(x), built.head(features.mean((2, 3))), atol=1e-5)
    assert torch.allclose(built(x), built.model(x), atol=1e-5)


def test_a_doubled_map_keeps_its_values_where_its_cells_were():
    x = torch.rand(1, 1, 3, 4)
    wide = efficientnet._doubled(x)
    assert wide.shape == (1, 1, 6, 8)
    assert torch.allclose(wide[:, :, ::2, ::2], x, atol=1e-6)
    assert torch.allclose(wide[:, :, 1:5:2, ::2], (x[:, :, 1:] + x[:, :, :-1]) / 2, atol=1e-6)
    assert torch.allclose(wide[:, :, ::2, 7], x[:, :, :, 3], atol=1e-6), "the edge goes on"


@torch.no_grad()
def test_mirrored_features_do_not_know_left_from_right(network):
    twice = classifier.build("EfficientNetLite0", {"mirrored": True}, 14).eval()
    twice.model.load_state_dict(network.state_dict())
    x = torch.rand(2, 1, 96, 96) * 2048 - 1024
    once = network.trunk(x)
    apart = (once - network.trunk(x.flip(3)).flip(3)).abs().max()
    assert apart > 0.01 * once.max()
    assert (twice.features(x) - twice.features(x.flip(3)).flip(3)).abs().max() < 1e-4 * apart
    assert torch.allclose(twice(x), (network(x) + network(x.flip(3))) / 2, atol=1e-6)


@pytest.mark.parametrize(("pyramid", "stride"), [(0, 32), (16, 16)])
def test_a_cell_looks_at_its_own_place(pyramid, stride):
    """With weights all alike, what a cell depends on lies round the cell's middle, to a pixel."""
    even = EfficientNetLite0(1, pyramid).eval()
    for name, parameter in even.named_parameters():
        torch.nn.init.constant_(parameter, 1 / parameter[0].numel() if parameter.ndim == 4 else float("weight" in name))
    x = torch.full((1, 1, 480, 480), 1e-3, requires_grad=True)
    cell = 480 // stride // 2
    even.trunk(x)[0, 0, cell, cell].backward()
    share = x.grad[0, 0].abs() / x.grad.abs().sum()
    place = torch.arange(480.0)
    middle = (cell + 0.5) * stride - 0.5
    assert float((share.sum(0) * place).sum()) == pytest.approx(middle, abs=1)
    assert float((share.sum(1) * place).sum()) == pytest.approx(middle, abs=1)
