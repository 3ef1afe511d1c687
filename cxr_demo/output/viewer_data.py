"""What the browser is told: numbers, never coloured pictures. The viewer draws everything."""

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

#: The longest side of a film, and of a map, as the browser gets it.
FILM_SIDE, MAP_SIDE = 1024, 256

#: The browser's program in one file, made of the modules in ASSETS by `make viewer`.
BUNDLE = ASSETS / "dist" / "viewer.js"

#: What the viewer asks for beside maps.
EVENTS = ("film", "stop", "pixels", "estimate", "trust", "scramble", "export", "bundle", "named")

#: The DOM event in which the viewer hears every answer.
CHANNEL_EVENT = "cxr-answer"


def script(kinds: Sequence[type[Method]]) -> str:
    """The viewer's program as the body of a function in which Gradio gives `element`, `props`, `trigger`, `upload`.

    Its events are those of EVENTS, and "run_" + key for every method.
    """
    return _program(kinds, "viewer.start({element, props, trigger, upload}, NAMES);")


def recorded_script(kinds: Sequence[type[Method]]) -> str:
    """The same for a page of its own, whose element `recorded` holds a film and all answers about it."""
    return _program(kinds, "viewer.startRecorded(NAMES);")


def _program(kinds: Sequence[type[Method]], call: str) -> str:
    events = {**{name: name for name in EVENTS}, **{kind.key: run_event(kind) for kind in kinds}}
    names = json.dumps({"events": events, "channel": CHANNEL_EVENT})
    return f"{BUNDLE.read_text(encoding='utf-8')}\n{call.replace('NAMES', names)}\n"


def run_event(kind: type[Method]) -> str:
    """The viewer's event that asks for a method's maps."""
    return f"run_{kind.key}"


