"""Models of timm and transformers: predictions as by their library, maps by all methods, refusals by name."""

import functools
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM as Packaged
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import BadModel, BadSetting, UnknownModel
from cxr_demo.films import image
from cxr_demo.inference import engine
from cxr_demo.models import registry
from cxr_demo.models.foreign import usual_name
from cxr_demo.types import REFERENCE_AREA
from tests.support import hub_server
from tests.support.library_models import KINDS, LABELS, SIDE, SQUARE, by_the_library, films, loaded, save

hub = hub_server.hub

#: Networks that end in a mean and a linear layer.
EXACT = {"timm:resnet", "timm:densenet", "timm:swin", "transformers:ResNet", "transformers:Swin"}
#: One of each architecture, for slow tests.
EACH = ["timm:resnet", "timm:densenet", "timm:vit", "transformers:ConvNext", "transformers:DeiT", "transformers:Swin"]
#: Settings with which each method takes a second.
QUICK = {
    "lime": {"samples": 100},
    "shap": {"samples": 128},
    "occlusion": {"window": SQUARE, "stride": 8},
    "ig": {"steps": 8},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function from a kind to the folder that its library wrote."""

    @functools.cache
    def of(kind):
        folder = tmp_path_factory.mktemp("models") / kind.replace(":", "-")
        save(kind, folder)
        return folder

    return of


def named(kind, folder):
    return f"{kind.partition(':')[0]}:{folder}"


def film_of(model, folder, seed=0):
    """A film as large as the model's view, with the square, and the square's top and left."""
    pixels, there, at = films(8, model.size, seed)
    i = int(there.argmax())
    path = folder / f"film-{model.size}-{seed}.png"
    Image.fromarray((pixels[i] * 255).round().astype(np.uint8)).save(path)
    return path, at[i]


@pytest.mark.parametrize("kind", KINDS)
def test_the_prediction_is_the_librarys_own(saved, tmp_path, kind):
    folder = saved(kind)
    model = registry.load(named(kind, folder))
    assert model.labels == ("No Finding", "Effusion", "Square")
    film, _ = film_of(model, tmp_path)
    prediction = Case(model, image.read(film)).predict()
    expected = by_the_library(kind, folder, film)
    np.testing.assert_allclose(prediction.logits, expected, atol=1e-4)
    np.testing.assert_allclose(prediction.probabilities, torch.sigmoid(torch.from_numpy(expected)), atol=1e-4)
    assert model.network.exact == (kind in EXACT)


@pytest.mark.parametrize("kind", EACH)
def test_every_method_explains_it(saved, tmp_path, kind):
    folder = saved(kind)
    model = registry.load(named(kind, folder))
    film, _ = film_of(model, tmp_path)
    case = Case(model, image.read(film))
    for method in methods.METHODS:
        made = case.last_explanation(methods.method(method.key, QUICK.get(method.key, {})))
        assert made.complete, method.key
        assert made.values.shape == (3, model.size, model.size)
        assert np.abs(made.values).max() > 0, method.key
        if method is methods.GradCAM:
            total = made.values.astype(np.float64).mean((1, 2)) / REFERENCE_AREA
            missing = np.zeros(3) if made.missing is None else made.missing
            assert (made.missing is None) == (kind in EXACT), "what is not exact is said"
            expected = method().expected_sums(case.scorer())
            np.testing.assert_allclose(total + missing, expected, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_grad_cam_is_that_of_the_package(saved, tmp_path, kind):
    """Which knows the layer and how its output holds the map; ours found them."""
    folder = saved(kind)
    model = registry.load(named(kind, folder))
    film, _ = film_of(model, tmp_path)
    case = Case(model, image.read(film))
    layer, tokens = LAYERS[kind]
    own = loaded(kind, folder)
    network = own if kind.startswith("timm") else _Logits(own)
    takes = model.network.takes
    seen = slice(takes.margins[0], takes.margins[0] + takes.size)
    x = (case.first.x[:, :, seen, seen].expand(-1, 3, -1, -1) - model.network._mean) / model.network._std

    def cells(output):
        if tokens is None:
            return output
        return output.permute(0, 3, 1, 2) if tokens == "last" else _square(output[:, tokens:])

    packaged = _Signed(network, [functools.reduce(_part, layer.split("."), own)], reshape_transform=cells)
    ours = case.scorer().cells()
    for i in range(len(LABELS)):
        packaged(x, [ClassifierOutputTarget(i)])
        np.testing.assert_allclose(ours[i], packaged.map * ours[i].size, rtol=1e-3, atol=1e-4 * np.abs(ours[i]).max())


#: The layer of each kind's feature map by the library's name, and the number of tokens before those of places.
LAYERS = {
    "timm:resnet": ("layer4", None),
    "timm:densenet": ("features", None),
    "timm:convnext": ("stages", None),
    "timm:vit": ("blocks.1", 1),
    "timm:deit": ("blocks.1", 2),
    "timm:swin": ("norm", "last"),
    "transformers:ResNet": ("resnet.encoder.stages.3", None),
    "transformers:ConvNext": ("convnext.encoder.stages.3", None),
    "transformers:ViT": ("vit.layers.1", 1),
    "transformers:DeiT": ("deit.layers.1", 2),
    "transformers:Swin": ("swin.layernorm", 0),
}


def _part(module, name):
    return module[int(name)] if name.isdecimal() else getattr(module, name)


def _square(tokens):
    side = round(tokens.shape[1] ** 0.5)
    return tokens.transpose(1, 2).unflatten(2, (side, side))


class _Signed(Packaged):
    """Keeps its map as it is before it cuts off what is below 0 and scales the rest."""

    def get_cam_image(self, *given, **more):
        found = super().get_cam_image(*given, **more)
        self.map = found[0]
        return found


class _Logits(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x).logits


@pytest.mark.parametrize("kind", KINDS)
def test_occlusion_finds_the_square(saved, tmp_path, kind):
    model = registry.load(named(kind, saved(kind)))
    near = 0
    for seed in range(5):
        film, (top, left) = film_of(model, tmp_path, seed)
        method = methods.method("occlusion", {"window": SQUARE, "stride": 8, "fill": "mean"})
        values = Case(model, image.read(film)).last_explanation(method).values[-1]
        row, column = np.unravel_index(values.argmax(), values.shape)
        near += abs(row - top - SQUARE / 2) <= SQUARE and abs(column - left - SQUARE / 2) <= SQUARE
    assert near >= 3, "of five; by chance one in eight would be"


def test_what_the_network_does_not_see_has_no_evidence(saved, tmp_path):
    """DeiT's processor cuts off a margin, 4 pixels before and 5 after."""
    model = registry.load(named("transformers:DeiT", saved("transformers:DeiT")))
    assert (model.size, model.network.margins, model.seen) == (SIDE + 9, (4, 5), SIDE)
    film, _ = film_of(model, tmp_path)
    case = Case(model, image.read(film))
    for key in ("gradcam", "gradcampp", "ig"):
        values = case.last_explanation(methods.method(key, QUICK.get(key, {}))).values
        inside = values[:, 4:-5, 4:-5]
        assert np.abs(inside).sum() > 0
        assert np.abs(values).sum() == pytest.approx(np.abs(inside).sum()), key


@pytest.mark.parametrize("kind", ["timm:vit", "timm:resnet", "transformers:Swin"])
def test_openvino_agrees(saved, kind):
    model = registry.load(named(kind, saved(kind)))
    chosen = engine.engine_of(model)
    assert isinstance(chosen, engine.OpenVINO)
    x, fill = torch.rand(1, 1, model.size, model.size), torch.full((1, 1, model.size, model.size), 0.3)
    covers = np.zeros((3, model.size, model.size), np.float32)
    covers[1, :20, 30:50] = 1
    covers[2] = 0.5
    close = engine.plain(model).logits(covers, x, fill)
    np.testing.assert_allclose(chosen.logits(covers, x, fill), close, atol=0.1 * np.abs(close).max())


def test_threads_do_not_mix_up_their_films(saved, tmp_path):
    """All of them share one network, whose layer is watched."""
    model = registry.load(named("timm:vit", saved("timm:vit")))
    cases = [Case(model, image.read(film_of(model, tmp_path, seed)[0])) for seed in range(8)]
    alone = [case.scorer().cells() for case in cases]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda case: Case(model, case.film).scorer().cells(), cases * 4))
    for one, other in zip(alone * 4, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(one).max())


