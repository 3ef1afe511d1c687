"""Command line of the trainer: `python -m train`."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cxr_demo.errors import CxrError, DataError, remedy
from cxr_demo.films import table_columns
from cxr_demo.types import NIH_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cxr_demo.films.label_tables import Films, Policy
    from train.recipe import Recipe
    from train.runs import Plan

#: Findings of each task.
TASKS = {"nih14": NIH_FINDINGS, "pneumothorax": ("Pneumothorax",)}

FILMS_HELP = "a table (its films lie beside it or in `images`), or NIH=FOLDER and other data sets of torchxrayvision's"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0 done, 1 disk unusable, 2 input refused, 141 output closed.

    `audit` returns the highest severity among its findings instead, and `publish` returns 1 if the user declines.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    arguments = _parser().parse_args(words)
    arguments.words = "python -m train " + shlex.join(words)
    try:
        status: int = arguments.run(arguments)
        sys.stdout.flush()
    except CxrError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        # a reader such as `head` closed the pipe; a flush at exit would raise the same error again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if not (step := remedy(error)):
            raise
        print(f"{error}. {step} and start again: a run goes on where it was.", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m train", description="Audit films and labels, train, measure, publish.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_data(commands)
    _add_fit(commands)
    _add_results(commands)
    return parser


def _add_data(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that prepare films: init, audit, split and cache."""
    from train import cache
    from train.audit import command

    audit = commands.add_parser("audit", help="check films, labels and splits; exit status 0, 1 warnings, 2 errors")
    _add_films(audit)
    command.add_arguments(audit)
    audit.set_defaults(run=_audit)
    init = commands.add_parser("init", help="describe a table of labels, and give the command that trains on it")
    init.add_argument("table", type=Path, metavar="CSV")
    table_columns.add_columns(init)
    init.set_defaults(run=_init)
    split = commands.add_parser("split", help="divide films by patient")
    _add_films(split)
    split.add_argument("--out", type=Path, required=True, metavar="CSV")
    split.add_argument("--metadata", action="store_true", help="of data sets by name: the tables without the films")
    split.add_argument("--official", action="store_true", help="NIH's own: its list of test patients")
    split.add_argument(
        "--shares", nargs="+", default=["train=0.8", "test=0.2"], metavar="PART=SHARE", help="of patients"
    )
    split.add_argument("--seed", type=int, default=0)
    split.set_defaults(run=_split)
    cached = commands.add_parser("cache", help="decode films once")
    _add_films(cached)
    cache.add_arguments(cached, "--cache", "--out")
    cached.add_argument("--verify", action="store_true", help="compare everything with its checksum")
    cached.set_defaults(run=_cache)


def _add_films(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name films and findings."""
    parser.add_argument("films", nargs="+", metavar="FILMS", help=FILMS_HELP)
    parser.add_argument("--task", choices=TASKS, default="nih14", help="default: nih14")
    parser.add_argument("--labels", nargs="+", metavar="FINDING", help="these findings instead of a task's")
    parser.add_argument("--present-only", action="store_true", help="of data sets by name: leave out films not there")
    table_columns.add_arguments(parser)


def _add_fit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that train: fit and resume."""
    from train import cache, recipe

    fit = commands.add_parser("fit", help="audit, then train by folds of patients or by a split", allow_abbrev=False)
    _add_films(fit)
    fit.add_argument("--out", type=Path, required=True, metavar="RUN")
    fit.add_argument("--name", help="of the model; default: the name of RUN")
    fit.add_argument("--folds", type=int, default=5, help="default: 5")
    fit.add_argument("--only-folds", action="store_true", help="no model of all films: to measure with, see benchmark")
    fit.add_argument("--split", metavar="CSV", help="train one model of its part `train` instead; or: official")
    fit.add_argument("--start-run", metavar="RUN", help="begin with the models of a run of the same films, by fold")
    fit.add_argument("--teacher", metavar="CSV", help="out-of-sample probabilities of another model")
    fit.add_argument(
        "--called-normal", metavar="COLUMN=VALUE", help="films that a second reader called normal: doubt their findings"
    )
    fit.add_argument(
        "--box-hints",
        metavar="COLUMN=FINDINGS",
        help="boxes without a finding: hints of present ones of these findings",
    )
    fit.add_argument("--corrections", metavar="CSV", help="labels that a review corrected")
    fit.add_argument(
        "--accept", action="append", default=[], metavar="ID:REASON", help="let an error of the audit stand"
    )
    fit.add_argument("--trained-on", default="", metavar="TEXT", help="what the films are, for the model's card")
    fit.add_argument(
        "--note", action="append", default=[], metavar="TEXT", help="a sentence for the card, e.g. on the labels"
    )
    fit.add_argument("--licence", default="", metavar="ID", help="of the model; default: that of its first weights")
    fit.add_argument("--dataset", action="append", default=[], metavar="NAME", help="the films' data set on the Hub")
    fit.add_argument("--cache", type=Path, metavar="DIR", help=cache.FOLDER_HELP)
    _add_fold(fit)
    fit.add_argument("--dry-run", action="store_true", help="one batch through everything; leaves nothing behind")
    recipe.add_arguments(fit)
    fit.set_defaults(run=_fit)
    resume = commands.add_parser("resume", help="go on with a run that was interrupted")
    resume.add_argument("run_folder", type=Path, metavar="RUN")
    resume.add_argument("--cache", type=Path, metavar="DIR", help="for decoded films; default: that of the run")
    _add_fold(resume)
    resume.set_defaults(run=_resume)


def _add_fold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fold", metavar="K", help="train the model of this fold alone, or `all`; then `resume` measures and writes"
    )


