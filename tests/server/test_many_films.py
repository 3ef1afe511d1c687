"""Predictions and maps of many films: real processes, killed, divided, and on a disk that fills up."""

import contextlib
import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from cxr_demo import cli
from cxr_demo.batch.journal import Journal
from cxr_demo.films import image
from cxr_demo.types import NIH_FINDINGS
from tests.support.disks import on_disk
from tests.support.noisy import png
from tests.support.serving import save_model

ROOT = Path(__file__).parents[2]
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
#: Methods and settings that are quick.
COARSE = ["--method", "gradcam", "--method", "occlusion", "--occlusion.window", "48", "--occlusion.stride", "24"]
TABLE, INDEX = "predictions.parquet", "maps.parquet"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(save_model(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def films(tmp_path_factory) -> Path:
    """40 films in two folders, one of them damaged."""
    folder = tmp_path_factory.mktemp("films")
    for i in range(40):
        path = folder / ("a" if i % 2 else "b") / f"{i:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(png(i))
    (folder / "a" / "07.png").write_bytes((folder / "a" / "05.png").read_bytes()[:200])
    return folder


def command(films, model, out, *words):
    """A command line that predicts, or explains if `words` ask for many films' maps."""
    kind, settings = ("explain", COARSE) if "--many" in words else ("predict", [])
    where = ["--model", model, "--out", str(out)]
    return [sys.executable, "-m", "cxr_demo", kind, str(films), *where, *settings, *words]


def status(films, model, out, *words):
    return cli.main(command(films, model, out, *words)[3:])


def run_alone(*words):
    """The exit status of a process with one thread: with another number of threads maps differ in the last digits."""
    done = subprocess.run(words, cwd=ROOT, env=ONE_THREAD, check=False, capture_output=True, text=True)
    assert "__main__.py" not in done.stderr, done.stderr  # a traceback that is not torchrun's
    return done.returncode


def contents(out):
    """The files that a run leaves for its user, by name."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix in (".parquet", ".npz")}


@pytest.fixture(scope="module")
def whole(films, model, tmp_path_factory) -> Path:
    """The table of a run that was not interrupted."""
    out = tmp_path_factory.mktemp("whole")
    assert status(films, model, out) == 1, "one film is damaged"
    return out / TABLE


def test_a_row_is_what_predict_says_of_the_film_alone(films, model, whole, capsys):
    rows = pq.read_table(whole).to_pylist()
    assert [row["file"] for row in rows] == sorted(str(path) for path in films.rglob("*.png"))
    for row in (rows[0], rows[11], rows[-1]):
        cli.main(["predict", row["file"], "--model", model, "--json"])
        said = json.loads(capsys.readouterr().out)
        assert (row["sha256"], row["model"], row["warnings"]) == (said["sha256"], said["model"], said["warnings"])
        for label, probability, logit in zip(said["labels"], said["probabilities"], said["logits"], strict=True):
            assert row[label] == pytest.approx(probability, abs=1e-5)
            assert row[f"{label}_logit"] == pytest.approx(logit, abs=1e-4)


def test_films_that_failed_are_named(films, model, tmp_path, capsys):
    for words in ([], ["--many"]):
        assert status(films / "a" / "07.png", model, tmp_path, *words) == 1
        said = f"1 of 1 films failed, for the reasons in the column error: {films / 'a' / '07.png'}."
        assert said in capsys.readouterr().err


def test_a_mistyped_folder_is_named(films, model, tmp_path, capsys):
    assert status(films / "none", model, tmp_path / "out") == 2
    assert f"There is no file or folder {films / 'none'}." in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_film_that_fails_is_a_row_with_its_sentence(films, whole):
    failed = [row for row in pq.read_table(whole).to_pylist() if row["error"]]
    assert [row["file"] for row in failed] == [str(films / "a" / "07.png")]
    assert "07.png" in failed[0]["error"]
    assert failed[0]["sha256"] is None


@pytest.mark.parametrize("words", [[], ["--many"]], ids=["predict", "explain"])
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_files(films, model, whole, explained, tmp_path, words):
    journal = tmp_path / f"{'maps' if words else 'predictions'}-1-of-1.sqlite"
    killed = 0
    while killed < 10:
        before = rows_in(journal)
        running = subprocess.Popen(
            command(films, model, tmp_path, *words), cwd=ROOT, env=ONE_THREAD, stderr=subprocess.DEVNULL
        )
        while running.poll() is None and rows_in(journal) == before:
            time.sleep(0.005)
        time.sleep(float(np.random.default_rng().uniform(0, 0.05)))
        running.send_signal(signal.SIGKILL)
        running.wait()
        if rows_in(journal) == 40:
            break
        killed += 1
    assert killed > 2, "it was killed at work"
    assert run_alone(*command(films, model, tmp_path, *words)) == 1
    assert contents(tmp_path) == contents(explained if words else whole.parent)


def rows_in(journal):
    """The number of films with a row."""
    if not journal.exists():
        return 0
    with contextlib.closing(sqlite3.connect(journal, timeout=60)) as opened:
        has = opened.execute("SELECT count(*) FROM sqlite_master WHERE name = 'films'").fetchone()[0]
        return opened.execute("SELECT count(*) FROM films").fetchone()[0] if has else 0


def test_parts_in_any_order_make_the_same_table(films, model, whole, tmp_path, capsys):
    for part in ("3/3", "1/3", "2/3"):
        assert not (tmp_path / TABLE).exists()
        assert status(films, model, tmp_path, "--shard", part) in (0, 1)
    assert (tmp_path / TABLE).read_bytes() == whole.read_bytes()
    assert "belong to other parts" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_table_of_films_is_an_input_like_a_folder(films, model, whole, tmp_path, kind):
    """In the table's order, each film once; a film that is not there is a row too."""
    named = ["a/05.png", "b/02.png", "a/05.png", "b/none.png", "a/01.png"]
    table = films / f"films.{kind}"
    if kind == "csv":
        table.write_text("\n".join(["file", *named]))
    else:
        pq.write_table(pa.table({"file": named}), table)
    assert status(table, model, tmp_path) == 1
    table.unlink()
    rows = pq.read_table(tmp_path / TABLE).to_pylist()
    known = {row["file"]: row for row in pq.read_table(whole).to_pylist()}
    assert [row["file"] for row in rows] == [
        *(str(films / name) for name in ("a/05.png", "b/02.png")),
        str(films / "images" / "b/none.png"),
        str(films / "a/01.png"),
    ]
    assert "none.png" in rows[2]["error"]
    for row in (rows[0], rows[1], rows[3]):
        assert row == known[row["file"]]


def test_a_table_without_a_column_of_files_is_named(films, model, tmp_path, capsys):
    table = tmp_path / "films.csv"
    table.write_text("picture of the chest,age\nb/02.png,61\n")
    assert status(table, model, tmp_path / "out") == 2
    assert "lacks the column file" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--many"]], ids=["predict", "explain"])
def test_a_finished_run_tries_only_films_again_that_failed(films, model, tmp_path, monkeypatch, capsys, words):
    here, out = tmp_path / "films", tmp_path / "out"
    shutil.copytree(films, here)
    assert status(here, model, out, *words) == 1
    tried = []
    read = image.read
    monkeypatch.setattr(image, "read", lambda path, member: tried.append(path.name) or read(path, member))
    capsys.readouterr()
    assert status(here, model, out, *words) == 1
    assert tried == ["07.png"]
    assert "39 of 40 films are done already." in capsys.readouterr().err
    (here / "a" / "07.png").write_bytes((here / "a" / "05.png").read_bytes())
    assert status(here, model, out, *words) == 0, "the disk is back"
    table = pq.read_table(out / ("films.parquet" if words else TABLE)).to_pylist()
    mended, other = (next(row for row in table if row["file"].endswith(name)) for name in ("07.png", "05.png"))
    assert {**mended, "file": ""} == {**other, "file": ""}
    if words:
        index = pq.read_table(out / INDEX).to_pylist()
        assert len(index) == 40 * 2 * 14
        maps = [row for row in index if row["file"].endswith("07.png")]
        assert np.load(out / maps[0]["archive"])[maps[0]["array"]].shape[0] == 14


@pytest.mark.parametrize("words", [[], ["--many"]], ids=["predict", "explain"])
def test_a_film_that_another_division_could_read_is_no_failure(films, model, tmp_path, words):
    """Its row of failure stays in the journal of a part that does not run any more."""
    here, out, kept = tmp_path / "films", tmp_path / "out", ["--limit", "20", *words]
    shutil.copytree(films / "a", here)
    gone = here / "39.png"
    data = gone.read_bytes()
    (here / "07.png").write_bytes(data)
    orders = [(["--shard", "2/2"], []), ([], ["--shard", "2/2"])]
    for divided, again in orders[: 1 if words else 2]:  # maps take time
        gone.write_bytes(data[:200])
        assert status(here, model, out, *kept, *divided) == 1
        gone.write_bytes(data)
        assert status(here, model, out, *kept, *again) == 0
        assert status(here, model, out, *kept, *divided) == 0
        assert status(here, model, out, *kept) == 0
        table = pq.read_table(out / ("films.parquet" if words else TABLE)).to_pylist()
        assert [row["error"] for row in table] == [None] * 20
        assert table[-1] == {**table[3], "file": str(gone)}, "07.png is the same film"
        if words:
            assert pq.read_table(out / INDEX).num_rows == 20 * 2 * 14
        shutil.rmtree(out)


@pytest.mark.parametrize("words", [[], ["--many"]], ids=["predict", "explain"])
def test_a_film_that_has_changed_is_done_again(films, model, tmp_path, monkeypatch, words):
    here, out = tmp_path / "films", tmp_path / "out"
    here.mkdir()
    for name in ("04.png", "06.png", "10.png"):
        shutil.copy(films / "b" / name, here)
    assert status(here, model, out, *words) == 0
    (here / "06.png").write_bytes((here / "10.png").read_bytes())
    tried = []
    read = image.read
    monkeypatch.setattr(image, "read", lambda path, member: tried.append(path.name) or read(path, member))
    assert status(here, model, out, *words) == 0
    assert tried == ["06.png"]
    table = {Path(row["file"]).name: row for row in
             pq.read_table(out / ("films.parquet" if words else TABLE)).to_pylist()}  # fmt: skip
    assert table["06.png"] == {**table["10.png"], "file": str(here / "06.png")}
    if words:
        index = pq.read_table(out / INDEX).to_pylist()
        one, other = (
            next(np.load(out / row["archive"])[row["array"]] for row in index if row["file"].endswith(name))
            for name in ("06.png", "10.png")
        )
        np.testing.assert_array_equal(one, other)


def test_a_film_that_fails_for_an_unknown_reason_ends_only_itself(films, model, tmp_path, monkeypatch):
    read = image.read

    def fails(path, member):
        if path.name == "06.png":
            raise ValueError("odd")
        return read(path, member)

    monkeypatch.setattr(image, "read", fails)
    for words, table in (([], TABLE), (["--many"], "films.parquet")):
        assert status(films / "b", model, tmp_path, "--limit", "4", *words) == 1
        failed = [row for row in pq.read_table(tmp_path / table).to_pylist() if row["error"]]
        assert [row["error"] for row in failed] == ["06.png cannot be read: ValueError: odd"]


@pytest.mark.parametrize("words", [[], ["--many"]], ids=["predict", "explain"])
def test_names_that_are_not_utf_8_are_escaped(films, model, tmp_path, words):
    here, out = tmp_path / "films", tmp_path / "out"
    here.mkdir()
    shutil.copy(films / "b" / "06.png", os.fsencode(here / "r") + b"\xf8ntgen.png")
    assert status(here, model, out, *words) == 0
    (row,) = pq.read_table(out / ("films.parquet" if words else TABLE)).to_pylist()
    assert row["file"] == str(here / "r\\xf8ntgen.png")
    assert row["error"] is None


def test_processes_may_begin_a_journal_together(tmp_path):
    """Each looks for the plan and writes it if there is none."""
    for i in range(30):
        path = tmp_path / f"{i}.sqlite"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _, path=path: Journal(path, {"model": "a"}), range(8)))
        with contextlib.closing(sqlite3.connect(path)) as opened:
            assert opened.execute("SELECT count(*) FROM plan").fetchone() == (1,)


