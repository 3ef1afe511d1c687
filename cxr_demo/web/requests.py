"""What a request may name: a model that is offered, a film that was sent. Everything else is refused by a sentence."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gradio.utils import get_upload_folder

from cxr_demo import messages
from cxr_demo.errors import BadSetting, CxrError, UnknownModel, UnreadableImage, remedy, sentence_of
from cxr_demo.films import image, phantom
from cxr_demo.films.label_tables import Box
from cxr_demo.messages import message
from cxr_demo.models import failure_cases, hub, registry, visitor_models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Radiograph

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds that a visitor waits for a model or an example which must first be fetched.
PATIENCE = 20.0

#: Shares of a film beyond which no edge of a box lies.
FAR = 10

#: What is said of where a film comes from.
SOURCE = ("kind", "key", "path", "correction")


def offered(name: str | None = None) -> Classifier:
    """A model that visitors may choose, or a lesson's, the page's own without a name; UnknownModel for anything else.

    A folder of this machine that is not offered counts as anything else.
    """
    if name is None:
        return registry.load()
    return visitor_models.load(name, PATIENCE) if _is_guest(name) else registry.load(name, PATIENCE)


def choice_of(name: str) -> registry.Source:
    """The choice that somebody means who types a name; the errors of `offered`."""
    if _is_guest(name):
        return visitor_models.choice(offered(name))
    return next(choice for choice in registry.choices() if choice.name == name)


def card_of(name: str) -> str:
    """The card of a model that visitors may choose, as Markdown."""
    return visitor_models.card(offered(name)) if _is_guest(name) else registry.card(name)


def _is_guest(name: str) -> bool:
    """Whether a name that is not on the list may be asked for all the same; UnknownModel where it may not."""
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
    """What an event of the browser says, in the types it should have: anybody may send anything."""

    run: int  # 0 where it is about a film
    turn: int
    model: str
    source: Mapping[str, str]  # where the film comes from; empty for none
    settings: Mapping[str, Any]  # of a method; or of several, by method
    methods: Sequence[str]
    method: str | None
    finding: int
    boxes: Sequence[tuple[str, Sequence[float]]]  # finding; left, top, right, bottom in shares of the film
    depth: str
    paths: Sequence[str]  # of zips that were packed before
    aside: bool  # to be shown beside the cards: ends none of their runs, and is not asked about later

    @classmethod
    def of(cls, data: Any) -> Request:
        """From an event's data; what is missing or of another type counts as nothing."""

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
        """Where the visitor sees findings on the film, in its pixels to a hundredth."""
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
    """The film that is meant: a file that was sent, a drawn or a public one; put right where that is asked."""
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
    return image.read(_uploaded(source.get("path")))


def _uploaded(path: Any) -> Path:
    """A file that somebody sent; UnreadableImage for any other path of this machine."""
    with suppress(OSError, ValueError):  # no file can be called so
        found = Path(str(path)).resolve()
        if found.is_relative_to(Path(get_upload_folder()).resolve()) and found.is_file():
            return found
    raise UnreadableImage(message("error.film.gone"))


def sentence(error: Exception) -> str:
    """What the visitor reads; our own mistakes go to the log with their traceback."""
    if isinstance(error, CxrError):
        return sentence_of(error)
    if remedy(error):
        log.error("%s", error)
        return messages.NO_DISK
    log.error("a handler failed", exc_info=error)
    return messages.FAILED


def refusal(error: Exception) -> dict[str, Any]:
    """A failure as an answer to the browser: the `error` as a record, and the `field` of a refused setting."""
    answer: dict[str, Any] = {"error": messages.record(sentence(error))}
    if isinstance(error, BadSetting) and error.field:
        answer["field"] = error.field
    return answer
