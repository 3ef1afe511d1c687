"""Films decoded once: a model input and a thumbnail of each film, kept by content for all tables, audits and runs.

FOLDER/<size>-<reader>/
  films.sqlite  the film that each file holds, and its properties
  views.bin     (rows, size, size) uint8: image.view of each film, rounded
  thumbs.bin    (rows, SIDE, SIDE) uint8: each whole film, resized to a square

<reader> stands for everything that decides how a film is decoded. Rows are only appended, so processes may read while
another adds films. The index lists a row once its bytes are on the disk, so decoding can stop at any moment and resume;
an interruption leaves at most CHUNK rows unused.
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
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, NoReturn

import cv2
import filelock
import numpy as np
import PIL
import pydicom
import tifffile
from PIL import Image
from tqdm import tqdm

from cxr_demo import messages
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
VERSIONS = {module.__name__: module.__version__ for module in (cv2, np, PIL, pydicom, tifffile)}
VERSIONS["imagecodecs"] = metadata.version("imagecodecs")  # loads slowly
#: Modules that decide how a film is read and which remarks are made on its grey values; `_reader` adds those for DICOM.
READERS = (archives, formats, framing, gate, greys, image)
#: Raise it when this module stores other values for the same film.
FORMAT = 1

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
#: Sides of decoded films in pixels.
SIZES = range(8, 4097)
#: Most films that an error names.
NAMED = 10

TABLES = """
CREATE TABLE films (
    row INTEGER PRIMARY KEY, sha256 TEXT UNIQUE, film TEXT, kind TEXT, height INTEGER, width INTEGER,
    pixels TEXT, warnings TEXT, stored TEXT
);
CREATE TABLE files (
    path BLOB PRIMARY KEY, bytes INTEGER, modified INTEGER, changed INTEGER, sha256 TEXT, fault TEXT
) WITHOUT ROWID;
"""


class Entry(NamedTuple):
    """A line of the table `films`: one finished row."""

    row: int
    sha256: str  # of the file
    film: str  # Radiograph.sha256: of the file, or of the film within an archive
    kind: str  # format and mode of the file, e.g. "PNG RGBA"
    height: int
    width: int
    pixels: str  # sha256 of the decoded pixels and their shape
    warnings: str  # sentences on why the grey values may be wrong
    stored: str  # sha256 of view and thumbnail


class Stamp(NamedTuple):
    """Size and times of a file, by which a change is noticed without reading it."""

    bytes: int
    modified: int  # ns since 1970
    changed: int  # ns since 1970, of name, owner or content; no program sets it back


@dataclass(frozen=True, eq=False)
class Views:
    """Model inputs (N, size, size) uint8 of films, read from disk when indexed."""

    stored: np.ndarray  # (rows, size, size), mapped from disk
    rows: np.ndarray  # (N,) int: each film's row

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, films: int | slice | np.ndarray) -> np.ndarray:
        views: np.ndarray = np.asarray(self.stored[self.rows[films]])
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
    the folder cannot be written, its disk is too small, its index is damaged, or the size is not one of SIZES.
    """
    if size not in SIZES:
        raise DataError(f"--size {size} must be from {SIZES.start} to {SIZES.stop - 1}.")
    store = _Store(size, folder)
    found, faults = store.find(films.paths)
    if len(found) + len(faults) < len(films) or not store.is_sound(found.values()):
        with store.writing():
            found, faults = store.find(films.paths)
            if not store.is_sound(found.values()):
                damaged = store.damaged(found.values())
                store.drop(damaged)
                found = {film: entry for film, entry in found.items() if entry.sha256 not in damaged}
            missing = {film: path for film, path in enumerate(films.paths) if film not in found and film not in faults}
            if missing:
                added, refused = store.add(missing, films=len(films))
                found, faults = found | added, faults | refused
    return _decoded(found, faults, len(films), store)


def verify(films: Films, size: int, folder: Path) -> None:
    """Compare all that is stored of the films with its checksum.

    DataError names the films whose stored bytes are damaged; `decode` then decodes them again.
    """
    store = _Store(size, folder)
    found, _ = store.find(films.paths)
    damaged = store.damaged(found.values())
    if damaged:
        with store.writing():
            store.drop(damaged)
        names = [films.names[film] for film, entry in sorted(found.items()) if entry.sha256 in damaged]
        raise DataError(
            f"{store.folder} is damaged in {len(names)} of {len(films)} films, which do not fit their checksums "
            f"({', '.join(names[:NAMED])}). They are decoded again when they are next used; see whether the disk is "
            "sound."
        )


def others(size: int, folder: Path) -> list[Path]:
    """The stores in a folder beside the one in use: of other sizes, or of other versions."""
    used = _Store(size, folder).folder
    return sorted(index.parent for index in folder.absolute().glob(f"*/{INDEX}") if index.parent != used)


