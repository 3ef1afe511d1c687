"""The command line as other programs call it: real processes, real files."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import cv2
import numpy as np
import pytest
from PIL import Image

from cxr_demo import cli, methods
from cxr_demo.films import gate, phantom
from cxr_demo.models import registry
from cxr_demo.types import NIH_FINDINGS
from tests.support.serving import Corners, save_model

ROOT = Path(__file__).parents[2]
QUICK = ["--lime.samples", "100", "--occlusion.window", "32", "--occlusion.stride", "32"]


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cxr_demo", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def status_of(*words: object) -> int:
    """The exit status of a command in this process, which starts nothing and loads its model once."""
    try:
        return cli.main([*map(str, words)])
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """A wide picture with some structure."""
    folder = tmp_path_factory.mktemp("films")
    y, x = np.mgrid[:300, :360]
    pixels = 110 + 60 * np.sin(x / 40) * np.cos(y / 60) + np.random.default_rng(0).normal(0, 5, x.shape)
    cv2.imwrite(str(folder / "film.png"), pixels.astype(np.uint8))
    return folder / "film.png"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A small model, where any will do: measuring how far maps can be believed takes hundreds of passes."""
    return str(save_model(tmp_path_factory.mktemp("model")))


def test_predict_prints_one_object_per_line(film):
    done = run("predict", film, film, "--json")
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert set(first) == {"file", "sha256", "model", "labels", "logits", "probabilities", "thresholds", "warnings"}
    assert first["file"] == str(film)
    assert tuple(first["labels"]) == NIH_FINDINGS
    assert len(first["logits"]) == len(first["probabilities"]) == len(first["thresholds"]) == 14
    assert all(0 < p < 1 for p in first["probabilities"])
    assert first["model"].startswith("bundled:nih14@")


def test_a_bad_file_is_named_and_the_others_are_done(film, tmp_path, capsys):
    bad = tmp_path / "notes.png"
    bad.write_text("no picture")
    assert status_of("predict", bad, film) == 1
    said = capsys.readouterr()
    assert "notes.png" in said.err
    assert "Traceback" not in said.err
    assert "Effusion" in said.out


def test_folders_and_archives_are_looked_through(tmp_path, capsys):
    folder = tmp_path / "CD"
    inner = folder / "DICOM" / "ST0"
    inner.mkdir(parents=True)
    (inner / "IM0001").write_bytes(phantom.png("effusion", 256))
    (folder / "AUTORUN.INF").write_text("[autorun]")
    packed = shutil.make_archive(str(tmp_path / "study"), "zip", folder)
    assert status_of("predict", folder, packed, "--json") == 0
    said = capsys.readouterr()
    first, second = map(json.loads, said.out.splitlines())
    assert first["file"] == str(inner / "IM0001")
    assert second["file"] == str(Path(packed) / "DICOM" / "ST0" / "IM0001")
    assert (first["logits"], first["sha256"]) == (second["logits"], second["sha256"])
    assert [f"{where}: 1 other file was passed over." in said.err for where in (folder, packed)] == [True, True]
    assert status_of("predict", folder / "AUTORUN.INF") == 1, "a file that was named is no other file"
    (inner / "IM0001").unlink()
    assert status_of("predict", folder) == 2
    assert "There is no film" in capsys.readouterr().err


