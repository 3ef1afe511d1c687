"""Models whose weights are permuted: how deep, what stays, and that maps of the model change."""

import numpy as np
import pytest
import torch

from cxr_demo.case import Case
from cxr_demo.errors import BadSetting
from cxr_demo.evaluation import randomisation, trust
from cxr_demo.films import image, phantom
from cxr_demo.methods import GradCAM
from cxr_demo.models import model_folder
from tests.support.serving import save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_folder.load(save_model(tmp_path_factory.mktemp("model") / "tiny"), "tiny")


def weights(model):
    return {name: p.detach() for name, p in model.network.model.named_parameters()}


@pytest.mark.parametrize("depth", randomisation.DEPTHS)
def test_weights_are_the_same_ones_in_other_places(model, depth):
    before, after = weights(model), weights(randomisation.permuted(model, depth))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    for name in before:
        assert torch.equal(before[name].flatten().sort()[0], after[name].flatten().sort()[0])
    many = [name for name in before if before[name].unique().numel() > 1]
    heads = [name for name in many if name.startswith("classifier") and name.endswith("weight")]
    assert set(heads) <= changed
    if depth == "classifier":
        assert changed == set(heads)
    if depth == "everything":
        assert set(many) - {"classifier.bias"} <= changed


def test_deeper_permutes_more(model):
    before = weights(model)
    changed = [
        sum(
            not torch.equal(before[name], after)
            for name, after in weights(randomisation.permuted(model, depth)).items()
        )
        for depth in randomisation.DEPTHS
    ]
    assert changed == sorted(set(changed))


def test_scale_and_shift_of_a_norm_stay_together(model):
    """Or channels would get the shift of one and the scale of another, which no training ever saw together."""
    other = randomisation.permuted(model, "everything")
    pairs = []
    for one in (model, other):
        norm = next(m for m in one.network.model.modules() if isinstance(m, torch.nn.BatchNorm2d))
        pairs.append(sorted(zip(norm.weight.tolist(), norm.bias.tolist(), strict=True)))
    assert pairs[0] == pairs[1]


def test_the_model_itself_is_left_as_it_was(model):
    before = {name: value.clone() for name, value in model.tensors.items()}
    randomisation.permuted(model, "everything")
    for name, value in model.tensors.items():
        assert torch.equal(value, before[name])
    assert not any(m.training for m in model.network.modules())


def test_activations_neither_vanish_nor_explode(model):
    film = phantom.PHANTOMS["effusion"].film()
    x = torch.from_numpy(image.model_input(film, model.size))
    features = randomisation.permuted(model, "everything").features(x)
    assert torch.isfinite(features).all()
    assert 1e-3 < float(features.std()) < 1e3


def test_it_is_made_once_and_named(model):
    assert randomisation.permuted(model, "classifier") is randomisation.permuted(model, "classifier")
    assert randomisation.permuted(model, "last third").name == f"{model.name}, last third permuted"
    with pytest.raises(BadSetting, match="choose one of classifier, last third"):
        randomisation.permuted(model, "half")


def test_grad_cam_of_a_permuted_classifier_is_another(model):
    film = phantom.PHANTOMS["effusion"].film()
    maps = [
        trust.on_grid(list(Case(one, film).explain(GradCAM()))[-1].values)
        for one in (model, randomisation.permuted(model, "classifier"))
    ]
    assert np.nanmean(randomisation.kept(*maps)) < randomisation.STAYS
    np.testing.assert_allclose(randomisation.kept(maps[0], -2 * maps[0]), 1)


def test_what_shows_the_film_whatever_the_model_is_kept():
    edges = np.random.default_rng(0).uniform(size=(3, 8, 8))
    assert (randomisation.kept(edges, edges * np.array([1, -1, 2])[:, None, None]) >= randomisation.STAYS).all()
    assert np.isnan(randomisation.kept(np.zeros((1, 4, 4)), np.ones((1, 4, 4)))).all()