@functools.cache
def _reader() -> str:
    """Checksum of everything that decides how a film is decoded: library versions, readers, their words, the gate."""
    readers = [Path(str(module.__file__)) for module in READERS]
    dicom = sorted((Path(str(formats.__file__)).parent / "dicom").glob("*.py"))
    digest = hashlib.sha256(repr((FORMAT, VERSIONS, messages.texts("warning."))).encode())
    for source in (*readers, *dicom, gate.WEIGHTS):
        digest.update(sha256_of(source).encode())
    return digest.hexdigest()[:12]


class _Store:
    """All films that were decoded at one size by one reader."""

    def __init__(self, size: int, folder: Path) -> None:
        self.size = size
        self.folder = folder.absolute() / f"{size}-{_reader()}"
        self.index, self.views, self.thumbs = (self.folder / name for name in (INDEX, VIEWS, THUMBS))

    # ------------------------------------------------------------------ reading

    def find(self, paths: Sequence[Path]) -> tuple[dict[int, Entry], dict[int, str]]:
        """Entries and faults of the files that have not changed since they were read, by index among `paths`."""
        if not self._exists():
            return {}, {}
        asked = ((film, os.fsencode(path.absolute()), *_stamp(path)) for film, path in enumerate(paths))
        fields = ", ".join(f"films.{field}" for field in Entry._fields)
        with self._index() as index:
            if not index.execute("SELECT 1 FROM sqlite_master").fetchone():
                return {}, {}
            index.execute(
                "CREATE TEMP TABLE asked (film INTEGER, path BLOB, bytes INTEGER, modified INTEGER, changed INTEGER)"
            )
            index.executemany("INSERT INTO asked VALUES (?, ?, ?, ?, ?)", asked)
            known = "FROM asked JOIN files USING (path, bytes, modified, changed)"
            found = index.execute(f"SELECT asked.film, {fields} {known} JOIN films USING (sha256)")
            entries = {film: Entry(*values) for film, *values in found}
            faults = dict(index.execute(f"SELECT asked.film, fault {known} WHERE fault IS NOT NULL").fetchall())
        return entries, {film: fault for film, fault in faults.items() if film not in entries}

    def is_sound(self, entries: Collection[Entry]) -> bool:
        """Whether SAMPLE of the entries, the last among them, fit their checksums."""
        ordered = sorted(entries)
        few = np.unique(np.linspace(0, len(ordered) - 1, SAMPLE).astype(int)) if ordered else ()
        return not self.damaged(ordered[i] for i in few)

    def damaged(self, entries: Iterable[Entry]) -> set[str]:
        """The sha256 of the files whose stored bytes do not fit their checksums, or are cut off."""
        views, thumbs = _mapped(self.views, self.size), _mapped(self.thumbs, SIDE)
        rows = min(len(views), len(thumbs))
        return {
            entry.sha256
            for entry in entries
            if entry.row >= rows or _sha256(views[entry.row], thumbs[entry.row]) != entry.stored
        }

    def _exists(self) -> bool:
        try:
            return self.index.exists()
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None

    @contextmanager
    def _index(self) -> Iterator[sqlite3.Connection]:
        """The index, open; DataError if it cannot be used."""
        try:
            with closing(sqlite3.connect(self.index, timeout=60)) as index, index:
                yield index
        except sqlite3.OperationalError as error:
            raise self._unusable(str(error)) from None
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
            raise self._unusable(error.strerror or str(error)) from None
        with taken:
            yield

    def drop(self, damaged: set[str]) -> None:
        """Forget the films of the files with these sha256."""
        with self._index() as index:
            index.executemany("DELETE FROM films WHERE sha256 = ?", [(sha256,) for sha256 in damaged])
        _say(f"Damaged in {self.folder}, and so decoded again: {len(damaged)}. See whether the disk is sound.")

    def add(self, paths: Mapping[int, Path], films: int) -> tuple[dict[int, Entry], dict[int, str]]:
        """Decode files in parallel and store them chunk by chunk: entries, and faults of unreadable ones, by key.

        `films` is the number of films that the progress bar counts. DataError if the disk is too small or fails.
        """
        entries: dict[int, Entry] = {}
        faults: dict[int, str] = {}
        self._begin()
        try:
            with ThreadPoolExecutor(os.cpu_count()) as pool, _progress(films, len(paths)) as bar:
                self._refuse_a_small_disk(paths, pool)
                left = list(paths.items())
                for start in range(0, len(left), CHUNK):
                    found, refused = self._add(dict(left[start : start + CHUNK]), pool, bar)
                    entries |= found
                    faults |= refused
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from None
        return entries, faults

    def _begin(self) -> None:
        """Create the index; names stores that a new one may replace."""
        with self._index() as index:
            if index.execute("SELECT 1 FROM sqlite_master").fetchone():
                return
            index.execute("BEGIN IMMEDIATE")
            for statement in TABLES.split(";"):
                index.execute(statement)
        older = others(self.size, self.folder.parent)
        if older:
            _say(
                "Films that were decoded at other sizes or by other versions stay; delete these folders if no command "
                f"needs them: {', '.join(map(str, older))}."
            )

    def _refuse_a_small_disk(self, paths: Mapping[int, Path], pool: ThreadPoolExecutor) -> None:
        """DataError if the disk has less space than the films take that are not stored under another path already."""
        each, free = self.size**2 + SIDE**2 + ENTRY, shutil.disk_usage(self.folder).free
        if len(paths) * each <= free:
            return
        contents = set(pool.map(_content, paths.values()))
        with self._index() as index:
            need = each * (len(contents) - len(_stored(index, contents)))
        if need > free:
            raise DataError(
                f"The decoded films need {need / 1e9:.1f} GB and {self.folder} has {free / 1e9:.1f} GB free; "
                "free some or name another folder with --cache."
            )

    def _add(
        self, paths: Mapping[int, Path], pool: ThreadPoolExecutor, bar: tqdm[NoReturn]
    ) -> tuple[dict[int, Entry], dict[int, str]]:
        """Decode and store a chunk of files: entries, and faults of unreadable ones, by key."""
        stamps = {film: _stamp(path) for film, path in paths.items()}  # before reading, so that a change is noticed
        contents = dict(zip(paths, pool.map(_content, paths.values()), strict=True))
        with self._index() as index:
            stored = _stored(index, set(contents.values()))
            (last,) = index.execute("SELECT COALESCE(MAX(row), -1) FROM films").fetchone()
        damaged = self.damaged(stored.values())
        if damaged:
            self.drop(damaged)
            stored = {content: entry for content, entry in stored.items() if content not in damaged}
        # never over bytes that another process may have mapped
        start = max(last + 1, *(_rows(path, side) for path, side in ((self.views, self.size), (self.thumbs, SIDE))))
        new = [film for film, content in contents.items() if content not in stored]
        bar.update(len(paths) - len(new))
        added: list[Entry] = []
        faults: dict[int, str] = {}
        passing: set[int] = set()  # films with a fault that another try may not have
        with _open_at(self.views, start * self.size**2) as views, _open_at(self.thumbs, start * SIDE**2) as thumbs:
            for film, result in zip(new, pool.map(lambda film: _read(paths[film], self.size), new), strict=True):
                bar.update()
                content = contents[film]
                if isinstance(result, UnreadableImage):
                    faults[film] = str(result)
                    if content is None or _content(paths[film]) != content:
                        passing.add(film)  # the disk failed, rather than the film
                elif content is None or _stamp(paths[film]) != stamps[film]:
                    faults[film] = f"{paths[film].name} changed while it was read; try again."
                    passing.add(film)
                elif content not in stored:
                    view, thumb, seen = result
                    views.write(view.data)
                    thumbs.write(thumb.data)
                    stored[content] = Entry(start + len(added), content, **seen, stored=_sha256(view, thumb))
                    added.append(stored[content])
            to_disk(views)  # before the index lists the rows
            to_disk(thumbs)
        lines = [
            (os.fsencode(path.absolute()), *stamps[film], contents[film], faults.get(film))
            for film, path in paths.items()
            if film not in passing
        ]
        with self._index() as index:
            index.executemany(f"INSERT INTO films VALUES ({', '.join('?' * len(Entry._fields))})", added)
            index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?)", lines)
        return {film: stored[content] for film, content in contents.items() if film not in faults and content}, faults

    def _unusable(self, why: str) -> DataError:
        return DataError(
            f"{self.folder} cannot be used: {why}. Mend that, or name another folder with --cache; films that are "
            "decoded stay."
        )


