"""Checks that need no pixels: planted faults are found, clean tables are not blamed, published figures come out."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import contingency
from sklearn.metrics import roc_auc_score

from cxr_demo.films import label_tables
from cxr_demo.types import NIH_FINDINGS
from train import datasets, evaluate, splits
from train.audit import confounds, labels, leaks, reference
from train.audit.base import Severity, Subject

MODULES = (leaks, labels, confounds, reference)
RANDOM = np.random.default_rng(11)
FIRST = RANDOM.bit_generator.state


def made(targets, names=("Mass", "Nodule"), **given):
    """Films with these targets (N, L), one per patient; anything else as given."""
    n = len(targets)
    columns = {
        "paths": tuple(Path(f"images/film{i}.png") for i in range(n)),
        "patients": np.array([f"p{i}" for i in range(n)]),
        "boxes": ((),) * n,
        "extra": {},
    }
    columns |= {field: np.full(n, "") for field in ("sources", "views", "sexes")}
    columns |= {field: np.full(n, np.nan) for field in ("ages", "follow_ups")}
    return label_tables.Films(labels=tuple(names), targets=np.asarray(targets, np.float32), **(columns | given))


def coins(*shape, share=0.5):
    return (RANDOM.random(shape) < share).astype(float)


def run(check, subject, **parts):
    """What a check says of films or of a subject, by id."""
    subject = Subject(subject, **parts) if isinstance(subject, label_tables.Films) else subject
    found = list(check(subject))
    assert len({finding.id for finding in found}) == len(found)
    for finding in found:
        json.dumps(finding.figures, allow_nan=False)
        assert all(0 <= suspect.film < len(subject.films) for suspect in finding.suspects)
    return {finding.id: finding for finding in found}


def everything(subject):
    return {
        id_: finding for module in MODULES for check in module.CHECKS for id_, finding in run(check, subject).items()
    }


@pytest.fixture(autouse=True)
def _the_same_numbers():
    """Whatever tests come before."""
    RANDOM.bit_generator.state = FIRST


@pytest.fixture(scope="module")
def nih(tmp_path_factory):
    """NIH's whole table, without a film."""
    return datasets.read("NIH", tmp_path_factory.mktemp("nih"), NIH_FINDINGS, present="metadata")


@pytest.fixture(scope="module")
def part(nih):
    return nih.take(np.sort(np.random.default_rng(3).choice(len(nih), 20_000, replace=False)))


@pytest.fixture
def real(films):
    return label_tables.read_tables([films / "nih/labels.csv", films / "nih64/labels.csv"], NIH_FINDINGS)


# --- reference -------------------------------------------------------------------------------------------------------


def row(found, /, **wanted):
    rows = [r for r in found.figures["rows"] if all(r[k] == v for k, v in wanted.items())]
    assert len(rows) == 1, wanted
    return rows[0]


@pytest.mark.parametrize(
    ("question", "subset", "counts", "sensitivity", "ppv", "kappa"),
    [
        ("Pneumothorax", "all", (109, 129, 129, 4009), (0.458, 0.396, 0.521), 0.458, 0.43),
        ("Pneumothorax", "test", (97, 98, 103, 1664), (0.497,), 0.485, 0.43),
        ("Pneumothorax", "val", (12, 31, 26, 2345), (0.279,), 0.316, 0.28),
        ("Pneumothorax", "AP", None, (0.361,), 0.432, None),
        ("Pneumothorax", "PA", None, (0.581,), 0.480, None),
        ("Nodule or mass", "all", (256, 349, 199, 3572), (0.423, 0.384, 0.463), 0.563, 0.41),
        ("Airspace opacity", "all", (959, 1207, 307, 1903), (0.443, 0.422, 0.464), 0.758, 0.31),
    ],
)
def test_nih_against_google_comes_out_to_the_film(nih, question, subset, counts, sensitivity, ppv, kappa):
    found = row(run(reference.google, nih)["reference-google-2019"], finding=question, **{"films of": subset})
    if counts:
        assert tuple(found[c] for c in ("TP", "FN", "FP", "TN")) == counts
        assert found["films"] == sum(counts)
        assert found["kappa"] == pytest.approx(kappa, abs=0.005)
    assert found["sensitivity"][: len(sensitivity)] == pytest.approx(sensitivity, abs=5e-4)
    assert found["PPV"][0] == pytest.approx(ppv, abs=6e-4)


def test_the_films_that_google_disagrees_with_are_suspects(nih):
    finding = run(reference.google, nih)["reference-google-2019"]
    pneumothorax = [s for s in finding.suspects if s.label == "Pneumothorax"]
    assert len(pneumothorax) == 129 + 129
    absent = [s for s in pneumothorax if "saw no" in s.reason]
    column = nih.targets[:, nih.labels.index("Pneumothorax")]
    assert len(absent) == 129
    assert all(column[s.film] == 1 for s in absent)
    assert sum(s.label is None for s in finding.suspects) == 349 + 1207  # which of several labels, nobody knows


