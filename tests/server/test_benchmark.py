"""The benchmark's command line: every film measured, again after a kill, alone or divided."""

import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub import DatasetCard

from cxr_demo import cli, processes
from cxr_demo.errors import DataError
from cxr_demo.evaluation.benchmark import run
from cxr_demo.films import label_tables, phantom
from cxr_demo.models import model_folder
from tests.support import hub_server
from tests.support.serving import save_model

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
hub = hub_server.hub

ROOT = Path(__file__).parents[2]
LABELS = ("Effusion", "Nodule", "Cardiomegaly")
QUICK = ["--method", "gradcam", "--method", "occlusion", "--occlusion.stride", "32", "--permuted", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Six phantoms of four patients with the boxes of what is planted."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "images").mkdir()
    rows = []
    for n, key in enumerate(["effusion", "nodule", "heart"] * 2):
        name, finding = f"{n}.png", phantom.PHANTOMS[key].finding
        cv2.imwrite(str(folder / "images" / name), phantom.draw(key, 128))
        ys, xs = np.nonzero(phantom.truth(key, 128))
        box = {"label": finding, "x": int(xs.min()), "y": int(ys.min()), "w": int(np.ptp(xs)), "h": int(np.ptp(ys))}
        rows.append([name, f"p{n % 4}", json.dumps([box]), *[int(label == finding) for label in LABELS]])
    rows.append(["absent.png", "p9", "[]", 0, 0, 0])
    cv2.imwrite(str(folder / "images" / "absent.png"), phantom.draw("normal", 128))
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "patient_id", "boxes", *LABELS], *rows])
    save_model(folder / "model", LABELS)
    return folder


def command(data, out, *more):
    words = ["benchmark", "--data", str(data / "labels.csv"), "--out", str(out), "--model", str(data / "model")]
    return [*words, *QUICK, *more]


def table(out):
    figures = json.loads((out / "table.json").read_text())["figures"]
    return {
        (f["finding"], f["method"], f["metric"]): f["value"]
        for f in figures
        if f["metric"] not in ("seconds", "deletion")
    }


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("done")
    assert cli.main(command(data, out)) == 0
    return out


