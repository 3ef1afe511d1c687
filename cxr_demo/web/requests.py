"""Validation of requests: each may name only offered models and uploaded or built-in films; others are refused."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gradio.utils import get_upload_folder

from cxr_demo import messages
from cxr_demo.errors import (
    BadSetting,
    CxrError,
    ModelError,
    SeveralFilms,
    UnknownModel,
    UnreadableImage,
    remedy,
    sentence_of,
)
from cxr_demo.films import image, phantom
from cxr_demo.films.label_tables import Box
from cxr_demo.messages import message
from cxr_demo.models import failure_cases, hub, registry, visitor_models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Radiograph

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Maximum wait of a visitor for the download of a model or an example, in seconds.
PATIENCE = 20.0

#: Bound on the absolute value of a box's edge, in shares of the film.
FAR = 10

#: Fields of the record that names the source of a film.
SOURCE = ("kind", "key", "path", "member", "correction")


def offered(name: str | None = None) -> Classifier:
    """Load a model that visitors may choose or that belongs to a failure case; without a name, the page's default.

    UnknownModel for any other name, local folders included.
    """
    if name is None:
        return registry.load()
    return visitor_models.load(name, PATIENCE) if _is_guest(name) else registry.load(name, PATIENCE)


def choice_of(name: str) -> registry.Source:
    """The entry in the list of models for a name that a visitor types; raises the errors of `offered`."""
    if _is_guest(name):
        return visitor_models.choice(offered(name))
    return next(choice for choice in registry.choices() if choice.name == name)


def card_of(name: str) -> str:
    """The card of an offered model, as Markdown."""
    return visitor_models.card(offered(name)) if _is_guest(name) else registry.card(name)


def _is_guest(name: str) -> bool:
    """Whether a name refers to an unlisted model of the Hub; UnknownModel if visitors may not load it."""
    names = [choice.name for choice in registry.choices()]
    if name in (*names, *(lesson.model for lesson in failure_cases.LESSONS.values())):
        return False
    welcome = registry.takes_guests()
    if welcome and visitor_models.NAME.fullmatch(str(name)):
        return True
    asked = {"name": repr(name), "names": ", ".join(names)}
    raise UnknownModel(message("error.model.not_offered_nor_hub" if welcome else "error.model.not_offered", **asked))


@dataclass(frozen=True)
class Request:
    """The validated data of a browser's event, whose sender may have put anything into it."""

    run: int  # 0 for an event about a film
    turn: int
    model: str
    source: Mapping[str, str]  # of the film; empty without a film
    settings: Mapping[str, Any]  # of one method, or of several by method
    methods: Sequence[str]
    method: str | None
    finding: int
    boxes: Sequence[tuple[str, Sequence[float]]]  # finding; left, top, right, bottom in shares of the film
    depth: str
    paths: Sequence[str]  # of zips packed earlier
    aside: bool  # shown beside the cards: ends no run of theirs, and its maps are not kept

    @classmethod
    def of(cls, data: Any) -> Request:
        """Read an event's data; missing fields and fields of another type get empty values."""

        def known(name: str, kind: type[T], nothing: T) -> T:
            value = data.get(name) if isinstance(data, dict) else None
            return value if isinstance(value, kind) and not isinstance(value, bool) else nothing

        source = known("source", dict, {})
        return cls(
            run=known("run", int, 0),
            turn=known("turn", int, 0),
            model=known("model", str, ""),
            source={name: source[name] for name in SOURCE if isinstance(source.get(name), str)},
            settings=known("settings", dict, {}),
            methods=[key for key in known("methods", list, []) if isinstance(key, str)],
            method=known("method", str, "") or None,
            finding=known("finding", int, 0),
            boxes=[box for box in map(_box, known("boxes", list, [])) if box],
            depth=known("depth", str, ""),
            paths=[path for path in known("paths", list, []) if isinstance(path, str)],
            aside=isinstance(data, dict) and data.get("aside") is True,
        )

    def boxes_on(self, film: Radiograph) -> list[Box]:
        """The visitor's boxes of findings on the film, in pixels rounded to a hundredth."""
        height, width = film.pixels.shape
        placed = (
            (label, left * width, top * height, (right - left) * width, (bottom - top) * height)
            for label, (left, top, right, bottom) in self.boxes
        )
        return [Box(label, *(round(pixels, 2) for pixels in place)) for label, *place in placed]


def _box(sent: Any) -> tuple[str, list[float]] | None:
    try:
        label, edges = sent["label"], sent["edges"]
        whole = isinstance(label, str) and len(edges) == 4 and all(abs(edge) < FAR for edge in edges)
        return (label, list(edges)) if whole else None
    except (TypeError, KeyError):
        return None


def film_of(source: Mapping[str, Any]) -> Radiograph:
    """Read the film of a source: an upload, a phantom, a failure case or a public example; corrected on request.

    UnreadableImage for a file that is no film, and for a path that is no upload.
    """
    film = _as_it_lies(source)
    correction = source.get("correction")
    return film if correction is None else image.corrected(film, correction)


def _as_it_lies(source: Mapping[str, Any]) -> Radiograph:
    kind, key = source.get("kind"), source.get("key")
    if kind == "phantom" and key in phantom.PHANTOMS:
        return phantom.PHANTOMS[key].film()
    if kind == "lesson" and key in failure_cases.LESSONS:
        return failure_cases.LESSONS[key].film()
    if kind == "example":
        return image.read(hub.fetch_example(str(key), PATIENCE))
    return image.read(_uploaded(source.get("path")), source.get("member"))


def _uploaded(path: Any) -> Path:
    """The path of an uploaded file; UnreadableImage for any other path of this machine."""
    with suppress(OSError, ValueError):  # not a valid file name
        found = Path(str(path)).resolve()
        if found.is_relative_to(Path(get_upload_folder()).resolve()) and found.is_file():
            return found
    raise UnreadableImage(message("error.film.gone"))


def sentence(error: Exception) -> str:
    """The sentence for the visitor about an error; unexpected errors are logged with their traceback."""
    if isinstance(error, CxrError):
        return sentence_of(error)
    if remedy(error):
        log.error("%s", error)
        return messages.NO_DISK
    log.error("a handler failed", exc_info=error)
    return messages.FAILED


def refusal(error: Exception) -> dict[str, Any]:
    """The record of an error for the browser: `error` as a sentence record, and `field` for a refused setting.

    `model` is there, and true, if the model is at fault, so that the browser can return to the one before; so is
    `unreadable` if the film is, so that the browser drops an uploaded file, or puts the films `members` in its place
    if it is an archive.
    """
    answer: dict[str, Any] = {"error": messages.record(sentence(error))}
    if isinstance(error, ModelError):
        answer["model"] = True
    if isinstance(error, UnreadableImage):
        answer["unreadable"] = True
    if isinstance(error, SeveralFilms):
        answer |= {"members": list(error.members), "others": error.others}
    if isinstance(error, BadSetting) and error.field:
        answer["field"] = error.field
    return answer


def answered(head: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """An answer of the fields of `head` and those that `work` returns; if it fails, the record of its error."""
    try:
        return {**head, **work()}
    except Exception as error:
        return {**head, **refusal(error)}