def test_a_reader_who_has_seen_enough_is_no_error(film):
    command = [sys.executable, "-m", "cxr_demo", "predict", *[str(film)] * 3]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) == 141
    assert process.stderr.read().replace(str(film), "").count("Errno") == 0
    process.stderr.close()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["predict", "FILM", "--model", "bundled:nih15"], "nih15"),
        (["predict", "FILM", "--nonsense", "1"], "--nonsense"),
        (["explain", "FILM", "--out", "OUT", "--method", "magic"], "magic"),
        (["explain", "FILM", "--out", "OUT", "--label", "Measles"], "Measles"),
        (["explain", "FILM", "--out", "OUT", "--occlusion.window", "7000"], "7000"),
        (["explain", "FILM", "--out", "OUT", "--occlusion.widow", "32"], "widow"),
        (["explain", "FILM", "--out", "OUT", "--method", "gradcam", "--lime.samples", "200"], "lime"),
        (["explain", "FILM"], "--out"),
        (["explain", "FILM", "--out", "FILM/below"], "give a folder that can be written"),
    ],
)
def test_what_cannot_start_exits_2_and_says_why(film, tmp_path, capsys, words, named):
    known = {"FILM": film, "OUT": tmp_path / "out", "FILM/below": film / "below"}
    assert status_of(*(known.get(w, w) for w in words)) == 2
    said = capsys.readouterr().err
    assert named in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_processes_divide_the_films_and_share_their_names(film, model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        assert status_of("predict", film, film, film, "--model", model, "--json") == 0
        assert len(capsys.readouterr().out.splitlines()) == (2 if rank == "0" else 1)
        assert status_of("explain", film, film, "--out", tmp_path / "out", "--model", model, *QUICK) == 0
        own = "film" if rank == "0" else "film-2"
        assert capsys.readouterr().out == f"{tmp_path / 'out' / own}\n"


def test_explain_writes_maps_pictures_and_how_to_repeat_them(film, model, tmp_path):
    assert status_of("explain", film, film, "--out", tmp_path / "out", "--model", model, *QUICK) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["film", "film-2"]
    folder = tmp_path / "out" / "film"
    result = json.loads((folder / "result.json").read_text())
    default = [m.key for m in methods.DEFAULTS]
    assert list(result["methods"]) == default
    assert result["file"] == "film.png"
    assert result["methods"]["lime"]["settings"]["samples"] == 100
    for done_of in result["methods"].values():
        assert done_of["complete"] is True
        assert done_of["stopped"] is None
        assert {"settings", "unit", "seconds", "forwards", "samples", "precision"} <= set(done_of)
    maps = np.load(folder / "maps.npz")
    assert set(maps.files) == {*default, "lime_error", "occlusion_error", "labels"}
    assert tuple(maps["labels"]) == NIH_FINDINGS
    for key in default:
        assert maps[key].shape == (14, 96, 96)
        assert maps[key].dtype == np.float32
    top = np.argsort(-np.array(result["probabilities"]), kind="stable")[:3]
    pictures = {f"{key}-{NIH_FINDINGS[i]}.png" for key in default for i in top}
    assert {p.name for p in folder.glob("*.png")} == pictures
    height, width, _ = cv2.imread(str(folder / min(pictures))).shape
    assert (height > 300, width) == (True, 360), "the film, and what is said below it"
    assert result["pictures"]["labels"] == [NIH_FINDINGS[i] for i in top]
    for key in default:
        assert result["pictures"]["full_colour"][key] == pytest.approx(np.abs(maps[key][top]).max())


def test_pictures_of_one_finding_rather_than_another(film, model, tmp_path, capsys):
    """They show the difference of the maps; the maps themselves stay, and --from repeats it."""
    words = ["--method", "gradcam", "--label", "mass", "--against", "nodule", "--model", model]
    assert cli.main(["explain", str(film), "--out", str(tmp_path / "a"), *words]) == 0
    folder = tmp_path / "a" / "film"
    assert [path.name for path in folder.glob("*.png")] == ["gradcam-Mass-rather-than-Nodule.png"]
    result, maps = json.loads((folder / "result.json").read_text()), np.load(folder / "maps.npz")
    assert result["pictures"]["against"] == "Nodule"
    mass, nodule = (maps["gradcam"][NIH_FINDINGS.index(name)] for name in ("Mass", "Nodule"))
    assert result["pictures"]["full_colour"]["gradcam"] == pytest.approx(np.abs(mass - nodule).max(), rel=1e-5)
    told = json.loads(Image.open(folder / "gradcam-Mass-rather-than-Nodule.png").text["Description"])
    assert (told["label"], told["against"]) == ("Mass", "Nodule")
    assert cli.main(["explain", "--from", str(folder / "result.json"), str(film), "--out", str(tmp_path / "b")]) == 0
    pictures = [(tmp_path / out / "film" / "gradcam-Mass-rather-than-Nodule.png").read_bytes() for out in "ab"]
    assert pictures[0] == pictures[1]
    assert (
        cli.main(["explain", str(film), "--out", str(tmp_path / "c"), "--method", "gradcam", "--against", "Mass"]) == 0
    )
    assert len(list((tmp_path / "c" / "film").glob("*-rather-than-Mass.png"))) == 3


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--label", "Mass", "--against", "mass"], "Mass has no difference from itself"),
        (["--against", "Mass", "--method", "layercam"], "no difference by LayerCAM"),
        (["--against", "Cold"], "Cold"),
        (["--against", "the others"], "none stands for all others"),
    ],
)
def test_a_difference_that_does_not_exist_is_refused(film, model, tmp_path, capsys, words, named):
    assert cli.main(["explain", str(film), "--out", str(tmp_path / "out"), "--model", model, *words]) == 2
    assert named in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_explain_names_the_film_that_is_warned_of(film, model, tmp_path, capsys):
    good = phantom.save("normal", tmp_path)
    words = ["explain", str(film), str(good), "--out", str(tmp_path / "out"), "--method", "gradcam", "--model", model]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(tmp_path / "out" / name) for name in ("film", "phantom-normal")]
    recorded = json.loads((tmp_path / "out" / "film" / "result.json").read_text())["warnings"]
    assert gate.NO_CHEST_FILM in recorded
    assert sorted(said.err.splitlines()) == sorted(f"film.png: {warning}" for warning in recorded)


def test_no_films_name_leads_out_of_the_folder(film, model, tmp_path):
    odd = [tmp_path / "films" / name for name in ("...png", "..png")]
    odd[0].parent.mkdir()
    for path in odd:
        path.write_bytes(film.read_bytes())
    words = [*map(str, odd), "--out", str(tmp_path / "out"), "--method", "gradcam", "--model", model]
    assert cli.main(["explain", *words]) == 0
    assert {path.parent for path in tmp_path.rglob("result.json")} == {tmp_path / "out" / n for n in ("film", "film-2")}


