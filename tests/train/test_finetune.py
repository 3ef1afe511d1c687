"""The training loop: killed and resumed, divided among processes, stopped early, from every kind of start."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from cxr_demo.errors import BadModel, DataError, UnknownModel
from cxr_demo.films import label_tables
from cxr_demo.models import classifier, model_folder
from tests.support import hub_server
from tests.support.library_models import loaded, save
from tests.support.training import LABELS, TINY, flags, plant
from train import backbones, checkpoint, finetune, runs
from train.recipe import Recipe

hub = hub_server.hub

ROOT = Path(__file__).parents[2]
#: The trainer's command line, with a checkpoint after every step.
OFTEN = "import sys; from train import cli, finetune; finetune.SAVE_EVERY = 0; sys.exit(cli.main())"


def command(table: Path, out: Path, recipe: Recipe, *more: str) -> list[str]:
    return ["fit", str(table), "--out", str(out), "--folds", "2", "--labels", *LABELS, *flags(recipe), *more]


def start(python: list[str], words: list[str]) -> subprocess.Popen:
    env = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "ACCELERATE_USE_CPU": "true"}
    env["PYTHONPATH"] = str(ROOT)
    return subprocess.Popen([sys.executable, *python, *words], cwd=ROOT, env=env, stdout=subprocess.DEVNULL)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return model_folder.load(folder, "m").tensors


def test_killed_anywhere_and_resumed_it_ends_bit_for_bit_as_if_it_had_not_been(tmp_path):
    path = plant(tmp_path / "films", 64)
    recipe = dataclasses.replace(
        TINY, epochs=2, coarse_epochs=2, head_epochs=1, dropout=0.3, validation=0.2, mirror=0.5
    )
    assert start(["-c", OFTEN], command(path, tmp_path / "whole", recipe)).wait() == 0
    resume: list[str] = command(path, tmp_path / "killed", recipe)
    kills = 0
    while True:
        process = start(["-c", OFTEN], resume)
        target = sorted((tmp_path / "killed").glob("training/*/checkpoint.safetensors"))
        seen = {p: p.stat().st_mtime_ns for p in target}
        while process.poll() is None:
            now = {p: p.stat().st_mtime_ns for p in (tmp_path / "killed").glob("training/*/checkpoint.safetensors")}
            # soon after a checkpoint moved, in other places each time
            if kills < 3 and now != seen and len(now) > kills:
                time.sleep(0.05 * kills)
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.005)
        if process.wait() == 0:
            break
        assert process.returncode == -signal.SIGKILL
        resume = ["resume", str(tmp_path / "killed")]
    assert kills == 3
    for name in ("fold-0", "fold-1", "all"):
        whole, killed = weights(tmp_path / "whole" / name), weights(tmp_path / "killed" / name)
        assert all(torch.equal(whole[n], killed[n]) for n in whole)
        logs = [
            [json.loads(line) | {"seconds": 0} for line in log.read_text().splitlines()]
            for log in (tmp_path / run / "training" / name / "log.jsonl" for run in ("whole", "killed"))
        ]
        assert logs[0] == logs[1]
        assert len(logs[0]) == 5


def test_two_processes_learn_what_one_learns(tmp_path):
    path = plant(tmp_path / "films", 69)
    # the batch norms learn, as by default; an odd batch is divided into unequal parts
    recipe = dataclasses.replace(
        TINY, epochs=2, coarse_epochs=1, head_epochs=1, mirror=0.5, batch=15, accumulate=2, dropout=0.3
    )
    assert not recipe.freeze_norm
    # `accelerate launch --cpu` starts a single process whatever number it is given
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "train"]
    one = ["-m", "train"]
    processes = [
        start(two, command(path, tmp_path / "two", recipe)),
        start(one, command(path, tmp_path / "one", recipe)),
    ]
    assert [process.wait() for process in processes] == [0, 0]
    scored = [np.load(tmp_path / run / "out_of_fold.npz")["logits"] for run in ("two", "one")]
    assert scored[0].shape == (69, 2)
    # rounding differs, and Adam enlarges it where a scale is without effect before another norm
    assert np.abs(scored[0] - scored[1]).max() < 2e-3


#: Trains in double precision, so that rounding cannot hide or feign a difference, and keeps the weights.
EXACT = """
import dataclasses, sys, torch
from tests.support.training import TINY
from tests.train.test_finetune import lessons, network
from train import finetune
recipe = dataclasses.replace(
    TINY, head_epochs=1, coarse_epochs=1, epochs=2, batch=15, accumulate=2, dropout=0.3, mirror=0.5
)
to_range = finetune.to_range
finetune.to_range = lambda x: to_range(x.double())
trainer = finetune.Trainer(network(recipe).double(), lessons(), recipe)
trained = trainer.run(lambda _: None)
torch.save(trained.model.state_dict(), f"{sys.argv[1]}-{trainer.accelerator.process_index}.pt")
"""


def test_a_training_divided_among_two_processes_gives_the_same_weights(tmp_path):
    (tmp_path / "exact.py").write_text(EXACT)
    script = [str(tmp_path / "exact.py")]
    two = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    processes = [start([*two, *script], [str(tmp_path / "two")]), start(script, [str(tmp_path / "one")])]
    assert [process.wait() for process in processes] == [0, 0]
    one, *halves = (torch.load(tmp_path / f"{name}.pt") for name in ("one-0", "two-0", "two-1"))
    assert any("running_mean" in name for name in one)
    assert not torch.equal(one["features.norm0.running_mean"], torch.zeros_like(one["features.norm0.running_mean"]))
    for half in halves:
        assert max(float((half[name] - one[name]).abs().max()) for name in one) <= 1e-5


def lessons(**changes) -> finetune.TrainingData:
    """64 films: the first finding is brightness, the second noise."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (64, 2)).astype(np.float32)
    views = (rng.normal(90, 10, (64, 32, 32)) + 60 * targets[:, :1, None]).clip(0, 255).astype(np.uint8)
    rows = np.arange(64)
    return finetune.TrainingData(**{"views": views, "targets": targets, "rows": rows[:48], "held": rows[48:]} | changes)


