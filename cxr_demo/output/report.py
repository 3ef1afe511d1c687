"""What leaves the program: the fields of a prediction and of a result, map files and pictures."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

import cxr_demo
from cxr_demo import methods
from cxr_demo.errors import UnknownLabel
from cxr_demo.films import image
from cxr_demo.messages import message, message_or
from cxr_demo.output import render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cxr_demo.evaluation.trust import Trust
    from cxr_demo.films.label_tables import Box
    from cxr_demo.types import Explanation, Prediction, Radiograph

#: Packages whose version may change a map.
LIBRARIES = (
    "torch",
    "torchvision",
    "torchxrayvision",
    "grad-cam",
    "lime",
    "scikit-image",
    "numpy",
    "opencv-python-headless",
)

NOTICE = message("page.notice")


def prediction_fields(film: Radiograph, prediction: Prediction) -> dict[str, Any]:
    """A prediction as plain JSON values; lists in the order of `labels`, null where a threshold is unknown."""
    return {
        "file": film.name,
        "sha256": film.sha256,
        "model": prediction.model,
        "labels": list(prediction.labels),
        "logits": numbers(prediction.logits),
        "probabilities": numbers(prediction.probabilities),
        "thresholds": numbers(prediction.thresholds),
        "warnings": [*film.warnings, *prediction.warnings],
    }


def explanation_fields(explanation: Explanation) -> dict[str, Any]:
    """What was done for one method's maps, as plain JSON values."""
    done, total = explanation.steps
    return {
        "settings": dict(explanation.settings),
        "unit": explanation.unit.value,
        "seconds": round(explanation.seconds, 3),
        "forwards": explanation.forwards,
        "samples": {"done": done, "asked": total},
        "precision": explanation.precision,
        "complete": explanation.complete,
        "stopped": explanation.stopped,
        "fidelity": None if explanation.fidelity is None else numbers(explanation.fidelity),
    }


def trust_fields(found: Trust) -> dict[str, Any]:
    """How far a method's maps can be believed, as plain JSON values; lists in the order of `labels`."""
    each = range(len(found.faithfulness))
    return {
        "verdict": [found.verdict(i).value for i in each],
        "says": [found.says(i) for i in each],
        "faithfulness": numbers(found.faithfulness),
        "chance": numbers(found.chance),
        "faithfulness_of_lungs": numbers(found.anatomy),
        "stability": numbers(found.stability),
        "outside_lungs": numbers(found.outside),
        "at_border": numbers(found.border),
    }


def result_fields(
    film: Radiograph,
    prediction: Prediction,
    explanations: Sequence[Explanation],
    trusted: Mapping[str, Trust] | None = None,
    boxes: Sequence[Box] = (),
) -> dict[str, Any]:
    """All that a reader needs to know to repeat the maps: the prediction, per method what was done, versions.

    `trusted`, by method, adds how far its maps can be believed; `boxes` are where somebody sees findings.
    """
    done = {e.method: explanation_fields(e) for e in explanations}
    for key, found in (trusted or {}).items():
        done[key]["trust"] = trust_fields(found)
    seen = {"correction": film.correction, "boxes": [box.fields() for box in boxes]}
    return {**prediction_fields(film, prediction), **seen, "methods": done, "versions": versions()}


def versions() -> dict[str, str]:
    """Versions of everything that may change a map."""
    known = {"cxr_demo": cxr_demo.__version__, "python": platform.python_version()}
    return known | {name: metadata.version(name) for name in LIBRARIES}


def write_maps(path: Path, explanations: Sequence[Explanation]) -> None:
    """`maps.npz`: one array (L, S, S) float32 per method key, and `labels` (L,)."""
    arrays: dict[str, Any] = {e.method: e.values for e in explanations}
    if explanations:
        arrays["labels"] = np.array(explanations[0].labels)
    np.savez_compressed(path, **arrays)


def picture(film: Radiograph, explanation: Explanation, i: int, limit: float) -> np.ndarray:
    """The film under the map of finding `i`, hatched where its sign is unsure: (H, W, 3) uint8."""
    placed = image.place(explanation.values[i], film)
    unsure = unsure_at(explanation, i)
    hatched = None if unsure is None else image.place(unsure, film, smooth=False) == 1
    return render.overlay(film.pixels, placed, limit=limit, unit=explanation.unit, unsure=hatched)


def legend(film: Radiograph, prediction: Prediction, explanation: Explanation, i: int, limit: float) -> render.Legend:
    """What somebody should know who has only the picture of finding `i`, not the folder around it."""
    finding = f"{_short(readable(prediction.labels[i]))} · probability {percent(float(prediction.probabilities[i]))}"
    model = re.sub(r"(@[0-9a-f]{12})[0-9a-f]+$", r"\1", prediction.model)  # a commit, as far as it tells it
    unsure = unsure_at(explanation, i)
    notes = (
        f"Colours: {explanation.unit.value}",
        *(["Dark lines: the sign is unsure"] if unsure is not None and unsure.any() else []),
        *(f"⚠ {warning}" for warning in (*prediction.warnings, *film.warnings)),
        f"Model {_short(model)}",
        f"File {_short(film.name)}",
        NOTICE,
    )
    return render.Legend(f"{title_of(explanation)} · {finding}", explanation.unit, limit, notes)


def picture_fields(
    film: Radiograph, prediction: Prediction, explanation: Explanation, i: int, limit: float
) -> dict[str, Any]:
    """All that is needed to make the picture of finding `i` again, as plain JSON values; a seed is a setting."""
    return {
        "file": film.name,
        "sha256": film.sha256,
        "correction": film.correction,
        "model": prediction.model,
        "label": prediction.labels[i],
        "probability": float(prediction.probabilities[i]),
        "method": explanation.method,
        "settings": dict(explanation.settings),
        "unit": explanation.unit.value,
        "full_colour": limit,
        "versions": versions(),
    }


def _short(name: str, most: int = 64) -> str:
    """A name without its middle where it is long: what tells files and models apart often stands at the end."""
    half = most // 2
    return name if len(name) <= most else f"{name[:half]}…{name[1 - half :]}"


def unsure_at(explanation: Explanation, i: int) -> np.ndarray | None:
    """Which places of finding `i`'s map are hatched: bool (S, S); None where the method does not say."""
    this = slice(i, i + 1)
    unsure = render.unsteady(explanation.values[this], None if explanation.sure is None else explanation.sure[this])
    return None if unsure is None else unsure[0]


def title_of(explanation: Explanation) -> str:
    """A method's name for people; the key of one that is not among ours."""
    return next((kind.title for kind in methods.METHODS if kind.key == explanation.method), explanation.method)


def readable(label: str) -> str:
    """A finding as people write it."""
    return message_or(f"finding.{label.replace(' ', '_')}", label.replace("_", " "))


def percent(probability: float) -> str:
    """A probability as the page writes it."""
    return f"{100 * probability:.{1 if probability < 0.0995 else 0}f} %"


def index_of(labels: Sequence[str], label: str) -> int:
    """Where a finding stands among the model's labels, however it is spelled; UnknownLabel lists them."""
    wanted = label.lower().replace(" ", "_")
    for i, known in enumerate(labels):
        if known.lower().replace(" ", "_") == wanted:
            return i
    raise UnknownLabel(message("error.finding.unknown", name=repr(label), names=", ".join(labels)))


def numbers(values: np.ndarray) -> list[float | None]:
    """Plain numbers (n,), None where there is none."""
    return [float(v) if np.isfinite(v) else None for v in values]