def test_masked_labels_are_not_compared(nih):
    targets = nih.targets.copy()
    targets[nih.views == "AP", nih.labels.index("Pneumothorax")] = np.nan
    finding = run(reference.google, replace(nih, targets=targets))["reference-google-2019"]
    assert row(finding, finding="Pneumothorax", **{"films of": "all"})["films"] == 1132


def test_shares_and_kappa_are_the_closed_forms():
    k, n, z = 109, 238, 1.959963984540054
    centre, half = (k + z**2 / 2) / (n + z**2), z * math.sqrt(k * (n - k) / n + z**2 / 4) / (n + z**2)
    assert reference.share(k, n) == pytest.approx((k / n, centre - half, centre + half))
    assert reference.share(0, 0) is None
    truth, said = np.array([1, 1, 1, 0, 0, 0, 0, 0]) == 1, np.array([1, 1, 0, 1, 0, 0, 0, 0]) == 1
    agreement = reference.Agreement.of(truth, said)
    observed, chance = 6 / 8, (3 * 3 + 5 * 5) / 64
    assert (agreement.tp, agreement.fn, agreement.fp, agreement.tn) == (2, 1, 1, 4)
    assert agreement.kappa == pytest.approx((observed - chance) / (1 - chance))
    assert reference.Agreement.of(truth[:3], truth[:3]).kappa is None


def test_every_box_lies_on_a_film_with_its_label_until_one_is_taken_away(nih):
    finding = run(reference.boxes, nih)["reference-boxes"]
    assert (finding.figures["boxes"], finding.figures["films"]) == (984, 880)
    assert "984 of 984" in finding.title
    assert finding.figures["google"][0] == {"finding": "Pneumothorax", "boxes": 6, "confirmed": 4}
    film = next(i for i, boxes in enumerate(nih.boxes) if any(box.label == "Infiltration" for box in boxes))
    targets = nih.targets.copy()
    targets[film, nih.labels.index("Infiltration")] = 0
    suspects = run(reference.boxes, replace(nih, targets=targets))["reference-boxes"].suspects
    assert [(s.film, s.label) for s in suspects] == [(film, "Infiltration")]


# --- leaks -----------------------------------------------------------------------------------------------------------


def test_a_split_by_film_leaks_as_much_as_was_published(nih):
    order = np.random.default_rng(0).permutation(len(nih))
    split = np.empty(len(nih), "U5")
    split[order] = np.repeat(
        ["train", "val", "test"], np.diff([0, *np.round(len(nih) * np.array([0.7, 0.8, 1]))]).astype(int)
    )
    finding = run(leaks.patients, nih, split=split)["patient-in-two-splits"]
    test = row(finding, split="test")
    by_label = {r["label"]: r for r in test["labels"]}
    assert finding.severity == Severity.ERROR
    assert test["share"] == pytest.approx(0.815, abs=0.01)
    assert test["mean"] == pytest.approx(0.735, abs=0.01)
    assert by_label["Pneumothorax"]["AUROC"] == pytest.approx(0.859, abs=0.01)
    assert by_label["Pneumothorax"]["share of positives"] == pytest.approx(0.982, abs=0.01)


def test_a_memoriser_knows_the_mean_of_its_patients_labels_in_training():
    table = made(np.where(RANDOM.random((60, 2)) < 0.1, np.nan, coins(60, 2, share=0.3)))
    table = replace(table, patients=np.array([f"p{i}" for i in RANDOM.integers(25, size=60)]))
    held = np.arange(60) % 3 == 0
    scores = leaks.memorised(table, ~held, held)
    for score, film in zip(scores, np.flatnonzero(held), strict=True):
        for i in range(2):
            known = ~held & ~np.isnan(table.targets[:, i])
            own = table.targets[known & (table.patients == table.patients[film]), i]
            assert score[i] == pytest.approx(own.mean() if len(own) else table.targets[known, i].mean())


def test_folds_leak_into_each_other_and_films_in_no_split_do_not():
    table = made(coins(40, 2), patients=np.repeat([f"p{i}" for i in range(20)], 2))
    clean = splits.patient_folds(table.patients, table.targets, 4)
    names = np.array([f"fold-{k}" for k in clean])
    assert run(leaks.patients, table, split=names)["patient-in-two-splits"].severity == Severity.INFO
    torn = names.copy()
    torn[0] = "fold-0" if names[0] != "fold-0" else "fold-1"
    finding = run(leaks.patients, table, split=torn)["patient-in-two-splits"]
    assert (finding.severity, finding.figures["examples"]) == (Severity.ERROR, ["p0"])
    torn[0] = ""
    assert run(leaks.patients, table, split=torn)["patient-in-two-splits"].severity == Severity.INFO
    assert not run(leaks.patients, table)


