"""Predictions and explanations for notebooks, shown side by side as static, self-contained HTML."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cxr_demo import methods
from cxr_demo.case import Case
from cxr_demo.errors import BadSetting
from cxr_demo.films import image
from cxr_demo.inference.scoring import Budget
from cxr_demo.output import export, render, report, viewer_data
from cxr_demo.output.result import complete
from cxr_demo.types import Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cxr_demo.methods import Method
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Prediction, Radiograph

#: The longest side, in pixels, of the films and maps in the HTML; narrow windows show them smaller.
SIDE = 256

#: Text inherits the notebook's colour, so that it is readable in any theme. `.grid` overrides the notebook's own table
#: styles. If an untrusted notebook removes this style, a plain table remains.
STYLE = """
.cxr-explained { overflow-x: auto; }
.cxr-explained .grid { border: 0; margin: 0; color: inherit; font-size: 12px; table-layout: fixed; width: 100%; }
.cxr-explained .grid tr:nth-child(n) { background: none; }
.cxr-explained .grid th, .cxr-explained .grid td {
  border: 0; padding: 2px 12px 8px 0; text-align: left; vertical-align: top; font-weight: normal; line-height: 1.4;
  overflow-wrap: anywhere; white-space: normal;
}
.cxr-explained .grid thead { border: 0; }
.cxr-explained .grid thead th { vertical-align: bottom; }
.cxr-explained .grid b { font-size: 14px; }
.cxr-explained .grid img { display: block; width: 100%; height: auto; margin: 0 0 4px; }
.cxr-explained .grid img.bar { height: 10px; margin: 4px 0 2px; }
.cxr-explained .ticks { display: flex; justify-content: space-between; }
"""


@dataclass(frozen=True, eq=False, repr=False)
class Explained:
    """A film's prediction and explanations; as the last expression of a notebook cell it renders as HTML.

    `labels` are the displayed findings. The maps cover all findings, so `of` switches to others without recomputing.
    UnknownLabel for a finding that the model does not predict.
    """

    case: Case
    prediction: Prediction
    explanations: Sequence[Explanation]
    labels: Sequence[str]

    def __post_init__(self) -> None:
        self._findings()

    def of(self, *labels: str) -> Explained:
        """The same result with these findings on display; UnknownLabel if the model does not predict one."""
        return replace(self, labels=labels)

    @property
    def film(self) -> Radiograph:
        """The explained film."""
        return self.case.film

    def save(self, folder: str | Path) -> None:
        """Measure the maps, then write the same files as `python -m cxr_demo explain`, with pictures of `labels`.

        Creates the folder if it is missing. BadSetting if a method occurs twice, as file names contain the method only.
        """
        if len({e.method for e in self.explanations}) < len(self.explanations):
            raise BadSetting("A method is here twice, and files go by method; explain with each by itself to save it.")
        result = complete(self.case, self.explanations, finding=self._findings()[0])
        export.save(Path(folder), result, self.labels)

    def save_picture(self, path: str | Path, side: int = 448) -> None:
        """Write one PNG: the film, at most `side` pixels long, and the maps of the first of `labels` side by side."""
        film, (i, *_) = image.shrunk(self.film, side), self._findings()
        picture = report.side_by_side(film, self.prediction, self.explanations, i)
        Path(path).write_bytes(render.png(picture))

    def _findings(self) -> list[int]:
        return [report.index_of(self.prediction.labels, label) for label in self.labels]

    def __repr__(self) -> str:
        by = ", ".join(map(report.title_of, self.explanations))
        return f"<{self.film.name}: {', '.join(self.labels)} by {by} of {self.prediction.model}>"

    def _repr_html_(self) -> str:
        film, prediction, findings = image.shrunk(self.film, SIDE), self.prediction, self._findings()
        shown = [report.displayed(e) for e in self.explanations]
        mapped = [(e, render.limit_of(e.values[findings])) for e in shown]
        rows = [[_said(film, prediction, i), *(_map(film, e, i, limit) for e, limit in mapped)] for i in findings]
        head = [_film_head(self.film), *(_head(e, limit) for e, limit in mapped)]
        foot = [f"{escape(prediction.model)}<br>{escape(report.NOTICE)}", *(_done(e) for e in self.explanations)]
        warned = "".join(f"<div>⚠ {escape(w)}</div>" for w in prediction.warnings)
        # the ignore classes stop MathJax from reading a $ in a file name as a formula
        return f"""<div class="cxr-explained tex2jax_ignore mathjax_ignore"><style>{STYLE}</style>{warned}
<table class="grid" style="max-width: {len(head) * (SIDE + 12)}px; min-width: {len(head) * 150}px">
<thead>{_row(head, "col")}</thead>
<tbody>{"".join(_row(row, "row") for row in rows)}</tbody>
<tfoot>{_row(foot)}</tfoot>
</table></div>"""


def predict(model: Classifier, film: Radiograph) -> Prediction:
    """A model's prediction for a film: logits and probabilities (L,); ModelError if a logit is not finite."""
    return Case(model, film).predict()


