"""The trainer: tables, folds, loss, figures, and a run end to end on films whose truth is planted."""

import csv
import dataclasses
import gzip
import math
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from cxr_demo.errors import DataError
from cxr_demo.films import image, label_tables
from cxr_demo.models import model_folder, registry
from cxr_demo.types import NIH_FINDINGS
from tests.support.training import LABELS, TINY, flags, plant
from train import augment, cache, calibrate, datasets, distil, evaluate, finetune, losses, runs, splits
from train.recipe import Recipe


def table(folder: Path, text: str) -> Path:
    (folder / "images").mkdir(exist_ok=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.eye(64, dtype=np.uint8) * 255)
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_unknown_labels_are_masked_not_negative(tmp_path):
    path = table(tmp_path, "file,patient_id,Effusion,Mass\na.png,1,-1,\n")
    assert np.isnan(label_tables.read_tables([path], LABELS).targets).all()


def test_uncertain_and_missing_labels_become_what_the_policy_says(tmp_path):
    path = table(tmp_path, "file,patient_id,Effusion,Mass\na.png,1,-1,\n")
    for uncertain, missing, expected in (("positive", "negative", [1, 0]), ("smooth", "mask", [0.7, np.nan])):
        films = label_tables.read_tables([path], LABELS, label_tables.Policy(uncertain, missing))
        assert films.targets[0] == pytest.approx(expected, nan_ok=True)


def test_a_table_may_say_view_sex_age_and_boxes(tmp_path):
    boxes = '"[{""label"": ""Mass"", ""x"": 1.5, ""y"": 2, ""w"": 3, ""h"": 4}]"'
    header = "file,patient_id,view,sex,age,follow_up,note,boxes,Effusion,Mass"
    films = label_tables.read_tables([table(tmp_path, f"{header}\na.png,1,AP,F,57,,see,{boxes},0,1\n")], LABELS)
    assert (films.views[0], films.sexes[0], films.ages[0]) == ("AP", "F", 57)
    assert np.isnan(films.follow_ups[0])
    assert films.boxes[0] == (label_tables.Box("Mass", 1.5, 2, 3, 4),)
    assert set(films.extra) == {"note"}
    twice = label_tables.join([films, films])
    assert len(twice) == 2
    assert len(twice.take(np.array([False, True]))) == 1
    with pytest.raises(DataError, match="line 2, boxes"):
        label_tables.read_tables([table(tmp_path, "file,patient_id,boxes,Effusion,Mass\na.png,1,[1],0,1\n")], LABELS)
    with pytest.raises(DataError, match="line 2, age: 'old'"):
        label_tables.read_tables([table(tmp_path, "file,patient_id,age,Effusion,Mass\na.png,1,old,0,1\n")], LABELS)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file,patient_id,Effusion\na.png,1,0\n", "Mass"),
        ("file,patient_id,Effusion,Mass\nb.png,1,0,0\n", "b.png"),
        ("file,patient_id,Effusion,Mass\na.png,1,0,2\n", "line 2, Mass: '2'"),
        ("file,patient_id,Effusion,Mass\na.png,1,0,0\na.png,1,0,1\n", "other labels"),
        ("file,patient_id,Effusion,Mass\n", "No film"),
    ],
)
def test_a_wrong_table_is_refused_by_name(tmp_path, text, named):
    with pytest.raises(DataError, match=named):
        label_tables.read_tables([table(tmp_path, text)], LABELS)


def test_no_patient_is_in_two_folds_and_rare_findings_are_in_all():
    rng = np.random.default_rng(0)
    patients = rng.integers(0, 200, 600)
    targets = (rng.random((600, 3)) < [0.3, 0.1, 0.02]).astype(np.float32)
    fold = splits.patient_folds(patients, targets, 4, seed=1)
    for patient in range(200):
        assert len(set(fold[patients == patient])) <= 1
    positives = np.array([[(targets[fold == k, i] == 1).sum() for i in range(3)] for k in range(4)])
    assert positives.min() >= 1
    assert np.bincount(fold).min() > 0.7 * 600 / 4
    assert (fold == splits.patient_folds(patients, targets, 4, seed=1)).all()


def test_the_cache_holds_what_the_page_would_show_the_model(tmp_path):
    films = label_tables.read_tables([plant(tmp_path, 4)], LABELS)
    views = cache.decode(films, 32, tmp_path / "cache").views()
    served = image.model_input(image.read(films.paths[2]), 32)[0, 0]
    trained = finetune.to_range(finetune.to_input(views[2:3]))[0, 0].numpy()
    assert np.abs(served - trained).max() <= 2048 / 255 / 2 + 1e-3
    assert (cache.decode(films, 32, tmp_path / "cache").views()[:] == views[:]).all()


