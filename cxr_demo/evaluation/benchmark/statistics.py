"""Computes means of metrics over films and findings, with 95 % intervals by patient bootstrap."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.evaluation import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Metrics and their direction: 1 if higher is better, -1 if lower is better, 0 for neither.
METRICS: dict[str, int] = {
    "pointing": 1,
    "energy in box": 1,
    "IoU": 1,
    "IoU > 0.1": 1,
    "IoU > 0.3": 1,
    "IoU > 0.5": 1,
    "IoBB": 1,
    "IoBB > 0.1": 1,
    "IoBB > 0.5": 1,
    "best IoU of its pieces": 0,
    "deletion": -1,
    "insertion": 1,
    "insertion - deletion": 1,
    "faithfulness": 1,
    "better than random": 1,
    "supported": 1,
    "stability": 1,
    "outside the lungs": 0,
    "agreement": 0,
    "agreement of other findings": 0,
    "kept, classifier permuted": -1,
    "kept, everything permuted": -1,
    "seconds": -1,
    "forward passes": -1,
}
#: Metrics that are compared with the centre control case by case (per film and finding).
COMPARED = ("pointing", "energy in box", "IoU", "insertion - deletion", "faithfulness")
#: Names of the controls.
CONTROLS = ("random", "centre", "lungs")
#: Minimum number of cases of a finding; results from fewer are marked as too few.
FEWEST = 10


def summary(lines: Sequence[Mapping[str, Any]], resamples: int = 1000) -> list[dict[str, Any]]:
    """Means per method, metric and finding, and their mean over findings, with 95 % intervals by patient bootstrap.

    Each line has `file`, `patient`, `finding`, `method` and a number or None per metric. Each result has `finding`,
    `method`, `metric`, `value`, `low`, `high`, `cases` and `too few`; undefined metrics are omitted.

    The mean over findings weights all findings equally, whatever their number of films. It omits findings with fewer
    than FEWEST cases (unless all have fewer), and those for which the metric is undefined.
    """
    return _Cases.of(lines).figures(resamples) if lines else []


def against(lines: Sequence[Mapping[str, Any]], control: str = "centre", resamples: int = 1000) -> list[dict[str, Any]]:
    """The summary of differences: each metric of COMPARED minus the control's value for the same film and finding.

    Empty if the lines do not contain the control.
    """
    cases = _Cases.of(lines) if lines else None
    if cases is None or control not in cases.methods:
        return []
    compared = cases.values[..., [cases.metrics.index(name) for name in COMPARED]]
    beside = compared[:, [cases.methods.index(control)]]
    found = replace(cases, values=compared - beside, metrics=COMPARED).figures(resamples)
    return [f for f in found if f["method"] != control]


@dataclass(frozen=True, eq=False)
class _Cases:
    """Metrics of cases; a case is one finding on one film."""

    values: np.ndarray  # (cases, methods, metrics), nan if undefined
    methods: Sequence[str]
    metrics: Sequence[str]
    findings: Sequence[str]  # those with at least one case
    of_finding: np.ndarray  # (findings, cases) bool
    patients: np.ndarray  # (cases,)

    @classmethod
    def of(cls, lines: Sequence[Mapping[str, Any]]) -> _Cases:
        methods = list(dict.fromkeys(line["method"] for line in lines))
        cases = {case: k for k, case in enumerate(dict.fromkeys((line["file"], line["finding"]) for line in lines))}
        patients = {line["file"]: line["patient"] for line in lines}
        values = np.full((len(cases), len(methods), len(METRICS)), np.nan)
        for line in lines:
            at = cases[line["file"], line["finding"]], methods.index(line["method"])
            values[at] = [np.nan if line.get(name) is None else float(line[name]) for name in METRICS]
        findings = sorted({finding for _, finding in cases})
        of_finding = np.array([[finding == name for _, finding in cases] for name in findings])
        return cls(
            values, methods, tuple(METRICS), findings, of_finding, np.array([patients[file] for file, _ in cases])
        )

    def means(self, rows: np.ndarray) -> np.ndarray:
        """Means (findings + 1, methods, metrics) of the cases `rows`; the last row is the mean over findings."""
        enough = self.of_finding.sum(1) >= FEWEST
        enough = enough if enough.any() else np.ones_like(enough)
        part = self.values[rows]
        known = ~np.isnan(part)
        sums = [np.nansum(part[which[rows]], 0) for which in self.of_finding]
        counts = np.array([known[which[rows]].sum(0) for which in self.of_finding])
        each = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
        usable = ~np.isnan(each) & enough[:, None, None]
        total = np.where(usable, each, 0).sum(0)
        mean = np.divide(total, usable.sum(0), out=np.full(total.shape, np.nan), where=usable.any(0))
        return np.concatenate([each, mean[None]])

    def figures(self, resamples: int) -> list[dict[str, Any]]:
        """One result for each finding, method and metric with a defined mean, as described at `summary`."""
        point = self.means(np.arange(len(self.values)))
        low, high = metrics.interval(metrics.bootstrap(self.means, self.patients, resamples))
        counted = np.array([(~np.isnan(self.values[which])).sum(0) for which in self.of_finding])
        found = []
        for f, finding in enumerate([*self.findings, "mean"]):
            for m, method in enumerate(self.methods):
                for k, metric in enumerate(self.metrics):
                    if not np.isnan(point[f, m, k]):
                        n = counted[:, m, k].sum() if finding == "mean" else counted[f, m, k]
                        found.append(
                            {
                                "finding": finding, "method": method, "metric": metric,
                                "value": rounded(point[f, m, k]),
                                "low": rounded(low[f, m, k]), "high": rounded(high[f, m, k]),
                                "cases": int(n), "too few": bool(finding != "mean" and n < FEWEST),
                            }
                        )  # fmt: skip
        return found


def rounded(value: Any) -> Any:
    """Round a float to five decimals, with None for nan and infinity; return any other value unchanged."""
    if isinstance(value, (float, np.floating)):
        return round(float(value), 5) if np.isfinite(value) else None
    return value