def test_a_refused_run_leaves_nothing_that_another_refuses(films, model, whole, tmp_path, capsys):
    assert status(films, model, tmp_path, "--shard", "1/2") == 1
    assert status(films, model, tmp_path, "--shard", "2/2", "--correct") == 2
    assert "another run" in capsys.readouterr().err
    assert status(films, model, tmp_path, "--shard", "2/2") == 0
    assert contents(tmp_path) == contents(whole.parent)


def test_a_damaged_file_of_maps_is_named(films, model, explained, tmp_path, capsys):
    shutil.copytree(explained, tmp_path, dirs_exist_ok=True)
    with np.load(tmp_path / "maps-00000.npz") as joined:
        np.savez(tmp_path / "unfinished" / "000003.npz", **{n: joined[n] for n in joined if n.startswith("03-")})
    (tmp_path / "maps-00000.npz").write_bytes((tmp_path / "maps-00000.npz").read_bytes()[:-3000])
    assert status(films, model, tmp_path, "--many") == 2
    assert "maps-00000.npz is damaged" in capsys.readouterr().err


def test_results_of_another_plan_are_refused(films, model, tmp_path, capsys):
    assert status(films, model, tmp_path, "--limit", "3") == 0
    assert pq.read_table(tmp_path / TABLE).num_rows == 3
    assert status(films, model, tmp_path, "--limit", "3", "--correct") == 2
    assert "another run" in capsys.readouterr().err


