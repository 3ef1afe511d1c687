"""Draws bar charts of the metrics' means over findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.evaluation.benchmark.statistics import CONTROLS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def plot(out: Path, figures: Sequence[Mapping[str, Any]]) -> None:
    """Write `localisation.png` and `faithfulness.png`: means over findings with 95 % intervals, one bar per method.

    `figures` is the result of `statistics.summary`. Omits a chart if one of its metrics is undefined.
    """
    from matplotlib.figure import Figure

    for name, shown in {
        "localisation": ("pointing", "energy in box", "IoU"),
        "faithfulness": ("insertion - deletion", "faithfulness", "supported"),
    }.items():
        chosen = [[f for f in figures if f["finding"] == "mean" and f["metric"] == metric] for metric in shown]
        if not all(chosen):
            continue
        picture = Figure(figsize=(12, 3.6), layout="constrained")
        for axis, metric, bars in zip(picture.subplots(1, len(shown)), shown, chosen, strict=True):
            values = np.array([b["value"] for b in bars])
            spans = np.abs(np.array([[b["low"], b["high"]] for b in bars]).T - values)
            colours = ["0.7" if b["method"] in CONTROLS else "#1f5fae" for b in bars]
            axis.barh([b["method"] for b in bars], values, xerr=spans, color=colours, ecolor="0.3", capsize=3)
            axis.invert_yaxis()
            axis.set_title(metric)
        picture.savefig(out / f"{name}.png", dpi=120)
