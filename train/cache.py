"""Films decoded once: a model input and a thumbnail of each film, kept by content for all tables, audits and runs.

FOLDER/<size>-<reader>/
  films.sqlite  the film that each file holds, and what was found in it
  views.bin     (rows, size, size) uint8: image.view of each film, rounded
  thumbs.bin    (rows, SIDE, SIDE) uint8: each whole film, resized to a square

<reader> stands for everything that decides how a film is decoded. Rows are only appended, so processes may read while
another adds films. The index lists a row once its bytes are on the disk, so decoding can stop at any moment and resume.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

import cv2
import filelock
import numpy as np
import PIL
import pydicom
from PIL import Image
from tqdm import tqdm

from cxr_demo.errors import DataError, UnreadableImage
from cxr_demo.files import sha256_of, to_disk
from cxr_demo.films import archives, formats, framing, gate, greys, image
from cxr_demo.films.gate import SIDE
from cxr_demo.models import hub

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from cxr_demo.films.label_tables import Films

#: Versions of the libraries whose changes may alter decoded or resized films.
VERSIONS = {module.__name__: module.__version__ for module in (cv2, np, PIL, pydicom)}
#: Modules that decide how a film is read and what is said of its grey values; those that read DICOM come with them.
READERS = (archives, formats, framing, gate, greys, image)

#: Films between two writes to disk: the most that an interruption loses and that memory holds.
CHUNK = 256
#: Films that `decode` compares with their checksums.
SAMPLE = 8
#: Files of a store.
INDEX, VIEWS, THUMBS = "films.sqlite", "views.bin", "thumbs.bin"
#: Approximate length of a film's entries in the index, in bytes.
ENTRY = 700
#: Help of the flag that names the folder.
FOLDER_HELP = "for decoded films; default: a folder that all commands share"
#: Most films that an error names.
NAMED = 10

TABLES = """
CREATE TABLE IF NOT EXISTS films (
    sha256 TEXT PRIMARY KEY, row INTEGER, film TEXT, kind TEXT, height INTEGER, width INTEGER,
    pixels TEXT, warnings TEXT, stored TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    path BLOB PRIMARY KEY, bytes INTEGER, changed INTEGER, sha256 TEXT
) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """A line of the table `films`: one finished row."""

    sha256: str  # of the file
    row: int
    film: str  # Radiograph.sha256: of the file, or of the film within an archive
    kind: str  # format and mode of the file, e.g. "PNG RGBA"
    height: int
    width: int
    pixels: str  # sha256 of the decoded pixels and their shape
    warnings: str  # sentences on why the grey values may be wrong
    stored: str  # sha256 of view and thumbnail


class Stamp(NamedTuple):
    """Size and time of a file, by which a change is noticed without reading it."""

    bytes: int
    changed: int  # ns since 1970


@dataclass(frozen=True, eq=False)
class Views:
    """Model inputs (N, size, size) uint8 of films, read from disk when indexed."""

    stored: np.ndarray  # (rows, size, size), mapped from disk
    rows: np.ndarray  # (N,) int: each film's row

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, films: int | slice | np.ndarray) -> np.ndarray:
        views: np.ndarray = np.array(self.stored[self.rows[films]])
        return views


@dataclass(frozen=True, eq=False)
class Decoded:
    """N decoded films. The thumbnails take 0.5 GB for 112,120 films, and are read when first asked for."""

    folder: Path
    size: int
    rows: np.ndarray  # (N,) int: row on disk; -1 if unreadable
    faults: np.ndarray  # (N,) str: sentence on why the file is unreadable; "" if readable
    kinds: np.ndarray  # (N,) str: format and mode of the file, e.g. "PNG RGBA"; "" if unreadable
    sizes: np.ndarray  # (N, 2) int: height and width in pixels; 0 if unreadable
    digests: np.ndarray  # (N,) str: sha256 of the decoded pixels and their shape; "" if unreadable
    warnings: np.ndarray  # (N,) str: sentences on why the grey values may be wrong; "" without any
    checksums: np.ndarray  # (N,) str: Radiograph.sha256; "" if unreadable

    @property
    def readable(self) -> np.ndarray:
        """(N,) bool: films that could be read."""
        readable: np.ndarray = self.rows >= 0
        return readable

    def views(self) -> Views:
        """The films' model inputs; DataError names the films that cannot be read."""
        if not self.readable.all():
            faults = self.faults[~self.readable].tolist()
            named = "\n".join(faults[:NAMED])
            raise DataError(
                f"{len(faults)} of {len(self.rows)} films cannot be read; replace them or take them out of the table, "
                f"the others are done already:\n{named}"
            )
        return Views(_mapped(self.folder / VIEWS, self.size), self.rows)

    @functools.cached_property
    def thumbs(self) -> np.ndarray:
        """(N, SIDE, SIDE) uint8: each whole film, resized to a square; 0 if unreadable."""
        thumbs = np.zeros((len(self.rows), SIDE, SIDE), np.uint8)
        thumbs[self.readable] = _mapped(self.folder / THUMBS, SIDE)[self.rows[self.readable]]
        return thumbs


