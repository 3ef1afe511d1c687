"""A run: one model per fold of patients, their out-of-fold scores, and one model of all films.

RUN/run.json             the plan: films, findings, recipe; `resume` needs nothing else
RUN/folds.csv            file, patient, fold
RUN/out_of_fold.npz      logits (N, L) of each film by the model that never saw its patient; targets; fold
RUN/fold-0/ ... RUN/all/ model folders
RUN/training/fold-0/ ... checkpoint, log, curves and events of each training
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate import Accelerator

from cxr_demo.errors import DataError
from cxr_demo.models import model_folder
from cxr_demo.models.classifier import MIRRORED
from cxr_demo.types import ModelSpec, Score
from train import backbones, boxes, calibrate, card, distil, evaluate, finetune, splits
from train.audit import corrections
from train.recipe import Recipe
from train.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cxr_demo.films.label_tables import Films
    from cxr_demo.models.classifier import Network
    from train.backbones import Backbone

#: Strata whose figures go into a model folder; all are in evaluation.json.
SHOWN = ("all sources", "within", "films with boxes")
#: The metric of activation maps.
POINTING = "Grad-CAM pointing"


@dataclass(frozen=True)
class Plan:
    """What decides a run. Saved with it as JSON; the same plan over the same films goes on where it was."""

    name: str
    films: tuple[str, ...]  # tables, or NAME=FOLDER of a data set of torchxrayvision's
    labels: tuple[str, ...]
    recipe: Recipe
    folds: int = 5
    only_folds: bool = False  # no model of all films: the folds are there to measure with
    split: str | None = None  # instead of folds: a split file, or "official"; its part "train" trains one model
    start_run: str | None = None  # a run of the same films whose models are the start, fold by fold
    teacher: str | None = None  # a table of another model's probabilities, see distil
    corrections: str | None = None  # a table of reviewed labels
    accepted: Mapping[str, str] = field(default_factory=dict)  # errors of the audit that do not stop it, with reasons
    present_only: bool = False  # of data sets by name: without films that are not there
    trained_on: str = ""
    command: str = ""
    digest: str = ""  # of the films, patients and targets

    def dumps(self) -> str:
        """As `run.json` holds it."""
        return json.dumps(asdict(self), indent=2) + "\n"


def loads(path: Path) -> Plan:
    """The plan of a run; DataError where there is none."""
    try:
        found: dict[str, Any] = json.loads((path / "run.json").read_text())
        found["recipe"] = Recipe(**found["recipe"])
        found.setdefault("only_folds", False)  # earlier versions knew no other
        return Plan(**{f.name: _tuple(found[f.name]) for f in fields(Plan)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no run that can be read here: {error}.") from None


def digest(films: Films) -> str:
    """What tells apart two sets of films and labels, in 16 hex digits."""
    found = hashlib.sha256()
    for path, patient in zip(films.paths, films.patients, strict=True):
        found.update(f"{path.name} {patient}\n".encode())
    found.update(films.targets.tobytes())
    return found.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Run:
    """A plan at work: its folder and what its names stand for."""

    folder: Path
    plan: Plan
    films: Films
    views: np.ndarray  # (N, S, S) uint8
    say: Callable[[str], None]
    most_steps: int | None = None  # per epoch, for a trial

    def fit(self) -> None:
        """Train whatever is not yet trained, then score, calibrate and write the model folders."""
        if self.plan.split and self.plan.only_folds:
            raise DataError("A split has no folds; leave out --only-folds.")
        if self.plan.split:
            self._fit_split()
        else:
            self._fit_folds()

    def _fit_split(self) -> None:
        """One model of the part "train"; calibrated and chosen by patients held out of it. Nobody looks at "test"."""
        accelerator = Accelerator()
        rows = np.flatnonzero(splits.parts(self.films, str(self.plan.split)) == "train")
        held = _validation(self.films, rows, self.plan.recipe)
        if not len(held):
            raise DataError("A split needs patients to calibrate on: give --validation a share above 0.")
        if accelerator.is_main_process:
            self._claim()
        accelerator.wait_for_everyone()
        network = self._trained(rows, held, None)
        logits = finetune.logits(network, self.views, held, accelerator)
        if accelerator.is_main_process:
            films = self.films.take(held)
            scores = evaluate.measure(films, logits)
            said = (
                f"Measured on {len(held)} films of {len(set(films.patients))} patients that were held out to choose "
                "and calibrate the model, and so a little flattering; the test part was not opened. Intervals: 95 %, "
                "patient bootstrap."
            )
            self._write_model(None, self.plan.name, network, logits, films.targets, scores, said)
            write_evaluation(self.folder, films, logits, scores)
        accelerator.wait_for_everyone()

    def _fit_folds(self) -> None:
        accelerator = Accelerator()
        fold = self._folds()
        if accelerator.is_main_process:
            self._claim()
            _write_folds(self.folder / "folds.csv", self.films, fold)
        accelerator.wait_for_everyone()
        logits, networks = np.zeros_like(self.films.targets), {}
        for k in self._models():
            rows = np.arange(len(self.films)) if k is None else np.flatnonzero(fold != k)
            network = networks[_name(k)] = self._trained(rows, _validation(self.films, rows, self.plan.recipe), k)
            if k is not None:
                held = np.flatnonzero(fold == k)
                logits[held] = finetune.logits(network, self.views, held, accelerator)
                mean = np.nanmean(evaluate.aurocs(self.films.targets[held], logits[held]))
                self.say(f"{_name(k)}: mean AUROC {mean:.3f} on its {len(held)} films")
        if accelerator.is_main_process:
            np.savez_compressed(
                self.folder / "out_of_fold.npz", logits=logits, targets=self.films.targets, fold=fold,
                files=self.films.names, labels=np.array(self.films.labels),
            )  # fmt: skip
            self._write_models(logits, fold, networks)
        accelerator.wait_for_everyone()

    def _models(self) -> list[int | None]:
        """Which models there are: one per fold, and last the one of all films."""
        return [*range(self.plan.folds), *(() if self.plan.only_folds else (None,))]

    def _folds(self) -> np.ndarray:
        if self.plan.start_run is None:
            return splits.patient_folds(self.films.patients, self.films.targets, self.plan.folds, self.plan.recipe.seed)
        if not self.plan.only_folds and loads(Path(self.plan.start_run)).only_folds:
            raise DataError(f"{self.plan.start_run} has folds alone; give --only-folds here too.")
        fold = folds_of(Path(self.plan.start_run), self.films)
        if set(fold) != set(range(self.plan.folds)):
            raise DataError(f"{self.plan.start_run} has {fold.max() + 1} folds; --folds must be the same.")
        return fold

    def _claim(self) -> None:
        """Refuse to go on with another plan in the same folder: folds would no longer be kept apart."""
        path = self.folder / "run.json"
        if path.exists() and _decisive(loads(self.folder)) != _decisive(self.plan):
            raise DataError(f"{self.folder} holds a run of another recipe or of other films; choose another folder.")
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(self.plan.dumps())
        partial.replace(path)

    def _trained(self, rows: np.ndarray, held: np.ndarray, k: int | None) -> Network:
        """A network that learnt from these rows but for the held ones, which decided when to stop."""
        films, recipe = self.films, self.plan.recipe
        folder = self.folder / "training" / _name(k)
        rows = np.setdiff1d(rows, held)
        network = self._backbone(k).network(films.labels, recipe.seed)
        targets = films.targets
        if self.plan.teacher:
            teacher = distil.read(Path(self.plan.teacher), films)
            targets = targets.copy()
            targets[rows] = distil.soften(targets[rows], teacher[rows], films.labels, recipe.teacher_weight)
        masks = boxes.masks(films.take(rows)) if recipe.box_weight else {}
        data = finetune.TrainingData(self.views, targets, rows, held, {int(rows[i]): m for i, m in masks.items()})
        self.say(f"{_name(k)}: {len(rows)} films of {len(np.unique(films.patients[rows]))} patients")
        trainer = finetune.Trainer(
            network, data, recipe, folder=folder, record=Record(folder), most_steps=self.most_steps
        )
        network = trainer.run(self.say)
        network.mirrored = recipe.mirrored
        return network

    def _backbone(self, k: int | None) -> Backbone:
        if self.plan.start_run is None:
            return backbones.find(self.plan.recipe)
        return backbones.of_model(
            model_folder.load(Path(self.plan.start_run) / _name(k), Path(self.plan.start_run).name)
        )

    def _write_models(self, logits: np.ndarray, fold: np.ndarray, networks: dict[str, Network]) -> None:
        films, plan = self.films, self.plan
        calibrated = np.zeros_like(logits)
        for own in range(plan.folds):
            # a fold is calibrated by the others, so that its own labels decide nothing about it
            others = calibrate.platt(logits[fold != own], films.targets[fold != own], films.labels)
            calibrated[fold == own] = calibrate.apply(logits[fold == own], others)
        scores = evaluate.measure(films, calibrated, fold)
        if any(films.boxes):
            scores += self._pointing(fold, networks)
        write_evaluation(self.folder, films, calibrated, scores)
        trained = "" if plan.only_folds else "; the model here was then trained the same way on all of them"
        scored_on = (
            f"Each film was scored by one of {plan.folds} models that never saw its patient (patient-wise "
            f"cross-validation, {len(films)} films, {len(np.unique(films.patients))} patients), and compared with the "
            f"others of that model{trained}. Intervals: 95 %, patient bootstrap."
        )
        for k in self._models():
            rest = np.ones(len(films), bool) if k is None else fold != k
            name = plan.name if k is None else f"{plan.name}-fold-{k}"
            self._write_model(k, name, networks[_name(k)], logits[rest], films.targets[rest], scores, scored_on)

    def _write_model(
        self, k: int | None, name: str, network: Network, logits: np.ndarray, targets: np.ndarray,
        scores: list[Score], scored_on: str,
    ) -> None:  # fmt: skip
        """A model folder, calibrated on these logits and targets (n, L)."""
        labels, backbone = self.films.labels, self._backbone(k)
        calibration = calibrate.platt(logits, targets, labels)
        points = calibrate.operating_points(calibrate.probabilities(calibrate.apply(logits, calibration)), targets)
        spec = ModelSpec(
            name=name,
            architecture=backbone.architecture,
            arguments={**backbone.arguments, **({MIRRORED: True} if self.plan.recipe.mirrored else {})},
            labels=labels,
            size=self.plan.recipe.size,
            trained_on=self.plan.trained_on,
            licence="Apache-2.0",
            calibration=calibration,
            thresholds=points["youden"],
            scores=tuple(s for s in scores if s.subset.startswith(SHOWN)),
            scored_on=scored_on,
            base_weights=backbone.name,
        )
        folder = self.folder / _name(k)
        text = card.write(spec, self.plan.command, notes(self.plan))
        model_folder.save(folder, spec, network, text, half=self.plan.recipe.half)
        by_label = {rule: dict(zip(labels, values, strict=True)) for rule, values in points.items()}
        (folder / "thresholds.json").write_text(json.dumps(by_label, indent=2) + "\n")

    def _pointing(self, fold: np.ndarray, networks: dict[str, Network]) -> list[Score]:
        """How often the peak of a finding's activation map lies in a box of it, by the model that never saw it."""
        films, crops = self.films, boxes.crops(self.films)
        hits = np.full(films.targets.shape, np.nan)
        for k in range(self.plan.folds):
            rows = np.array([row for row in crops if fold[row] == k], int)
            maps = finetune.maps(networks[_name(k)], self.views, rows) if len(rows) else ()
            for row, planes in zip(rows, maps, strict=True):
                for label in {box.label for box in films.boxes[row]} & set(films.labels):
                    i = films.labels.index(label)
                    own = [box for box in films.boxes[row] if box.label == label]
                    hits[row, i] = boxes.hit(planes[i], own, crops[row])
        return evaluate.shares(films.labels, hits, films.patients, "films with boxes", POINTING)


