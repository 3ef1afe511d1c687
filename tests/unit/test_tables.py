"""Tables as spreadsheets and databases write them are read alike, or refused with the line."""

import codecs

import pytest

from cxr_demo import tables
from cxr_demo.errors import DataError

NAMES = ["file", "patient_id", "Mass"]
ROWS = [["f.png", "Müller", "1"], ["g.png", "2", "0"]]


def lines(separator=",", end="\n"):
    return end.join(separator.join(cells) for cells in [NAMES, *ROWS]) + end


def read(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    names, rows = tables.read(path)
    return names, list(rows)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


@pytest.mark.parametrize(
    "data",
    [
        lines(),
        lines(end="\r\n"),
        lines(end="\r"),
        lines(";"),
        lines("\t"),
        lines("|"),
        codecs.BOM_UTF8 + lines().encode(),
        lines("\t").encode("utf-16"),
        codecs.BOM_UTF16_BE + lines().encode("utf-16-be"),
        lines().encode("utf-16-le"),
        lines().encode("utf-16-be"),
        lines(";").encode("cp1252"),
        lines() + ",,\n",
        lines() + "\n\n",
        lines() + ";;;\n".replace(";", ","),
        lines(",").replace("\n", ",\n"),
        lines().replace("f.png", '"f.png"'),
        lines().replace("file", " file "),
        lines().strip(),
    ],
)
def test_the_same_table_however_it_is_written(path, data):
    names, rows = read(path, data)
    assert names == NAMES
    assert rows == [(line, dict(zip(NAMES, cells, strict=True))) for line, cells in enumerate(ROWS, start=2)]


@pytest.mark.parametrize("text", ["one\u2028two", "one\x0btwo", "one\x0ctwo", "one\u0085two", "one\x1ctwo"])
def test_a_text_with_a_rare_line_break_is_one_cell(path, text):
    assert read(path, f"file,report\nf.png,{text}\n")[1] == [(2, {"file": "f.png", "report": text})]


def test_a_cell_of_several_lines_counts_them(path):
    _, rows = read(path, 'file,report\nf.png,"one\ntwo, three ""four"""\ng.png,five\n')
    assert rows == [
        (2, {"file": "f.png", "report": 'one\ntwo, three "four"'}),
        (4, {"file": "g.png", "report": "five"}),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,Mass\nf.png,1,0\n", "line 2: it has 3 cells, but the header has 2"),
        ("file,Mass,Mass\nf.png,1,0\n", "has 2 columns named Mass"),
        ('{"images": [{"width": 1024, "width": 1024}]}', "is JSON; a table is needed"),
        ('file,report\nf.png,"never ends\ng.png,x\n', "line 2: .* is a quote not closed"),
        ('file,report\nf.png,x\ng.png,"long ' + "x, g.png\n" * 20_000, "line 3: .* is a quote not closed"),
    ],
)
def test_a_broken_row_is_named_by_its_line(path, text, said):
    with pytest.raises(DataError, match=said):
        read(path, text)


def test_cells_left_out_at_the_end_of_a_row_are_empty(path):
    assert read(path, "file,Mass,Nodule\nf.png,1\n")[1] == [(2, {"file": "f.png", "Mass": "1", "Nodule": ""})]


def test_the_header_alone_decides_the_separator(path):
    assert read(path, "file;report\rf.png;a, b, c\r")[1] == [(2, {"file": "f.png", "report": "a, b, c"})]


def test_an_empty_file_has_no_columns(path):
    assert read(path, "") == ([], [])


def test_a_missing_file_is_named(path):
    with pytest.raises(DataError, match=r"table\.csv cannot be read as a table: .*No such file"):
        tables.read(path)


def test_parquet_is_read_as_the_same_table_in_csv(tmp_path):
    pa = pytest.importorskip("pyarrow")
    columns = {"file": ["f.png", None], "Mass": [1, 0], "age": [61.5, None], "seen": [True, False], "boxes": [[1], []]}
    pytest.importorskip("pyarrow.parquet").write_table(pa.table(columns), tmp_path / "table.parquet")
    names, rows = tables.read(tmp_path / "table.parquet")
    assert names == list(columns)
    assert list(rows) == [
        (1, {"file": "f.png", "Mass": "1", "age": "61.5", "seen": "1", "boxes": "[1]"}),
        (2, {"file": "", "Mass": "0", "age": "", "seen": "0", "boxes": "[]"}),
    ]


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(DataError, match=r"table\.parquet cannot be read as a table"):
        read(tmp_path / "table.parquet", lines())
