"""Cross-validated runs: one model per fold of patients, their out-of-fold scores, and one model of all films.

RUN/run.json             the plan: films, findings, recipe; all that `resume` needs
RUN/folds.csv            file, patient, fold and sha256 of each film; of a run by a split, split.csv
RUN/out_of_fold.npz      logits (N, L) of each film by the model that never saw its patient; targets; fold
RUN/fold-0/ ... RUN/all/ model folders
RUN/training/fold-0/ ... checkpoint, log, curves and events of each training
"""

from __future__ import annotations

import csv
import hashlib
import json
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate import Accelerator
from filelock import FileLock

from cxr_demo.errors import DataError
from cxr_demo.files import write_whole
from cxr_demo.films.label_tables import patient_id
from cxr_demo.models import model_folder
from cxr_demo.models.classifier import MIRRORED
from cxr_demo.types import ModelSpec, Score
from train import backbones, boxes, calibrate, card, distil, evaluate, finetune, readers, splits
from train.audit import command, corrections
from train.recipe import Recipe
from train.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cxr_demo.films.label_tables import Films
    from cxr_demo.models.classifier import Network
    from train.backbones import Backbone
    from train.cache import Views

#: Strata whose figures go into a model folder; evaluation.json has all of them.
SHOWN = ("all sources", "within", "films with boxes")
#: Name of the metric of activation maps.
POINTING = "Grad-CAM pointing"


#: Files of a run with the films of its folds, or of its split.
FOLDS, SPLIT = "folds.csv", "split.csv"

#: Names of a split's part that decides when to stop and calibrates; without it, patients of the part `train` do.
VALIDATION = ("validation", "valid", "val")

#: Fields of a plan that only describe its models.
TOLD = ("name", "trained_on", "licence", "datasets", "notes", "command", "accepted", "cache")


@dataclass(frozen=True)
class Plan:
    """Everything that decides a run, saved as `run.json`; the same plan on the same films resumes the run.

    Fields in TOLD may differ then.
    """

    name: str
    films: tuple[str, ...]  # tables, or NAME=FOLDER of a data set of torchxrayvision's
    labels: tuple[str, ...]
    recipe: Recipe
    folds: int = 5
    only_folds: bool = False  # train no model of all films: the folds serve to measure
    split: str | None = None  # instead of folds: a split file, or "official"; its part `train` trains one model
    start_run: str | None = None  # a run of the same films whose models are the start, fold by fold
    teacher: str | None = None  # a table of another model's probabilities, see distil
    called_normal: str | None = None  # COLUMN=VALUE of films that a second reader called normal, see readers
    box_hints: str | None = None  # COLUMN=FINDING,... of boxes without a finding, see readers
    corrections: str | None = None  # a table of reviewed labels
    accepted: Mapping[str, str] = field(default_factory=dict)  # id of an audit error that may stand -> reason
    present_only: bool = False  # of data sets by name, leave out films without a file
    columns: Mapping[str, str] = field(default_factory=dict)  # of tables: headers by the project's name
    blank_patients: str = "refuse"  # or "own": a film without a patient is a patient of its own
    trained_on: str = ""
    licence: str = ""  # of the models; empty: that of the weights that training starts from
    datasets: tuple[str, ...] = ()  # names of the films' data sets on the Hub
    notes: tuple[str, ...] = ()  # the user's own sentences for the models' cards
    command: str = ""
    cache: str = ""  # folder of decoded films; empty: the one that all commands share
    digest: str = ""  # of the films, patients and targets

    def dumps(self) -> str:
        """The plan as the text of `run.json`."""
        return json.dumps(asdict(self), indent=2) + "\n"


