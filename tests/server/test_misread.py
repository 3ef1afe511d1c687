"""A film whose grey values had to be guessed: the warning goes wherever its prediction, its maps and its pixels go."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import gradio_client
import pytest
from PIL import Image

import cxr_demo as cxr
from cxr_demo import cli
from cxr_demo.films import gate, image, label_tables, phantom
from tests.support.corpus import as_dicom
from tests.support.serving import client_of, save_model, served
from train import cache
from train import cli as train_cli

FILE = "guessed.dcm"
#: A dark film with a display window that hides everything.
DATA = as_dicom(phantom.draw("effusion") // 4, WindowCenter=5000, WindowWidth=10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The guessed film and a good one, with a table and a model."""
    found = tmp_path_factory.mktemp("films")
    (found / "images").mkdir()
    (found / "images" / FILE).write_bytes(DATA)
    cv2.imwrite(str(found / "images" / "good.png"), phantom.draw("normal"))
    box = [{"label": "Effusion", "x": 20, "y": 200, "w": 80, "h": 80}]
    with (found / "labels.csv").open("w", newline="") as file:
        rows = [[FILE, "a", json.dumps(box), 1], ["good.png", "b", json.dumps(box), 1]]
        csv.writer(file).writerows([["file", "patient_id", "boxes", "Effusion"], *rows])
    save_model(found / "model")
    return found


@pytest.fixture(scope="module")
def film():
    return image.decode(DATA, FILE)


@pytest.fixture(scope="module")
def said(film) -> list[str]:
    """The reader's warning and the gate's."""
    found = image.of_reading((*gate.look(film).says, *film.warnings))
    assert [warning.id for warning in found] == ["warning.read.dark", "warning.read.window"]
    return list(map(str, found))


@pytest.fixture(scope="module")
def exported(folder) -> Path:
    out = folder / "out"
    words = [str(folder / "images" / FILE), "--out", str(out), "--model", str(folder / "model")]
    assert cli.main(["explain", *words, "--method", "gradcam", "--label", "Effusion"]) == 0
    return out / "guessed"


def test_every_note_of_the_readers_is_a_warning_of_reading():
    """Pages, tables and audits find these warnings by their identity."""
    films = Path(image.__file__).parent
    sources = [films / "formats.py", *(films / "dicom").glob("*.py")]
    found = [name for path in sources for name in re.findall(r'"(warning\.[^"]+)"', path.read_text())]
    assert len(found) >= 6
    assert [name for name in found if not name.startswith(image.READING)] == []


# ------------------------------------------------------------------ the command line and its files


def test_tables_of_the_command_line_carry_it(folder, said, capsys):
    assert cli.main(["predict", str(folder / "images"), "--model", str(folder / "model")]) == 0
    good, guessed = sorted(capsys.readouterr().out.split(str(folder / "images"))[1:], key=len)
    assert all(f"  ! {warning}\n" in guessed for warning in said)
    assert "!" not in good


def test_json_of_the_command_line_carries_it(folder, said, capsys):
    assert cli.main(["predict", "--json", str(folder / "images"), "--model", str(folder / "model")]) == 0
    told = {Path(line["file"]).name: line["warnings"] for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert told == {FILE: said, "good.png": []}


def test_exported_files_carry_it(exported, said):
    assert json.loads((exported / "result.json").read_text())["warnings"] == said
    (picture,) = exported.glob("*.png")
    with Image.open(picture) as opened:
        assert json.loads(opened.text["Description"])["warnings"] == said
    report = (exported / "report.html").read_text()
    recorded = json.loads(re.search(r'id="recorded">(.*?)</script>', report, re.DOTALL)[1])
    assert [warning["text"] for warning in recorded["answers"]["film"]["warnings"]] == said


# ------------------------------------------------------------------ Python and notebooks


def test_predictions_and_notebooks_carry_it(folder, film, said):
    model = cxr.load(str(folder / "model"))
    assert list(cxr.predict(model, film).warnings) == said
    shown = cxr.explain(model, film, cxr.methods.GradCAM())._repr_html_()
    assert all(f"⚠ {warning}" in shown for warning in said)


# ------------------------------------------------------------------ the page's endpoints and tools


@pytest.fixture(scope="module")
def address(tmp_path_factory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("page")) as url:
        yield url


def test_endpoints_carry_it(address, folder, said):
    client, given = client_of(address), gradio_client.handle_file(folder / "images" / FILE)
    assert client.predict(given, api_name="/predict")["warnings"] == said
    fields, _ = client.predict(given, ["gradcam"], api_name="/explain")
    assert fields["warnings"] == said


def test_tools_carry_it(address, said):
    pytest.importorskip("mcp", reason="gradio[mcp] is not installed")
    from tests.support.assistants import as_data, call

    done, (told,) = call(address, "predict", file=as_data(DATA))
    assert done
    assert json.loads(told)["warnings"] == said


# ------------------------------------------------------------------ many films


def test_the_benchmark_counts_and_names_it(folder, said, tmp_path, capsys):
    words = ["--data", str(folder / "labels.csv"), "--model", str(folder / "model"), "--method", "gradcam"]
    assert cli.main(["benchmark", *words, "--out", str(tmp_path), "--permuted", "0"]) == 0
    told = capsys.readouterr().err.splitlines()
    assert [f"{FILE}: {warning}" in told for warning in said] == [True, True]
    assert json.loads((tmp_path / "table.json").read_text())["warned"] == {FILE: said}
    table = (tmp_path / "table.md").read_text()
    assert f"Films that may have been read wrongly: 1.\n\n- `{FILE}`: {' '.join(said)}\n" in table


def test_the_audit_names_it(folder, said, tmp_path):
    train_cli.main(["audit", str(folder / "labels.csv"), "--labels", "Effusion", "--out", str(tmp_path)])
    findings = json.loads((tmp_path / "audit.json").read_text())["findings"]
    (found,) = (finding for finding in findings if finding["id"] == "doubtful-films")
    assert found["figures"] == {"films": 1, "files": [{"file": FILE, "warnings": " ".join(said)}]}


def test_the_cache_names_it(folder, said, tmp_path, capsys):
    films = label_tables.read_tables([folder / "labels.csv"], ["Effusion"])
    words = ["cache", str(folder / "labels.csv"), "--labels", "Effusion", "--out", str(tmp_path), "--size", "32"]
    for _ in range(2):  # decoded, then found decoded
        assert train_cli.main(words) == 0
        out = capsys.readouterr().out
        assert "Films that may have been read wrongly: 1.\n" in out
        assert f"  {FILE}: " in out
    assert cache.decode(films, 32, tmp_path).warnings.tolist() == [" ".join(said), ""]
