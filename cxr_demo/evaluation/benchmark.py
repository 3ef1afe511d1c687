"""METHODS x METRICS x labelled films -> a table with intervals by patient.

OUT/films/STEM.json   what was measured on one film, written when it is done: a run that was killed goes on behind it
OUT/films.csv         the same, a line per film, finding and method
OUT/table.csv, .json, .md   figures per finding and in the mean, with 95 % intervals by patient bootstrap
OUT/*.png             plots
Every map is also made by controls that know nothing of the film or of the model: random maps, the centre, the lungs.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from cxr_demo.case import Case
from cxr_demo.errors import CxrError, DataError
from cxr_demo.evaluation import metrics, randomisation, trust
from cxr_demo.films import image
from cxr_demo.methods.base import values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.films.label_tables import Films
    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Radiograph

#: What is measured, and which way is better: 1 up, -1 down, 0 neither.
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
    "better than the lungs": 1,
    "stability": 1,
    "outside the lungs": 0,
    "agreement": 0,
    "agreement of other findings": 0,
    "kept, classifier permuted": -1,
    "kept, everything permuted": -1,
    "seconds": -1,
    "forward passes": -1,
}
#: What is compared with the centre control, case by case.
COMPARED = ("pointing", "energy in box", "IoU", "insertion - deletion", "faithfulness")
#: Controls beside the methods, by name.
CONTROLS = ("random", "centre", "lungs")
#: Random maps per film for what costs no forward pass.
DRAWS = 20
#: Standard deviation of the centre control as a share of the view's side.
CENTRE = 0.2
#: Fewer positives than this are said to be too few for a figure of their own.
FEWEST = 10
#: Depths to which weights are permuted, by the metric that says what is kept.
PERMUTED = {"kept, classifier permuted": "classifier", "kept, everything permuted": "everything"}


@dataclass(frozen=True)
class Plan:
    """What decides the figures; kept with every film, so that figures of different plans never meet in a table."""

    model: str  # its full name
    methods: Mapping[str, Mapping[str, Any]]  # settings by key
    grid: int = trust.GRID
    pairs: int = trust.PAIRS

    @property
    def digest(self) -> str:
        """16 hex digits; where a model's folder lies makes no difference, what is in it does."""
        text = json.dumps({**asdict(self), "model": self.model.rpartition("@")[2]}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def run(
    model: Classifier,
    films: Films,
    methods: Sequence[Method],
    out: Path,
    *,
    permuted: int = 0,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Measure what is not measured yet, then write tables and plots; reasons of films that failed.

    `permuted` films, evenly over the list, are explained with permuted weights too. Processes that were started
    together (`torchrun`) divide the films; the first of them writes the table.
    """
    plan = Plan(model.name, {m.key: values_of(m) for m in methods})
    found = pairs(films)
    if not found:
        raise DataError(f"No film has a box or a label of {', '.join(films.labels)}; there is nothing to measure.")
    folder = out / "films"
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(found)
    with_permuted = set(rows[:: max(1, len(rows) // permuted)][:permuted]) if permuted else set()
    rank, processes, wait = _processes()
    failed, mine = [], rows[rank::processes]
    started, done = time.monotonic(), 0
    for at, row in enumerate(mine):
        path = folder / f"{films.paths[row].stem}.json"
        if _known(path, plan, row in with_permuted):
            continue
        try:
            record = _measured_film(model, films, row, found[row], methods, row in with_permuted)
        except CxrError as error:
            failed.append(str(error))
            say(f"{films.paths[row].name}: {error}")
            continue
        _write(path, json.dumps({"plan": plan.digest, "permuted": row in with_permuted, **record}, indent=1) + "\n")
        done += 1
        left = (time.monotonic() - started) / done * (len(mine) - at - 1)
        say(f"{at + 1} of {len(mine)}: {films.paths[row].name}, {timedelta(seconds=round(left))} left")
    wait()
    if rank == 0:
        write_tables(out, plan)
    return failed


def pairs(films: Films) -> dict[int, list[int]]:
    """By row, the findings to look for: those with boxes, or, where the table has no boxes at all, those labelled."""
    boxed = {
        row: sorted({films.labels.index(box.label) for box in boxes if box.label in films.labels})
        for row, boxes in enumerate(films.boxes)
    }
    if not any(boxed.values()):
        boxed = {row: np.flatnonzero(films.targets[row] == 1).tolist() for row in range(len(films))}
    return {row: findings for row, findings in boxed.items() if findings}


# ------------------------------------------------------------------ one film


def _measured_film(
    model: Classifier, films: Films, row: int, findings: Sequence[int], methods: Sequence[Method], permuted: bool
) -> dict[str, Any]:
    case = Case(model, image.read(films.paths[row]))
    own, film = case.model, case.film
    labels = [films.labels[i] for i in findings]
    indices = [own.labels.index(label) for label in labels]
    explanations = {m.key: _last(case, m) for m in methods}
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
                figures |= _foretold(values, held, i)
            results.append({"finding": label, "method": name, **figures})
        results.append({"finding": label, "method": "random", **_random(film, mask, held, i)})
    if permuted:
        _add_permuted(results, case, methods, explanations, dict(zip(labels, indices, strict=True)))
    return {
        "file": film.name,
        "patient": str(films.patients[row]),
        "sha256": film.sha256,
        "model": own.name,
        "results": [{k: _plain(v) for k, v in result.items()} for result in results],
    }


def _last(case: Case, method: Method) -> Explanation:
    *_, last = case.explain(method)
    return last


def centre(size: int) -> np.ndarray:
    """The map (S, S) of somebody who points at the middle of every film."""
    away = np.square((np.arange(size) + 0.5) / size - 0.5)
    values: np.ndarray = np.exp(-(away[:, None] + away) / (2 * CENTRE**2))
    return values


def localised(values: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """How a map (S, S) lies to the boxes of its finding (S, S); nan without boxes."""
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
    film, covered = float(held.logits[i]), float(held.covered[i])
    deletion, insertion = (
        metrics.area_under(trust.SHARES, metrics.normalised(each, film, covered))
        for each in (curve.deletion, curve.insertion)
    )
    return {"deletion": deletion, "insertion": insertion, "insertion - deletion": curve.gap}


def _trusted(found: trust.Trust, i: int) -> dict[str, float]:
    verdict = found.verdict(i)
    tested = verdict is not trust.Verdict.UNDEFINED
    return {
        "faithfulness": found.faithfulness[i],
        "better than random": float(verdict is not trust.Verdict.RANDOM) if tested else np.nan,
        "better than the lungs": float(verdict is trust.Verdict.SUPPORTED) if tested else np.nan,
        "stability": found.stability[i],
        "outside the lungs": found.outside[i],
    }


def _foretold(values: np.ndarray, held: trust.Controls, i: int) -> dict[str, float]:
    """What can be said of a control's map."""
    cells, moved = trust.on_grid(values[None])[0], held.moved[:, i]
    chance = metrics.chance(cells, held.signs, moved)
    return {
        "faithfulness": metrics.faithfulness(cells, held.signs, moved),
        "better than random": np.nan if np.isnan(chance) else float(chance <= trust.CHANCE),
    }


def _agreement(explanations: Mapping[str, Explanation], name: str, i: int) -> dict[str, float]:
    """Mean rank correlation with the other methods: of this finding's maps, and of its with those of others."""
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
    """Means over maps drawn anew for each film, so that they do not all lie alike."""
    maps = trust.random_maps(DRAWS, seed=int(film.sha256[:8], 16))
    figures: dict[str, list[float]] = {}
    for values in maps:
        one = localised(image.by_area(values[None], len(mask))[0], mask) | _foretold(values, held, i)
        for name, value in one.items():
            figures.setdefault(name, []).append(value)
    for curve in held.random[i]:
        told = _followed(curve, held, i)
        # the inverse of a random map is one too, and has these two areas the other way round
        both = (told["deletion"] + told["insertion"]) / 2
        for name, value in {"deletion": both, "insertion": both, "insertion - deletion": 0.0}.items():
            figures.setdefault(name, []).append(value)
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _add_permuted(
    results: Sequence[dict[str, Any]], case: Case, methods: Sequence[Method],
    explanations: Mapping[str, Explanation], indices: Mapping[str, int],
) -> None:  # fmt: skip
    for metric, depth in PERMUTED.items():
        other = Case(randomisation.permuted(case.model, depth), case.film)
        for method in methods:
            again = trust.on_grid(_last(other, method).values)
            kept = randomisation.kept(trust.on_grid(explanations[method.key].values), again)
            for result in results:
                if result["method"] == method.key:
                    result[metric] = kept[indices[result["finding"]]]


# ------------------------------------------------------------------ files and processes


def _known(path: Path, plan: Plan, permuted: bool) -> bool:
    """Whether a film was measured by this plan; one of another plan is measured again."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return bool(record["plan"] == plan.digest and record["permuted"] >= permuted)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _write(path: Path, text: str) -> None:
    """All of it or nothing, so that what is there is whole whenever the process is killed."""
    partial = path.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


def _processes() -> tuple[int, int, Callable[[], None]]:
    """Which process it is, how many there are, and how to wait for all."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return 0, 1, lambda: None
    from accelerate import PartialState

    # the slowest may be hours behind
    state = PartialState(cpu=True, timeout=timedelta(days=7))
    return state.process_index, state.num_processes, state.wait_for_everyone


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)):
        return round(float(value), 5) if np.isfinite(value) else None
    return value


