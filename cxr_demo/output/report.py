"""Converts results for output: JSON values of predictions and maps, `maps.npz`, pictures and legends."""

from __future__ import annotations

import platform
import re
from dataclasses import replace
from importlib import metadata
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import cxr_demo
from cxr_demo import methods
from cxr_demo.errors import UnknownLabel
from cxr_demo.films import image
from cxr_demo.messages import message, message_or
from cxr_demo.output import render
from cxr_demo.types import OTHERS, REFERENCE_AREA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from cxr_demo.evaluation.trust import CoverScores, Trust
    from cxr_demo.films.label_tables import Box
    from cxr_demo.types import Explanation, Prediction, Radiograph

#: Packages whose version can affect a map.
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
    """A prediction as JSON values; lists are in the order of `labels`, unknown thresholds are None."""
    return {
        "file": film.name,
        "sha256": film.sha256,
        "model": prediction.model,
        "labels": list(prediction.labels),
        "logits": numbers(prediction.logits),
        "probabilities": numbers(prediction.probabilities),
        "thresholds": numbers(prediction.thresholds),
        "warnings": list(prediction.warnings),
    }


def explanation_fields(explanation: Explanation) -> dict[str, Any]:
    """The settings, cost and outcome of one method's run as JSON values."""
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
        "error_share": None if explanation.error is None else numbers(error_share(explanation)),
        "missing": None if explanation.missing is None else numbers(explanation.missing),
    }


def trust_fields(found: Trust) -> dict[str, Any]:
    """The trust measures of a method's maps as JSON values; lists are in the order of `labels`."""
    each = range(len(found.cover))
    return {
        "verdict": [found.verdict(i).value for i in each],
        "says": [found.says(i) for i in each],
        "cover": list(found.cover),
        "covers": {name: _cover_fields(scores) for name, scores in found.covers.items()},
        "stability": measures(found.stability),
        "outside_lungs": measures(found.outside),
        "at_border": measures(found.border),
        "sum": measures(found.sums),
        "expected_sum": measures(found.expected_sums),
    }


def _cover_fields(found: CoverScores) -> dict[str, Any]:
    """The measures of covers with one content; lists are in the order of `labels`."""
    return {
        "verdict": [found.verdict(i).value for i in range(len(found.score))],
        "removed": measures(found.removed),
        "faithfulness": measures(found.score),
        "faithfulness_of_lungs": measures(found.lungs),
        "rivals": [int(n) for n in found.rivals],
        "chance": measures(found.chance),
        "chance_in_place": measures(found.in_place),
        "faithfulness_limit": measures(found.limit),
    }


def result_fields(
    film: Radiograph,
    prediction: Prediction,
    explanations: Sequence[Explanation],
    trusted: Mapping[str, Trust] | None = None,
    boxes: Sequence[Box] = (),
) -> dict[str, Any]:
    """The content of `result.json`, enough to reproduce the maps: prediction, runs by method, versions.

    `trusted` adds trust measures by method key; `boxes` are a reader's boxes of findings on the film.
    """
    done = {e.method: explanation_fields(e) for e in explanations}
    for key, found in (trusted or {}).items():
        done[key]["trust"] = trust_fields(found)
    seen = {"correction": film.correction, **_part(film), "boxes": [box.fields() for box in boxes]}
    return {**prediction_fields(film, prediction), **seen, "methods": done, "versions": versions()}


def _part(film: Radiograph) -> dict[str, Any]:
    """The `part` of the file's picture that a cropped film shows: left, top, right, bottom in pixels, before turns."""
    return {"part": list(film.part)} if film.part else {}


def versions() -> dict[str, str]:
    """Versions of this package, Python and LIBRARIES by name."""
    known = {"cxr_demo": cxr_demo.__version__, "python": platform.python_version()}
    return known | {name: metadata.version(name) for name in LIBRARIES}


def write_maps(path: Path, explanations: Sequence[Explanation]) -> None:
    """Write `maps.npz`: `labels` (L,), and for each method maps KEY and errors KEY_error, (L, S, S) float32."""
    arrays: dict[str, Any] = {e.method: e.values for e in explanations}
    arrays |= {f"{e.method}_error": e.error for e in explanations if e.error is not None}
    if explanations:
        arrays["labels"] = np.array(explanations[0].labels)
    np.savez_compressed(path, **arrays)