def test_masked_loss_sums_over_known_labels_and_pulls_at_no_unknown_one():
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.1]], requires_grad=True)
    targets = torch.tensor([[1.0, float("nan")], [0.0, float("nan")]])
    loss = losses.masked_bce(logits, targets)
    by_hand = np.log1p(np.exp(-0.3)) + np.log1p(np.exp(2.0))
    assert loss.item() == pytest.approx(by_hand, rel=1e-6)
    loss.backward()
    assert (logits.grad[:, 1] == 0).all()
    assert losses.masked_bce(logits, torch.full((2, 2), float("nan"))).item() == 0


def test_the_asymmetric_loss_weighs_easy_absent_labels_less():
    logits = torch.tensor([[0.0, 3.0], [-3.0, 1.0]], requires_grad=True)
    targets = torch.tensor([[1.0, float("nan")], [0.0, 0.0]])
    p = [1 / (1 + math.exp(3)) - 0.05, 1 / (1 + math.exp(-1)) - 0.05]  # less the margin, below 0 for the first
    expected = math.log(2) + 0 - p[1] ** 4 * math.log(1 - p[1])
    loss = losses.LOSSES["asymmetric"](logits, targets)
    assert p[0] < 0
    assert loss.item() == pytest.approx(expected, rel=1e-6)
    loss.backward()
    assert logits.grad[0, 1] == 0, "an unknown label teaches nothing"
    assert logits.grad[0, 0] == pytest.approx(-0.5)
    sure = torch.tensor([[100.0]])
    assert torch.isfinite(losses.LOSSES["asymmetric"](sure, torch.zeros(1, 1)))
    plain = losses.asymmetric(logits, targets, focus=0, margin=0)
    assert plain.item() == pytest.approx(losses.masked_bce(logits, targets).item(), rel=1e-6)


def test_a_map_in_its_box_costs_nothing_and_one_beside_it_much():
    masks = torch.zeros(1, 2, 28, 28)
    masks[0, 0, :8, :8] = 1  # two by two cells of seven; the second finding has no box
    inside, beside = torch.full((1, 2, 7, 7), -20.0), torch.full((1, 2, 7, 7), -20.0)
    inside[0, 0, 1, 1] = beside[0, 0, 5, 5] = 20
    assert losses.boxed_cam(inside, masks).item() == pytest.approx(0, abs=1e-4)
    assert losses.boxed_cam(beside, masks).item() == pytest.approx(-np.log(1e-4), rel=1e-3)
    flat = losses.boxed_cam(torch.zeros(1, 2, 7, 7), masks)
    assert flat.item() == pytest.approx(-np.log(4 / 49), rel=1e-5)


def still(**changes: float) -> Recipe:
    return dataclasses.replace(
        TINY, **{"rotate": 0, "scale": 1, "shift": 0, "mirror": 0, "gamma": 0, "contrast": 0} | changes
    )


def test_augmentation_without_strength_changes_nothing():
    x = torch.rand(3, 1, 24, 24)
    same = augment.draw(3, still(), torch.Generator().manual_seed(0))
    assert torch.allclose(same.expose(same.move(x)), x, atol=1e-5)
    mirrored = augment.draw(3, still(mirror=1), torch.Generator().manual_seed(0))
    assert torch.allclose(mirrored.move(x), x.flip(3), atol=1e-5)


def test_boxes_move_with_their_films():
    x = torch.zeros(1, 1, 64, 64)
    x[0, 0, 8:24, 36:52] = 1
    change = augment.draw(1, still(rotate=20, shift=0.1, mirror=0.5), torch.Generator().manual_seed(3))
    coarse = torch.nn.functional.interpolate(x, (28, 28), mode="area")
    film, mask = change.move(x), change.move(coarse)
    again = torch.nn.functional.interpolate(film, (28, 28), mode="area")
    assert (again - mask).abs().mean() < 0.02
    assert (film - x).abs().mean() > 0.02