def loads(path: Path) -> Plan:
    """The plan of the run at `path`; DataError if its `run.json` is missing or invalid."""
    try:
        found: dict[str, Any] = json.loads((path / "run.json").read_text())
        found["recipe"] = Recipe(**found["recipe"])
        # missing in runs of earlier versions
        found = {"only_folds": False, "columns": {}, "blank_patients": "refuse"} | found
        found = {"licence": "", "datasets": [], "notes": [], "cache": ""} | found
        found = {"called_normal": None, "box_hints": None} | found
        return Plan(**{f.name: _tuple(found[f.name]) for f in fields(Plan)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} holds no run that can be read here: {error}.") from None


def digest(films: Films) -> str:
    """Checksum of films' names, patients and targets in 16 hex digits, to compare sets of films."""
    found = hashlib.sha256()
    for name, patient in zip(films.names, films.patients, strict=True):
        found.update(f"{name} {patient}\n".encode())
    found.update(films.targets.tobytes())
    return found.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class Run:
    """A plan with its folder and its decoded films; `say` gets a line per event.

    Model folders are named "all" or "fold-<k>"; in methods `k` is the fold, None for the model of all films.
    """

    folder: Path
    plan: Plan
    films: Films
    views: Views  # of the N films
    checksums: Sequence[str]  # N, sha256 of each film's file
    say: Callable[[str], None]
    most_steps: int | None = None  # per epoch, for a trial

    def fit(self) -> None:
        """Train the models that are not trained yet, then score, calibrate and write the model folders.

        DataError if the plan does not fit its starting run, or if the folder holds a run of another plan.
        """
        if self.plan.split:
            self._fit_split()
        else:
            self._fit_folds()

    def train(self, name: str) -> None:
        """Train one model of the run and write nothing but its checkpoint, so that `fit` finds it trained.

        DataError as in `training`.
        """
        chosen = training(self.plan, self.films, name)
        self._trained(chosen)
        self.say(f"{chosen.name} is trained. After the others: python -m train resume {self.folder}")

    def _fit_split(self) -> None:
        """Train one model on the part `train` of the split.

        The part of VALIDATION, or patients held out of `train`, decide when to stop and calibrate the model; the part
        `test` is not used.
        """
        accelerator = Accelerator()
        (training,) = trainings(self.plan, self.films)
        held = training.held
        if accelerator.is_main_process:
            claim(self.folder, self.plan)
            parts = splits.parts(self.films, str(self.plan.split))
            splits.write(self.folder / SPLIT, self.films, parts, self.checksums)
        accelerator.wait_for_everyone()
        network = self._trained(training)
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
        """Train the models of all folds, and unless `only_folds` one of all films, then write scores and model folders.

        Each fold's model scores the films of that fold, which gives out-of-fold logits of all films.
        """
        accelerator = Accelerator()
        fold = _folds(self.plan, self.films)
        if accelerator.is_main_process:
            claim(self.folder, self.plan)
            self._write_folds(fold)
        accelerator.wait_for_everyone()
        logits, networks = np.zeros_like(self.films.targets), []
        for training in trainings(self.plan, self.films):
            network = self._trained(training)
            networks.append(network)
            if training.fold is not None:
                own = np.flatnonzero(fold == training.fold)
                logits[own] = finetune.logits(network, self.views, own, accelerator)
                mean = np.nanmean(evaluate.aurocs(self.films.targets[own], logits[own]))
                self.say(f"{training.name}: mean AUROC {mean:.3f} on its {len(own)} films")
        if accelerator.is_main_process:
            np.savez_compressed(
                self.folder / "out_of_fold.npz", logits=logits, targets=self.films.targets, fold=fold,
                files=self.films.names, labels=np.array(self.films.labels),
            )  # fmt: skip
            self._write_models(logits, fold, networks)
        accelerator.wait_for_everyone()

    def _write_folds(self, fold: np.ndarray) -> None:
        """Write name, patient, fold and checksum of each film as CSV."""
        with (self.folder / FOLDS).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "patient", "fold", "sha256"])
            columns = self.films.names, self.films.patients, fold.tolist(), self.checksums
            writer.writerows(zip(*columns, strict=True))

    def _trained(self, training: Training) -> Network:
        """The network of a training.

        With a teacher or a second reader, the targets of the training films are softened; boxes serve as masks if the
        recipe weighs them.
        """
        films, recipe, rows = self.films, self.plan.recipe, training.rows
        folder = self.folder / "training" / training.name
        network = backbone_of(self.plan, training.fold).network(films.labels, recipe.seed)
        targets = films.targets.copy()
        if self.plan.teacher:
            teacher = distil.read(Path(self.plan.teacher), films)
            targets[rows] = distil.soften(targets[rows], teacher[rows], films.labels, recipe.teacher_weight)
        if self.plan.called_normal:
            normal = readers.called_normal(films, self.plan.called_normal)
            targets[rows] = readers.doubted(targets[rows], normal[rows], recipe.reader_weight)
        boxed_films = readers.with_hints(films, self.plan.box_hints) if self.plan.box_hints else films
        masks = boxes.masks(boxed_films.take(rows)) if recipe.box_weight else {}
        boxed = {int(rows[i]): mask for i, mask in masks.items()}
        data = finetune.TrainingData(self.views, targets, rows, training.held, boxed)
        self.say(f"{training.name}: {len(rows)} films of {len(np.unique(films.patients[rows]))} patients")
        trainer = finetune.Trainer(
            network, data, recipe, folder=folder, record=Record(folder), most_steps=self.most_steps
        )
        with _alone(folder):
            network = trainer.run(self.say)
        network.mirrored = recipe.mirrored
        return network

    def _write_models(self, logits: np.ndarray, fold: np.ndarray, networks: list[Network]) -> None:
        films, plan = self.films, self.plan
        scores = measure_folds(self.folder, plan, films, logits, fold, networks)
        for k, network in zip(models(plan), networks, strict=True):
            rest = _outside(fold, k)
            name = plan.name if k is None else f"{plan.name}-fold-{k}"
            self._write_model(k, name, network, logits[rest], films.targets[rest], scores, by_folds(plan, films))

    def _write_model(
        self, k: int | None, name: str, network: Network, logits: np.ndarray, targets: np.ndarray,
        scores: list[Score], scored_on: str,
    ) -> None:  # fmt: skip
        """Write the model folder of fold `k`, calibrated on logits and targets (n, L).

        `name`, `scores` and `scored_on` go into its description and card; all operating points into thresholds.json.
        """
        labels, backbone = self.films.labels, backbone_of(self.plan, k)
        calibration, points = _calibrated(logits, targets, labels)
        spec = ModelSpec(
            name=name,
            architecture=backbone.architecture,
            arguments={**backbone.arguments, **({MIRRORED: True} if self.plan.recipe.mirrored else {})},
            labels=labels,
            size=self.plan.recipe.size,
            trained_on=self.plan.trained_on,
            licence=self.plan.licence or backbone.licence,
            calibration=calibration,
            thresholds=points[calibrate.SHOWN],
            scores=_shown(scores),
            scored_on=scored_on,
            base_weights=backbone.name,
        )
        folder = self.folder / _name(k)
        text = card.write(spec, self.plan.command, notes(self.plan, self.films), self.plan.datasets)
        model_folder.save(folder, spec, network, text, half=self.plan.recipe.half)
        _write_points(folder, labels, points)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other jobs out of a training's folder; they wait and then find it trained."""
    accelerator = Accelerator()
    lock = FileLock(folder / "lock")
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    accelerator.wait_for_everyone()
    try:
        yield
    finally:
        lock.release()


