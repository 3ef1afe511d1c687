"""What a model's repository has beside the model: a picture of its maps, and timm's description of the network."""

import json

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import parse_eval_result_entries
from PIL import Image

from cxr_demo.models import classifier, model_folder, registry
from cxr_demo.types import ModelSpec, Score
from train import card, hub_files

SMALL = {
    "DenseNet": {"growth_rate": 8, "block_config": (1, 1, 1, 1), "num_init_features": 16},
    "ResNet50": {},
    "timm": {"name": "resnet10t", "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)},
    "timm, one channel": {"name": "resnet10t", "mean": (0.4,), "std": (0.2,), "in_chans": 1},
    "timm, one finding": {"name": "resnet10t", "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)},
}


@pytest.fixture
def no_picture(monkeypatch):
    """Leaves out the maps, which take half a minute."""
    monkeypatch.setattr(hub_files, "_picture", lambda folder, repo: "Mass")


def model_of(folder, architecture, arguments, labels=("Mass", "Effusion"), scores=()):
    torch.manual_seed(3)
    network = classifier.build(architecture, arguments, len(labels)).eval()
    spec = ModelSpec(
        name="Small", architecture=architecture, arguments=arguments, labels=labels, size=64,
        trained_on="Nothing.", licence="Apache-2.0", scores=scores,
    )  # fmt: skip
    model_folder.save(folder, spec, network, card.write(spec, "train"))
    return folder


@pytest.mark.parametrize("kind", SMALL)
def test_timm_gives_the_same_logits(kind, tmp_path, no_picture):
    labels = ("Mass",) if "finding" in kind else ("Mass", "Effusion")
    folder = model_of(tmp_path / "model", kind.partition(",")[0], SMALL[kind], labels)
    hub_files.add(folder, "someone/small", None)
    there, here = registry.load(f"timm:{folder / 'timm'}"), model_folder.load(folder, "here")
    x = torch.linspace(-1024, 1024, 64 * 64).reshape(1, 1, 64, 64)
    low, high = there.spec.pixel_range
    scaled = (x / 2048 + 0.5) * (high - low) + low
    np.testing.assert_allclose(there.logits(scaled).numpy(), here.logits(x).numpy(), rtol=1e-3, atol=1e-4)
    assert there.labels == here.labels
    assert not there.network.exclusive
    assert "create_model" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [("EfficientNetLite0", {}), ("DenseNet", {**SMALL["DenseNet"], "num_init_features": 8})],
)
def test_networks_that_timm_lacks_have_no_folder_for_it(architecture, arguments, tmp_path, no_picture):
    folder = model_of(tmp_path / "model", architecture, arguments)
    hub_files.add(folder, "someone/small", None)
    assert not (folder / "timm").exists()
    assert "timm" not in (folder / "README.md").read_text()


def test_the_card_shows_maps_and_the_lines_that_load_the_model(tmp_path):
    folder = model_of(tmp_path / "model", "DenseNet", SMALL["DenseNet"], ("Pneumothorax",))
    hub_files.add(folder, "someone/small", None)
    text = (folder / "README.md").read_text()
    assert text.startswith("---\n")
    assert text.index("# Small") < text.index("(maps.png)") < text.index("## Use it") < text.index("## How good it is")
    assert "maps of Pneumothorax by Grad-CAM, LIME and occlusion" in text
    assert 'cxr.load("someone/small")' in text
    picture = Image.open(folder / "maps.png")
    assert picture.width == 4 * 448
    grey, *maps = np.split(np.asarray(picture).astype(int)[:400], 4, axis=1)
    assert not np.ptp(grey, axis=2).any()
    assert all(np.ptp(shown, axis=2).any() for shown in maps)


def test_results_on_a_benchmark_lie_where_the_hub_reads_them(tmp_path, no_picture):
    scores = tuple(Score("mean", s, "AUROC", 0.75, 0.7, 0.8, 40, 100) for s in ("all sources", "within a"))
    folder = model_of(tmp_path / "model", "EfficientNetLite0", {}, scores=scores)
    hub_files.add(folder, "someone/small", ("clinic/films", "auroc"))
    (entry,) = parse_eval_result_entries(yaml.safe_load((folder / ".eval_results/films.yaml").read_text()))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("clinic/films", "auroc", 0.75)
    assert json.loads((folder / "config.json").read_text())["format"] == 1
