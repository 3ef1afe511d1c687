"""Clusters of maps: planted reasons are found apart, and strength and order decide nothing."""

import numpy as np
import pytest

from cxr_demo.evaluation.clusters import LEAST, MOST, clusters


def spots(places, each, seed=0, side=28):
    """Maps with a hot spot at one of the places, moved by a cell or so, of any strength, with noise of both signs."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    made = []
    for row, column in places:
        for _ in range(each):
            at = random.normal((row, column), 1)
            spot = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 2.5**2))
            made.append(random.lognormal(0, 1) * (spot + random.normal(0, 0.05, (side, side))))
    return np.array(made)


def sets(found):
    return {frozenset(part.tolist()) for part in found.members}


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_planted_reasons_are_found_apart(count):
    places = [(3, 3), (14, 8), (20, 20), (5, 22)][:count]
    found = clusters(spots(places, 40))
    assert sets(found) == {frozenset(range(40 * k, 40 * (k + 1))) for k in range(count)}
    assert found.eigenvalues[count - 1] < 0.01 < found.eigenvalues[count]


def test_strength_and_order_of_the_maps_decide_nothing():
    maps = spots([(3, 3), (14, 8)], 30)
    random = np.random.default_rng(1)
    order = random.permutation(len(maps))
    again = clusters((maps * random.uniform(0.01, 100, (len(maps), 1, 1)))[order])
    assert {frozenset(order[part].tolist()) for part in again.members} == sets(clusters(maps))


def test_eigenvalues_are_those_of_the_laplacian():
    found = clusters(spots([(3, 3), (14, 8)], 30)).eigenvalues
    assert len(found) == MOST + 1
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert (np.diff(found) >= -1e-9).all()
    assert found.max() <= 2


def test_few_maps_and_maps_without_evidence_are_not_divided():
    few = spots([(3, 3)], LEAST - 1)
    assert sets(clusters(few)) == {frozenset(range(LEAST - 1))}
    assert clusters(-np.abs(few)).members == ()
    assert clusters(few[:0]).members == ()
    maps = np.concatenate([spots([(3, 3), (14, 8)], 30), -np.ones((4, 28, 28))])
    assert set(np.concatenate(clusters(maps).members).tolist()) == set(range(60))


def test_more_reasons_than_clusters_are_joined():
    places = [(row, column) for row in (3, 10, 17, 24) for column in (4, 14, 24)]
    found = clusters(spots(places, 20))
    assert 1 < len(found.members) <= MOST
    assert (found.eigenvalues[:MOST] == 0).all()