def test_a_full_disk_is_said_and_loses_nothing(films, model, whole, tmp_path):
    """A disk for half of the rows; what it held is copied to a larger one before it disappears with its process."""
    disk, saved = tmp_path / "disk", tmp_path / "saved"
    run = shlex.join(command(films, model, disk / "out"))
    full = [*on_disk(disk, 110), "sh", "-c", f"{run}; status=$?; cp -r {disk}/out {saved}; exit $status"]
    done = subprocess.run(full, cwd=ROOT, env=ONE_THREAD, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Is the disk full" in done.stderr
    assert 0 < rows_in(saved / "predictions-1-of-1.sqlite") < 40
    assert status(films, model, saved) == 1
    assert contents(saved) == contents(whole.parent)


@pytest.fixture(scope="module")
def explained(films, model, tmp_path_factory) -> Path:
    """The folder of maps of a run that was not interrupted."""
    out = tmp_path_factory.mktemp("explained")
    assert run_alone(*command(films, model, out, "--many")) == 1, "one film is damaged"
    return out


def test_maps_and_measures_are_those_of_explain_for_the_film_alone(films, model, explained, tmp_path, capsys):
    index = pq.read_table(explained / INDEX).to_pylist()
    assert len(index) == 39 * 2 * 14
    for name in ("b/00.png", "b/34.png"):
        film = films / name
        assert cli.main(["explain", str(film), "--model", model, "--out", str(tmp_path), *COARSE]) == 0
        folder = tmp_path / film.stem
        told = json.loads((folder / "result.json").read_text())
        alone = np.load(folder / "maps.npz")
        rows = [row for row in index if row["file"] == str(film)]
        assert [(row["method"], row["finding"]) for row in rows] == [
            (key, label) for key in ("gradcam", "occlusion") for label in told["labels"]
        ]
        for row in rows:
            i = row["position"]
            found = np.load(explained / row["archive"])[row["array"]][i]
            np.testing.assert_allclose(found, alone[row["method"]][i], atol=1e-6)
            done = told["methods"][row["method"]]
            assert row["unit"] == done["unit"]
            assert row["outside_lungs"] == pytest.approx(done["trust"]["outside_lungs"][i], abs=1e-4)
            assert row["at_border"] == pytest.approx(done["trust"]["at_border"][i], abs=1e-4)
            assert row["verdict"] is None
            if row["method"] == "occlusion":
                assert row["error_share"] == pytest.approx(done["error_share"][i], abs=1e-4)


def test_pages_are_the_folders_of_explain_for_the_film_alone(films, model, tmp_path, capsys):
    pictured = ["--label", "Mass", "--against", "Nodule"]
    assert status(films / "b", model, tmp_path, "--many", "--limit", "3", "--pages", *pictured) == 0
    out = tmp_path / "alone"
    assert (
        cli.main(["explain", str(films / "b" / "02.png"), "--model", model, "--out", str(out), *COARSE, *pictured]) == 0
    )
    capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["00", "02", "04"]
    page, alone = tmp_path / "pages" / "02", out / "02"
    assert sorted(path.name for path in page.iterdir()) == sorted(path.name for path in alone.iterdir())
    told, other = (json.loads((folder / "result.json").read_text()) for folder in (page, alone))
    assert told["pictures"] == other["pictures"]
    assert told["methods"]["occlusion"]["trust"]["verdict"] == other["methods"]["occlusion"]["trust"]["verdict"]
    assert all(cv2.imread(str(path)) is not None for path in page.glob("*.png"))
    assert len(list(page.glob("*.png"))) == 2, "of two methods"
    again = ["--many", "--from", str(page / "result.json")]
    assert cli.main(["explain", str(films / "b" / "02.png"), "--out", str(out), *again]) == 2
    assert "--from cannot be combined" in capsys.readouterr().err


def test_beside_the_maps_lie_the_predictions(whole, explained):
    one, other = pq.read_table(whole).to_pylist(), pq.read_table(explained / "films.parquet").to_pylist()
    for a, b in zip(one, other, strict=True):
        assert {n: v for n, v in a.items() if not isinstance(v, float)} == {
            n: v for n, v in b.items() if not isinstance(v, float)
        }
        assert [v for v in a.values() if isinstance(v, float)] == pytest.approx(
            [v for v in b.values() if isinstance(v, float)], abs=1e-4
        )
    assert any(row["above_cutoff"] for row in one)
    for row in one:
        thresholds = np.linspace(0.2, 0.8, 14)
        expected = [n for n, t in zip(NIH_FINDINGS, thresholds, strict=True) if row[n] is not None and row[n] >= t]
        assert row["above_cutoff"] == expected


def test_maps_of_parts_in_any_order_are_the_same(films, model, explained, tmp_path):
    for part in ("2/2", "1/2"):
        assert not (tmp_path / INDEX).exists()
        assert run_alone(*command(films, model, tmp_path, "--many", "--shard", part)) in (0, 1)
    assert contents(tmp_path) == contents(explained)


def test_processes_that_torchrun_starts_divide_the_films(films, model, explained, tmp_path):
    words = [*command(films, model, tmp_path, "--many")[1:]]
    together = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *words]
    assert run_alone(*together) == 1
    assert contents(tmp_path) == contents(explained)
    assert {path.name for path in tmp_path.glob("*.sqlite")} == {"maps-1-of-2.sqlite", "maps-2-of-2.sqlite"}


