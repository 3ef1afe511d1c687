"""Every formula against values worked out by hand, at chance, at its best, and where it is undefined."""

import itertools

import numpy as np
import pytest
from scipy.stats import spearmanr

from cxr_demo.evaluation import metrics

BOX = np.zeros((8, 8))
BOX[2:4, 4:6] = 1


class TestOrder:
    def test_is_from_the_highest(self):
        assert metrics.order(np.array([[1.0, 4.0], [3.0, 2.0]])).tolist() == [1, 2, 3, 0]

    def test_a_share_is_an_exact_number_of_cells_however_many_tie(self):
        sparse = np.zeros((10, 10))
        sparse[0, :5] = 1
        for share in (0.01, 0.05, 0.1, 0.3, 0.92):
            assert metrics.top(sparse, share).sum() == round(share * 100)
        assert metrics.top(sparse, 0.05)[0, :5].all()

    def test_ties_are_drawn_from_the_seed(self):
        flat = np.zeros((6, 6))
        assert (metrics.order(flat, 1) == metrics.order(flat, 1)).all()
        assert (metrics.order(flat, 1) != metrics.order(flat, 2)).any()


class TestCurves:
    def test_area_under_a_line_and_a_step(self):
        shares = np.array([0, 0.25, 1])
        assert metrics.area_under(shares, np.array([0, 0.25, 1])) == pytest.approx(0.5)
        assert metrics.area_under(shares, np.array([1.0, 1.0, 1.0])) == pytest.approx(1)
        assert metrics.area_under(shares, np.array([2.0, 0, 0])) == pytest.approx(0.25)

    def test_normalised_runs_from_the_covered_film_to_the_film(self):
        assert metrics.normalised(np.array([3.0, 2.0, -1.0]), 3.0, -1.0).tolist() == [1, 0.75, 0]

    def test_there_is_nothing_to_share_out_where_covering_costs_nothing(self):
        assert np.isnan(metrics.normalised(np.array([1.0, 1.0]), 1.0, 1.05)).all()


class TestAgreement:
    def test_rank_correlation_is_scipys_with_ties(self):
        random = np.random.default_rng(2)
        a, b = random.integers(0, 4, (3, 5, 5)).astype(float), random.normal(size=(2, 5, 5))
        found = metrics.rank_correlation(a, b)
        for i, j in itertools.product(range(3), range(2)):
            assert found[i, j] == pytest.approx(spearmanr(a[i].ravel(), b[j].ravel())[0])

    def test_constant_maps_agree_with_nothing(self):
        assert np.isnan(metrics.rank_correlation(np.zeros((1, 3, 3)), np.arange(9.0).reshape(1, 3, 3)))
        assert np.isnan(metrics.overlap(np.zeros((1, 3, 3)), np.zeros((1, 3, 3))))

    def test_overlap_of_tops(self):
        a = np.arange(100.0).reshape(1, 10, 10)
        assert metrics.overlap(a, a)[0, 0] == 1
        assert metrics.overlap(a, -a)[0, 0] == 0
        # 10 cells each, 5 in common: 5 of 15
        assert metrics.overlap(a, np.roll(a, 5))[0, 0] == pytest.approx(1 / 3)

    def test_own_findings_are_held_against_the_others(self):
        pairs = np.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.4], [0.5, 0.6, np.nan]])
        own, others = metrics.related(pairs)
        np.testing.assert_allclose(own, [0.9, 0.8, np.nan])
        np.testing.assert_allclose(others, [(0.2 + 0.35) / 2, (0.2 + 0.5) / 2, (0.35 + 0.5) / 2])
        assert np.isnan(metrics.related(np.ones((1, 1)))[1])

    def test_consensus_is_what_all_say_and_conflict_what_both_sides_say(self):
        one, other = np.array([[2.0, -1.0], [1.0, 0.0]]), np.array([[3.0, -4.0], [-2.0, 4.0]])
        agreed, conflict = metrics.consensus([one, other])
        np.testing.assert_allclose(agreed, [[0.75, -0.5], [0, 0]])
        np.testing.assert_allclose(conflict, [[0, 0], [0.5, 0]])