class TestFiles:
    def test_every_film_has_its_record_and_every_method_its_lines(self, done):
        names = sorted(path.stem for path in (done / "films").glob("*.json"))
        assert names == [f"{n}.png" for n in range(6)]
        lines = rows_of(done / "films.csv")
        assert {line["method"] for line in lines} == {"gradcam", "occlusion", "random", "centre", "lungs"}
        assert len(lines) == 6 * 5
        assert not list(done.rglob("*.partial"))

    def test_the_table_is_said_in_three_forms(self, done):
        text = (done / "table.md").read_text()
        assert "6 films of 4 patients" in text
        assert "too few" in text
        assert "| pointing ↑ |" in text
        rows = rows_of(done / "table.csv")
        figures = json.loads((done / "table.json").read_text())["figures"]
        assert len(rows) == len(figures)
        assert all(float(r["low"]) <= float(r["value"]) <= float(r["high"]) for r in rows)
        for name in ("localisation.png", "faithfulness.png"):
            assert cv2.imread(str(done / name)) is not None

    def test_one_film_was_explained_with_permuted_weights(self, done):
        lines = rows_of(done / "films.csv")
        kept = [line["kept, everything permuted"] for line in lines if line["method"] == "occlusion"]
        assert sum(bool(value) for value in kept) == 1

    def test_what_is_done_is_not_done_again(self, data, done, capsys):
        before = {path: path.stat().st_mtime_ns for path in (done / "films").glob("*.json")}
        assert cli.main(command(data, done)) == 0
        assert {path: path.stat().st_mtime_ns for path in (done / "films").glob("*.json")} == before
        assert " of 6:" not in capsys.readouterr().err

    def test_other_settings_are_measured_anew(self, data, tmp_path):
        quick = command(data, tmp_path, "--limit", "2")
        assert cli.main(quick) == 0
        first = json.loads(next((tmp_path / "films").glob("*.json")).read_text())["plan"]
        assert cli.main([*quick, "--occlusion.window", "48"]) == 0
        plans = {json.loads(path.read_text())["plan"] for path in (tmp_path / "films").glob("*.json")}
        assert len(plans) == 1
        assert first not in plans

    def test_a_killed_run_goes_on_and_gives_the_same_table(self, data, done, tmp_path):
        words = [sys.executable, "-m", "cxr_demo", *command(data, tmp_path)]
        with subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
            for _ in range(600):
                time.sleep(0.1)
                if len(list((tmp_path / "films").glob("*.json"))) >= 2:
                    break
            process.send_signal(signal.SIGKILL)
        made = len(list((tmp_path / "films").glob("*.json")))
        assert 2 <= made < 6
        assert not (tmp_path / "table.json").exists()
        assert cli.main(command(data, tmp_path)) == 0
        assert table(tmp_path) == pytest.approx(table(done), abs=1e-4)

    def test_two_processes_give_the_table_of_one(self, data, done, tmp_path):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        launch += ["-m", "cxr_demo"]
        # as many threads as here, or sums are rounded otherwise
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        made = subprocess.run(
            [*launch, *command(data, tmp_path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr[-2000:]
        assert "of 3:" in made.stderr
        assert table(tmp_path) == pytest.approx(table(done), abs=1e-4)


class TestErrors:
    def test_a_table_without_the_models_findings(self, data, tmp_path, capsys):
        (tmp_path / "labels.csv").write_text("file,patient_id,Fracture\n0.png,a,1\n")
        words = [
            "benchmark",
            "--data",
            str(tmp_path / "labels.csv"),
            "--out",
            str(tmp_path),
            "--model",
            str(data / "model"),
        ]
        assert cli.main(words) == 2
        assert "no column of a finding" in capsys.readouterr().err

    def test_a_table_that_is_not_there(self, data, tmp_path, capsys):
        words = [
            "benchmark",
            "--data",
            str(tmp_path / "none.csv"),
            "--out",
            str(tmp_path),
            "--model",
            str(data / "model"),
        ]
        assert cli.main(words) == 2
        assert "cannot be read as a table" in capsys.readouterr().err

    def test_films_without_any_finding(self, data, tmp_path):
        films = label_tables.read_tables([data / "labels.csv"], LABELS).take(np.array([6]))
        with pytest.raises(DataError, match="nothing to measure"):
            run.measure_films(model_folder.load(data / "model", "tiny"), films, [], tmp_path)

    def test_a_film_that_cannot_be_read_is_named_and_the_others_are_done(self, data, tmp_path, capsys):
        images = tmp_path / "images"
        images.mkdir()
        for path in (data / "images").iterdir():
            (images / path.name).write_bytes(path.read_bytes() if path.name != "3.png" else b"broken")
        assert cli.main(command(data, tmp_path / "out", "--images", str(images))) == 1
        assert "3.png" in capsys.readouterr().err
        assert len(list((tmp_path / "out" / "films").glob("*.json"))) == 5


def test_without_boxes_the_labelled_findings_are_looked_for(data):
    films = label_tables.read_tables([data / "labels.csv"], LABELS)
    boxed = run.pairs(films)
    assert boxed == {n: [n % 3] for n in range(6)}
    bare = dataclasses.replace(films, boxes=((),) * len(films))
    assert run.pairs(bare) == boxed


def test_films_of_one_name_are_measured_one_by_one_however_many_are_asked_for(data, tmp_path):
    with (data / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:3]
    for row in rows:
        path = tmp_path / "images" / row["patient_id"] / "view1_frontal.png"
        path.parent.mkdir(parents=True)
        path.write_bytes((data / "images" / row["file"]).read_bytes())
        row["file"] = f"{row['patient_id']}/view1_frontal.png"
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    words = ["benchmark", "--data", str(tmp_path / "labels.csv"), "--out", str(tmp_path / "out")]
    words += ["--model", str(data / "model"), "--method", "gradcam"]
    for limit in (1, 2, 9):
        assert cli.main([*words, "--limit", str(limit)]) == 0
    lines = rows_of(tmp_path / "out" / "films.csv")
    assert {line["file"] for line in lines} == {row["file"] for row in rows}
    assert json.loads((tmp_path / "out" / "table.json").read_text())["films"] == 3


class TestPublishing:
    NAME = "someone/figures"

    def test_a_dry_run_shows_the_data_set_and_sends_nothing(self, data, done, hub, capsys):
        assert cli.main(command(data, done, "--publish", self.NAME)) == 0
        said = capsys.readouterr().out
        assert "films.parquet" in said
        assert "Nothing was sent" in said
        assert ("datasets", self.NAME) not in hub.repos

    def test_the_figures_come_back_without_the_names_of_films_and_patients(self, data, done, hub, tmp_path):
        words = ["--publish", self.NAME, "--send", "--licence", "cc-by-4.0"]
        assert cli.main(command(data, done, *words)) == 0
        repo = hub.repos["datasets", self.NAME]
        assert repo.private
        files = repo.commits[repo.refs["main"]]
        assert {"README.md", "films.parquet", "table.parquet"} <= set(files)
        films, figures = (
            pq.read_table(io.BytesIO(files[f"{name}.parquet"])).to_pylist() for name in ("films", "table")
        )
        lines = rows_of(done / "films.csv")
        assert [(row["finding"], row["method"]) for row in films] == [(row["finding"], row["method"]) for row in lines]
        for row, line in zip(films, lines, strict=True):
            path = data / "images" / line["file"]
            assert row["film"] == hashlib.sha256(path.read_bytes()).hexdigest()
            assert row["pointing"] == (float(line["pointing"]) if line["pointing"] else None)
        assert len({(row["patient"], line["patient"]) for row, line in zip(films, lines, strict=True)}) == 4
        assert {row["patient"] for row in films} == {1, 2, 3, 4}
        assert figures == json.loads((done / "table.json").read_text())["figures"]
        card = DatasetCard(files["README.md"].decode())
        assert [one["config_name"] for one in card.data.configs] == ["table", "films"]
        assert card.data.license == "cc-by-4.0"
        assert "6 films of 4 patients" in card.text
        for told in (card.content, *(str(row) for row in (*films, *figures))):
            assert not re.search(rf"\bp[0-3]\b|\.png|{data}", told)
        example = card.text.partition("```python\n")[2].partition("```")[0].splitlines()[-2:]
        frame = {"films": pd.DataFrame(films)}
        exec("\n".join(example), frame)
        assert set(frame["cases"].columns) >= {"gradcam", "occlusion"}

    def test_it_is_private_until_it_is_made_public_and_one_that_is_public_is_asked_for(self, data, done, hub, capsys):
        words = ["--publish", self.NAME, "--send", "--licence", "cc-by-4.0"]
        assert cli.main(command(data, done, *words)) == 0
        assert cli.main(command(data, done, *words, "--public")) == 0
        repo = hub.repos["datasets", self.NAME]
        assert not repo.private
        before = repo.refs["main"]
        assert cli.main(command(data, done, *words)) == 2
        assert "allow it with --public" in capsys.readouterr().err
        assert repo.refs["main"] == before

    def test_no_film_that_another_process_failed_on_is_left_out_silently(self, data, done, hub, tmp_path, monkeypatch):
        """The first of two processes; the record of a film of the second is gone."""
        shutil.copytree(done, tmp_path / "out")
        (tmp_path / "out" / "films" / "1.png.json").unlink()
        monkeypatch.setattr(processes, "place", lambda: (0, 2))
        monkeypatch.setattr(processes, "wait", lambda: None)
        words = ["--publish", self.NAME, "--send", "--licence", "cc-by-4.0"]
        assert cli.main(command(data, tmp_path / "out", *words)) == 1
        repo = hub.repos["datasets", self.NAME]
        assert set(repo.commits[repo.refs["main"]]) == {".gitattributes"}

    @pytest.mark.parametrize(
        ("words", "named"),
        [
            (["--publish", "figures"], "is no name of a data set"),
            (["--send"], "go with --publish"),
            (["--publish", "a/b", "--public"], "goes with --send"),
            (["--publish", "a/b", "--send"], "needs the --licence"),
        ],
    )
    def test_wrong_words_are_refused_before_hours_of_work(self, data, tmp_path, capsys, words, named):
        assert cli.main(command(data, tmp_path / "new", *words)) == 2
        assert named in capsys.readouterr().err
        assert not (tmp_path / "new").exists()