def test_auroc_agrees_with_scikit_learn_and_knows_what_it_cannot_say():
    rng = np.random.default_rng(3)
    truth, scores = rng.integers(0, 2, 300).astype(float), rng.integers(0, 20, 300).astype(float)
    assert evaluate.auroc(truth, scores) == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    truth[::3] = np.nan
    known = ~np.isnan(truth)
    assert evaluate.auroc(truth, scores) == pytest.approx(roc_auc_score(truth[known], scores[known]), abs=1e-12)
    assert np.isnan(evaluate.auroc(np.ones(5), np.arange(5.0)))
    assert np.isnan(evaluate.aurocs(np.array([[1.0]] * 9 + [[0.0]] * 90), np.zeros((99, 1)))).all()


def test_intervals_by_patient_are_wider_where_films_of_a_patient_repeat():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 60).astype(float)
    scores = truth + rng.normal(0, 1.5, 60)
    often = 6
    films = (np.repeat(truth, often)[:, None], np.repeat(scores, often)[:, None])

    def width(patients: np.ndarray) -> float:
        score = evaluate.score(("Mass",), *films, patients, "all", resamples=300)[0]
        assert score.low < score.value < score.high
        return score.high - score.low

    by_patient, by_film = width(np.repeat(np.arange(60), often)), width(np.arange(60 * often))
    assert by_patient > 1.7 * by_film


@pytest.mark.parametrize("films", [2, 20, 3000])
def test_average_precision_is_scikit_learns(films):
    rng = np.random.default_rng(films)
    truth, scores = np.arange(films) % 2.0, rng.integers(0, 20, films) / 20  # with ties
    assert evaluate.average_precision(truth, scores) == pytest.approx(average_precision_score(truth, scores))
    unknown = np.append(truth, [np.nan, 0.5])
    assert evaluate.average_precision(unknown, np.append(scores, [1, 1])) == evaluate.average_precision(truth, scores)
    assert np.isnan(evaluate.average_precision(np.ones(films), scores))
    assert np.isnan(evaluate.average_precision(np.zeros(films), scores))


def test_platt_recovers_the_distortion_of_calibrated_logits():
    rng = np.random.default_rng(0)
    honest = rng.normal(-1, 2, (40000, 1))
    truth = (rng.random((40000, 1)) < 1 / (1 + np.exp(-honest))).astype(float)
    ((slope, intercept),) = calibrate.platt(honest * 2 - 3, truth, ("Mass",))
    assert slope == pytest.approx(0.5, abs=0.03)
    assert intercept == pytest.approx(1.5, abs=0.08)
    with pytest.raises(DataError, match="Mass"):
        calibrate.platt(honest, np.zeros_like(truth), ("Mass",))


def test_operating_points_are_where_their_rules_say():
    truth = np.array([0, 0, 0, 1, 0, 1, 1, 1.0])[:, None]
    scores = np.array([0.1, 0.2, 0.3, 0.35, 0.4, 0.6, 0.7, 0.8])[:, None]
    points = {rule: values[0] for rule, values in calibrate.operating_points(scores, truth).items()}
    called = {t: (scores >= np.float64(t)) for t in scores[:, 0]}
    gain = {t: (called[t] == truth).mean() for t in called}  # classes are even here
    assert gain[points["youden"]] == max(gain.values())
    f1 = {t: f1_score(truth, called[t]) for t in called}
    assert f1[points["max_f1"]] == max(f1.values())
    # nine tenths of four positives are all four, and 95 % of four negatives all of those
    assert points["sensitivity"] == 0.35
    assert points["specificity"] == 0.6


def test_the_cut_off_is_the_lowest_that_is_specific_enough():
    rng = np.random.default_rng(0)
    truth = (rng.random((3000, 2)) < 0.2).astype(float)
    scores = 1 / (1 + np.exp(-rng.normal(truth, 1)))
    truth[::7] = np.nan
    points = calibrate.operating_points(scores, truth)["specificity"]
    for scored, known, point in zip(scores.T, truth.T, points, strict=True):
        negatives = scored[known == 0]
        assert (negatives < point).mean() >= 0.95
        lower = scored[(known >= 0) & (scored < point)].max()
        assert (negatives < lower).mean() < 0.95
    (alike,) = calibrate.operating_points(np.full((40, 1), 0.3), np.arange(40)[:, None] % 2)["specificity"]
    assert alike == 1