def add_arguments(parser: argparse.ArgumentParser, *names: str) -> None:
    """Add the flags of the decoded films: their folder, under these names, and their size."""
    parser.add_argument(*names, dest="cache", type=Path, metavar="DIR", help=FOLDER_HELP)
    parser.add_argument("--size", type=int, default=224, help="side of the decoded films in pixels; default: 224")


def shared_folder() -> Path:
    """The folder of decoded films that all commands share by default: in the project's cache, in HF_HOME."""
    return hub.own_cache() / "films"


def decode(films: Films, size: int, folder: Path) -> Decoded:
    """The films as decoded for models of a size, from the store in `folder`; decodes missing and changed files first.

    An unreadable file has an entry in `faults`. Of several processes, one decodes while the others wait. DataError if
    the folder cannot be written, its disk is too small, or its index is damaged.
    """
    store = _Store(size, folder)
    found = store.find(films.paths)
    faults: dict[int, str] = {}
    if len(found) < len(films) or not store.is_sound(found.values()):
        with store.writing():
            found = store.find(films.paths)
            if not store.is_sound(found.values()):
                store.drop_damaged(found.values())
                found = store.find(films.paths)
            missing = [film for film in range(len(films)) if film not in found]
            if missing:
                faults = store.add([films.paths[film] for film in missing], films=len(films))
                faults = {missing[place]: fault for place, fault in faults.items()}
                found = store.find(films.paths)
    return _decoded(found, faults, len(films), store)


def verify(films: Films, size: int, folder: Path) -> None:
    """Compare all that is stored of the films with its checksum.

    DataError names the films whose stored bytes are damaged; `decode` then decodes them again.
    """
    store = _Store(size, folder)
    found = store.find(films.paths)
    with store.writing():
        damaged = store.drop_damaged(found.values())
    if damaged:
        names = [films.names[film] for film, entry in sorted(found.items()) if entry.sha256 in damaged]
        raise DataError(
            f"{store.folder} is damaged: {len(names)} films do not fit their checksums ({', '.join(names[:NAMED])}). "
            "They are decoded again when they are next used; see whether the disk is sound."
        )


def others(size: int, folder: Path) -> dict[str, int]:
    """The folders beside the one in use, with their bytes: of other sizes, other versions, and older layouts."""
    used = _Store(size, folder).folder
    return {
        path.name: sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        for path in sorted(folder.iterdir())
        if path.is_dir() and path != used
    }


@functools.cache
def _reader() -> str:
    """Checksum of everything that decides how a film is decoded: library versions, readers and the gate's weights."""
    readers = [Path(str(module.__file__)) for module in READERS]
    dicom = sorted((Path(str(formats.__file__)).parent / "dicom").glob("*.py"))
    digest = hashlib.sha256(repr(VERSIONS).encode())
    for source in (*readers, *dicom, gate.WEIGHTS, Path(__file__)):
        digest.update(sha256_of(source).encode())
    return digest.hexdigest()[:12]


