"""The files of models of other libraries, on disk or on the Hub: found, and refused if they bring code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_demo.errors import BadModel, UnknownModel
from cxr_demo.files import sha256_of
from cxr_demo.messages import message
from cxr_demo.models import hub
from cxr_demo.models.model_folder import CARD, CONFIG, WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Sequence

#: The libraries, by the words with which a model's name begins; "hf-hub" is timm's own.
LIBRARIES = {"timm": "timm", "hf-hub": "timm", "transformers": "transformers"}
#: How transformers says that a picture becomes a model's input.
PROCESSOR = "preprocessor_config.json"
PICKLED = "Pickled weights (.bin, .pth) can run any code and are not read; its authors can save it with safetensors."


@dataclass(frozen=True)
class Found:
    """The folder of a model, and its revision: a commit of the Hub, or 8 digits of a sha256 of the files."""

    folder: Path
    revision: str
    #: sha256 of the files beside the weights, on which the outputs depend too
    described: str


def find(library: str, place: str, revision: str) -> Found:
    """Find the files of a model: in the folder `place`, or of the repository of that name on the Hub, downloaded.

    BadModel if they bring code, or if one is missing or not in safetensors; and the errors of `hub.pull`.
    """
    names = (CONFIG, WEIGHTS, *((PROCESSOR,) if library == "transformers" else ()))
    if is_folder(place):
        folder = _path(place)
        if not folder.is_dir():
            raise UnknownModel(message("error.model.no_folder", name=place))
        for name in names:
            if not (folder / name).is_file():
                raise BadModel(f"{place} has no {name}. {PICKLED if name == WEIGHTS else ''}".strip())
    else:
        try:
            pulled = hub.pull(place, names, revision=revision or "main", optional=(CARD,))
        except hub.Damaged:
            raise
        except BadModel as error:  # a file is missing
            raise BadModel(f"{error} {PICKLED}") from None
        folder = pulled.folder
    described = _described(folder, place, names)
    found = pulled.commit if not is_folder(place) else _digest(sha256_of(folder / WEIGHTS), described)[:8]
    return Found(folder, found, described)


def is_folder(place: str) -> bool:
    """Whether the place of a model is a folder on this machine, not a repository on the Hub."""
    return place.startswith(("./", "../", "/", "~")) or _path(place).is_dir()


def _described(folder: Path, place: str, names: Sequence[str]) -> str:
    """The sha256 of a model's JSON files; BadModel if one cannot be read, or asks for code of the model's own."""
    texts = []
    for name in names:
        if name == WEIGHTS:
            continue
        try:
            texts.append((folder / name).read_text(encoding="utf-8"))
            described = json.loads(texts[-1])
        except (OSError, ValueError) as error:
            raise BadModel(f"{name} of {place} cannot be read: {error}.") from None
        if not isinstance(described, dict):
            raise BadModel(f"{name} of {place} is not an object.")
        if "auto_map" in described:
            raise BadModel(f"{place} brings code of its own (auto_map in {name}), which is not run here.")
    return _digest(*texts)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _path(place: str) -> Path:
    try:
        return Path(place).expanduser()
    except RuntimeError:  # no such user
        return Path(place)
