"""The quick ways of running a model say what the plain one says, or are not used."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from cxr_demo.films import phantom
from cxr_demo.inference import engine, patches
from cxr_demo.inference.openvino import Graphs
from cxr_demo.inference.scoring import Budget, Scorer
from tests.support import planted
from tests.support.networks import KINDS, asked, build, by_hand


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
