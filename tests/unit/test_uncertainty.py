"""Standard errors and chances of signs against simulations."""

import numpy as np
import pytest

from cxr_demo.methods.uncertainty import of_mean, of_refits


def test_signs_are_sure_where_values_agree():
    values = np.random.RandomState(0).normal(0, 1, (6, 1, 1, 2000))
    chance, error = of_mean(values.mean(0), values.std(0, ddof=1), 6)
    np.testing.assert_allclose((chance > 0.95).mean(), 0.1, atol=0.03)  # two-sided
    np.testing.assert_allclose(np.sqrt((error**2).mean()), 6**-0.5, rtol=0.03)
    chance, _ = of_mean(values.mean(0) + 5, values.std(0, ddof=1), 6)
    assert (chance > 0.99).mean() > 0.95
    assert not of_mean(np.zeros((1, 2)), np.zeros((1, 2)), 6)[0].any()
    assert np.isnan(of_mean(np.ones((1, 2)), np.full((1, 2), np.nan), 1)).all()


def test_more_values_make_a_mean_surer():
    chance, error = of_mean(np.ones((1, 2)), np.ones((1, 2)), np.array([4, 16]))
    assert error.tolist() == [[0.5, 0.25]]
    assert chance[0, 0] < chance[0, 1]
    assert chance[0, 0] == pytest.approx(0.9303, abs=1e-4), "Student's distribution of 3 degrees of freedom at 2"


def test_of_refits_counts_signs():
    refits = np.array([[[1.0, -1, 0]], [[3, 1, 0]], [[2, -3, 0]]])
    same, error = of_refits(np.array([[2.0, -1, 0]]), refits)
    np.testing.assert_allclose(same, [[1, 2 / 3, 0]])
    np.testing.assert_allclose(error, [[1, 2, 0]])