def _name(fold: int | None) -> str:
    return "all" if fold is None else f"fold-{fold}"


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _decisive(plan: Plan) -> dict[str, Any]:
    """What must not change while a run is unfinished."""
    return {
        name: value for name, value in asdict(plan).items() if name not in ("name", "trained_on", "command", "accepted")
    }


def _validation(films: Films, rows: np.ndarray, recipe: Recipe) -> np.ndarray:
    """Of these rows those of the patients whose films decide when to stop."""
    if recipe.validation <= 0:
        return rows[:0]
    parts = max(2, round(1 / recipe.validation))
    held: np.ndarray = rows[
        splits.patient_folds(films.patients[rows], films.targets[rows], parts, recipe.seed + 1) == 0
    ]
    return held


def sample(films: Films, most: int, seed: int) -> np.ndarray:
    """Rows of a few films, sorted, among them several patients with and without each finding."""
    order = np.random.default_rng(seed).permutation(len(films))
    chosen = list(order[:most])
    for column in films.targets.T:
        for value in (0, 1):
            rows = order[column[order] == value]
            _, first = np.unique(films.patients[rows], return_index=True)
            chosen += list(rows[first[:8]])
    return np.unique(chosen)


def _write_folds(path: Path, films: Films, fold: np.ndarray) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "patient", "fold"])
        writer.writerows(zip((p.name for p in films.paths), films.patients, fold.tolist(), strict=True))


