"""Where models come from: names, folders, a Hub, torchxrayvision's weights; and what is refused on the way."""

import dataclasses
import hashlib
import io
import math
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cxr_demo.errors import BadModel, ModelUnavailable, UnknownModel, UnreadableImage
from cxr_demo.models import hub as client
from cxr_demo.models import model_folder, registry, xrv_weights
from cxr_demo.models.classifier import PUBLISHED
from cxr_demo.single_flight import SingleFlight
from cxr_demo.types import NIH_FINDINGS
from tests import hub_server
from tests.test_model_folder import SPEC, network

with warnings.catch_warnings():
    import torchxrayvision as xrv
    from torchvision.models import resnet50

# huggingface_hub 2.4 sends large files with an argument that its own HTTP library calls old
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

hub = hub_server.hub


@pytest.fixture(autouse=True)
def _nothing_is_loaded_yet(monkeypatch):
    monkeypatch.setattr(registry, "_loaded", SingleFlight())
    monkeypatch.delenv("CXR_MODEL", raising=False)
    monkeypatch.delenv("CXR_MODELS", raising=False)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A model folder, with the working directory beside it."""
    monkeypatch.chdir(tmp_path)
    model_folder.save(tmp_path / "tiny", SPEC, network(), "---\nlicense: x\n---\n# Card\n")
    return tmp_path / "tiny"


# ---------------------------------------------------------------------- names


def test_a_folder_by_every_way_to_write_it(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:8]
    for name in ("./tiny", "tiny", f"../{folder.parent.name}/tiny", str(folder), "~/tiny"):
        assert registry.load(name).name == f"{name}@{digest}"
        assert registry.load(f"{name}@{digest}").name == f"{name}@{digest}"


def test_a_folder_whose_name_holds_an_at(folder):
    folder.rename("a@b")
    assert registry.load("./a@b").name.startswith("./a@b@")


def test_the_default_is_bundled_or_what_the_environment_says(folder, monkeypatch):
    monkeypatch.setattr(registry, "BUNDLED", folder.parent)
    folder.rename("nih14")
    assert registry.load().name.startswith("bundled:nih14@")
    monkeypatch.setenv("CXR_MODEL", "./nih14")
    assert registry.load().name.startswith("./nih14@")


@pytest.mark.parametrize(("name", "labels"), [("nih14", NIH_FINDINGS), ("pneumothorax", ("Pneumothorax",))])
def test_the_bundled_models_are_here_and_small(name, labels):
    model = registry.load(f"bundled:{name}")
    assert model.labels == labels
    assert model.spec.calibration is not None
    assert model.spec.thresholds is not None
    assert {score.metric for score in model.spec.scores} == {"AUROC", "average precision", "Grad-CAM pointing"}
    assert (registry.BUNDLED / name / "model.safetensors").stat().st_size <= 8_000_000
    assert registry.card(model.name).startswith("# ")


def test_a_bundled_model_that_is_missing_is_no_other_model(folder, monkeypatch):
    monkeypatch.setattr(registry, "BUNDLED", folder.parent)
    with pytest.raises(ModelUnavailable, match="bundled:nih14 is missing in this copy"):
        registry.load()


def test_another_revision_than_asked_for_is_refused(folder):
    with pytest.raises(ModelUnavailable, match=r"revision [0-9a-f]{8}\. Leave out @00000000 to use that"):
        registry.load("./tiny@00000000")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("bundled:nih", "Did you mean bundled:nih14"),
        ("bundled:nih15", "Did you mean bundled:nih14"),
        ("nih14", "Did you mean bundled:nih14"),
        ("xrv:pneumothorax", "Did you mean bundled:pneumothorax"),
        ("xrv:densenet121-res224-al", "Did you mean xrv:densenet121-res224-all"),
        ("densenet121-res224-mimic_nb", "Did you mean xrv:densenet121-res224-mimic_nb"),
        ("something", r"There are bundled:nih14, .*xrv:resnet50-res512-all, .*owner/name@revision"),
        ("owner/name/more", "There is no model 'owner/name/more'"),
        ("./nowhere", "There is no folder ./nowhere"),
        ("~nobody-of-this-name/x", "There is no folder ~nobody"),
    ],
)
def test_a_name_of_nothing_says_what_there_is(folder, name, sentence):
    with pytest.raises(UnknownModel, match=sentence):
        registry.load(name)


def test_a_far_name_gets_no_guess():
    with pytest.raises(UnknownModel) as refused:
        registry.load("something")
    assert "Did you mean" not in str(refused.value)


def test_what_a_visitor_may_choose(monkeypatch):
    names = [choice.name for choice in registry.choices()]
    assert names == [
        "bundled:nih14", "bundled:pneumothorax", "xrv:resnet50-res512-all", "xrv:densenet121-res224-all"
    ]  # fmt: skip
    monkeypatch.setenv("CXR_MODELS", " ./a, xrv:densenet121-res224-pc ,./a,")
    assert [c.name for c in registry.choices()] == ["./a", "xrv:densenet121-res224-pc"]
    assert "PadChest" in registry.choices()[1].title
    monkeypatch.setenv("CXR_MODEL", "xrv:densenet121-res224-pc")
    assert [c.name for c in registry.choices()] == ["xrv:densenet121-res224-pc", "./a"]


@pytest.mark.parametrize(
    ("listed", "names", "open_"),
    [
        ("", registry.OFFERED[:-1], True),
        ("hub", ("bundled:nih14",), True),
        ("hub, ./a", ("./a",), True),
        ("./a,./hub", ("./a", "./hub"), False),
    ],
)
def test_the_hub_is_no_model_but_a_leave_to_name_one(monkeypatch, listed, names, open_):
    monkeypatch.setenv("CXR_MODELS", listed)
    assert tuple(choice.name for choice in registry.choices()) == names
    assert registry.takes_guests() == open_
    monkeypatch.setenv("CXR_MODEL", "./b")
    assert tuple(choice.name for choice in registry.choices()) == ("./b", *(names if listed != "hub" else ()))


def test_the_hub_is_not_the_pages_model(monkeypatch):
    monkeypatch.setenv("CXR_MODEL", "hub")
    with pytest.raises(UnknownModel, match="There is no model 'hub'"):
        registry.load()


def test_listing_needs_neither_torch_nor_the_hubs_library():
    code = (
        "import sys; from cxr_demo.models import hub, registry, xrv_weights\n"
        "assert len(registry.choices()) == 4 and len(hub.example_films()) == 1\n"
        "assert all(map(xrv_weights.title, xrv_weights.ZOO))\n"
        "assert not {'torch', 'torchxrayvision', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)


def test_eight_threads_share_one_load(folder, monkeypatch):
    reads = []
    read = model_folder.load
    monkeypatch.setattr(model_folder, "load", lambda *args, **more: reads.append(args) or read(*args, **more))
    found = []
    threads = [threading.Thread(target=lambda: found.append(registry.load("./tiny"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reads) == 1
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert registry.load(found[0].name) is found[0]
    assert len(reads) == 1


def test_an_error_is_not_kept(folder):
    folder.rename("away")
    with pytest.raises(UnknownModel):
        registry.load("./tiny")
    Path("away").rename("tiny")
    registry.load("./tiny")


def test_a_model_that_takes_long_is_waited_for_so_long_and_then_is_there(folder, monkeypatch):
    arrived, read = threading.Event(), model_folder.load
    monkeypatch.setattr(model_folder, "load", lambda *args, **more: arrived.wait(20) and read(*args, **more))
    for _ in range(2):
        with pytest.raises(ModelUnavailable, match=r"\./tiny is still being fetched; please try again"):
            registry.load("./tiny", 0.05)
    arrived.set()
    assert registry.load("./tiny", 20) is registry.load("./tiny")


def test_cards(folder, hub):
    assert registry.card("./tiny") == "# Card"
    client.push(folder, "someone/tiny")
    assert registry.card("someone/tiny") == "# Card"
    (folder / "README.md").unlink()
    assert registry.card("./tiny").startswith("# tiny\n\n`./tiny@")
    assert SPEC.trained_on in registry.card("./tiny")


# ---------------------------------------------------------------------- the Hub


@torch.no_grad()
def test_a_hub_model_is_named_by_its_commit_and_loads_by_that_name(folder, hub, monkeypatch):
    first = client.push(folder, "someone/tiny")
    model = registry.load("someone/tiny")
    assert model.name == f"someone/tiny@{first}"
    model_folder.save(folder, SPEC, network(seed=1), "")
    client.push(folder, "someone/tiny")
    monkeypatch.setattr(registry, "_loaded", SingleFlight())
    hub.log.clear()
    again = registry.load(model.name)
    assert hub.log == []
    x = torch.randn(1, 1, 64, 64)
    assert torch.equal(model.logits(x), again.logits(x))


def test_hub_names_that_fail(folder, hub):
    with pytest.raises(UnknownModel, match="has no repository 'someone/tiny'"):
        registry.load("someone/tiny")
    hub.repo("someone/tiny").commit({"weights.bin": b""})
    with pytest.raises(BadModel, match=r"someone/tiny at main has no config\.json"):
        registry.load("someone/tiny")
    hub.stop()
    with pytest.raises(ModelUnavailable, match="someone/else cannot be reached"):
        registry.load("someone/else@v1")


# ---------------------------------------------------------------------- torchxrayvision's weights


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
    "with operating points": lambda state: {**state, "op_threshs": torch.rand(18)},
    "half precision": lambda state: {n: t.half() if t.is_floating_point() else t for n, t in state.items()},
}


@pytest.mark.parametrize("shape", SHAPES)
@torch.no_grad()
def test_zoo_files_of_every_shape_give_the_librarys_logits(hub, densenet, shape):
    name = "densenet121-res224-chex"
    commit = put(hub, name, SHAPES[shape](densenet.state_dict()))
    model = registry.load(f"xrv:{name}")
    labels = PUBLISHED[name]["labels"]
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


def test_the_zoo_is_the_librarys():
    canonical = {name for name in PUBLISHED if "-res" in name}
    assert set(xrv_weights.ZOO) == canonical
    for weights in xrv_weights.ZOO.values():
        assert weights.revision == "main" or len(weights.revision) == 40
        assert weights.sha256 is None or (len(weights.sha256) == 64 and weights.revision != "main")


@pytest.mark.parametrize("name", xrv_weights.ZOO)
def test_zoo_descriptions(name):
    spec = xrv_weights.describe(name)
    known = dict(zip(PUBLISHED[name]["labels"], PUBLISHED[name]["op_threshs"], strict=True))
    assert model_folder.loads(model_folder.dumps(spec)).labels == spec.labels == tuple(filter(None, known))
    assert spec.size == int(name.split("-res")[1][:3])
    sigmoid = (lambda t: 1 / (1 + math.exp(-t))) if name.startswith("resnet") else (lambda t: t)
    np.testing.assert_allclose([sigmoid(t) for t in spec.thresholds], [known[label] for label in spec.labels])
    assert np.nanmax(spec.thresholds) < 0.35
    seen = name.split("-")[-1] in ("all", "nih", "rsna")
    assert ("NIH films were among them" in spec.trained_on) == seen


def test_the_resnets_operating_points_are_probabilities_again():
    """The file's 0.50 to 0.54 become the range of the DenseNets; a finding without a point keeps none."""
    spec = xrv_weights.describe("resnet50-res512-all")
    points = dict(zip(spec.labels, spec.thresholds, strict=True))
    assert points["Infiltration"] == pytest.approx(0.1518, abs=1e-4)
    assert points["Hernia"] == pytest.approx(0.0083, abs=1e-4)
    assert math.isnan(points["Lung Lesion"])


def test_rescaling_is_the_librarys_own():
    p, t = torch.rand(4, 18, generator=torch.Generator().manual_seed(0)), torch.rand(18)
    np.testing.assert_allclose(xrv_weights.rescaled(p.numpy(), t.numpy()), xrv.models.op_norm(p, t).numpy(), rtol=1e-5)


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
    # small weights and a bias give outputs that are known: the probability is the operating point, shown as 0.5
    state = {n: t * 0 if n.startswith("classifier.") else t for n, t in densenet.state_dict().items()}
    points = torch.tensor(PUBLISHED[name]["op_threshs"]).nan_to_num(0.5)
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


@pytest.mark.parametrize("name", xrv_weights.PRINTED)
def test_what_the_authors_print_belongs_to_labels_there_are(name):
    assert set(xrv_weights.PRINTED[name]) == set(filter(None, PUBLISHED[name]["labels"]))
