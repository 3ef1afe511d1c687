"""The same arrays by Quantus 0.6.0, whose answers `benchmarks/against_quantus.py` wrote down, and where we differ."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import against_quantus
from cxr_demo.evaluation import metrics, randomisation

ANSWERS = json.loads((Path(__file__).parent / "quantus.json").read_text())


@pytest.fixture(scope="module")
def known():
    return against_quantus.arrays()


def test_pointing_hits_the_same(known):
    ours = [metrics.pointing(values, mask) for values, mask in zip(known["maps"], known["masks"], strict=True)]
    assert ours == ANSWERS["pointing"]
    assert 0 < np.mean(ours) < 1


def test_deletion_follows_the_same_order(known):
    """Quantus covers with the darkest value of each image ("black") and starts after the first step."""
    for image, values, curve in zip(known["images"], known["maps"], ANSWERS["deletion"], strict=True):
        order = metrics.order(values)
        left = image.ravel().astype(np.float64).copy()
        ours = []
        for start in range(0, len(order), against_quantus.STEP):
            left[order[start : start + against_quantus.STEP]] = image.min()
            ours.append(left @ known["weights"][0].ravel())
        np.testing.assert_allclose(ours, curve, atol=1e-4)


def test_what_randomised_weights_keep_is_the_same():
    found = ANSWERS["randomisation"]
    before, *again = np.array(found["maps"])
    for maps, scores in zip(again, found["scores"].values(), strict=True):
        np.testing.assert_allclose(randomisation.kept(before, maps), scores, atol=1e-6)


def test_where_we_differ_on_purpose():
    """An empty box cannot be hit, a constant map points nowhere, and a coarse map's peak is the middle of its cell."""
    values = np.zeros((6, 6))
    values[:3, :3] = 1
    middle = np.zeros((6, 6))
    middle[1, 1] = 1
    assert metrics.pointing(values, middle) == 1  # its first pixel, which argmax takes, lies outside
    assert np.isnan(metrics.pointing(values, np.zeros((6, 6))))
    assert np.isnan(metrics.pointing(np.ones((6, 6)), middle))
