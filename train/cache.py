"""Cache of decoded films: the model input of each film, in one memory-mapped array of bytes.

FOLDER/<films>-<size>/
  views.npy      (N, size, size) uint8: image.view of each film, rounded
  index.jsonl    versions that decoded it, then a line per finished row of views.npy, written after the row
  manifest.json  written last; without it the cache is incomplete

A row is finished once the index has its line, so decoding can stop at any moment and resume.
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
from cxr_demo.films import gate, image

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from cxr_demo.films.label_tables import Films
    from cxr_demo.types import Radiograph

FORMAT = 2
#: Versions of the libraries whose changes may alter decoded or resized films.
VERSIONS = {module.__name__: module.__version__ for module in (cv2, np, PIL, pydicom)}

#: Films between two writes to disk: the most that an interruption loses and that memory holds.
CHUNK = 256
#: Rows that `load` compares with their checksums in a complete cache.
SAMPLE = 8
#: Approximate length of a line of the index, in bytes.
LINE = 300
#: Most films that an error names.
NAMED = 10


@dataclass(frozen=True)
class Entry:
    """A line of the index: one finished row."""

    row: int
    file: str  # the film's name, see `film_names`
    bytes: int
    changed: int  # ns since 1970
    sha256: str  # of the file
    view: str  # sha256 of the row
    warnings: list[str]  # sentences on why the grey values may be wrong


def load(films: Films, size: int, folder: Path) -> np.ndarray:
    """Model inputs (N, size, size) uint8 of all films, mapped from disk; decodes missing and changed films first.

    DataError if films cannot be read (it names them), if the cache is damaged, or if the disk is full. Of several
    processes that call it, one decodes while the others wait.
    """
    cache = _Cache(films, size, folder)
    with cache.lock():
        if not cache.is_whole():
            cache.build()
        return cache.views()


def verify(films: Films, size: int, folder: Path) -> None:
    """Compare each row with its checksum.

    DataError if the cache is incomplete or rows are damaged (it names their films); `load` then decodes those anew.
    """
    cache = _Cache(films, size, folder)
    with cache.lock():
        if not cache.is_whole():
            raise DataError(f"{cache.folder} is not whole or its films have changed; build it first.")
        cache.check(cache.entries().values())


def warned(films: Films, size: int, folder: Path) -> dict[str, list[str]]:
    """The warnings of films in a complete cache whose grey values may be wrong, by file."""
    entries = _Cache(films, size, folder).entries()
    return {entry.file: entry.warnings for _, entry in sorted(entries.items()) if entry.warnings}


def checksums(films: Films, size: int, folder: Path) -> tuple[str, ...]:
    """The sha256 of each film's file, from a complete cache."""
    entries = _Cache(films, size, folder).entries()
    return tuple(entries[row].sha256 for row in range(len(films)))


