"""The page's sentences by identity, and its chapters, in every language of the page.

`languages/xx.json` holds the texts of a language by identity, `xx.md` its chapters. Python formats
messages in English; the browser formats them in the visitor's language from their identity and parameters.
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
    """An English sentence, or part of one, that the browser can show in the visitor's language."""

    id: str  # its key in the catalogues
    parameters: Mapping[str, str | int]  # by placeholder; a Message is translated too


def message(id: str, /, **parameters: str | int) -> Message:  # noqa: A002 - the catalogues use this word
    """The message with an identity such as "error.film.empty".

    The parameter `n` selects the form of a text with plural forms. KeyError if the English catalogue lacks the
    identity, or if a placeholder of the text has no parameter.
    """
    text = _english()[id]
    if not isinstance(text, str):
        text = text["one" if parameters["n"] == 1 else "other"]
    found = Message(text.format(**parameters))
    found.id, found.parameters = id, parameters
    return found


def message_or(id: str, otherwise: str) -> str:  # noqa: A002
    """The message of an identity, or `otherwise` if the catalogue lacks it, such as a finding of a visitor's model."""
    return message(id) if id in _english() else otherwise


def texts(beginning: str) -> dict[str, Any]:
    """The English texts of all identities with this beginning."""
    return {id: text for id, text in _english().items() if id.startswith(beginning)}  # noqa: A001


def slug(name: str) -> str:
    """Convert a name to a part of an identity: "blue and orange" -> "blue_and_orange"."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def joined(first: Message, *others: Message) -> Message:
    """Join several sentences into one message."""
    return functools.reduce(lambda said, then: message("page.sentences", first=said, then=then), others, first)


def decimal(written: str) -> str:
    """A number in English notation, such as "0.70"; with a decimal point it becomes a message, to be localised."""
    whole, point, fraction = written.partition(".")
    return message("number.decimal", whole=whole, fraction=fraction) if point else written


def record(sentence: str) -> dict[str, Any]:
    """A sentence as JSON values for the browser: `id`, `parameters` (nested messages as records) and English `text`.

    `id` is None for plain strings, such as words from a file, a model or the Hub; the browser shows them unchanged.
    """
    if not isinstance(sentence, Message):
        return {"id": None, "parameters": {}, "text": sentence}
    parameters = {
        name: record(value) if isinstance(value, Message) else value for name, value in sentence.parameters.items()
    }
    return {"id": sentence.id, "parameters": parameters, "text": str(sentence)}


def choice(key: str, title: str) -> dict[str, Any]:
    """One of several choices as JSON values for the browser: its `key` for requests, its `title` for display."""
    return {"key": key, "title": record(title)}


def languages() -> dict[str, dict[str, Any]]:
    """All languages by code, English first: `name`, `texts`, and in `also` further codes that this language serves."""
    codes = sorted((path.stem for path in LANGUAGES.glob("*.json")), key=lambda code: (code != "en", code))
    return {code: json.loads((LANGUAGES / f"{code}.json").read_text(encoding="utf-8")) for code in codes}


def chapters(code: str) -> dict[str, str]:
    """The chapters of the viewer's menu in a language: Markdown by heading."""
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

# messages for API clients, always in English
BAD_CALL = (
    "The endpoint cannot use these values. Give one for each parameter, null for what is left out, and as the film "
    "what this page answered when it was sent."
)
NOT_FETCHED = "Films are not fetched from addresses; please send the file itself."
TOOL_FILM = (
    "The film: what the upload tool or this page's /gradio_api/upload answered, or a data: URL in base64 of a file up "
    "to 700 kB. No other address is fetched."
)
