"""torchxrayvision's networks in full size, from a Hub."""

import dataclasses
import hashlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_demo.errors import BadModel, ModelUnavailable, UnreadableImage
from cxr_demo.models import hub as client
from cxr_demo.models import registry, xrv_weights
from cxr_demo.models.classifier import published_models
from cxr_demo.single_flight import SingleFlight
from tests.support import hub_server

with warnings.catch_warnings():
    import torchxrayvision as xrv
    from torchvision.models import resnet50

hub = hub_server.hub


@pytest.fixture(autouse=True)
def _nothing_is_loaded_yet(monkeypatch):
    monkeypatch.setattr(registry, "_loaded", SingleFlight())


@pytest.fixture(scope="session")
def densenet():
    """The zoo's network with random weights, as the library builds it."""
    torch.manual_seed(3)
    return xrv.models.DenseNet(weights=None, num_classes=18).eval()


def put(hub, name, found):
    """Publish what torch.save makes of something as the weights of a zoo's model, at the commit the zoo wants."""
    file = io.BytesIO()
    torch.save(found, file)
    pinned = xrv_weights.ZOO[name].revision
    repo = hub.repo(f"torchxrayvision/{name}")
    return repo.commit({"model.pt": file.getvalue(), "config.json": b"{}"}, None if pinned == "main" else pinned)


def old_names(name):
    return name.replace("norm1", "norm.1").replace("conv2", "conv.2") if "denselayer" in name else name


SHAPES = {
    "bare": lambda state: state,
    "model.": lambda state: {f"model.{n}": t for n, t in state.items()},
    "module.model.": lambda state: {f"module.model.{n}": t for n, t in state.items()},
    "old names": lambda state: {old_names(n): t for n, t in state.items()},
    "with cut-offs": lambda state: {**state, "op_threshs": torch.rand(18)},
    "half precision": lambda state: {n: t.half() if t.is_floating_point() else t for n, t in state.items()},
}


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_zoo_files_of_every_shape_give_the_librarys_logits(hub, densenet, shape):
    name = "densenet121-res224-chex"
    commit = put(hub, name, SHAPES[shape](densenet.state_dict()))
    model = registry.load(f"xrv:{name}")
    labels = published_models()[name]["labels"]
    named = [i for i, label in enumerate(labels) if label]
    assert len(model.labels) == len(named) == 11
    assert model.labels == tuple(labels[i] for i in named)
    assert model.name == f"xrv:{name}@{commit[:12]}"
    x = torch.randn(1, 1, 224, 224, generator=torch.Generator().manual_seed(1))
    tolerance = 1e-2 if shape == "half precision" else 1e-4
    torch.testing.assert_close(model.logits(x), densenet(x)[:, named], rtol=tolerance, atol=tolerance)


@torch.no_grad()
def test_the_resnet_of_the_zoo_gives_torchvisions_logits(hub):
    name = "resnet50-res512-all"
    plain = resnet50(num_classes=18, weights=None)
    plain.conv1 = torch.nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    put(hub, name, plain.eval().state_dict())
    model = registry.load(f"xrv:{name}")
    x = torch.randn(1, 1, 512, 512)
    torch.testing.assert_close(model.logits(x), plain(x), rtol=1e-4, atol=1e-4)
    assert model.size == 512


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_pickled_module_is_refused_and_not_run(hub, densenet, tmp_path):
    put(hub, "densenet121-res224-nih", densenet)
    with pytest.raises(BadModel, match="a pickled program and not just tensors"):
        registry.load("xrv:densenet121-res224-nih")
    put(hub, "densenet121-res224-chex", {"weight": Bomb(tmp_path / "ran")})
    with pytest.raises(BadModel, match="a pickled program"):
        registry.load("xrv:densenet121-res224-chex")
    assert not (tmp_path / "ran").exists()


def first_14(state):
    return {n: t[:14] if n.startswith("classifier.") else t for n, t in state.items()}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (first_14, "has 14 outputs, should have 18"),
        (lambda s: {n: t for n, t in s.items() if "norm5" not in n}, "lacks 5 tensors"),
        (lambda s: {**s, "op_points": torch.rand(18)}, "has unexpected 1 tensors, e.g. op_points"),
        (lambda s: {**s, "model.features.conv0.weight": s["features.conv0.weight"]}, "some tensors twice"),
        (lambda s: list(s.values()), "does not hold tensors by name"),
        (lambda s: {"state_dict": dict(s)}, "does not hold tensors by name"),
    ],
    ids=["outputs", "missing", "unexpected", "twice", "list", "nested"],
)
def test_zoo_files_that_do_not_fit_are_refused(hub, densenet, change, sentence):
    put(hub, "densenet121-res224-nih", change(densenet.state_dict()))
    with pytest.raises(BadModel, match=sentence):
        registry.load("xrv:densenet121-res224-nih")


