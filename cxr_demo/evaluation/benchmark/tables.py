"""Writes films.csv, table.csv, table.json and table.md from the records of films."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from cxr_demo.evaluation.benchmark.plots import plot
from cxr_demo.evaluation.benchmark.statistics import COMPARED, CONTROLS, METRICS, against, summary
from cxr_demo.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.evaluation.benchmark.plan import Plan


def write_tables(out: Path, plan: Plan, names: Collection[str]) -> None:
    """Write films.csv, table.csv, table.json, table.md and the plots from this plan's records in OUT/films.

    `names` are those of the table's films; records under other names, as earlier versions wrote them, are left out.
    """
    paths = [path for path in sorted((out / "films").rglob("*.json")) if _film(path, out) in names]
    records = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    records = [record for record in records if record["plan"] == plan.digest]
    lines = [
        {"file": record["file"], "patient": record["patient"], **result}
        for record in records
        for result in record["results"]
    ]
    _write_csv(out / "films.csv", lines, ["file", "patient", "finding", "method", *METRICS])
    figures = summary(lines)
    _write_csv(out / "table.csv", figures, list(figures[0]) if figures else ["finding"])
    about = {
        **asdict(plan),
        "films": len(records),
        "patients": len({record["patient"] for record in records}),
        "models": sorted({record["model"] for record in records}),
        # records of earlier versions have no warnings
        "warned": {record["file"]: record["warnings"] for record in records if record.get("warnings")},
        "figures": figures,
        "less_centre": against(lines),
    }
    write_whole(out / "table.json", json.dumps(about, indent=1) + "\n")
    write_whole(out / "table.md", markdown(about))
    plot(out, figures)


def _film(path: Path, out: Path) -> str:
    """The name of a record's film."""
    return path.relative_to(out / "films").as_posix().removesuffix(".json")


def markdown(about: Mapping[str, Any]) -> str:
    """Format the content of table.json as Markdown.

    Films that may have been read wrongly, means over findings, metrics by finding, gain over the centre.
    """
    figures = about["figures"]
    cell = {(f["finding"], f["method"], f["metric"]): f for f in figures}
    methods = list(dict.fromkeys(f["method"] for f in figures))
    findings = list(dict.fromkeys(f["finding"] for f in figures))
    shown = [metric for metric in METRICS if any((("mean", m, metric) in cell) for m in methods)]
    means = [(_arrow(metric), [cell.get(("mean", m, metric)) for m in methods]) for metric in shown]
    lines = [
        f"{about['films']} films of {about['patients']} patients; `{about['model']}`; intervals: 95 %, by patient.",
        "",
        *_warned(about["warned"]),
        "Mean over findings:",
        "",
        *_rows("metric", methods, means, max(f["cases"] for f in figures if f["finding"] == "mean")),
    ]
    for metric in ("pointing", "energy in box", "IoU", "faithfulness"):
        if metric in shown:
            rows = [
                (_counted(name, cell, methods, metric), [cell.get((name, m, metric)) for m in methods])
                for name in findings
            ]
            lines += ["", f"{metric}, by finding (cases):", "", *_rows("finding", methods, rows)]
    return "\n".join([*lines, *_less_centre(about["less_centre"])]) + "\n"


def _warned(warnings: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A Markdown list of the films that may have been read wrongly, by file, with the warnings."""
    if warnings:
        yield from (f"Films that may have been read wrongly: {len(warnings)}.", "")
        yield from (f"- `{file}`: {' '.join(said)}" for file, said in warnings.items())
        yield ""


def _less_centre(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Markdown lines of the methods' gain over the centre control, and of methods without a significant gain."""
    means = {(f["method"], f["metric"]): f for f in figures if f["finding"] == "mean"}
    methods = [m for m in dict.fromkeys(method for method, _ in means) if m not in CONTROLS]
    shown = [metric for metric in COMPARED if any((m, metric) in means for m in methods)]
    if not shown:
        return
    rows = [(metric, [means.get((m, metric)) for m in methods]) for metric in shown]
    yield from ("", "Less the centre control, case by case, mean over findings:", "")
    yield from _rows("metric", methods, rows)
    for metric in shown:
        nothing = [m for m in methods if (m, metric) in means and means[m, metric]["low"] <= 0]
        if nothing:
            yield from ("", f"No better than the centre in {metric}: {', '.join(nothing)}.")


def _rows(
    first: str, methods: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]], most: int | None = None
) -> Iterator[str]:
    """A Markdown table with a column per method; `rows` are (row header, results by method).

    A cell with fewer cases than `most`, by default the most of its row, names their number.
    """
    yield f"| {first} | {' | '.join(methods)} |"
    yield f"|---|{'---|' * len(methods)}"
    for name, cells in rows:
        full = most or max((each["cases"] for each in cells if each), default=0)
        yield f"| {name} | {' | '.join(_said(each, full) for each in cells)} |"


def _said(figure: Mapping[str, Any] | None, most: int) -> str:
    """A table cell: value and interval, in parentheses if it has too few cases, with their number below `most`."""
    if figure is None:
        return ""
    digits = 1 if abs(figure["value"]) >= 10 else 3
    text = f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"
    text = f"({text})" if figure["too few"] else text
    return f"{text} n = {figure['cases']}" if figure["cases"] < most else text


def _arrow(metric: str) -> str:
    """A metric's name with an arrow for the better direction."""
    return metric + {1: " ↑", -1: " ↓", 0: ""}[METRICS[metric]]


def _counted(finding: str, cell: Mapping[Any, Any], methods: Sequence[str], metric: str) -> str:
    """A row header: the finding with its number of cases, and a mark if there are too few."""
    counts = [cell[finding, m, metric] for m in methods if (finding, m, metric) in cell]
    text = f"{finding.replace('_', ' ')} ({max((c['cases'] for c in counts), default=0)})"
    return f"{text}, too few" if any(c["too few"] for c in counts) else text


def _write_csv(path: Path, lines: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write these columns of the lines as CSV; missing values become empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    write_whole(path, text.getvalue())
