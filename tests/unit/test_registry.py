"""Where models come from: names, folders, a Hub, torchxrayvision's weights; and what is refused on the way."""

import hashlib
import threading
from pathlib import Path

import pytest
import torch

from cxr_demo.errors import BadModel, ModelUnavailable, UnknownModel
from cxr_demo.models import hub as client
from cxr_demo.models import model_folder, registry
from cxr_demo.single_flight import SingleFlight
from cxr_demo.types import NIH_FINDINGS
from tests.support import hub_server
from tests.support.tiny_model import SPEC, network

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
    at_cutoff = {f"{name} at the cut-off" for name in ("sensitivity", "specificity", "precision")}
    metrics = {"AUROC", "average precision", "Grad-CAM pointing"} | at_cutoff
    assert {score.metric for score in model.spec.scores} == metrics
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