def test_a_patient_in_validation_and_test_alone_is_found_too():
    table = made(coins(4, 2), patients=np.array(["a", "b", "c", "c"]))
    finding = run(leaks.patients, table, split=np.array(["train", "train", "val", "test"]))["patient-in-two-splits"]
    assert finding.severity == Severity.ERROR
    assert row(finding, split="test")["share"] == 0


def test_films_without_a_patient_are_said_and_not_counted_as_one():
    table = made(coins(4, 2), patients=np.array(["a", "b", "", ""]))
    found = run(leaks.patients, table, split=np.array(["train", "test", "train", "test"]))
    assert found["patient-unknown"].severity == Severity.WARNING
    assert found["patient-in-two-splits"].severity == Severity.INFO
    nobody = replace(table, patients=np.full(4, ""))
    assert run(leaks.patients, nobody, split=np.array(["train", "test", "train", "test"])).keys() == {"patient-unknown"}


@pytest.mark.parametrize(
    ("backbone", "source", "severity"),
    [
        ("xrv:densenet121-res224-all", "NIH", Severity.ERROR),
        ("xrv:densenet121-res224-all@588eadcc6a74", "SIIM", Severity.ERROR),
        ("densenet121-res224-nih", "Google", Severity.ERROR),
        ("xrv:densenet121-res224-rsna", "NIH", Severity.ERROR),
        ("xrv:resnet50-res512-all", "NIH", Severity.ERROR),
        ("xrv:resnet50-res512-all", "CheXpert", Severity.INFO),
        ("xrv:densenet121-res224-chex", "NIH", Severity.INFO),
        ("xrv:densenet121-res224-pc", "PadChest", Severity.ERROR),
        ("xrv:densenet121-res224-mimic_nb", "MIMIC", Severity.ERROR),
        ("bundled:nih14", "NIH", Severity.WARNING),
        ("bundled:nih14", "CheXpert", Severity.INFO),
        ("random", "NIH", Severity.INFO),
    ],
)
def test_weights_that_saw_the_held_out_films(backbone, source, severity):
    table = made(coins(4, 2), sources=np.array([source] * 4))
    found = run(leaks.backbone, table, backbone=backbone)
    assert found["backbone-saw-test-films"].severity == severity


def test_every_collection_that_published_weights_learnt_from_is_known():
    families = {family for name in leaks.published_models() for family in leaks.seen_by(name)[0]}
    assert families <= set(leaks.FAMILIES.values())


def test_films_are_known_as_nihs_by_their_names_and_only_held_out_ones_count():
    table = made(coins(4, 2), sources=np.array(["a", "a", "b", "b"]))
    table = replace(table, paths=tuple(Path(f"{name}.jpg") for name in ("00000001_000", "00000002_000", "x", "y")))
    split = np.array(["train", "test", "test", "test"])
    finding = run(leaks.backbone, table, backbone="xrv:densenet121-res224-all", split=split)["backbone-saw-test-films"]
    assert finding.figures["films"] == 1
    split = np.array(["train", "train", "test", "test"])
    finding = run(leaks.backbone, table, backbone="xrv:densenet121-res224-all", split=split)["backbone-saw-test-films"]
    assert finding.severity == Severity.INFO


def test_a_folder_saw_what_its_base_weights_saw(tmp_path):
    spec = json.loads((leaks.registry.BUNDLED / "nih14" / "config.json").read_text())
    spec |= {"base_weights": "xrv:densenet121-res224-all@588eadcc6a74", "trained_on": "Films of our own."}
    (tmp_path / "config.json").write_text(json.dumps(spec))
    table = made(coins(4, 2), sources=np.array(["NIH"] * 4))
    assert run(leaks.backbone, table, backbone=str(tmp_path))["backbone-saw-test-films"].severity == Severity.ERROR


# --- labels ----------------------------------------------------------------------------------------------------------


def test_nihs_table_of_2020_is_recognised_and_clean(nih):
    found = {id_: finding for check in labels.CHECKS for id_, finding in run(check, nih).items()}
    assert max(finding.severity for finding in found.values()) == Severity.INFO
    assert found.keys() == {"nih-version", "differs-from-published", "label-flickers"}
    assert found["nih-version"].figures["version"] == "v2020"
    assert found["nih-version"].figures["highest age"] == 95
    flicker = {r["label"]: r["without"] / r["between"] for r in found["label-flickers"].figures["rows"]}
    for label, share in {
        "Fibrosis": 0.55,
        "Nodule": 0.45,
        "Cardiomegaly": 0.43,
        "Emphysema": 0.31,
        "Pneumothorax": 0.21,
    }.items():
        assert flicker[label] == pytest.approx(share, abs=0.01)