def test_a_file_that_is_no_weights_at_all_is_refused(hub):
    hub.repo("torchxrayvision/densenet121-res224-nih").commit({"model.pt": b"<html>"})
    with pytest.raises(BadModel):
        registry.load("xrv:densenet121-res224-nih")


def test_a_wrong_checksum_is_refused_before_anything_is_read(hub, monkeypatch):
    put(hub, "densenet121-res224-all", {})
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("the file was read"))
    with pytest.raises(BadModel, match=r"has the sha256 .*, should have 56524913dd16\.\.\.: refused"):
        registry.load("xrv:densenet121-res224-all")


def test_without_a_checksum_the_first_download_decides(hub, densenet, monkeypatch):
    name = "densenet121-res224-nih"
    put(hub, name, densenet.state_dict())
    registry.load(f"xrv:{name}")
    state = densenet.state_dict()
    put(hub, name, {**state, "classifier.bias": state["classifier.bias"] + 1})
    monkeypatch.setattr(registry, "_loaded", SingleFlight())
    with pytest.raises(BadModel, match=f"torchxrayvision/{name}/model.pt has the sha256"):
        registry.load(f"xrv:{name}")


def test_a_pinned_zoo_model_in_the_cache_asks_nothing(hub, densenet, monkeypatch):
    name = "densenet121-res224-mimic_nb"
    put(hub, name, densenet.state_dict())
    registry.load(f"xrv:{name}")
    monkeypatch.setattr(registry, "_loaded", SingleFlight())
    hub.log.clear()
    registry.load(f"xrv:{name}")
    assert hub.log == []
    with pytest.raises(ModelUnavailable, match="what goes by this name now is revision d519bacbbb4a"):
        registry.load(f"xrv:{name}@588eadcc6a74")


# ---------------------------------------------------------------------- verify


@pytest.fixture
def film(hub, monkeypatch):
    """A made-up film in the place of the public one."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 260), np.uint8)).save(file, "JPEG")
    example = dataclasses.replace(client.EXAMPLES[0], sha256=hashlib.sha256(file.getvalue()).hexdigest())
    monkeypatch.setattr(client, "EXAMPLES", (example,))
    hub.repo(example.space, "spaces").commit({example.path: file.getvalue()})


def test_verify_asks_the_hub_nothing_about_a_model_that_is_here(hub):
    for name in ("bundled:nih14", "bundled:pneumothorax"):
        said = registry.verify(name)
        assert said.startswith(f"{registry.load(name).name}: loads, and runs on phantom-normal.png (")
        assert said.endswith("no outputs are published to compare with.")
    assert hub.log == []


@pytest.mark.usefixtures("film")
def test_verify_compares_with_what_the_authors_print(hub, densenet, monkeypatch):
    name = "densenet121-res224-rsna"
    # small weights and a bias give outputs that are known: the probability is the cut-off, shown as 0.5
    state = {n: t * 0 if n.startswith("classifier.") else t for n, t in densenet.state_dict().items()}
    points = torch.tensor(published_models()[name]["op_threshs"]).nan_to_num(0.5)
    state["classifier.bias"] = torch.logit(points)
    put(hub, name, state)
    digest = hashlib.sha256(
        hub.repo(f"torchxrayvision/{name}").commits[xrv_weights.ZOO[name].revision]["model.pt"]
    ).hexdigest()
    monkeypatch.setitem(xrv_weights.ZOO, name, dataclasses.replace(xrv_weights.ZOO[name], sha256=digest))
    assert registry.verify(f"xrv:{name}").endswith("within 0.00 of the outputs that its authors print.")
    monkeypatch.setitem(xrv_weights.PRINTED, name, {"Pneumonia": 0.9})
    with pytest.raises(BadModel, match=r"is up to 0\.40 from the outputs"):
        registry.verify(f"xrv:{name}")


def test_verify_says_what_cannot_be_reached(hub, densenet, monkeypatch):
    name = "densenet121-res224-nih"
    put(hub, name, densenet.state_dict())
    registry.load(f"xrv:{name}")
    monkeypatch.setitem(xrv_weights.PRINTED, name, {"Mass": 0.5})
    hub.stop()
    with pytest.raises(UnreadableImage, match=r"example film .* cannot be fetched: .* Check the network"):
        registry.verify(f"xrv:{name}")
    with pytest.raises(ModelUnavailable, match=r"cannot be reached: .* Check the network"):
        registry.verify("xrv:densenet121-res224-all")
