"""The example on the empty page, and the phantoms' pictures: recorded answers, which cost the server nothing.

`make example` records them again, after a change of the bundled model, its calibration or its cut-offs, of the default
methods, of the phantom, or of the fields in `viewer_data` and `trust_data`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.files import write_whole
from cxr_demo.films import phantom
from cxr_demo.models import model_folder, registry
from cxr_demo.output import html_report, viewer_data
from cxr_demo.output.result import complete

if TYPE_CHECKING:
    from cxr_demo.models.classifier import Classifier

FILE = Path(__file__).with_name("example.json")

#: The recorded model, and the key of the phantom.
MODEL, PHANTOM = registry.OFFERED[0], "effusion"

#: Longest side of the recorded film in pixels; the record is part of the page.
FILM_SIDE = 384


def fields(model: Classifier) -> dict[str, Any] | None:
    """The phantom's key and the recorded answers by event; None for another model than the recorded one."""
    found = _recorded()
    return {"key": PHANTOM, "answers": found["answers"]} if found["model"] == _identity(model) else None


def phantoms() -> list[dict[str, Any]]:
    """All phantoms as examples, with their recorded pictures."""
    drawings = _recorded()["drawings"]
    return [viewer_data.phantom_fields(one, drawings[key]) for key, one in phantom.PHANTOMS.items()]


def _recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def record() -> None:
    """Explain the phantom with the bundled model and the default methods; write answers and pictures to FILE."""
    model = registry.load(MODEL)
    drawn = phantom.PHANTOMS[PHANTOM]
    case = Case(model, drawn.film())
    explanations = [case.last_explanation(kind()) for kind in methods.DEFAULTS]
    planted = model.labels.index(drawn.finding) if drawn.finding else None
    answers = html_report.answers(complete(case, explanations, finding=planted), FILM_SIDE)
    drawings = {key: viewer_data.drawing_fields(key) for key in phantom.PHANTOMS}
    found = {"model": _identity(model), "answers": answers, "drawings": drawings}
    write_whole(FILE, json.dumps(html_report.plain(found), allow_nan=False, separators=(",", ":")) + "\n")


def _identity(model: Classifier) -> dict[str, str]:
    """A model's name with the checksum of its weights, and the checksum of its description."""
    return {"name": model.name, "description": hashlib.sha256(model_folder.dumps(model.spec).encode()).hexdigest()}


if __name__ == "__main__":
    record()