def test_nihs_first_table_is_told_by_its_pneumonia_and_every_cell_that_changed_is_a_suspect(nih):
    column = nih.labels.index("Pneumonia")
    older = nih.targets.copy()
    older[np.flatnonzero(older[:, column] == 1)[:78], column] = 0
    first = replace(nih, targets=older)
    assert run(labels.version, first)["nih-version"].figures["version"] == "v1 of 2017"
    differ = run(labels.disagreements, first)["differs-from-published"]
    assert (differ.severity, len(differ.suspects)) == (Severity.WARNING, 78)
    assert differ.figures["rows"] == [{"label": "Pneumonia", "only here": 0, "only published": 78}]
    assert run(labels.version, first.take(older[:, 0] == 1))["nih-version"].figures["version"] in ("v2020", "unknown")


def test_a_part_of_nih_is_compared_with_the_same_films(part):
    aged = part.ages.copy()
    aged[5] = 155
    found = run(labels.version, replace(part, ages=aged))["nih-version"]
    assert (found.severity, found.figures["version"]) == (Severity.WARNING, "v2020")
    assert run(labels.version, part)["nih-version"].severity == Severity.INFO
    assert not run(labels.version, made(coins(9, 1), ("Pneumonia",)))


def test_permuted_columns_are_named_with_what_they_hold(part):
    targets = part.targets.copy()
    a, b = part.labels.index("Mass"), part.labels.index("Hernia")
    targets[:, [a, b]] = targets[:, [b, a]]
    flips = RANDOM.random(targets.shape) < 0.02  # noise must not hide it
    finding = run(labels.columns, replace(part, targets=np.where(flips, 1 - targets, targets)))["label-columns-labels"]
    assert finding.severity == Severity.ERROR
    assert {(r["label"], r["looks like"]) for r in finding.figures["rows"]} == {("Mass", "Hernia"), ("Hernia", "Mass")}
    rolled = run(labels.columns, replace(part, targets=np.roll(part.targets, 1, 1)))["label-columns-labels"]
    assert len(rolled.figures["rows"]) == 14


def test_noise_and_masks_do_not_make_columns_look_permuted(part):
    flips = RANDOM.random(part.targets.shape) < 0.1
    targets = np.where(flips, 1 - part.targets, part.targets)
    targets[RANDOM.random(targets.shape) < 0.3] = np.nan
    assert not run(labels.columns, replace(part, targets=targets))


def test_agreement_of_columns_is_their_correlation():
    a, b = coins(80, 3, share=0.3), coins(80, 2)
    a[RANDOM.random(a.shape) < 0.2] = np.nan
    expected = [[np.corrcoef(x[~np.isnan(x)], y[~np.isnan(x)])[0, 1] for y in b.T] for x in a.T]
    np.testing.assert_allclose(labels._phi(a, b), expected)
    assert not labels._phi(np.zeros((80, 1)), b).any()


def test_scores_in_another_order_than_labels_are_found(part):
    strength = np.linspace(1.5, 2.5, 14)
    scores = part.targets * strength + RANDOM.normal(size=part.targets.shape)
    assert not run(labels.scored_columns, part, scores=scores)
    targets = part.targets.copy()
    targets[:, [1, 4]] = targets[:, [4, 1]]
    finding = run(labels.scored_columns, replace(part, targets=targets), scores=scores)["label-columns-scores"]
    expected = {("Cardiomegaly", "Effusion"), ("Effusion", "Cardiomegaly")}
    assert {(r["label"], r["looks like"]) for r in finding.figures["rows"]} == expected


def test_scores_that_know_nothing_accuse_no_column(part):
    few = part.take(np.arange(600))
    for seed in range(5):
        scores = np.random.default_rng(seed).normal(size=few.targets.shape)
        assert not run(labels.scored_columns, few, scores=scores)


def test_a_published_models_scores_confirm_the_columns(films, nih):
    table = pd.read_csv(films / "reference/densenet121_nih_predictions.csv.gz")
    rows = pd.Index(nih.names).get_indexer(table["Image Index"])
    scores = np.log(table[[f"prob_{label}" for label in NIH_FINDINGS]].to_numpy())
    known = nih.take(rows)
    assert not run(labels.scored_columns, known, scores=scores)
    rolled = run(labels.scored_columns, known, scores=np.roll(scores, 1, 1))["label-columns-scores"]
    assert len(rolled.figures["rows"]) >= 12


def test_findings_beside_no_finding_and_nothing_beside_nothing_are_contradictions(part):
    said, targets = part.extra["No Finding"].copy(), part.targets.copy()
    hit, empty = int(np.flatnonzero(said == "1")[0]), int(np.flatnonzero(said == "0")[0])
    targets[hit, 3], targets[empty] = 1, 0
    found = run(labels.contradictions, replace(part, targets=targets))
    assert found["no-finding-with-finding"].severity == Severity.ERROR
    assert [(s.film, s.label) for s in found["no-finding-with-finding"].suspects] == [(hit, "Edema")]
    assert [s.film for s in found["neither-finding-nor-none"].suspects] == [empty]
    assert not run(labels.contradictions, part)