def _decoded(found: Mapping[int, Entry], faults: Mapping[int, str], n: int, store: _Store) -> Decoded:
    """The record of `n` films with these entries and faults."""
    empty = Entry(-1, "", "", "", 0, 0, "", "", "")
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


def _content(path: Path) -> str | None:
    """The sha256 of a file; None for a path that is no file or cannot be opened, whose fault `_read` finds."""
    try:
        return sha256_of(path) if path.is_file() else None
    except (OSError, ValueError):
        return None


def _stored(index: sqlite3.Connection, contents: Collection[str | None]) -> dict[str | None, Entry]:
    """The entries of the files with these sha256 that are stored, by sha256."""
    query = f"SELECT {', '.join(Entry._fields)} FROM films WHERE sha256 = ?"
    found = (index.execute(query, (content,)).fetchone() for content in contents if content is not None)
    return {entry.sha256: entry for entry in (Entry(*values) for values in found if values)}


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
    """Size and times of a file; 0 if it does not exist."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return Stamp(0, 0, 0)
    return Stamp(found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _sha256(*arrays: np.ndarray) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _mapped(path: Path, side: int) -> np.ndarray:
    """The whole pictures (rows, side, side) uint8 in a file, mapped from disk; none if it does not exist."""
    shape = (_rows(path, side), side, side)
    return np.memmap(path, np.uint8, "r", shape=shape) if shape[0] else np.zeros(shape, np.uint8)


def _rows(path: Path, side: int) -> int:
    """The number of whole pictures in a file; 0 if it does not exist."""
    try:
        with path.open("rb") as file:  # opened, since a network's file system may know an older length
            return os.fstat(file.fileno()).st_size // side**2
    except FileNotFoundError:
        return 0


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
