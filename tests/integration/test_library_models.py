"""Models of timm and transformers: predictions as by their library, maps by all methods, refusals by name."""

import functools
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM as Packaged
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cxr_demo import cli, methods
from cxr_demo.case import Case
from cxr_demo.errors import BadModel, BadSetting, ModelUnavailable, UnknownModel
from cxr_demo.evaluation.randomisation import DEPTHS, permuted
from cxr_demo.films import image
from cxr_demo.inference import engine, openvino
from cxr_demo.models import registry
from cxr_demo.models.foreign import usual_name
from cxr_demo.output import viewer_data
from cxr_demo.single_flight import SingleFlight
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


def case_of(kind, folder, tmp_path):
    """A film with the square, and the model of a folder."""
    model = registry.load(named(kind, folder))
    film, _ = film_of(model, tmp_path)
    return Case(model, image.read(film))


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
    case = case_of(kind, saved(kind), tmp_path)
    model = case.model
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
    case = case_of(kind, saved(kind), tmp_path)
    model = case.model
    layer, tokens = LAYERS[kind]
    own = loaded(kind, saved(kind))
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
    "transformers:Dinov2": ("dinov2.layernorm", 1),
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


def test_threads_do_not_mix_up_their_films(saved):
    """All of them share one network, whose layer is watched."""
    model = registry.load(named("timm:vit", saved("timm:vit")))
    films = torch.rand(4, 1, 1, model.size, model.size)
    empty = torch.zeros_like(model.first(films[0])[0])
    together = threading.Barrier(len(films))

    def work(x):
        found = []
        for _ in range(10):
            together.wait()
            with torch.no_grad():
                found.append((*model.first(x), model.network.rest(empty, x)))
        return found

    with ThreadPoolExecutor(len(films)) as pool:
        results = list(pool.map(work, films))
    for x, found in zip(films, results, strict=True):
        with torch.no_grad():
            expected = (*model.first(x), model.network.rest(empty, x))
        for one in found:
            for ours, theirs in zip(one, expected, strict=True):
                torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


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


@pytest.mark.parametrize("revision", ["main", "v1"])
def test_a_branch_of_the_hub_is_followed(hub, saved, revision):
    files = {path.name: path.read_bytes() for path in saved("timm:resnet").iterdir()}
    repo = hub.repo("someone/branches")
    commit = repo.commit(files)
    repo.refs["v1"] = commit
    assert registry.load(f"timm:someone/branches@{revision}").name == f"timm:someone/branches@{commit}"


def test_a_folders_full_name_is_its_model_and_follows_its_description(folder):
    here = folder("transformers:ViT")
    first = registry.load(named("transformers:ViT", here))
    place, revision = registry.parse(first.name)[1:]
    assert (place, first.name) == (str(here), f"transformers:{here}@{revision}")
    processor = json.loads((here / "preprocessor_config.json").read_text())
    (here / "preprocessor_config.json").write_text(json.dumps(processor | {"image_mean": [0.4, 0.4, 0.4]}))
    registry._loaded = SingleFlight()
    with pytest.raises(ModelUnavailable, match="what goes by this name now"):
        registry.load(first.name)
    second = registry.load(named("transformers:ViT", here))
    assert openvino.folder_of(first) != openvino.folder_of(second), "graphs of another normalisation"


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("kind", ["timm:vit", "timm:resnet"])
def test_permuted_weights_change_the_scores(saved, kind, depth):
    model = registry.load(named(kind, saved(kind)))
    x = torch.rand(1, 1, model.size, model.size)
    assert not torch.allclose(permuted(model, depth).logits(x), model.logits(x), atol=1e-3)


def test_weights_in_half_precision_are_read_in_float32(folder):
    here = folder("transformers:ViT")
    loaded("transformers:ViT", here).half().save_pretrained(here)
    model = registry.load(named("transformers:ViT", here))
    assert {tensor.dtype for tensor in model.tensors.values() if tensor.is_floating_point()} == {torch.float32}


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
    with pytest.raises(BadModel, match=r"has no model\.safetensors\. Pickled weights .* can run any code"):
        registry.load(named(kind, here))


