"""Boxes in the model's view: where they lie, what they cover, and whether a map's peak hits them."""

import csv
import json

import cv2
import numpy as np
import pytest

from cxr_demo.films import image, label_tables
from cxr_demo.types import Crop
from train import boxes, evaluate

WIDE = Crop(top=0, left=50, side=100)  # the middle of a film of 200 x 100


def test_a_box_lies_in_the_view_where_it_lies_on_the_film():
    assert image.in_view(label_tables.Box("Mass", 75, 25, 50, 10).edges, WIDE) == pytest.approx(
        (0.25, 0.25, 0.75, 0.35)
    )


def test_a_mask_covers_what_its_box_covers_and_never_nothing(tmp_path):
    (tmp_path / "images").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (100, 200), np.uint8)
    cv2.imwrite(str(tmp_path / "images" / "a.png"), pixels)
    drawn = [("Mass", 75, 25, 50, 50), ("Nodule", 101, 1, 1, 1), ("Edema", 1, 1, 9, 9)]
    said = json.dumps([dict(zip(("label", "x", "y", "w", "h"), box, strict=True)) for box in drawn])
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "boxes", "Mass", "Nodule", "Edema"])
        writer.writerow(["a.png", "1", said, 1, 1, 1])
    films = label_tables.read_tables([tmp_path / "labels.csv"], ("Mass", "Nodule", "Edema"))
    planes = boxes.masks(films, cells=20)[0]
    expected = np.zeros((20, 20), np.uint8)
    expected[5:15, 5:15] = 1
    assert (planes[0] == expected).all()
    assert planes[1].sum() == 1
    assert planes[1][0, 10] == 1
    # beside what the model sees
    assert planes[2].sum() == 0


@pytest.mark.parametrize(("cell", "inside"), [((1, 2), True), ((1, 4), False), ((5, 2), False)])
def test_a_peak_hits_the_box_that_its_cell_lies_in(cell, inside):
    cells = np.zeros((7, 7))
    cells[cell] = 1
    # in the view from 2/7 to 3/7 across and from 1/7 to 2/7 down
    box = label_tables.Box("Mass", 50 + 200 / 7, 100 / 7, 100 / 7, 100 / 7)
    assert boxes.hit(cells, [box], WIDE) == inside


def test_shares_count_each_findings_own_boxes():
    hits = np.array([[1, np.nan], [0, 1], [1, np.nan], [np.nan, np.nan]])
    first, second, mean = evaluate.shares(("Mass", "Nodule"), hits, np.array(["a", "b", "c", "d"]), "boxed", "pointing")
    assert (first.value, first.positives, first.films) == (pytest.approx(2 / 3), 3, 3)
    assert (second.value, second.positives) == (1, 1)
    assert mean.value == pytest.approx(5 / 6)
    assert 0 <= first.low <= first.value <= first.high <= 1
