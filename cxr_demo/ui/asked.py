"""What a request may name: a model that is offered, a film that was sent. Everything else is refused by a sentence."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio.utils import get_upload_folder

from cxr_demo import hub, image, phantom, sources
from cxr_demo.errors import CxrError, UnknownModel, UnreadableImage
from cxr_demo.ui import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cxr_demo.classifier import Classifier
    from cxr_demo.types import Radiograph

log = logging.getLogger(__name__)


def offered(name: str | None = None) -> Classifier:
    """A model that visitors may choose, the page's own without a name; UnknownModel for anything else.

    A folder of this machine that is not offered counts as anything else.
    """
    names = [choice.name for choice in sources.choices()]
    if name is not None and name not in names:
        raise UnknownModel(f"{name!r} is not offered here; choose one of {', '.join(names)}.")
    return sources.load(name)


def film_of(source: Mapping[str, Any]) -> Radiograph:
    """The film that is meant: a file that was sent, a phantom or a public example; put right where that is asked."""
    film = _as_it_lies(source)
    correction = source.get("correction")
    return film if correction is None else image.corrected(film, str(correction))


def _as_it_lies(source: Mapping[str, Any]) -> Radiograph:
    kind, key = source.get("kind"), source.get("key")
    if kind == "phantom" and key in phantom.PHANTOMS:
        return phantom.PHANTOMS[key].film()
    if kind == "example":
        return image.read(hub.fetch_example(str(key)))
    return image.read(_uploaded(source.get("path")))


def _uploaded(path: Any) -> Path:
    """A file that somebody sent; UnreadableImage for any other path of this machine."""
    found = Path(str(path)).resolve()
    if not found.is_relative_to(Path(get_upload_folder()).resolve()) or not found.is_file():
        raise UnreadableImage("This film is no longer here; please send the file again.")
    return found


def sentence(error: Exception) -> str:
    """What the visitor reads; our own mistakes go to the log with their traceback."""
    if isinstance(error, CxrError):
        return str(error)
    log.error("a handler failed", exc_info=error)
    return text.FAILED