def test_pickled_weights_on_the_hub_are_refused(hub, saved):
    config = (saved("timm:resnet") / "config.json").read_bytes()
    hub.repo("someone/pickled").commit({"config.json": config, "pytorch_model.bin": b"cos\nsystem\n."})
    with pytest.raises(BadModel, match=r"someone/pickled at main has no model\.safetensors.* Pickled weights"):
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
        ("timm:resnet", {"label_names": "abc"}, "does not name the outputs"),
        ("timm:resnet", {"label_names": {"n01": "a", "n02": "b", "n03": "c"}}, "does not name the outputs"),
        ("timm:resnet", {"label_names": ["one", "two"]}, "has 3 outputs for 2 labels"),
        ("timm:resnet", {"label_names": ["one", "two", "two"]}, "the same name twice"),
        ("timm:resnet", {"label_names": ["one", "two", " "]}, "missing or blank"),
        ("timm:resnet", {"architecture": "resnet1"}, "timm cannot load"),
        ("timm:resnet", {"architecture": "resnet50"}, "timm cannot load"),
        ("timm:resnet", {"pretrained_cfg": None}, "timm cannot load"),
        ("transformers:ResNet", {"depths": [1, 1, 1, 2]}, "lacks .* tensors"),
        ("transformers:ResNet", {"hidden_sizes": [32, 64, 128, 128]}, "lacks .* tensors"),
        ("transformers:ResNet", {"model_type": "resnot"}, "transformers cannot load"),
        ("transformers:ResNet", {"id2label": {"0": "a", "2": "b", "5": "c"}}, "transformers cannot load"),
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


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("EfficientNetImageProcessor", {"include_top": True}),
        ("ViTImageProcessor", {"size": None}),
        ("ViTImageProcessor", {"size": {"height": 64, "width": 32}}),
        ("ViTImageProcessor", {"auto_map": {"AutoImageProcessor": "evil.Processor"}}),
        ("LevitImageProcessor", {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}),
    ],
)
def test_a_processor_that_does_more_than_crop_and_normalise_is_refused(folder, kind, changes):
    here = folder("transformers:ResNet")
    processor = json.loads((here / "preprocessor_config.json").read_text())
    (here / "preprocessor_config.json").write_text(json.dumps(processor | {"image_processor_type": kind} | changes))
    with pytest.raises(BadModel):
        registry.load(named("transformers:ResNet", here))


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


def test_a_softmax_is_explained_against_all_its_other_classes(tmp_path):
    save("transformers:ResNet", tmp_path / "model", problem="single_label_classification")
    name = f"transformers:{tmp_path / 'model'}"
    film_file, _ = film_of(registry.load(name), tmp_path)
    words = ["--model", name, "--method", "gradcam", "--label", "Square", "--against", "the others"]
    assert cli.main(["explain", str(film_file), "--out", str(tmp_path / "out"), *words]) == 0
    folder = tmp_path / "out" / film_file.stem
    assert [path.name for path in folder.glob("*.png")] == ["gradcam-Square-rather-than-the-others.png"]
    told, maps = json.loads((folder / "result.json").read_text()), np.load(folder / "maps.npz")["gradcam"]
    p = np.array(told["probabilities"], np.float64)
    assert p.sum() == pytest.approx(1, abs=1e-5)
    wanted = maps[2] - (p[0] * maps[0] + p[1] * maps[1]) / (p[0] + p[1])
    assert told["pictures"]["full_colour"]["gradcam"] == pytest.approx(np.abs(wanted).max(), rel=1e-4)
    case = Case(registry.load(name), image.read(film_file))
    assert viewer_data.case_fields(case.film, case.predict())["exclusive"]