def folds_of(run: Path, films: Films) -> np.ndarray:
    """The fold (N,) of each film's patient in a run; DataError where a patient has none."""
    with (run / "folds.csv").open(newline="") as file:
        known = {row["patient"]: int(row["fold"]) for row in csv.DictReader(file)}
    strangers = set(films.patients) - set(known)
    if strangers:
        raise DataError(f"{len(strangers)} patients have no fold in {run}; start from a run of the same films.")
    return np.array([known[patient] for patient in films.patients])


def measured(spec: ModelSpec, scores: list[Score], scored_on: str) -> ModelSpec:
    """A description with other figures."""
    return replace(spec, scores=tuple(s for s in scores if s.subset.startswith(SHOWN)), scored_on=scored_on)


def notes(plan: Plan) -> list[str]:
    """What the card says of labels that were changed and of errors that were accepted."""
    found = [corrections.summary(Path(plan.corrections))] if plan.corrections else []
    return found + [f"The audit's error {name} was accepted: {reason}" for name, reason in plan.accepted.items()]


def write_evaluation(folder: Path, films: Films, logits: np.ndarray, scores: list[Score]) -> None:
    """RUN/evaluation.json: every figure, and how well probabilities are calibrated; logits are calibrated (N, L)."""
    probabilities = calibrate.probabilities(logits)
    errors = {
        label: evaluate.calibration_error(films.targets[:, i], probabilities[:, i])
        for i, label in enumerate(films.labels)
    }
    found = {
        "films": len(films),
        "digest": digest(films),
        "calibration_error": errors,
        "scores": [*map(asdict, scores)],
    }
    (folder / "evaluation.json").write_text(json.dumps(found, indent=2) + "\n")