@pytest.mark.parametrize("problem", [None, "single_label_classification"])
@pytest.mark.parametrize("kind", ["timm:resnet", "transformers:ResNet"])
def test_probabilities_of_classes_that_exclude_one_another_sum_to_one(tmp_path, kind, problem):
    save(kind, tmp_path, problem=problem)
    model = registry.load(named(kind, tmp_path))
    logits = np.array([[2.0, 1.0, -1.0], [1000.0, 0.0, -1000.0]], np.float32)
    expected = torch.softmax(torch.from_numpy(logits), 1).numpy()
    np.testing.assert_allclose(model.probabilities(logits), expected, atol=1e-6)


# ------------------------------------------------------------------ names and the Hub


@pytest.mark.parametrize("kind", ["timm:vit", "transformers:ViT"])
def test_a_model_of_the_hub_is_downloaded_once(hub, saved, kind):
    folder = saved(kind)
    files = {path.name: path.read_bytes() for path in folder.iterdir()}
    commit = hub.repo("someone/vit").commit({**files, "README.md": b"---\nlicense: mit\n---\n# A card"})
    library = kind.partition(":")[0]
    model = registry.load(f"{library}:someone/vit")
    assert model.name == f"{library}:someone/vit@{commit}"
    assert model.spec.licence == "mit"
    assert registry.card(model.name) == "# A card"
    assert registry.parse(model.name) == (library, "someone/vit", commit)
    hub.stop()
    assert registry.load(model.name) is model


