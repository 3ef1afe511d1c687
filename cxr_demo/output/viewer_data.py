"""Converts films, predictions, maps and models to JSON values for the viewer, which colours the maps itself."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo import messages
from cxr_demo.evaluation import randomisation
from cxr_demo.films import image, phantom
from cxr_demo.messages import choice, message, message_or, record, slug
from cxr_demo.methods.base import settings_of
from cxr_demo.models import failure_cases
from cxr_demo.output import render, report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.films.label_tables import Box
    from cxr_demo.methods.base import Method, Setting
    from cxr_demo.models.hub import ExampleFilm
    from cxr_demo.types import Explanation, ModelSpec, Prediction, Radiograph, Score, Unit

ASSETS = Path(__file__).parents[1] / "web" / "viewer"

#: The longest side, in pixels, of a film, of a map, and of an example's small picture sent to the browser.
FILM_SIDE, MAP_SIDE, PICTURE_SIDE = 1024, 256, 96

#: A finding of a lower probability is not shown first, however far above its cut-off it is.
LEAST = 0.05

#: The viewer's program in one file; `make viewer` bundles it from the modules in ASSETS.
BUNDLE = ASSETS / "dist" / "viewer.js"

#: The viewer's requests other than those for maps.
EVENTS = ("film", "stop", "pixels", "estimate", "trust", "scramble", "export", "bundle", "named", "wake")

#: The DOM event that delivers all answers to the viewer.
CHANNEL_EVENT = "cxr-answer"


def script(kinds: Sequence[type[Method]]) -> str:
    """The viewer's program as a function body, to which Gradio passes `element`, `props`, `trigger` and `upload`.

    Its events are those in EVENTS, and one per method, named by `run_event`.
    """
    return _program(kinds, "viewer.start({element, props, trigger, upload}, NAMES);")


def recorded_script(kinds: Sequence[type[Method]]) -> str:
    """The viewer's program for a stand-alone page; its element `recorded` contains a film with all answers."""
    return _program(kinds, "viewer.startRecorded(NAMES);")


def _program(kinds: Sequence[type[Method]], call: str) -> str:
    events = {**{name: name for name in EVENTS}, **{kind.key: run_event(kind) for kind in kinds}}
    names = json.dumps({"events": events, "channel": CHANNEL_EVENT})
    return f"{BUNDLE.read_text(encoding='utf-8')}\n{call.replace('NAMES', names)}\n"


def run_event(kind: type[Method]) -> str:
    """The name of the viewer's event that requests a method's maps."""
    return f"run_{kind.key}"


