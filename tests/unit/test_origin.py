"""Where the highest cell of a class activation map gets its value."""

import threading

import numpy as np
import pytest

from cxr_demo.case import Case
from cxr_demo.errors import Cancelled
from cxr_demo.evaluation.covering import GRID
from cxr_demo.evaluation.origin import INSIDE, origin
from cxr_demo.inference.scoring import Budget
from cxr_demo.models import failure_cases, registry
from tests.support import planted
from tests.support.planted import CELL, LABELS, SIZE


def centre(found):
    """Row and column of the drops' centre of mass, in shares of the model input."""
    at = (np.arange(GRID) + 0.5) / GRID
    total = found.drops.sum()
    return float(found.drops.sum(1) @ at / total), float(found.drops.sum(0) @ at / total)


def test_a_cell_that_sees_itself_alone_is_its_own_origin():
    model = planted.classifier()
    found = origin(Case(model, planted.film()), LABELS.index("Left"))
    spot = planted.SPOTS["Left"]
    row, column = (at * SIZE for at in centre(found))
    assert spot.near(row, column, margin=CELL // 2)
    assert (found.drops > 0).mean() < (4 * CELL / SIZE) ** 2  # the cell and the windows that reach it


def test_the_outline_holds_half_of_the_drops():
    found = origin(Case(planted.classifier(), planted.film()), LABELS.index("Left"))
    inside = found.drops[found.drops >= found.level].sum() / found.drops.sum()
    assert INSIDE <= inside < INSIDE + 0.2
    assert found.drops[found.drops > found.level].sum() / found.drops.sum() < INSIDE


def test_a_cell_that_responds_to_another_place_leads_there():
    """The model of Grad-CAM's failure case stores a coin two cells lower than the coin lies."""
    lesson = failure_cases.LESSONS["gradcam"]
    case = Case(registry.load(lesson.model), lesson.film())
    ((left, top, right, bottom),) = lesson.boxes
    row, column = centre(origin(case, 0))
    assert top < row < bottom
    assert left < column < right


def test_a_finding_without_evidence_has_none():
    assert origin(Case(planted.classifier(), planted.film()), LABELS.index("Nothing")) is None


def test_it_ends_when_told():
    flag = threading.Event()
    flag.set()
    with pytest.raises(Cancelled):
        origin(Case(planted.classifier(), planted.film()), 0, Budget(cancelled=flag))
