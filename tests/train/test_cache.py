"""Films decoded once: the cache is what the page would show the model, whole or not at all."""

import dataclasses
import hashlib
import json
import re
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_demo.errors import DataError
from cxr_demo.films import gate, image, label_tables
from train import cache

ROOT = Path(__file__).parents[2]
SIZE = 32


def plant(folder: Path, films: int, side: int = 64) -> label_tables.Films:
    """Films of noise, each its own, in a table without findings."""
    (folder / "images").mkdir(parents=True)
    names = [f"{i:04}.png" for i in range(films)]
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / "images" / name), noise(i, side))
    (folder / "labels.csv").write_text("file,patient_id\n" + "".join(f"{name},{name}\n" for name in names))
    return label_tables.read_tables([folder / "labels.csv"], ())


def noise(seed: int, side: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side + 8), np.uint8)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def shown(path: Path) -> np.ndarray:
    return np.rint(image.view(image.read(path), SIZE) * 255)


def decoded(monkeypatch) -> list[str]:
    """The names of the films that are read from now on."""
    names: list[str] = []

    def read(path):
        names.append(Path(path).name)
        return real(path)

    real = image.read
    monkeypatch.setattr(image, "read", read)
    return names


def cache_of(folder: Path) -> Path:
    """The one cache in a folder."""
    (found,) = (path for path in folder.iterdir() if path.is_dir())
    return found


def test_each_row_is_what_the_page_would_show_the_model(tmp_path):
    films = plant(tmp_path, 12)
    views = cache.load(films, SIZE, tmp_path / "cache")
    assert (views.shape, views.dtype) == ((12, SIZE, SIZE), np.uint8)
    assert isinstance(views, np.memmap)
    assert not views.flags.writeable
    for row in range(12):
        assert (views[row] == shown(films.paths[row])).all()


def test_the_index_and_the_manifest_say_what_was_made_of_what(tmp_path):
    films = plant(tmp_path, 3)
    views = cache.load(films, SIZE, tmp_path / "cache")
    folder = cache_of(tmp_path / "cache")
    manifest = json.loads((folder / "manifest.json").read_text())
    head, *rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    assert {key: manifest[key] for key in head} == head
    assert (manifest["films"], manifest["size"], manifest["versions"]["cv2"]) == (3, SIZE, cv2.__version__)
    assert manifest["data_sha256"] == sha256(np.array(views).tobytes())
    assert [row["file"] for row in rows] == ["0000.png", "0001.png", "0002.png"]
    assert [row["warnings"] for row in rows] == [[], [], []]
    assert rows[1]["sha256"] == sha256(films.paths[1].read_bytes())
    assert rows[1]["view"] == sha256(views[1].tobytes())
    assert (rows[1]["bytes"], rows[1]["changed"]) == (films.paths[1].stat().st_size, films.paths[1].stat().st_mtime_ns)


def test_a_whole_cache_is_opened_without_decoding_it_again(tmp_path, monkeypatch):
    films = plant(tmp_path, 20)
    first = cache.load(films, SIZE, tmp_path / "cache")
    names = decoded(monkeypatch)
    assert (cache.load(films, SIZE, tmp_path / "cache") == first).all()
    assert len(names) <= 1


SLOWLY = """
import sys, time
from pathlib import Path
from cxr_demo.films import image, label_tables
from train import cache
cache.CHUNK = 4
real = image.read
def read(path):
    time.sleep(0.02)
    return real(path)
image.read = read
cache.load(label_tables.read_tables([Path(sys.argv[1])], ()), 32, Path(sys.argv[2]))
"""


def kill_midway(table: Path, folder: Path, lines: int) -> Path:
    """Build a cache in a process of its own and kill it once the index has so many lines; the cache."""
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, table, folder], cwd=ROOT, stderr=subprocess.DEVNULL)
    while not (found := [*folder.glob("*/index.jsonl")]) or found[0].read_text().count("\n") < lines:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return found[0].parent


def test_a_build_that_was_killed_goes_on_and_decodes_nothing_twice(tmp_path, monkeypatch):
    films = plant(tmp_path, 160)
    folder = tmp_path / "cache"
    kill_midway(tmp_path / "labels.csv", folder, 9)
    killed = kill_midway(tmp_path / "labels.csv", folder, 33)
    assert not (killed / "manifest.json").exists()
    with pytest.raises(DataError, match="not whole"):
        cache.verify(films, SIZE, folder)
    done = [json.loads(line)["file"] for line in (killed / "index.jsonl").read_text().splitlines()[1:]]
    assert 32 <= len(done) < 160
    names = decoded(monkeypatch)
    views = cache.load(films, SIZE, folder)
    assert sorted(names) == sorted(set(films.names) - set(done))
    for row, path in enumerate(films.paths):
        assert (views[row] == shown(path)).all()
    cache.verify(films, SIZE, folder)


