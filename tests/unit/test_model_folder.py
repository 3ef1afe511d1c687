"""Model folders: what goes in comes out, and whatever does not fit is refused with a sentence."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cxr_demo.errors import BadModel
from cxr_demo.models import model_folder
from tests.support.tiny_model import ARGUMENTS, SPEC, network


@pytest.fixture
def folder(tmp_path):
    model_folder.save(tmp_path / "tiny", SPEC, network(), "# Card\n")
    return tmp_path / "tiny"


def edit(folder, **changes):
    """Fields of config.json set, or left out where the value is `...`."""
    path = folder / "config.json"
    data = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({k: v for k, v in data.items() if v is not ...}))


def edit_weights(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


@torch.no_grad()
def test_a_saved_model_comes_back(folder):
    model = model_folder.load(folder, "./tiny")
    x = torch.randn(3, 1, 64, 64)
    torch.testing.assert_close(model.logits(x), network()(x), rtol=1e-5, atol=1e-5)
    assert model.spec == SPEC == model_folder.read_spec(folder)
    assert model_folder.read_card(folder) == "# Card\n"


def test_its_name_carries_the_revision(folder):
    import hashlib

    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert model_folder.load(folder, "bundled:tiny").name == f"bundled:tiny@{digest[:8]}"
    assert model_folder.load(folder, "owner/tiny", revision="main").name == "owner/tiny@main"
    model_folder.save(folder, SPEC, network(seed=1), "")
    assert model_folder.load(folder, "bundled:tiny").name != f"bundled:tiny@{digest[:8]}"


def test_others_may_read_the_files(folder):
    modes = {path.stat().st_mode & 0o777 for path in folder.iterdir()}
    (folder / "plain").touch()
    assert modes == {(folder / "plain").stat().st_mode & 0o777}


def test_weight_files_carry_the_librarys_own_names(folder):
    import torchxrayvision as xrv

    theirs = xrv.models.DenseNet(weights=None, num_classes=2, **ARGUMENTS)
    theirs.load_state_dict(load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@torch.no_grad()
def test_half_precision_weights_run_in_float32(folder, dtype):
    edit_weights(folder, lambda w: {n: t.to(dtype) if t.is_floating_point() else t for n, t in w.items()})
    rounded = network()
    for tensor in rounded.model.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(tensor.to(dtype).float())
    x = torch.randn(1, 1, 64, 64)
    found = model_folder.load(folder, "half").logits(x)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, rounded(x), rtol=1e-5, atol=1e-5)
    assert (found - network()(x)).abs().max() > 0


def test_unknown_numbers_are_null_in_the_file_and_nan_in_the_description(tmp_path):
    spec = dataclasses.replace(SPEC, thresholds=(math.nan, 0.5), calibration=None)
    model_folder.save(tmp_path / "tiny", spec, network(), "")
    text = (tmp_path / "tiny" / "config.json").read_text()
    assert json.loads(text)["thresholds"] == [None, 0.5]
    assert "NaN" not in text
    found = model_folder.read_spec(tmp_path / "tiny").thresholds
    assert math.isnan(found[0])
    assert found[1] == 0.5


def test_numbers_of_numpy_are_written_as_numbers(tmp_path):
    import numpy as np

    spec = dataclasses.replace(SPEC, thresholds=tuple(np.float32([0.25, 0.75])), size=np.int64(64))
    assert model_folder.loads(model_folder.dumps(spec)) == SPEC


def test_fields_with_a_default_may_be_left_out(folder):
    edit(folder, calibration=..., scores=..., pixel_range=...)
    spec = model_folder.read_spec(folder)
    assert (spec.calibration, spec.scores, spec.pixel_range) == (None, (), (-1024.0, 1024.0))


SCORE = {"finding": "mean", "subset": "", "metric": "", "value": 1, "low": 0, "high": 1, "positives": 1, "films": 2}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 2}, "format 2 is not known here, only 1"),
        ({"format": True}, "format True is not known here"),
        ({"format": ...}, "has no `format`"),
        ({"licence": ...}, "licence is missing"),
        ({"colour": "red"}, "colour is not a field of format 1"),
        ({"size": "64"}, "size is '64', should be a whole number"),
        ({"size": 64.0}, "size is 64.0, should be a whole number"),
        ({"size": True}, "size is True, should be a whole number"),
        ({"size": 0}, "size is 0"),
        ({"name": None}, "name is None, should be a text"),
        ({"arguments": []}, "arguments is [], should be an object"),
        ({"labels": "Edema"}, "labels is 'Edema', should be a list"),
        ({"labels": ["Edema", 2]}, "labels[1] is 2, should be a text"),
        ({"labels": ["Edema", " "]}, "labels are missing or blank"),
        ({"labels": []}, "labels are missing or blank"),
        ({"labels": ["Edema", "Edema"]}, "the same name twice"),
        ({"calibration": [[1, 0]]}, "calibration has 1 entries for 2 labels"),
        ({"calibration": [[1, 0], [1]]}, "calibration[1] should have 2 values, has 1"),
        ({"calibration": [[1, 0], [None, 0]]}, "calibration holds numbers that are not finite"),
        ({"thresholds": [0.5, 0.5, 0.5]}, "thresholds has 3 entries for 2 labels"),
        ({"thresholds": [0.5, 1.5]}, "thresholds are probabilities"),
        ({"pixel_range": [1, -1]}, "pixel_range is 1 to -1"),
        ({"pixel_range": [0, None]}, "pixel_range is 0 to nan"),
        ({"scores": [{**SCORE, "films": "2"}]}, "scores[0].films is '2', should be a whole number"),
        ({"scores": [{**SCORE, "p": 0.1}]}, "scores[0].p is not a field"),
        ({"scores": [{"finding": "mean"}]}, "scores[0].films is missing"),
    ],
    ids=str,
)
def test_a_wrong_description_is_refused(folder, changes, sentence):
    edit(folder, **changes)
    with pytest.raises(BadModel) as refused:
        model_folder.read_spec(folder)
    assert sentence in str(refused.value)
    assert "config.json" in str(refused.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no `format`"),
        (b'{"format": NaN}', "NaN is no JSON number"),
        (b"\xff\xfe", "UTF-8"),
    ],
    ids=["{", "[[[", "[]", "NaN", "bytes"],
)
def test_what_is_no_description_is_refused(folder, text, sentence):
    (folder / "config.json").write_bytes(text)
    with pytest.raises(BadModel, match=sentence):
        model_folder.read_spec(folder)


def drop(name):
    return lambda w: {n: t for n, t in w.items() if n != name}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (drop("classifier.bias"), "lacks 1 tensors, e.g. classifier.bias"),
        (lambda w: {**w, "extra": torch.zeros(1)}, "has unexpected 1 tensors, e.g. extra"),
        (lambda w: {**w, "classifier.bias": torch.zeros(3)}, r"classifier.bias is \(3,\), should be \(2,\)"),
        (lambda w: {**w, "classifier.bias": torch.zeros(2, dtype=torch.int8)}, "classifier.bias is torch.int8"),
        (lambda w: {**w, "classifier.bias": torch.tensor([0, math.nan])}, "not finite"),
    ],
    ids=["missing", "unexpected", "shape", "type", "nan"],
)
def test_wrong_weights_are_refused(folder, change, sentence):
    edit_weights(folder, change)
    with pytest.raises(BadModel, match=sentence):
        model_folder.load(folder, "tiny")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"architecture": "VGG"}, "Unknown architecture 'VGG'; known are DenseNet"),
        ({"arguments": {"depth": 3}}, "does not take these arguments"),
        ({"arguments": {**ARGUMENTS, "growth_rate": -4}}, "does not take these arguments"),
        ({"arguments": {**ARGUMENTS, "num_init_features": 1.5}}, "does not take these arguments"),
        ({"arguments": {**ARGUMENTS, "drop_rate": "a"}}, "does not take films"),
        ({"arguments": {**ARGUMENTS, "in_channels": 3}}, r"conv0.weight is \(8, 1, 7, 7\), should be \(8, 3, 7, 7\)"),
        ({"arguments": {**ARGUMENTS, "growth_rate": 8}}, "model.safetensors"),
        ({"size": 8}, "does not take films of 8 pixels"),
    ],
    ids=str,
)
def test_a_description_of_another_network_is_refused(folder, changes, sentence):
    edit(folder, **changes)
    with pytest.raises(BadModel, match=sentence):
        model_folder.load(folder, "tiny")


def test_a_huge_network_is_refused_before_it_is_built(folder):
    edit(folder, arguments={**ARGUMENTS, "growth_rate": 10**6})
    with pytest.raises(BadModel):
        model_folder.load(folder, "tiny")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_its_files_is_no_model(folder, name):
    (folder / name).unlink()
    with pytest.raises(BadModel, match=f"is not a model folder: {name} cannot be read"):
        model_folder.load(folder, "tiny")


def test_a_cut_weight_file_is_refused(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BadModel, match="not a whole safetensors file"):
        model_folder.load(folder, "tiny")


def test_saving_again_replaces_the_model_and_keeps_what_else_lies_there(folder):
    (folder / "curves.csv").write_text("epoch,loss")
    other = dataclasses.replace(SPEC, name="second")
    model_folder.save(folder, other, network(seed=1), "# Second\n")
    assert model_folder.load(folder, "x").spec.name == "second"
    assert (folder / "curves.csv").read_text() == "epoch,loss"
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("spoilt", ["description", "weights", "rename"])
def test_a_save_that_fails_leaves_the_old_model_and_nothing_else(folder, spoilt, monkeypatch):
    spec = dataclasses.replace(SPEC, labels=("Edema", "")) if spoilt == "description" else SPEC
    if spoilt == "weights":
        monkeypatch.setattr("safetensors.torch.save", lambda *_, **__: 1 / 0)
    if spoilt == "rename":
        rename, failed = Path.rename, []

        def failing_once(self, to):
            if self.suffix == ".partial" and not failed:
                failed.append(self)
                raise ZeroDivisionError
            return rename(self, to)

        monkeypatch.setattr(Path, "rename", failing_once)
    with pytest.raises((BadModel, ZeroDivisionError)):
        model_folder.save(folder, spec, network(seed=1), "# Second\n")
    monkeypatch.undo()
    assert model_folder.read_card(folder) == "# Card\n"
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_half_precision_halves_the_file_and_hardly_changes_what_it_says(tmp_path):
    model_folder.save(tmp_path / "full", SPEC, network(), "")
    model_folder.save(tmp_path / "half", SPEC, network(), "", half=True)
    full, half = (model_folder.load(tmp_path / name, name) for name in ("full", "half"))
    assert {t.dtype for t in half.tensors.values() if t.is_floating_point()} == {torch.float32}
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.8 * sizes[0]
    x = torch.rand(2, 1, 64, 64) * 2048 - 1024
    assert torch.allclose(full.logits(x), half.logits(x), rtol=1e-2, atol=1e-2)