def _add_results(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands that use models: evaluate, publish, bench, gate and demo."""
    evaluate = commands.add_parser("evaluate", help="figures of a run, of a model, or of a table of predictions")
    evaluate.add_argument("what", metavar="WHAT", help="a run, a model's name, or a CSV with `prob_<finding>` columns")
    evaluate.add_argument("films", nargs="*", metavar="FILMS", help=f"{FILMS_HELP}; a run has its own")
    evaluate.add_argument("--split", metavar="CSV", help="only a part of the films; or: official")
    evaluate.add_argument("--part", default="test", help="which; default: test")
    evaluate.add_argument("--metadata", action="store_true", help="with predictions: the tables without the films")
    evaluate.add_argument(
        "--again", action="store_true", help="of a run by folds: measure its models again, and renew their cards"
    )
    table_columns.add_arguments(evaluate)
    evaluate.set_defaults(run=_evaluate)
    publish = commands.add_parser("publish", help="push a run's model to the Hugging Face Hub")
    publish.add_argument("run_folder", type=Path, metavar="RUN", help="or a model folder")
    publish.add_argument("repo", metavar="OWNER/NAME")
    publish.add_argument("--dry-run", action="store_true", help="show what would be published; no network")
    publish.add_argument(
        "--public", action="store_true", help="for everybody to see; default: private. Needed if OWNER/NAME is public"
    )
    publish.add_argument("--licence", default="", metavar="ID", help="of the model, where the run knows none")
    publish.add_argument(
        "--dataset", action="append", default=[], metavar="NAME", help="the films' data set on the Hub"
    )
    publish.add_argument(
        "--benchmark", nargs=2, metavar=("OWNER/NAME", "TASK"),
        help="a benchmark on the Hub with the films that the model was measured on, to which its AUROC counts",
    )  # fmt: skip
    publish.add_argument("--yes", action="store_true", help="do not ask before a new version of what exists")
    publish.add_argument("--message", default="Publish a model", help="of the commit")
    publish.set_defaults(run=_publish)
    bench = commands.add_parser("bench", help="how fast films become training steps, beside torchxrayvision's loader")
    bench.add_argument("--films", type=Path, metavar="DIR", help="PNG or JPEG films; default: generated ones")
    bench.add_argument("--out", type=Path, default=Path("bench.json"), metavar="JSON", help="default: bench.json")
    bench.add_argument("--most", type=int, default=96, help="films; default: 96")
    bench.set_defaults(run=_bench)
    gate = commands.add_parser("gate", help="teach the page what a frontal chest film looks like, and measure it")
    _add_films(gate)
    gate.add_argument(
        "--others", type=Path, required=True, metavar="DIR", help="labels.csv (file, kind) and images/ of other things"
    )
    gate.add_argument("--out", type=Path, required=True, metavar="DIR", help="its weights and their card")
    gate.set_defaults(run=_gate)
    demo = commands.add_parser("demo", help="a tour of all of them in a few minutes, on films at hand")
    demo.add_argument("--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="default: runs/demo")
    demo.set_defaults(run=_demo)


def _bench(arguments: argparse.Namespace) -> int:
    from train import bench

    bench.main(bench.Setting(films=arguments.films, out=arguments.out, most=arguments.most), print)
    return 0


def _gate(arguments: argparse.Namespace) -> int:
    """Train the gate and print its card."""
    from train import gate

    rates = gate.fit(_films(arguments), arguments.others, arguments.out, print)
    print(gate.card(rates))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from train import demo

    return demo.run(arguments.out, main, print)


def _labels(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The findings of a command."""
    return tuple(arguments.labels or TASKS[arguments.task])


def _films(arguments: argparse.Namespace, *, metadata: bool = False, blank: str | None = None) -> Films:
    """The films of a command; `metadata` reads data sets by name from their tables, without the files.

    `blank` replaces the command's --blank-patients.
    """
    from cxr_demo.films.label_tables import Policy

    present = "metadata" if metadata else "some" if arguments.present_only else "all"
    return read_films(
        arguments.films,
        _labels(arguments),
        Policy(),
        present=present,
        columns=table_columns.pairs(arguments.columns),
        blank_patients=blank or arguments.blank_patients,
    )


def _audit(arguments: argparse.Namespace) -> int:
    """Audit the films; the highest severity."""
    from train.audit import command

    # the audit reports blank patients instead of refusing them
    blank = "own" if arguments.blank_patients == "own" else "keep"
    films = _films(arguments, metadata=arguments.metadata, blank=blank)
    return command.run(arguments, films)


def _init(arguments: argparse.Namespace) -> int:
    """Print a table's columns and findings, and the commands for it."""
    from train import proposal

    print(proposal.propose(arguments.table, table_columns.pairs(arguments.columns)))
    return 0


def _split(arguments: argparse.Namespace) -> int:
    """Write a split and print the size of each part."""
    from train import splits

    films = _films(arguments, metadata=arguments.metadata)
    if arguments.official:
        split = splits.official(films)
    else:
        split = splits.by_patient(films, _shares(arguments.shares), arguments.seed)
    checksum = splits.write(arguments.out, films, split)
    for part in sorted(set(split.tolist())):
        rows = split == part
        print(f"{part}: {rows.sum():,} films of {len(set(films.patients[rows])):,} patients")
    print(f"Wrote {arguments.out} (sha256 {checksum[:16]}...).")
    return 0


def _shares(words: Sequence[str]) -> dict[str, float]:
    """Shares by part, from NAME=SHARE words; DataError if a share is not a number."""
    try:
        return {name: float(share) for name, _, share in (word.partition("=") for word in words)}
    except ValueError:
        raise DataError(f"--shares {' '.join(words)} should be like train=0.7 validation=0.1 test=0.2.") from None


def _cache(arguments: argparse.Namespace) -> int:
    """Decode the films, verify all rows with --verify, and print the films that may be read wrongly and the size."""
    from train import cache

    films, folder = _films(arguments), arguments.cache or cache.shared_folder()
    decoded = cache.decode(films, arguments.size, folder)
    if arguments.verify:
        cache.verify(films, arguments.size, folder)
    warned = [(name, warnings) for name, warnings in zip(films.names, decoded.warnings, strict=True) if warnings]
    if warned:
        print(f"Films that may have been read wrongly: {len(warned)}.")
    for name, warnings in warned:
        print(f"  {name}: {warnings}")
    print(f"{len(decoded.views()):,} films at {arguments.size} px in {decoded.folder}.")
    return 0


def _fit(arguments: argparse.Namespace) -> int:
    """Train by the plan that the arguments describe, or try it out with --dry-run."""
    from train import recipe
    from train.audit import run as audit
    from train.runs import Plan

    plan = Plan(
        name=arguments.name or arguments.out.resolve().name,
        films=tuple(map(_absolute, arguments.films)),
        labels=_labels(arguments),
        recipe=_with_absolute_backbone(recipe.of_arguments(arguments)),
        folds=arguments.folds,
        only_folds=arguments.only_folds,
        split=arguments.split if arguments.split in (None, "official") else _absolute(arguments.split),
        start_run=arguments.start_run and _absolute(arguments.start_run),
        teacher=arguments.teacher and _absolute(arguments.teacher),
        called_normal=arguments.called_normal,
        box_hints=arguments.box_hints,
        corrections=arguments.corrections and _absolute(arguments.corrections),
        accepted=audit.acceptance(arguments.accept),
        present_only=arguments.present_only,
        columns=table_columns.pairs(arguments.columns),
        blank_patients=arguments.blank_patients,
        trained_on=arguments.trained_on,
        licence=arguments.licence,
        datasets=tuple(arguments.dataset),
        notes=tuple(arguments.note),
        # the card is one for all jobs
        command=re.sub(r" --fold[ =]\S+", "", arguments.words),
        cache=str(arguments.cache.absolute()) if arguments.cache else "",
    )
    if arguments.dry_run:
        return _try_out(plan)
    _carry_out(plan, arguments.out, arguments.cache, arguments.fold)
    return 0


def _try_out(plan: Plan) -> int:
    """Train one step of each phase on a few films, with two folds and every stage of a run; 0 if all of it works.

    All files go to a temporary folder. A starting run is ignored, because its folds belong to other films.
    """
    import tempfile
    from dataclasses import replace

    from train import preflight, runs

    recipe = plan.recipe
    films = _of_plan(plan)
    preflight.check(plan, films)
    short = {name: min(1, getattr(recipe, name)) for name in ("head_epochs", "coarse_epochs", "epochs")}
    few = films.take(runs.sample(films, 4 * recipe.batch, recipe.seed))
    with tempfile.TemporaryDirectory() as folder:
        # with two folds and a validation of one half, a training has a quarter of the films
        batch = min(recipe.batch, max(2, len(few) // 4))
        brief = replace(recipe, batch=batch, accumulate=min(recipe.accumulate, batch), **short)
        tried = replace(plan, recipe=brief, folds=2, start_run=None, digest=runs.digest(few))
        _run(tried, few, Path(folder) / "run", Path(folder) / "cache", most_steps=1)
    print("Everything ran; nothing was kept.")
    return 0


def _resume(arguments: argparse.Namespace) -> int:
    """Resume the run in a folder by the plan that it holds."""
    from train import runs

    _carry_out(runs.loads(arguments.run_folder), arguments.run_folder, arguments.cache, arguments.fold)
    return 0


def _carry_out(plan: Plan, folder: Path, cached: Path | None, only: str | None) -> None:
    """Fit a plan, or resume it, with a digest of the films that it names; with `only` train one of its models."""
    from dataclasses import replace

    from train import preflight, runs

    films = _of_plan(plan)
    plan = replace(plan, digest=runs.digest(films))
    preflight.check(plan, films, folder)
    if only is not None:
        runs.training(plan, films, only)  # before the audit, since a fold may be misspelt
    _run(plan, films, folder, cached, only=only)


def _run(
    plan: Plan,
    films: Films,
    folder: Path,
    cached: Path | None,
    *,
    most_steps: int | None = None,
    only: str | None = None,
) -> None:
    """Decode the films, audit them and fit, in each of Accelerate's processes.

    `cached` is the folder of the decoded films, by default the plan's or the one that all commands share; `most_steps`
    limits the steps of an epoch. With `only` it trains this model alone, see `Run.train`.
    """
    from datetime import timedelta

    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs
    from filelock import FileLock

    from train import cache, runs, splits
    from train.audit import command

    # the audit and the decoding of a large data set take the main process hours, for which the others wait
    accelerator = Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=7))])
    say = print if accelerator.is_main_process else _silent
    folder.mkdir(parents=True, exist_ok=True)
    cached = cached or (Path(plan.cache) if plan.cache else cache.shared_folder())
    # the main process audits and decodes; the others, and other jobs of the run, wait, then use its results
    with accelerator.main_process_first(), FileLock(folder / "lock"):
        runs.claim(folder, plan)
        split = splits.parts(films, plan.split) if plan.split else None
        decoded = cache.decode(films, plan.recipe.size, cached)
        command.gate(films, decoded, folder, plan.accepted, split=split, backbone=plan.recipe.backbone, say=say)
        views = decoded.views()
        (folder / "training").mkdir(exist_ok=True)  # from now on the folder is this plan's
    run = runs.Run(folder, plan, films, views, decoded.checksums.tolist(), say, most_steps)
    if only is None:
        run.fit()
    else:
        run.train(only)