@pytest.mark.parametrize("cut", [1, 30])
def test_a_line_that_was_cut_off_counts_as_not_done(tmp_path, monkeypatch, cut):
    films = plant(tmp_path, 6)
    cache.load(films, SIZE, tmp_path / "cache")
    folder = cache_of(tmp_path / "cache")
    (folder / "manifest.json").unlink()
    index = (folder / "index.jsonl").read_bytes()
    (folder / "index.jsonl").write_bytes(index[: len(index) - cut])
    names = decoded(monkeypatch)
    cache.load(films, SIZE, tmp_path / "cache")
    assert names in ([], ["0005.png"])
    cache.verify(films, SIZE, tmp_path / "cache")


def test_a_row_that_the_disk_lost_is_decoded_again_though_its_line_is_there(tmp_path, monkeypatch):
    films = plant(tmp_path, 6)
    cache.load(films, SIZE, tmp_path / "cache")
    folder = cache_of(tmp_path / "cache")
    (folder / "manifest.json").unlink()
    overwrite(folder / "views.npy", 2, bytes(SIZE * SIZE))
    names = decoded(monkeypatch)
    views = cache.load(films, SIZE, tmp_path / "cache")
    assert names == ["0002.png"]
    assert (views[2] == shown(films.paths[2])).all()


def overwrite(views: Path, row: int, content: bytes) -> None:
    start = views.stat().st_size - 6 * SIZE * SIZE
    with views.open("r+b") as file:
        file.seek(start + row * SIZE * SIZE)
        file.write(content)


def test_a_changed_film_is_decoded_anew_and_the_others_are_not(tmp_path, monkeypatch):
    films = plant(tmp_path, 6)
    before = np.array(cache.load(films, SIZE, tmp_path / "cache"))
    cv2.imwrite(str(films.paths[3]), noise(99))
    names = decoded(monkeypatch)
    views = cache.load(films, SIZE, tmp_path / "cache")
    assert names == ["0003.png"]
    assert (views[3] == shown(films.paths[3])).all()
    assert [row for row in range(6) if (views[row] != before[row]).any()] == [3]


def test_another_list_or_size_has_a_cache_of_its_own(tmp_path):
    films = plant(tmp_path, 6)
    every = np.array(cache.load(films, SIZE, tmp_path / "cache"))
    backwards = films.take(np.arange(6)[::-1])
    assert (cache.load(backwards, SIZE, tmp_path / "cache") == every[::-1]).all()
    assert cache.load(films, 16, tmp_path / "cache").shape == (6, 16, 16)
    assert (cache.load(films, SIZE, tmp_path / "cache") == every).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [("manifest.json", "index does not fit"), ("index.jsonl", "index does not fit"), ("views.npy", "cut off")],
)
def test_a_file_that_was_cut_off_is_noticed_on_opening_and_mended_after(tmp_path, name, said):
    films = plant(tmp_path, 6)
    before = np.array(cache.load(films, SIZE, tmp_path / "cache"))
    path = cache_of(tmp_path / "cache") / name
    path.write_bytes(path.read_bytes()[:-70])
    with pytest.raises(DataError, match=said):
        cache.load(films, SIZE, tmp_path / "cache")
    assert (cache.load(films, SIZE, tmp_path / "cache") == before).all()
    cache.verify(films, SIZE, tmp_path / "cache")


def test_a_flipped_bit_is_found_and_its_row_decoded_anew(tmp_path, monkeypatch):
    films = plant(tmp_path, 40)
    before = np.array(cache.load(films, SIZE, tmp_path / "cache"))
    path = cache_of(tmp_path / "cache") / "views.npy"
    content = bytearray(path.read_bytes())
    content[-38 * SIZE * SIZE + 100] ^= 1  # of row 2, which is not in the sample
    path.write_bytes(content)
    cache.load(films, SIZE, tmp_path / "cache")
    with pytest.raises(DataError, match=re.escape("1 of its rows do not fit their checksums (0002.png)")):
        cache.verify(films, SIZE, tmp_path / "cache")
    names = decoded(monkeypatch)
    assert (cache.load(films, SIZE, tmp_path / "cache") == before).all()
    assert names == ["0002.png"]