class _Store:
    """All films that were decoded at one size by one reader."""

    def __init__(self, size: int, folder: Path) -> None:
        self.size = size
        self.folder = folder.absolute() / f"{size}-{_reader()}"
        self.index, self.views, self.thumbs = (self.folder / name for name in (INDEX, VIEWS, THUMBS))

    # ------------------------------------------------------------------ reading

    def find(self, paths: Sequence[Path]) -> dict[int, Entry]:
        """The entries of the files that are decoded and unchanged since, by index among `paths`."""
        if not self.index.exists():
            return {}
        asked = ((film, os.fsencode(path.absolute()), *_stamp(path)) for film, path in enumerate(paths))
        with self._index() as index:
            index.execute("CREATE TEMP TABLE asked (film INTEGER, path BLOB, bytes INTEGER, changed INTEGER)")
            index.executemany("INSERT INTO asked VALUES (?, ?, ?, ?)", asked)
            found = index.execute(
                f"SELECT asked.film, {', '.join(f'films.{field}' for field in Entry._fields)} "
                "FROM asked JOIN files USING (path, bytes, changed) JOIN films USING (sha256)"
            )
            return {film: Entry(*fields) for film, *fields in found}

    def is_sound(self, entries: Collection[Entry]) -> bool:
        """Whether SAMPLE of the entries fit their checksums, and all lie within the files."""
        ordered = sorted(entries, key=lambda entry: entry.row)
        last = ordered[-1:]
        few = [ordered[i] for i in np.unique(np.linspace(0, len(ordered) - 1, SAMPLE).astype(int))] if ordered else []
        return not self._damaged([*few, *last])

    def _damaged(self, entries: Iterable[Entry]) -> set[str]:
        """The sha256 of the files whose stored bytes do not fit their checksums."""
        views, thumbs = _mapped(self.views, self.size), _mapped(self.thumbs, SIDE)
        rows = min(len(views), len(thumbs))
        return {
            entry.sha256
            for entry in entries
            if entry.row >= rows or _sha256(views[entry.row], thumbs[entry.row]) != entry.stored
        }

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """The index, open; DataError if it cannot be used."""
        try:
            with closing(sqlite3.connect(self.index, timeout=60)) as index, index:
                yield index
        except sqlite3.OperationalError as error:
            raise self._unwritable(str(error)) from None
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{self.index} is damaged ({error}); delete {self.folder}, and the films are decoded again."
            ) from None

    # ------------------------------------------------------------------ writing

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes from writing; the system ends this when the process ends for any reason."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / "lock")
            try:
                taken = lock.acquire(timeout=1)
            except filelock.Timeout:
                _say(f"Another process decodes films into {self.folder}; waiting for it.")
                taken = lock.acquire()
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None
        with taken:
            yield

    def drop_damaged(self, entries: Iterable[Entry]) -> set[str]:
        """Forget the films whose stored bytes do not fit their checksums; the sha256 of their files."""
        damaged = self._damaged(entries)
        if damaged:
            with self._index() as index:
                index.executemany("DELETE FROM films WHERE sha256 = ?", [(sha256,) for sha256 in damaged])
            _say(f"{len(damaged)} films in {self.folder} were damaged; see whether the disk is sound.")
        return damaged

    def add(self, paths: Sequence[Path], films: int) -> dict[int, str]:
        """Decode files in parallel and store them chunk by chunk; the faults of unreadable ones, by index.

        `films` is the number of films that the progress bar counts. DataError if the disk is too small or fails.
        """
        need = len(paths) * (self.size**2 + SIDE**2 + ENTRY)
        free = shutil.disk_usage(self.folder).free
        if need > free:
            raise DataError(
                f"The decoded films need {need / 1e9:.1f} GB and {self.folder} has {free / 1e9:.1f} GB free; "
                "free some or name another folder with --cache."
            )
        faults: dict[int, str] = {}
        try:
            with self._index() as index:
                index.executescript(TABLES)
            with ThreadPoolExecutor(os.cpu_count()) as pool, _progress(films, len(paths)) as bar:
                for start in range(0, len(paths), CHUNK):
                    chunk = dict(enumerate(paths[start : start + CHUNK], start))
                    faults |= self._add(chunk, pool, bar)
        except OSError as error:
            raise self._unwritable(error.strerror or str(error)) from None
        return faults

    def _add(self, paths: Mapping[int, Path], pool: ThreadPoolExecutor, bar: tqdm[NoReturn]) -> dict[int, str]:
        """Decode and store a chunk of files; the faults of unreadable ones, by key."""
        stamps = {film: _stamp(path) for film, path in paths.items()}  # before reading, so that a change is noticed
        contents = dict(zip(paths, pool.map(_content, paths.values()), strict=True))
        with self._index() as index:
            stored = {content for content in contents.values() if _holds(index, content)}
            (row,) = index.execute("SELECT COALESCE(MAX(row) + 1, 0) FROM films").fetchone()
        new = [film for film, content in contents.items() if content not in stored]
        bar.update(len(paths) - len(new))
        faults: dict[int, str] = {}
        entries: list[Entry] = []
        with _open_at(self.views, row * self.size**2) as views, _open_at(self.thumbs, row * SIDE**2) as thumbs:
            for film, result in zip(new, pool.map(lambda film: _read(paths[film], self.size), new), strict=True):
                bar.update()
                if isinstance(result, UnreadableImage):
                    faults[film] = str(result)
                elif _stamp(paths[film]) != stamps[film]:
                    faults[film] = f"{paths[film].name} changed while it was read; try again."
                elif contents[film] not in stored:
                    view, thumb, seen = result
                    views.write(view.data)
                    thumbs.write(thumb.data)
                    entries.append(Entry(contents[film], row + len(entries), **seen, stored=_sha256(view, thumb)))
                    stored.add(contents[film])
            to_disk(views)  # before the index lists the rows
            to_disk(thumbs)
        lines = [
            (os.fsencode(path.absolute()), *stamps[film], contents[film])
            for film, path in paths.items()
            if film not in faults
        ]
        with self._index() as index:
            index.executemany(f"INSERT INTO films VALUES ({', '.join('?' * len(Entry._fields))})", entries)
            index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", lines)
        return faults

    def _unwritable(self, why: str) -> DataError:
        return DataError(
            f"{self.folder} cannot be used: {why}; free the disk, or name another folder with --cache. "
            "Films that are decoded stay."
        )


