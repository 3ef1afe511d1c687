"""The gate on real films, and what the command line makes of it."""

import csv
import json

import cv2
import numpy as np

from cxr_demo import cli
from cxr_demo.films import framing, gate, image, label_tables, phantom
from cxr_demo.types import NIH_FINDINGS
from tests.support.pictures import spoilt
from tests.support.serving import save_model
from train import gate as teaching
from train import greys as teaching_greys

# ------------------------------------------------------------------ real pictures


def test_real_films_pass_and_other_pictures_do_not(films):
    """With the weights as they are shipped, which saw these; the card has the honest rates."""
    with (films / "nih" / "labels.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)][::10]
    refused = [name for name in names if gate.look(image.read(films / "nih" / "images" / name)).as_is < 0]
    assert len(refused) <= len(names) * 0.01
    with (films / "other" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    passed = {kind: [] for kind in {row["kind"] for row in rows}}
    for row in rows:
        passed[row["kind"]].append(gate.look(image.read(films / "other" / "images" / row["file"])).as_is >= 0)
    for kind, found in passed.items():
        share = np.mean(found)
        assert share >= 0.95 if kind in teaching.PASSING else share <= 0.05, kind


def test_a_real_inverted_film_is_found(films):
    found = gate.look(image.read(films / "nih" / "images" / "00017999_000.jpg"))
    assert found.correction == "invert"


def test_few_good_films_are_warned_of_and_nearly_all_that_are_read_too_dark(films):
    """By limits from films of other patients than those that are judged here."""
    table = label_tables.read_tables([films / name / "labels.csv" for name in ("nih", "nih64")], NIH_FINDINGS)
    counts, rows = teaching_greys.histograms(table.paths)
    found = teaching_greys.unusual(counts, table.patients[rows], counts[:0])
    assert len(rows) > 3000
    assert found["film"].mean() <= 0.005
    assert found["two times too dark"].mean() >= 0.98
    assert found["in the upper quarter"].mean() == found["4 grey levels"].mean() == 1


def test_grey_values_of_other_hospitals_films_are_usual(films):
    """With the limits as they are shipped, which saw none of them."""
    for path in (films / "xrays").iterdir():
        assert image.of_reading(gate.look(image.read(path)).says) == [], path.name


# ------------------------------------------------------------------ putting a film right


def test_the_command_line_corrects_when_asked_and_repeats_it(tmp_path, capsys):
    path = tmp_path / "left.png"
    cv2.imwrite(str(path), spoilt(phantom.draw("effusion"), "turn right"))
    assert cli.main(["predict", str(path)]) == 0
    assert "turned to the left" in capsys.readouterr().out
    assert cli.main(["predict", "--correct", str(path)]) == 0
    assert "corrected here before it was read: turn right" in capsys.readouterr().out
    quick = ["--method", "gradcam", "--label", "Effusion", "--model", str(save_model(tmp_path / "model"))]
    assert cli.main(["explain", str(path), "--correct", "--out", str(tmp_path / "a"), *quick]) == 0
    result = tmp_path / "a" / "left" / "result.json"
    assert '"correction": "turn right"' in result.read_text()
    assert cli.main(["explain", "--from", str(result), str(path), "--out", str(tmp_path / "b")]) == 0
    first, again = (np.load(tmp_path / out / "left" / "maps.npz")["gradcam"] for out in "ab")
    np.testing.assert_array_equal(first, again)
    assert cli.main(["explain", "--from", str(result), str(path), "--out", str(tmp_path / "c"), "--correct"]) == 2


def test_the_command_line_crops_a_film_in_margins(tmp_path, capsys):
    upright = phantom.draw("effusion")
    path = tmp_path / "wide.png"
    cv2.imwrite(str(path), np.pad(np.rot90(upright), ((150, 0), (200, 260)), constant_values=255))
    assert cli.main(["predict", str(path)]) == 0
    assert "the model's view is not film but margin" in capsys.readouterr().out
    assert cli.main(["predict", "--correct", str(path)]) == 0
    assert "corrected here before it was read: crop and turn right" in capsys.readouterr().out
    quick = ["--method", "gradcam", "--label", "Effusion", "--model", str(save_model(tmp_path / "model"))]
    cv2.imwrite(str(tmp_path / "alone.png"), upright)
    both = [str(path), str(tmp_path / "alone.png")]
    assert cli.main(["explain", *both, "--correct", "--out", str(tmp_path / "a"), *quick]) == 0
    result = tmp_path / "a" / "wide" / "result.json"
    told = json.loads(result.read_text())
    assert told["correction"] == "crop and turn right"
    assert told["part"] == [200, 150, 200 + phantom.SIZE, 150 + phantom.SIZE]
    assert "part" not in json.loads((tmp_path / "a" / "alone" / "result.json").read_text())
    assert cli.main(["explain", "--from", str(result), str(path), "--out", str(tmp_path / "b")]) == 0
    cropped, again, alone = (
        np.load(tmp_path / folder / "maps.npz")["gradcam"] for folder in ("a/wide", "b/wide", "a/alone")
    )
    np.testing.assert_array_equal(cropped, again)
    np.testing.assert_array_equal(cropped, alone)


# ------------------------------------------------------------------ margins of real films


def test_few_real_films_seem_to_have_margins_and_those_put_round_them_are_found(films):
    with (films / "nih" / "labels.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file)][::9][:300]
    read = [image.read(films / "nih" / "images" / name) for name in names]
    assert sum(gate.look(film).part is not None for film in read) <= 3
    overlaps = []
    for film in read[::10]:
        height, width = film.pixels.shape
        truth = framing.Rectangle(150, 200, 150 + height, 200 + width)
        found = framing.film_in(np.pad(film.pixels, ((150, 150), (200, 200)), constant_values=1))
        overlaps.append(overlap(found, truth) if found else 0)
    assert np.mean(np.array(overlaps) > 0.9) >= 0.9


def overlap(one: framing.Rectangle, other: framing.Rectangle) -> float:
    """Intersection over union, by counting pixels."""
    marked = np.zeros((2, 1200, 1200), bool)
    for place, rectangle in zip(marked, (one, other), strict=True):
        place[rectangle.slices] = True
    return marked.all(0).sum() / marked.any(0).sum()