def _calibrated(
    logits: np.ndarray, targets: np.ndarray, labels: tuple[str, ...]
) -> tuple[tuple[tuple[float, float], ...], dict[str, tuple[float, ...]]]:
    """Calibration on logits and targets (n, L), and the operating points (L,) of each rule on the probabilities."""
    calibration = calibrate.platt(logits, targets, labels)
    probabilities = calibrate.probabilities(calibrate.apply(logits, calibration))
    return calibration, calibrate.operating_points(probabilities, targets)


def _write_points(folder: Path, labels: tuple[str, ...], points: Mapping[str, tuple[float, ...]]) -> None:
    """Write the operating points (L,) of each rule to a model folder's thresholds.json."""
    by_label = {rule: dict(zip(labels, values, strict=True)) for rule, values in points.items()}
    write_whole(folder / "thresholds.json", json.dumps(by_label, indent=2) + "\n")


@dataclass(frozen=True, eq=False)
class Training:
    """One training of a run; its arrays are indices of films."""

    fold: int | None  # None: the model of all films, or of a split's part
    rows: np.ndarray  # to learn from
    held: np.ndarray  # validation films, which decide when to stop; may be empty
    calibrated: np.ndarray  # to calibrate on

    @property
    def name(self) -> str:
        """Name of its folders in the run."""
        return _name(self.fold)


def trainings(plan: Plan, films: Films) -> list[Training]:
    """The trainings of a plan, in order; DataError if its folds or its split do not fit the films."""
    if plan.split:
        part = splits.parts(films, plan.split)
        rows, held = np.flatnonzero(part == "train"), np.flatnonzero(np.isin(part, VALIDATION))
        held = held if len(held) else _validation(films, rows, plan.recipe)
        if not len(held):
            raise DataError(
                "A split needs patients to calibrate on: give --validation a share above 0, or the split a part named "
                f"{VALIDATION[0]}."
            )
        return [Training(None, np.setdiff1d(rows, held), held, held)]
    fold, found = _folds(plan, films), []
    for k in models(plan):
        rows = np.flatnonzero(_outside(fold, k))
        held = _validation(films, rows, plan.recipe)
        found.append(Training(k, np.setdiff1d(rows, held), held, rows))
    return found


def training(plan: Plan, films: Films, name: str) -> Training:
    """The training of one model, "all" or a fold's number; DataError if the plan has no such model."""
    planned = {each.name: each for each in trainings(plan, films)}
    found = planned.get(name) or planned.get(f"fold-{name}")
    if found is None:
        has = ", ".join(each.removeprefix("fold-") for each in planned)
        raise DataError(f"--fold {name}: this run has the models {has}.")
    return found