def _of_plan(plan: Plan) -> Films:
    """The films of a plan with its corrections applied."""
    from train.audit import corrections

    films = read_films(
        plan.films,
        plan.labels,
        plan.recipe.policy,
        present="some" if plan.present_only else "all",
        columns=plan.columns,
        blank_patients=plan.blank_patients,
    )
    return corrections.apply(films, Path(plan.corrections)) if plan.corrections else films


def _evaluate(arguments: argparse.Namespace) -> int:
    """Print the figures of a finished run, or of a model or predictions on the films named."""
    from cxr_demo.films import label_tables
    from train import figures

    if (Path(arguments.what) / "run.json").exists() and not arguments.films:
        print(figures.of_run(Path(arguments.what), _of_plan, part=arguments.part, again=arguments.again))
        return 0
    if not arguments.films:
        raise DataError(f"{arguments.what} is no run with films of its own: name the films to measure it on.")
    labels = figures.labels_of(arguments.what)
    columns = table_columns.pairs(arguments.columns)
    there = [label_tables.findings_in(Path(name), labels, columns) for name in arguments.films if not _by_name(name)]
    measured = [label for label in labels if all(label in names for names in there)]
    if not measured:
        raise DataError(f"{', '.join(arguments.films)} has none of {', '.join(labels)}.")
    if lacking := [label for label in labels if label not in measured]:
        print(f"Not measured, since the table has no column of them: {', '.join(lacking)}.")
    films = read_films(
        arguments.films,
        measured,
        figures.POLICY,
        present="metadata" if arguments.metadata else "all",
        columns=columns,
        blank_patients=arguments.blank_patients,
    )
    if arguments.split:
        from train import splits

        films = films.take(splits.parts(films, arguments.split) == arguments.part)
    print(figures.of_model(arguments.what, films))
    return 0


