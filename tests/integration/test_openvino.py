"""Converted models are read again from disk, unless anything about them is another."""

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest
from huggingface_hub import constants

from cxr_demo.case import Case
from cxr_demo.films import phantom
from cxr_demo.inference import engine, openvino
from cxr_demo.methods import GradCAM
from cxr_demo.methods.cam import LayerCAM
from cxr_demo.models import classifier, model_folder
from tests.support.networks import asked, build
from tests.support.serving import save_model


@pytest.fixture
def place(no_engines_kept):
    return no_engines_kept


@pytest.fixture
def conversions(monkeypatch):
    """One entry for each conversion."""
    done, convert = [], openvino.Graphs.of
    monkeypatch.setattr(openvino.Graphs, "of", lambda *how: done.append(1) or convert(*how))
    return done


def same(one, other):
    covers, x, fill = asked(3)
    np.testing.assert_array_equal(one.logits(covers, x, fill), other.logits(covers, x, fill))
    covers = np.zeros_like(covers)
    covers[:, 20:30, 3:20] = 1
    np.testing.assert_array_equal(one.logits(covers, x, fill), other.logits(covers, x, fill))
    assert one.precision == other.precision


@pytest.mark.parametrize("kind", ["DenseNet", "mirrored EfficientNetLite0"])
def test_a_second_time_nothing_is_converted_or_tried(kind, place, conversions, monkeypatch):
    first = engine.choose(build(kind))
    monkeypatch.setattr(engine, "disagreement", lambda *_: pytest.fail("tried"))
    same(first, engine.choose(build(kind)))
    assert len(conversions) == 1
    assert len(list(place.iterdir())) == 1


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("early.bin", lambda content: content[: len(content) // 2]),
        ("late.bin", lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]),
        ("late.xml", None),
        ("about.json", lambda content: content[:-9]),
    ],
)
def test_what_is_damaged_is_made_anew(file, damage, place, conversions):
    first = engine.choose(build("DenseNet"))
    (path,) = place.glob(f"*/{file}")
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    same(first, engine.choose(build("DenseNet")))
    assert len(conversions) == 2
    same(first, engine.choose(build("DenseNet")))
    assert len(conversions) == 2


def test_graphs_that_another_process_deletes_while_they_are_read_are_made_anew(place, conversions, monkeypatch):
    first = engine.choose(build("DenseNet"))
    (late,) = place.glob("*/late.xml")
    check, checked = openvino.sha256_of, []

    def deletes(path):
        checked.append(check(path))
        if len(checked) == 4:
            late.unlink()
        return checked[-1]

    monkeypatch.setattr(openvino, "sha256_of", deletes)
    same(first, engine.choose(build("DenseNet")))
    assert len(conversions) == 2


def test_other_weights_are_another_model(place, conversions):
    plain = build("DenseNet")
    engine.choose(plain)
    for change in ("body", "head"):
        other = build("DenseNet")
        if change == "body":
            next(other.network.model.parameters()).data[0] *= 1.5
        else:
            other.network.head.bias.data[1] += 1
        found = engine.choose(other)
        covers, x, fill = asked(3)
        np.testing.assert_allclose(
            found.logits(covers, x, fill), engine.plain(other).logits(covers, x, fill), atol=0.05
        )
    assert len(conversions) == len(list(place.iterdir())) == 3


def test_the_mean_of_folds_is_not_one_of_them(place):
    model = build("DenseNet")
    both = classifier.Classifier(model.spec, classifier.mean_network([build("DenseNet")] * 2), "test:folds")
    assert openvino._folder(model) != openvino._folder(both)


def test_where_nothing_can_be_written_it_works_all_the_same(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "file"))
    with caplog.at_level("INFO", "cxr_demo"):
        assert engine.choose(build("DenseNet")) is not None
    assert "is converted anew each time" in caplog.text


def test_those_used_last_are_kept(place, monkeypatch):
    monkeypatch.setattr(openvino, "KEPT", 2)
    models = [build("DenseNet") for _ in range(3)]
    made = openvino.Graphs.of(models[0].network, models[0].size, 2)
    for i, model in enumerate(models):
        model.network.head.bias.data[0] = i
        openvino.keep(model, made, ("float32", "float32"))
        if i == 1:
            assert openvino.kept(models[0], 2)  # used again
    assert [openvino.kept(model, 2) is not None for model in models] == [True, False, True]


