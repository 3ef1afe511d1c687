"""The randomisation test of maps: its formula, its false positives, and its power for planted evidence."""

import cv2
import numpy as np
import pytest

from cxr_demo.evaluation import covering
from cxr_demo.evaluation.covering import CHANCE, GRID, CoverTest

COUNTS = {0.05: 36, 0.10: 36, 0.25: 36, 0.50: 36}
COVERS, SHARES = covering.covers(COUNTS)
#: Maps of each kind that are tried.
TRIED = 120


def effects_of(logit):
    """Effects (n,) of the covers on a logit, a function of what is shown of the film (G, G) in [0, 1]."""
    whole = logit(np.ones((GRID, GRID)))
    return np.array([whole - logit(1.0 - cover) for cover in COVERS])


def film(*logits):
    """The test of a film whose findings have these logits."""
    return CoverTest(COVERS, SHARES, np.stack([effects_of(logit) for logit in logits], 1), np.ones(len(logits)))


def spot(row, column, side=5, blur=1.0):
    """Evidence (G, G) at a place, with soft edges; it sums to 1."""
    values = np.zeros((GRID, GRID))
    values[row : row + side, column : column + side] = 1
    values = cv2.GaussianBlur(values, (0, 0), blur, borderType=cv2.BORDER_REFLECT)
    return values / values.sum()


def smooth(random, deviation):
    """A random map (G, G)."""
    return cv2.GaussianBlur(random.standard_normal((GRID, GRID)), (0, 0), deviation, borderType=cv2.BORDER_REFLECT)


def coarse(values):
    """A map (G, G) averaged over the cells of a 7 x 7 map."""
    cells = values.reshape(7, 4, 7, 4).mean((1, 3))
    return np.kron(cells, np.ones((4, 4)))


def elsewhere(values):
    """A map (G, G) at every shift by two cells, turned and mirrored as well: (n, G, G)."""
    return np.stack([
        np.roll(np.rot90(values[:, ::side], turns), (down, across), (0, 1))
        for side in (1, -1)
        for turns in range(4)
        for down in range(0, GRID, 2)
        for across in range(0, GRID, 2)
    ])  # fmt: skip


class TestCovers:
    def test_have_the_share_and_the_number_asked_for(self):
        assert len(COVERS) == sum(COUNTS.values())
        for share, count in COUNTS.items():
            sizes = COVERS[share == SHARES].sum((1, 2))
            assert list(sizes) == [round(share * GRID * GRID)] * count

    def test_halves_come_with_their_complements(self):
        halves = COVERS[SHARES == 0.5]
        assert (halves[::2] ^ halves[1::2]).all()

    def test_hide_every_place_equally_often(self):
        drawn, _ = covering.covers({0.10: 2000}, seed=3)
        # places are covered in clusters, so that few of the 2,000 are independent of their neighbours
        np.testing.assert_allclose(drawn.mean(0), 0.1, atol=0.035)

    def test_a_seed_gives_the_same_covers(self):
        np.testing.assert_array_equal(covering.covers(COUNTS)[0], COVERS)
        assert (covering.covers(COUNTS, seed=1)[0] != COVERS).any()


class TestScore:
    def test_is_one_for_the_terms_of_an_additive_model(self):
        density = smooth(np.random.default_rng(1), 1)
        test = film(lambda seen: (seen * density).sum())
        assert test.scores(density[None], aside=False)[0, 0] == pytest.approx(1, abs=0.03)
        assert test.scores(-3 * density[None], aside=False)[0, 0] == pytest.approx(-1, abs=0.03)

    def test_by_hand(self):
        """The mean over covers of one size is taken out of both sides, whose products are summed over all sizes."""
        random = np.random.default_rng(2)
        values, effects = random.standard_normal((GRID, GRID)), random.standard_normal((len(COVERS), 2))
        predicted, measured = [], []
        for share in COUNTS:
            masks = COVERS[share == SHARES].astype(float)
            masks -= masks.mean(0)
            predicted.append((masks * values).sum((1, 2)) / np.sqrt((masks**2).mean()))
            y = effects[share == SHARES]
            measured.append((y - y.mean(0)) / y.std(0))
        u, y = np.concatenate(predicted), np.concatenate(measured)
        by_hand = [u @ y[:, i] / np.sqrt((u @ u) * (y[:, i] @ y[:, i])) for i in range(2)]
        test = CoverTest(COVERS, SHARES, effects, np.ones(2))
        np.testing.assert_allclose(test.scores(values[None], aside=False)[0], by_hand, atol=1e-5)

    def test_displaced_it_is_the_best_of_the_places_within_a_cell_less_a_deduction(self):
        random = np.random.default_rng(4)
        values, effects = smooth(random, 2), random.standard_normal((len(COVERS), 1))
        test = CoverTest(COVERS, SHARES, effects, np.ones(1))
        best = max(
            test.scores(np.roll(values, (down, across), (0, 1))[None], aside=False)[0, 0]
            - 0.1 * np.hypot(down, across) / 4
            for down in range(-4, 5)
            for across in range(-4, 5)
            if np.hypot(down, across) <= 4
        )
        assert test.scores(values[None])[0, 0] == pytest.approx(best, abs=1e-5)

    def test_nothing_to_test_is_undefined(self):
        test = film(lambda seen: (seen * spot(4, 4)).sum(), lambda seen: 3.0)
        flat = np.full((1, GRID, GRID), 0.3) + 1e-9 * np.random.default_rng(3).standard_normal((1, GRID, GRID))
        assert np.isnan(test.scores(flat)).all()
        assert np.isnan(test.scores(spot(4, 4)[None])[0]).tolist() == [False, True]
        assert np.isnan(test.elsewhere(flat[0], 0).chance)
        assert np.isnan(test.elsewhere(spot(4, 4), 1).chance)

    def test_a_finding_that_the_cover_leaves_or_no_cover_moves_cannot_be_tested(self):
        removed = np.array([0.1, 0.099, -2.0, 0.1])
        effects = np.random.default_rng(7).standard_normal((len(COVERS), 4)) * [1, 1, 1, 0]
        test = CoverTest(COVERS, SHARES, effects, removed)
        assert [test.testable(i) for i in range(4)] == [True, False, False, False]


