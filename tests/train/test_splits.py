"""Splits by patient: the official one, random ones, and those read from a file."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films.label_tables import Films
from train import datasets, splits


def table_of(patients: np.ndarray, targets: np.ndarray | None = None, names: list[str] | None = None) -> Films:
    """A table without its images."""
    n = len(patients)
    targets = np.zeros((n, 1), np.float32) if targets is None else targets
    nothing, numbers = np.full(n, ""), np.full(n, np.nan)
    return Films(
        paths=tuple(Path("images", name) for name in names or [f"{i:05}.png" for i in range(n)]),
        patients=patients.astype(str),
        labels=tuple(f"finding {i}" for i in range(targets.shape[1])),
        targets=targets,
        boxes=((),) * n,
        extra={},
        **dict.fromkeys(("sources", "views", "sexes"), nothing),
        **dict.fromkeys(("ages", "follow_ups"), numbers),
    )


def crowd(n: int = 4000, seed: int = 0) -> Films:
    """Films of patients who have one to many, with findings from common to rare."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, 4)) < [0.3, 0.1, 0.02, 0.004]).astype(np.float32)
    targets[rng.random(targets.shape) < 0.1] = np.nan
    return table_of(rng.integers(0, n // 3, n), targets)


def test_the_official_split_of_nih_has_its_publishers_counts(tmp_path):
    nih = datasets.read("NIH", tmp_path, ("Pneumothorax",), present="metadata")
    split = splits.official(nih)
    assert ((split == "train").sum(), (split == "test").sum()) == (86_524, 25_596)
    train, test = set(nih.patients[split == "train"]), set(nih.patients[split == "test"])
    assert len(test) == 2797
    assert not train & test
    positive = nih.targets[:, 0] == 1
    assert positive[split == "test"].mean() == pytest.approx(0.1041, abs=5e-5)
    assert positive[split == "train"].mean() == pytest.approx(0.0305, abs=5e-5)


def test_the_official_split_agrees_with_the_tables_own_column(films):
    with (films / "nih" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    split = splits.official(table_of(np.array([row["patient_id"] for row in rows])))
    assert (split == np.where(np.array([row["nih_official_test"] for row in rows]) == "1", "test", "train")).all()


@pytest.mark.parametrize("stranger", ["patient00001", "0", "30806", "", "1.5", "-3"])
def test_patients_of_other_collections_have_no_official_split(stranger):
    with pytest.raises(DataError, match=rf"1 to 30805; {stranger} is none of them"):
        splits.official(table_of(np.array(["1", stranger])))


def test_a_list_that_was_changed_is_refused(tmp_path, monkeypatch):
    ids = splits.official_patients()
    assert (ids[0], len(ids)) == (3, 2797)
    (tmp_path / "list.txt").write_text("\n".join(map(str, ids[1:])))
    monkeypatch.setattr(splits, "OFFICIAL", tmp_path / "list.txt")
    with pytest.raises(DataError, match="checksum is wrong"):
        splits.official(table_of(np.array(["1"])))


def test_shares_are_met_by_patient_and_for_every_finding():
    table = crowd()
    shares = {"train": 0.7, "validation": 0.1, "test": 0.2}
    split = splits.by_patient(table, shares, seed=3)
    assert set(split) == set(shares)
    for patient in set(table.patients):
        assert len(set(split[table.patients == patient])) == 1

    def patients(rows: np.ndarray) -> int:
        return len(set(table.patients[rows]))

    for name, share in shares.items():
        assert patients(split == name) == pytest.approx(share * patients(split != ""), abs=1.5)
        for finding in table.targets.T == 1:
            expected = share * patients(finding)
            assert patients(finding & (split == name)) == pytest.approx(expected, abs=max(2, 0.2 * expected))


def test_a_split_follows_its_seed():
    table = crowd(600)
    halves = {"a": 0.5, "b": 0.5}
    first = splits.by_patient(table, halves, 1)
    assert (first == splits.by_patient(table, halves, 1)).all()
    assert (first != splits.by_patient(table, halves, 2)).mean() > 0.2


def test_equal_shares_deal_as_folds_do():
    table = crowd(600)
    fold = splits.patient_folds(table.patients, table.targets, 4, seed=5)
    split = splits.by_patient(table, dict.fromkeys("abcd", 0.25), seed=5)
    assert (np.array(list("abcd"))[fold] == split).all()


def test_folds_are_the_ones_that_earlier_runs_were_trained_by():
    table = crowd(600)
    fold = splits.patient_folds(table.patients, table.targets, 5)
    assert hashlib.sha256(fold.astype(np.uint8).tobytes()).hexdigest()[:16] == "80baff6be03fad1a"


@pytest.mark.parametrize(
    "shares", [{}, {"train": 1.0}, {"train": 0.7, "test": 0.2}, {"train": 1.2, "test": -0.2}, {"a": 1.0, "b": 0.0}]
)
def test_shares_that_make_no_split_are_refused(shares):
    with pytest.raises(DataError, match="sum to 1"):
        splits.by_patient(crowd(60), shares)


def test_more_parts_than_patients_are_refused():
    with pytest.raises(DataError, match="3 parts need as many patients at least; there are 2"):
        splits.patient_folds(np.array([1, 1, 2]), np.zeros((3, 1)), 3)
    with pytest.raises(DataError, match="1 folds"):
        splits.patient_folds(np.array([1, 1, 2]), np.zeros((3, 1)), 1)


def test_a_split_comes_back_from_its_file_whatever_the_order(tmp_path):
    table = crowd(300)
    split = splits.by_patient(table, {"train": 0.8, "test": 0.2})
    digest = splits.write(tmp_path / "split.csv", table, split)
    assert (splits.read(tmp_path / "split.csv", table) == split).all()
    shuffled = np.random.default_rng(0).permutation(300)
    assert (splits.read(tmp_path / "split.csv", table.take(shuffled)) == split[shuffled]).all()
    assert splits.write(tmp_path / "again.csv", table.take(shuffled), split[shuffled]) == digest
    assert digest == hashlib.sha256((tmp_path / "split.csv").read_bytes()).hexdigest()
    few = table.take(np.arange(10))
    assert (splits.read(tmp_path / "split.csv", few) == split[:10]).all()
    assert (tmp_path / "split.csv").read_text().splitlines()[:2] == [
        "file,patient,split",
        f"00000.png,{table.patients[0]},{split[0]}",
    ]


def test_another_split_has_another_checksum(tmp_path):
    table = table_of(np.array(["1", "2", "3"]))
    first = splits.write(tmp_path / "a.csv", table, np.array(["train", "train", "test"]))
    assert first != splits.write(tmp_path / "b.csv", table, np.array(["train", "test", "test"]))


HEADER = "file,patient,split\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "00000.png,1,train\n00001.png,1,test\n", "1 patients are on two sides, e.g. 1 in test and train"),
        (HEADER + "00000.png,1,train\n", "no line for 1 of 2 films, e.g. 00001.png of patient 1"),
        (HEADER + "00000.png,1,train\n00001.png,2,train\n", "no line for 1 of 2 films, e.g. 00001.png of patient 1"),
        (HEADER + "00000.png,1,train\n00001.png,1,\n", "line 3: file, patient and split must all be given"),
        (HEADER + "00000.png,1\n", "line 2: file, patient and split must all be given"),
        ("file,fold\n00000.png,1\n", "lacks the columns patient, split"),
        ("", "lacks the columns file, patient, split"),
    ],
)
def test_a_wrong_split_file_is_refused_by_name(tmp_path, text, said):
    (tmp_path / "split.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        splits.read(tmp_path / "split.csv", table_of(np.array(["1", "1"])))


def test_a_split_file_that_is_not_there_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv cannot be read"):
        splits.read(tmp_path / "none.csv", table_of(np.array(["1"])))


def test_films_of_the_same_name_are_distinguished_by_their_folders(tmp_path):
    table = table_of(np.array(["1", "2"]), names=["1/a.png", "2/a.png"])
    splits.write(tmp_path / "split.csv", table, np.array(["train", "test"]))
    assert splits.read(tmp_path / "split.csv", table).tolist() == ["train", "test"]