def _publish(arguments: argparse.Namespace) -> int:
    """Stage a run's model, then list it with --dry-run, or push it."""
    import tempfile

    from cxr_demo.models import model_folder
    from train import publish

    with tempfile.TemporaryDirectory() as folder:
        staged = publish.stage(
            arguments.run_folder,
            Path(folder) / "model",
            arguments.repo,
            (arguments.message,),
            licence=arguments.licence,
            datasets=arguments.dataset,
            benchmark=arguments.benchmark and tuple(arguments.benchmark),
        )
        if arguments.dry_run:
            print(publish.listing(staged))
        print(publish.searched(arguments.run_folder))
        if arguments.dry_run:
            print(
                f"Would be published as {arguments.repo}, {'public' if arguments.public else 'private'}, under the "
                f"licence {model_folder.read_spec(staged).licence}."
            )
            return 0
        may = (lambda _: True) if arguments.yes else _ask
        done = publish.publish(
            staged, arguments.repo, private=not arguments.public, message=arguments.message, may=may, say=print
        )
    return 0 if done else 1


def _ask(question: str) -> bool:
    """Whether the user answers yes; False without a terminal."""
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # standard input is closed
        return False


def _silent(line: str) -> None:
    """Discard a message: only the main process prints."""


def _by_name(name: str) -> bool:
    """Whether films are named as a data set of torchxrayvision's; a table's own name may have a "=" too."""
    return "=" in name and not Path(name).is_file()


