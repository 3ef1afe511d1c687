"""Checks in seconds that a run can reach its end, before its films are decoded and trained on for hours."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cxr_demo.errors import CxrError, DataError
from train import distil, readers, runs
from train.cache import SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

    from cxr_demo.films.label_tables import Films
    from train.recipe import Recipe
    from train.runs import Plan

#: Bounds of a recipe's numbers: lowest and highest value, and whether the highest is allowed.
BOUNDS = {
    "size": (SIZES.start, SIZES.stop - 1, True),
    "coarse_size": (SIZES.start, SIZES.stop - 1, True),
    "head_epochs": (0, 10_000, True),
    "coarse_epochs": (0, 10_000, True),
    "epochs": (0, 10_000, True),
    "batch": (2, 100_000, True),
    "accumulate": (1, 100_000, True),
    "warm_up": (0, 1, True),
    "dropout": (0, 1, False),
    "ema": (0, 1, False),
    "validation": (0, 0.5, True),
    "box_weight": (0, 1e6, True),
    "teacher_weight": (0, 1, True),
    "reader_weight": (0, 1, True),
}


def check(plan: Plan, films: Films, folder: Path | None = None) -> None:
    """DataError that lists everything found which would stop the run of a plan on these films before its end.

    `folder` is that of the run.
    """
    problems = [*_recipe(plan.recipe), *_plan(plan, folder), *_labels(plan, films), *_readers(plan, films)]
    # the trainings can be listed, and networks built, by a sound recipe alone
    problems = problems or [*_trainings(plan, films)]
    if problems:
        listed = "\n".join(f"- {problem}" for problem in problems)
        raise DataError(f"This run could not reach its end, so nothing is trained:\n{listed}")


def _recipe(recipe: Recipe) -> Iterator[str]:
    for name, (low, high, closed) in BOUNDS.items():
        value = getattr(recipe, name)
        if not (low <= value < high or (closed and value == high)):  # nan fails too
            to = f"{high:g}" if closed else f"less than {high:g}"
            yield f"--{name.replace('_', '-')} {value:g} must be from {low:g} to {to}."
    for name in ("head_rate", "rate", "fine_rate"):
        if not getattr(recipe, name) > 0:
            yield f"--{name.replace('_', '-')} {getattr(recipe, name):g} must be above 0."
    if 1 < recipe.batch < recipe.accumulate:
        yield f"--accumulate {recipe.accumulate} divides a batch of {recipe.batch} into parts without films."
    if not any((recipe.head_epochs, recipe.coarse_epochs, recipe.epochs)):
        yield "There is no epoch to train: give --epochs, --coarse-epochs or --head-epochs."


def _plan(plan: Plan, folder: Path | None) -> Iterator[str]:
    if plan.split and plan.only_folds:
        yield "A split has no folds; leave out --only-folds."
    if folder:
        yield from _said(partial(runs.check_folder, folder, plan))


def _labels(plan: Plan, films: Films) -> Iterator[str]:
    """Findings that are named twice or that cannot be learnt and calibrated."""
    for label in sorted({label for label in plan.labels if plan.labels.count(label) > 1}):
        yield f"The finding {label} is named twice."
    lacking = [label for label, missing in zip(films.labels, _one_class(films.targets), strict=True) if missing]
    if lacking:
        having = [label for label in films.labels if label not in lacking]
        yield (
            f"{', '.join(lacking)}: never, or always, present in these films. Leave them out: --labels "
            f"{' '.join(having) or '...'}"
        )


def _readers(plan: Plan, films: Films) -> Iterator[str]:
    """Second opinions that the tables do not hold."""
    if plan.called_normal:
        yield from _said(partial(readers.called_normal, films, plan.called_normal))
    if plan.box_hints:
        yield from _said(partial(readers.with_hints, films, plan.box_hints))


def _trainings(plan: Plan, films: Films) -> Iterator[str]:
    """Trainings without a step, a network or a usable teacher, or whose films for calibration lack a class."""
    try:
        trainings = runs.trainings(plan, films)
        teacher = distil.read(Path(plan.teacher), films) if plan.teacher else None
    except (CxrError, OSError) as error:
        yield str(error)
        return
    for training in trainings:
        films_left = len(training.rows)
        if films_left < plan.recipe.batch:
            yield (
                f"{training.name} has {films_left} films to learn from, fewer than one batch: give --batch "
                f"{max(2, films_left)} or less, or more films."
            )
        missing = _one_class(films.targets[training.calibrated])
        # with folds, a model is calibrated on all films outside its own
        remedy = f"leave these findings out{', or give a larger --validation' if plan.split else ''}"
        named = [label for label, lacks in zip(films.labels, missing, strict=True) if lacks]
        if named:
            yield (
                f"{training.name} is calibrated on {len(training.calibrated)} films, in which {', '.join(named)} is "
                f"never, or always, present: {remedy}."
            )
        if teacher is not None:
            targets, known = films.targets[training.rows], teacher[training.rows]
            yield from _said(partial(distil.soften, targets, known, films.labels, plan.recipe.teacher_weight))
    # the folds of a starting run have a model each; otherwise all trainings begin with the same
    for training in trainings if plan.start_run else trainings[:1]:
        yield from _said(partial(_try_network, plan, training.fold))


def _try_network(plan: Plan, k: int | None) -> None:
    """Build the network of fold `k`, and give it an image of each size."""
    network = runs.backbone_of(plan, k).network(plan.labels, plan.recipe.seed).eval()
    with torch.no_grad():
        for size in {plan.recipe.coarse_size, plan.recipe.size}:
            network(torch.zeros(1, 1, size, size))


def _one_class(targets: np.ndarray) -> np.ndarray:
    """Whether each finding (L,) of targets (N, L) is 0 alone or 1 alone among the films that have it known."""
    found: np.ndarray = ~((targets == 0).any(0) & (targets == 1).any(0))
    return found


def _said(work: Callable[[], object]) -> list[str]:
    """The message of the error with which a piece of work ends, if it does."""
    try:
        work()
    except (CxrError, OSError, RuntimeError, ValueError) as error:
        return [str(error)]
    return []
