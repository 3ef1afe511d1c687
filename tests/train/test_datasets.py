"""torchxrayvision's data sets by name, from the tables that the library ships; the counts are their publishers'."""

import pathlib

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import label_tables
from cxr_demo.types import NIH_FINDINGS
from train import datasets


def counts(films: label_tables.Films) -> dict[str, int]:
    return dict(zip(films.labels, (films.targets == 1).sum(0).tolist(), strict=True))


def test_nih_has_every_view_and_every_film_of_a_patient(tmp_path):
    films = datasets.read("NIH", tmp_path, NIH_FINDINGS, present="metadata")
    assert len(films) == 112_120
    assert len(set(films.patients)) == 30_805
    assert set(films.views) == {"PA", "AP"}
    assert counts(films)["Pneumonia"] == 1431
    assert sum(map(len, films.boxes)) == 984
    assert {box.label for boxes in films.boxes for box in boxes} <= set(NIH_FINDINGS)


def test_a_film_with_several_outlines_is_one_film(tmp_path):
    films = datasets.read("SIIM", tmp_path, ("Pneumothorax",), present="metadata")
    assert (len(films), counts(films)["Pneumothorax"]) == (12_047, 2669)


def test_uncertain_labels_follow_the_policy_though_the_library_drops_them(tmp_path):
    masked = datasets.read("CheXpert", tmp_path, ("Edema", "Effusion", "Hernia"), present="metadata")
    ones = datasets.read(
        "CheXpert", tmp_path, ("Edema", "Effusion", "Hernia"), label_tables.Policy("positive"), present="metadata"
    )
    assert counts(masked) == {"Edema": 52_246, "Effusion": 86_187, "Hernia": 0}
    assert counts(ones)["Edema"] > 60_000
    assert counts(ones)["Effusion"] > 90_000
    assert np.isnan(masked.targets[:, 2]).all()


def test_films_that_are_not_there_are_counted_or_left_out_as_asked(tmp_path):
    with pytest.raises(DataError, match="112120 of 112120 films are not under"):
        datasets.read("NIH", tmp_path, NIH_FINDINGS)
    (tmp_path / "00000013_005.png").touch()
    assert [p.name for p in datasets.read("NIH", tmp_path, NIH_FINDINGS, present="some").paths] == ["00000013_005.png"]


def test_wrong_names_are_refused_in_words(tmp_path):
    with pytest.raises(DataError, match="known are NIH, Google"):
        datasets.read("nih", tmp_path, NIH_FINDINGS)
    with pytest.raises(DataError, match="is no folder"):
        datasets.read("NIH", tmp_path / "none", NIH_FINDINGS)
    with pytest.raises(DataError, match="gives none of Hernia"):
        datasets.read("SIIM", tmp_path, ("Hernia",), present="metadata")
    with pytest.raises(DataError, match="needs 2 tables"):
        datasets.read("MIMIC", tmp_path, ("Edema",))


def test_reading_a_data_set_leaves_numpys_generator_alone(tmp_path):
    np.random.seed(7)
    expected = np.random.RandomState(7).rand()
    datasets.read("VinBig", tmp_path, ("Pneumothorax",), present="metadata")
    assert np.random.rand() == expected


def test_the_metadata_are_found_where_the_library_has_them():
    from torchxrayvision import datasets as theirs

    assert datasets.metadata().resolve() == pathlib.Path(theirs.datapath).resolve()