class TestChance:
    def test_by_hand(self):
        """Of all shifts by two cells of the map, turned and mirrored, the share that does as well."""
        random = np.random.default_rng(5)
        values, effects = smooth(random, 2), random.standard_normal((len(COVERS), 1))
        test = CoverTest(COVERS, SHARES, effects, np.ones(1))
        for found, aside in ((test.elsewhere(values, 0).in_place, False), (test.elsewhere(values, 0).chance, True)):
            own = test.scores(values[None], aside=aside)[0, 0]
            assert found == pytest.approx(np.mean(test.scores(elsewhere(values), aside=aside)[:, 0] >= own - 1e-6))

    def test_the_limit_is_reached_by_one_place_in_twenty(self):
        random = np.random.default_rng(6)
        values = smooth(random, 3)
        test = film(lambda seen: (seen * spot(10, 16)).sum())
        limit = test.elsewhere(values, 0).limit
        assert (test.scores(elsewhere(values))[:, 0] > limit).mean() == pytest.approx(CHANCE, abs=0.005)

    @pytest.mark.parametrize("deviation", [0.5, 2, 4])
    def test_random_maps_pass_in_one_of_twenty(self, deviation):
        random = np.random.default_rng(7)
        test = film(lambda seen: np.tanh(3 * (seen * (spot(6, 5) + spot(15, 18, 6)) / 2).sum()))
        chances = [test.elsewhere(smooth(random, deviation), 0).chance for _ in range(TRIED)]
        assert np.mean(np.array(chances) <= CHANCE) <= CHANCE + 2 * np.sqrt(CHANCE * (1 - CHANCE) / TRIED)

    def test_the_right_map_elsewhere_turned_or_mirrored_passes_in_one_of_twenty(self):
        random = np.random.default_rng(8)
        values = spot(6, 5, 7, 2.0)
        test = film(lambda seen: (seen * values).sum())
        chances = []
        for _ in range(TRIED):
            turned = np.rot90(values[:, :: random.choice([1, -1])], random.integers(4))
            chances.append(test.elsewhere(np.roll(turned, random.integers(GRID, size=2), (0, 1)), 0).chance)
        assert np.mean(np.array(chances) <= CHANCE) <= CHANCE + 2 * np.sqrt(CHANCE * (1 - CHANCE) / TRIED)


def linear(first, second):
    return lambda seen: (seen * (first + second)).sum()


def saturating(first, second):
    return lambda seen: np.tanh(3 * (seen * (first + second)).sum())


def both(first, second):
    return lambda seen: 4 * min((seen * first).sum(), (seen * second).sum())


def either(first, second):
    return lambda seen: 4 * max((seen * first).sum(), (seen * second).sum())


def shy_of_edges(first, second):
    """Every edge of a cover costs something, wherever it lies, as much as the evidence itself."""

    def logit(seen):
        edges = np.abs(np.diff(seen, axis=0)).sum() + np.abs(np.diff(seen, axis=1)).sum()
        return (seen * (first + second)).sum() - edges / 400

    return logit


KINDS = [linear, saturating, both, either, shy_of_edges]


class TestPower:
    @pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
    @pytest.mark.parametrize(("aside", "least"), [(0, 0.95), (2, 0.95), (4, 0.7)])
    def test_a_coarse_map_of_planted_evidence_passes(self, kind, aside, least):
        """In place, half a cell of a 7 x 7 map aside, and a whole one."""
        random = np.random.default_rng(9)
        passed = []
        for _ in range(30):
            places = random.integers(2, 20, (2, 2))
            first, second = (spot(*place, 6) for place in places)
            right = coarse(first + second) + 0.1 * (first + second).max() * smooth(random, 2)
            test = film(kind(first, second))
            passed.append(test.elsewhere(np.roll(right, aside, random.integers(2)), 0).chance <= CHANCE)
        assert np.mean(passed) >= least

    def test_a_round_map_passes_although_it_looks_the_same_turned_and_mirrored(self):
        random = np.random.default_rng(10)
        for _ in range(20):
            evidence = spot(*random.integers(2, 20, 2), 6, 2.0)
            assert film(lambda seen, e=evidence: (seen * e).sum()).elsewhere(evidence, 0).chance <= CHANCE