def network(recipe: Recipe) -> classifier.Network:
    return backbones.find(recipe).network(LABELS, recipe.seed)


def test_it_stops_when_validation_gets_no_better_and_keeps_the_best():
    recipe = dataclasses.replace(TINY, epochs=30, coarse_epochs=0, patience=2, fine_rate=3e-2)
    trainer = finetune.Trainer(network(recipe), lessons(), recipe)
    found = trainer.run(lambda _: None)
    aurocs = [row["auroc"] for row in trainer.at.history]
    assert len(aurocs) < 30
    assert len(aurocs) == int(np.argmax(aurocs)) + 1 + 2
    after = finetune.logits(found, lessons().views, lessons().held)
    best = np.nanmean([finetune.evaluate.auroc(lessons().targets[48:, i], after[:, i]) for i in range(2)])
    assert best == pytest.approx(max(aurocs))


def test_only_the_head_learns_at_first_and_frozen_layers_never():
    recipe = dataclasses.replace(TINY, head_epochs=1, coarse_epochs=0, epochs=0, ema=0.0)
    before = {n: t.clone() for n, t in network(recipe).model.state_dict().items()}
    after = finetune.Trainer(network(recipe), lessons(), recipe).run(lambda _: None).model.state_dict()
    changed = {n for n in before if not torch.equal(before[n], after[n])}
    assert changed == {"classifier.weight", "classifier.bias"}
    recipe = dataclasses.replace(TINY, coarse_epochs=0, epochs=1, frozen_layers=4, ema=0.0)
    after = finetune.Trainer(network(recipe), lessons(), recipe).run(lambda _: None).model.state_dict()
    still = {n for n in before if torch.equal(before[n], after[n])}
    assert {n for n in before if n.startswith(("features.conv0", "features.norm0"))} <= still
    assert "features.norm5.weight" not in still