def test_timms_own_name_of_the_hub_is_known():
    assert registry.parse("hf-hub:someone/vit") == ("timm", "someone/vit", "")


@pytest.mark.parametrize(
    ("label", "usual"),
    [
        ("pleural effusion", "Effusion"),
        ("Pleural_Thickening", "Pleural_Thickening"),
        ("PNEUMONIA", "Pneumonia"),
        ("lung opacity", "Lung_Opacity"),
        ("No Finding", "No Finding"),
        ("Bacterial pneumonia", "Bacterial pneumonia"),
    ],
)
def test_findings_are_known_by_the_names_that_data_sets_give_them(label, usual):
    assert usual_name(label) == usual


# ------------------------------------------------------------------ refusals


@pytest.fixture
def folder(saved, tmp_path):
    return lambda kind: Path(shutil.copytree(saved(kind), tmp_path / "model"))


@pytest.mark.parametrize("kind", ["timm:resnet", "transformers:ResNet"])
def test_pickled_weights_are_refused(folder, kind):
    here = folder(kind)
    torch.save({}, here / "pytorch_model.bin")
    (here / "model.safetensors").unlink()
    with pytest.raises(BadModel, match=r"has no model\.safetensors.* pickled, can run any code"):
        registry.load(named(kind, here))


def test_pickled_weights_on_the_hub_are_refused(hub, saved):
    config = (saved("timm:resnet") / "config.json").read_bytes()
    hub.repo("someone/pickled").commit({"config.json": config, "pytorch_model.bin": b"cos\nsystem\n."})
    with pytest.raises(BadModel, match=r"someone/pickled has no model\.safetensors"):
        registry.load("timm:someone/pickled")


@pytest.mark.parametrize("kind", ["timm:resnet", "transformers:ResNet"])
def test_code_of_its_own_is_refused_before_it_runs(folder, kind):
    here = folder(kind)
    change(here, auto_map={"AutoModelForImageClassification": "evil.Model"})
    (here / "evil.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(BadModel, match=r"brings code of its own \(auto_map in config\.json\)"):
        registry.load(named(kind, here))


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        ("timm:resnet", {"label_names": None}, "does not name the outputs"),
        ("timm:resnet", {"label_names": ["one", "two"]}, "timm cannot build this model"),
        ("timm:resnet", {"architecture": "resnet1"}, "timm cannot build this model"),
        ("timm:resnet", {"architecture": "resnet50"}, "timm cannot build this model"),
        ("transformers:ResNet", {"depths": [1, 1, 1, 2]}, "lacks .* tensors"),
        ("transformers:ResNet", {"model_type": "resnot"}, "transformers cannot load this model"),
        ("transformers:ResNet", {"problem_type": "regression"}, "is a regression"),
    ],
)
def test_descriptions_that_do_not_fit_are_named(folder, kind, changes, said):
    here = folder(kind)
    change(here, **changes)
    with pytest.raises(BadModel, match=said):
        registry.load(named(kind, here))


def change(folder, **entries):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | entries))


def test_a_model_without_a_processor_is_refused(folder):
    here = folder("transformers:ViT")
    (here / "preprocessor_config.json").unlink()
    with pytest.raises(BadModel, match=r"has no preprocessor_config\.json"):
        registry.load(named("transformers:ViT", here))


def test_a_missing_library_is_named(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    with pytest.raises(BadSetting, match="pip install timm"):
        registry.load("timm:./anything")


def test_a_missing_folder_is_named():
    with pytest.raises(UnknownModel, match="nowhere"):
        registry.load("timm:./nowhere")


@pytest.mark.parametrize(("kind", "prefix"), [("timm:vit", "timm:"), ("transformers:ViT", "transformers:")])
def test_a_folder_without_the_library_in_its_name_gets_the_advice(saved, kind, prefix):
    with pytest.raises(BadModel, match=f"put {prefix} before its name"):
        registry.load(str(saved(kind)))