def backbone_of(plan: Plan, k: int | None) -> Backbone:
    """The backbone of fold `k`: the recipe's, or the model of that fold in the starting run."""
    if plan.start_run is None:
        return backbones.find(plan.recipe)
    return backbones.of_model(model_folder.load(Path(plan.start_run) / _name(k), Path(plan.start_run).name))


def claim(folder: Path, plan: Plan) -> None:
    """Write a plan as the folder's `run.json`; DataError as in `check_folder`."""
    check_folder(folder, plan)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "run.json", plan.dumps())


def check_folder(folder: Path, plan: Plan) -> None:
    """DataError if a folder has trainings of another plan, whose folds could mix patients with those of this one."""
    begun = (folder / "run.json").exists() and (folder / "training").exists()
    if begun and _decisive(loads(folder)) != _decisive(plan):
        raise DataError(f"{folder} holds a run of another recipe or of other films; choose another folder.")


def _decisive(plan: Plan) -> dict[str, Any]:
    """The fields of a plan that must not change while the run is unfinished."""
    return {name: value for name, value in asdict(plan).items() if name not in TOLD}


def _folds(plan: Plan, films: Films) -> np.ndarray:
    """Fold (N,) of each film, new or that of the starting run; DataError if the starting run does not fit."""
    if plan.start_run is None:
        return splits.patient_folds(films.patients, films.targets, plan.folds, plan.recipe.seed)
    if not plan.only_folds and loads(Path(plan.start_run)).only_folds:
        raise DataError(f"{plan.start_run} has folds alone; give --only-folds here too.")
    fold = folds_of(Path(plan.start_run), films)
    if set(fold) != set(range(plan.folds)):
        raise DataError(f"{plan.start_run} has {fold.max() + 1} folds; --folds must be the same.")
    return fold


def models(plan: Plan) -> list[int | None]:
    """The models of a run by folds: one per fold, and last, as None, the one of all films unless left out."""
    return [*range(plan.folds), *(() if plan.only_folds else (None,))]


def _name(fold: int | None) -> str:
    """Folder of a fold's model in the run."""
    return "all" if fold is None else f"fold-{fold}"


def _outside(fold: np.ndarray, k: int | None) -> np.ndarray:
    """Mask (N,) of the films that train and calibrate a model: all but those of its own fold `k`, or all for None."""
    return np.ones(len(fold), bool) if k is None else fold != k


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _validation(films: Films, rows: np.ndarray, recipe: Recipe) -> np.ndarray:
    """The indices among `rows` of the validation patients' films; empty if the recipe has no validation."""
    if recipe.validation <= 0:
        return rows[:0]
    parts = max(2, round(1 / recipe.validation))
    held: np.ndarray = rows[
        splits.patient_folds(films.patients[rows], films.targets[rows], parts, recipe.seed + 1) == 0
    ]
    return held


def sample(films: Films, most: int, seed: int) -> np.ndarray:
    """Sorted indices of `most` random films, plus films of 8 patients with and 8 without each finding."""
    order = np.random.default_rng(seed).permutation(len(films))
    chosen = list(order[:most])
    for column in films.targets.T:
        for value in (0, 1):
            rows = order[column[order] == value]
            _, first = np.unique(films.patients[rows], return_index=True)
            chosen += list(rows[first[:8]])
    return np.unique(chosen)


def folds_of(run: Path, films: Films) -> np.ndarray:
    """Fold (N,) of each film's patient in a run; DataError if a patient is not in it."""
    with (run / FOLDS).open(newline="") as file:
        known = {patient_id(row["patient"]): int(row["fold"]) for row in csv.DictReader(file)}
    strangers = set(films.patients) - set(known)
    if strangers:
        raise DataError(f"{len(strangers)} patients have no fold in {run}; start from a run of the same films.")
    return np.array([known[patient] for patient in films.patients])


def learnt_from(model: Path, checksums: Sequence[str]) -> np.ndarray | None:
    """Whether the model in a run's folder learnt from each of N films, by the sha256 of their files.

    None if the model is in no run, or in one of an earlier version, whose table of films has no checksums.
    """
    table = next((path for path in (model.parent / FOLDS, model.parent / SPLIT) if path.exists()), None)
    if table is None:
        return None
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if not all(row.get("sha256") for row in rows):
        return None
    if table.name == FOLDS:
        learnt = [row["sha256"] for row in rows if model.name != _name(int(row["fold"]))]
    else:
        learnt = [row["sha256"] for row in rows if row["split"] in ("train", *VALIDATION)]
    return np.isin(checksums, learnt)


