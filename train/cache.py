"""Films decoded once: what the model sees of each, as one array of bytes on disk.

FOLDER/<films>-<size>/
  views.npy      (N, size, size) uint8: image.view of each film, rounded
  index.jsonl    how it was made, then a line per row of views.npy that is done, written after the row itself
  manifest.json  written last; without it the cache is not whole

A row is done when its line stands in the index, so work may end at any moment and go on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import numpy as np
import PIL
import pydicom
from filelock import FileLock
from tqdm import tqdm

from cxr_demo.errors import DataError, UnreadableImage
from cxr_demo.files import sha256_of, to_disk, write_whole
from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cxr_demo.films.label_tables import Films
    from cxr_demo.types import Radiograph

FORMAT = 1
#: Another version of these may decode or resize a film a little differently.
VERSIONS = {module.__name__: module.__version__ for module in (cv2, np, PIL, pydicom)}

#: Films between two writes to disk: what a kill costs at most, and what is held in memory.
CHUNK = 256
#: Rows that are compared with their checksum when a whole cache is opened.
SAMPLE = 8
#: Length of a line of the index, about.
LINE = 300
#: Films that an error names.
NAMED = 10


@dataclass(frozen=True)
class Entry:
    """A line of the index: one row that is done."""

    row: int
    file: str  # without its folder
    bytes: int
    changed: int  # ns since 1970
    sha256: str  # of the file
    view: str  # sha256 of the row


def load(films: Films, size: int, folder: Path) -> np.ndarray:
    """The views (N, size, size) uint8 of all films, mapped from disk; what is missing or changed is decoded first.

    DataError names the films that cannot be read, or says that the cache is damaged or the disk full. Several
    processes may call it: one decodes, the others wait.
    """
    cache = _Cache(films, size, folder)
    with cache.lock():
        if not cache.is_whole():
            cache.build()
        return cache.views()


def verify(films: Films, size: int, folder: Path) -> None:
    """Compare every row with its checksum; DataError names those that are damaged, which `load` then decodes anew."""
    cache = _Cache(films, size, folder)
    with cache.lock():
        if not cache.is_whole():
            raise DataError(f"{cache.folder} is not whole or its films have changed; build it first.")
        cache.check(cache.entries().values())


class _Cache:
    """The cache of these films at this size, as far as it is there."""

    def __init__(self, films: Films, size: int, folder: Path) -> None:
        self.paths = films.paths
        self.size = size
        listing = "\n".join(str(path.absolute()) for path in films.paths)
        self.folder = folder / f"{hashlib.sha256(listing.encode()).hexdigest()[:16]}-{size}"
        self.data = self.folder / "views.npy"
        self.index = self.folder / "index.jsonl"
        self.manifest = self.folder / "manifest.json"
        self.head: dict[str, Any] = {"format": FORMAT, "films": len(films), "size": size, "versions": VERSIONS}

    def lock(self) -> FileLock:
        """Held by one process at a time; the system releases it when the process ends, however it ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock")

    def views(self) -> np.ndarray:
        """The rows on disk, (N, size, size) uint8, read-only."""
        mapped: np.ndarray = np.load(self.data, mmap_mode="r")
        return mapped

    # ------------------------------------------------------------------ what is there

    def is_whole(self) -> bool:
        """Whether nothing is left to decode, by the films' times and a few rows; DataError where it is damaged."""
        if not self.manifest.exists():
            return False
        if not self.index.exists() or self._said("index_sha256") != sha256_of(self.index):
            raise self._damaged("its index does not fit its manifest")
        entries = self.entries()
        if len(self._current(entries)) < len(self.paths):
            return False
        if not self._has_length():
            raise self._damaged("its views are cut off")
        sample = np.unique(np.linspace(0, len(self.paths) - 1, SAMPLE).astype(int)).tolist()
        self.check(entries[row] for row in sample)
        if not self._is_what_is_shown(sample[-1]):
            self.keep(())
            return False
        return True

    def entries(self) -> dict[int, Entry]:
        """What is done, by row; nothing where it was done in another way."""
        lines = self.index.read_text(errors="replace").splitlines() if self.index.exists() else []
        if _parsed(lines[:1]) != [self.head]:
            return {}
        return {line["row"]: Entry(**line) for line in _parsed(lines[1:])}

    def check(self, entries: Iterable[Entry]) -> None:
        """DataError where one of these rows does not fit its checksum."""
        damaged = sorted(self._unfit(entries))
        if damaged:
            names = ", ".join(self.paths[row].name for row in damaged[:NAMED])
            raise self._damaged(f"{len(damaged)} of its rows do not fit their checksums ({names})")

    def _said(self, key: str) -> Any:
        try:
            return json.loads(self.manifest.read_bytes())[key]
        except (ValueError, KeyError, TypeError):
            return None

    def _damaged(self, what: str) -> DataError:
        self.manifest.unlink()  # so that every row is checked before it is used again
        return DataError(
            f"{self.folder} is damaged: {what}. What is damaged is decoded anew when it is next used; "
            "see whether the disk is sound."
        )

    def _unfit(self, entries: Iterable[Entry]) -> set[int]:
        """Rows that do not fit their checksum."""
        views = self.views()
        return {entry.row for entry in entries if _sha256(views[entry.row].data) != entry.view}

    def _current(self, entries: dict[int, Entry]) -> dict[int, Entry]:
        """Those whose film is still the file that was decoded."""
        return {row: entry for row, entry in entries.items() if _stamp(self.paths[row]) == (entry.bytes, entry.changed)}

    def _has_length(self) -> bool:
        try:
            views = self.views()
        except (OSError, ValueError, EOFError):
            return False
        return views.dtype == np.uint8 and views.shape == (len(self.paths), self.size, self.size)

    def _is_what_is_shown(self, row: int) -> bool:
        """Whether a film is still read as it was when it was decoded; processors differ by one grey level."""
        try:
            shown = _view(image.read(self.paths[row]), self.size)
        except UnreadableImage:
            return False
        return bool(np.abs(shown.astype(int) - self.views()[row]).max() <= 1)

    # ------------------------------------------------------------------ what is made

    def keep(self, entries: Iterable[Entry]) -> None:
        """Let these rows count as done and no others; the cache is not whole then."""
        self.manifest.unlink(missing_ok=True)
        write_whole(self.index, _lines([self.head, *map(asdict, entries)]), synced=True)

    def build(self) -> None:
        """Decode whatever is not done; DataError names the films that cannot be read once all others are done."""
        try:
            done = self._begin()
            unreadable = self._decode([row for row in range(len(self.paths)) if row not in done])
            if not unreadable:
                self._finish()
        except OSError as error:
            raise DataError(f"{self.folder} cannot be written: {error.strerror}; free the disk and go on.") from None
        if unreadable:
            named = "\n".join(str(error) for error in unreadable[:NAMED])
            raise DataError(
                f"{len(unreadable)} of {len(self.paths)} films cannot be read; replace them or take them out of the "
                f"table, the others are done already:\n{named}"
            )

    def _begin(self) -> dict[int, Entry]:
        """What need not be decoded again, after room was made for the rest."""
        entries = self._current(self.entries()) if self._has_length() else {}
        for row in self._unfit(entries.values()) if entries else ():
            del entries[row]
        need = (len(self.paths) - len(entries)) * (self.size**2 + LINE)
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise DataError(
                f"The cache needs {need / 1e9:.1f} GB and {self.folder} has {free / 1e9:.1f} GB free; "
                "free some or choose another folder."
            )
        self.keep(entries.values())
        if not self._has_length():
            np.lib.format.open_memmap(self.data, "w+", np.uint8, (len(self.paths), self.size, self.size))
        return entries

    def _decode(self, rows: list[int]) -> list[UnreadableImage]:
        unreadable = []
        start = self.data.stat().st_size - len(self.paths) * self.size**2
        with (
            ThreadPoolExecutor(os.cpu_count()) as pool,
            self.data.open("r+b") as data,
            self.index.open("a") as index,
            _progress(len(self.paths), len(rows)) as bar,
        ):
            for chunk in (rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)):
                entries = []
                for result in pool.map(self._decoded, chunk):
                    bar.update()
                    if isinstance(result, UnreadableImage):
                        unreadable.append(result)
                        continue
                    entry, view = result
                    data.seek(start + entry.row * view.nbytes)
                    data.write(view.data)
                    entries.append(asdict(entry))
                to_disk(data)  # before the index says so
                index.write(_lines(entries))
                to_disk(index)
        return unreadable

    def _decoded(self, row: int) -> tuple[Entry, np.ndarray] | UnreadableImage:
        path = self.paths[row]
        size, changed = _stamp(path)  # before it is read: a change meanwhile is then seen
        try:
            film = image.read(path)
        except UnreadableImage as error:
            return error
        view = _view(film, self.size)
        return Entry(row, path.name, size, changed, film.sha256, _sha256(view.data)), view

    def _finish(self) -> None:
        digest = hashlib.sha256()
        for view in self.views():
            digest.update(view.data)
        index = sha256_of(self.index)
        said = {**self.head, "data_sha256": digest.hexdigest(), "index_sha256": index}
        write_whole(self.manifest, json.dumps(said, indent=2) + "\n", synced=True)


def _view(film: Radiograph, size: int) -> np.ndarray:
    """What a model sees of the film, (size, size) uint8."""
    view: np.ndarray = np.rint(image.view(film, size) * 255).astype(np.uint8)
    return view


def _stamp(path: Path) -> tuple[int, int]:
    """A file's length and time; (0, 0) where there is none."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _parsed(lines: list[str]) -> list[Any]:
    """What the lines say; one that was cut off says nothing."""
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _lines(records: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


class _PlainLines:
    """A stream on which each state of a progress bar gets a line of its own."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def _progress(films: int, missing: int) -> tqdm[NoReturn]:
    watched = sys.stderr.isatty()
    return tqdm(
        total=films,
        initial=films - missing,
        desc="Decoding films",
        unit=" films",
        file=sys.stderr if watched else _PlainLines(),
        mininterval=0.1 if watched else 10,
    )
