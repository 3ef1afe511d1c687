"""Names by which tables, splits and scores refer to films: the ends of their paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxr_demo.errors import DataError
from cxr_demo.films.formats import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence
    from pathlib import Path


def unique(paths: Sequence[Path]) -> tuple[str, ...]:
    """A name for each path: its end, with as many folders as all names need to differ, separated by "/"."""
    parts = [path.as_posix().split("/") for path in paths]
    for depth in range(1, max(map(len, parts), default=0) + 1):
        names = tuple("/".join(p[-depth:]) for p in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(path.as_posix() for path in paths)


def rows(names: Collection[str], paths: Sequence[Path], where: object) -> dict[str, int]:
    """The index among `paths` of each name that is the end of one; names of other films are left out.

    A name also fits a path with another ending, such as .png for .dcm, if it fits none with its own. DataError, which
    begins with `where`, if a name fits several paths.
    """
    exact = _rows(names, paths, str, where)
    others = [name for name in names if name not in exact]
    if not others:  # as a rule; another index of all paths would take as long again
        return exact
    taken = set(exact.values())
    inexact = _rows(others, paths, without_ending, where)
    return exact | {name: row for name, row in inexact.items() if row not in taken}


def without_ending(name: str) -> str:
    """A file's name without the ending of an image format; a full stop may also be part of a name, as in a UID."""
    ending = next((ending for ending in ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _rows(names: Iterable[str], paths: Sequence[Path], form: Callable[[str], str], where: object) -> dict[str, int]:
    """`rows` for names and paths that agree after `form`."""
    ends = {name: form(name.replace("\\", "/").removeprefix("./")) for name in names}
    depths = {end.count("/") + 1 for end in ends.values()}
    found: dict[str, list[int]] = {}
    for row, path in enumerate(paths):
        parts = form(path.as_posix()).split("/")
        for depth in depths:
            found.setdefault("/".join(parts[-depth:]), []).append(row)
    rows: dict[str, int] = {}
    for name, end in ends.items():
        fits = sorted(set(found.get(end, ())))
        if len(fits) > 1:
            examples = " and ".join(str(paths[row]) for row in fits[:2])
            raise DataError(f"{where}: {name} fits {len(fits)} films, e.g. {examples}; name films with their folders.")
        if fits:
            rows[name] = fits[0]
    return rows
