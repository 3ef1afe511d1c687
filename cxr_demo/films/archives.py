"""The films in folders and archives, found by the first bytes of their files.

Zips, tars and gzipped files are opened, also inside each other. They are read in memory, so that the paths of their
members lead nowhere, and within limits, so that a small archive cannot grow without bound.
"""

from __future__ import annotations

import io
import os
import tarfile
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from cxr_demo.errors import SeveralFilms, UnreadableImage
from cxr_demo.films import formats, image_tables
from cxr_demo.messages import message

if TYPE_CHECKING:
    from collections.abc import Iterator

ZIP, GZIP, TAR = (0, b"PK\3\4"), (0, b"\x1f\x8b"), (257, b"ustar")
#: Bytes by which films and archives are known, with their place in the file.
SIGNATURES = (*formats.SIGNATURES, ZIP, GZIP, TAR)
ENCRYPTED = 1  # the bit of a zip's member

#: Limits of an archive: members, archives inside each other, and bytes of all archives inside it.
MOST_MEMBERS, DEEPEST, MOST_INSIDE = 10_000, 3, formats.MOST_BYTES // 2

#: File of `explain` that marks a folder as a result, whose pictures are no films.
RESULT = "maps.npz"

#: Most bytes of a zip's directory. The record END in its last TAIL bytes has their number, and that of the members; 20
#: bytes before it LARGE may announce another record, of zips of more than 65,535 members or 4 GiB.
MOST_DIRECTORY = 200 * MOST_MEMBERS
END, TAIL, LARGE = b"PK\5\6", 22 + 0xFFFF, b"PK\6\7"


@dataclass(frozen=True)
class FilmFile:
    """A file that may hold a film: `path` on disk, or its `member` if it is an archive or a table of images.

    `origin` is shown instead of the path of a file that was downloaded.
    """

    path: Path
    member: str | None = None
    origin: Path | None = None

    @property
    def shown(self) -> Path:
        """The path as messages and results show it: the member's after the archive's, bytes beyond UTF-8 escaped."""
        shown = self.origin or self.path
        whole = shown / self.member if self.member else shown
        return Path(os.fsencode(whole).decode("utf-8", "backslashreplace"))


@dataclass(frozen=True)
class Found:
    """The files in a folder or archive that may hold a film, in order, and the number of other files."""

    films: tuple[FilmFile, ...]
    others: int = 0


def opens(head: bytes) -> bool:
    """Whether a file's first HEAD bytes are those of a zip, a tar or gzipped data."""
    return any(head.startswith(start, at) for at, start in (ZIP, GZIP, TAR))


def is_archive(path: Path) -> bool:
    """The same of a file; OSError if it cannot be read."""
    with path.open("rb") as file:
        return opens(file.read(formats.HEAD))


def search(path: Path) -> Found:
    """The films in a folder with its subfolders, in an archive or a table of images; any other file is a film itself.

    Hidden files are skipped without being counted, and so are results of `explain`. Raises UnreadableImage for an
    archive that is damaged, locked or beyond the limits; inside a folder it stands among the films. OSError if a folder
    cannot be read, BadSetting if pyarrow is needed and not installed.
    """
    if not path.is_dir():
        with suppress(OSError):  # raised again, with the file's name, when it is read
            if image_tables.is_parquet(path) and path.is_file():
                return _rows(path)
            if path.is_file() and is_archive(path):
                return _inside(path)
        return Found((FilmFile(path),))
    films: list[FilmFile] = []
    others = 0
    for file in _files(path):
        try:
            found = _kept(file)
        except (OSError, UnreadableImage):  # raised again when it is read
            found = Found((FilmFile(file),))
        films += found.films
        others += found.others
    return Found(tuple(films), others)


def extract(file: IO[bytes], name: str, member: str | None = None) -> tuple[bytes, str, int]:
    """The bytes of a member of the archive `name`, and its name without folders; by default those of its only film.

    The third value is the number of other files beside the only film, and 0 for a given member.

    Raises SeveralFilms if the archive holds more films than one, and UnreadableImage if it holds no film, has no such
    member, or is damaged, locked or beyond the limits.
    """
    member, others = (member, 0) if member else _only(file, name)
    file.seek(0)
    archive = _Archive(name, member)
    with archive.readable():
        for inside, stream in archive.members(file):
            if inside == member:
                return _whole(stream, member), PurePosixPath(member).name, others
    raise UnreadableImage(message("error.film.no_member", name=archive.name, member=formats.shown(member)))


