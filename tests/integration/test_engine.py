"""Converted networks say what the plain ones say, and keep the maps of films."""

import contextlib
import os
import pathlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info

from benchmarks import quality
from cxr_demo.films import image, phantom
from cxr_demo.inference import engine, patches
from cxr_demo.inference.openvino import Graphs
from cxr_demo.methods.occlusion import Occlusion
from cxr_demo.models import classifier, registry
from tests.support.networks import KINDS, SIZE, asked, build, by_hand


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


@pytest.mark.parametrize("kind", KINDS)
def test_many_films_at_a_time_get_the_networks_logits(kind):
    model = build(kind)
    logits = engine.logits_of_films(model, 2)
    x = torch.cat([asked(1)[1] + 100 * i for i in range(engine.films_at_once(SIZE))])
    truth = model.logits(x).numpy()
    found = logits(x)
    np.testing.assert_allclose(found, truth, atol=1e-3)
    np.testing.assert_array_equal(logits(x.flip(0)), found[::-1], "wherever in the batch it is")
    with ThreadPoolExecutor(4) as threads:
        for other in threads.map(logits, [x.clone() for _ in range(12)]):
            np.testing.assert_array_equal(other, found, "whichever thread asks")


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


@pytest.mark.alone
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
