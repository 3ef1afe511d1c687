"""Figures of docs/explanations.md, from a phantom and the bundled model: `make pictures`."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.evaluation import metrics, trust
from cxr_demo.evaluation.randomisation import permuted
from cxr_demo.films import image, phantom
from cxr_demo.methods.occlusion import Occlusion
from cxr_demo.models import failure_cases, registry
from cxr_demo.output import render

if TYPE_CHECKING:
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Radiograph

DOCS = Path(__file__).parent.parent / "docs"
PHANTOM = "effusion"


def main() -> None:
    """Write all figures into docs/."""
    case = Case(registry.load("bundled:nih14"), phantom.PHANTOMS[PHANTOM].film())
    i = case.model.labels.index(str(phantom.PHANTOMS[PHANTOM].finding))
    explanations = [case.last_explanation(kind()) for kind in methods.DEFAULTS]
    maps(case.film, explanations, i, [_verdict(case, e, i) for e in explanations])
    curves(case, explanations, i)
    fills(case, i)
    failures()
    guided(case, i)


def maps(film: Radiograph, explanations: list[Explanation], i: int, verdicts: list[str]) -> None:
    """Draw the film and each method's map, every map on its own colour scale, as explanations-maps.png.

    `i` is the index of the finding, `verdicts` has one caption per explanation. Dots mark the pixels that
    `render.unsteady` reports.
    """
    picture = Figure(figsize=(12, 3.7), layout="constrained")
    first, *others = picture.subplots(1, 1 + len(explanations))
    first.imshow(film.pixels, cmap="gray", vmin=0, vmax=1)
    first.set_title("phantom: fluid, right base")
    for axis, e, verdict in zip(others, explanations, verdicts, strict=True):
        limit = render.limit_of([e.values[i]])
        unsure = render.unsteady(e.values, e.sure)
        dotted = None if unsure is None else image.place(unsure[i], film, smooth=False) == 1
        placed = image.place(e.values[i], film, smooth=False)
        axis.imshow(render.overlay(film.pixels, placed, limit=limit, unit=e.unit, unsure=dotted))
        axis.set_title(f"{methods.method(e.method, {}).title}, ±{limit:.2f}: {verdict}")
    for axis in (first, *others):
        axis.axis("off")
    picture.savefig(DOCS / "explanations-maps.png", dpi=90)


def curves(case: Case, explanations: list[Explanation], i: int) -> None:
    """Plot deletion and insertion curves of the maps, of random maps and of the lung mask.

    Logit of finding `i` over the share of pixels covered or shown, as explanations-curves.png.
    """
    held = trust.controls(case)
    found = trust.curves(case, i, [e.values[i] for e in explanations])
    lines = [(methods.method(e.method, {}).title, c, "-") for e, c in zip(explanations, found, strict=True)]
    lines += [("random maps", c, ":") for c in held.random[i]] + [("the lungs alone", held.anatomy[i], "--")]
    picture = Figure(figsize=(10, 3.6), layout="constrained")
    axes = picture.subplots(1, 2, sharey=True)
    for axis, kind in zip(axes, ("deletion", "insertion"), strict=True):
        for name, curve, style in lines:
            grey = {} if style == "-" else {"color": "0.4"}
            axis.plot(100 * trust.SHARES, getattr(curve, kind), style, label=f"{name}: gap {curve.gap:.1f}", **grey)
        axis.set_title(kind)
        axis.set_xlabel("% covered" if kind == "deletion" else "% shown")
    axes[0].set_ylabel("logit")
    axes[1].legend(fontsize=8)
    picture.savefig(DOCS / "explanations-curves.png", dpi=90)


def fills(case: Case, i: int) -> None:
    """Draw occlusion of finding `i` with each content of the covers as explanations-fills.png, on one colour scale.

    The last one, the normal phantom, has the effect of the planted finding itself.
    """
    (setting,) = (each for each in methods.settings_of(Occlusion) if each.name == "fill")
    found = {fill: case.last_explanation(Occlusion(fill=fill)) for fill in setting.choices}
    limit = render.limit_of([e.values[i] for e in found.values()])
    picture = Figure(figsize=(12, 2.3), layout="constrained")
    for axis, (fill, e) in zip(picture.subplots(1, len(found)), found.items(), strict=True):
        axis.imshow(render.overlay(case.film.pixels, image.place(e.values[i], case.film), limit=limit, unit=e.unit))
        removed = Occlusion(fill=fill).expected_sums(case.scorer())[i]
        axis.set_title(f"{fill}: {round(removed, 2) + 0.0:+.2f}")
        axis.axis("off")
    picture.savefig(DOCS / "explanations-fills.png", dpi=90)


def failures() -> None:
    """Draw each failure case's film and its maps as explanations-lessons.png, one row per case.

    The maps of one case share a colour scale.
    """
    picture = Figure(figsize=(10, 7.9), layout="constrained")
    rows = picture.subplots(len(failure_cases.LESSONS), 1 + len(methods.DEFAULTS))
    for (first, *others), (key, lesson) in zip(rows, failure_cases.LESSONS.items(), strict=True):
        case = Case(registry.load(lesson.model), lesson.film())
        explanations = [case.last_explanation(kind()) for kind in methods.DEFAULTS]
        limit = render.limit_of([e.values[0] for e in explanations])
        first.imshow(case.film.pixels, cmap="gray", vmin=0, vmax=1)
        first.set_title(f"where {methods.method(key, {}).title} fails")
        for axis, e in zip(others, explanations, strict=True):
            placed = image.place(e.values[0], case.film, smooth=False)
            axis.imshow(render.overlay(case.film.pixels, placed, limit=limit, unit=e.unit))
            r2 = "" if e.fidelity is None else f", R² {e.fidelity[0]:.2f}"
            axis.set_title(f"{methods.method(e.method, {}).title}, ±{limit:.1f}{r2}")
    for axis in rows.flat:
        axis.axis("off")
    picture.savefig(DOCS / "explanations-lessons.png", dpi=70)


def guided(case: Case, i: int) -> None:
    """Draw guided backpropagation and Grad-CAM of finding `i`, before and after the classifier's weights are permuted.

    The titles of explanations-guided.png give the rank correlation of both maps' absolute values.
    """
    other = Case(permuted(case.model, "classifier"), case.film)
    x = case.first.x
    edges = [guided_backpropagation(one.model, x, i) for one in (case, other)]
    cells = [one.last_explanation(methods.GradCAM()).values[i] for one in (case, other)]
    picture = Figure(figsize=(12, 3.4), layout="constrained")
    axes = picture.subplots(1, 4)
    for (first, second), found, title in zip(axes.reshape(2, 2), (edges, cells), ("guided", "Grad-CAM"), strict=True):
        limit = float(np.percentile(np.abs(found[0]), 99.5))
        for axis, values, name in ((first, found[0], title), (second, found[1], f"permuted: {likeness(*found):.2f}")):
            axis.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set_title(name)
            axis.axis("off")
    picture.savefig(DOCS / "explanations-guided.png", dpi=80)


def guided_backpropagation(classifier: Classifier, x: Tensor, i: int) -> np.ndarray:
    """Gradient (S, S) of logit `i`, without its negative parts at each ReLU, of a copy of the network.

    Springenberg et al. 2015, arXiv:1412.6806.
    """
    network = copy.deepcopy(classifier.network)
    for module in network.model.modules():
        if isinstance(module, nn.ReLU | nn.ReLU6):
            module.inplace = False  # hooks refuse changed tensors
            module.register_full_backward_hook(_positive)
    x = x.clone().requires_grad_()
    gradient: np.ndarray = torch.cat(torch.autograd.grad(network(x)[0, i], x))[0, 0].numpy()
    return gradient


def _positive(_module: nn.Module, gradients: Any, _given: Any) -> tuple[Tensor]:
    return (gradients[0].clamp(min=0),)


def likeness(a: np.ndarray, b: np.ndarray) -> float:
    """Rank correlation of the absolute values of two maps (S, S)."""
    return float(metrics.rank_correlation(np.abs(a)[None], np.abs(b)[None])[0, 0])


def _verdict(case: Case, explanation: Explanation, i: int) -> str:
    """Caption of a map of finding `i`: the trust verdict and the map's score."""
    method = methods.method(explanation.method, explanation.settings)
    found = trust.measure(case, method, explanation)
    return f"{found.verdict(i).value}, score {found.best(i).score[i]:.2f}"


if __name__ == "__main__":
    main()