def about_fields(spec: Mapping[str, Any], name: str, shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The viewer's initial data: one model with its spec from `spec_fields`, and methods from `method_fields`."""
    return {
        "title": record(messages.TITLE),
        "tagline": record(messages.TAGLINE),
        "notice": record(report.NOTICE),
        "model": name,
        "models": [{"name": name, "title": spec["title"]}],
        "guests": False,
        "spec": spec,
        "methods": list(shown),
        "palettes": palettes(),
        "opacity": 0.6,
        "phantoms": [],
        "lessons": [],
        "examples": [],
        "example": None,
        "signatures": [],
        "withoutImage": [],
        "megabytes": 0,
        "refused": record(messages.REFUSED),
        "turns": {crop + key: turns for key, (turns, _) in image.CORRECTIONS.items() for crop in ("", image.CROP_AND)},
        "depths": [choice(depth, randomisation.depth_title(depth)) for depth in randomisation.DEPTHS],
        "stays": randomisation.STAYS,
        "faintest": render.FAINTEST,
        "languages": messages.languages(),
    }


def model_fields(name: str, title: str) -> dict[str, Any]:
    """A model of the menu."""
    return {"name": name, "title": record(title)}


def method_fields(kind: type[Method], on: bool) -> dict[str, Any]:
    """The content of a method's card; `on` selects the method."""
    return {
        "key": kind.key,
        "title": record(kind.title),
        "unit": choice(unit_key(kind.unit), message(f"unit.{unit_key(kind.unit)}")),
        "comparable": kind.unit.comparable,
        "signed": kind.unit.signed,
        "paper": kind.paper,
        "reading": record(kind.reading),
        "cost": kind.cost.value,
        "on": on,
        "settings": [setting_fields(s) for s in settings_of(kind)],
    }


def setting_fields(setting: Setting) -> dict[str, Any]:
    """A setting as a control on its method's card."""
    choices = [choice(key, message_or(f"choice.{key}", key)) for key in setting.choices]
    return vars(setting) | {"title": record(setting.title), "help": record(setting.help), "choices": choices}


def unit_key(unit: Unit) -> str:
    """A unit's key in requests and in message identities."""
    return unit.name.lower()


def spec_fields(spec: ModelSpec, name: str) -> dict[str, Any]:
    """A model's description and scores; `name` is its full name with revision."""
    return {
        "title": record(spec.name),
        "revision": name,
        "labels": list(spec.labels),
        "trained_on": spec.trained_on,
        "scored_on": spec.scored_on,
        "auroc": _auroc(spec),
        "means": [
            score_fields(s) for s in sorted(spec.scores, key=_flatters) if s.finding == "mean" or len(spec.labels) == 1
        ],
    }


def score_fields(score: Score) -> dict[str, Any]:
    """A measured metric of a model, with its interval."""
    metric = message_or(f"model.metric.{slug(score.metric)}", score.metric)
    subset = message_or(f"model.subset.{slug(score.subset)}", score.subset)
    return vars(score) | {"metric": record(metric), "subset": record(subset)}


def phantom_fields(one: phantom.Phantom, drawing: Mapping[str, Any]) -> dict[str, Any]:
    """A phantom as an example, with its planted finding; `drawing` as `drawing_fields` returns it."""
    named = {"key": one.key, "title": record(one.title), "planted": record(one.planted), "finding": one.finding}
    return {**named, **drawing}


def drawing_fields(key: str) -> dict[str, Any]:
    """A phantom's small picture as a data URL, and the place of its finding; drawing the first one takes seconds.

    `edges` are left, top, right, bottom in shares, or None.
    """
    there = np.argwhere(phantom.truth(key))
    edges = [*there.min(0)[::-1], *(there.max(0)[::-1] + 1)] if len(there) else None
    return {
        "picture": render.data_uri(phantom.draw(key, PICTURE_SIDE)),
        "edges": None if edges is None else [float(edge / phantom.SIZE) for edge in edges],
    }


def example_fields(film: ExampleFilm) -> dict[str, Any]:
    """A public film as an example, with its credit line."""
    return {"key": film.name, "title": record(film.title), "credit": record(film.credit)}


def lesson_fields(kind: type[Method]) -> dict[str, Any]:
    """A method's failure case: the film's key, the model, and boxes of the planted finding."""
    lesson = failure_cases.LESSONS[kind.key]
    return {
        "key": lesson.key,
        "title": record(kind.title),
        "model": model_fields(lesson.model, lesson.name),
        "boxes": [{"label": failure_cases.LABEL, "edges": edges, "given": True} for edges in lesson.boxes],
    }


def _auroc(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """An AUROC of each label that has one: within a source, if it was measured there."""
    first: dict[str, Score] = {}
    for score in sorted(spec.scores, key=_flatters):
        if score.metric == "AUROC" and score.finding in spec.labels:
            first.setdefault(score.finding, score)
    return {label: score_fields(score) for label, score in first.items()}


def _flatters(score: Score) -> tuple[bool, int]:
    """Sort key: figures within one source first, those of most positives first among them.

    Labels are frequent in some sources and absent in others, so that a figure over all sources flatters every model.
    """
    within = score.subset.startswith("within")
    return (not within, -score.positives if within else 0)


def case_fields(film: Radiograph, prediction: Prediction, film_side: int = FILM_SIDE) -> dict[str, Any]:
    """A film and its prediction; unknown thresholds are None.

    `doubted` is true if the gate refuses the film as no upright chest film, or one with margins; `correction` is its
    suggested fix, with the `part` of the picture that a crop keeps.
    """
    correction = prediction.correction
    return {
        "labels": list(prediction.labels),
        "probabilities": prediction.probabilities.tolist(),
        "thresholds": [float(t) if np.isfinite(t) else None for t in prediction.thresholds],
        "ranked": prediction.ranked(),
        "warnings": [record(warning) for warning in prediction.warnings],
        "doubted": prediction.doubted,
        **({"exclusive": True} if prediction.exclusive else {}),
        "correction": correction and _offer(correction, prediction.part),
        "film": film_fields(film, film_side),
    }


def _offer(correction: str, part: tuple[float, ...] | None) -> dict[str, Any]:
    """A correction as a choice; `part` is left, top, right, bottom in shares of the picture, None without a crop."""
    return {**choice(correction, image.correction_title(correction)), "part": part and list(part)}


def foremost(prediction: Prediction) -> int:
    """Index of the finding to show first, as in `predictions.js`.

    Of the findings with a probability of LEAST or more, the one whose log odds exceed those of its cut-off by the most;
    without such a finding, the most probable of all.
    """
    ranked = prediction.ranked()
    p, cutoff = (
        np.clip(values[ranked].astype(float), 1e-6, 1 - 1e-6)
        for values in (prediction.probabilities, prediction.thresholds)
    )
    margins = np.where((p < LEAST) | np.isnan(cutoff), -np.inf, np.log(p / (1 - p)) - np.log(cutoff / (1 - cutoff)))
    return ranked[int(margins.argmax())]


def film_fields(film: Radiograph, longest: int = FILM_SIDE) -> dict[str, Any]:
    """The film as an 8-bit PNG of at most `longest` pixels per side, and the model's crop in shares of the film.

    `deeper` is true if the film has more pixels or grey levels than the PNG; `pixels_of` gives these.
    """
    height, width = film.pixels.shape
    small = image.shrunk(film, longest)
    crop = film.crop
    return {
        "name": film.name,
        "width": width,
        "height": height,
        "deeper": small is not film or not np.allclose(film.pixels * 255, np.rint(film.pixels * 255), atol=1e-3),
        "png": render.data_uri(np.rint(small.pixels * 255).astype(np.uint8)),
        "crop": {
            "left": crop.left / width,
            "top": crop.top / height,
            "width": crop.side / width,
            "height": crop.side / height,
        },
    }


def box_fields(film: Radiograph, boxes: Sequence[Box]) -> list[dict[str, Any]]:
    """A reader's boxes on a film; `edges` are left, top, right, bottom in shares of the film."""
    height, width = film.pixels.shape
    return [
        {"label": box.label, "edges": [edge / side for edge, side in zip(box.edges, (width, height) * 2, strict=True)]}
        for box in boxes
    ]


def pixels_of(film: Radiograph) -> bytes:
    """A film in 65,536 grey levels, zlib-compressed: differences along rows modulo 2^16, all high bytes first."""
    levels = np.rint(film.pixels * 65535).astype(np.uint16)
    steps = np.diff(levels, axis=1, prepend=np.uint16(0))
    packed = np.empty((2, *steps.shape), np.uint8)
    packed[0], packed[1] = steps >> 8, steps & 255
    return zlib.compress(packed.tobytes(), 1)


def progress_fields(explanation: Explanation) -> dict[str, Any]:
    """The progress, cost and outcome of a method's run."""
    fidelity, missing = explanation.fidelity, explanation.missing
    return {
        "steps": list(explanation.steps),
        "seconds": round(explanation.seconds, 2),
        "forwards": explanation.forwards,
        "complete": explanation.complete,
        "stopped": explanation.stopped and record(explanation.stopped),
        "fidelity": None if fidelity is None else report.numbers(fidelity),
        "error_share": None if explanation.error is None else report.numbers(report.error_share(explanation)),
        "missing": None if missing is None else report.numbers(missing),
        "expected_sum": None if missing is None else report.numbers(report.expected_sum(explanation)),
    }


def map_fields(explanation: Explanation) -> dict[str, Any]:
    """The maps of all findings as int8 planes, zlib-compressed in base64: value = byte * scale.

    `limit` is each map's value with full colour. `unsure` has one bit per cell, set for cells to dot, and is None
    for a method without sign stability. `blurred` is true of maps that displays blur.
    """
    blurred = explanation.grain > 0
    explanation = report.displayed(explanation)
    unsure = render.unsteady(explanation.values, explanation.sure)
    planes, scales = render.quantise(reduced(explanation.values))
    return {
        "labels": list(explanation.labels),
        "side": planes.shape[-1],
        "scale": scales.tolist(),
        "limit": [render.limit_of([values]) for values in explanation.values],
        "data": _packed(planes),
        "blurred": blurred,
        "unsure": None if unsure is None else _packed(np.packbits(reduced(unsure.astype(float)) >= 0.5)),
    }


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 6)).decode()


def reduced(values: np.ndarray) -> np.ndarray:
    """Average maps (L, S, S) over 2 x 2 blocks until their side is odd or at most MAP_SIDE."""
    side = values.shape[-1]
    if side <= MAP_SIDE or side % 2:
        return values
    blocks: np.ndarray = values.reshape(len(values), side // 2, 2, side // 2, 2).mean((2, 4))
    return reduced(blocks)


def palettes() -> list[dict[str, Any]]:
    """The palettes as choices, the default first, each with `colours` by unit: (position, red, green, blue) stops."""
    return [
        {
            **choice(name, message(f"palette.{slug(name)}")),
            "colours": {unit_key(unit): [list(stop) for stop in table] for unit, table in by_unit.items()},
        }
        for name, by_unit in render.PALETTES.items()
    ]