def test_findings_that_a_second_reader_calls_normal_are_doubted():
    said = {"reader": np.array(["Normal", "opacity", "Normal", "Normal", ""])}
    table = made([[1, 0], [1, 1], [0, 0], [1, 1], [1, 0]], extra=said)
    finding = run(labels.second_readers, table)["second-reader-reader"]
    assert finding.title.startswith("2 of 3 films that reader calls Normal have a finding: Mass 2, Nodule 1.")
    assert [(s.film, s.label) for s in finding.suspects] == [(0, "Mass"), (3, "Mass"), (3, "Nodule")]
    assert not run(labels.second_readers, table.take(np.array([1, 2, 4]))), "of the normal film both say the same"
    texts = np.array(["Normal", *(f"text {i}" for i in range(19))])
    assert not run(labels.second_readers, made([[1.0]] * 20, ("Mass",), extra={"report": texts})), "no reader's classes"


def test_radiologists_who_looked_again_contradict_the_labels_of_real_films(films):
    tables = [films / name / "labels.csv" for name in ("nih", "nih64", "nih_rsna")]
    three = label_tables.read_tables(tables, NIH_FINDINGS)
    finding = run(labels.second_readers, three)["second-reader-rsna-class"]
    assert (finding.figures["films"], finding.figures["called normal"]) == (628, 1169)
    follows = run(confounds.follows, three)["label-follows-source"]
    assert follows.severity == Severity.WARNING
    assert "rsna_covidx1k" in {row["group"] for row in follows.figures["rows"] if row["high"]}


def test_a_table_of_few_findings_does_not_contradict_itself():
    table = made([[0.0], [1.0], [0.0]], ("Mass",), extra={"No Finding": np.array(["0", "0", "1"])})
    assert not run(labels.contradictions, table)
    hidden = replace(table, extra=dict(table.extra) | {"Edema": np.array(["0", "0", "1"])})
    assert run(labels.contradictions, hidden)["no-finding-with-finding"].figures == {"films": 1}


def test_chexperts_no_finding_is_read_as_its_labels_are():
    """It writes 1.0, and a film with a device alone has no finding."""
    table = made([[1, 0], [0, 1], [0, 0]], ("Edema", "Support Devices"))
    table = replace(table, extra={"No Finding": np.array(["1.0", "1.0", ""]), "Mass": np.array(["", "0.0", "1.0"])})
    (suspect,) = run(labels.contradictions, table)["no-finding-with-finding"].suspects
    assert (suspect.film, suspect.label) == (0, "Edema")
    names, targets = confounds.labelled(table)
    assert names[-1] == "No Finding"
    np.testing.assert_array_equal(targets[:, -1], [1, 1, np.nan])


def test_labels_without_contrast_are_named():
    nan = np.nan
    table = made([[0, 1, nan, 1, 0.7], [0, 1, nan, 0, 0.7], [nan, nan, nan, nan, 0]], ("A", "B", "C", "D", "E"))
    finding = run(labels.constants, table)["label-without-contrast"]
    assert dict(finding.figures) == {"masked in every film": ["C"], "never present": ["A"], "never absent": ["B"]}
    assert not run(labels.constants, made(coins(50, 2)))


def test_unknown_labels_are_named_and_a_spelling_is_an_error():
    known = run(labels.names, made(coins(5, 2), ("Lung Opacity", "Pleural_Thickening")))
    assert not known
    spelt = run(labels.names, made(coins(5, 2), ("Pleural Thickening", "Mass")))["unknown-label"]
    assert spelt.severity == Severity.ERROR
    assert "Pleural Thickening looks like Pleural_Thickening" in spelt.title
    assert run(labels.names, made(coins(5, 1), ("Tuberculosis",)))["unknown-label"].severity == Severity.WARNING


def test_a_patient_of_two_names_is_found(part):
    assert not run(labels.split_patients, part)
    assert not run(labels.split_patients, replace(part, patients=np.char.add("nih-", part.patients)))
    renamed = part.patients.copy()
    twice = np.flatnonzero(renamed == renamed[np.flatnonzero(pd.Series(renamed).duplicated())[0]])
    renamed[twice[0]] = "someone"
    finding = run(labels.split_patients, replace(part, patients=renamed))["patient-with-several-names"]
    assert finding.figures["patients"] == [part.patients[twice[0]]]


