"""All that would stop a run before its end is said before it begins."""

import dataclasses

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import label_tables
from cxr_demo.types import Score
from tests.support.training import LABELS, TINY, plant
from train import card, cli, preflight, runs

GOOD = {"folds": 2, "labels": LABELS}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("films"), 60)


@pytest.fixture(scope="module")
def films(table):
    return label_tables.read_tables([table], LABELS)


def refused(films, **changes) -> str:
    """The message for a plan with changes; those of the recipe by its fields' names."""
    of_recipe = {name: changes.pop(name) for name in list(changes) if hasattr(TINY, name)}
    recipe = dataclasses.replace(TINY, **of_recipe)
    plan = runs.Plan("planted", (), recipe=recipe, **{**GOOD, **changes})
    with pytest.raises(DataError) as told:
        preflight.check(plan, films)
    return str(told.value)


def test_a_sound_plan_passes(films):
    preflight.check(runs.Plan("planted", (), recipe=TINY, **GOOD), films)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batch": 0}, "--batch 0 must be from 2"),
        ({"accumulate": 0}, "--accumulate 0 must be"),
        ({"accumulate": 17}, "--accumulate 17 divides a batch of 16"),
        ({"epochs": 0, "coarse_epochs": 0}, "no epoch to train"),
        ({"epochs": -1}, "--epochs -1 must be"),
        ({"validation": 0.9}, "--validation 0.9 must be from 0 to 0.5"),
        ({"validation": 1.5}, "--validation 1.5 must be"),
        ({"validation": -0.1}, "--validation -0.1 must be"),
        ({"dropout": 1.0}, "--dropout 1 must be from 0 to less than 1"),
        ({"rate": 0.0}, "--rate 0 must be above 0"),
        ({"fine_rate": float("nan")}, "--fine-rate nan must be above 0"),
        ({"batch": 64}, "fold-0 has 30 films to learn from, fewer than one batch: give --batch 30 or less"),
        ({"folds": 1}, "1 folds are no folds"),
        ({"folds": 31}, "31"),
        ({"architecture": "NoSuchNet"}, "Unknown architecture 'NoSuchNet'"),
        ({"arguments": '{"depth": 3}'}, "does not take these arguments"),
        ({"arguments": "3"}, "should be an object"),
        ({"backbone": "/no/such/model"}, "/no/such/model"),
        ({"labels": (*LABELS, LABELS[0])}, f"The finding {LABELS[0]} is named twice"),
        ({"split": "official", "only_folds": True}, "A split has no folds"),
        ({"split": "official"}, "official split is of NIH"),
        ({"start_run": "/no/such/run", "only_folds": True}, "/no/such/run"),
        ({"teacher": "/no/such/table.csv"}, "/no/such/table.csv"),
    ],
)
def test_what_cannot_work_is_refused(films, changes, words):
    assert words in refused(films, **changes)


def test_a_starting_run_without_the_model_of_a_fold_is_refused(films, tmp_path):
    rows = [
        f"{path.name},{patient},{int(patient[1:]) % 2}"
        for path, patient in zip(films.paths, films.patients, strict=True)
    ]
    (tmp_path / "folds.csv").write_text("\n".join(["file,patient,fold", *rows]))
    (tmp_path / "run.json").write_text(runs.Plan("planted", (), recipe=TINY, **GOOD).dumps())
    assert f"{tmp_path}/fold-0" in refused(films, start_run=str(tmp_path), backbone="/no/such/model")


def test_a_teacher_of_other_films_is_refused(films, tmp_path):
    path = tmp_path / "teacher.csv"
    path.write_text(f"Image Index,{','.join(f'prob_{label}' for label in LABELS)}\nother.png,0.1,0.2\n")
    assert "holds none of these films" in refused(films, teacher=str(path))


def test_the_folder_of_another_run_is_refused(films, tmp_path):
    plan = runs.Plan("planted", (), recipe=TINY, **GOOD)
    (tmp_path / "run.json").write_text(plan.dumps())
    preflight.check(dataclasses.replace(plan, folds=3), films, tmp_path)  # nothing was trained there yet
    (tmp_path / "training").mkdir()
    preflight.check(plan, films, tmp_path)
    with pytest.raises(DataError, match="another recipe"):
        preflight.check(dataclasses.replace(plan, folds=3), films, tmp_path)


def test_all_problems_are_said_at_once(films):
    told = refused(films, batch=0, epochs=-1, labels=(*LABELS, LABELS[0]))
    assert told.count("\n- ") == 3


def test_a_finding_with_one_class_names_the_others(films):
    targets = films.targets.copy()
    targets[:, 1] = np.where(np.arange(len(films)) % 3, 0, np.nan)
    told = refused(dataclasses.replace(films, targets=targets))
    assert f"{LABELS[1]}: never, or always, present in these films. Leave them out: --labels {LABELS[0]}" in told


def test_a_fold_without_a_class_is_named(films):
    targets = films.targets.copy()
    targets[:, 0] = films.patients == films.patients[0]
    told = refused(dataclasses.replace(films, targets=targets))
    assert "is calibrated on" in told
    assert f"in which {LABELS[0]} is never, or always, present" in told


def test_a_run_ends_before_the_first_film_is_decoded(table, tmp_path, capsys):
    words = ["fit", str(table), "--labels", *LABELS, "--out", str(tmp_path / "run"), "--folds", "2", "--batch", "64"]
    assert cli.main([*words, "--backbone", "random"]) == 2
    assert "fewer than one batch" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_card_begins_with_a_doubt_that_the_figures_leave():
    def score(subset, low):
        return Score("mean", subset, "AUROC", 0.56, low, 0.7, 30, 60)

    assert card._doubt([score("all sources", 0.51)]) == ""
    told = card._doubt([score("all sources", 0.51), score("within a", 0.5)])
    assert told.startswith("**Not shown to be better than chance.**")
    assert "within a: 0.56 [0.50-0.70]" in told
    assert "all sources" not in told