def _only(file: IO[bytes], name: str) -> tuple[str, int]:
    """The only film in an archive, and the number of other files; raises the errors of `extract`."""
    members, others = _listed(file, name)
    name = formats.shown(name)
    if not members:
        raise UnreadableImage(message("error.film.archive_without", name=name, n=others, accepted=formats.ACCEPTED))
    if len(members) > 1:
        films = ", ".join(member[-80:] for member in members[:5]) + (", ..." if len(members) > 5 else "")
        raise SeveralFilms(message("error.film.several", name=name, count=len(members), films=films), members, others)
    return members[0], others


def _files(folder: Path) -> Iterator[Path]:
    """The visible files below a folder, in alphabetical order, without links to folders and results of `explain`."""

    def failed(error: OSError) -> None:
        raise error

    for root, folders, names in os.walk(folder, onerror=failed):
        if RESULT in names:
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(root, name)
            if not name.startswith(".") and file.is_file():
                yield file


def _kept(file: Path) -> Found:
    """A file of a folder: a film, an archive's films, or another file."""
    if image_tables.is_parquet(file):
        return _rows(file)
    with file.open("rb") as stream:
        head = stream.read(formats.HEAD)
    if opens(head):
        return _inside(file)
    return Found((FilmFile(file),)) if formats.may_be_film(head, file.name) else Found((), 1)


def _rows(path: Path) -> Found:
    """The films in a parquet file on disk, which without a column of images is no film."""
    members = image_tables.members(path)
    if members is None:
        return Found((), 1)
    return Found(tuple(FilmFile(path, member) for member in members))


def _inside(path: Path) -> Found:
    """The films in an archive on disk."""
    with path.open("rb") as file:
        members, others = _listed(file, path.name)
    return Found(tuple(FilmFile(path, member) for member in members), others)


def _listed(file: IO[bytes], name: str) -> tuple[list[str], int]:
    """The members of an archive that may be films, and the number of others."""
    archive = _Archive(name)
    films, others = [], 0
    with archive.readable():
        for member, stream in archive.members(file):
            if formats.may_be_film(stream.read(formats.HEAD), member):
                films.append(member)
            else:
                others += 1
    return films, others