def explain(model: Classifier, film: Radiograph, *chosen: Method, seconds: float | None = None) -> Explained:
    """Predict a film and explain the prediction with these methods, by default `methods.DEFAULTS`.

    Displays the same finding first as the page. `seconds` limits each method; a method stopped by it returns its latest
    map, marked as incomplete. BadSetting for a setting out of range, ModelError if a logit is not finite.
    """
    chosen = chosen or tuple(kind() for kind in methods.DEFAULTS)
    for method in chosen:  # check all settings before the first computation
        methods.values_of(method)
    case = Case(model, film)
    prediction = case.predict()
    explanations = tuple(case.last_explanation(method, budget=Budget(seconds)) for method in chosen)
    return Explained(case, prediction, explanations, (prediction.labels[viewer_data.foremost(prediction)],))


def _row(cells: Sequence[str], scope: str = "") -> str:
    """A table row as HTML; scope "col" makes all cells column headers, "row" makes the first a row header."""
    heads = {"col": len(cells), "row": 1}.get(scope, 0)
    headed = "".join(f'<th scope="{scope}">{cell}</th>' for cell in cells[:heads])
    return f"<tr>{headed}{''.join(f'<td>{cell}</td>' for cell in cells[heads:])}</tr>"


def _film_head(film: Radiograph) -> str:
    """The film's column header: name, size and correction."""
    height, width = film.pixels.shape
    corrected = f"<br>corrected: {escape(film.correction)}" if film.correction else ""
    return f"<b>{escape(film.name)}</b><br>{width} × {height} pixels{corrected}"


def _head(explanation: Explanation, limit: float) -> str:
    """A method's column header: title, unit and colour scale."""
    title = f"<b>{escape(report.title_of(explanation))}</b><br>{escape(explanation.unit.value)}"
    if not explanation.forwards:
        return title
    if explanation.unit.signed:
        ticks = (f"{render.signed(-limit, limit)} against", "0", f"for {render.signed(limit, limit)}")
    else:
        ticks = ("nothing", "", "highest")
    bar = _image(render.scale_bar(explanation.unit, SIDE), "the colours, from the lowest to the highest value", "bar")
    spans = " ".join(f"<span>{tick}</span>" for tick in ticks)
    return f'{title}{bar}<div class="ticks">{spans}</div>'


def _said(film: Radiograph, prediction: Prediction, i: int) -> str:
    """The film and a finding's probability, which is struck out if the gate refuses the film."""
    blank = image.place(np.zeros((1, 1)), film)
    shown = _image(render.overlay(film.pixels, blank, limit=1, unit=Unit.LOGIT)[..., 0], f"the film {film.name}")
    probability, threshold = float(prediction.probabilities[i]), float(prediction.thresholds[i])
    number = report.percent(probability)
    if not math.isnan(threshold):
        side = "above" if probability >= threshold else "below"
        number += f", {side} its cut-off of {report.percent(threshold)}"
    mark = "s" if prediction.doubted else "span"
    return f"{shown}<div><b>{escape(report.readable(prediction.labels[i]))}</b><br><{mark}>{number}</{mark}></div>"


def _map(film: Radiograph, explanation: Explanation, i: int, limit: float) -> str:
    """A finding's map over the film, with a caption: range, surrogate R2, unsure signs, completeness."""
    if not explanation.forwards:  # a map of zeros would look like an absence of evidence
        return f"<strong>Incomplete.</strong> {escape(report.unfinished(explanation))}"
    values, words = explanation.values[i], []
    if explanation.unit.signed:
        words.append(f"from {render.signed(values.min(), limit)} to {render.signed(values.max(), limit)}")
    if render.empty(values, limit):
        words.append("nothing to see at this scale")
    if explanation.fidelity is not None and not math.isnan(explanation.fidelity[i]):
        words.append(f"R² {explanation.fidelity[i]:.2f}")
    if explanation.error is not None and not math.isnan(share := float(report.error_share(explanation)[i])):
        words.append(f"standard error {report.percent(share)}")
    if explanation.missing is not None:
        whole = abs(report.expected_sum(explanation)[i])
        words.append(f"sum off by {abs(explanation.missing[i]):.2f} of {whole:.2f} logits")
    unsure = report.unsure_at(explanation, i)
    if unsure is not None and unsure.any():
        words.append("dotted: the sign is uncertain")
    picture = report.picture(film, explanation, i, limit)
    caption = " · ".join(words)
    name = f"{report.title_of(explanation)}, {report.readable(explanation.labels[i])}"
    alt = f"{name}: {caption} ({explanation.unit.value})"
    return f"{_image(picture, alt)}<div>{caption}{_unfinished(explanation)}</div>"


def _unfinished(explanation: Explanation) -> str:
    """A note on a stopped run, with its reason and progress; empty for a complete one."""
    if explanation.complete:
        return ""
    return f"<br><strong>Incomplete.</strong> {escape(report.unfinished(explanation))}"


def _done(explanation: Explanation) -> str:
    """A method's column footer: settings, seconds and forward passes."""
    settings = ", ".join(f"{name} {value}" for name, value in explanation.settings.items())
    passes = f"{explanation.forwards} forward pass{'es' * (explanation.forwards != 1)}"
    return "<br>".join([*filter(None, [escape(settings)]), f"{explanation.seconds:.1f} s · {passes}"])


def _image(picture: np.ndarray, alt: str, kind: str = "map") -> str:
    height, width = picture.shape[:2]
    size = f'width="{width}" height="{height}"'
    return f'<img class="{kind}" {size} alt="{escape(alt)}" src="{render.data_uri(picture)}">'