def test_figures_at_the_cut_offs_are_counted():
    targets = np.array([[1, 1, 1, 0, 0, 0, 0, np.nan], [0, 0, 1, 0, 0, 0, 0, 0]], np.float32).T.repeat(10, 0)
    present = np.array([[1, 1, 0, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0, 0, 0]], bool).T.repeat(10, 0)
    rare = np.arange(80) < 9
    targets, present = (np.column_stack([both, rare]) for both in (targets, present))
    films = SimpleNamespace(labels=("Mass", "Nodule", "Hernia"), targets=targets, patients=np.arange(80).astype(str))
    found = {(s.finding, s.metric.split()[0]): (s.value, s.positives) for s in evaluate.at_cutoffs(films, present)}
    assert found["Mass", "sensitivity"] == (pytest.approx(2 / 3), 30)
    assert found["Mass", "specificity"] == (pytest.approx(3 / 4), 40)
    assert found["Mass", "precision"] == (pytest.approx(2 / 3), 30)
    assert found["Nodule", "sensitivity"] == (0, 10)
    assert found["Nodule", "specificity"] == (pytest.approx(6 / 7), 70)
    assert found["Nodule", "precision"] == (0, 10)
    assert ("Hernia", "sensitivity") not in found, "too few films for a figure, or for a part in the mean"
    assert found["mean", "specificity"][0] == pytest.approx((3 / 4 + 6 / 7) / 2)


def test_calibration_error_is_the_gap_that_was_made():
    rng = np.random.default_rng(0)
    probabilities = rng.random(60000)
    truth = (rng.random(60000) < probabilities * 0.8).astype(float)
    assert evaluate.calibration_error(truth, probabilities) == pytest.approx(0.1, abs=0.01)
    assert evaluate.calibration_error(truth, probabilities * 0.8) < 0.015


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Patients with several films each: by patient 95 % of intervals hold the true AUROC, by film fewer."""
    rng = np.random.default_rng(0)
    held = {"patient": 0, "film": 0}
    true = 0.76  # of two normals one standard deviation apart: Phi(1 / sqrt(2))
    for trial in range(120):
        patients = np.repeat(np.arange(120), 5)
        truth = np.repeat(rng.integers(0, 2, 120), 5).astype(float)[:, None]
        noise = np.repeat(rng.normal(size=120), 5) * 0.9 + rng.normal(size=600) * np.sqrt(1 - 0.9**2)
        for kind, groups in (("patient", patients), ("film", np.arange(600))):
            found = evaluate.score(("Mass",), truth, truth + noise[:, None], groups, "", resamples=100, seed=trial)[0]
            held[kind] += found.low <= true <= found.high
    assert held["patient"] / 120 > 0.88
    assert held["film"] / 120 < held["patient"] / 120 - 0.2


def test_scores_of_different_models_are_compared_within_their_fold():
    rng = np.random.default_rng(0)
    truth, scores, fold = rng.integers(0, 2, 200).astype(float), rng.normal(size=200), np.arange(200) % 3
    scores += truth
    shifted = evaluate.within(evaluate.auroc, truth, scores + 10 * fold, fold)
    right = [(scores[i] > scores[j]) for i in range(200) for j in range(200)
             if truth[i] == 1 and truth[j] == 0 and fold[i] == fold[j]]  # fmt: skip
    assert shifted == pytest.approx(np.mean(right))
    assert evaluate.auroc(truth, scores + 10 * fold) < shifted - 0.1


def test_strata_are_parts_that_are_large_enough(tmp_path):
    films = label_tables.read_tables([plant(tmp_path, 6)], LABELS)
    many = films.take(np.tile(np.arange(6), 200))
    many = dataclasses.replace(many, ages=np.arange(1200) % 90.0, views=np.where(np.arange(1200) % 10, "PA", "AP"))
    masks = dict(evaluate.strata(many))
    assert masks["all sources"].all()
    assert set(masks) == {"all sources", "within a", "within b", "view PA", "age 0 to 40", "age 60 and over"}
    assert (many.ages[masks["age 60 and over"]] >= 60).all()


def test_a_published_models_predictions_score_as_published(films):
    """22,433 films that jrzech's DenseNet-121 had not seen, against the labels of 2020."""
    table = films / "reference" / "densenet121_nih_predictions.csv.gz"
    nih = datasets.read("NIH", films, NIH_FINDINGS, present="metadata")
    scores = distil.read(table, nih)
    rows = ~np.isnan(scores).any(1)
    aurocs = evaluate.aurocs(nih.targets[rows], scores[rows])
    assert rows.sum() == 22_433
    assert aurocs.mean() == pytest.approx(0.8383, abs=5e-5)
    assert aurocs[NIH_FINDINGS.index("Pneumothorax")] == pytest.approx(0.8776, abs=5e-5)