def test_too_few_positives_are_counted_by_split():
    targets = np.zeros((200, 2))
    targets[:40, 0], targets[:58, 1] = 1, 1
    split = np.where(np.arange(200) % 2, "test", "train")
    finding = run(labels.few_positives, made(targets), split=split)["few-positives"]
    assert finding.severity == Severity.INFO
    assert {(r["split"], r["label"], r["positives"]) for r in finding.figures["rows"]} == {
        ("test", "Mass", 20), ("train", "Mass", 20), ("test", "Nodule", 29), ("train", "Nodule", 29),
    }  # fmt: skip
    assert run(labels.few_positives, made(targets[30:]))["few-positives"].severity == Severity.INFO
    assert run(labels.few_positives, made(targets[35:]))["few-positives"].severity == Severity.WARNING
    assert not run(labels.few_positives, made(np.ones((30, 1)), ("Mass",)))


def test_prevalence_shifts_have_katz_intervals_for_single_films_and_wider_ones_for_clusters():
    targets = np.zeros((1000, 1))
    targets[:40], targets[500:650] = 1, 1
    split = np.repeat(["train", "test"], 500)
    found = run(labels.prevalence, made(targets, ("Mass",)), split=split)["prevalence-shift"].figures["rows"][0]
    width = 1.96 * math.sqrt(1 / 40 - 1 / 500 + 1 / 150 - 1 / 500)
    assert found["ratio"] == pytest.approx(150 / 40)
    assert (found["low"], found["up to"]) == pytest.approx((3.75 * math.exp(-width), 3.75 * math.exp(width)))
    # ten films of each patient, all alike: a tenth of the evidence
    grouped = made(targets, ("Mass",), patients=np.repeat([f"p{i}" for i in range(100)], 10))
    wide = run(labels.prevalence, grouped, split=split)["prevalence-shift"].figures["rows"][0]
    assert math.log(wide["up to"] / wide["low"]) == pytest.approx(2 * width * math.sqrt(10))
    assert not run(labels.prevalence, made(coins(1000, 2)), split=split)


def test_nihs_official_test_patients_are_sicker(films, nih):
    test = set((films / "reference/nih_official_test_patients.txt").read_text().replace(",", " ").split())
    split = np.where(np.isin(nih.patients, list(test)), "test", "train")
    assert (split == "test").sum() == 25_596
    assert run(leaks.patients, nih, split=split)["patient-in-two-splits"].severity == Severity.INFO
    finding = run(labels.prevalence, nih, split=split)["prevalence-shift"]
    ratios = {r["label"]: r["ratio"] for r in finding.figures["rows"] if r["high"]}
    for label, ratio in {"Pneumothorax": 3.4, "Emphysema": 2.6, "Edema": 2.3}.items():
        assert ratios[label] == pytest.approx(ratio, abs=0.06)


def test_patients_who_change_sex_and_ages_nobody_has():
    table = made(
        coins(5, 2),
        patients=np.array(["a", "a", "b", "b", "c"]),
        sexes=np.array(["M", "F", "M", "", "F"]),
        ages=np.array([-1.0, 100, 101, 155, np.nan]),
    )
    assert {s.film for s in run(labels.sexes, table)["sex-changes"].suspects} == {0, 1}
    finding = run(labels.ages, table)["age-out-of-range"]
    assert {s.film for s in finding.suspects} == {0, 2, 3}
    assert finding.figures == {"films": 3, "impossible": 2}
    assert not run(labels.sexes, table.take([0, 2, 3, 4])) | run(labels.ages, table.take([1, 4]))


def test_ages_go_with_nihs_follow_up_number_and_not_with_its_file_names(nih):
    assert not run(labels.younger, nih)
    by_file = replace(nih, follow_ups=np.array([float(path.stem.split("_")[1]) for path in nih.paths]))
    assert len(run(labels.younger, by_file)["age-decreases"].suspects) == 2034


def test_a_label_that_flickers_is_found_between_films_of_one_patient_in_their_order():
    table = made(
        [[1, 0], [0, 0], [1, 0], [1, 0], [0, 1], [1, 1], [1, 0], [0, 0], [1, 0]],
        patients=np.array(["a", "a", "a", "b", "c", "c", "d", "d", "e"]),
        follow_ups=np.array([0.0, 2, 1, 0, 0, 1, 0, 1, 0]),
    )
    assert not run(labels.flicker, table)
    table = replace(table, follow_ups=np.array([5.0, 7, 9, 0, 0, 1, 0, 1, 0]))
    finding = run(labels.flicker, table)["label-flickers"]
    assert [(s.film, s.label) for s in finding.suspects] == [(1, "Mass")]
    assert finding.severity == Severity.INFO


# --- confounds -------------------------------------------------------------------------------------------------------


