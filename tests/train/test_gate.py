"""The gate is taught, and what is taught is what it runs."""

import csv

import cv2
import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import gate, greys, image, phantom
from cxr_demo.types import NIH_FINDINGS
from tests.support.pictures import DRAWN
from train import gate as teaching
from train import greys as teaching_greys


def film(pixels: np.ndarray, name: str = "film.png"):
    """A film of pixels (H, W) uint8."""
    return image.decode(cv2.imencode(".png", pixels)[1].tobytes(), name)


# ------------------------------------------------------------------ what it sees


# ------------------------------------------------------------------ teaching


@pytest.fixture
def lessons(tmp_path):
    """Films of 10 patients, drawn, and other pictures, as tables and folders."""
    rng = np.random.default_rng(5)
    for folder in ("images", "others/images"):
        (tmp_path / folder).mkdir(parents=True)
    with (tmp_path / "films.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient_id", *NIH_FINDINGS])
        for n in range(40):
            drawn = teaching.changed(phantom.draw(list(phantom.PHANTOMS)[n % 5], 128), rng)
            cv2.imwrite(str(tmp_path / "images" / f"{n}.png"), drawn)
            writer.writerow([f"{n}.png", n % 10, *[0] * len(NIH_FINDINGS)])
    with (tmp_path / "others" / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "kind"])
        for n, (name, pixels) in enumerate(list(DRAWN.items())[:3] * 3):
            cv2.imwrite(str(tmp_path / "others" / "images" / f"{n}.png"), pixels)
            writer.writerow([f"{n}.png", name])
    return tmp_path


def test_what_is_taught_is_what_the_gate_runs(lessons, monkeypatch):
    from train import cli as train_cli

    out = lessons / "gate"
    words = ["gate", str(lessons / "films.csv"), "--others", str(lessons / "others"), "--out", str(out)]
    monkeypatch.setattr(teaching, "NOISE", 10)
    assert train_cli.main(words) == 0
    card = (out / "README.md").read_text()
    assert "of 40 |" in card
    assert "never" not in card.split("\n")[0]
    assert "| four times too dark |" in card
    monkeypatch.setattr(gate, "WEIGHTS", out / gate.WEIGHTS.name)
    gate._network.cache_clear()
    gate._limits.cache_clear()
    try:
        assert gate.look(phantom.PHANTOMS["effusion"].film()).passes
        assert not gate.look(film(DRAWN["page"])).passes
    finally:
        monkeypatch.undo()
        gate._network.cache_clear()
        gate._limits.cache_clear()


def test_a_table_of_other_pictures_without_kinds_is_refused(lessons):
    (lessons / "others" / "labels.csv").write_text("file\n0.png\n")
    with pytest.raises(DataError, match="file and kind"):
        teaching._pictures(_films(lessons), lessons / "others", print)


def _films(folder):
    from cxr_demo.films import label_tables

    return label_tables.read_tables([folder / "films.csv"], NIH_FINDINGS)


# ------------------------------------------------------------------ grey values


def test_an_altered_histogram_is_that_of_the_altered_film():
    pixels = np.random.default_rng(4).integers(0, 256, (128, 128), dtype=np.uint8)
    counts = greys.histogram(film(pixels))[None]
    for name, change in teaching_greys.ALTERED.items():
        moved = np.rint(change(pixels / 255).clip(0, 1) * 255).astype(np.uint8)
        found = teaching_greys.altered(counts, change)[0]
        np.testing.assert_array_equal(found, np.bincount(moved.ravel(), minlength=256), name)


def test_limits_are_outer_quantiles_widened_but_never_past_black_or_white():
    counts = np.zeros((1001, 256), int)
    counts[np.arange(1001), np.linspace(102, 204, 1001).astype(int)] = 100  # films of one grey from 0.4 to 0.8
    low, high = teaching_greys.limits(counts)
    assert low[:-1] == pytest.approx(0.4 - teaching_greys.MARGIN, abs=0.01)
    assert high[:-1] == pytest.approx(0.8 + teaching_greys.MARGIN, abs=0.01)
    dark = np.zeros((10, 256), int)
    dark[:, 5] = 1
    assert teaching_greys.limits(dark)[0, 0] == pytest.approx(5 / 255 / 2)


def test_rates_come_from_limits_of_other_patients():
    """Two patients whose films differ: each is unusual beside the other, neither beside itself."""
    counts = np.zeros((40, 256), int)
    counts[:20, 20:60] = counts[20:, 150:190] = 10
    patients = np.repeat(["a", "b"], 20)
    found = teaching_greys.unusual(counts, patients, counts[:5])
    assert found["film"].all()
    assert not found["other"].any()
    assert set(found) == {"film", "other", *teaching_greys.ALTERED}
