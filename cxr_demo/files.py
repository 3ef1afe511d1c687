"""Computes checksums (sha256) of files, and writes files and folders atomically."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def sha256_of(path: Path) -> str:
    """The sha256 of a file in hex digits; reads the file in pieces of 256 KiB. OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 18):
            digest.update(piece)
    return digest.hexdigest()


def write_whole(path: Path, content: str | bytes, *, synced: bool = False) -> None:
    """Replace a file atomically: a concurrent reader, or a crash, sees either the old file or the complete new one.

    Text is encoded as UTF-8. With `synced` the content reaches the disk before it replaces the old file, so that a
    power failure cannot leave an empty file. OSError if writing fails; the old file then remains.
    """
    data = content.encode() if isinstance(content, str) else content
    partial = _beside(path)
    try:
        with partial.open("xb") as file:
            file.write(data)
            if synced:
                to_disk(file)
        partial.replace(path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def to_disk(file: IO[Any]) -> None:
    """Flush an open file and wait until its content is on the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder to fill; it replaces `folder` when the block ends, and is deleted if the block raises.

    Files that exist only in the old folder move into the new one. OSError if writing fails; after this or any other
    error the old folder remains.
    """
    fresh, old = _beside(folder), _beside(folder)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists():
            old.rename(folder)
        raise
    if old.exists():
        for path in old.iterdir():
            if not (folder / path.name).exists():
                path.rename(folder / path.name)
        shutil.rmtree(old)


def _beside(path: Path) -> Path:
    """An unused hidden path in the same folder, and therefore on the same disk, as `path`."""
    return path.with_name(f".{uuid.uuid4().hex}.partial")