def test_labels_that_follow_the_view_have_the_published_odds_ratios(nih):
    found = run(confounds.follows, nih)
    ratios = {r["label"]: r for r in found["label-follows-view"].figures["rows"]}
    assert {r["group"] for r in ratios.values()} == {"AP"}
    published = {
        "Edema": 11.51, "Consolidation": 3.27, "Pneumonia": 1.93, "Infiltration": 1.91, "Effusion": 1.63,
        "Atelectasis": 1.61, "Cardiomegaly": 1.17, "Emphysema": 1.02, "Mass": 0.93, "Pneumothorax": 0.83,
        "Nodule": 0.76, "Pleural_Thickening": 0.59, "Fibrosis": 0.29, "Hernia": 0.27,
    }  # fmt: skip
    for label, ratio in published.items():
        assert ratios[label]["odds ratio"] == pytest.approx(ratio, abs=0.0051)
    assert (ratios["Edema"]["low"], ratios["Edema"]["up to"]) == pytest.approx((10.1, 13.1), abs=0.05)
    assert {label for label, r in ratios.items() if r["high"]} == {"Edema", "Consolidation", "Fibrosis", "Hernia"}
    assert found["label-follows-view"].severity == Severity.WARNING
    assert found["label-follows-sex"].severity == Severity.INFO


def test_odds_ratios_are_scipys_and_an_empty_cell_gets_half_a_film():
    members, target = coins(300) == 1, coins(300, 1, share=0.3)
    target[:20] = np.nan
    known = ~np.isnan(target[:, 0])
    cells = [[((target[:, 0] == v) & known & (members == m)).sum() for v in (1, 0)] for m in (True, False)]
    expected = contingency.odds_ratio(cells, kind="sample")
    interval = expected.confidence_interval(0.95)
    got = [float(x[0]) for x in confounds.odds_ratios(members, target)]
    assert got == pytest.approx([expected.statistic, interval.low, interval.high])
    members, target = np.arange(10) < 4, (np.arange(10) < 3).astype(float)[:, None]
    ratio, low, high = (float(x[0]) for x in confounds.odds_ratios(members, target))
    assert ratio == pytest.approx(3.5 * 6.5 / (1.5 * 0.5))
    width = 1.959964 * math.sqrt(1 / 3.5 + 1 / 1.5 + 1 / 0.5 + 1 / 6.5)
    assert (low, high) == pytest.approx((ratio * math.exp(-width), ratio * math.exp(width)))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("sources", ("here", "there", "elsewhere")),
        ("views", ("AP", "PA")),
        ("sexes", ("F", "M")),
        ("ages", (15.0, 30.0, 50.0)),
        ("Support Devices", ("1", "0")),
    ],
)
def test_a_label_planted_on_one_group_is_found_there_alone(field, values):
    given = {f: RANDOM.choice(v, 600) for f, v in (("views", ("AP", "PA")), ("sexes", ("F", "M")))}
    column = RANDOM.choice(values, 600, p=[0.3, 0.7] if len(values) == 2 else None)
    given |= {field: column} if field != "Support Devices" else {"extra": {field: column}}
    targets = coins(600, 2, share=0.3)
    targets[:, 0] = coins(600) * np.where(column == values[0], 1, 0.2)
    found = run(confounds.follows, made(targets, **given))
    name = {"sources": "source", "views": "view", "sexes": "sex", "ages": "age"}.get(field, "support-devices")
    assert {id_ for id_, finding in found.items() if finding.severity} == {f"label-follows-{name}"}
    worst = found[f"label-follows-{name}"].figures["rows"][0]
    assert worst["label"] == "Mass"
    assert worst["group"] == ("under 18" if field == "ages" else values[0])
    assert worst["odds ratio"] > 3


def test_chance_alone_raises_no_warning_in_many_small_groups():
    alarms = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        table = made(
            (rng.random((400, 10)) < 0.06).astype(float),
            tuple(f"L{i}" for i in range(10)),
            sources=rng.choice([f"s{i}" for i in range(8)], 400),
            views=rng.choice(["AP", "PA"], 400),
            ages=rng.uniform(1, 90, 400),
        )
        alarms += any(f.severity for f in run(confounds.follows, table).values())
    assert alarms <= 1


def test_sources_that_always_or_never_have_a_label():
    sources = np.repeat(["a", "b", "c"], 100)
    targets = coins(300, 2, share=0.4)
    targets[:100, 0], targets[100:200, 1] = 0, 1
    finding = run(confounds.one_sided_sources, made(targets, sources=sources))["source-tells-label"]
    found = {(r["source"], r["label"], r["given"]) for r in finding.figures["rows"]}
    assert found == {("a", "Mass", "never"), ("b", "Nodule", "always")}
    assert not run(confounds.one_sided_sources, made(coins(300, 2), sources=sources))
    assert not run(confounds.one_sided_sources, made(targets[:100], sources=sources[:100]))