def _decoded(found: Mapping[int, Entry], faults: Mapping[int, str], n: int, store: _Store) -> Decoded:
    """The record of `n` films with these entries and faults."""
    empty = Entry("", -1, "", "", 0, 0, "", "", "")
    entries = [found.get(film, empty) for film in range(n)]
    return Decoded(
        store.folder,
        store.size,
        rows=np.array([entry.row for entry in entries], int),
        faults=np.array([faults.get(film, "") for film in range(n)], object),
        kinds=np.array([entry.kind for entry in entries], str),
        sizes=np.array([(entry.height, entry.width) for entry in entries], int).reshape(n, 2),
        digests=np.array([entry.pixels for entry in entries], str),
        warnings=np.array([entry.warnings for entry in entries], object),
        checksums=np.array([entry.film for entry in entries], str),
    )


def _content(path: Path) -> str:
    """The sha256 of a file; for a path that is no readable file the path, as which it has its own fault."""
    try:
        return sha256_of(path) if path.is_file() else str(path)
    except (OSError, ValueError):
        return str(path)


def _holds(index: sqlite3.Connection, sha256: str) -> bool:
    return index.execute("SELECT 1 FROM films WHERE sha256 = ?", (sha256,)).fetchone() is not None


def _read(path: Path, size: int) -> tuple[np.ndarray, np.ndarray, dict[str, Any]] | UnreadableImage:
    """View, thumbnail and the middle fields of Entry of a film, or the error if it cannot be read."""
    try:
        film = image.read(path)
    except UnreadableImage as error:
        return error
    height, width = film.pixels.shape
    view = np.rint(image.view(film, size) * 255).astype(np.uint8)
    # by area, so that size and compression hardly matter
    thumb = np.rint(cv2.resize(film.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA) * 255).astype(np.uint8)
    pixels = hashlib.sha256(f"{height} x {width} ".encode() + film.pixels.tobytes()).hexdigest()
    warnings = " ".join(image.of_reading((*gate.look(film).says, *film.warnings)))
    found = {"film": film.sha256, "kind": _kind(path), "height": height, "width": width, "pixels": pixels}
    return view, thumb, {**found, "warnings": warnings}


def _kind(path: Path) -> str:
    """Format and colour mode of a readable file, from its header."""
    try:
        with Image.open(path) as picture:
            return f"{picture.format} {picture.mode}"
    except OSError:
        return "no picture, such as DICOM"


def _stamp(path: Path) -> Stamp:
    """Size and time of change of a file; 0 if it does not exist."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return Stamp(0, 0)
    return Stamp(found.st_size, found.st_mtime_ns)


def _sha256(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _mapped(path: Path, side: int) -> np.ndarray:
    """The whole pictures (rows, side, side) uint8 in a file, mapped from disk; none if it does not exist."""
    rows = path.stat().st_size // side**2 if path.exists() else 0
    shape = (rows, side, side)
    return np.memmap(path, np.uint8, "r", shape=shape) if rows else np.zeros(shape, np.uint8)


@contextmanager
def _open_at(path: Path, place: int) -> Iterator[IO[bytes]]:
    """A file open for writing at a place; bytes after it are of an interrupted write."""
    path.touch()
    with path.open("r+b") as file:
        file.seek(place)
        yield file


def _say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


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
