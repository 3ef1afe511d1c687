"""What counts as a name of a patient, a film or a folder in a text that is published."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from cxr_demo.errors import DataError
from train import identifiers
from train.identifiers import Identifiers

PATIENTS = frozenset({"MRN15719", "Doe^John", "13", "12.0", "4071993", "AB", " x-77/B "})
FILES = frozenset({"00000013_012.png", "view1_frontal.jpg", "normal.png", "study 5/scan-9.dcm"})
KNOWN = Identifiers(PATIENTS, FILES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Two names, e.g. mrn15719.", ["MRN15719"]),
        ("MRN15719.csv, model_MRN15719", ["MRN15719"]),
        ("MRN157190, xMRN15719, MRN1571", []),
        ("by John Doe, Doe and John", []),
        ("Doe^John; DOE, JOHN", ["Doe^John"]),
        ("13 films of 13 patients", []),
        ("e.g. patient 13 and patient 14", ["patient 13"]),
        ("patients 13 and 14", ["patient 13"]),
        ("patient_13.png, Patient ID: 13", ["patient 13"]),
        ("a rotation of 12.0, and patient 12.0", ["patient 12.0"]),
        ("born 4071993", ["4071993"]),
        ("AB, ab", []),
        ("patient AB", ["patient AB"]),
        ("x-77/b", [" x-77/B "]),
        ("00000013_012.png and 00000013_012", ["00000013_012", "00000013_012.png"]),
        ("view1_frontal", ["view1_frontal"]),
        ("a normal film", []),
        ("normal.png", ["normal.png"]),
        ("scan-9.dcm", ["scan-9", "scan-9.dcm"]),
    ],
)
def test_names_are_found_as_words(text, found):
    assert sorted(KNOWN.search(text)) == found


@pytest.mark.parametrize(
    "path",
    [
        "/home/jo/films/labels.csv", "~/films/a", "C:\\Users\\jo", "\\\\server\\share\\films", "file:///home/jo/a",
        "host:/data/films", "/data/Anna",
    ],
)  # fmt: skip
def test_paths_are_found(path):
    assert list(KNOWN.search(f"in {path}, and")) == [path]


def test_addresses_and_fractions_are_no_paths():
    text = (
        "https://huggingface.co/a/b, http://x/y/z. 1/49, and/or, AP/PA, </details>, owner/name@0123, / of, docs/a/b.md"
    )
    assert list(KNOWN.search(text)) == []


def test_a_command_keeps_the_names_of_its_files():
    told = (
        "python -m train fit /data/clinic/labels.csv NIH=/data/nih,tables/a.csv 'C:\\my films\\b.csv' "
        "--out '/data/Anna Hansen/run' --cache=../c --backbone o/n@main --trained-on 'films AP/PA' --rate 3e-2 "
        "--note 'Agreed on 5/6 films, twice.' --dataset o/films --columns view=AP/PA file=a/b --cache /c/d --seed 1"
    )
    expected = (
        "python -m train fit labels.csv NIH=nih,a.csv b.csv "
        "--out run --backbone o/n@main --trained-on 'films AP/PA' --rate 3e-2 "
        "--note 'Agreed on 5/6 films, twice.' --dataset o/films --columns view=AP/PA file=a/b --seed 1"
    )
    assert identifiers.command_without_folders(told) == expected


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("xrv:densenet121-res224-chex", "xrv:densenet121-res224-chex"),
        ("o/n@main", "o/n@main"),
        ("./runs/mine", "mine"),
        ("/data/runs/mine/", "mine"),
        ("C:\\runs\\mine", "mine"),
    ],
)
def test_a_backbone_keeps_its_name_but_not_its_folder(name, kept):
    assert identifiers.backbone_without_folders(name) == kept


def test_every_file_is_searched_and_of_weights_their_description(tmp_path):
    weights = {"w": np.frombuffer(b"MRN15719" * 2, np.float32)}
    save_file(weights, tmp_path / "model.safetensors", {"note": "all well"})
    (tmp_path / "a.json").write_text('{"nested": [{"path": "C:\\\\Users\\\\jo"}]}')
    with pytest.raises(DataError, match=r"C:\\Users\\jo, in a.json"):
        identifiers.refuse(tmp_path, KNOWN)
    (tmp_path / "a.json").unlink()
    identifiers.refuse(tmp_path, KNOWN)
    save_file(weights, tmp_path / "model.safetensors", {"note": "of Doe^John"})
    with pytest.raises(DataError, match=r"Doe\^John, in model.safetensors"):
        identifiers.refuse(tmp_path, KNOWN)


def test_a_message_quotes_a_few_and_counts_the_rest(tmp_path):
    known = Identifiers(frozenset(f"MRN{n:05}" for n in range(9)))
    (tmp_path / "README.md").write_text(" ".join(sorted(known.patients)))
    with pytest.raises(DataError) as refused:
        identifiers.refuse(tmp_path, known)
    assert str(refused.value).count(", in README.md") == 5
    assert "and 4 more" in str(refused.value)


def test_a_run_without_its_table_is_not_published(tmp_path):
    with pytest.raises(DataError, match="no folds"):
        identifiers.table_of(tmp_path)
    (tmp_path / "split.csv").write_text("file,subject\na.png,1\n")
    with pytest.raises(DataError, match="does not name"):
        identifiers.read(identifiers.table_of(tmp_path))


def test_the_words_of_a_text_with_line_ends_are_found(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"said": "one\nMRN15719\ttwo", "rotate": 12.0}))
    assert list(KNOWN.search(identifiers.text_of(tmp_path / "a.json"))) == ["MRN15719"]


def test_the_words_of_the_command_are_searched_too(tmp_path):
    with pytest.raises(DataError, match="MRN15719, in the command"):
        identifiers.refuse(tmp_path, KNOWN, ("owner/name", "Model of MRN15719"))


def test_a_whole_data_set_is_searched():
    known = Identifiers(
        frozenset(f"MRN{n:06}" for n in range(112_120)), frozenset(f"{n:08}_000.png" for n in range(112_120))
    )
    text = "Trained on films of adults. " * 20_000
    assert list(known.search(text + "MRN000007")) == ["MRN000007"]