def _absolute(name: str) -> str:
    """The path of a table or folder, or those of NAME=FOLDER,TABLE..., from the root, for use in other folders."""
    if not _by_name(name):
        return str(Path(name).absolute())
    collection, _, places = name.partition("=")
    return f"{collection}={','.join(str(Path(place).absolute()) for place in places.split(','))}"


def _with_absolute_backbone(recipe: Recipe) -> Recipe:
    """A recipe whose backbone, if it is a folder, is named from the root, for use in other folders."""
    from dataclasses import replace

    from train import identifiers

    library = identifiers.TIMM if recipe.backbone.startswith(identifiers.TIMM) else ""
    folder = Path(recipe.backbone.removeprefix(library)).expanduser()
    return replace(recipe, backbone=f"{library}{folder.absolute()}") if folder.is_dir() else recipe


def read_films(
    names: Sequence[str],
    labels: Sequence[str],
    policy: Policy,
    *,
    present: str = "all",
    columns: Mapping[str, str] | None = None,
    blank_patients: str = "refuse",
) -> Films:
    """Films of tables and of data sets by name, joined.

    `names` are paths of tables, or NAME=FOLDER[,TABLE...] for the data sets of `train.datasets`; `present` is passed on
    to `datasets.read`, `columns` and `blank_patients` to `label_tables.read_tables`. DataError without any name.
    """
    from cxr_demo.films import label_tables

    parts = []
    tables = [Path(name) for name in names if not _by_name(name)]
    if tables:
        parts.append(label_tables.read_tables(tables, labels, policy, columns=columns, blank_patients=blank_patients))
    for name in names:
        if _by_name(name):
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
    return label_tables.join(parts)