def test_films_of_few_patients_are_worth_less():
    patients = np.array([f"p{i}" for i in [0] * 30 + [1] * 20 + list(range(2, 12))] + [f"q{i}" for i in range(60)])
    sources = np.repeat(["few", "many"], 60)
    finding = run(confounds.clusters, made(coins(120, 2), patients=patients, sources=sources))["films-of-few-patients"]
    few = row(finding, source="few")
    assert (few["films"], few["patients"], few["most"]) == (60, 12, 30)
    assert few["worth"] == pytest.approx(60**2 / (30**2 + 20**2 + 10))
    assert [r["source"] for r in finding.figures["rows"] if r["high"]] == ["few"]


def test_films_that_name_no_patient_are_not_all_of_one():
    assert not run(confounds.clusters, made(coins(90, 2), patients=np.full(90, "")))


def test_uncertain_labels_count_neither_way():
    targets, views = coins(200, 1), np.repeat(["AP", "PA"], 100)
    blurred = np.concatenate([targets, np.full((200, 1), 0.7)])
    plain = run(confounds.follows, made(targets, ("Mass",), views=views))
    more = run(confounds.follows, made(blurred, ("Mass",), views=np.concatenate([views, views])))
    assert plain["label-follows-view"].figures == more["label-follows-view"].figures


def test_what_can_be_told_without_pixels(nih):
    finding = run(confounds.without_pixels, nih)["label-without-pixels"]
    by_label = {r["label"]: r["AUROC"] for r in finding.figures["rows"]}
    assert finding.severity == Severity.WARNING
    assert 0.6 < finding.figures["mean"] < 0.72
    assert by_label["Edema"] > 0.7
    assert by_label["Hernia"] > 0.7
    assert finding.figures["columns"] == ["view", "sex", "age", "follow-up"]


def test_a_model_without_pixels_learns_from_other_patients_only():
    # every patient's label is its own age: known in training, useless on others
    patients = np.repeat([f"p{i:03}" for i in range(150)], 6)
    drawn = np.random.default_rng(2).random(150) < 0.5
    table = made(
        np.repeat(drawn, 6)[:, None].astype(float), ("Mass",), patients=patients, ages=np.repeat(np.arange(150.0), 6)
    )
    finding = run(confounds.without_pixels, table)["label-without-pixels"]
    assert finding.figures["mean"] < 0.6
    assert finding.severity == Severity.INFO
    seen = table.targets[:, 0] * 50 + RANDOM.normal(size=len(table))
    table = replace(table, ages=seen)
    assert run(confounds.without_pixels, table)["label-without-pixels"].figures["mean"] > 0.99
    assert not run(confounds.without_pixels, replace(table, ages=np.full(len(table), np.nan)))


# --- all together ----------------------------------------------------------------------------------------------------


def test_the_real_films_faults_are_found_unprompted(real):
    found = everything(Subject(real))
    assert max(finding.severity for finding in found.values()) == Severity.WARNING
    for id_ in ("label-follows-source", "label-follows-view", "source-tells-label", "label-without-pixels"):
        assert found[id_].severity == Severity.WARNING, id_
    clustered = {r["source"]: r for r in found["films-of-few-patients"].figures["rows"] if r["high"]}
    assert clustered["adleberg_normal"]["most"] == 29
    assert "jrzech_starter" not in clustered
    assert found["nih-version"].figures["version"] == "v2020"
    assert found["differs-from-published"].severity == Severity.INFO
    assert row(found["reference-google-2019"], finding="Pneumothorax", **{"films of": "all"})["films"] > 100


def test_films_of_unknown_origin_pass_without_a_word_of_nih():
    found = everything(Subject(made(coins(200, 2), sources=np.array(["ours"] * 200))))
    assert found.keys() == {"films-of-few-patients"}


@pytest.mark.alone
def test_the_whole_of_nih_is_audited_within_the_budget():
    code = """
        import tempfile, time
        from pathlib import Path
        import numpy as np
        from cxr_demo.types import NIH_FINDINGS
        from tests.support import memory
        from train import datasets
        from train.audit import confounds, labels, leaks, reference
        from train.audit.base import Subject
        with tempfile.TemporaryDirectory() as folder:
            films = datasets.read("NIH", Path(folder), NIH_FINDINGS, present="metadata")
        split = np.random.default_rng(0).choice(["train", "val", "test"], len(films), p=[0.7, 0.1, 0.2])
        scores = np.random.default_rng(1).normal(size=films.targets.shape)
        subject = Subject(films, split, "xrv:densenet121-res224-all", scores)
        for module in (leaks, labels, confounds, reference):
            for check in module.CHECKS:
                list(check(subject))
        print(time.process_time(), memory.peak())
    """
    lines = "\n".join(line.removeprefix(" " * 8) for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True)
    seconds, gigabytes = map(float, done.stdout.split())
    assert seconds < 60
    assert gigabytes < 2


def test_the_yardstick_itself_is_scikit_learns():
    truth, scores = coins(200), RANDOM.integers(5, size=200).astype(float)
    assert evaluate.auroc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