def test_the_rate_warms_up_and_follows_a_cosine_down():
    shares = [finetune.rate_at(i / 100, 0.1) for i in range(100)]
    assert max(shares) == shares[10] == 1
    assert shares[0] == pytest.approx(0.04)
    assert shares[55] == pytest.approx(0.5)
    assert shares[99] < 0.001


def test_boxes_pull_the_map_into_them():
    corner = np.zeros((2, 28, 28), np.uint8)
    corner[0, :7, :7] = 1
    recipe = dataclasses.replace(TINY, coarse_epochs=0, epochs=12, validation=0, box_weight=2.0, rotate=0, mirror=0)
    rng = np.random.default_rng(1)
    views = rng.integers(0, 256, (64, 32, 32), np.uint8)
    views[:, :8, :8] = 255
    for weight, wanted in ((2.0, True), (0.0, False)):
        chosen = dataclasses.replace(recipe, box_weight=weight)
        taught = lessons(views=views, held=np.arange(0), boxes=dict.fromkeys(range(48), corner))
        found = finetune.Trainer(network(chosen), taught, chosen).run(lambda _: None)
        with torch.no_grad():
            features = found.features(finetune.to_range(finetune.to_input(views[48:])))
            maps = torch.einsum("nchw,c->nhw", features, found.head.weight[0])
        peaks = [divmod(int(m.argmax()), m.shape[1]) for m in maps]
        inside = np.mean([max(y, x) < maps.shape[1] / 4 for y, x in peaks])
        assert (inside > 0.9) == wanted


def test_imagenet_weights_know_pictures():
    backbone = backbones.imagenet({})
    assert "ImageNet" in backbone.name
    net = backbone.network(("Mass",), 0)
    assert net.head.out_features == 1
    astronaut = pytest.importorskip("skimage.data").astronaut().mean(2)
    x = torch.nn.functional.interpolate(torch.tensor(astronaut, dtype=torch.float32)[None, None], (224, 224)) / 255
    with torch.no_grad():
        features = net.eval().features(finetune.to_range(x)).mean((2, 3))[0]
    # the weights' own head would be needed for a class; features that are neither dead nor exploded are not by chance
    assert 0.05 < features.mean() < 3
    assert (features > 0).float().mean() > 0.5


def test_a_pyramid_starts_with_the_imagenet_weights():
    plain, recipe = backbones.imagenet({}), dataclasses.replace(TINY, backbone="imagenet", arguments='{"pyramid": 16}')
    finer = backbones.find(recipe)
    published = [*plain.tensors.values()]
    assert all(torch.equal(*pair) for pair in zip(published, finer.tensors.values(), strict=False))
    assert len(finer.tensors) > len(published)
    net = finer.network(("Mass",), 0)
    assert (finer.arguments, net.head.in_features) == ({"pyramid": 16}, 32)
    again = backbones.find(recipe)
    assert all(torch.equal(again.tensors[name], tensor) for name, tensor in finer.tensors.items())
    with pytest.raises(BadModel, match="does not take these arguments"):
        backbones.find(dataclasses.replace(recipe, arguments='{"pyramids": 16}'))


