"""Files and folders: their checksums, and writing them whole or not at all."""

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
    """A file's sha256 in hex digits; of the file only a piece is in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 18):
            digest.update(piece)
    return digest.hexdigest()


def write_whole(path: Path, content: str | bytes, *, synced: bool = False) -> None:
    """Replace a file in one step: a reader, or a process that ends here, finds the old file or all of the new one.

    Text is written as UTF-8. With `synced` the content is on the disk before it replaces the old file, so that a power
    failure leaves no empty one. OSError where it cannot be written; then the old file stays.
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
    """Wait until all that was written to an open file is on the disk."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which replaces `folder` when the block ends and is deleted when the block fails.

    Files of the old folder that the new one lacks move into it. OSError where nothing can be written; then, as after
    any other failure, the old folder stays.
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
    """An unused hidden name in the folder of a path, and so on its disk."""
    return path.with_name(f".{uuid.uuid4().hex}.partial")