class _Cache:
    """The cache of some films at one size, complete or not.

    `folder` is named by the films' absolute paths and the size; `head` is the first line of the index, which must be
    equal for a cache to be used.
    """

    def __init__(self, films: Films, size: int, folder: Path) -> None:
        self.paths = films.paths
        self.names = films.names.tolist()
        self.size = size
        listing = "\n".join(str(path.absolute()) for path in films.paths)
        self.folder = folder / f"{hashlib.sha256(listing.encode()).hexdigest()[:16]}-{size}"
        self.data = self.folder / "views.npy"
        self.index = self.folder / "index.jsonl"
        self.manifest = self.folder / "manifest.json"
        self.head: dict[str, Any] = {"format": FORMAT, "films": len(films), "size": size, "versions": VERSIONS}

    def lock(self) -> FileLock:
        """A lock between processes; the system releases it when its process ends for any reason."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / "lock")

    def views(self) -> np.ndarray:
        """The array on disk, (N, size, size) uint8, read-only."""
        mapped: np.ndarray = np.load(self.data, mmap_mode="r")
        return mapped

    # ------------------------------------------------------------------ reading

    def is_whole(self) -> bool:
        """Whether all films are decoded and unchanged, by file size and time and by SAMPLE rows.

        False if the readers now decode a film differently. DataError if the cache is damaged.
        """
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
        """Finished rows; empty if other versions or settings decoded them."""
        lines = self.index.read_text(errors="replace").splitlines() if self.index.exists() else []
        if _parsed(lines[:1]) != [self.head]:
            return {}
        return {line["row"]: Entry(**line) for line in _parsed(lines[1:])}

    def check(self, entries: Iterable[Entry]) -> None:
        """Compare rows with their checksums; DataError names the damaged ones."""
        damaged = sorted(self._unfit(entries))
        if damaged:
            names = ", ".join(self.names[row] for row in damaged[:NAMED])
            raise self._damaged(f"{len(damaged)} of its rows do not fit their checksums ({names})")

    def _said(self, key: str) -> Any:
        """A value of the manifest, None if it is missing."""
        try:
            return json.loads(self.manifest.read_bytes())[key]
        except (ValueError, KeyError, TypeError):
            return None

    def _damaged(self, what: str) -> DataError:
        """The error for a damaged cache; also removes the manifest."""
        self.manifest.unlink()  # so that the next build checks every row
        return DataError(
            f"{self.folder} is damaged: {what}. What is damaged is decoded anew when it is next used; "
            "see whether the disk is sound."
        )

    def _unfit(self, entries: Iterable[Entry]) -> set[int]:
        """Indices of the rows that do not match their checksum."""
        views = self.views()
        return {entry.row for entry in entries if _sha256(views[entry.row].data) != entry.view}

    def _current(self, entries: dict[int, Entry]) -> dict[int, Entry]:
        """The entries whose film file has not changed since."""
        return {row: entry for row, entry in entries.items() if _stamp(self.paths[row]) == (entry.bytes, entry.changed)}

    def _has_length(self) -> bool:
        """Whether the array exists with the right shape and type."""
        try:
            views = self.views()
        except (OSError, ValueError, EOFError):
            return False
        return views.dtype == np.uint8 and views.shape == (len(self.paths), self.size, self.size)

    def _is_what_is_shown(self, row: int) -> bool:
        """Whether a film decodes as in the cache, within one grey level: processors round differently."""
        try:
            shown = _view(image.read(self.paths[row]), self.size)
        except UnreadableImage:
            return False
        return bool(np.abs(shown.astype(int) - self.views()[row]).max() <= 1)

    # ------------------------------------------------------------------ writing

    def keep(self, entries: Iterable[Entry]) -> None:
        """Mark these rows as finished and all others as missing; the cache is then incomplete."""
        self.manifest.unlink(missing_ok=True)
        write_whole(self.index, _lines([self.head, *map(asdict, entries)]), synced=True)

    def build(self) -> None:
        """Decode all missing films; DataError if the disk fails, or names the films that cannot be read."""
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
        """Prepare index and array; the rows to keep. DataError if the disk has too little space."""
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
        """Decode rows in parallel and write them chunk by chunk; the errors of unreadable films.

        Each chunk is forced to the disk before the index lists it.
        """
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
                to_disk(data)  # before the index lists the rows
                index.write(_lines(entries))
                to_disk(index)
        return unreadable

    def _decoded(self, row: int) -> tuple[Entry, np.ndarray] | UnreadableImage:
        """The entry and view of a film, or the error if it cannot be read."""
        path = self.paths[row]
        size, changed = _stamp(path)  # taken before reading, so that a change in between is noticed
        try:
            film = image.read(path)
        except UnreadableImage as error:
            return error
        view = _view(film, self.size)
        warnings = image.of_reading((*gate.look(film).says, *film.warnings))
        return Entry(
            row, self.names[row], size, changed, film.sha256, _sha256(view.data), list(map(str, warnings))
        ), view

    def _finish(self) -> None:
        """Write the manifest with the checksums of data and index."""
        digest = hashlib.sha256()
        for view in self.views():
            digest.update(view.data)
        index = sha256_of(self.index)
        said = {**self.head, "data_sha256": digest.hexdigest(), "index_sha256": index}
        write_whole(self.manifest, json.dumps(said, indent=2) + "\n", synced=True)


def _view(film: Radiograph, size: int) -> np.ndarray:
    """Model input of a film as grey levels (size, size) uint8."""
    view: np.ndarray = np.rint(image.view(film, size) * 255).astype(np.uint8)
    return view


def _stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of change in ns of a file; (0, 0) if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _sha256(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _parsed(lines: list[str]) -> list[Any]:
    """Parsed lines of JSON; incomplete lines are left out."""
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    return found


def _lines(records: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


class _PlainLines:
    """Stream that writes each state of a progress bar on a line of its own, for logs."""

    def write(self, text: str) -> None:
        if text.strip():
            sys.stderr.write(text.strip() + "\n")

    def flush(self) -> None:
        sys.stderr.flush()


def _progress(films: int, missing: int) -> tqdm[NoReturn]:
    """Progress bar of the films, updated in place on a terminal and every 10 s in a log."""
    watched = sys.stderr.isatty()
    return tqdm(
        total=films,
        initial=films - missing,
        desc="Decoding films",
        unit=" films",
        file=sys.stderr if watched else _PlainLines(),
        mininterval=0.1 if watched else 10,
    )
