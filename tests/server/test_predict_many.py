"""Predictions of many films: real processes, killed, divided, and on a disk that fills up."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from cxr_demo import cli
from cxr_demo.films import phantom
from tests.support.disks import on_disk
from tests.support.serving import save_model

ROOT = Path(__file__).parents[2]
TABLE = "predictions.parquet"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(save_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """40 films in two folders, one of them damaged."""
    folder = tmp_path_factory.mktemp("films")
    drawn = phantom.draw("effusion", 96)
    for i in range(40):
        path = folder / ("a" if i % 2 else "b") / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(i).normal(0, 12, drawn.shape)
        cv2.imwrite(str(path), (drawn + noise).clip(0, 255).astype(np.uint8))
    (folder / "a" / "07.png").write_bytes((folder / "a" / "05.png").read_bytes()[:200])
    return folder


def command(films, model, out, *words):
    return [sys.executable, "-m", "cxr_demo", "predict", str(films), "--model", model, "--out", str(out), *words]


def status(films, model, out, *words):
    return cli.main(command(films, model, out, *words)[3:])


@pytest.fixture(scope="module")
def whole(films, model, tmp_path_factory) -> Path:
    """The table of a run that was not interrupted."""
    out = tmp_path_factory.mktemp("whole")
    assert status(films, model, out) == 1, "one film is damaged"
    return out / TABLE


def test_a_row_is_what_predict_says_of_the_film_alone(films, model, whole, capsys):
    rows = pq.read_table(whole).to_pylist()
    assert [row["file"] for row in rows] == sorted(str(path) for path in films.rglob("*.png"))
    for row in (rows[0], rows[11], rows[-1]):
        cli.main(["predict", row["file"], "--model", model, "--json"])
        said = json.loads(capsys.readouterr().out)
        assert (row["sha256"], row["model"], row["warnings"]) == (said["sha256"], said["model"], said["warnings"])
        for label, probability, logit in zip(said["labels"], said["probabilities"], said["logits"], strict=True):
            assert row[label] == pytest.approx(probability, abs=1e-5)
            assert row[f"{label}_logit"] == pytest.approx(logit, abs=1e-4)


def test_a_film_that_fails_is_a_row_with_its_sentence(films, whole):
    failed = [row for row in pq.read_table(whole).to_pylist() if row["error"]]
    assert [row["file"] for row in failed] == [str(films / "a" / "07.png")]
    assert "07.png" in failed[0]["error"]
    assert failed[0]["sha256"] is None


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_table(films, model, whole, tmp_path):
    own = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(10):
        running = subprocess.Popen(command(films, model, tmp_path), cwd=ROOT, env=own, stderr=subprocess.DEVNULL)
        journal = tmp_path / "predictions-1-of-1.sqlite"
        wait_for(journal)
        time.sleep(float(np.random.default_rng().uniform(0, 0.5)))
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert subprocess.run(command(films, model, tmp_path), cwd=ROOT, env=own, check=False).returncode == 1
    assert (tmp_path / TABLE).read_bytes() == whole.read_bytes()


def wait_for(path):
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_parts_in_any_order_make_the_same_table(films, model, whole, tmp_path, capsys):
    for part in ("3/3", "1/3", "2/3"):
        assert not (tmp_path / TABLE).exists()
        assert status(films, model, tmp_path, "--shard", part) in (0, 1)
    assert (tmp_path / TABLE).read_bytes() == whole.read_bytes()
    assert "belong to other parts" in capsys.readouterr().err


def test_a_finished_run_reads_no_film_again(films, model, whole, tmp_path, monkeypatch):
    assert status(films, model, tmp_path) == 1
    monkeypatch.setattr("cxr_demo.films.image.read", None)
    assert status(films, model, tmp_path) == 1
    assert (tmp_path / TABLE).read_bytes() == whole.read_bytes()


def test_results_of_another_plan_are_refused(films, model, tmp_path, capsys):
    assert status(films, model, tmp_path, "--limit", "3") == 0
    assert pq.read_table(tmp_path / TABLE).num_rows == 3
    assert status(films, model, tmp_path, "--limit", "3", "--correct") == 2
    assert "another run" in capsys.readouterr().err


def test_a_full_disk_is_said_and_loses_nothing(films, model, whole, tmp_path):
    out = tmp_path / "disk" / "out"
    full = [*on_disk(tmp_path / "disk", 60), *command(films, model, out)]
    done = subprocess.run(full, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert "full" in done.stderr or "No space" in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--shard", "9/3"], "--shard 9/3 should be I/N"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--json"], "leave out one of them"),
    ],
)
def test_what_is_wrong_is_said(films, model, tmp_path, capsys, words, says):
    assert status(films, model, tmp_path, *words) == 2
    assert says in capsys.readouterr().err


def test_without_pyarrow_it_is_named_before_any_film_is_read(films, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setattr("cxr_demo.imports._IMPORTED", {})
    assert status(films, model, tmp_path) == 2
    assert "pip install pyarrow" in capsys.readouterr().err
