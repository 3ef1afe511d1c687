"""A run: one model per fold of patients, their out-of-fold scores, and one model of all films.

RUN/folds.csv            file, patient, fold
RUN/out_of_fold.npz      logits (N, L) of each film by the model that never saw its patient; targets
RUN/fold-0/ ... RUN/all/ model folders
RUN/weights/             what is trained so far; a run that was interrupted goes on from here
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from cxr_demo import modelfolder
from cxr_demo.errors import DataError
from cxr_demo.types import ModelSpec, Score
from train import calibrate, card, distil, evaluate, finetune, splits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cxr_demo.classifier import Network
    from train.data import Films
    from train.finetune import Recipe

#: Sources with fewer films than this get no figures of their own.
FEWEST_FILMS = 300


@dataclass(frozen=True, eq=False)
class Run:
    """Where a run lives and what decides it."""

    folder: Path
    name: str
    recipe: Recipe
    folds: int
    trained_on: str
    command: str
    teacher: np.ndarray | None = None  # (N, L) logits of another model, see distil
    start: Path | None = None  # a run whose networks are the starting point, fold by fold


def fit(run: Run, films: Films, views: np.ndarray, say: Callable[[str], None]) -> None:
    """Train whatever of the run is not yet trained, then score, calibrate and write the model folders."""
    fold = splits.patient_folds(films.patients, films.targets, run.folds, run.recipe.seed)
    if run.start:
        fold = _folds_of(run.start, films)
        if set(fold) != set(range(run.folds)):
            raise DataError(f"{run.start} has {fold.max() + 1} folds; --folds must be the same.")
    run.folder.mkdir(parents=True, exist_ok=True)
    _same_run(run, films)
    _write_folds(run.folder / "folds.csv", films, fold)
    logits = np.zeros_like(films.targets)
    networks = {}
    for k in [*range(run.folds), None]:
        network = networks[_name(k)] = _trained(run, films, views, fold, k, say)
        if k is not None:
            logits[fold == k] = finetune.logits(network, views[fold == k])
            mean = np.nanmean(evaluate.aurocs(films.targets[fold == k], logits[fold == k]))
            say(f"{_name(k)}: mean AUROC {mean:.3f} on {(fold == k).sum()} films")
    np.savez_compressed(run.folder / "out_of_fold.npz", logits=logits, targets=films.targets, fold=fold)
    _write_models(run, films, logits, fold, networks)


def _name(fold: int | None) -> str:
    return "all" if fold is None else f"fold-{fold}"


def _trained(
    run: Run, films: Films, views: np.ndarray, fold: np.ndarray, k: int | None, say: Callable[[str], None]
) -> Network:
    network = finetune.new_network(run.recipe, len(films.labels))
    path = run.folder / "weights" / f"{_name(k)}.safetensors"
    if path.exists():
        network.model.load_state_dict(load_file(path))
        return network.eval()
    if run.start:
        _start_from(network, films.labels, run.start / _name(k))
    rows = np.arange(len(films)) if k is None else np.flatnonzero(fold != k)
    say(f"{_name(k)}: training on {len(rows)} films of {len(np.unique(films.patients[rows]))} patients")
    targets = films.targets[rows]
    if run.teacher is not None:
        targets = distil.soften(targets, run.teacher[rows], films.labels, run.recipe.teacher_weight)
    network = finetune.fit(network, views[rows], targets, run.recipe, say)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: tensor.contiguous() for name, tensor in network.model.state_dict().items()}, partial)
    partial.replace(path)
    return network


def _start_from(network: Network, labels: tuple[str, ...], folder: Path) -> None:
    """Take over a model's weights; of its head, the rows of findings that both predict."""
    given, known = load_file(folder / modelfolder.WEIGHTS), modelfolder.read_spec(folder).labels
    own = network.model.state_dict()
    for name in ("classifier.weight", "classifier.bias"):
        rows = [given[name][known.index(label)] if label in known else own[name][i] for i, label in enumerate(labels)]
        given[name] = torch.stack(rows)
    network.model.load_state_dict(given)


def _same_run(run: Run, films: Films) -> None:
    """Refuse to go on with another recipe or other films in the same folder: folds would no longer be kept apart."""
    digest = hashlib.sha256()
    for path, patient in zip(films.paths, films.patients, strict=True):
        digest.update(f"{path.name} {patient}\n".encode())
    digest.update(films.targets.tobytes())
    if run.teacher is not None:
        digest.update(run.teacher.tobytes())
    decides = {
        "recipe": asdict(run.recipe),
        "folds": run.folds,
        "start": str(run.start),
        "labels": films.labels,
        "films": digest.hexdigest(),
    }
    path, text = run.folder / "run.json", json.dumps(decides, indent=2)
    if path.exists() and path.read_text() != text:
        raise DataError(f"{run.folder} holds a run of another recipe or of other films; choose another folder.")
    path.write_text(text)


def _write_folds(path: Path, films: Films, fold: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient", "fold"])
        writer.writerows(zip((p.name for p in films.paths), films.patients, fold.tolist(), strict=True))


def _folds_of(run: Path, films: Films) -> np.ndarray:
    with (run / "folds.csv").open(newline="") as file:
        known = {row["patient"]: int(row["fold"]) for row in csv.DictReader(file)}
    strangers = set(films.patients) - set(known)
    if strangers:
        raise DataError(f"{len(strangers)} patients have no fold in {run}; start from a run of the same films.")
    return np.array([known[patient] for patient in films.patients])


def _write_models(run: Run, films: Films, logits: np.ndarray, fold: np.ndarray, networks: dict[str, Network]) -> None:
    calibrated = np.zeros_like(logits)
    for k in range(run.folds):
        # a fold is calibrated by the others, so that its own labels decide nothing about it
        others = calibrate.platt(logits[fold != k], films.targets[fold != k], films.labels)
        calibrated[fold == k] = calibrate.apply(logits[fold == k], others)
    scores = tuple(_scores(films, calibrated))
    for k in [*range(run.folds), None]:
        rest = np.ones(len(films), bool) if k is None else fold != k
        calibration = calibrate.platt(logits[rest], films.targets[rest], films.labels)
        probabilities = 1 / (1 + np.exp(-calibrate.apply(logits[rest], calibration)))
        spec = ModelSpec(
            name=run.name if k is None else f"{run.name}-fold-{k}",
            architecture="DenseNet",
            arguments=run.recipe.arguments,
            labels=films.labels,
            size=run.recipe.size,
            trained_on=run.trained_on,
            licence="Apache-2.0",
            calibration=calibration,
            thresholds=calibrate.operating_points(probabilities, films.targets[rest]),
            scores=scores,
            scored_on=(
                f"Each film was scored by one of {run.folds} models that never saw its patient (patient-wise "
                f"cross-validation, {len(films)} films, {len(np.unique(films.patients))} patients); the model "
                "itself was then trained the same way on all of them. Intervals: 95 %, patient bootstrap."
            ),
        )
        modelfolder.save(run.folder / _name(k), spec, networks[_name(k)], card.write(spec, run.command))


def _scores(films: Films, logits: np.ndarray) -> list[Score]:
    found = evaluate.score(films.labels, films.targets, logits, films.patients, "all sources")
    for source in sorted(set(films.sources)):
        rows = films.sources == source
        if source and rows.sum() >= FEWEST_FILMS:
            part = evaluate.score(
                films.labels, films.targets[rows], logits[rows], films.patients[rows], f"within {source}"
            )
            found += part
    return found