def test_damage_all_over_is_noticed_on_opening(tmp_path):
    films = plant(tmp_path, 40)
    cache.load(films, SIZE, tmp_path / "cache")
    path = cache_of(tmp_path / "cache") / "views.npy"
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    content[-40 * SIZE * SIZE :] ^= 1
    path.write_bytes(content.tobytes())
    with pytest.raises(DataError, match=r"rows do not fit their checksums \(0000.png"):
        cache.load(films, SIZE, tmp_path / "cache")


def test_a_cache_made_by_other_versions_or_in_another_way_is_made_anew(tmp_path, monkeypatch):
    films = plant(tmp_path, 6)
    before = np.array(cache.load(films, SIZE, tmp_path / "cache"))
    names = decoded(monkeypatch)
    monkeypatch.setitem(cache.VERSIONS, "cv2", "0.1")
    cache.load(films, SIZE, tmp_path / "cache")
    assert len(set(names)) == 6
    real = image.resize
    monkeypatch.setattr(image, "resize", lambda pixels, size: 1 - real(pixels, size))
    views = cache.load(films, SIZE, tmp_path / "cache")
    assert np.abs(views.astype(int) - (255 - before.astype(int))).max() <= 1


def test_films_that_cannot_be_read_are_named_together_and_the_others_kept(tmp_path, monkeypatch):
    films = plant(tmp_path, 30)
    for i in range(3, 18):
        films.paths[i].write_text("no picture")
    films.paths[20].unlink()
    with pytest.raises(DataError) as caught:
        cache.load(films, SIZE, tmp_path / "cache")
    said = str(caught.value)
    assert said.startswith("16 of 30 films cannot be read; replace them or take them out of the table")
    assert [name for name in films.names if name in said] == [f"{i:04}.png" for i in range(3, 13)]
    assert not (cache_of(tmp_path / "cache") / "manifest.json").exists()
    for i in (*range(3, 18), 20):
        cv2.imwrite(str(films.paths[i]), noise(i))
    names = decoded(monkeypatch)
    views = cache.load(films, SIZE, tmp_path / "cache")
    assert len(names) == 16
    assert (views[20] == shown(films.paths[20])).all()


def test_a_disk_too_small_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    films = plant(tmp_path, 4)
    names = decoded(monkeypatch)
    usage = cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage._replace(free=4 * 10**9))
    with pytest.raises(DataError, match=r"needs 6\.4 GB and .* has 4\.0 GB free"):
        cache.load(films, 40_000, tmp_path / "cache")
    assert names == []
    cache.load(films, SIZE, tmp_path / "cache")


def test_a_write_that_fails_is_said_and_the_build_goes_on_from_there(tmp_path, monkeypatch):
    films = plant(tmp_path, 4)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "to_disk", full)
        with pytest.raises(DataError, match="cannot be written: No space left on device"):
            cache.load(films, SIZE, tmp_path / "cache")
    assert (cache.load(films, SIZE, tmp_path / "cache")[1] == shown(films.paths[1])).all()


def test_memory_follows_the_chunk_and_not_the_number_of_films_on_a_slow_disk(tmp_path, monkeypatch):
    films = plant(tmp_path, 200, side=40)
    monkeypatch.setattr(cache, "CHUNK", 8)
    # so that decoders could run ahead of what is written
    monkeypatch.setattr(cache.tqdm, "update", lambda *_: time.sleep(0.01))
    gate.look(image.read(films.paths[0]))  # the first film imports what reads and judges it
    tracemalloc.start()
    try:
        views = cache.load(films, 256, tmp_path / "cache")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < views.nbytes / 2


def test_two_processes_that_want_the_same_films_make_one_cache(tmp_path, monkeypatch):
    films = plant(tmp_path, 60)
    command = [sys.executable, "-c", SLOWLY, tmp_path / "labels.csv", tmp_path / "cache"]
    racing = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait() for process in racing] == [0, 0]
    cache.verify(films, SIZE, tmp_path / "cache")
    assert (cache_of(tmp_path / "cache") / "index.jsonl").read_text().count("\n") == 61


def test_progress_is_in_plain_lines_where_nobody_watches(tmp_path, capsys):
    cache.load(plant(tmp_path, 5), SIZE, tmp_path / "cache")
    said = capsys.readouterr().err
    assert "\r" not in said
    assert "5/5" in said.splitlines()[-1]


def test_real_films_of_every_kind_are_cached_as_shown(films, tmp_path):
    paths = tuple(sorted((films / "xrays").iterdir()))
    table = plant(tmp_path, len(paths))
    real = dataclasses.replace(table, paths=paths)
    views = cache.load(real, SIZE, tmp_path / "cache")
    for row, path in enumerate(paths):
        assert (views[row] == shown(path)).all()
