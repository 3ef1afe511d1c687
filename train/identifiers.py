"""Keeps identifiers of patients and films, and paths of a machine, out of files that are published.

A patient or a file counts as named where the runs of letters and digits of its name follow one another. Names of fewer
than four characters, and numbers of up to six digits, such as the patients of NIH's films, also occur by chance: these
are looked for after the word "patient" alone.
"""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import DataError
from cxr_demo.films import film_names
from cxr_demo.models import model_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WORD = re.compile(r"[^\W_]+")
ADDRESS = re.compile(r"https?://\S+")
#: A path from the root of a disk, a server or a home folder, with at least one folder.
PATH = re.compile(r"(?<![\w/\\.~])(?:file://|[\w.-]+:|~|\\)?[/\\](?:[^\s/\\'\"`,=<>]+[/\\])+[^\s/\\'\"`,=<>]*")
#: Words after which a short identifier is looked for.
BEFORE = (("patient",), ("patients",), ("patient", "id"), ("patient", "no"))
#: Fewest characters of a name that identifies by itself, and fewest digits of a number.
SHORTEST, DIGITS = 4, 7
#: Number of identifiers quoted in a message.
QUOTED = 5
#: Flags of a command whose value, and those all of whose values, are no paths.
TIMM = "timm:"
NO_PATHS = ("--name", "--trained-on", "--accept", "--arguments", "--backbone", "--note", "--licence", "--dataset")
NO_PATHS_EACH = ("--labels", "--columns")
#: Flag of a folder that matters to this machine alone.
CACHE = "--cache"


@dataclass(frozen=True)
class Identifiers:
    """The patients and films of a run, as sets of names."""

    patients: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    def search(self, text: str) -> Iterator[str]:
        """Yield the identifiers and paths that a text contains, each once."""
        yield from dict.fromkeys(found[0] for found in PATH.finditer(ADDRESS.sub(" ", text)))
        wanted = dict(self._wanted())
        words = _words(text)
        seen: set[str] = set()
        for length in sorted({len(key) for key in wanted}):
            for start in range(len(words) - length + 1):
                name = wanted.get(words[start : start + length])
                if name is not None and name not in seen:
                    seen.add(name)
                    yield name

    def _wanted(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """Names by their words, as they are looked for."""
        for patient in self.patients:
            words = _words(patient)
            if _identifies(words):
                yield words, patient
            elif words:
                yield from (((*before, *words), f"patient {patient}") for before in BEFORE)
        films = Counter(PurePosixPath(file).name for file in self.files)
        for file in self.files:
            name = PurePosixPath(file).name
            # view1_frontal.jpg is no name of a film where each has it, but with its folders it is
            name = name if films[name] == 1 else file
            # a plain word, such as the stem of normal.png, may be in any text
            for part in (name, *(stem for stem in [film_names.without_ending(name)] if any(map(str.isdigit, stem)))):
                if _identifies(_words(part)):
                    yield _words(part), part


def table_of(run: Path) -> Path:
    """The table of a run's films and patients; DataError if there is none."""
    for path in (run / "folds.csv", run / "split.csv"):
        if path.exists():
            return path
    raise DataError(
        f"{run} has no folds.csv and no split.csv, which name its patients, so that nothing can be checked: "
        f"`python -m train resume {run}` writes them."
    )


def read(table: Path) -> Identifiers:
    """The identifiers in a run's table of films and patients; DataError if it cannot be read."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return Identifiers(frozenset(row["patient"] for row in rows), frozenset(row["file"] for row in rows))
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{table} does not name the run's films and patients: {error}.") from None


def command_without_folders(command: str) -> str:
    """A command line without CACHE and with the last component of each path.

    Values of NO_PATHS and NO_PATHS_EACH stay.
    """
    words, before, flag = [], "", ""
    for word in shlex.split(command):
        flag = word if word.startswith("--") else flag
        if CACHE not in (word.partition("=")[0], before):
            words.append(word if before in NO_PATHS or flag in NO_PATHS_EACH else last_each(word))
        before = word
    return shlex.join(words)


def backbone_without_folders(name: str) -> str:
    """A backbone's name, of which a folder keeps its last component; OWNER/NAME stays."""
    if name.startswith(TIMM):
        return TIMM + backbone_without_folders(name.removeprefix(TIMM))
    return last(name) if name.startswith((".", "/", "~", "\\")) or name[1:2] == ":" else name


def last_each(word: str) -> str:
    """The last component of a path, or of each in NAME=FOLDER,TABLE."""
    head, sign, tail = word.rpartition("=")
    return head + sign + ",".join(map(last, tail.split(",")))


def last(path: str) -> str:
    """The last component of a path in the form of any system."""
    return PureWindowsPath(path).name or path


def refuse(
    folder: Path, known: Identifiers, said: Sequence[str] = (), origins: Mapping[str, Path] | None = None
) -> None:
    """DataError with the file and a few of the names if a file in `folder`, or `said`, has identifiers or paths.

    `origins` are the files, by name, that those in `folder` were made from.
    """
    texts = {path.name: text_of(path) for path in sorted(folder.iterdir())} | {"the command": "\n".join(said)}
    found = [(file, name) for file, text in texts.items() for name in known.search(text)]
    if found:
        origins = origins or {}
        quoted = "\n".join(f"- {name}, in {origins.get(file, file)}" for file, name in found[:QUOTED])
        more = f"\n... and {len(found) - QUOTED} more." if len(found) > QUOTED else ""
        raise DataError(
            "What would be published names patients or files of the table, or a folder of this machine, so nothing is "
            f"sent:\n{quoted}{more}\nSuch words come from --name, --trained-on, --note, --accept, --message or a "
            "backbone's folder: change them there, or in the command, and publish again."
        )


def text_of(path: Path) -> str:
    """All words of a file; of weights, those of their description alone, since the rest is numbers."""
    data = path.read_bytes()
    if path.name == model_folder.WEIGHTS:
        data = data[8 : 8 + int.from_bytes(data[:8], "little")]
    elif path.suffix != ".json":
        return data.decode("utf-8", "replace")
    return "\n".join(_texts(json.loads(data)))


def _texts(value: Any) -> Iterator[str]:
    """All texts in JSON values, also the keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield key
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.casefold()))


def _identifies(words: tuple[str, ...]) -> bool:
    """Whether a name is unlikely to occur by chance: a long number, or letters and digits that are not few."""
    joined = "".join(words)
    return len(joined) >= (DIGITS if joined.isdigit() else SHORTEST)
