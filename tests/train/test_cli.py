"""The trainer's command line, as a person would use it, on planted films."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry
from tests.support.training import LABELS, TINY, flags, plant
from train import cache, cli, demo

FINDINGS = ["--labels", *LABELS]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("cli") / "films", 120)


@pytest.fixture(scope="module")
def accepted(films, tmp_path_factory) -> list[str]:
    """Flags that let stand whatever the audit has against planted films."""
    folder = tmp_path_factory.mktemp("audit")
    cli.main(["audit", str(films), *FINDINGS, "--out", str(folder)])
    findings = json.loads((folder / "audit.json").read_text())["findings"]
    errors = [f["id"] for f in findings if f["severity"] == "error"]
    return [word for name in errors for word in ("--accept", f"{name}:planted")]


def test_the_audit_prints_writes_and_ends_with_its_severity(films, tmp_path, capsys):
    status = cli.main(["audit", str(films), *FINDINGS, "--out", str(tmp_path)])
    report = json.loads((tmp_path / "audit.json").read_text())
    assert (
        status
        == report["status"]
        == max({"info": 0, "warning": 1, "error": 2}[f["severity"]] for f in report["findings"])
    )
    assert "120 films of 60 patients" in capsys.readouterr().out
    assert (tmp_path / "audit.html").read_text().startswith("<!doctype html>")


def test_fit_refuses_what_the_audit_calls_wrong_until_it_is_accepted(films, tmp_path, capsys):
    text = films.read_text().splitlines()
    header = f"{text[0]},No Finding"
    wrong = films.with_name("wrong.csv")
    wrong.write_text("\n".join([header, *(f"{line},1" for line in text[1:])]))
    fit = ["fit", str(wrong), *FINDINGS, "--out", str(tmp_path / "run"), "--folds", "2", *flags(TINY)]
    assert cli.main(fit) == 2
    said = capsys.readouterr().err
    assert "The audit found errors, so nothing is trained" in said
    assert "--accept" in said
    assert not (tmp_path / "run" / "training").exists()


def test_a_run_is_fitted_measured_and_served(films, accepted, tmp_path, capsys):
    run = tmp_path / "run"
    assert cli.main(["fit", str(films), *FINDINGS, "--out", str(run), "--folds", "2", *flags(TINY), *accepted]) == 0
    capsys.readouterr()
    assert cli.main(["evaluate", str(run)]) == 0
    said = capsys.readouterr().out
    assert "average precision" in said
    assert "Mass" in said
    card = (run / "all" / "README.md").read_text()
    for word in accepted[1::2]:
        assert word.partition(":")[0] in card
    assert (
        registry.load(str(run))
        .for_film(image.read(films.parent / "images" / "000.png"))
        .name.startswith(f"{run}/fold-")
    )
    made = {path: path.read_bytes() for path in (run / "evaluation.json", *run.glob("*/README.md"))}
    for path in made:
        path.unlink()
    assert cli.main(["evaluate", str(run), "--again"]) == 0
    assert capsys.readouterr().out == said
    assert {path: path.read_bytes() for path in made} == made
    assert len(made) == 4
    plan = (run / "run.json").read_text()
    (run / "run.json").write_text(plan.replace(json.loads(plan)["digest"], "0" * 16))
    assert cli.main(["evaluate", str(run), "--again"]) == 2
    assert "was trained on other films or labels" in capsys.readouterr().err


def test_a_split_keeps_its_test_part_shut_and_counts_who_opens_it(films, accepted, tmp_path, capsys):
    split, run = tmp_path / "split.csv", tmp_path / "run"
    assert cli.main(["split", str(films), *FINDINGS, "--out", str(split)]) == 0
    assert "train: " in capsys.readouterr().out
    recipe = ["--epochs", "2", "--coarse-epochs", "1", "--validation", "0.3"]
    command = ["fit", str(films), *FINDINGS, "--out", str(run), "--split", str(split), *flags(TINY), *recipe, *accepted]
    assert cli.main(command) == 0
    assert "not opened" in (run / "all" / "README.md").read_text()
    capsys.readouterr()
    assert cli.main(["evaluate", str(run)]) == 0
    assert "opened 1 time." in capsys.readouterr().out
    assert cli.main(["evaluate", str(run)]) == 0
    assert "opened before" in capsys.readouterr().out
    card = (run / "all" / "README.md").read_text()
    assert "opened 2 times" in card
    assert cli.main(["evaluate", str(run), "--part", "train"]) == 0
    said = capsys.readouterr().out
    assert "learnt from 96 of these 96 films, so these are not its figures on new ones" in said
    assert (run / "all" / "README.md").read_text() == card
    assert json.loads((run / "opened.json").read_text()) == {"test": 2}
    assert cli.main(["evaluate", str(run / "all"), str(films)]) == 0
    assert "learnt from 96 of these 120 films, so" in capsys.readouterr().out


def test_a_model_says_which_films_it_learnt_from_and_is_measured_on_the_findings_there_are(accepted, tmp_path, capsys):
    films = plant(tmp_path / "films", 60)
    run = tmp_path / "run"
    quick = flags(replace(TINY, coarse_epochs=0, epochs=1, batch=8))
    assert cli.main(["fit", str(films), *FINDINGS, "--out", str(run), "--folds", "2", *quick, *accepted]) == 0
    table = films.read_text().splitlines()
    films.write_text("\n".join(line.rpartition(",")[0] for line in table))  # without Mass
    capsys.readouterr()
    for model, said in (
        ("all", "learnt from 60 of these 60 films, so"),
        ("fold-1", "learnt from 30 of these 60 films, so"),
        ("", "by the fold that never saw its patient"),
    ):
        assert cli.main(["evaluate", str(run / model), str(films)]) == 0
        shown = capsys.readouterr().out
        assert said in shown
        assert "Not measured, since the table has no column of them: Mass." in shown
        assert "Effusion" in shown
    assert cli.main(["evaluate", "bundled:nih14", str(films)]) == 0
    assert "bundled:nih14 was trained on: 3,160 frontal films" in capsys.readouterr().out


def test_a_dry_run_goes_through_everything_and_leaves_nothing(films, accepted, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cache, "shared_folder", lambda: tmp_path / "shared")
    run = tmp_path / "run"
    command = ["fit", str(films), *FINDINGS, "--out", str(run), *flags(TINY), *accepted, "--dry-run"]
    assert cli.main(command) == 0
    assert "nothing was kept" in capsys.readouterr().out
    assert not run.exists()
    assert not (tmp_path / "shared").exists()


@pytest.mark.parametrize("command", ["audit", "cache"])
def test_a_size_out_of_range_is_refused(films, capsys, command):
    assert cli.main([command, str(films), *FINDINGS, "--size", "0"]) == 2
    assert "--size 0 must be from 8 to 4096" in capsys.readouterr().err


def test_films_are_decoded_once_and_checked(films, tmp_path, capsys):
    command = ["cache", str(films), *FINDINGS, "--out", str(tmp_path), "--size", "32"]
    assert cli.main(command) == 0
    assert cli.main([*command, "--verify"]) == 0
    assert "120 films at 32 px" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["audit", "nowhere.csv"], "cannot be read as a table"),
        (["audit", "MARS=/tmp"], "Unknown data set 'MARS'"),
        (["fit", "x.csv", "--out", "r", "--columns", "file"], "--columns file should be like"),
        (["resume", "/nowhere"], "holds no run"),
        (["evaluate", "bundled:nih14"], "name the films"),
        (["publish", "/nowhere", "a/b", "--dry-run"], "no finished model"),
        (["split", "NIH=/tmp", "--metadata", "--out", "x.csv", "--shares", "a"], "--shares a should be like"),
    ],
)
def test_wrong_words_get_a_sentence(words, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.alone
def test_the_demonstration_ends_with_a_model_that_learnt_and_opens(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("CXR_FILMS", raising=False)
    monkeypatch.setattr(demo, "DRAWN", 220)  # as many as it needs to learn
    assert cli.main(["demo", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for step in ("audit", "cache", "fit", "evaluate", "publish"):
        assert f"$ python -m train {step} " in said
    assert (tmp_path / "audit" / "audit.html").exists()
    assert "Would be published as your-name/demo, private, under the licence Apache-2.0." in said
    assert f"CXR_MODEL={tmp_path / 'run' / 'all'} make run" in said
    scores = json.loads((tmp_path / "run" / "evaluation.json").read_text())["scores"]
    (mean,) = (score for score in scores if (score["finding"], score["metric"]) == ("mean", "AUROC"))
    assert mean["low"] > 0.9
    model = registry.load(str(tmp_path / "run" / "all"))
    prediction = Case(model, image.read(phantom.save("effusion", tmp_path))).predict()
    assert prediction.labels[prediction.ranked()[0]] == "Effusion"


@pytest.mark.parametrize(
    ("number", "step"),
    [(errno.ENOSPC, "Make room there"), (errno.EACCES, "Let this program read and write there")],
)
def test_a_disk_that_cannot_be_used_comes_with_what_to_do(monkeypatch, capsys, number, step):
    error = OSError(number, os.strerror(number), "runs/mine")
    monkeypatch.setattr(cli, "_resume", Mock(side_effect=error))
    assert cli.main(["resume", "runs/mine"]) == 1
    assert capsys.readouterr().err == f"{error}. {step} and start again: a run goes on where it was.\n"


def test_a_reader_that_has_enough_is_no_error(films):
    words = [sys.executable, "-m", "train", "init", str(films)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        process.stdout.close()
        said = process.stderr.read()
    assert said == b""
    assert process.returncode == 141


def test_a_split_may_have_its_own_validation_part(films, accepted, tmp_path):
    split, run = tmp_path / "split.csv", tmp_path / "run=1"
    shares = ["--shares", "train=0.5", "validation=0.3", "test=0.2"]
    assert cli.main(["split", str(films), *FINDINGS, "--out", str(split), *shares]) == 0
    quick = [*flags(replace(TINY, coarse_epochs=0, epochs=1)), "--validation", "0"]
    assert cli.main(["fit", str(films), *FINDINGS, "--out", str(run), "--split", str(split), *quick, *accepted]) == 0
    held = sum(",validation" in line for line in split.read_text().splitlines())
    assert f"Measured on {held} films" in (run / "all" / "README.md").read_text()


def test_a_run_is_found_from_another_folder_whatever_its_table_is_called(films, accepted, tmp_path, monkeypatch):
    table = films.with_name("a=b.csv")
    table.write_text(films.read_text())
    monkeypatch.chdir(films.parent)
    quick = flags(replace(TINY, coarse_epochs=0, epochs=1))
    words = ["fit", "a=b.csv", *FINDINGS, "--out", str(tmp_path / "run"), "--folds", "2", "--only-folds", *quick]
    assert cli.main([*words, *accepted]) == 0
    monkeypatch.chdir(tmp_path)
    assert cli.main(["evaluate", "run"]) == 0
    assert cli.main(["resume", "run"]) == 0


def test_folds_may_be_trained_by_jobs_of_their_own(films, accepted, tmp_path, capsys, monkeypatch):
    quick = flags(replace(TINY, coarse_epochs=0, epochs=1))
    words = ["fit", str(films), *FINDINGS, "--folds", "2", *quick, *accepted]
    assert cli.main([*words, "--out", str(tmp_path / "whole")]) == 0
    run, decoded = tmp_path / "jobs", tmp_path / "decoded"
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "train", *words, "--out", str(run), "--cache", str(decoded), "--fold", fold],
            cwd=ROOT,
        )
        for fold in ("0", "1")
    ]
    assert [job.wait() for job in jobs] == [0, 0]
    assert not (run / "all").exists()
    # the run knows where its decoded films are
    monkeypatch.setattr(cache, "shared_folder", lambda: pytest.fail("it looks elsewhere"))
    capsys.readouterr()
    assert cli.main(["resume", str(run), "--fold", "2"]) == 2
    assert "this run has the models 0, 1, all" in capsys.readouterr().err
    assert cli.main(["resume", str(run), "--fold", "all"]) == 0
    said = capsys.readouterr().out
    assert f"all is trained. After the others: python -m train resume {run}" in said
    assert cli.main(["resume", str(run)]) == 0
    assert "epoch" not in capsys.readouterr().out, "all of them were trained"
    for name in ("fold-0", "fold-1", "all"):
        weights = [(tmp_path / folder / name / "model.safetensors").read_bytes() for folder in ("whole", "jobs")]
        assert weights[0] == weights[1]


def test_a_run_stopped_in_its_audit_is_resumed(films, accepted, tmp_path, monkeypatch):
    quick = flags(replace(TINY, coarse_epochs=0, epochs=1))
    words = ["fit", str(films), *FINDINGS, "--folds", "2", "--only-folds", "--out", str(tmp_path / "run"), *quick]
    with monkeypatch.context() as patched:
        patched.setattr("train.audit.command.gate", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cli.main([*words, *accepted])
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "fold-1" / "config.json").exists()


def test_another_recipe_may_take_a_folder_in_which_nothing_was_trained(films, accepted, tmp_path, capsys):
    quick = flags(replace(TINY, coarse_epochs=0, epochs=1))
    words = ["fit", str(films), "--folds", "2", "--only-folds", "--out", str(tmp_path / "run"), *quick]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert cli.main([*words, *FINDINGS, *accepted]) == 0
    assert cli.main([*words, "--labels", "Mass", *accepted]) == 2
    assert "holds a run of another recipe" in capsys.readouterr().err