# ------------------------------------------------------------------ the table


def write_tables(out: Path, plan: Plan) -> None:
    """films.csv, table.csv, table.json, table.md and plots, from what lies in OUT/films."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((out / "films").glob("*.json"))]
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
        "figures": figures,
        "less_centre": against(lines),
    }
    _write(out / "table.json", json.dumps(about, indent=1) + "\n")
    _write(out / "table.md", markdown(about))
    plot(out, figures)


def summary(lines: Sequence[Mapping[str, Any]], resamples: int = 1000) -> list[dict[str, Any]]:
    """Means per method, metric and finding, and their mean over findings, with 95 % intervals by patient bootstrap.

    The mean over findings gives each the same weight, whatever its number of films, and leaves out those with fewer
    than FEWEST; a metric is only averaged over findings where it is defined.
    """
    return _Cases.of(lines).figures(resamples) if lines else []


def against(lines: Sequence[Mapping[str, Any]], control: str = "centre", resamples: int = 1000) -> list[dict[str, Any]]:
    """The same of COMPARED, each map's figure less that of a control's map of the same film and finding."""
    cases = _Cases.of(lines) if lines else None
    if cases is None or control not in cases.methods:
        return []
    compared = cases.values[..., [cases.metrics.index(name) for name in COMPARED]]
    beside = compared[:, [cases.methods.index(control)]]
    found = replace(cases, values=compared - beside, metrics=COMPARED).figures(resamples)
    return [f for f in found if f["method"] != control]


@dataclass(frozen=True, eq=False)
class _Cases:
    """Figures of films and findings."""

    values: np.ndarray  # (cases, methods, metrics), nan where undefined
    methods: Sequence[str]
    metrics: Sequence[str]
    findings: Sequence[str]  # without those of no case
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
        """Of some cases, by finding and last over findings: (findings + 1, methods, metrics)."""
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
        """A record for each finding, method and metric that is defined."""
        point = self.means(np.arange(len(self.values)))
        low, high = _quantiles(metrics.bootstrap(self.means, self.patients, resamples))
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
                                "value": _plain(point[f, m, k]),
                                "low": _plain(low[f, m, k]), "high": _plain(high[f, m, k]),
                                "cases": int(n), "too few": bool(finding != "mean" and n < FEWEST),
                            }
                        )  # fmt: skip
        return found


def _quantiles(drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of 95 % intervals of draws (R, ...), nan where a figure was never defined."""
    never = np.isnan(drawn).all(0)
    low, high = np.nanpercentile(np.where(never, 0, drawn), [2.5, 97.5], axis=0)
    return np.where(never, np.nan, low), np.where(never, np.nan, high)


