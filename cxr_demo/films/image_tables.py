"""Films in the rows of parquet files: bytes and names of files, as data sets of the Hugging Face Hub store them."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import UnreadableImage
from cxr_demo.films import formats
from cxr_demo.messages import message
from cxr_demo.tables import PARQUET, pyarrow

if TYPE_CHECKING:
    from pathlib import Path

#: Fields of a cell with an image.
BYTES, PATH = "bytes", "path"

#: Threads that read films side by side need the same rows; one of them reads these from the disk.
_reading = threading.Lock()


def is_parquet(path: Path) -> bool:
    """Whether a file is parquet, by its name."""
    return path.suffix.lower() == PARQUET


def has_images(path: Path) -> bool:
    """Whether a file is parquet with a column of images; False if it cannot be read, which its reader reports."""
    if not is_parquet(path):
        return False
    try:
        return _opened(path)[1] is not None
    except (OSError, UnreadableImage):
        return False


def members(path: Path) -> list[str] | None:
    """A name for the film in each row of a parquet file; None if the file has no column of images.

    UnreadableImage if the file is damaged, BadSetting if pyarrow is not installed.
    """
    file, column = _opened(path)
    if column is None:
        return None
    try:
        with _reading:
            cells = file.read(columns=[f"{column}.{PATH}"])[column].to_pylist()
    except (OSError, ValueError, pyarrow().ArrowException):
        raise _damaged(path) from None
    names = [PurePosixPath((cell or {}).get(PATH) or "").name for cell in cells]
    return [f"{row}-{name}" if name else str(row) for row, name in enumerate(names)]


def extract(path: Path, member: str) -> tuple[bytes, str]:
    """The bytes and the name of the film that `members` calls `member`; UnreadableImage if there is none."""
    number, _, name = member.partition("-")
    try:
        with _reading:
            file, column = _opened(path)
            group, row = _place(file, int(number))
            data = _images(path, column, group)[row].as_py()
    except (ValueError, IndexError):
        data = None
    if data is None:
        raise UnreadableImage(
            message("error.film.no_member", name=formats.shown(path.name), member=formats.shown(member))
        )
    if len(data) > formats.MOST_BYTES:
        raise UnreadableImage(
            message("error.film.too_many_bytes", name=formats.shown(member), mebibytes=formats.MOST_BYTES >> 20)
        )
    return data, name or member


@lru_cache(maxsize=64)
def _opened(path: Path) -> tuple[Any, str | None]:
    """A parquet file and its first column of images; UnreadableImage if it is damaged."""
    pa = pyarrow()
    try:
        file = pa.parquet.ParquetFile(path)
        for field in file.schema_arrow:
            kinds = {inner.name: inner.type for inner in field.type} if pa.types.is_struct(field.type) else {}
            binary, text = kinds.get(BYTES), kinds.get(PATH)
            if binary in (pa.binary(), pa.large_binary()) and text in (pa.string(), pa.large_string()):
                return file, str(field.name)
    except (ValueError, pa.ArrowException):  # damaged names are no UTF-8
        raise _damaged(path) from None
    return file, None


def _damaged(path: Path) -> UnreadableImage:
    return UnreadableImage(message("error.film.archive_damaged", name=formats.shown(path.name)))


@lru_cache(maxsize=4)  # of a run whose threads read row after row, some of them ahead
def _images(path: Path, column: str | None, group: int) -> Any:
    """The bytes of a group of rows."""
    pa = pyarrow()
    try:
        cells = _opened(path)[0].read_row_group(group, columns=[f"{column}.{BYTES}"])[column]
    except (OSError, ValueError, pa.ArrowException):
        raise _damaged(path) from None
    return pa.compute.struct_field(cells, BYTES)


def _place(file: Any, row: int) -> tuple[int, int]:
    """The group that has a row, and the row's place in it; IndexError beyond the last one."""
    for group in range(file.num_row_groups):
        many = file.metadata.row_group(group).num_rows
        if row < many:
            return group, row
        row -= many
    raise IndexError(row)