def test_another_process_finds_it(place, tmp_path):
    """By the command line: the second run converts nothing."""
    from cxr_demo.films import phantom

    film = phantom.save("effusion", tmp_path, 256)
    words = [
        sys.executable,
        "-m",
        "cxr_demo",
        "explain",
        str(film),
        "--method",
        "occlusion",
        "--occlusion.stride",
        "32",
        "--model",
        str(save_model(tmp_path / "model")),
    ]
    written, maps = [], []
    for out in ("one", "two"):
        environment = {**os.environ, "HF_HOME": str(tmp_path)}
        subprocess.run([*words, "--out", str(tmp_path / out)], check=True, env=environment, capture_output=True)
        (about,) = place.glob("*/about.json")
        written.append(about.stat().st_mtime_ns)
        maps.append(np.load(tmp_path / out / film.stem / "maps.npz")["occlusion"])
    assert written[0] == written[1]
    np.testing.assert_array_equal(*maps)


@pytest.mark.parametrize("method", [GradCAM, LayerCAM])
def test_others_explain_with_a_model_while_it_is_converted(method):
    """Exporting changes how modules are called, in every thread: visitors got errors."""
    model = build("DenseNet")
    film = phantom.PHANTOMS["effusion"].film()
    truth = list(Case(model, film).explain(method()))[-1].values
    done, failed = threading.Event(), []

    def convert():
        try:
            for _ in range(3):
                openvino.Graphs.of(model.network, model.size, 2)
        finally:
            done.set()

    thread = threading.Thread(target=convert)
    thread.start()
    runs = 0
    while not done.is_set():
        try:
            (*_, found) = Case(model, film).explain(method())
            np.testing.assert_allclose(found.values, truth, atol=1e-5)
            runs += 1
        except Exception as error:
            failed.append(repr(error))
    thread.join()
    assert not failed
    assert runs


def test_openvino_reports_to_nobody():
    """Its telemetry would fork the serving process: a child so made once held the page's port for good."""
    code = "import cxr_demo.inference.openvino, openvino, sys; assert openvino.convert_model; "
    code += "print(sys.modules['openvino_telemetry'])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "None"


def test_a_model_is_read_while_another_is_converted(place):
    """What torch notes while it traces, it notes once per process."""
    converted, read = build("DenseNet"), build("mirrored EfficientNetLite0")
    done, seen = threading.Event(), []

    def load():
        while not done.is_set():
            seen.append(model_folder.assemble(read.spec, read.network.model.state_dict(), "read@1", "here"))

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load)
        try:
            for _ in range(3):
                openvino.Graphs.of(converted.network, converted.size, 4)
        finally:
            done.set()
        loading.result()
    assert seen


#: Processes that begin with two threads at once, in each of which one thread waited for the other in a third of runs.
TOGETHER = """
import os, sys, threading
import numpy as np, openvino
from cxr_demo.inference.openvino import _compiled

def infer():
    request = _compiled(graph, "float32", 1, requests=1).create_infer_request()
    both.wait()
    request.infer([np.ones((1, 2), np.float32)])
    done.append(request)

children = []
for _ in range(20):
    if not (child := os.fork()):
        graph, both, done = openvino.Core().read_model(sys.argv[1]), threading.Barrier(2), []
        threads = [threading.Thread(target=infer) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        os._exit(0 if len(done) == 2 else 1)
    children.append(child)
sys.exit(any(os.waitpid(child, 0)[1] for child in children))
"""


def test_two_threads_that_compute_first_together_do_not_wait_for_each_other(tmp_path):
    from openvino import Model, Type, opset13, save_model

    x = opset13.parameter([1, 2], Type.f32)
    save_model(Model([opset13.relu(x)], [x]), tmp_path / "graph.xml")
    command = [sys.executable, "-c", TOGETHER, str(tmp_path / "graph.xml")]
    running = subprocess.Popen(command, start_new_session=True)
    try:
        assert running.wait(120) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
