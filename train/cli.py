"""The trainer's command line."""

from __future__ import annotations

import argparse
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_demo.errors import CxrError, UnknownLabel
from cxr_demo.types import NIH_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 2 nothing could start."""
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    try:
        _fit(arguments, "python -m train " + shlex.join(words))
    except CxrError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    from train.finetune import Recipe

    parser = argparse.ArgumentParser("python -m train", description="Train a classifier for the page.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="models by patient-wise folds, and one of all films", allow_abbrev=False)
    fit.add_argument("tables", nargs="+", type=Path, metavar="LABELS.csv", help="films lie in `images` beside each")
    fit.add_argument("--out", type=Path, required=True, metavar="RUN")
    fit.add_argument("--name", required=True, help="of the model")
    fit.add_argument("--labels", nargs="+", default=list(NIH_FINDINGS), metavar="FINDING", help="default: all 14")
    fit.add_argument("--folds", type=int, default=5, help="default: 5")
    fit.add_argument("--start", type=Path, metavar="RUN", help="begin with the networks of a run of the same films")
    fit.add_argument("--teacher", type=Path, metavar="CSV", help="out-of-sample probabilities of another model")
    fit.add_argument("--trained-on", default="", metavar="TEXT", help="what the films are, for the model's card")
    fit.add_argument("--cache", type=Path, metavar="DIR", help="for decoded films; default: RUN/cache")
    recipe = fit.add_argument_group("recipe")
    for field in dataclasses.fields(Recipe):
        if isinstance(field.default, bool):
            recipe.add_argument(_flag(field), action=argparse.BooleanOptionalAction, default=field.default)
        elif isinstance(field.default, tuple):
            recipe.add_argument(_flag(field), type=int, nargs="+", default=field.default)
        else:
            recipe.add_argument(_flag(field), type=type(field.default), default=field.default)
    return parser


def _flag(field: dataclasses.Field[object]) -> str:
    return "--" + field.name.replace("_", "-")


def _fit(arguments: argparse.Namespace, command: str) -> None:
    from train import cache, data, distil, runs
    from train.finetune import Recipe

    for label in arguments.labels:
        if label not in NIH_FINDINGS:
            raise UnknownLabel(f"{label!r} is none of {', '.join(NIH_FINDINGS)}.")
    values = {f.name: getattr(arguments, f.name) for f in dataclasses.fields(Recipe)}
    values["block_config"] = tuple(values["block_config"])
    recipe = Recipe(**values)
    films = data.read_tables(arguments.tables, arguments.labels)
    views = cache.load(films, recipe.size, arguments.cache or arguments.out / "cache")
    run = runs.Run(
        arguments.out,
        arguments.name,
        recipe,
        arguments.folds,
        arguments.trained_on,
        command,
        distil.read(arguments.teacher, films) if arguments.teacher else None,
        arguments.start,
    )
    runs.fit(run, films, views, lambda line: print(line, flush=True))
