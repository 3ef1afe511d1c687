"""What goes on, and what is said, when the disk is full, the cache cannot be written, or a process is killed."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from benchmarks.process import address_of
from benchmarks.visitor import Visitor
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry
from cxr_demo.web import uploads
from tests.support.disks import on_disk
from tests.support.serving import called, patient, save_model, served, started

ROOT = Path(__file__).parents[2]
FILM = phantom.png("effusion", 256)


def expected(folder) -> list[float]:
    """What the served model should say of FILM."""
    model = registry.load(str(folder / "fourteen"))
    return Case(model, image.decode(FILM, "x")).predict().probabilities.tolist()


def ask(address, folder, event, run=0):
    """The last answer about FILM to an event of the page."""
    with closing(Visitor(address)) as one:
        source = one.upload("film.png", FILM)
        return one.answer(event, {"model": str(folder / "fourteen"), "source": source, "run": run})


def command(*words, before=(), **settings):
    """A command line of ours: its exit status and what it said on stderr."""
    done = subprocess.run(
        [*before, sys.executable, "-m", *words],
        cwd=ROOT,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stderr


# ------------------------------------------------------------------ disks


def test_a_page_on_a_full_disk_says_so_and_serves_what_it_can(tmp_path):
    disk = tmp_path / "disk"
    before = on_disk(disk, 2000)
    where = {"HF_HOME": str(disk / "hf"), "GRADIO_TEMP_DIR": str(disk / "uploads"), "TMPDIR": str(disk)}
    with served(tmp_path, *before, **where) as address:
        noise = np.random.default_rng(0)  # never the same twice: what is sent again takes no more room

        def send(size):
            files = {"files": ("noise.png", noise.bytes(size))}
            return patient.post(f"{address}gradio_api/upload", files=files)

        big = send(5_000_000)
        assert big.status_code == 507
        assert "disk is full" in big.text
        assert ask(address, tmp_path, "film")["probabilities"] == pytest.approx(expected(tmp_path), abs=1e-5)
        assert ask(address, tmp_path, "run_occlusion", 1)["complete"]
        with closing(Visitor(address)) as one:
            source = one.upload("film.png", FILM)
            for size in (100_000, 4_096):
                while send(size).status_code == 200:
                    pass
            # a film that is here is read, and maps that are to be taken away find no place
            sent = {"path": source["path"], "meta": {"_type": "gradio.FileData"}}
            assert "Effusion" in called(address, "predict", sent, None)
            assert "disk is full" in called(address, "explain", sent, None, None, None)
            told = {"model": str(tmp_path / "fourteen"), "source": source, "run": 0}
            assert one.answer("film", told)["probabilities"] == pytest.approx(expected(tmp_path), abs=1e-5)
        assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_a_page_whose_cache_cannot_be_written_serves_all_the_same(tmp_path):
    before = on_disk(tmp_path / "cache", 1000, read_only=True)
    with served(tmp_path, *before, HF_HOME=str(tmp_path / "cache"), GRADIO_TEMP_DIR=str(tmp_path / "up")) as address:
        assert ask(address, tmp_path, "film")["probabilities"] == pytest.approx(expected(tmp_path), abs=1e-5)
        assert ask(address, tmp_path, "run_lime", 1)["complete"]
    assert "Traceback" not in (tmp_path / "server.log").read_text()


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(FILM)
    return path


@pytest.mark.parametrize("kilobytes", [4, 200])
def test_maps_that_find_no_room_are_named_and_do_not_look_finished(film, tmp_path, kilobytes):
    before = on_disk(tmp_path / "disk", kilobytes)
    model = str(save_model(tmp_path / "model"))
    words = ("cxr_demo", "explain", str(film), "--out", str(tmp_path / "disk" / "out"), "--model", model)
    status, said = command(*words, before=before, HF_HOME=str(tmp_path / "hf"))
    assert status == 1
    assert "No space left on device" in said
    assert "Traceback" not in said


def test_a_benchmark_that_finds_no_room_says_so(film, tmp_path):
    before = on_disk(tmp_path / "disk", 4)
    table = tmp_path / "labels.csv"
    table.write_text("file,patient_id,Effusion\nfilm.png,1,1\n")
    model = str(save_model(tmp_path / "model"))
    words = ("cxr_demo", "benchmark", "--data", str(table), "--images", str(tmp_path), "--model", model)
    words += ("--method", "gradcam", "--out", str(tmp_path / "disk" / "out"))
    status, said = command(*words, before=before, HF_HOME=str(tmp_path / "hf"))
    assert status == 1
    assert "Make room there" in said
    assert "Traceback" not in said


# ------------------------------------------------------------------ killed


def test_a_page_that_is_killed_at_any_moment_serves_again(tmp_path):
    """Also while it starts, converts its model and keeps it, and while maps are made."""
    moments = random.Random(0)
    where = {"HF_HOME": str(tmp_path / "hf")}
    for _ in range(4):
        with started(tmp_path, **where) as server:
            if moments.random() < 0.75:
                with closing(Visitor(address_of(server))) as one:
                    source = one.upload("film.png", FILM)
                    one.tell("run_lime", {"model": str(tmp_path / "fourteen"), "source": source, "run": 1})
            time.sleep(moments.uniform(0, 2))
            server.send_signal(signal.SIGKILL)
    with served(tmp_path, **where) as address:
        wanted, began = expected(tmp_path), time.monotonic()
        assert ask(address, tmp_path, "film")["probabilities"] == pytest.approx(wanted, abs=1e-5)
        assert time.monotonic() - began < 10
        assert ask(address, tmp_path, "run_occlusion", 1)["complete"]
        assert len(list((tmp_path / "cache").glob(f"{uploads.PREFIX}*"))) == 1, "films of the killed are gone"
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_an_export_that_is_killed_does_not_look_finished(film, tmp_path):
    """Whenever result.json is there, all that it speaks of is there and whole; also over an older export."""
    model = str(save_model(tmp_path / "model"))
    words = [sys.executable, "-m", "cxr_demo", "explain", str(film), "--model", model, "--out"]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf")}
    subprocess.run([*words, str(tmp_path / "whole")], cwd=ROOT, env=environment, check=True, capture_output=True)
    names = {path.name for path in (tmp_path / "whole" / "film").iterdir()}
    for drawn in (0, 4, 8):
        folder = Path(shutil.copytree(tmp_path / "whole", tmp_path / f"killed {drawn}")) / "film"
        before = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
        command = [*words, str(folder.parent)]
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL) as process:
            while (folder / "result.json").exists() or sum(p.stat().st_mtime_ns > before[p] for p in before) < drawn:
                assert process.poll() is None, "it ended before it could be killed"
                time.sleep(0.001)
            process.kill()
        if (folder / "result.json").exists():
            assert {path.name for path in folder.iterdir()} == names
            fields = json.loads((folder / "result.json").read_text())
            with np.load(folder / "maps.npz") as maps:
                assert {*fields["methods"], "labels"} == {name for name in maps if not name.endswith("_error")}
                assert all(np.isfinite(maps[key]).all() for key in fields["methods"])
