"""The page's sentences, each with an identity, and its chapters, in every language of the page.

`languages/xx.json` holds a language's texts by identity, `xx.md` its chapters under the viewer. Python speaks English;
the browser says a message again in the visitor's language, by its identity and parameters.
"""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = Path(__file__).parent / "languages"


class Message(str):
    """An English sentence, or a part of one, that the page can say in the visitor's language."""

    id: str  # in the catalogues
    parameters: Mapping[str, str | int]  # by the places of its text; those that are messages are translated too


def message(id: str, /, **parameters: str | int) -> Message:  # noqa: A002 - the catalogues' own word
    """The message of an identity, such as "error.film.empty".

    KeyError where the English catalogue lacks it, or a place of its text has no parameter. Where a text has plural
    forms, the parameter `n` decides.
    """
    text = _english()[id]
    if not isinstance(text, str):
        text = text["one" if parameters["n"] == 1 else "other"]
    found = Message(text.format(**parameters))
    found.id, found.parameters = id, parameters
    return found


def message_or(id: str, otherwise: str) -> str:  # noqa: A002
    """The message of an identity that the catalogues may lack, such as a stranger's finding; `otherwise` as it is."""
    return message(id) if id in _english() else otherwise


def slug(name: str) -> str:
    """A name as a part of an identity: "blue and orange" -> "blue_and_orange"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def joined(first: Message, *others: Message) -> Message:
    """Several sentences as one message."""
    return functools.reduce(lambda said, then: message("page.sentences", first=said, then=then), others, first)


def decimal(written: str) -> str:
    """A number written in English, such as "0.70", as a message where it has a decimal sign."""
    whole, point, fraction = written.partition(".")
    return message("number.decimal", whole=whole, fraction=fraction) if point else written


def record(sentence: str) -> dict[str, Any]:
    """What the browser is told: `id`, `parameters` (messages as records themselves) and the English `text`.

    `id` is None for anything but a message: words of a file, a model or the Hub, shown as they are.
    """
    if not isinstance(sentence, Message):
        return {"id": None, "parameters": {}, "text": sentence}
    parameters = {
        name: record(value) if isinstance(value, Message) else value for name, value in sentence.parameters.items()
    }
    return {"id": sentence.id, "parameters": parameters, "text": str(sentence)}


def choice(key: str, title: str) -> dict[str, Any]:
    """What the browser is told of one of several choices: its `key` for requests, its `title` for people."""
    return {"key": key, "title": record(title)}


def languages() -> dict[str, dict[str, Any]]:
    """By code: a language's `name`, the codes in `also` of its other readers, and its `texts`; English first."""
    codes = sorted((path.stem for path in LANGUAGES.glob("*.json")), key=lambda code: (code != "en", code))
    return {code: json.loads((LANGUAGES / f"{code}.json").read_text(encoding="utf-8")) for code in codes}


def chapters(code: str) -> dict[str, str]:
    """The chapters under the viewer in a language: Markdown by heading."""
    _, *parts = (LANGUAGES / f"{code}.md").read_text(encoding="utf-8").split("\n# ")
    return {heading: body.strip() for heading, _, body in (part.partition("\n") for part in parts)}


@functools.cache
def _english() -> dict[str, Any]:
    texts: dict[str, Any] = json.loads((LANGUAGES / "en.json").read_text(encoding="utf-8"))["texts"]
    return texts


TITLE = message("page.title")
TAGLINE = message("page.tagline")

FAILED = message("error.failed")
NO_DISK = message("error.no_disk")
REFUSED = message("error.refused")
NO_MAPS = message("error.no_maps")
NOT_PACKED = message("error.not_packed")

# said to programs, which read English
BAD_CALL = (
    "The endpoint cannot use these values. Give one for each parameter, null for what is left out, and as the film "
    "what this page answered when it was sent."
)
NOT_FETCHED = "Films are not fetched from addresses; please send the file itself."
TOOL_FILM = (
    "The film: what the upload tool or this page's /gradio_api/upload answered, or a data: URL in base64 of a file up "
    "to 700 kB. No other address is fetched."
)
