"""Our figures on the NIH boxes beside those that others have published, as Markdown.

`python -m benchmarks.published runs/benchmark` reads the table.json of `python -m cxr_demo benchmark`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
)  # fmt: skip
#: Class activation maps of a ResNet-50, Wang et al. 2017 (https://arxiv.org/abs/1705.02315, tables 4 and 7).
WANG = {
    "IoU > 0.1": (0.689, 0.938, 0.660, 0.707, 0.400, 0.139, 0.633, 0.378),
    "IoU > 0.3": (0.244, 0.459, 0.301, 0.276, 0.153, 0.038, 0.167, 0.133),
    "IoU > 0.5": (0.050, 0.178, 0.111, 0.065, 0.012, 0.013, 0.033, 0.031),
    "IoBB > 0.1": (0.728, 0.993, 0.712, 0.789, 0.435, 0.165, 0.750, 0.459),
    "IoBB > 0.5": (0.283, 0.877, 0.333, 0.423, 0.141, 0.013, 0.383, 0.184),
}
#: DenseNet-121 at 512 pixels, all 984 boxes, predicted box around the hottest 5 %: means in ARC-CXR's README.
ARC_METRICS = ("pointing", "IoU", "IoBB > 0.1", "IoBB > 0.5")
ARC = {
    "ARC-CXR, Grad-CAM++": (0.544, 0.212, 0.685, 0.376),
    "ARC-CXR, Grad-CAM": (0.496, 0.182, 0.617, 0.337),
    "ARC-CXR, CAM": (0.493, 0.176, 0.607, 0.336),
    "ARC-CXR, EigenCAM": (0.479, 0.190, 0.629, 0.319),
    "ARC-CXR, random": (0.228, 0.091, 0.371, 0.131),
}


def main() -> int:
    """Print both tables as Markdown; exit status 2 unless the command line names one run."""
    if len(sys.argv) != 2:
        print((__doc__ or "").strip(), file=sys.stderr)
        return 2
    table = json.loads((Path(sys.argv[1]) / "table.json").read_text(encoding="utf-8"))
    print("\n".join((*means(table["figures"]), "", *by_finding(table["figures"]))))
    return 0


def means(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown lines with means over findings: the published ones, then each method of ours with its interval.

    `figures` are the entries of table.json: finding, method, metric, value, low and high.
    """
    cell = {(f["method"], f["metric"]): f for f in figures if f["finding"] == "mean"}
    yield from _head("mean over findings", ARC_METRICS)
    for name, values in ARC.items():
        yield _row(name, [f"{value:.3f}" for value in values])
    for method in dict.fromkeys(method for method, _ in cell):
        ours = [cell.get((method, metric)) for metric in ARC_METRICS]
        yield _row(method, [f"{f['value']:.3f} [{f['low']:.3f}, {f['high']:.3f}]" if f else "" for f in ours])


def by_finding(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown lines with the share of boxes that a map localises, by finding.

    For each criterion of Wang et al. 2017 one row of their figures, then one row per method of ours.
    """
    cell = {(f["metric"], f["method"], f["finding"]): f["value"] for f in figures}
    methods = dict.fromkeys(method for metric, method, _ in cell if metric in WANG)
    yield from _head("", [finding[:12] for finding in FINDINGS])
    for metric, published in WANG.items():
        yield _row(f"**{metric}**: Wang et al.", [f"{value:.3f}" for value in published])
        for method in methods:
            ours = [cell.get((metric, method, finding)) for finding in FINDINGS]
            yield _row(method, ["" if value is None else f"{value:.3f}" for value in ours])


def _head(first: str, columns: Sequence[str]) -> Iterator[str]:
    yield _row(first, columns)
    yield f"|---|{'---|' * len(columns)}"


def _row(first: str, cells: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.exit(main())