def about_fields(spec: Mapping[str, Any], name: str, shown: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the viewer knows before any film: a model by the name it goes by, methods as `method_fields` has them."""
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
        "accepts": [],
        "megabytes": 0,
        "refused": record(messages.REFUSED),
        "turns": {key: turns for key, (turns, _) in image.CORRECTIONS.items()},
        "depths": [choice(depth, randomisation.depth_title(depth)) for depth in randomisation.DEPTHS],
        "stays": randomisation.STAYS,
        "faintest": render.FAINTEST,
        "languages": messages.languages(),
    }


def model_fields(name: str, title: str) -> dict[str, Any]:
    """A model that may be chosen."""
    return {"name": name, "title": record(title)}


def method_fields(kind: type[Method], on: bool) -> dict[str, Any]:
    """A method as its card shows it."""
    return {
        "key": kind.key,
        "title": record(kind.title),
        "unit": choice(unit_key(kind.unit), message(f"unit.{unit_key(kind.unit)}")),
        "comparable": kind.unit.comparable,
        "signed": kind.unit.signed,
        "paper": kind.paper,
        "reading": record(kind.reading),
        "on": on,
        "settings": [setting_fields(s) for s in settings_of(kind)],
    }


def setting_fields(setting: Setting) -> dict[str, Any]:
    """A setting as a control of its method's card."""
    choices = [choice(key, message_or(f"choice.{key}", key)) for key in setting.choices]
    return vars(setting) | {"title": record(setting.title), "help": record(setting.help), "choices": choices}


def unit_key(unit: Unit) -> str:
    """A unit in requests and in identities of messages."""
    return unit.name.lower()


def spec_fields(spec: ModelSpec, name: str) -> dict[str, Any]:
    """What a model, by its full name, is and how good it was measured to be."""
    return {
        "title": record(spec.name),
        "revision": name,
        "labels": list(spec.labels),
        "trained_on": spec.trained_on,
        "scored_on": spec.scored_on,
        "auroc": _auroc(spec),
        "means": [score_fields(s) for s in spec.scores if s.finding == "mean"],
    }


def score_fields(score: Score) -> dict[str, Any]:
    """A measured figure of a model."""
    metric = message_or(f"model.metric.{slug(score.metric)}", score.metric)
    subset = message_or(f"model.subset.{slug(score.subset)}", score.subset)
    return vars(score) | {"metric": record(metric), "subset": record(subset)}


def phantom_fields(one: phantom.Phantom) -> dict[str, Any]:
    """A phantom as an example, with what is known to be true of it; `edges` left, top, right, bottom in shares."""
    there = np.argwhere(phantom.truth(one.key))
    edges = [*there.min(0)[::-1], *(there.max(0)[::-1] + 1)] if len(there) else None
    return {
        "key": one.key,
        "title": record(one.title),
        "planted": record(one.planted),
        "finding": one.finding,
        "edges": None if edges is None else [float(edge / phantom.SIZE) for edge in edges],
    }


def example_fields(film: ExampleFilm) -> dict[str, Any]:
    """A public film as an example."""
    return {"key": film.name, "title": record(film.title), "credit": record(film.credit)}


def lesson_fields(kind: type[Method]) -> dict[str, Any]:
    """Where a method fails: the film by its key, the model, and the boxes of what is planted."""
    lesson = failure_cases.LESSONS[kind.key]
    return {
        "key": lesson.key,
        "title": record(kind.title),
        "model": model_fields(lesson.model, lesson.name),
        "boxes": [{"label": failure_cases.LABEL, "edges": edges, "given": True} for edges in lesson.boxes],
    }


def _auroc(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """Per label the AUROC on the first films it was measured on."""
    first: dict[str, Score] = {}
    for score in spec.scores:
        if score.metric == "AUROC" and score.finding in spec.labels:
            first.setdefault(score.finding, score)
    return {label: score_fields(score) for label, score in first.items()}


def case_fields(film: Radiograph, prediction: Prediction) -> dict[str, Any]:
    """The film once, and what the model says of it; unknown thresholds are null.

    `doubted` where it is no chest film that lies upright, `correction` what would put it right.
    """
    correction = prediction.correction
    return {
        "labels": list(prediction.labels),
        "probabilities": prediction.probabilities.tolist(),
        "thresholds": [float(t) if np.isfinite(t) else None for t in prediction.thresholds],
        "ranked": prediction.ranked(),
        "warnings": [record(warning) for warning in (*prediction.warnings, *film.warnings)],
        "doubted": bool(prediction.warnings),
        "correction": correction and choice(correction, image.correction_title(correction)),
        "film": film_fields(film),
    }


def foremost(prediction: Prediction) -> int:
    """The first finding, as in `predictions.js`: the most probable finding that is above its threshold."""
    ranked = prediction.ranked()
    above = [i for i in ranked if prediction.probabilities[i] >= prediction.thresholds[i]]
    return (above or ranked)[0]


def film_fields(film: Radiograph) -> dict[str, Any]:
    """The film as an 8-bit PNG of at most FILM_SIDE, and the model's view as fractions of it.

    `deeper` where the film itself has more pixels or more grey levels, which `pixels_of` packs.
    """
    height, width = film.pixels.shape
    small = image.shrunk(film, FILM_SIDE)
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
    """Boxes on a film: `edges` left, top, right, bottom in shares of it."""
    height, width = film.pixels.shape
    return [
        {"label": box.label, "edges": [edge / side for edge, side in zip(box.edges, (width, height) * 2, strict=True)]}
        for box in boxes
    ]


def pixels_of(film: Radiograph) -> bytes:
    """A film in 65,536 grey levels, deflated: steps along each row modulo 2^16, high bytes before low ones."""
    levels = np.rint(film.pixels * 65535).astype(np.uint16)
    steps = np.diff(levels, axis=1, prepend=np.uint16(0))
    packed = np.empty((2, *steps.shape), np.uint8)
    packed[0], packed[1] = steps >> 8, steps & 255
    return zlib.compress(packed.tobytes(), 1)


def progress_fields(explanation: Explanation) -> dict[str, Any]:
    """How far a method has come, and how it ended."""
    fidelity = explanation.fidelity
    return {
        "steps": list(explanation.steps),
        "seconds": round(explanation.seconds, 2),
        "forwards": explanation.forwards,
        "complete": explanation.complete,
        "stopped": explanation.stopped and record(explanation.stopped),
        "fidelity": None if fidelity is None else [float(v) if np.isfinite(v) else None for v in fidelity],
    }


def map_fields(explanation: Explanation) -> dict[str, Any]:
    """All findings' maps as int8 planes: value = byte * scale; `limit` is what gets full colour.

    `unsure` is a bit per cell that is to be hatched, null where the method does not say.
    """
    unsure = render.unsteady(explanation.values, explanation.sure)
    planes, scales = render.quantise(reduced(explanation.values))
    return {
        "labels": list(explanation.labels),
        "side": planes.shape[-1],
        "scale": scales.tolist(),
        "limit": [render.limit_of([values]) for values in explanation.values],
        "data": _packed(planes),
        "unsure": None if unsure is None else _packed(np.packbits(reduced(unsure.astype(float)) >= 0.5)),
    }


def _packed(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 6)).decode()


def reduced(values: np.ndarray) -> np.ndarray:
    """Maps (L, S, S) as means of blocks, so that their side is at most MAP_SIDE where S can be halved."""
    side = values.shape[-1]
    if side <= MAP_SIDE or side % 2:
        return values
    blocks: np.ndarray = values.reshape(len(values), side // 2, 2, side // 2, 2).mean((2, 4))
    return reduced(blocks)


def palettes() -> list[dict[str, Any]]:
    """The palettes as choices, the default first, each with `colours` by unit: positions with red, green, blue."""
    return [
        {
            **choice(name, message(f"palette.{slug(name)}")),
            "colours": {unit_key(unit): [list(stop) for stop in table] for unit, table in by_unit.items()},
        }
        for name, by_unit in render.PALETTES.items()
    ]