class _Archive:
    """One reading of an archive and of the archives in it, within the limits; `name` is the outermost one's.

    With `wanted`, the path of a member, others are not opened.
    """

    def __init__(self, name: str, wanted: str | None = None) -> None:
        self.name = formats.shown(name)
        self._wanted = wanted
        self._members, self._bytes = 0, 0
        self._named: Counter[str] = Counter()

    def members(self, file: IO[bytes], within: str = "", depth: int = 1) -> Iterator[tuple[str, io.BufferedReader]]:
        """The visible members that are no archives, each as its path and a stream from its start."""
        for member, stream in self._opened(file, within):
            if not opens(stream.peek(formats.HEAD)):
                yield self._distinct(member), stream
                continue
            if depth == DEEPEST:
                raise self._too_much()
            inner = stream.read(MOST_INSIDE - self._bytes + 1)
            self._bytes += len(inner)
            if self._bytes > MOST_INSIDE:
                raise self._too_much()
            yield from self.members(io.BytesIO(inner), f"{member}/", depth + 1)

    def _opened(self, file: IO[bytes], within: str) -> Iterator[tuple[str, io.BufferedReader]]:
        """The visible members of one zip or tar, or the one of gzipped data."""
        head = file.read(formats.HEAD)
        file.seek(0)
        if head.startswith(GZIP[1]):
            yield within + _without_gz(within or self.name), io.BufferedReader(_Inflated(file))
        elif head.startswith(ZIP[1]):
            yield from self._unzipped(file, within)
        else:
            with tarfile.open(fileobj=file, mode="r:") as archive:
                for entry in archive:
                    if not self._counts(entry.name) or not entry.isfile() or not self._leads(within + entry.name):
                        continue
                    if member := archive.extractfile(entry):
                        yield within + entry.name, _peekable(member)

    def _unzipped(self, file: IO[bytes], within: str) -> Iterator[tuple[str, io.BufferedReader]]:
        self._check_directory(file)
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if not self._counts(entry.filename) or entry.is_dir() or not self._leads(within + entry.filename):
                    continue
                if entry.flag_bits & ENCRYPTED:
                    raise UnreadableImage(message("error.film.archive_locked", name=self.name))
                with archive.open(entry) as stream:
                    yield within + entry.filename, _peekable(stream)

    def _check_directory(self, file: IO[bytes]) -> None:
        """UnreadableImage for a zip with too large a directory, which zipfile would read whole."""
        file.seek(max(0, file.seek(0, io.SEEK_END) - TAIL))
        before, found, record = file.read().rpartition(END)
        members, size = (int.from_bytes(record[at : at + length], "little") for at, length in ((6, 2), (8, 4)))
        if found and (members > MOST_MEMBERS or size > MOST_DIRECTORY or before[-20:].startswith(LARGE)):
            raise self._too_much()

    def _distinct(self, member: str) -> str:
        """A member's path inside the archive, printable since terminals obey control characters, and unique."""
        name = _printable(member)
        self._named[name] += 1
        return name if self._named[name] == 1 else f"{name} ({self._named[name]})"

    def _leads(self, member: str) -> bool:
        """Whether a member is the wanted one, has its name or may hold it."""
        name = _printable(member)
        return self._wanted is None or self._wanted == name or self._wanted.startswith((f"{name} (", f"{name}/"))

    def _counts(self, member: str) -> bool:
        """Count a member, and whether it is visible; UnreadableImage beyond the limit."""
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise self._too_much()
        parts = [part for part in PurePosixPath(member).parts if part != ".."]
        return not any(part.startswith(".") or part == "__MACOSX" for part in parts)

    @contextmanager
    def readable(self) -> Iterator[None]:
        """Turn the failures of the decompressors, which happen while a member is read, into UnreadableImage."""
        try:
            yield
        except UnreadableImage:
            raise
        except Exception:  # they raise any exception on damaged data
            raise UnreadableImage(message("error.film.archive_damaged", name=self.name)) from None

    def _too_much(self) -> UnreadableImage:
        return UnreadableImage(message("error.film.archive_limits", name=self.name))


class _Inflated(io.RawIOBase):
    """The unpacked bytes of gzipped data, of few members; gzip's own reader takes seconds over a million empty ones."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._packed, self._members = file, b"", 1
        self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        """Unpack the next bytes; EOFError if they are cut off, ValueError beyond MOST_MEMBERS."""
        while True:
            self._packed = self._packed or self._file.read(1 << 16)
            if self._unpacker.eof:
                self._packed += self._file.read(1) if len(self._packed) == 1 else b""  # half of a member's start
                if not self._packed.startswith(GZIP[1]):  # the end, or padding
                    return 0
                self._members += 1
                if self._members > MOST_MEMBERS:
                    raise ValueError("too many members")
                self._unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
            ended = not self._packed
            found = self._unpacker.decompress(self._packed, len(into))
            self._packed = self._unpacker.unused_data if self._unpacker.eof else self._unpacker.unconsumed_tail
            if found:
                into[: len(found)] = found
                return len(found)
            if ended and not self._unpacker.eof:
                raise EOFError("cut off")


def _printable(member: str) -> str:
    parts = [part for part in PurePosixPath(member).parts if part not in ("/", "..")]
    return "".join(c for c in "/".join(parts) if c.isprintable())


def _peekable(stream: Any) -> io.BufferedReader:
    return io.BufferedReader(stream)


def _without_gz(name: str) -> str:
    return PurePosixPath(name).name.removesuffix(".gz")


def _whole(stream: io.BufferedReader, name: str) -> bytes:
    data = stream.read(formats.MOST_BYTES + 1)
    if len(data) > formats.MOST_BYTES:
        raise UnreadableImage(
            message("error.film.too_many_bytes", name=formats.shown(name), mebibytes=formats.MOST_BYTES >> 20)
        )
    return data
