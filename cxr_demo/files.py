"""What is asked of any file."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sha256_of(path: Path) -> str:
    """A file's sha256 in hex digits; of the file only a piece is in memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 18):
            digest.update(piece)
    return digest.hexdigest()
