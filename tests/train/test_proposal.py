"""What `init` says of a table: its columns, its findings, and commands that the trainer accepts."""

import shlex

import pytest

from cxr_demo.errors import DataError
from train import cli, proposal

CHEXPERT = """Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Pleural Effusion,Edema,Fracture
CheXpert-v1.0/train/patient1/study1/view1_frontal.jpg,Male,60,Frontal,AP,,1.0,0.0,1.0
CheXpert-v1.0/train/patient2/study1/view1_frontal.jpg,Female,61,Frontal,PA,1.0,0.0,-1.0,0.0
CheXpert-v1.0/train/patient3/study1/view1_frontal.jpg,Female,62,Frontal,PA,,,0.0,
"""


@pytest.fixture
def table(tmp_path):
    for patient in (1, 2):
        path = tmp_path / f"train/patient{patient}/study1/view1_frontal.jpg"
        path.parent.mkdir(parents=True)
        path.touch()
    (tmp_path / "train.csv").write_text(CHEXPERT)
    return tmp_path / "train.csv"


def test_a_chexpert_table_is_described_and_its_command_is_accepted(table):
    said = proposal.propose(table, {})
    assert "3 patients. 2 of 3 files found." in said
    assert "first: CheXpert-v1.0/train/patient3" in said
    lines = {line.split("  ")[0]: line.split() for line in said.splitlines()}
    assert lines["Effusion"][1:] == ["1", "1", "0", "1"]
    assert lines["Edema"][1:5] == ["0", "2", "1", "0"]
    assert lines["Edema"][-2:] == ["never", "present"]
    assert "--labels may also name findings other than NIH's: Fracture." in said
    words = shlex.split(said.splitlines()[-1])
    assert words[:3] == ["python", "-m", "train"]
    parsed = cli._parser().parse_args(words[3:])
    assert (parsed.films, parsed.labels) == ([str(table)], ["Effusion"])


def test_findings_on_too_few_films_for_a_figure_are_left_out(table):
    rows = [f"{i}.png,{i},{int(i < 12)},{int(i < 9)},{int(i > 3)}" for i in range(40)]
    table.write_text("\n".join(["file,patient_id,Mass,Nodule,Edema", *rows]))
    lines = proposal.propose(table, {}).splitlines()
    told = {line.split("  ")[0]: line.partition("left out: ")[2] for line in lines}
    assert told["Nodule"] == "present in 9 of the 10 films that a figure needs"
    assert told["Edema"] == "absent in 4 of the 10 films that a figure needs"
    assert told["Mass"] == ""
    assert shlex.split(lines[-1])[5:7] == ["--labels", "Mass"]


def test_columns_given_are_findings_of_any_name(table):
    table.write_text("scan,who,Fluid\na.png,1,1\nb.png,2,0\n")
    with pytest.raises(DataError, match=r"lacks the columns file, patient_id"):
        proposal.propose(table, {})
    given = {"file": "scan", "patient_id": "who", "COVID-19": "Fluid"}
    words = shlex.split(proposal.propose(table, given).splitlines()[-1])
    parsed = cli._parser().parse_args(words[3:])
    assert parsed.labels == ["COVID-19"]
    assert parsed.columns == [f"{key}={column}" for key, column in given.items()]


def test_lists_of_findings_are_counted(table):
    table.write_text("Image Index,Patient ID,Finding Labels\na.png,1,Effusion|Mass\nb.png,2,No Finding\nc.png,2,Mass\n")
    lines = [line.split() for line in proposal.propose(table, {}).splitlines()]
    assert ["Effusion", "1", "2", "0", "0"] in lines
    assert ["Mass", "2", "1", "0", "0"] in lines


def test_a_column_given_that_holds_no_labels_is_refused(table):
    table.write_text("file,patient_id,Fluid\n,1,1\nb.png,2,moderate\n")
    with pytest.raises(DataError, match=r"The column Fluid, for Effusion, does not hold labels alone: 'moderate'"):
        proposal.propose(table, {"Effusion": "Fluid"})


def test_a_table_without_a_finding_is_refused(table):
    table.write_text("file,patient_id,note\na.png,1,x\n")
    with pytest.raises(DataError, match=r"has no finding with films .* It has file, patient_id, note"):
        proposal.propose(table, {})
