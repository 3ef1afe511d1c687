"""Films decoded once: the page would show the model the same, and all tables and runs share them."""

import contextlib
import dataclasses
import hashlib
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from cxr_demo.errors import DataError, UnreadableImage
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


def store_of(folder: Path) -> Path:
    """The one store in a folder."""
    (found,) = folder.iterdir()
    return found


def entries(store: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(store / cache.INDEX) as index:
        return index.execute("SELECT sha256, row FROM films ORDER BY row").fetchall()


def views_of(films: label_tables.Films, folder: Path, size: int = SIZE) -> np.ndarray:
    return cache.decode(films, size, folder).views()[:]


def test_each_view_is_what_the_page_would_show_the_model(tmp_path):
    films = plant(tmp_path, 12)
    views = cache.decode(films, SIZE, tmp_path / "cache").views()
    assert (len(views), views[3].shape, views[:].dtype) == (12, (SIZE, SIZE), np.uint8)
    assert isinstance(views.stored, np.memmap)
    assert not views.stored.flags.writeable
    for row in range(12):
        assert (views[row] == shown(films.paths[row])).all()
    some = np.array([7, 2])
    assert (views[some] == np.stack([views[7], views[2]])).all()
    assert (views[2:4] == np.stack([views[2], views[3]])).all()


def test_it_keeps_the_readers_properties_of_each_film(tmp_path):
    films = plant(tmp_path, 3)
    decoded = cache.decode(films, SIZE, tmp_path / "cache")
    assert decoded.faults.tolist() == ["", "", ""]
    assert decoded.kinds.tolist() == ["PNG L"] * 3
    assert decoded.sizes.tolist() == [[64, 72]] * 3
    assert decoded.checksums.tolist() == [sha256(path.read_bytes()) for path in films.paths]
    film = image.read(films.paths[1])
    assert decoded.warnings[1] == " ".join(image.of_reading((*gate.look(film).says, *film.warnings)))
    assert decoded.digests[1] == sha256(b"64 x 72 " + film.pixels.tobytes())
    whole = cv2.resize(film.pixels, (gate.SIDE, gate.SIDE), interpolation=cv2.INTER_AREA)
    assert (decoded.thumbs[1] == np.rint(whole * 255)).all()


def test_films_are_not_decoded_again_for_another_list_order_table_or_place(tmp_path, monkeypatch):
    films = plant(tmp_path, 20)
    every = views_of(films, tmp_path / "cache")
    names = decoded(monkeypatch)
    assert (views_of(films, tmp_path / "cache") == every).all()
    fewer = films.take(np.arange(18, -1, -2))
    assert (views_of(fewer, tmp_path / "cache") == every[18::-2]).all()
    shutil.copytree(tmp_path / "images", tmp_path / "copies" / "images")
    shutil.copy(tmp_path / "labels.csv", tmp_path / "copies")
    copies = label_tables.read_tables([tmp_path / "copies" / "labels.csv"], ())
    assert (views_of(copies, tmp_path / "cache") == every).all()
    assert names == []
    cv2.imwrite(str(tmp_path / "copies" / "images" / "0003.png"), noise(99))
    assert (np.delete(views_of(copies, tmp_path / "cache") == every, 3, 0)).all()
    assert names == ["0003.png"]
    assert (views_of(films, tmp_path / "cache") == every).all()


def test_a_film_that_is_there_twice_is_kept_once(tmp_path):
    films = plant(tmp_path, 6)
    for twin in (1, 4):
        shutil.copy(films.paths[3], films.paths[twin])
    views = views_of(films, tmp_path / "cache")
    assert (views[[1, 4]] == views[3]).all()
    assert len(entries(store_of(tmp_path / "cache"))) == 4


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
cache.decode(label_tables.read_tables([Path(sys.argv[1])], ()), 32, Path(sys.argv[2]))
"""


def kill_midway(table: Path, folder: Path, films: int) -> list[tuple[object, ...]]:
    """Decode in a process of its own and kill it once the index has so many films; the index then."""
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, table, folder], cwd=ROOT, stderr=subprocess.DEVNULL)
    done: list[tuple[object, ...]] = []
    while len(done) < films:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.005)
        if found := [*folder.glob(f"*/{cache.INDEX}")]:
            with contextlib.suppress(sqlite3.OperationalError):  # its tables are not there yet
                done = entries(found[0].parent)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return entries(store_of(folder))


def test_a_build_that_was_killed_goes_on_and_decodes_nothing_twice(tmp_path, monkeypatch):
    films = plant(tmp_path, 160)
    folder = tmp_path / "cache"
    kill_midway(tmp_path / "labels.csv", folder, 8)
    killed = kill_midway(tmp_path / "labels.csv", folder, 32)
    assert 32 <= len(killed) < 160
    names = decoded(monkeypatch)
    views = views_of(films, folder)
    kept = {entry[0] for entry in killed}
    assert sorted(names) == [path.name for path in films.paths if sha256(path.read_bytes()) not in kept]
    for row, path in enumerate(films.paths):
        assert (views[row] == shown(path)).all()
    cache.verify(films, SIZE, folder)


def test_bytes_that_an_interrupted_write_left_are_passed_over(tmp_path):
    films = plant(tmp_path, 6)
    before = views_of(films.take(np.arange(3)), tmp_path / "cache")
    for name in (cache.VIEWS, cache.THUMBS):
        with (store_of(tmp_path / "cache") / name).open("ab") as file:
            file.write(bytes(700))
    views = views_of(films, tmp_path / "cache")
    assert (views[:3] == before).all()
    for row in range(6):
        assert (views[row] == shown(films.paths[row])).all()
    cache.verify(films, SIZE, tmp_path / "cache")


def test_a_changed_film_is_decoded_anew_and_the_others_are_not(tmp_path, monkeypatch):
    films = plant(tmp_path, 6)
    before = views_of(films, tmp_path / "cache")
    cv2.imwrite(str(films.paths[3]), noise(99))
    names = decoded(monkeypatch)
    views = views_of(films, tmp_path / "cache")
    assert names == ["0003.png"]
    assert (views[3] == shown(films.paths[3])).all()
    assert [row for row in range(6) if (views[row] != before[row]).any()] == [3]


def test_a_film_that_changes_while_it_is_read_is_not_kept(tmp_path, monkeypatch):
    films = plant(tmp_path, 3)
    real = image.read

    def read(path):
        film = real(path)
        if path == films.paths[1]:
            cv2.imwrite(str(path), noise(99))
            os.utime(path, ns=(1, 1))
        return film

    with monkeypatch.context() as patch:
        patch.setattr(image, "read", read)
        assert (
            cache.decode(films, SIZE, tmp_path / "cache").faults[1] == "0001.png changed while it was read; try again."
        )
    assert (views_of(films, tmp_path / "cache")[1] == shown(films.paths[1])).all()


def test_another_size_has_a_store_of_its_own_which_is_named_and_no_other_folder(tmp_path, capsys):
    films = plant(tmp_path, 6)
    every = views_of(films, tmp_path / "cache")
    store = store_of(tmp_path / "cache")
    (tmp_path / "cache" / "valuable").mkdir()
    capsys.readouterr()
    assert views_of(films, tmp_path / "cache", 16).shape == (6, 16, 16)
    assert f"delete these folders if no command needs them: {store}.\n" in capsys.readouterr().err
    assert (views_of(films, tmp_path / "cache") == every).all()
    assert "delete" not in capsys.readouterr().err, "said once"


def test_stored_bytes_are_never_written_over(tmp_path):
    """Another process may have them mapped, also those of a film that was dropped."""
    films = plant(tmp_path, 6)
    views_of(films, tmp_path / "cache")
    store = cache._Store(SIZE, tmp_path / "cache")
    before = store.views.read_bytes()
    found, _ = store.find(films.paths)
    store.drop({found[5].sha256})
    cv2.imwrite(str(films.paths[0]), noise(99))
    views = views_of(films, tmp_path / "cache")
    assert store.views.read_bytes()[: len(before)] == before
    assert (views[0] == shown(films.paths[0])).all()
    assert (views[5] == shown(films.paths[5])).all()


def test_a_change_is_noticed_though_size_and_time_are_set_back(tmp_path):
    films = plant(tmp_path, 3)
    path = films.paths[1].with_suffix(".bmp")
    films.paths[1].rename(path)
    cv2.imwrite(str(path), noise(5))
    films = dataclasses.replace(films, paths=(films.paths[0], path, films.paths[2]))
    views_of(films, tmp_path / "cache")
    times, length = (path.stat().st_atime_ns, path.stat().st_mtime_ns), path.stat().st_size
    cv2.imwrite(str(path), noise(99))
    os.utime(path, ns=times)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (length, times[1])
    assert (views_of(films, tmp_path / "cache")[1] == shown(path)).all()


def test_an_index_that_was_only_begun_is_made_anew(tmp_path):
    films = plant(tmp_path, 3)
    store = cache._Store(SIZE, tmp_path / "cache")
    store.folder.mkdir(parents=True)
    store.index.touch()
    assert (views_of(films, tmp_path / "cache")[1] == shown(films.paths[1])).all()


@pytest.mark.parametrize("name", [cache.VIEWS, cache.THUMBS])
def test_a_file_that_was_cut_off_is_mended(tmp_path, monkeypatch, capsys, name):
    films = plant(tmp_path, 6)
    before = views_of(films, tmp_path / "cache")
    path = store_of(tmp_path / "cache") / name
    path.write_bytes(path.read_bytes()[:-70])
    names = decoded(monkeypatch)
    assert (views_of(films, tmp_path / "cache") == before).all()
    assert names == ["0005.png"]
    assert "so decoded again: 1. See whether the disk is sound" in capsys.readouterr().err
    cache.verify(films, SIZE, tmp_path / "cache")


def test_a_damaged_index_is_said_with_the_remedy(tmp_path):
    films = plant(tmp_path, 6)
    before = views_of(films, tmp_path / "cache")
    store = store_of(tmp_path / "cache")
    (store / cache.INDEX).write_bytes(b"no database" * 100)
    with pytest.raises(DataError, match=re.escape(f"delete {store}, and the films are decoded again")):
        cache.decode(films, SIZE, tmp_path / "cache")
    shutil.rmtree(store)
    assert (views_of(films, tmp_path / "cache") == before).all()


def test_a_flipped_bit_is_found_and_its_film_decoded_anew(tmp_path, monkeypatch):
    films = plant(tmp_path, 40)
    before = views_of(films, tmp_path / "cache")
    path = store_of(tmp_path / "cache") / cache.VIEWS
    content = bytearray(path.read_bytes())
    content[2 * SIZE * SIZE + 100] ^= 1  # of row 2, which is not in the sample
    path.write_bytes(content)
    cache.decode(films, SIZE, tmp_path / "cache")
    with pytest.raises(DataError, match=re.escape("in 1 of 40 films, which do not fit their checksums (0002.png)")):
        cache.verify(films, SIZE, tmp_path / "cache")
    names = decoded(monkeypatch)
    assert (views_of(films, tmp_path / "cache") == before).all()
    assert names == ["0002.png"]


def test_damage_all_over_is_noticed_on_opening_and_mended(tmp_path, capsys):
    films = plant(tmp_path, 40)
    before = views_of(films, tmp_path / "cache")
    path = store_of(tmp_path / "cache") / cache.VIEWS
    path.write_bytes((np.frombuffer(path.read_bytes(), np.uint8) ^ 1).tobytes())
    assert (views_of(films, tmp_path / "cache") == before).all()
    assert "so decoded again: 40." in capsys.readouterr().err


@pytest.mark.parametrize("change", ["version", "source"])
def test_what_other_versions_or_other_code_decoded_is_not_used(tmp_path, monkeypatch, change):
    films = plant(tmp_path, 6)
    cache.decode(films, SIZE, tmp_path / "cache")
    names = decoded(monkeypatch)
    cache._reader.cache_clear()
    if change == "version":
        monkeypatch.setitem(cache.VERSIONS, "cv2", "0.1")
    else:
        other = tmp_path / "image.py"
        other.write_text(Path(image.__file__).read_text() + "\n")
        monkeypatch.setattr(image, "__file__", str(other))
    try:
        cache.decode(films, SIZE, tmp_path / "cache")
    finally:
        cache._reader.cache_clear()
    assert len(names) == 6
    assert len([*(tmp_path / "cache").iterdir()]) == 2


def test_films_that_cannot_be_read_are_named_together_and_the_others_kept(tmp_path, monkeypatch):
    films = plant(tmp_path, 30)
    for i in range(3, 18):
        films.paths[i].write_text("no picture")
    films.paths[20].unlink()
    found = cache.decode(films, SIZE, tmp_path / "cache")
    assert found.readable.sum() == 14
    assert all(films.names[i] in found.faults[i] for i in (*range(3, 18), 20))
    with monkeypatch.context() as patch:
        names = decoded(patch)
        assert (cache.decode(films, SIZE, tmp_path / "cache").faults == found.faults).all()
        assert names == [films.names[20]], "faults are kept, unless the file is not there"
    assert not found.thumbs[3].any()
    assert found.thumbs[2].any()
    with pytest.raises(DataError) as caught:
        found.views()
    said = str(caught.value)
    assert said.startswith("16 of 30 films cannot be read; replace them or take them out of the table")
    assert [name for name in films.names if name in said] == [f"{i:04}.png" for i in range(3, 13)]
    for i in (*range(3, 18), 20):
        cv2.imwrite(str(films.paths[i]), noise(i))
    names = decoded(monkeypatch)
    views = views_of(films, tmp_path / "cache")
    assert len(names) == 16
    assert (views[20] == shown(films.paths[20])).all()


def test_a_film_that_failed_once_since_the_disk_did_is_tried_again(tmp_path, monkeypatch):
    films = plant(tmp_path, 3)
    real, sha256_of = cache._read, cache._content
    with monkeypatch.context() as patch:
        patch.setattr(
            cache, "_read", lambda path, size: UnreadableImage("gone") if path == films.paths[1] else real(path, size)
        )
        hashed = []
        patch.setattr(
            cache, "_content", lambda path: None if path in hashed else (hashed.append(path), sha256_of(path))[1]
        )
        assert cache.decode(films, SIZE, tmp_path / "cache").faults[1] == "gone"
    assert (views_of(films, tmp_path / "cache")[1] == shown(films.paths[1])).all()


def test_damage_is_noticed_of_films_known_by_content_alone(tmp_path, capsys):
    films = plant(tmp_path, 4)
    before = views_of(films, tmp_path / "cache")
    for path in films.paths:
        os.utime(path)  # so that their entries are not found by time
    views = store_of(tmp_path / "cache") / cache.VIEWS
    views.write_bytes(views.read_bytes()[:-70])
    assert (views_of(films, tmp_path / "cache") == before).all()
    assert "so decoded again: 1." in capsys.readouterr().err
    cache.verify(films, SIZE, tmp_path / "cache")


def test_a_disk_too_small_is_said_before_anything_is_decoded(tmp_path, monkeypatch):
    films = plant(tmp_path, 4)
    names = decoded(monkeypatch)
    usage = cache.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage._replace(free=4 * 10**7))
    with pytest.raises(DataError, match=r"need 0\.1 GB and .* has 0\.0 GB free; .* --cache"):
        cache.decode(films, 4096, tmp_path / "cache")
    assert names == []
    cache.decode(films, SIZE, tmp_path / "cache")
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: usage._replace(free=0))
    for path in films.paths:
        os.utime(path)
    assert (views_of(films, tmp_path / "cache")[1] == shown(films.paths[1])).all(), "it is there, whatever its time"


def test_a_write_that_fails_is_said_and_the_build_goes_on_from_there(tmp_path, monkeypatch):
    films = plant(tmp_path, 4)

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(cache, "to_disk", full)
        with pytest.raises(DataError, match="cannot be used: No space left on device"):
            cache.decode(films, SIZE, tmp_path / "cache")
    assert (views_of(films, tmp_path / "cache")[1] == shown(films.paths[1])).all()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    films = plant(tmp_path, 4)
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataError, match="name another folder with --cache"):
        cache.decode(films, SIZE, tmp_path / "cache")


def test_a_name_in_another_encoding_is_a_name(tmp_path):
    films = plant(tmp_path, 3)
    folder = tmp_path / os.fsdecode(b"R\xf8ntgen")
    (tmp_path / "images").rename(folder)
    paths = [folder / path.name for path in films.paths]
    paths[1].unlink()
    found = cache.decode(dataclasses.replace(films, paths=tuple(paths)), SIZE, tmp_path / "cache")
    assert found.readable.tolist() == [True, False, True]
    assert "0001.png" in found.faults[1]


def test_memory_follows_the_chunk_and_not_the_number_of_films_on_a_slow_disk(tmp_path, monkeypatch):
    films = plant(tmp_path, 200, side=40)
    monkeypatch.setattr(cache, "CHUNK", 8)
    # so that decoders could run ahead of what is written
    monkeypatch.setattr(cache.tqdm, "update", lambda *_: time.sleep(0.01))
    gate.look(image.read(films.paths[0]))  # the first film imports the modules that read and judge it
    tracemalloc.start()
    try:
        cache.decode(films, 256, tmp_path / "cache").views()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 200 * 256**2 / 2


def test_two_processes_that_want_the_same_films_decode_them_once(tmp_path):
    films = plant(tmp_path, 100)
    command = [sys.executable, "-c", SLOWLY, tmp_path / "labels.csv", tmp_path / "cache"]
    racing = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate()[1] for process in racing]
    assert [process.returncode for process in racing] == [0, 0]
    assert sum("Decoding films" in text for text in said) == 1
    assert len(entries(store_of(tmp_path / "cache"))) == 100
    cache.verify(films, SIZE, tmp_path / "cache")


def test_progress_is_in_plain_lines_in_a_log(tmp_path, capsys):
    cache.decode(plant(tmp_path, 5), SIZE, tmp_path / "cache")
    said = capsys.readouterr().err
    assert "\r" not in said
    assert "5/5" in said.splitlines()[-1]


def test_real_films_of_every_kind_are_kept_as_shown(films, tmp_path):
    paths = tuple(sorted((films / "xrays").iterdir()))
    table = plant(tmp_path, len(paths))
    real = dataclasses.replace(table, paths=paths)
    views = views_of(real, tmp_path / "cache")
    for row, path in enumerate(paths):
        assert (views[row] == shown(path)).all()
