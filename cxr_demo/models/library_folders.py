"""The files of models of other libraries, on disk or on the Hub: found, and refused if they bring code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cxr_demo.errors import BadModel, UnknownModel
from cxr_demo.files import sha256_of
from cxr_demo.messages import message
from cxr_demo.models import hub
from cxr_demo.models.model_folder import CARD, CONFIG, WEIGHTS

#: The libraries, by the words with which a model's name begins; "hf-hub" is timm's own.
LIBRARIES = {"timm": "timm", "hf-hub": "timm", "transformers": "transformers"}
#: How transformers says that a picture becomes a model's input.
PROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class Found:
    """The folder of a model, and its revision: a commit of the Hub, or 8 digits of the weights' sha256."""

    folder: Path
    revision: str


def find(place: str, revision: str) -> Found:
    """Find the files of a model: in the folder `place`, or of the repository of that name on the Hub, downloaded.

    BadModel if they bring code or pickled weights, or lack the description; and the errors of `hub.pull`.
    """
    if is_folder(place):
        folder = Path(place).expanduser()
        if not folder.is_dir():
            raise UnknownModel(message("error.model.no_folder", name=place))
        _check(folder, place)
        return Found(folder, sha256_of(folder / WEIGHTS)[:8])
    optional = (PROCESSOR, CARD)
    if not hub.COMMIT.fullmatch(revision):
        pulled = hub.pull(place, (CONFIG,), revision=revision or "main", optional=(WEIGHTS, *optional))
        revision = pulled.commit
        _check(pulled.folder, place)
    pulled = hub.pull(place, (CONFIG, WEIGHTS), revision=revision, optional=optional)
    _check(pulled.folder, place)
    return Found(pulled.folder, revision)


def is_folder(place: str) -> bool:
    """Whether the place of a model is a folder on this machine, not a repository on the Hub."""
    return place.startswith(("./", "../", "/", "~")) or Path(place).is_dir()


def _check(folder: Path, place: str) -> None:
    """BadModel if a model brings code of its own, or lacks weights in safetensors."""
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadModel(f"{CONFIG} of {place} cannot be read: {error}.") from None
    if isinstance(config, dict) and "auto_map" in config:
        raise BadModel(f"{place} brings code of its own (auto_map in {CONFIG}), which is not run here.")
    if not (folder / WEIGHTS).is_file():
        raise BadModel(
            f"{place} has no {WEIGHTS}. Other files of weights (.bin, .pth) are pickled, can run any code, and are not "
            "read; its authors can save it with safetensors."
        )