def displayed(explanation: Explanation) -> Explanation:
    """A method's maps as displays show them: blurred where single pixels mean nothing.

    Agreement and measures in boxes use these too, tests by covering the maps as they are.
    """
    if not explanation.grain:
        return explanation
    deviation = explanation.grain * explanation.values.shape[-1]
    blurred = [cv2.GaussianBlur(one, (0, 0), deviation, borderType=cv2.BORDER_REFLECT) for one in explanation.values]
    return replace(explanation, values=np.stack(blurred))


def expected_sum(explanation: Explanation) -> np.ndarray:
    """Logits (L,) that the maps of a method with `missing` stand for: their sums over the view, and what these miss."""
    assert explanation.missing is not None
    found: np.ndarray = explanation.values.mean((1, 2)) / REFERENCE_AREA + explanation.missing
    return found


def error_share(explanation: Explanation) -> np.ndarray:
    """Root mean square of a map's known standard errors, as a share of that of its values: (L,), nan for zeros."""
    assert explanation.error is not None
    known = ~np.isnan(explanation.error)
    count = np.maximum(known.sum((1, 2)), 1)
    error, values = (
        np.sqrt(np.square(np.where(known, one, 0)).sum((1, 2)) / count)
        for one in (explanation.error, explanation.values)
    )
    found: np.ndarray = np.divide(error, values, out=np.full(len(values), np.nan), where=values > 0)
    return found


def unfinished(explanation: Explanation) -> str:
    """A sentence on a stopped run: its reason, and the share of the copies in its map."""
    done, total = explanation.steps
    if not explanation.forwards:
        return f"{explanation.stopped} There is no map."
    return f"{explanation.stopped} Estimate from {done} of {total} copies; uncertainty not measured."


def picture(film: Radiograph, explanation: Explanation, i: int, limit: float) -> np.ndarray:
    """The map of finding `i` over the film, dotted where its sign is unsure: (H, W, 3) uint8.

    `limit` is the value with full colour, in the map's unit.
    """
    placed = image.place(explanation.values[i], film)
    unsure = unsure_at(explanation, i)
    dotted = None if unsure is None else image.place(unsure, film, smooth=False) == 1
    return render.overlay(film.pixels, placed, limit=limit, unit=explanation.unit, unsure=dotted)


def legend(film: Radiograph, prediction: Prediction, explanation: Explanation, i: int, limit: float) -> render.Legend:
    """The legend of the picture of finding `i`, which makes the picture understandable without its folder."""
    finding = _finding(prediction, i)
    if explanation.against == OTHERS:
        finding += f" · rather than {OTHERS}"
    elif explanation.against:
        j = index_of(prediction.labels, explanation.against)
        other = f"{_short(readable(explanation.against))} · {percent(float(prediction.probabilities[j]))}"
        finding += f" · rather than {other}"
    notes = (*_of_map(explanation, i), *_of_film(film, prediction))
    return render.Legend(f"{title_of(explanation)} · {finding}", explanation.unit, limit, notes)


def rather_than(explanation: Explanation, prediction: Prediction, against: str | None) -> Explanation:
    """Differences from the maps of a finding or of OTHERS, see Explanation; the same maps if `against` is None.

    UnknownLabel for a finding that the model does not predict.
    """
    if against is None:
        return explanation
    if against == OTHERS:
        return explanation.rather_than_others(prediction.logits)
    return explanation.rather_than(index_of(prediction.labels, against))


def side_by_side(film: Radiograph, prediction: Prediction, explanations: Sequence[Explanation], i: int) -> np.ndarray:
    """A film and its maps of finding `i` in a row, with legends: (H, W, 3) uint8. Each map has a scale of its own."""
    grey = np.rint(255 * film.pixels).astype(np.uint8)
    maps = []
    for explanation in map(displayed, explanations):
        limit = render.limit_of([explanation.values[i]])
        told = render.Legend(title_of(explanation), explanation.unit, limit, _of_map(explanation, i))
        maps.append((picture(film, explanation, i, limit), told))
    shown = np.repeat(grey[..., None], 3, axis=2)
    return render.side_by_side(shown, _finding(prediction, i), _of_film(film, prediction), maps)


