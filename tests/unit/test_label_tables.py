"""Label tables as people have them: forty forms, each read as meant or refused with the row and the remedy."""

from pathlib import Path

import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import label_tables
from cxr_demo.films.label_tables import Box

LABELS = ("Effusion", "Mass")
NIH = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
CHEXPERT = "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Pleural Effusion,Mass"
BOX = '"[{""label"": ""Mass"", ""x"": 1, ""y"": 2, ""w"": 3, ""h"": %d}]"'
nan = np.nan


@pytest.fixture
def folder(tmp_path):
    """Empty files where data sets have their films; tables name them, nothing opens them."""
    for path in (
        *("images/a.png", "images/b.png", "images/sub/a.png", "images/x=1.png", "images/c, d.png"),
        *("images_001/images/00000001_000.png", "images_012/images/00030805_000.png"),
        *("train/patient00001/study1/view1_frontal.jpg", "train/patient00002/study1/view2_lateral.jpg"),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def read(folder, text, **options):
    table = folder / "labels.csv"
    table.write_bytes(text if isinstance(text, bytes) else text.encode())
    return label_tables.read_tables([table], options.pop("labels", LABELS), **options)


PLAIN = "file,patient_id,Effusion,Mass\na.png,p1,1,0\nb.png,p2,0,1\n"

READ = {
    "this project's": (PLAIN, {}),
    "other columns first": ("n,Mass,Effusion,patient_id,file\n7,0,1,p1,a.png\n8,1,0,p2,b.png\n", {}),
    "semicolons": (PLAIN.replace(",", ";"), {}),
    "tabs": (PLAIN.replace(",", "\t"), {}),
    "UTF-16 from a spreadsheet": (PLAIN.replace(",", "\t").encode("utf-16"), {}),
    "a byte order mark and DOS lines": (b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode(), {}),
    "capitals": (PLAIN.upper().replace("A.PNG", "a.png").replace("B.PNG", "b.png"), {}),
    "spaces": (" File , Patient ID ,EFFUSION, mass\na.png , p1,1 , 0\nb.png,p2, 0,1\n", {}),
    "synonyms": ("Image Path,Subject_ID,Pleural Effusion,Mass\na.png,p1,1,0\nb.png,p2,0,1\n", {}),
    "names given": (
        "scan,who,Fluid,Mass\na.png,p1,1,0\nb.png,p2,0,1\n",
        {"columns": {"file": "scan", "patient_id": "who", "Effusion": "Fluid"}},
    ),
    "true and false": ("file,patient_id,Effusion,Mass\na.png,p1,True,FALSE\nb.png,p2,false,TRUE\n", {}),
    "yes and no": ("file,patient_id,Effusion,Mass\na.png,p1,yes,no\nb.png,p2,N,Y\n", {}),
    "positive and negative": (
        "file,patient_id,Effusion,Mass\na.png,p1,positive,negative\nb.png,p2,absent,present\n",
        {},
    ),
    "fractions": ("file,patient_id,Effusion,Mass\na.png,p1,1.0,0.0\nb.png,p2,0.00,1.\n", {}),
    "patients as fractions": (
        "file,patient_id,Effusion,Mass\na.png,1.0,1,0\nb.png,2,0,1\n",
        {"patients": ["1", "2"]},
    ),
    "patients in capitals and with spaces": (
        "file,patient_id,Effusion,Mass\na.png,P1 ,1,0\nb.png, p1,0,1\n",
        {"patients": ["p1", "p1"]},
    ),
    "a film in two rows that agree": (f"{PLAIN}a.png,P1,1,0\n", {}),
    "paths with the folder of images": (PLAIN.replace("a.png", "images/a.png").replace("b.png", "images/b.png"), {}),
    "paths of Windows": (PLAIN.replace("a.png", r"images\a.png").replace("b.png", r".\images\b.png"), {}),
    "lists of findings": (
        "file,patient_id,Finding Labels\na.png,p1,Effusion|Pneumonia\nb.png,p2,mass\n",
        {},
    ),
    "uncertain and unknown": (
        "file,patient_id,Effusion,Mass\na.png,p1,-1,NA\nb.png,p2,uncertain,\n",
        {"targets": [[nan, nan], [nan, nan]]},
    ),
}


@pytest.mark.parametrize("form", READ)
def test_a_table_is_read_as_meant(folder, form):
    text, given = READ[form]
    expected = {"patients": ["p1", "p2"], "targets": [[1, 0], [0, 1]], "names": ["a.png", "b.png"]}
    expected |= {key: given[key] for key in expected if key in given}
    films = read(folder, text, columns=given.get("columns"))
    assert films.patients.tolist() == expected["patients"]
    assert films.names.tolist() == expected["names"]
    np.testing.assert_array_equal(films.targets, expected["targets"])


def test_nihs_own_table_with_its_twelve_folders(folder):
    rows = [
        "00000001_000.png,Cardiomegaly|Effusion,0,1,057Y,M,PA,2682,2749,,",
        "00030805_000.png,No Finding,2,30805,018M,F,AP,1,1,,",
    ]
    films = read(folder, "\n".join([NIH, *rows]))
    np.testing.assert_array_equal(films.targets, [[1, 0], [0, 0]])
    assert [path.parent.parent.name for path in films.paths] == ["images_001", "images_012"]
    assert films.patients.tolist() == ["1", "30805"]
    assert films.ages.tolist() == [57, 1.5]
    assert (films.sexes.tolist(), films.views.tolist(), films.follow_ups.tolist()) == (["M", "F"], ["PA", "AP"], [0, 2])
    assert films.extra["No Finding"].tolist() == ["0", "1"]


def test_chexperts_own_table(folder):
    rows = [
        "CheXpert-v1.0-small/train/patient00001/study1/view1_frontal.jpg,Female,68,Frontal,AP,,1.0,",
        "CheXpert-v1.0-small/train/patient00002/study1/view2_lateral.jpg,Male,87,Lateral,,1.0,-1.0,0.0",
    ]
    films = read(folder, "\n".join([CHEXPERT, *rows]))
    np.testing.assert_array_equal(films.targets, [[1, nan], [nan, 0]])
    assert films.patients.tolist() == ["patient00001", "patient00002"]
    assert (films.sexes.tolist(), films.views.tolist()) == (["F", "M"], ["AP", "LATERAL"])
    assert all(path.is_file() for path in films.paths)


def test_rows_of_a_film_that_agree_have_the_boxes_of_all(folder):
    rows = [f"a.png,1,0,1,{BOX % h}" for h in (4, 5, 4)]
    films = read(folder, "\n".join(["file,patient_id,Effusion,Mass,boxes", *rows]))
    assert films.boxes == ((Box("Mass", 1, 2, 3, 4), Box("Mass", 1, 2, 3, 5)),)


def test_any_finding_may_have_a_column(folder):
    films = read(folder, "file,patient_id,COVID-19\na.png,1,1\n", labels=("COVID-19",))
    assert films.targets.tolist() == [[1]]
    films = read(folder, "file,patient_id,Finding Labels\na.png,1,Rib fracture\n", labels=("Rib_Fracture",))
    assert films.targets.tolist() == [[1]]


def test_a_film_without_a_patient_is_refused_alone_or_kept(folder):
    text = PLAIN.replace("p1", " n/a ").replace("p2", "")
    with pytest.raises(DataError, match=r"(?s)2 rows cannot be used.*line 2 names no patient.*line 3"):
        read(folder, text)
    alone = read(folder, text, blank_patients="own").patients
    assert len(set(alone)) == 2
    assert all(alone)
    assert alone.tolist() == read(folder, text, blank_patients="own").patients.tolist()
    assert read(folder, text, blank_patients="keep").patients.tolist() == ["", ""]


REFUSED = {
    "no file": ("file,patient_id,Effusion,Mass\n,1,0,0\n", "line 2 names no file"),
    "a dot": (PLAIN.replace("a.png", "."), "line 2: . is not in"),
    "a file that is not there": (PLAIN.replace("a.png", "z.png"), r"line 2: z.png is not in .*images"),
    "a folder as a file": (PLAIN.replace("a.png", "sub"), r"line 2: sub is not in"),
    "another value": (PLAIN.replace("p1,1", "p1,2"), r"line 2, Effusion: '2' is none of 1 \(or true, yes\)"),
    "a word": (PLAIN.replace("p1,1", "p1,maybe"), "'maybe' is none of"),
    "no column of the patient": (
        PLAIN.replace("patient_id", "who"),
        r"lacks the column patient_id. Say with --columns patient_id=... which of who",
    ),
    "a misspelt column": (
        PLAIN.replace("patient_id", "patint id"),
        r"Perhaps --columns patient_id='patint id'",
    ),
    "a misspelt finding": (
        PLAIN.replace("Effusion", "Efusion"),
        r"lacks the column Effusion. Perhaps --columns Effusion=Efusion. It has --labels Mass",
    ),
    "a finding that is not there": (
        PLAIN.replace("Effusion", "Weight"),
        r"lacks the column Effusion. It has --labels Mass\.$",
    ),
    "no finding": (
        PLAIN.replace("Effusion", "x").replace("Mass", "y"),
        "Name the findings that it has with --labels",
    ),
    "two columns for one": (
        PLAIN.replace("file", "path").replace("Mass", "Image"),
        "columns path and Image for file: choose with --columns file=path",
    ),
    "a film twice, with other labels": (
        f"{PLAIN}a.png,p1,0,0\n",
        r"line 4: a.png has another patient or other labels than .*line 2",
    ),
    "a film twice, with other patients": (f"{PLAIN}a.png,p9,1,0\n", "another patient or other labels"),
    "an age": ("file,patient_id,age,Effusion,Mass\na.png,1,old,0,0\n", "line 2, age: 'old' is no number"),
    "boxes": ("file,patient_id,boxes,Effusion,Mass\na.png,1,12 13,0,0\n", "line 2, boxes"),
    "no row": ("file,patient_id,Effusion,Mass\n", "No film in"),
    "JSON": ('{"file": "a.png"}', "is JSON"),
    "a column twice": ("file,file,patient_id,Effusion,Mass\n", "2 columns named file"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_a_table_is_refused_with_the_row_and_the_remedy(folder, form):
    text, said = REFUSED[form]
    with pytest.raises(DataError, match=said):
        read(folder, text)


def test_columns_that_do_not_exist_are_refused(folder):
    with pytest.raises(DataError, match=r"--columns file=scan: .* has no such column; it has file, patient_id"):
        read(folder, PLAIN, columns={"file": "scan"})
    with pytest.raises(DataError, match="--columns: fil is none of file, patient_id"):
        read(folder, PLAIN, columns={"fil": "file"})


def test_faulty_rows_are_listed_together_up_to_ten(folder):
    rows = [f"{i}.png,p{i},0,0" for i in range(25)]
    with pytest.raises(DataError) as refused:
        read(folder, "\n".join(["file,patient_id,Effusion,Mass", *rows]))
    lines = str(refused.value).splitlines()
    assert lines[0] == "25 rows cannot be used:"
    assert len(lines) == 12
    assert lines[-1] == "... and 15 more."


def test_lists_know_synonyms_and_a_blank_list_is_unknown(folder):
    text = "file,patient_id,Finding Labels\na.png,1,Pleural Effusion|Mass\nb.png,2,NA\n"
    np.testing.assert_array_equal(read(folder, text).targets, [[1, 1], [nan, nan]])
    assert label_tables.findings_in(folder / "labels.csv", LABELS) == LABELS


def test_a_number_in_a_column_of_another_name_may_be_something_else(folder):
    films = read(folder, "file,patient_id,Patient Age,Follow-up,Effusion,Mass\na.png,1,90+,yes,1,0\n")
    assert np.isnan([films.ages[0], films.follow_ups[0]]).all()


def test_a_film_is_the_same_from_every_folder(folder, monkeypatch):
    (folder / "labels.csv").write_text(PLAIN.replace("p1", ""))
    monkeypatch.chdir(folder)
    here = label_tables.read_tables([Path("labels.csv")], LABELS, blank_patients="own")
    there = label_tables.read_tables([folder / "labels.csv"], LABELS, blank_patients="own")
    assert here.patients.tolist() == there.patients.tolist()
    assert here.paths == there.paths


def test_a_film_above_the_table_is_not_taken_by_its_bare_name(folder):
    (folder / "z.png").touch()
    (folder / "mine").mkdir()
    (folder / "mine" / "labels.csv").write_text(PLAIN.replace("a.png", "z.png"))
    with pytest.raises(DataError, match=r"line 2: z\.png is not in"):
        label_tables.read_tables([folder / "mine" / "labels.csv"], LABELS)


def test_the_findings_of_a_table(folder):
    table = folder / "labels.csv"
    table.write_text(PLAIN.replace("Effusion", "pleural effusion"))
    assert label_tables.findings_in(table, ("Hernia", "Mass", "Effusion")) == ("Mass", "Effusion")
    assert label_tables.findings_in(table, ("Mass", "Hernia"), {"Hernia": "pleural effusion"}) == ("Mass", "Hernia")
    assert label_tables.findings_in(table, ("Mass",), {"Nodule": "pleural effusion"}) == ("Mass",)
    table.write_text("Image Index,Patient ID,Finding Labels\na.png,1,Mass|Hernia\n")
    assert label_tables.findings_in(table, ("Hernia", "Mass", "Effusion")) == ("Hernia", "Mass")


def test_files_are_looked_for_in_the_folder_given_alone(folder):
    with pytest.raises(DataError, match=r"b\.png is not in .*sub"):
        read(folder, PLAIN, images=folder / "images" / "sub")
    only = PLAIN.partition("b.png")[0]
    assert read(folder, only, images=folder / "images" / "sub").paths == (folder / "images" / "sub" / "a.png",)


def test_a_file_is_found_in_a_folder_of_images_unless_two_have_it(folder):
    for path in ("images/normal/e.png", "images/ill/f.png", "images/normal/g.png", "images/ill/g.png"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).touch()
    assert [
        path.parent.name for path in read(folder, PLAIN.replace("a.png", "e.png").replace("b.png", "f.png")).paths
    ] == [
        "normal",
        "ill",
    ]
    with pytest.raises(DataError, match=r"line 2: g\.png is in .*ill and .*normal: name it with its folder"):
        read(folder, PLAIN.replace("a.png", "g.png"))


def test_a_missing_file_is_not_replaced_by_one_of_its_name_elsewhere(folder):
    with pytest.raises(DataError, match=r"p1/a\.png is not in"):
        read(folder, PLAIN.replace("a.png", "p1/a.png"))