def markdown(about: Mapping[str, Any]) -> str:
    """The table for people: means over findings, then the pointing game and the verdicts by finding."""
    figures = about["figures"]
    cell = {(f["finding"], f["method"], f["metric"]): f for f in figures}
    methods = list(dict.fromkeys(f["method"] for f in figures))
    findings = list(dict.fromkeys(f["finding"] for f in figures))
    shown = [metric for metric in METRICS if any((("mean", m, metric) in cell) for m in methods)]
    lines = [
        f"{about['films']} films of {about['patients']} patients; `{about['model']}`; intervals: 95 %, by patient.",
        "",
        "Mean over findings:",
        "",
        *_rows(
            "metric", methods, [(_arrow(metric), [cell.get(("mean", m, metric)) for m in methods]) for metric in shown]
        ),
    ]
    for metric in ("pointing", "energy in box", "IoU", "faithfulness"):
        if metric in shown:
            rows = [
                (_counted(name, cell, methods, metric), [cell.get((name, m, metric)) for m in methods])
                for name in findings
            ]
            lines += ["", f"{metric}, by finding (cases):", "", *_rows("finding", methods, rows)]
    return "\n".join([*lines, *_less_centre(about["less_centre"])]) + "\n"


def _less_centre(figures: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is gained over somebody who points at the middle of every film, and by which methods nothing."""
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


def _rows(first: str, methods: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]]) -> Iterator[str]:
    yield f"| {first} | {' | '.join(methods)} |"
    yield f"|---|{'---|' * len(methods)}"
    for name, cells in rows:
        yield f"| {name} | {' | '.join(_said(each) for each in cells)} |"


def _said(figure: Mapping[str, Any] | None) -> str:
    if figure is None:
        return ""
    digits = 1 if abs(figure["value"]) >= 10 else 3
    text = f"{figure['value']:.{digits}f} [{figure['low']:.{digits}f}, {figure['high']:.{digits}f}]"
    return f"({text})" if figure["too few"] else text


def _arrow(metric: str) -> str:
    return metric + {1: " ↑", -1: " ↓", 0: ""}[METRICS[metric]]


def _counted(finding: str, cell: Mapping[Any, Any], methods: Sequence[str], metric: str) -> str:
    counts = [cell[finding, m, metric] for m in methods if (finding, m, metric) in cell]
    text = f"{finding.replace('_', ' ')} ({max((c['cases'] for c in counts), default=0)})"
    return f"{text}, too few" if any(c["too few"] for c in counts) else text


def plot(out: Path, figures: Sequence[Mapping[str, Any]]) -> None:
    """`localisation.png` and `faithfulness.png`: means over findings with their intervals, a bar per method."""
    from matplotlib.figure import Figure

    for name, shown in {
        "localisation": ("pointing", "energy in box", "IoU"),
        "faithfulness": ("insertion - deletion", "faithfulness", "better than the lungs"),
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


def _write_csv(path: Path, lines: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    partial.replace(path)
