"""Regions of a film: the areas that they cover, and evidence planted in each."""

import numpy as np
import pytest

from cxr_demo.evaluation.regions import REGIONS, chest, regions, shares
from cxr_demo.films import phantom
from cxr_demo.films.lungs import lungs

GRID = 28


@pytest.fixture(scope="module")
def view():
    return phantom.draw("normal", 224).astype(np.float32) / 255


@pytest.fixture(scope="module")
def seen(view):
    return lungs(view, GRID).mask


def lettered(view):
    """The film with a white L in the upper left corner."""
    drawn = view.copy()
    drawn[16:32, 16:19] = drawn[29:32, 16:27] = 1
    return drawn


def test_evidence_in_one_cell_is_in_the_regions_that_hold_the_cell(view, seen):
    where = regions(lettered(view), seen)
    row, column = np.argwhere(seen)[len(np.argwhere(seen)) // 3]
    for place, expected in (
        ((row, column), {"lungs": 1, "chest": 1, "border": 0, "corners": 0}),
        ((0, 0), {"lungs": 0, "chest": 0, "border": 1, "corners": 1}),
        ((0, 14), {"lungs": 0, "chest": 0, "border": 1, "corners": 0}),
    ):
        values = np.zeros((GRID, GRID))
        values[place] = -3
        found = dict(zip(REGIONS, shares(values, where), strict=True))
        assert {name: found[name] for name in expected} == expected


def test_a_letter_is_a_mark_and_the_patient_is_hardly_any(view, seen):
    plain = regions(view, seen)["marks"]
    marks = regions(lettered(view), seen)["marks"]
    corner = np.s_[1:5, 1:5]
    assert marks[corner].sum() > 0.3, "the letter covers 1.1 cells"
    assert plain[corner].sum() == 0
    assert plain.mean() < 0.05
    elsewhere = marks.copy()
    elsewhere[corner] = 0
    assert elsewhere == pytest.approx(plain, abs=0.05)


def test_the_chest_holds_the_lungs_and_all_between_them(seen):
    held = chest(seen)
    assert (held | ~seen).all()
    row = GRID // 2
    inside = np.flatnonzero(held[row])
    assert (np.diff(inside) == 1).all(), "no gap between the lungs"
    assert held.mean() < 0.75
    assert not chest(np.zeros((GRID, GRID), bool)).any()


def test_a_map_of_zeros_has_no_shares(view, seen):
    assert np.isnan(shares(np.zeros((GRID, GRID)), regions(view, seen))).all()


@pytest.mark.parametrize("side", [96, 224, 299])
def test_a_sharp_margin_is_no_mark(side):
    """An even width of the opening would raise each edge."""
    view = np.zeros((side, side), np.float32)
    view[side // 8 : -side // 8, side // 10 : -side // 10] = 0.9
    assert regions(view, np.zeros((GRID, GRID), bool))["marks"].sum() == 0
