"""Measures one film: all metrics of the maps of every method and control, for each labelled finding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.case import Case
from cxr_demo.evaluation import metrics, randomisation, trust
from cxr_demo.evaluation.benchmark.statistics import rounded
from cxr_demo.evaluation.covering import CHANCE
from cxr_demo.films import image

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Radiograph

#: Random maps per film for metrics that need no forward pass.
DRAWS = 20
#: Standard deviation of the centre control as a share of the model input's side.
CENTRE = 0.2
#: Depths of weight randomisation, by the metric of the similarity to the original map.
PERMUTED = {"kept, classifier permuted": "classifier", "kept, everything permuted": "everything"}


def measure_film(
    model: Classifier, films: Films, row: int, findings: Sequence[int], methods: Sequence[Method], permuted: bool
) -> dict[str, Any]:
    """The record of the film in `row` as JSON values: its identity and, under `results`, metrics by finding and method.

    Its `warnings` are those that its grey values may be wrong.
    `findings` are indices of `films.labels`; `permuted` adds the metrics of weight randomisation. UnreadableImage for
    an unreadable film, other CxrErrors if a method fails.
    """
    case = Case(model, image.read(films.paths[row]))
    own, film = case.model, case.film
    labels = [films.labels[i] for i in findings]
    indices = [own.labels.index(label) for label in labels]
    explanations = {m.key: case.last_explanation(m) for m in methods}
    trusted = {m.key: trust.measure(case, m, explanations[m.key]) for m in methods}
    held = trust.controls(case)
    fixed = {"centre": centre(own.size), "lungs": image.by_area(trust.prior(held.lungs)[None], own.size)[0]}
    results: list[dict[str, Any]] = []
    for label, i in zip(labels, indices, strict=True):
        edges = [image.in_view(b.edges, film.crop) for b in films.boxes[row] if b.label == label]
        mask = metrics.box_mask(edges, own.size)
        maps = {key: e.values[i] for key, e in explanations.items()} | fixed
        curves = dict(zip(maps, trust.curves(case, i, list(maps.values())), strict=True))
        for name, values in maps.items():
            figures = localised(values, mask) | _followed(curves[name], held, i)
            if name in trusted:
                figures |= _trusted(trusted[name], i)
                figures |= _agreement(explanations, name, i)
                figures |= {"seconds": explanations[name].seconds, "forward passes": explanations[name].forwards}
            else:
                figures |= _predicted(values, held, i)
            results.append({"finding": label, "method": name, **figures})
        results.append({"finding": label, "method": "random", **_random(film, mask, held, i)})
    if permuted:
        _add_permuted(results, case, methods, explanations, dict(zip(labels, indices, strict=True)))
    return {
        "file": str(films.names[row]),
        "patient": str(films.patients[row]),
        "sha256": film.sha256,
        "model": own.name,
        "warnings": image.of_reading(case.predict().warnings),
        "results": [{k: rounded(v) for k, v in result.items()} for result in results],
    }


def centre(size: int) -> np.ndarray:
    """The centre control map (size, size): a Gaussian at the centre of the model input, at most 1."""
    away = np.square((np.arange(size) + 0.5) / size - 0.5)
    values: np.ndarray = np.exp(-(away[:, None] + away) / (2 * CENTRE**2))
    return values


def localised(values: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Localisation metrics of a map (S, S) by name; `mask` (S, S) in [0, 1] covers the finding's boxes.

    nan if the mask is empty.
    """
    box = metrics.found_box(values)
    iou, iobb = metrics.iou(box, mask), metrics.iobb(box, mask)
    above = {f"IoU > {t}": iou > t for t in (0.1, 0.3, 0.5)} | {f"IoBB > {t}": iobb > t for t in (0.1, 0.5)}
    return {
        "pointing": metrics.pointing(values, mask),
        "energy in box": metrics.energy(values, mask),
        "IoU": iou,
        "IoBB": iobb,
        **{name: float(hit) if mask.any() else np.nan for name, hit in above.items()},
        "best IoU of its pieces": metrics.ceiling(values, mask),
    }


