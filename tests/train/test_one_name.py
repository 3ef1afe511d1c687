"""Films that share one file name, as CheXpert's do: each is split, scored and explained as itself."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxr_demo.errors import BadModel, DataError
from cxr_demo.films import image, label_tables
from cxr_demo.models import registry
from tests.support.training import LABELS, TINY, flags, plant
from train import cli, distil, splits
from train.audit import command

FINDINGS = ["--labels", *LABELS]


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    """120 planted films of 60 patients, all named view1_frontal.png."""
    table = plant(tmp_path_factory.mktemp("chexpert") / "films", 120)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for i, row in enumerate(rows):
        name = f"{row['patient_id']}/study{i % 2 + 1}/view1_frontal.png"
        path = table.parent / "images" / name
        path.parent.mkdir(parents=True)
        (table.parent / "images" / row["file"]).rename(path)
        row["file"] = name
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return table


@pytest.fixture(scope="module")
def films(table):
    return label_tables.read_tables([table], LABELS)


@pytest.fixture(scope="module")
def run(table, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("run") / "run"
    cli.main(["audit", str(table), *FINDINGS, "--out", str(run.parent / "audit")])
    findings = json.loads((run.parent / "audit" / "audit.json").read_text())["findings"]
    accepted = [w for f in findings if f["severity"] == "error" for w in ("--accept", f"{f['id']}:planted")]
    words = ["--out", str(run), "--folds", "2", "--only-folds", *flags(replace(TINY, coarse_epochs=0, epochs=1))]
    assert cli.main(["fit", str(table), *FINDINGS, *words, *accepted]) == 0
    return run


def test_each_film_is_explained_by_the_fold_that_never_saw_its_patient(run, films):
    with (run / "folds.csv").open(newline="") as file:
        fold_of = {row["patient"]: int(row["fold"]) for row in csv.DictReader(file)}
    model = registry.load(str(run))
    for path, patient in zip(films.paths, films.patients, strict=True):
        assert model.for_film(image.read(path)).name.startswith(f"{run}/fold-{fold_of[patient]}@")


def test_a_run_without_checksums_refuses_an_ambiguous_name(run, films, tmp_path):
    rows = [row.rpartition(",")[0] for row in (run / "folds.csv").read_text().splitlines()]
    for fold in ("fold-0", "fold-1"):
        (tmp_path / fold).symlink_to(run / fold)
    (tmp_path / "folds.csv").write_text("\n".join(rows))
    with pytest.raises(BadModel, match="which fold never saw this film's patient is not known"):
        registry.load(str(tmp_path)).for_film(image.read(films.paths[0]))


def test_scores_and_predictions_find_every_film(run, films, tmp_path):
    stored = np.load(run / "out_of_fold.npz")
    order = np.random.default_rng(0).permutation(len(films))[:50]
    np.testing.assert_array_equal(
        command.read_scores(run / "out_of_fold.npz", films.take(order)), stored["logits"][order]
    )
    predictions = tmp_path / "predictions.csv"
    lines = [f"{films.names[row]},{row / 200},0.5" for row in order]
    predictions.write_text("\n".join(["Image Index,prob_Effusion,prob_Mass", *lines]))
    found = 1 / (1 + np.exp(-distil.read(predictions, films)[:, 0]))
    np.testing.assert_allclose(found[order], np.clip(order / 200, 1e-7, 1), rtol=1e-5)
    assert np.isnan(found).sum() == len(films) - len(order)
    predictions.write_text("Image Index,prob_Effusion,prob_Mass\nview1_frontal.png,0.1,0.5\n")
    with pytest.raises(DataError, match=r"view1_frontal\.png fits 120 films"):
        distil.read(predictions, films)


def test_a_split_gives_each_film_its_own_part(films, tmp_path):
    split = splits.by_patient(films, {"train": 0.5, "test": 0.5})
    splits.write(tmp_path / "split.csv", films, split)
    order = np.random.default_rng(1).permutation(len(films))[:7]
    assert splits.read(tmp_path / "split.csv", films.take(order)).tolist() == split[order].tolist()
    assert command.read_split(str(tmp_path / "split.csv"), films.take(order)).tolist() == split[order].tolist()
    header, _, lines = (tmp_path / "split.csv").read_text().partition("\n")
    capitals = f"{header}\n{lines.replace(',p', ', P')}"
    (tmp_path / "capitals.csv").write_text(capitals)
    assert splits.read(tmp_path / "capitals.csv", films).tolist() == split.tolist()
    text = (tmp_path / "split.csv").read_text().replace(f"{films.names[0]},p0,", f"{films.names[0]},p1,")
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError, match="no line for 1 of 120"):
        splits.read(tmp_path / "split.csv", films)
