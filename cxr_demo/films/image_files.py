"""Where the image files of a table lie: beside it, or in the folders in which data sets come."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from cxr_demo.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator


class ImageFiles:
    """The files of a table.

    `images` is the only folder to look in. Without it these are, in this order: `images` beside the table, NIH's
    `images_001/images` to `images_012/images`, the table's folder and the one above it; last, the folders in `images`.
    """

    def __init__(self, table: Path, images: Path | None) -> None:
        folders = [images] if images else list(_folders(table.parent))
        self.first, self._above = folders[0], None if images else table.parent.parent
        # each folder is listed once: to ask the disk about each film in each folder takes minutes
        self._names = {folder: _names(folder) for folder in folders}

    def find(self, name: str) -> Path | None:
        """The path of a file by its name in the table, None if there is none.

        If the name begins with the folder of a data set, as CheXpert-v1.0-small/train/... does, the rest is enough.
        DataError if a name without a folder is that of several files in folders.
        """
        # a table written on Windows may be read elsewhere
        parts = PureWindowsPath(name).parts if "\\" in name else Path(name).parts
        if not parts:
            return None
        for rest in (parts, parts[1:]) if len(parts) > 2 else (parts,):
            for folder, names in self._names.items():
                # a film of the same name above the table is hardly meant, unless the table names folders too
                near = folder != self._above or len(rest) > 1
                if near and rest[0] in names and (path := folder.joinpath(*rest)).is_file():
                    return path
        if Path(name).is_absolute():
            return Path(name) if Path(name).is_file() else None
        deeper = self._deeper.get(name, [])
        if len(deeper) > 1:
            raise DataError(f"{name} is in {deeper[0].parent} and {deeper[1].parent}: name it with its folder.")
        return deeper[0] if deeper else None

    @cached_property
    def _deeper(self) -> dict[str, list[Path]]:
        """The files in folders of the first folder, by name."""
        found: dict[str, list[Path]] = {}
        for path in sorted(self.first.rglob("*/*")) if self.first.is_dir() else ():
            found.setdefault(path.name, []).append(path)
        return found


def _names(folder: Path) -> set[str]:
    """The names of the entries of a folder, which may be missing or locked."""
    try:
        return {path.name for path in folder.iterdir()}
    except OSError:
        return set()


def _folders(beside: Path) -> Iterator[Path]:
    yield beside / "images"
    for folder in sorted(beside.glob("images_*")):
        yield from (folder / "images", folder)
    yield from (beside, beside.parent)