def _followed(curve: trust.Curve, held: trust.Controls, i: int) -> dict[str, float]:
    """Areas under finding `i`'s curves, normalised from the masked film (0) to the film (1), and the gap in logits."""
    film, covered = float(held.logits[i]), float(held.covered[i])
    deletion, insertion = (
        metrics.area_under(trust.SHARES, metrics.normalised(each, film, covered))
        for each in (curve.deletion, curve.insertion)
    )
    return {"deletion": deletion, "insertion": insertion, "insertion - deletion": curve.gap}


def _trusted(found: trust.Trust, i: int) -> dict[str, float]:
    """Trust measures of finding `i` by metric; comparisons are 1 or 0, nan if covering cannot test the finding."""
    verdict = found.verdict(i)
    tested = verdict is not trust.Verdict.UNTESTABLE
    return {
        "faithfulness": found.best(i).score[i] if tested else np.nan,
        "better than random": float(verdict is not trust.Verdict.UNDECIDED) if tested else np.nan,
        "supported": float(verdict is trust.Verdict.SUPPORTED) if tested else np.nan,
        "stability": found.stability[i],
        "outside the lungs": found.outside[i],
    }


def _predicted(values: np.ndarray, held: trust.Controls, i: int) -> dict[str, float]:
    """Faithfulness metrics of a control map (S, S); nan as in `_trusted`."""
    test, cells = held.best(i), trust.on_grid(values[None])
    chance = test.elsewhere(cells[0], i).chance
    if np.isnan(chance) or not test.testable(i):
        return {"faithfulness": np.nan, "better than random": np.nan}
    return {"faithfulness": test.scores(cells)[0, i], "better than random": float(chance <= CHANCE)}


def _agreement(explanations: Mapping[str, Explanation], name: str, i: int) -> dict[str, float]:
    """Mean rank correlation with the other methods' maps of the same finding, and with those of other findings."""
    own = trust.on_grid(explanations[name].values)
    both = [
        metrics.related(metrics.rank_correlation(own, trust.on_grid(other.values)))
        for key, other in explanations.items()
        if key != name
    ]
    if not both:
        return {}
    return {
        "agreement": float(np.mean([same[i] for same, _ in both])),
        "agreement of other findings": float(np.mean([others[i] for _, others in both])),
    }


def _random(film: Radiograph, mask: np.ndarray, held: trust.Controls, i: int) -> dict[str, float]:
    """Mean metrics of random maps; the film's checksum is their seed, so that maps differ between films."""
    maps = trust.random_maps(DRAWS, seed=int(film.sha256[:8], 16))
    figures: dict[str, list[float]] = {}
    for values in maps:
        one = localised(image.by_area(values[None], len(mask))[0], mask) | _predicted(values, held, i)
        for name, value in one.items():
            figures.setdefault(name, []).append(value)
    for curve in held.random[i]:
        told = _followed(curve, held, i)
        # the reverse of a random map is random too, with these two areas exchanged
        both = (told["deletion"] + told["insertion"]) / 2
        for name, value in {"deletion": both, "insertion": both, "insertion - deletion": 0.0}.items():
            figures.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _add_permuted(
    results: Sequence[dict[str, Any]], case: Case, methods: Sequence[Method],
    explanations: Mapping[str, Explanation], indices: Mapping[str, int],
) -> None:  # fmt: skip
    """Add the metrics of PERMUTED to the methods' results; `indices` gives the model's index of each finding."""
    for metric, depth in PERMUTED.items():
        other = Case(randomisation.permuted(case.model, depth), case.film)
        for method in methods:
            again = trust.on_grid(other.last_explanation(method).values)
            kept = randomisation.kept(trust.on_grid(explanations[method.key].values), again)
            for result in results:
                if result["method"] == method.key:
                    result[metric] = kept[indices[result["finding"]]]
