"""The trainer's command line."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_demo.errors import CxrError, DataError, UnknownLabel
from cxr_demo.types import NIH_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from train.data import Films, Policy
    from train.runs import Plan

#: What to train for, by the name of the task.
TASKS = {"nih14": NIH_FINDINGS, "pneumothorax": ("Pneumothorax",)}

FILMS_HELP = "a table (its films lie in `images` beside it), or NIH=FOLDER and other data sets of torchxrayvision's"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 2 nothing could start."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    arguments.words = "python -m train " + shlex.join(words)
    try:
        status: int = arguments.run(arguments)
    except CxrError as error:
        print(error, file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m train", description="Audit films and labels, train, measure, publish.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fit(commands)
    resume = commands.add_parser("resume", help="go on with a run that was interrupted")
    resume.add_argument("run_folder", type=Path, metavar="RUN")
    resume.add_argument("--cache", type=Path, metavar="DIR", help="for decoded films; default: RUN/cache")
    resume.set_defaults(run=_resume)
    return parser


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from train import recipe

    fit = commands.add_parser("fit", help="models by patient-wise folds, and one of all films", allow_abbrev=False)
    fit.add_argument("films", nargs="+", metavar="FILMS", help=FILMS_HELP)
    fit.add_argument("--out", type=Path, required=True, metavar="RUN")
    fit.add_argument("--name", help="of the model; default: the task")
    fit.add_argument("--task", choices=TASKS, default="nih14", help="default: nih14")
    fit.add_argument("--labels", nargs="+", metavar="FINDING", help="these findings instead of a task's")
    fit.add_argument("--folds", type=int, default=5, help="default: 5")
    fit.add_argument("--start-run", metavar="RUN", help="begin with the models of a run of the same films, by fold")
    fit.add_argument("--teacher", metavar="CSV", help="out-of-sample probabilities of another model")
    fit.add_argument("--trained-on", default="", metavar="TEXT", help="what the films are, for the model's card")
    fit.add_argument("--cache", type=Path, metavar="DIR", help="for decoded films; default: RUN/cache")
    fit.add_argument("--dry-run", action="store_true", help="one batch through everything; leaves nothing")
    recipe.add_arguments(fit)
    fit.set_defaults(run=_fit)


def _fit(arguments: argparse.Namespace) -> int:
    from train import recipe
    from train.runs import Plan

    labels = tuple(arguments.labels or TASKS[arguments.task])
    for label in labels:
        if label not in NIH_FINDINGS:
            raise UnknownLabel(f"{label!r} is none of {', '.join(NIH_FINDINGS)}.")
    plan = Plan(
        name=arguments.name or arguments.task,
        films=tuple(arguments.films),
        labels=labels,
        recipe=recipe.of_arguments(arguments),
        folds=arguments.folds,
        start_run=arguments.start_run,
        teacher=arguments.teacher,
        trained_on=arguments.trained_on,
        command=arguments.words,
    )
    _carry_out(plan, arguments.out, arguments.cache)
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    from train import runs

    _carry_out(runs.loads(arguments.run_folder), arguments.run_folder, arguments.cache)
    return 0


def _carry_out(plan: Plan, folder: Path, cached: Path | None) -> None:
    from dataclasses import replace

    from accelerate import Accelerator

    from train import cache, runs

    films = read_films(plan.films, plan.labels, plan.recipe.policy)
    plan = replace(plan, digest=runs.digest(films))
    accelerator = Accelerator()
    # one process decodes, the others wait and find it done
    with accelerator.main_process_first():
        views = cache.load(films, plan.recipe.size, cached or folder / "cache")
    say = print if accelerator.is_main_process else _silent
    runs.Run(folder, plan, films, views, say).fit()


def _silent(line: str) -> None:
    """What processes other than the first say."""


def read_films(names: Sequence[str], labels: Sequence[str], policy: Policy, *, present: str = "all") -> Films:
    """The films of tables and of data sets by name, joined."""
    from train import data

    parts = []
    tables = [Path(name) for name in names if "=" not in name]
    if tables:
        parts.append(data.read_tables(tables, labels, policy))
    for name in names:
        if "=" in name:
            from train import datasets

            collection, _, folder = name.partition("=")
            images, *listed = folder.split(",")
            parts.append(
                datasets.read(
                    collection, Path(images), labels, policy, tables=[Path(t) for t in listed], present=present
                )
            )
    if not parts:
        raise DataError("No films: name a table or a data set.")
    return data.join(parts)