def test_a_file_of_maps_that_was_joined_before_a_kill_stays_whole(films, model, explained, tmp_path):
    """The moment between the new file and the end of the single ones, of which some are left."""
    shutil.copytree(explained, tmp_path, dirs_exist_ok=True)
    with np.load(tmp_path / "maps-00001.npz") as joined:
        single = {name: joined[name] for name in joined if name.startswith("03-")}
    np.savez(tmp_path / "unfinished" / "000019.npz", **single)
    assert status(films, model, tmp_path, "--many") == 1
    assert contents(tmp_path) == contents(explained)
    assert not list((tmp_path / "unfinished").iterdir())


def test_maps_that_were_lost_are_made_again(films, model, explained, tmp_path):
    shutil.copytree(explained, tmp_path, dirs_exist_ok=True)
    (tmp_path / "maps-00001.npz").unlink()
    assert run_alone(*command(films, model, tmp_path, "--many")) == 1
    assert contents(tmp_path) == contents(explained)


def test_two_processes_do_not_work_on_the_same_part(films, model, explained, tmp_path, capsys):
    shutil.copytree(explained, tmp_path, dirs_exist_ok=True)
    with FileLock(tmp_path / "maps-1-of-1.lock"):
        assert status(films, model, tmp_path, "--many") == 2
    assert "Another process works on this part" in capsys.readouterr().err