def _finding(prediction: Prediction, i: int) -> str:
    return f"{_short(readable(prediction.labels[i]))} · probability {percent(float(prediction.probabilities[i]))}"


def _of_map(explanation: Explanation, i: int) -> tuple[str, ...]:
    """Notes on the map of finding `i` for its legend."""
    unsure = unsure_at(explanation, i)
    settings = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in explanation.settings.items())
    return (
        f"Colours: {explanation.unit.value}",
        *(["Dark dots: the sign is uncertain"] if unsure is not None and unsure.any() else []),
        *([f"Shown blurred by 1/{round(1 / explanation.grain)} of the view's side"] if explanation.grain else []),
        *([f"Settings: {settings}"] if settings else []),
        *([unfinished(explanation)] if explanation.stopped else []),
    )


def _of_film(film: Radiograph, prediction: Prediction) -> tuple[str, ...]:
    """Notes on a film and its model, which hold for all maps."""
    model = re.sub(r"(@[0-9a-f]{12})[0-9a-f]+$", r"\1", prediction.model)  # 12 digits suffice to identify a commit
    warned = (f"⚠ {warning}" for warning in prediction.warnings)
    return (*warned, f"Model {_short(model)}", f"File {_short(film.name)}", NOTICE)


def picture_fields(
    film: Radiograph, prediction: Prediction, explanation: Explanation, i: int, limit: float
) -> dict[str, Any]:
    """The data to reproduce the picture of finding `i`, as JSON values; the settings include the seed."""
    return {
        "file": film.name,
        "sha256": film.sha256,
        "correction": film.correction,
        **_part(film),
        "model": prediction.model,
        "label": prediction.labels[i],
        **({"against": explanation.against} if explanation.against else {}),
        "probability": float(prediction.probabilities[i]),
        "warnings": list(prediction.warnings),
        "method": explanation.method,
        "settings": dict(explanation.settings),
        "unit": explanation.unit.value,
        "full_colour": limit,
        "versions": versions(),
    }


def slug_of(explanation: Explanation, i: int) -> str:
    """The part of a picture's file name that says which finding's map it shows, and rather than which."""
    other = OTHERS.replace(" ", "-") if explanation.against == OTHERS else explanation.against
    than = f"-rather-than-{other}" if other else ""
    return f"{explanation.labels[i]}{than}"


def _short(name: str, most: int = 64) -> str:
    """Shorten a name to `most` characters by omitting its middle, as names often differ at their ends."""
    half = most // 2
    return name if len(name) <= most else f"{name[:half]}…{name[1 - half :]}"


def unsure_at(explanation: Explanation, i: int) -> np.ndarray | None:
    """The pixels of finding `i`'s map to dot, bool (S, S); None for a method without sign stability."""
    this = slice(i, i + 1)
    unsure = render.unsteady(explanation.values[this], None if explanation.sure is None else explanation.sure[this])
    return None if unsure is None else unsure[0]


def title_of(explanation: Explanation) -> str:
    """A method's display name, or its key if the method is not in METHODS."""
    return next((kind.title for kind in methods.METHODS if kind.key == explanation.method), explanation.method)


def readable(label: str) -> str:
    """A finding's display name."""
    return message_or(f"finding.{label.replace(' ', '_')}", label.replace("_", " "))


def percent(probability: float) -> str:
    """Format a probability in percent, as the page does."""
    return f"{100 * probability:.{1 if probability < 0.0995 else 0}f} %"


def index_of(labels: Sequence[str], label: str) -> int:
    """The index of a finding among the labels, ignoring case and underscores; UnknownLabel if it is missing."""
    wanted = label.lower().replace(" ", "_")
    for i, known in enumerate(labels):
        if known.lower().replace(" ", "_") == wanted:
            return i
    raise UnknownLabel(message("error.finding.unknown", name=repr(label), names=", ".join(labels)))


def measures(values: np.ndarray) -> list[float | None]:
    """Measures (n,) rounded to four decimals; None for nan."""
    return numbers(np.round(values.astype(float), 4))


def numbers(values: np.ndarray) -> list[float | None]:
    """An array (n,) as a list of floats, with None for nan and infinity."""
    return [float(v) if np.isfinite(v) else None for v in values]
