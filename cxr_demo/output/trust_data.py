"""Converts trust measures and weight randomisation of a film's maps to JSON values for the browser."""

from __future__ import annotations

import base64
import itertools
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.evaluation import metrics, randomisation, trust
from cxr_demo.films import image, phantom
from cxr_demo.messages import decimal, message, record
from cxr_demo.output import report, viewer_data

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cxr_demo.evaluation.origin import Origin
    from cxr_demo.films.label_tables import Box
    from cxr_demo.inference.scoring import Budget
    from cxr_demo.types import Explanation, Radiograph

#: Cells per side of the agreement overlay.
OVERLAY = 56
#: Maximum number of a film's boxes that are measured.
MOST_BOXES = 50


def assessment_fields(
    assessment: trust.Assessment, explanations: Mapping[str, Explanation], film: Radiograph, boxes: Sequence[Box]
) -> dict[str, Any]:
    """All measures of the displayed maps; curves and overlay are for the assessment's finding."""
    finding, held = assessment.finding, assessment.controls
    return {
        "finding": finding,
        "methods": {key: _verdicts(found) for key, found in assessment.trust.items()},
        "curves": curve_fields(assessment.curves, held, finding),
        "agreement": agreement_fields(explanations),
        "overlay": overlay_fields(explanations, finding),
        "origin": _origin(assessment.origin),
        "lungs": record(held.lungs.said),
        "lungs_area": float(held.lungs.mask.mean()),
        "planted": _planted(held, film, next(iter(explanations.values())).labels),
        "marker": np.abs(held.marker).max(0).tolist(),
        "boxes": localisation_fields(explanations, film, boxes),
        "seconds": round(assessment.seconds, 2),
    }


def _verdicts(found: trust.Trust) -> dict[str, Any]:
    each = range(len(found.cover))
    return report.trust_fields(found) | {
        "says": [[record(sentence) for sentence in found.sentences(i)] for i in each],
        "short": [record(found.short(i)) for i in each],
    }


def _planted(held: trust.Controls, film: Radiograph, labels: Sequence[str]) -> dict[str, Any] | None:
    """A sentence on the effect of a phantom's planted finding on the model's score; None for other films."""
    drawn = phantom.recognised(film)
    if drawn is None or drawn.finding is None or drawn.finding not in labels:
        return None
    moved = held.tests["normal"].removed[labels.index(drawn.finding)]
    value = decimal(f"{round(float(moved), 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}"))
    return record(message("verdict.planted", finding=report.readable(drawn.finding), value=value))


def curve_fields(curves: Mapping[str, trust.Curve], held: trust.Controls, i: int) -> dict[str, Any]:
    """The curves of finding `i` in logits over the shares: by method, of random maps and of the lungs."""
    random = held.random[i]
    mean = trust.Curve(np.mean([c.deletion for c in random], 0), np.mean([c.insertion for c in random], 0))
    lines = {**curves, "random": mean.both_ways(), "lungs": held.anatomy[i]}
    return {
        "shares": trust.SHARES.tolist(),
        "lines": [
            {"name": name, "deletion": c.deletion.tolist(), "insertion": c.insertion.tolist(), "gap": c.gap}
            for name, c in lines.items()
        ],
    }


def agreement_fields(explanations: Mapping[str, Explanation]) -> list[dict[str, Any]]:
    """Agreement of each pair of maps as displayed, by finding; `...Others` are of other findings, a control."""
    grids = {key: trust.on_grid(report.displayed(e).values) for key, e in explanations.items()}
    found = []
    for a, b in itertools.combinations(grids, 2):
        rank, rank_others = metrics.related(metrics.rank_correlation(grids[a], grids[b]))
        top, top_others = metrics.related(metrics.overlap(grids[a], grids[b]))
        parts = {"rank": rank, "rankOthers": rank_others, "top": top, "topOthers": top_others}
        found.append({"pair": [a, b], **{name: report.numbers(values) for name, values in parts.items()}})
    return found


def overlay_fields(explanations: Mapping[str, Explanation], i: int) -> dict[str, Any] | None:
    """Signed agreement and conflict of all methods' maps: two int8 planes in units of 1/127; None for one method."""
    if len(explanations) < 2:
        return None
    maps = [image.by_area(report.displayed(e).values[i : i + 1], OVERLAY)[0] for e in explanations.values()]
    planes = np.rint(np.stack(metrics.consensus(maps)) * 127).astype(np.int8)
    return {"side": OVERLAY, "data": _packed(planes)}


def _origin(found: Origin | None) -> dict[str, Any] | None:
    """The drops of Grad-CAM's highest cell as an int8 plane in units of 1/127 of the largest; the outline's level."""
    if found is None:
        return None
    unit = found.drops.max() / 127
    plane = np.rint(found.drops / unit).astype(np.int8)
    data = {"side": len(plane), "data": _packed(plane), "level": round(float(found.level / unit), 1)}
    return {"method": methods.GradCAM.key, **data}


def _packed(planes: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode()


def localisation_fields(
    explanations: Mapping[str, Explanation], film: Radiograph, boxes: Sequence[Box]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Localisation metrics of maps as displayed, by finding with boxes on the film and by method key."""
    labels = next(iter(explanations.values())).labels
    edges: dict[str, list[tuple[float, float, float, float]]] = {}
    for box in boxes[:MOST_BOXES]:
        if box.label in labels:
            edges.setdefault(box.label, []).append(image.in_view(box.edges, film.crop))
    maps = {key: rounded(report.displayed(e).values) for key, e in explanations.items()}
    return {
        label: {key: _placed(values[labels.index(label)], places) for key, values in maps.items()}
        for label, places in edges.items()
    }


def rounded(values: np.ndarray) -> np.ndarray:
    """Values as float16, as sessions store them, or as they are if one is too large, as a single pixel's may be."""
    fits = np.nanmax(np.abs(values), initial=0) < np.finfo(np.float16).max
    return values.astype(np.float16) if fits else values


def _placed(values: np.ndarray, edges: Sequence[tuple[float, float, float, float]]) -> dict[str, float | None]:
    """Localisation metrics of a map (S, S); `edges` are left, top, right, bottom in shares of the model input."""
    values = values.astype(np.float32)  # rounded, so that it has the same pieces of equal value as in a session
    mask = metrics.box_mask(edges, values.shape[-1])
    figures = {
        "peak": metrics.peak_inside(values, mask),
        "energy": metrics.energy(values, mask),
        "iou": metrics.iou(metrics.found_box(values), mask),
        "ceiling": metrics.ceiling(values, mask),
    }
    return dict(zip(figures, report.numbers(np.array(list(figures.values()))), strict=True))


def scrambled(
    case: Case, explanations: Mapping[str, Explanation], depth: str, budget: Budget
) -> Iterator[dict[str, Any]]:
    """Yield, by method, maps of the model with permuted weights, and their similarity to the original maps.

    Uses the original settings; `depth` is one of randomisation.DEPTHS, BadSetting otherwise. A stopped run yields its
    reason under `error`.
    """
    other = Case(randomisation.permuted(case.model, depth), case.film)
    for key, before in explanations.items():
        after = other.last_explanation(methods.method(key, before.settings), budget=budget)
        if after.stopped:
            yield {"method": key, "error": record(after.stopped)}
            continue
        kept = randomisation.kept(trust.on_grid(before.values), trust.on_grid(after.values))
        yield {"method": key, "kept": report.numbers(kept), "maps": viewer_data.map_fields(after)}