def test_tested_maps_have_the_verdict_of_explain(films, model, tmp_path, capsys):
    film = films / "b" / "02.png"
    assert status(film, model, tmp_path / "many", "--many", "--tested") == 0
    assert cli.main(["explain", str(film), "--model", model, "--out", str(tmp_path / "one"), *COARSE]) == 0
    told = json.loads((tmp_path / "one" / "02" / "result.json").read_text())["methods"]
    for row in pq.read_table(tmp_path / "many" / INDEX).to_pylist():
        trust, i = told[row["method"]]["trust"], row["position"]
        assert row["verdict"] == trust["verdict"][i]
        assert row["stability"] == pytest.approx(trust["stability"][i], abs=1e-4)
        assert row["faithfulness"] == pytest.approx(
            trust["covers"][trust["cover"][i]]["faithfulness"][i], abs=1e-4, nan_ok=True
        )


def test_maps_of_other_methods_or_films_are_refused(films, model, explained, tmp_path, capsys):
    paged = tmp_path / "paged"
    assert status(films, model, paged, "--many", "--limit", "1", "--pages") == 0
    assert status(films, model, paged, "--many", "--limit", "1") == 2
    assert "pages was the most probable findings, now off." in capsys.readouterr().err
    for words, said in (
        (["--tested"], "tested was off, now on."),
        (["--pages"], "pages was off, now the most probable findings."),
        (["--limit", "3"], "films was 40 films ("),
        (["--method", "lime"], "methods was gradcam, occlusion, now gradcam, occlusion, lime."),
        (["--occlusion.window", "32"], "methods occlusion window was 48, now 32."),
    ):
        assert status(films, model, explained, "--many", *words) == 2
        told = capsys.readouterr().err
        assert "another run" in told
        assert said in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--many", "--label", "Mass"], "only with --pages"),
        (["--many", "--pages", "--label", "Nodules"], "Nodules"),
        (["--many", "--pages", "--label", "Mass", "--against", "Mass"], "no difference from itself"),
        (["--many", "--shard", "0/3"], "--shard 0/3 should be I/N"),
        (["--shard", "9/3"], "--shard 9/3 should be I/N"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--json"], "leave out one of them"),
    ],
)
def test_what_is_wrong_is_said(films, model, tmp_path, capsys, words, says):
    assert status(films, model, tmp_path, *words) == 2
    assert says in capsys.readouterr().err


def test_without_pyarrow_it_is_named_before_any_film_is_read(films, model, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    monkeypatch.setattr("cxr_demo.imports._IMPORTED", {})
    assert status(films, model, tmp_path / "out") == 2
    assert not (tmp_path / "out").exists()
    assert "pip install pyarrow" in capsys.readouterr().err
