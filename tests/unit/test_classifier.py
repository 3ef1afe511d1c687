"""The adapter over torchxrayvision: logits out, nothing left behind, the same numbers as the library."""

import threading

import numpy as np
import pytest
import torch

from cxr_demo.errors import BadModel
from cxr_demo.models import classifier
from tests.support.networks import SMALL, spec, stirred


def test_features_are_not_overwritten_behind_ones_back():
    model = classifier.Classifier(spec(), stirred("DenseNet", SMALL, 3), "m")
    x = torch.randn(1, 1, 64, 64) * 300
    before, features = x.clone(), model.features(x)
    kept = features.clone()
    model.logits(x)
    assert torch.equal(x, before)
    assert torch.equal(features, kept)


def test_it_is_frozen():
    network = stirred("DenseNet", SMALL, 3)
    model = classifier.Classifier(spec(), network, "m")
    out = model.logits(torch.zeros(1, 1, 64, 64))
    assert not out.requires_grad
    assert not any(p.requires_grad for p in network.parameters())
    assert not network.training


def test_threads_share_it():
    model = classifier.Classifier(spec(), stirred("DenseNet", SMALL, 3), "m")
    films = [torch.randn(2, 1, 64, 64) * 300 for _ in range(8)]
    alone = [model.logits(x) for x in films]
    wrong: list[int] = []

    def work(i: int) -> None:
        if any(not torch.allclose(model.logits(films[i]), alone[i], atol=1e-5) for _ in range(10)):
            wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_calibration_is_a_line_under_the_sigmoid():
    lines = ((1.0, 0.0), (0.5, -1.0), (2.0, 3.0))
    model = classifier.Classifier(spec(calibration=lines), stirred("DenseNet", SMALL, 3), "m")
    by_hand = [1 / (1 + np.exp(-z)) for z in (0.7, 0.5 * 0.7 - 1, 2 * 0.7 + 3)]
    assert model.probabilities(np.array([0.7, 0.7, 0.7])) == pytest.approx(by_hand, rel=1e-6)
    assert np.isnan(model.thresholds).all()


def test_a_wrong_input_size_is_refused():
    model = classifier.Classifier(spec(), stirred("DenseNet", SMALL, 3), "m")
    with pytest.raises(ValueError, match=r"takes \(N, 1, 64, 64\)"):
        model.logits(torch.zeros(1, 1, 65, 64))


def test_what_cannot_be_built_is_said():
    with pytest.raises(BadModel, match="Unknown architecture 'VGG'"):
        classifier.build("VGG", {}, 3)
    with pytest.raises(BadModel, match="does not take"):
        classifier.build("DenseNet", {"depth": 3}, 3)
    with pytest.raises(BadModel, match="3 outputs for 2 labels"):
        classifier.Classifier(spec(labels=2), stirred("DenseNet", SMALL, 3), "m")
