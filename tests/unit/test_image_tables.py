"""Films in rows of parquet files, as data sets of the Hub store them."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import archives, formats, image, image_tables
from tests.support.noisy import CELL, png


@pytest.fixture
def table(tmp_path):
    """Seven films in groups of three rows: named, one without a name, one without an image."""
    cells = [{"bytes": png(i), "path": f"train/{i}.png"} for i in range(7)]
    cells[4] = {"bytes": png(4), "path": None}
    cells[5] = {"bytes": None, "path": "lost.png"}
    columns = {"label": pa.array(range(7)), "image": pa.array(cells, CELL), "second": pa.array(cells, CELL)}
    path = tmp_path / "train-00000-of-00001.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=3)
    return path


def test_each_row_is_a_film_by_its_file_name(table):
    found = archives.search(table)
    assert [film.member for film in found.films] == [
        "0-0.png",
        "1-1.png",
        "2-2.png",
        "3-3.png",
        "4",
        "5-lost.png",
        "6-6.png",
    ]
    for i in (6, 0, 4, 3):
        film = image.read(table, found.films[i].member)
        assert np.array_equal(film.pixels, image.decode(png(i), "x").pixels)
        assert film.name == ("4" if i == 4 else f"{i}.png")
    assert found.films[3].shown == table / "3-3.png"


@pytest.mark.parametrize("member", ["5-lost.png", "7-7.png", "-1", "x"])
def test_a_row_without_an_image_is_named(table, member):
    with pytest.raises(UnreadableImage, match=f"train-00000-of-00001.parquet does not contain {member}"):
        image.read(table, member)


def test_folders_have_films_in_tables_and_beside_them(table):
    pq.write_table(pa.table({"file": ["a.png"]}), table.with_name("labels.parquet"))
    (table.parent / "z.png").write_bytes(png(0))
    found = archives.search(table.parent)
    assert [film.path.name for film in found.films] == [table.name] * 7 + ["z.png"]
    assert found.others == 1


def test_damage_is_said(table):
    members = image_tables.members(table)
    assert len(members) == 7
    data = bytearray(table.read_bytes())
    broken = table.with_name("broken.parquet")
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableImage, match=r"broken\.parquet is an archive that is damaged"):
        archives.search(broken)
    assert [film.path for film in archives.search(table.parent).films if film.member is None] == [broken]
    data[10:2000] = bytes(1990)
    holes = table.with_name("holes.parquet")
    holes.write_bytes(data)
    with pytest.raises(UnreadableImage, match=r"holes\.parquet"):
        image.read(holes, "0-0.png")


def test_damage_to_any_byte_is_said_or_harmless(tmp_path):
    path = tmp_path / "train.parquet"
    names = [{"bytes": b"x", "path": f"{i:04}.png"} for i in range(60)]
    pq.write_table(pa.table({"image": pa.array(names, CELL)}), path, compression="none", use_dictionary=False)
    data = path.read_bytes()
    said = 0
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x85]) + data[at + 1 :])
        image_tables._opened.cache_clear()
        try:
            archives.search(path)
        except UnreadableImage:
            said += 1
    assert said > 20


@pytest.mark.parametrize(
    "kind",
    [pa.struct({"bytes": pa.string(), "path": pa.string()}), pa.struct({"bytes": pa.binary(), "path": pa.int64()})],
)
def test_a_column_of_other_types_holds_no_images(tmp_path, kind):
    path = tmp_path / "train.parquet"
    pq.write_table(pa.table({"image": pa.array([None], kind)}), path)
    assert image_tables.members(path) is None


def test_an_image_beyond_the_limit_is_refused(table, monkeypatch):
    monkeypatch.setattr(formats, "MOST_BYTES", 1000)
    with pytest.raises(UnreadableImage, match=r"0-0.png is larger than"):
        image.read(table, "0-0.png")


def test_a_table_of_files_is_none_of_images(tmp_path):
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"file": ["a.png"]}), path)
    assert image_tables.members(path) is None
    assert not image_tables.has_images(path)
    assert not image_tables.has_images(tmp_path / "missing.parquet")
    assert not image_tables.has_images(tmp_path / "labels.csv")