def measure_folds(
    folder: Path, plan: Plan, films: Films, logits: np.ndarray, fold: np.ndarray, networks: Sequence[Network]
) -> list[Score]:
    """Every figure of a run by folds, which RUN/evaluation.json then holds.

    Each film (N,) is scored, logits (N, L), and explained by the network of its fold, which never saw its patient.
    """
    calibrated, present = np.zeros_like(logits), np.zeros(logits.shape, bool)
    for own in range(plan.folds):
        # a fold is calibrated and decided by the others, so that its own labels decide nothing about it
        held = fold == own
        calibration, points = _calibrated(logits[~held], films.targets[~held], films.labels)
        calibrated[held] = calibrate.apply(logits[held], calibration)
        present[held] = calibrate.probabilities(calibrated[held]) >= points[calibrate.SHOWN]
    scores = evaluate.measure(films, calibrated, fold) + evaluate.at_cutoffs(films, present)
    hits = boxes.hits(films, fold, networks, plan.recipe.size)
    scores += evaluate.shares(films.labels, hits, films.patients, "films with boxes", POINTING)
    write_evaluation(folder, films, calibrated, scores)
    return scores


def by_folds(plan: Plan, films: Films) -> str:
    """How a run by folds is measured, in sentences for its models' cards."""
    trained = "" if plan.only_folds else "; the model here was then trained the same way on all of them"
    return (
        f"Each film was scored by one of {plan.folds} models that never saw its patient (patient-wise "
        f"cross-validation, {len(films)} films, {len(np.unique(films.patients))} patients), and compared with the "
        f"others of that model{trained}. Intervals: 95 %, patient bootstrap."
    )


def measure_again(run: Path, plan: Plan, films: Films) -> list[Score]:
    """Measure a finished run by folds anew, without training.

    Its evaluation.json gets the figures, and its models the figures, calibrations and operating points.

    DataError where a part of the run is missing or the films changed since; BadModel where a model cannot be read.
    """
    if digest(films) != plan.digest:
        raise DataError(f"{run} was trained on other films or labels; give it the ones that it had, or train anew.")
    logits, fold = command.read_scores(run / "out_of_fold.npz", films), folds_of(run, films)
    networks = [model_folder.load(run / _name(k), plan.name).network for k in range(plan.folds)]
    scores = measure_folds(run, plan, films, logits, fold, networks)
    for k in models(plan):
        rest = _outside(fold, k)
        calibration, points = _calibrated(logits[rest], films.targets[rest], films.labels)
        found = {"calibration": calibration, "thresholds": points[calibrate.SHOWN]}
        describe(run / _name(k), plan, films, scores, by_folds(plan, films), **found)
        _write_points(run / _name(k), films.labels, points)
    return scores


def describe(folder: Path, plan: Plan, films: Films, scores: list[Score], said: str, **changed: Any) -> None:
    """Give a model folder other figures, the sentence on how they were measured, and other `changed` fields."""
    spec = replace(model_folder.read_spec(folder), scores=_shown(scores), scored_on=said, **changed)
    model_folder.describe(folder, spec, card.write(spec, plan.command, notes(plan, films), plan.datasets))


def _shown(scores: list[Score]) -> tuple[Score, ...]:
    return tuple(score for score in scores if score.subset.startswith(SHOWN))


def notes(plan: Plan, films: Films) -> list[str]:
    """Sentences for the card: the user's, then on corrected labels, boxes, unknown patients and accepted errors."""
    found = [*plan.notes, *([corrections.summary(Path(plan.corrections))] if plan.corrections else [])]
    # most tables have no boxes, and dividing the films into folds again takes long
    boxed = plan.recipe.box_weight and any(films.boxes)
    if boxed and any(films.boxes[row] for one in trainings(plan, films) for row in one.rows):
        found.append("Grad-CAM's maps were taught to lie in the boxes of the films that trained the model.")
    if plan.blank_patients == "own":
        found.append(
            "A film whose patient is unknown counts as a patient of its own, so films of one patient may be on both "
            "sides of a fold or split."
        )
    return found + [f"The audit's error {name} was accepted: {reason}" for name, reason in plan.accepted.items()]


def write_evaluation(folder: Path, films: Films, logits: np.ndarray, scores: list[Score]) -> None:
    """Write RUN/evaluation.json: all scores, and the calibration error of each finding.

    `logits` (N, L) are calibrated.
    """
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
    write_whole(folder / "evaluation.json", json.dumps(found, indent=2) + "\n")
