"""The quick ways of running a model say what the plain one says, or are not used."""

import contextlib
import os
import pathlib
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from benchmarks import quality
from cxr_demo.films import image, phantom
from cxr_demo.inference import engine, patches
from cxr_demo.inference.openvino import Graphs
from cxr_demo.inference.scoring import Budget, Scorer
from cxr_demo.methods.occlusion import Occlusion
from cxr_demo.models import classifier, registry
from tests.support import planted
from tests.support.networks import KINDS, SIZE, asked, build


def by_hand(model, covers, x, fill):
    return np.concatenate([model.logits(x * (1 - c) + fill * c) for c in torch.from_numpy(covers)[:, None, None]])


@pytest.mark.parametrize("kind", KINDS)
def test_float32_paths_say_what_the_network_says(kind):
    model = build(kind)
    covers, x, fill = asked(3)  # not a full batch
    truth = by_hand(model, covers, x, fill)
    made = Graphs.of(model.network, SIZE, engine.BATCH)
    for found in (engine.plain(model), engine.OpenVINO(made, "float32", "float32")):
        logits = found.logits(covers, x, fill)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, truth, atol=1e-3)
        again = found.logits(covers[:1], x, fill)
        np.testing.assert_allclose(again, truth[:1], atol=1e-3)


def test_the_mean_of_folds_runs_as_one():
    models = [build("DenseNet"), build("DenseNet")]
    for parameter in models[1].network.model.parameters():
        parameter.data.mul_(1.1)
    network = classifier.mean_network(models)
    covers, x, fill = asked(3)
    truth = np.mean([by_hand(model, covers, x, fill) for model in models], 0)
    logits = engine.OpenVINO(Graphs.of(network, SIZE, engine.BATCH), "float32", "float32").logits(covers, x, fill)
    np.testing.assert_allclose(logits, truth, atol=1e-3)


def test_reduced_precision_keeps_the_maps():
    model = registry.load("bundled:nih14")
    if engine.engine_of(model).precision == "float32":
        pytest.skip("this processor has no reduced precision that the check accepts")
    exact = quality.in_float32(model)
    for key in ("effusion", "heart"):
        found = quality.occlusion(model, exact, image.decode(phantom.png(key), key), scored=100)
        assert min(found["occlusion correlation"]) >= 0.99
        assert max(found["occlusion tops apart"]) <= Occlusion().stride


def test_the_pages_settings_keep_the_maps_of_real_films(films):
    """What is interpolated and rounded together, against all windows in float32."""
    model = registry.load("bundled:nih14")
    exact, alike = quality.in_float32(model), []
    for path in quality.chosen(films / "nih" / "images", 6):
        alike += quality.occlusion(model, exact, image.read(path))["occlusion correlation"]
    assert len(alike) > 12
    assert np.median(alike) >= 0.99
    assert min(alike) >= 0.95


