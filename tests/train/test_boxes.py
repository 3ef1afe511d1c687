"""Boxes in the model's view: where they lie, what they cover, and whether maps point into them."""

import csv
import json

import cv2
import numpy as np
import pytest

from cxr_demo.case import Case
from cxr_demo.evaluation import metrics
from cxr_demo.evaluation.benchmark.film import localised
from cxr_demo.films import image, label_tables
from cxr_demo.methods import GradCAM
from cxr_demo.types import Crop
from tests.support import planted
from train import boxes, evaluate

NAMES = ("a.png", "b.png", "c.png")
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


def test_a_map_points_as_in_the_benchmark(tmp_path):
    """Each finding's evidence is in the box of its name; Right's box is elsewhere, and Nothing has no evidence."""
    model = planted.classifier()
    (tmp_path / "images").mkdir()
    for name in NAMES:
        cv2.imwrite(str(tmp_path / "images" / name), np.rint(planted.pixels() * 255).astype(np.uint8))
    places = {name: planted.SPOTS[name] for name in ("Left", "Against", "Nothing")} | {"Right": planted.SPOTS["Left"]}
    drawn = [{"label": name, "x": s.left, "y": s.top, "w": s.side, "h": s.side} for name, s in places.items()]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", "boxes", *planted.LABELS])
        writer.writerows(
            [name, name, json.dumps(boxed), 1, 1, 1, 1] for name, boxed in zip(NAMES, (drawn, [], drawn), strict=True)
        )
    films = label_tables.read_tables([tmp_path / "labels.csv"], planted.LABELS)
    other = planted.classifier({**planted.SPOTS, "Left": planted.SPOTS["Right"]})
    found = boxes.hits(films, np.array([0, 0, 1]), [model.network, other.network], planted.SIZE)
    np.testing.assert_array_equal(found[:, [0, 1, 3]], [[1, 0, np.nan], [np.nan] * 3, [0, 0, np.nan]])
    film = image.read(films.paths[0])
    maps = Case(model, film).last_explanation(GradCAM()).values
    for i, label in enumerate(planted.LABELS):
        mask = metrics.box_mask([image.in_view(b.edges, film.crop) for b in films.boxes[0] if b.label == label], 128)
        assert localised(maps[i], mask)["pointing"] == pytest.approx(found[0, i], nan_ok=True)


def test_shares_count_each_findings_own_boxes():
    hits = np.array([[1, np.nan], [0, 1], [1, np.nan], [np.nan, np.nan]])
    first, second, mean = evaluate.shares(("Mass", "Nodule"), hits, np.array(["a", "b", "c", "d"]), "boxed", "pointing")
    assert (first.value, first.positives, first.films) == (pytest.approx(2 / 3), 3, 3)
    assert (second.value, second.positives) == (1, 1)
    assert mean.value == pytest.approx(5 / 6)
    assert 0 <= first.low <= first.value <= first.high <= 1