def test_another_film_of_the_same_name_does_not_mix_with_the_first(film, model, tmp_path, capsys):
    other = tmp_path / "other" / film.name
    other.parent.mkdir()
    other.write_bytes(phantom.png("nodule"))
    words = ["--out", str(tmp_path / "out"), "--method", "gradcam", "--model", model]
    assert cli.main(["explain", str(film), *words]) == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "film").iterdir()}
    capsys.readouterr()
    assert cli.main(["explain", str(other), *words]) == 1
    assert "holds the result of another film of this name" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "film").iterdir()} == before
    assert cli.main(["explain", str(film), *words]) == 0, "the same film may be explained again"


def test_from_repeats_exactly_what_was_done(film, model, tmp_path, capsys):
    """In another process."""
    assert status_of("explain", film, "--out", tmp_path / "a", "--label", "effusion", "--model", model, *QUICK) == 0
    source = tmp_path / "a" / "film" / "result.json"
    recorded = json.loads(source.read_text())
    recorded["boxes"] = [{"label": "Effusion", "x": 10.0, "y": 20.5, "w": 60.0, "h": 50.0}]
    source.write_text(json.dumps(recorded))
    done = run("explain", "--from", source, film, "--out", tmp_path / "b")
    assert done.returncode == 0, done.stderr
    first, again = np.load(source.parent / "maps.npz"), np.load(tmp_path / "b" / "film" / "maps.npz")
    for key in first.files:
        np.testing.assert_array_equal(first[key], again[key])  # an error that is unknown is nan in both
    assert {p.name for p in source.parent.iterdir()} == {p.name for p in (tmp_path / "b" / "film").iterdir()}
    assert json.loads((tmp_path / "b" / "film" / "result.json").read_text())["boxes"] == recorded["boxes"]
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), cv2.imread(str(film)) // 2)
    assert status_of("explain", "--from", source, other, "--out", tmp_path / "c") == 1
    assert "other.png" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", '{"model": 5, "sha256": "", "methods": {"lime": {}}}', "no JSON"])
def test_from_something_else_is_refused(film, tmp_path, capsys, content):
    (tmp_path / "result.json").write_text(content)
    status = cli.main(["explain", "--from", str(tmp_path / "result.json"), str(film), "--out", str(tmp_path / "out")])
    assert status == 2
    assert "is not a result.json" in capsys.readouterr().err


def test_a_method_that_is_added_is_on_the_command_line(film, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(methods, "METHODS", (*methods.METHODS, Corners))
    assert cli.main(["methods"]) == 0
    assert "--corners.strength" in capsys.readouterr().out
    words = ["explain", str(film), "--out", str(tmp_path), "--method", "corners", "--corners.strength", "0.25"]
    assert cli.main([*words, "--model", model]) == 0
    assert np.load(tmp_path / "film" / "maps.npz")["corners"][4].max() == pytest.approx(1.0)


def test_a_folder_without_files_is_said(tmp_path, capsys):
    assert cli.main(["predict", str(tmp_path)]) == 2
    assert "no film" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "step"),
    [(errno.ENOSPC, "Make room there"), (errno.EACCES, "Let this program read and write there")],
)
def test_a_disk_that_cannot_be_used_comes_with_what_to_do(film, monkeypatch, capsys, number, step):
    error = OSError(number, os.strerror(number), "scans")
    monkeypatch.setattr(os, "scandir", Mock(side_effect=error))
    assert cli.main(["predict", str(film.parent)]) == 1
    assert capsys.readouterr().err == f"{error}. {step}, or choose another folder.\n"


def test_methods_and_models_are_listed():
    listed = run("methods")
    assert listed.returncode == 0
    for kind in methods.METHODS:
        assert kind.key in listed.stdout
        for setting in methods.settings_of(kind):
            assert f"--{kind.key}.{setting.name} {setting.default}" in listed.stdout
    models = run("models")
    assert models.returncode == 0
    assert "bundled:nih14" in models.stdout
    assert "xrv:" in models.stdout
    assert models.stdout.splitlines()[-1].startswith("owner/name@revision  ")


def test_the_hub_is_listed_as_what_may_be_named_and_not_as_a_model(monkeypatch, capsys):
    monkeypatch.setattr(registry, "verify", lambda name: f"loads {name}")
    monkeypatch.setenv("CXR_MODELS", "hub,bundled:nih14")
    assert cli.main(["models", "--verify"]) == 0
    said = capsys.readouterr().out
    assert [line.split()[0] for line in said.splitlines()] == ["bundled:nih14", "loads", "owner/name@revision"]
    monkeypatch.setenv("CXR_MODELS", "bundled:nih14")
    assert cli.main(["models"]) == 0
    assert "owner/name" not in capsys.readouterr().out


def test_all_untouched_films_are_explained(films, model, tmp_path):
    assert status_of("explain", films / "xrays", "--out", tmp_path, "--model", model, *QUICK) == 0
    folders = list(tmp_path.iterdir())
    assert len(folders) == len(list((films / "xrays").iterdir())) == 15
    for folder in folders:
        assert np.load(folder / "maps.npz")["occlusion"].shape == (14, 96, 96)
