"""Class activation maps against their definitions, computed otherwise."""

import numpy as np
import pytest
import torch

from cxr_demo.case import Case
from cxr_demo.films import image
from cxr_demo.films.image import by_area
from cxr_demo.inference.scoring import Budget, Scorer
from cxr_demo.methods import GradCAM, GradCAMPlusPlus, LayerCAM
from cxr_demo.methods.cam import packaged
from cxr_demo.models.classifier import Classifier, build
from cxr_demo.types import ModelSpec
from tests.support import planted

TINY = {"growth_rate": 8, "block_config": (2, 2, 2, 2), "num_init_features": 16}


def network(architecture="DenseNet", size=224, findings=5, arguments=TINY):
    torch.manual_seed(4)
    labels = tuple(f"Finding {i}" for i in range(findings))
    made = build(architecture, arguments, findings)
    for module in made.modules():  # as after training: no statistics of 0 and 1
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    # weights of both signs and logits of the size that trained networks have
    with torch.no_grad():
        scale = made.eval()(torch.zeros(1, 1, size, size).uniform_(-1024, 1024)).std()
        made.head.weight.div_(scale)
    spec = ModelSpec("net", architecture, arguments, labels, size, "nothing", "Apache-2.0")
    return Classifier(spec, made, "test:net@1")


def noise_film(height, width=None, seed=0):
    rng = np.random.default_rng(seed)
    return planted.film(rng.random((height, width or height)))


def scorer_of(model, film):
    x = torch.from_numpy(image.model_input(film, model.size, model.spec.pixel_range))
    return Scorer(model, x, Budget())


def final(model, film, method):
    *_, result = Case(model, film).explain(method)
    return result


@pytest.mark.parametrize(
    ("architecture", "arguments", "size", "cells"),
    [
        ("DenseNet", TINY, 224, 7),
        ("DenseNet", TINY, 512, 16),
        ("DenseNet", TINY, 200, 6),  # the cells do not divide the input
        ("ResNet50", {}, 96, 3),
        ("ResNet50", {}, 80, 3),
    ],
)
def test_the_cells_are_the_logit(architecture, arguments, size, cells):
    model, film = network(architecture, size, arguments=arguments), noise_film(size + 7, size)
    logits = Case(model, film).predict().logits
    assert np.abs(logits).max() > 0.1
    result = final(model, film, GradCAM())
    assert result.values.shape == (5, size, size)
    assert scorer_of(model, film).features.shape[2:] == (cells, cells)
    bias = model.head[1].numpy()
    np.testing.assert_allclose(49 * result.values.mean((1, 2), dtype=np.float64) + bias, logits, atol=1e-4)
    assert result.values.min() < 0 < result.values.max()


def test_planted_maps_are_known_exactly():
    values = planted.pixels()
    result = final(planted.classifier(), planted.film(values), GradCAM())
    c = planted.CELL
    per_cell = planted.density(values).reshape(4, 8, c, 8, c).sum((2, 4))
    expected = np.kron(per_cell * 64 / 49, np.ones((c, c)))  # 64 cells of which each is 49 / 64 of the reference
    np.testing.assert_allclose(result.values, expected, atol=1e-6)


def test_the_package_agrees_up_to_its_own_scale():
    """Its Grad-CAM is ours without what speaks against, stretched from 0 to 1."""
    from pytorch_grad_cam import GradCAM as Package

    model, film = network(), noise_film(224)
    cells = final(model, film, GradCAM()).values[:, 16::32, 16::32]
    ours = np.maximum(cells, 0)
    ours -= ours.min((1, 2), keepdims=True)
    ours /= ours.max((1, 2), keepdims=True)
    np.testing.assert_allclose(packaged(Package, scorer_of(model, film)), ours, atol=1e-4)


@pytest.mark.parametrize("name", ["HiResCAM", "XGradCAM"])
def test_cousins_of_gradcam_coincide_with_it(name):
    """Before a mean and a linear head the gradient of a channel is the same in all cells."""
    import pytorch_grad_cam

    model, film = network(), noise_film(224)
    ours = stretched(np.maximum(final(model, film, GradCAM()).values[:, 16::32, 16::32], 0))
    np.testing.assert_allclose(packaged(getattr(pytorch_grad_cam, name), scorer_of(model, film)), ours, atol=1e-3)