class TestBoxes:
    def test_a_mask_says_how_much_of_each_cell_is_inside(self):
        mask = metrics.box_mask([(0.25, 0.5, 0.625, 1.5)], 4)
        np.testing.assert_allclose(mask, [[0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 0.5, 0], [0, 1, 0.5, 0]])
        assert not metrics.box_mask([(1.2, 0, 1.5, 1)], 4).any()
        assert not metrics.box_mask([], 4).any()

    def test_the_peak_of_a_piece_is_its_middle(self):
        values = np.zeros((9, 9))
        values[3:6, 0:3] = 1
        assert metrics.peak(values) == (4, 1)
        bent = np.zeros((5, 5))
        bent[0, :] = bent[:, 0] = 1
        row, column = metrics.peak(bent)
        assert bent[int(row), int(column)] == 1

    def test_pointing(self):
        values = np.zeros((8, 8))
        values[3, 5] = 1
        assert metrics.pointing(values, BOX) == 1
        assert metrics.pointing(values.T, BOX) == 0
        assert np.isnan(metrics.pointing(np.ones((8, 8)), BOX))
        assert np.isnan(metrics.pointing(values, np.zeros((8, 8))))

    def test_the_share_of_the_peak_inside(self):
        """One of the four cells of the highest piece lies in the box; a single cell is inside or not."""
        values = np.zeros((8, 8))
        values[3:5, 5:7] = 1
        assert metrics.peak_inside(values, BOX) == 0.25
        assert metrics.peak_inside(np.arange(64).reshape(8, 8).astype(float), BOX) == 0
        assert metrics.peak_inside(BOX, BOX) == 1
        assert np.isnan(metrics.peak_inside(np.ones((8, 8)), BOX))
        assert np.isnan(metrics.peak_inside(values, np.zeros((8, 8))))

    def test_pointing_at_random_hits_as_often_as_the_area(self):
        random = np.random.default_rng(3)
        hits = [metrics.pointing(random.normal(size=(8, 8)), BOX) for _ in range(4000)]
        assert np.mean(hits) == pytest.approx(BOX.mean(), abs=0.012)

    def test_energy_is_none_at_chance_and_one_at_best(self):
        assert metrics.energy(BOX, BOX) == 1
        assert metrics.energy(np.ones((8, 8)), BOX) == pytest.approx(0)
        # a quarter of the positive evidence inside, negative not counted
        values = np.zeros((8, 8))
        values[2, 4], values[0, 0], values[7, 7] = 1, 3, -5
        assert metrics.energy(values, BOX) == pytest.approx((0.25 - 1 / 16) / (15 / 16))
        assert np.isnan(metrics.energy(-values.clip(0), BOX))
        assert np.isnan(metrics.energy(values, np.zeros((8, 8))))
        assert np.isnan(metrics.energy(values, np.ones((8, 8))))

    def test_the_box_found_goes_round_what_is_connected_with_the_peak(self):
        values = np.zeros((6, 6))
        values[1, 1], values[2, 2], values[2, 3], values[5, 5] = 1.0, 0.5, 0.4, 0.9
        box = metrics.found_box(values)
        assert box.sum() == 4
        assert box[1:3, 1:3].all()
        assert metrics.found_box(np.zeros((6, 6))) is None
        assert metrics.found_box(-np.eye(6)) is None

    def test_overlaps(self):
        found = np.zeros((8, 8), bool)
        found[2:4, 5:9] = True  # 6 cells, 2 of the box's 4
        assert metrics.iou(found, BOX) == pytest.approx(2 / 8)
        assert metrics.iobb(found, BOX) == pytest.approx(2 / 6)
        assert metrics.iou(BOX > 0, BOX) == metrics.iobb(BOX > 0, BOX) == 1
        assert metrics.iou(None, BOX) == metrics.iobb(None, BOX) == 0
        assert np.isnan(metrics.iou(found, np.zeros((8, 8))))

    def test_no_choice_of_large_pieces_finds_a_small_box(self):
        quarters = np.arange(4).reshape(2, 2).repeat(4, 0).repeat(4, 1)
        assert metrics.ceiling(quarters, BOX) == pytest.approx(4 / 16)
        assert metrics.ceiling(np.arange(64).reshape(8, 8), BOX) == 1
        assert np.isnan(metrics.ceiling(quarters, np.zeros((8, 8))))

    def test_the_ceiling_is_the_best_of_all_choices(self):
        random = np.random.default_rng(6)
        pieces = random.integers(0, 5, (6, 6))
        mask = random.uniform(size=(6, 6))
        best = max(
            (mask * np.isin(pieces, chosen)).sum()
            / (np.isin(pieces, chosen).sum() + mask.sum() - (mask * np.isin(pieces, chosen)).sum())
            for n in range(1, 6)
            for chosen in itertools.combinations(range(5), n)
        )
        assert metrics.ceiling(pieces, mask) == pytest.approx(best)


def test_stability_is_the_mean_correlation_with_what_changed():
    maps = np.arange(16.0).reshape(1, 4, 4)
    assert metrics.stability(maps, [maps, -maps])[0] == pytest.approx(0)
    assert metrics.stability(maps, [maps, 3 * maps])[0] == pytest.approx(1)
    assert np.isnan(metrics.stability(maps, [np.zeros((1, 4, 4))])[0])


def test_shares_inside_a_mask_count_for_and_against():
    assert metrics.share_inside(np.array([[3.0, -1.0], [0, 0]]), np.array([[0, 1], [1, 1]])) == 0.25
    assert np.isnan(metrics.share_inside(np.zeros((2, 2)), np.ones((2, 2))))


def test_the_border_is_a_frame():
    frame = metrics.border(100, 0.1)
    assert frame.sum() == 100**2 - 80**2
    assert frame[0].all()
    assert not frame[50, 50]
    assert frame[:, :10].all()
    assert not frame[50, 10]


def test_resamples_draw_patients_not_films():
    patients = np.array(["a", "a", "a", "b"])
    drawn = metrics.bootstrap(lambda rows: np.array([len(rows), (rows == 3).sum()]), patients, 200)
    assert set(drawn[:, 0]) == {2, 4, 6}
    assert set(drawn[:, 1]) == {0, 1, 2}


def test_an_interval_holds_95_percent_of_the_draws_that_are_defined():
    drawn = np.full((2000, 3), np.nan)
    drawn[:1001, 0] = np.random.default_rng(0).permutation(1001) / 1000
    drawn[:, 1] = 7
    low, high = metrics.interval(drawn)
    np.testing.assert_allclose([low[:2], high[:2]], [[0.025, 7], [0.975, 7]])
    assert np.isnan([low[2], high[2]]).all()
    assert metrics.interval(drawn[:, 0]) == pytest.approx((0.025, 0.975))