def test_networks_of_timm_start_with_their_weights(hub, tmp_path):
    save("timm:resnet", tmp_path / "resnet")
    files = {path.name: path.read_bytes() for path in (tmp_path / "resnet").iterdir()}
    commit = hub.repo("timm/resnet10t").commit({**files, "README.md": b"---\nlicense: mit\n---\n"})
    backbone = backbones.find(dataclasses.replace(TINY, backbone="timm:resnet10t", size=64))
    assert (backbone.name, backbone.licence) == (f"timm:timm/resnet10t@{commit}", "mit")
    network, own = backbone.network(LABELS, 0).eval(), loaded("timm:resnet", tmp_path / "resnet")
    x = torch.rand(2, 1, 64, 64)
    mean, std = (torch.tensor(own.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    with torch.no_grad():
        expected = own.forward_features((x - mean) / std)
        assert torch.allclose(network.features(finetune.to_range(x)), expected, atol=1e-4)
        assert network(finetune.to_range(x)).shape == (2, len(LABELS))


def test_a_folder_of_timm_is_fitted_and_its_model_is_read(tmp_path):
    save("timm:resnet", tmp_path / "resnet")
    recipe = dataclasses.replace(TINY, backbone=f"timm:{tmp_path / 'resnet'}", size=64, coarse_size=64, epochs=1)
    out = tmp_path / "run"
    assert start(["-m", "train"], command(plant(tmp_path / "films", 64), out, recipe)).wait() == 0
    spec = model_folder.load(out / "all", "m").spec
    assert (spec.architecture, spec.arguments["name"]) == ("timm", "resnet10t")
    assert spec.base_weights.startswith("timm:resnet@")


def test_a_network_of_timm_that_does_not_end_in_a_mean_and_a_linear_layer_is_refused(tmp_path):
    save("timm:convnext", tmp_path / "convnext")
    with pytest.raises(DataError, match="does not end in a mean and a linear layer"):
        backbones.find(dataclasses.replace(TINY, backbone=f"timm:{tmp_path / 'convnext'}", size=64))


@pytest.mark.parametrize("arguments", [{"checkpoint_path": "x.pth"}, {"pretrained_cfg": {}}, {"name": "hf-hub:a/b"}])
def test_a_description_cannot_make_timm_fetch_weights(arguments):
    given = {"name": "resnet10t", "mean": (0.5,) * 3, "std": (0.5,) * 3, **arguments}
    with pytest.raises(BadModel, match="is not an architecture of timm or one of its arguments"):
        classifier.build("timm", given, 2)


def test_a_start_keeps_the_rows_of_findings_it_knows(tmp_path):
    recipe = dataclasses.replace(TINY, backbone="bundled:pneumothorax")
    backbone = backbones.find(recipe)
    both = backbone.network(("Mass", "Pneumothorax"), 0)
    known = next(t for n, t in backbone.tensors.items() if n.endswith("classifier.weight"))
    assert torch.equal(both.head.weight[1], known[0])
    assert not torch.equal(both.head.weight[0], known[0])
    assert backbone.name.startswith("bundled:pneumothorax@")
    with pytest.raises(UnknownModel):
        backbones.find(dataclasses.replace(TINY, backbone="nothing-like-it"))
    with pytest.raises(DataError, match="not JSON"):
        backbones.find(dataclasses.replace(TINY, arguments="{"))


def test_a_damaged_checkpoint_is_named(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    checkpoint.write(path, {"a": torch.ones(2)}, {"x": [0.1, 1e-17]})
    tensors, numbers = checkpoint.read(path)
    assert torch.equal(tensors["a"], torch.ones(2))
    assert numbers == {"x": [0.1, 1e-17]}
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DataError, match="no checkpoint"):
        checkpoint.read(path)


def test_a_run_without_a_plan_is_refused(tmp_path):
    with pytest.raises(DataError, match="holds no run"):
        runs.loads(tmp_path)
    assert label_tables.UNCERTAIN  # the recipe's choices are the policy's


@pytest.mark.parametrize(("steps", "kept"), [(1, 2 / 11), (10, 11 / 20), (100_000, 0.99)])
def test_the_averaged_weights_keep_little_of_the_first_ones(steps, kept):
    mean, now = torch.tensor([1.0, 5.0]), torch.tensor([3.0, 4.0])
    expected = kept * mean + (1 - kept) * now
    finetune.averaging(0.99)([mean], [now], torch.tensor(steps))
    torch.testing.assert_close(mean, expected)