def teacher_table(folder: Path, rows: dict[str, float], column: str = "prob_Mass") -> Path:
    path = folder / "teacher.csv.gz"
    with gzip.open(path, "wt", newline="") as file:
        csv.writer(file).writerows([["Image Index", column], *rows.items()])
    return path


def test_a_teacher_is_matched_by_file_name_and_silent_where_it_has_no_row(tmp_path):
    films = label_tables.read_tables([plant(tmp_path, 4)], ("Mass",))
    logits = distil.read(teacher_table(tmp_path, {"001.jpg": 0.8, "999.png": 0.1}), films)
    assert logits[1, 0] == pytest.approx(np.log(0.8 / 0.2))
    assert np.isnan(logits[[0, 2, 3]]).all()
    with pytest.raises(DataError, match="prob_Mass"):
        distil.read(teacher_table(tmp_path, {}, "prob_Hernia"), films)


def test_softened_labels_keep_their_sum_and_leave_other_films_alone():
    rng = np.random.default_rng(0)
    teacher = rng.normal(-4, 1, (2000, 1))  # says "rare" of everything
    targets = (rng.random((2000, 1)) < 1 / (1 + np.exp(-2 * teacher - 8))).astype(np.float32)
    teacher[1500:] = np.nan
    soft = distil.soften(targets, teacher, ("Mass",), 0.7)
    assert (soft[1500:] == targets[1500:]).all()
    # a logistic fit with an intercept reproduces the frequency of its labels
    assert soft[:1500].sum() == pytest.approx(targets[:1500].sum(), rel=1e-3)
    by_hand = 0.3 * targets[:1500] + 0.7 / (1 + np.exp(-2 * teacher[:1500] - 8))
    assert np.abs(soft[:1500] - by_hand).max() < 0.06
    with pytest.raises(DataError, match="none of these films"):
        distil.soften(targets, np.full((2000, 1), np.nan), ("Mass",), 0.7)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A small run through the command line."""
    folder = tmp_path_factory.mktemp("run")
    path = plant(folder / "films")
    command = [sys.executable, "-m", "train", "fit", str(path), "--out", str(folder / "run"), "--name", "planted"]
    command += ["--folds", "2", "--trained-on", "planted films", "--labels", *LABELS]
    command += flags(TINY)
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    return folder


def test_a_run_learns_what_was_planted_and_says_so(run):
    model = model_folder.load(run / "run" / "all", "planted")
    means = [s for s in model.spec.scores if s.finding == "mean" and s.subset == "all sources"]
    assert means[0].value > 0.9
    assert means[0].films == 160
    card = (run / "run" / "all" / "README.md").read_text()
    assert f"{means[0].value:.2f} [{means[0].low:.2f}-{means[0].high:.2f}]" in card
    assert "python -m train fit" in card
    assert "planted films" in card


def test_cut_offs_are_measured_on_folds_that_did_not_choose_them(run):
    stored = np.load(run / "run" / "out_of_fold.npz")
    spec = model_folder.read_spec(run / "run" / "all")
    card = (run / "run" / "all" / "README.md").read_text()
    for i, label in enumerate(LABELS):
        truth, scores, present = stored["targets"][:, i], stored["logits"][:, i], np.zeros(160, bool)
        for k in (0, 1):
            rest, own = stored["fold"] != k, stored["fold"] == k
            levels = np.sort(scores[rest])
            specific = [(scores[rest & (truth == 0)] < level).mean() >= 0.95 for level in levels]
            present[own] = scores[own] >= levels[np.argmax(specific)]
        told = {s.metric.split()[0]: s for s in spec.scores if s.finding == label and "cut-off" in s.metric}
        assert told["sensitivity"].value == pytest.approx(present[truth == 1].mean())
        assert told["specificity"].value == pytest.approx((~present[truth == 0]).mean())
        assert told["precision"].value == pytest.approx(truth[present].mean())
        assert f"| {label} | {100 * spec.thresholds[i]:.1f} % | {told['sensitivity'].value:.2f} [" in card


def test_a_model_is_calibrated_on_the_films_outside_its_fold(run):
    stored = np.load(run / "run" / "out_of_fold.npz")
    for name, rest in (("fold-0", stored["fold"] == 1), ("fold-1", stored["fold"] == 0), ("all", np.full(160, True))):
        expected = calibrate.platt(stored["logits"][rest], stored["targets"][rest], LABELS)
        np.testing.assert_allclose(model_folder.read_spec(run / "run" / name).calibration, expected)


def test_the_model_is_calibrated_and_sees_films_as_the_trainer_did(run):
    model = model_folder.load(run / "run" / "all", "planted")
    films = label_tables.read_tables([run / "films" / "labels.csv"], LABELS)
    x = np.concatenate([image.model_input(image.read(p), 32) for p in films.paths])
    probabilities = model.probabilities(model.logits(torch.from_numpy(x)).numpy())
    assert (evaluate.aurocs(films.targets, probabilities) > 0.9).all()
    hits = ((probabilities >= model.thresholds) == films.targets).mean()
    assert hits > 0.85


def test_out_of_fold_scores_come_from_the_model_that_never_saw_the_patient(run):
    stored = np.load(run / "run" / "out_of_fold.npz")
    films = label_tables.read_tables([run / "films" / "labels.csv"], LABELS)
    views = cache.decode(films, 32, cache.shared_folder()).views()
    own = model_folder.load(run / "run" / "fold-1", "fold")
    rows = stored["fold"] == 1
    logits = own.logits(finetune.to_range(finetune.to_input(views[rows]))).numpy()
    assert np.allclose(logits, stored["logits"][rows], atol=1e-4)
    with (run / "run" / "folds.csv").open() as file:
        folds = {row["patient"]: row["fold"] for row in csv.DictReader(file)}
    assert len(folds) == 80


def again(run: Path, folder: Path, *, say=lambda _: None, labels=LABELS, **changes) -> runs.Run:
    """The run of the fixture, or one that differs from it, as an object."""
    films = label_tables.read_tables([run / "films" / "labels.csv"], labels)
    decoded = cache.decode(films, 32, cache.shared_folder())
    plan = dataclasses.replace(runs.loads(run / "run"), labels=labels, digest=runs.digest(films), **changes)
    return runs.Run(folder, plan, films, decoded.views(), decoded.checksums.tolist(), say)


def test_a_finished_run_trains_nothing_again_and_another_recipe_is_refused(run):
    said: list[str] = []
    again(run, run / "run", say=said.append).fit()
    assert not any("epoch" in line for line in said)
    with pytest.raises(DataError, match="another recipe"):
        again(run, run / "run", recipe=dataclasses.replace(TINY, rate=1e-3)).fit()
    with pytest.raises(DataError, match="other films"):
        again(run, run / "run", labels=("Mass",)).fit()


def test_a_run_to_measure_with_has_folds_alone(run, tmp_path):
    said: list[str] = []
    again(run, tmp_path / "folds", say=said.append, only_folds=True).fit()
    assert not any("160 films" in line for line in said), "no model of all films"
    assert sorted(path.name for path in (tmp_path / "folds").glob("*/config.json")) == ["config.json"] * 2
    whole, alone = (registry.load(str(folder)) for folder in (run / "run", tmp_path / "folds"))
    film = image.read(label_tables.read_tables([run / "films" / "labels.csv"], LABELS).paths[0])
    assert torch.equal(whole.for_film(film).head[0], alone.for_film(film).head[0])
    spec = model_folder.load(tmp_path / "folds" / "fold-0", "fold").spec
    assert "never saw its patient" in spec.scored_on
    assert "trained the same way" not in spec.scored_on
    with pytest.raises(DataError, match="give --only-folds here too"):
        again(run, tmp_path / "second", start_run=str(tmp_path / "folds")).fit()


def test_a_start_with_another_number_of_folds_is_refused(run, tmp_path):
    with pytest.raises(DataError, match="has 2 folds"):
        again(run, tmp_path / "third", folds=3, start_run=str(run / "run")).fit()


def test_a_run_can_start_from_another_fold_by_fold(run, tmp_path):
    still = dataclasses.replace(TINY, coarse_epochs=0, epochs=1, fine_rate=1e-6)
    second = again(run, tmp_path / "second", labels=("Mass",), recipe=still, start_run=str(run / "run"))
    second.fit()
    for name in ("fold-0", "all"):
        first = model_folder.load(run / "run" / name, "first")
        then = model_folder.load(tmp_path / "second" / name, "then")
        assert then.spec.base_weights.startswith("run@")
        x = finetune.to_range(finetune.to_input(second.views[:4]))
        then_seen, seen = then.features(x), first.features(x)
        assert (then_seen - seen).norm() < 0.1 * seen.norm()  # batch norms move a little
    assert (tmp_path / "second" / "folds.csv").read_text() == (run / "run" / "folds.csv").read_text()
