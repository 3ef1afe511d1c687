"""Data sets of the Hub on the command line, fetched from a local server that speaks its protocol."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

from cxr_demo import cli
from tests.support import hub_server
from tests.support.noisy import CELL, png
from tests.support.serving import save_model

NAME = "owner/films"

hub = hub_server.hub


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(save_model(tmp_path_factory.mktemp("model")))


@pytest.fixture
def data_set(hub, tmp_path):
    """The files of a data set: films, a table of images and a text."""
    cells = [{"bytes": png(i), "path": f"{i}.png"} for i in range(3)]
    pq.write_table(pa.table({"image": pa.array(cells, CELL)}), tmp_path / "table.parquet")
    files = {
        "README.md": b"# Films",
        "test/a.png": png(7),
        "train/0.parquet": (tmp_path / "table.parquet").read_bytes(),
    }
    commit = hub.repo(NAME, "datasets").commit(files)
    return hub, files, commit


def rows(capsys, *words):
    """The status of `predict --json`, and its objects by file."""
    status = cli.main(["predict", "--json", *words])
    told = capsys.readouterr()
    found = [json.loads(line) for line in told.out.splitlines()]
    return status, {row["file"]: row for row in found}, told.err


def test_the_films_of_a_data_set_are_those_of_its_files(data_set, model, tmp_path, capsys):
    _, _, commit = data_set
    status, found, told = rows(capsys, f"hf://datasets/{NAME}", "--model", model)
    root = f"datasets/{NAME}@{commit}"
    assert status == 0
    assert list(found) == [f"{root}/test/a.png", *(f"{root}/train/0.parquet/{i}-{i}.png" for i in range(3))]
    assert "1 other file was passed over" in told, "the README"
    for name, i in ((f"{root}/test/a.png", 7), (f"{root}/train/0.parquet/2-2.png", 2)):
        film = tmp_path / "film.png"
        film.write_bytes(png(i))
        _, alone, _ = rows(capsys, str(film), "--model", model)
        assert found[name]["logits"] == alone[str(film)]["logits"]


def test_a_part_at_a_revision_downloads_nothing_else(data_set, model, capsys):
    hub, files, commit = data_set
    hub.repo(NAME, "datasets").commit({**files, "test/b.png": png(8)})
    hub.log.clear()
    status, found, _ = rows(capsys, f"hf://datasets/{NAME}@{commit}/test", "--model", model)
    assert (status, len(found)) == (0, 1)
    assert not any("parquet" in line for line in hub.log)
    assert len(rows(capsys, f"hf://datasets/{NAME}/test/b.png", "--model", model)[1]) == 1, "a file of the newest"


def test_many_films_of_a_data_set_go_into_a_table_and_archives(data_set, model, tmp_path):
    address = f"hf://datasets/{NAME}"
    assert cli.main(["predict", address, "--model", model, "--out", str(tmp_path / "out")]) == 0
    table = pq.read_table(tmp_path / "out" / "predictions.parquet").to_pydict()
    assert [Path(name).name for name in table["file"]] == ["a.png", "0-0.png", "1-1.png", "2-2.png"]
    words = ["--many", "--method", "gradcam", "--model", model, "--out", str(tmp_path / "maps")]
    assert cli.main(["explain", address, *words]) == 0
    assert len(set(pq.read_table(tmp_path / "maps" / "maps.parquet")["file"].to_pylist())) == 4


def test_offline_the_cache_serves(data_set, model, capsys, monkeypatch):
    hub, _, _ = data_set
    first = rows(capsys, f"hf://datasets/{NAME}", "--model", model)
    hub.stop()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert rows(capsys, f"hf://datasets/{NAME}", "--model", model)[:2] == first[:2]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("hf://datasets/owner", "should be hf://datasets/OWNER/NAME"),
        ("hf://models/owner/name", "should be hf://datasets/OWNER/NAME"),
        ("hf://datasets/owner/none", "has no repository 'datasets/owner/none'"),
        (f"hf://datasets/{NAME}@none", "datasets/owner/films has no revision 'none'"),
        (f"hf://datasets/{NAME}/valid", "has no valid at main"),
    ],
)
def test_an_address_that_leads_nowhere_is_said(data_set, model, capsys, address, says):
    status, found, told = rows(capsys, address, "--model", model)
    assert (status, found) == (2, {})
    assert says in told
