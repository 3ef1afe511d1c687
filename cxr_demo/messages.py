"""The page's sentences that belong to no method and no model, and what it says in other languages.

Python speaks English. In `languages/` a catalogue `xx.json` holds, for another language, what the page and the engine
say, by the English sentence ({0}, {1} ... for what differs), and `xx.md` the chapters under the viewer; the browser
chooses and translates (`web/viewer/i18n.js`).
"""

import json
from pathlib import Path
from typing import Any

#: Where the catalogues lie.
LANGUAGES = Path(__file__).parent / "languages"

TITLE = "Chest X-ray: findings, and three views of why"
TAGLINE = "One film, one finding, several explanations side by side."

FAILED = "Something went wrong on our side, not with your film. Please try again."
BAD_CALL = (
    "The endpoint cannot use these values. Give one for each parameter, null for what is left out, and as the film "
    "what this page answered when it was sent."
)
NO_DISK = "This service cannot keep what was asked for: it has no room left, or may not write. Please try again later."
REFUSED = "This could not be done just now; too many may be waiting. Please try again."
NO_MAPS = "There are no finished maps of this film here, or they are no longer kept; please run a method again."
NOT_PACKED = "What was packed is no longer here; please save it again."
NOT_FETCHED = "Films are not fetched from addresses; please send the file itself."
TOOL_FILM = (
    "The film: what the upload tool or this page's /gradio_api/upload answered, or a data: URL in base64 of a file up "
    "to 700 kB. No other address is fetched."
)


def languages() -> dict[str, dict[str, Any]]:
    """By code: a language's `name`, the codes of `also` who reads it, and its `texts`; English first."""
    codes = sorted((path.stem for path in LANGUAGES.glob("*.json")), key=lambda code: (code != "en", code))
    return {code: json.loads((LANGUAGES / f"{code}.json").read_text(encoding="utf-8")) for code in codes}


def chapters(code: str) -> dict[str, str]:
    """What stands under the viewer in a language: Markdown by heading."""
    _, *parts = (LANGUAGES / f"{code}.md").read_text(encoding="utf-8").split("\n# ")
    return {heading: body.strip() for heading, _, body in (part.partition("\n") for part in parts)}