def test_ablation_cam_weights_channels_by_what_they_add_to_the_logit():
    """So it coincides with Grad-CAM only where all channels have the same mean."""
    from pytorch_grad_cam import AblationCAM

    model, film = network(), noise_film(224)
    scorer = scorer_of(model, film)
    features = scorer.features.numpy().astype(np.float64)
    added = model.head[0].numpy() * features.mean((2, 3))  # (L, C)
    weights = added / scorer.base[:, None]
    expected = stretched(np.maximum(np.tensordot(weights, features[0], (1, 0)), 0))
    np.testing.assert_allclose(packaged(AblationCAM, scorer), expected, atol=1e-3)
    gradcam = stretched(np.maximum(final(model, film, GradCAM()).values[:, 16::32, 16::32], 0))
    assert np.abs(gradcam - expected).max() > 0.1


def gradients(model, scorer):
    """Of every logit by the feature map: (L, C, 1, 1), the same in every cell."""
    return (model.head[0] / scorer.features[0, 0].numel()).numpy().astype(np.float64)[:, :, None, None]


def stretched(maps):
    for _ in range(2):  # as the package does: its guard of 1e-7 shows after the first
        maps = maps - maps.min((1, 2), keepdims=True)
        maps = maps / (maps.max((1, 2), keepdims=True) + 1e-7)
    return maps


def test_layercam_by_its_formula():
    model, film = network(), noise_film(224)
    scorer = scorer_of(model, film)
    features = scorer.features.numpy()
    maps = stretched((np.maximum(gradients(model, scorer), 0) * features).sum(1))
    np.testing.assert_allclose(final(model, film, LayerCAM()).values[:, 16::32, 16::32], maps, atol=1e-4)


def test_gradcampp_by_its_formula():
    """Equations 11 and 19 of the paper, with the package's guard against dividing by zero."""
    model, film = network(), noise_film(224)
    scorer = scorer_of(model, film)
    features, g = scorer.features.numpy().astype(np.float64), gradients(model, scorer)
    alpha = g**2 / (2 * g**2 + features.sum((2, 3), keepdims=True) * g**3 + 1e-6)
    weights = features[0, 0].size * alpha * np.maximum(g, 0)
    maps = stretched(np.maximum((weights * features).sum(1), 0))
    np.testing.assert_allclose(final(model, film, GradCAMPlusPlus()).values[:, 16::32, 16::32], maps, atol=1e-4)


@pytest.mark.parametrize("kind", [GradCAMPlusPlus, LayerCAM])
def test_rankings_reach_from_0_to_1(kind):
    values = final(network(), noise_film(224), kind()).values
    np.testing.assert_allclose(values.max((1, 2)), 1, atol=1e-4)
    np.testing.assert_allclose(values.min((1, 2)), 0, atol=1e-6)


@pytest.mark.parametrize(("cells", "size"), [((7, 7), 224), ((6, 6), 200), ((3, 5), 7), ((4, 4), 4), ((16, 16), 10)])
def test_spreading_takes_cells_by_area(cells, size):
    maps = np.random.default_rng(2).normal(size=(2, *cells))
    # every pixel cut into as many parts as there are cells: each part lies on one cell
    fine = np.stack([np.kron(m, np.ones((size, size))) for m in maps])
    expected = fine.reshape(2, size, cells[0], size, cells[1]).mean((2, 4))
    np.testing.assert_allclose(by_area(maps, size), expected, atol=1e-12)
    np.testing.assert_allclose(by_area(maps, size).mean((1, 2)), maps.mean((1, 2)), atol=1e-12)


def test_cells_stay_where_they_are():
    cells = np.arange(49.0).reshape(1, 7, 7)
    at = by_area(cells, 224)[0]
    assert at[0, 0] == at[31, 31] == 0
    assert at[0, 223] == 6
    assert at[32 * 2 + 5, 32 * 3 + 31] == 2 * 7 + 3


def test_prediction_and_maps_share_one_pass():
    model = planted.classifier()
    case = Case(model, planted.film())
    case.predict()
    for kind in (GradCAM, GradCAMPlusPlus, LayerCAM):
        (result,) = case.explain(kind())
        assert (result.forwards, result.steps, result.complete) == (1, (0, 0), True)
    assert model.images() == 1
