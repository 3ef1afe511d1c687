"""The benchmark's figures of one map: at its best, at chance, and undefined."""

import numpy as np
import pytest

from cxr_demo.evaluation import metrics
from cxr_demo.evaluation.benchmark import film


def test_the_best_map_scores_its_best_and_a_random_one_at_chance():
    mask = metrics.box_mask([(0.25, 0.25, 0.5, 0.5)], 56)
    best = film.localised(mask, mask)
    assert {best[name] for name in ("pointing", "energy in box", "IoU", "IoBB", "IoU > 0.5", "IoBB > 0.5")} == {1}
    random = np.random.default_rng(0)
    drawn = [film.localised(random.normal(size=(56, 56)), mask) for _ in range(1500)]
    assert np.mean([d["pointing"] for d in drawn]) == pytest.approx(mask.mean(), abs=0.02)
    assert np.mean([d["energy in box"] for d in drawn]) == pytest.approx(0, abs=0.01)


def test_without_boxes_localisation_is_undefined():
    found = film.localised(np.random.default_rng(0).normal(size=(8, 8)), np.zeros((8, 8)))
    assert all(np.isnan(value) for value in found.values())