@pytest.mark.parametrize("kind", [*KINDS, "folds"])
def test_of_small_covers_only_what_they_reach_is_computed_anew(kind, monkeypatch):
    """Windows in corners, over edges and inside, of any size up to the largest, on two images in turn."""
    size, side = 160, patches.COVER
    if kind == "folds":
        models = [build("mirrored DenseNet", size), build("mirrored DenseNet", size)]
        model = classifier.Classifier(models[0].spec, classifier.mean_network(models), "test:folds")
    else:
        model = build(kind, size)
    made = Graphs.of(model.network, size, engine.BATCH)
    assert made.patches.pay
    found = engine.OpenVINO(made, "float32", "float32")
    whole = []
    monkeypatch.setattr(found, "_run_early", lambda *asked, run=found._run_early: whole.append(1) or run(*asked))
    _, x, fill = asked(0, size)
    other = x.flip(2) * 0.5
    corners = [(0, 0), (size - side, size - side), (0, size - 3), (70, 33), (size - 20, 40), (64, 64), (41, 0)]
    covers = np.zeros((len(corners), size, size), np.float32)
    for cover, (top, left) in zip(covers, corners, strict=True):
        cover[top : top + side, left : left + side] = np.random.default_rng(top).random()
    covers[6] = 0
    covers[6, 77, 91] = 1
    for image_, begun in ((x, 1), (x, 1), (other, 2), (x, 3)):
        for where in (slice(0, 4), slice(4, 7)):
            logits = found.logits(covers[where], image_, fill)
            np.testing.assert_allclose(logits, by_hand(model, covers[where], image_, fill), atol=1e-3)
        assert len(whole) == begun
    large = covers[:1].copy()
    large[0, : side + 1, :10] = 1
    np.testing.assert_allclose(found.logits(large, x, fill), by_hand(model, large, x, fill), atol=1e-3)
    assert len(whole) == 4
    np.testing.assert_allclose(found.logits(covers[:4], x, fill), by_hand(model, covers[:4], x, fill), atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_of_the_early_map_sees_no_further_than_said(kind):
    """Noise beyond that leaves the cell as it was; at that distance it changes it."""
    network = build(kind).network
    near, x, cell = patches.Patches(network, 128), torch.randn(1, 1, 128, 128) * 100, 7
    with torch.no_grad():
        before = network.early(x)[0, :, cell]
        for at in range(128):
            altered = x.clone()
            altered[0, 0, at] += 1000
            sees = cell * near.stride - near.before <= at <= cell * near.stride + near.after
            assert (network.early(altered)[0, :, cell] != before).any() == sees


def test_a_model_that_sees_everything_early_has_no_patches():
    class Whole(torch.nn.Module):
        def early(self, x):
            return x[..., ::8, ::8] + x.mean((2, 3), keepdim=True)

    assert not patches.Patches(Whole(), 160).pay


def test_numpys_threads_do_not_take_the_engines_cores():
    engine.engine_of(build("DenseNet"))
    assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system does not tell where threads may run")
def test_threads_may_run_on_every_core_so_that_processes_do_not_share_one():
    covers, x, fill = asked(3)
    found = engine.OpenVINO(Graphs.of(build("DenseNet").network, SIZE, engine.BATCH), "float32", "float32")
    found.logits(covers, x, fill)
    allowed = set()
    for thread in pathlib.Path("/proc/self/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            allowed.add(frozenset(os.sched_getaffinity(int(thread.name))))
    assert allowed == {frozenset(os.sched_getaffinity(os.getpid()))}


class Off(engine.Torch):
    """An engine that answers with an error."""

    exact = False

    def __init__(self, model, error):
        super().__init__(model.logits, 8)
        self.precision, self.error = f"off by {error}", error
        self.rng = np.random.default_rng(0)
        self.exact = False

    def logits(self, covers, x, fill):
        right = super().logits(covers, x, fill)
        return right + self.error * self.rng.normal(size=right.shape).astype(np.float32)


def effects(model):
    """The usual size of what covers do in the engine's own trial."""
    low, high = model.spec.pixel_range
    drawn = phantom.draw("effusion", model.size) / np.float32(255) * (high - low) + low
    return float(np.median(engine._effects(engine.plain(model), torch.from_numpy(drawn)[None, None]).std(0)))


@pytest.mark.usefixtures("no_engines_kept")
@pytest.mark.parametrize("share", [1.0, float("nan")])
def test_an_engine_that_disagrees_is_passed_over(share, monkeypatch):
    model = build("DenseNet")
    size = effects(model)
    wrong, right = Off(model, share * size), Off(model, 0.01 * size)
    monkeypatch.setattr(engine.torch.cuda, "is_available", lambda: False)  # a GPU would be chosen
    monkeypatch.setattr(engine, "keep", lambda *_: None)  # they have no graphs
    monkeypatch.setattr(engine, "rounds", lambda: True)
    monkeypatch.setattr(engine, "OpenVINO", lambda _, early, late: right if early == "float32" else wrong)
    assert engine.choose(model) is right
    monkeypatch.setattr(engine, "OpenVINO", lambda _, early, late: wrong)
    assert engine.choose(model) is None


def test_disagreement_is_the_share_of_noise_in_the_effects():
    model = build("DenseNet")
    noisy = Off(model, 0.3 * effects(model))
    # two noisy answers to each difference, but the one of the film itself is the same for all
    assert engine.disagreement(noisy, engine.plain(model), model) == pytest.approx(0.3, rel=0.35)
    assert engine.disagreement(engine.plain(model), engine.plain(model), model) == 0


@pytest.mark.usefixtures("no_engines_kept")
@pytest.mark.parametrize("fault", [None, "broken"])
def test_without_openvino_torch_does_it(fault, monkeypatch, caplog):
    model = build("DenseNet")
    if fault is None:
        monkeypatch.setitem(sys.modules, "openvino", None)  # what import does where it is missing
    else:
        monkeypatch.setattr("openvino.convert_model", lambda _: (_ for _ in ()).throw(RuntimeError(fault)))
    found = engine.engine_of(model)
    assert found.exact
    assert "maps take several times as long" in caplog.text
    covers, x, fill = asked(2)
    np.testing.assert_allclose(found.logits(covers, x, fill), by_hand(model, covers, x, fill), atol=1e-4)


def test_a_network_of_another_kind_runs_as_it_is(monkeypatch):
    monkeypatch.setattr(Graphs, "of", lambda *_: pytest.fail("converted"))
    assert engine.engine_of(planted.classifier()).exact


def test_the_choice_is_made_once_for_all_who_wait(monkeypatch):
    model, chosen = build("DenseNet"), []

    def choose(_):
        chosen.append(threading.get_ident())

    monkeypatch.setattr(engine, "choose", choose)
    threads = [threading.Thread(target=engine.engine_of, args=(model,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(chosen) == 1


def test_who_has_an_engine_does_not_wait_for_the_choice_of_anothers(monkeypatch):
    known, new = build("DenseNet"), build("DenseNet")
    monkeypatch.setattr(engine, "choose", lambda _: None)
    engine.engine_of(known)
    chosen, choosing = threading.Event(), threading.Event()
    monkeypatch.setattr(engine, "choose", lambda _: choosing.set() or (chosen.wait(20) and None))
    with ThreadPoolExecutor(2) as others:
        waits = others.submit(engine.engine_of, new)
        assert choosing.wait(20)
        assert others.submit(engine.engine_of, known).result(10).exact
        assert not waits.done()
        chosen.set()
        assert waits.result(20).exact


def test_scores_are_anchored_at_the_image_itself(monkeypatch):
    """What an engine gets wrong alike for all copies does not reach a map."""
    model = build("DenseNet")

    class Shifted(Off):
        def logits(self, covers, x, fill):
            return super().logits(covers, x, fill) + np.float32(3)

    monkeypatch.setattr(engine, "choose", lambda _: Shifted(model, 0.0))
    covers, x, fill = asked(3)
    covers[0] = 0
    scorer = Scorer(model, x, Budget())
    ((_, logits),) = scorer.scores(covers, fill)
    np.testing.assert_allclose(logits[0], scorer.base, atol=1e-5)
    np.testing.assert_allclose(logits, by_hand(model, covers, x, fill), atol=1e-4)
    assert scorer.forwards == 1 + 1 + 3
    assert scorer.precision == "off by 0.0"
