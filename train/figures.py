"""Tables that `python -m train evaluate` prints: of a run, of a model on films, or of a file of predictions."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from cxr_demo.errors import DataError
from cxr_demo.files import write_whole
from cxr_demo.films import image
from cxr_demo.films.label_tables import Policy
from cxr_demo.models import registry
from cxr_demo.types import NIH_FINDINGS, Score
from train import calibrate, distil, evaluate, runs, splits
from train.audit import confounds
from train.audit.base import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cxr_demo.films.label_tables import Films
    from train.runs import Plan

#: Figures ignore uncertain and missing labels.
POLICY = Policy()
#: File in the run with the number of evaluations of each part of its split.
OPENED = "opened.json"
PREDICTIONS = (".csv", ".csv.gz")
#: Films that are read and scored together.
BATCH = 16


def labels_of(what: str) -> tuple[str, ...]:
    """The findings of a model, by name, or of a table of predictions; errors as in `registry.load`."""
    return NIH_FINDINGS if what.endswith(PREDICTIONS) else registry.load(what).labels


def of_run(run: Path, films_of: Callable[[Plan], Films], *, part: str, again: bool = False) -> str:
    """Table of a run: its out-of-fold figures, measured again if `again` is set, or figures on one part of its split.

    Each evaluation of a part that the model did not learn from is counted in OPENED, and its card gets the new figures.
    DataError if the run is not finished or its split has no such part.
    """
    plan = runs.loads(run)
    films = every = films_of(plan)
    if not plan.split:
        return table(films, runs.measure_again(run, plan, films) if again else _of_folds(run))
    rows = splits.parts(films, plan.split) == part
    if not rows.any():
        raise DataError(f"{plan.split} has no part {part!r}.")
    learnt = np.concatenate([np.r_[training.rows, training.held] for training in runs.trainings(plan, films)])
    known = np.isin(np.flatnonzero(rows), learnt).sum()
    films = films.take(rows)
    scores = evaluate.measure(films, _scored(str(run / "all"), films).logits)
    if known:
        return (
            f"The model learnt from {known:,} of these {len(films):,} films, so these are not its figures on new ones, "
            f"and its card keeps those that it has.\n\n{table(films, scores)}"
        )
    times = _count(run / OPENED, part)
    said = (
        f"Measured on the {part} part of the split {plan.split}: {len(films)} films of {len(set(films.patients))} "
        f"patients, opened {times} time{'s' * (times > 1)}. Intervals: 95 %, patient bootstrap."
    )
    runs.describe(run / "all", plan, every, scores, said)
    warning = "\nIt was opened before: what was chosen since is no longer measured on unseen films." * (times > 1)
    return f"{said}\n\n{table(films, scores)}{warning}"


def of_model(what: str, films: Films) -> str:
    """Table of a model, or of a file of predictions, on films, with a sentence on those that trained the model.

    DataError if the file predicts none of the films; otherwise errors as in `registry.load`.
    """
    if not what.endswith(PREDICTIONS):
        scored = _scored(what, films)
        return f"{_seen(what, films, scored)}\n\n{table(films, evaluate.measure(films, scored.logits))}"
    scores = distil.read(Path(what), films)
    known = ~np.isnan(scores).any(1)
    if not known.any():
        raise DataError(f"{what} holds none of these films.")
    films = films.take(known)
    found = evaluate.measure(films, scores[known], resamples=200)
    return f"{known.sum():,} of {len(known):,} films have predictions.\n\n{table(films, found)}"


def table(films: Films, scores: Sequence[Score]) -> str:
    """A line per finding over all films, beside the AUROC without pixels; then the means in each stratum."""
    blind = _without_pixels(films)
    known = dict(zip(films.labels, ((films.targets == 0) | (films.targets == 1)).sum(0).tolist(), strict=True))
    cells = {(s.finding, s.metric): s for s in scores if s.subset == "all sources"}
    lines = [f"{'finding':<20}{'films':>7}{'share':>7}  {'AUROC':<18}  {'average precision':<18}  no pixels"]
    for finding in (*films.labels, "mean"):
        area, precision = cells.get((finding, "AUROC")), cells.get((finding, "average precision"))
        if area and precision:
            # of the films whose label is known: the average precision of chance
            share = f"{area.positives / known[finding]:.1%}" if finding != "mean" else ""
            without = f"  {blind[finding]:.2f}" if finding in blind else ""
            figures = f"{_interval(area):<18}  {_interval(precision):<18}{without}"
            lines.append(f"{finding:<20}{area.positives:>7,}{share:>7}  {figures}")
    lines += ["", "Means over the findings, and by parts of the films:"]
    for score in scores:
        if score.metric != "average precision" and (score.finding == "mean" or len(films.labels) == 1):
            lines.append(f"{score.subset:<32}{score.films:>8,} films  {score.metric} {_interval(score)}")
    return "\n".join(lines)


def _interval(score: Score) -> str:
    """Value and 95 % interval of a score."""
    return f"{score.value:.3f} [{score.low:.2f}-{score.high:.2f}]"


def _of_folds(run: Path) -> list[Score]:
    path = run / "evaluation.json"
    if not path.exists():
        raise DataError(f"{run} is not finished; end it with `python -m train resume {run}`.")
    found = json.loads(path.read_text())
    return [Score(**score) for score in found["scores"]]


def _without_pixels(films: Films) -> dict[str, float]:
    """AUROC of a model of metadata alone, per finding and as mean."""
    found: dict[str, float] = {}
    for finding in confounds.without_pixels(Subject(films)):
        rows: list[dict[str, Any]] = finding.figures["rows"]
        found |= {row["label"]: row["AUROC"] for row in rows} | {"mean": finding.figures["mean"]}
    return found


@dataclass(frozen=True, eq=False)
class Scored:
    """A model's results for N films; its L findings are those of the films' table."""

    logits: np.ndarray  # (N, L), calibrated
    checksums: list[str]  # sha256 of each film's file


def _scored(what: str, films: Films) -> Scored:
    """Score films with a model: read as on the page, in batches of those that the same fold predicts."""
    model = registry.load(what)
    columns = [model.labels.index(label) for label in films.labels]
    logits, checksums = np.zeros((len(films), len(columns))), []
    with ThreadPoolExecutor() as pool, tqdm(total=len(films), desc="Scoring films", disable=None) as bar:
        for start in range(0, len(films), BATCH):
            read = list(pool.map(image.read, films.paths[start : start + BATCH]))
            checksums += [film.sha256 for film in read]
            views = np.concatenate([image.model_input(film, model.size, model.spec.pixel_range) for film in read])
            own = [model.for_film(film) for film in read]
            for one in dict.fromkeys(own):
                rows = [i for i, fold in enumerate(own) if fold is one]
                found = one.logits(torch.from_numpy(views[rows])).numpy()
                found = calibrate.apply(found, one.spec.calibration) if one.spec.calibration else found
                logits[start + np.array(rows)] = found[:, columns]
            bar.update(len(read))
    return Scored(logits, checksums)


def _seen(what: str, films: Films, scored: Scored) -> str:
    """A sentence on the films that trained a model: their number where its run is beside it, or its own words."""
    folder = Path(what)
    if (folder / runs.FOLDS).exists():
        return "Each film of the run is scored by the fold that never saw its patient, other films by all folds."
    known = runs.learnt_from(folder, scored.checksums)
    if known is not None:
        warning = ", so these are not its figures on new ones" if known.any() else ""
        return f"The model learnt from {known.sum():,} of these {len(films):,} films{warning}."
    spec = registry.load(what).spec
    told = spec.trained_on.rstrip(".") or "not said"
    return f"{what} was trained on: {told}. On films of the same patients its figures are too high."


def _count(path: Path, part: str) -> int:
    """Count one more evaluation of a part of the split; their number."""
    counts: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
    counts[part] = counts.get(part, 0) + 1
    write_whole(path, json.dumps(counts) + "\n")
    return counts[part]
