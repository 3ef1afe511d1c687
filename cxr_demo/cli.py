"""The command line: predict, explain, benchmark, atlas, deploy, methods, models.

Exit status 0: all files succeeded. 1: some files failed; stderr names each with the reason, the others are complete.
2: the command could not start. Each command checks its arguments before it imports torch.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cxr_demo import processes
from cxr_demo.errors import BadSetting, CxrError, DataError, ModelError, UnknownLabel, UnreadableImage, remedy
from cxr_demo.films import table_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cxr_demo.batch.films import Done
    from cxr_demo.case import Case
    from cxr_demo.films.archives import FilmFile, Found
    from cxr_demo.films.label_tables import Box, Films
    from cxr_demo.methods.base import Method
    from cxr_demo.models.classifier import Classifier
    from cxr_demo.types import Explanation, Prediction, Radiograph

#: Errors of the request itself, which would repeat for every file.
CANNOT_START = (ModelError, BadSetting, UnknownLabel, DataError)
#: Commands that accept method settings as flags.
WITH_SETTINGS = ("explain", "benchmark")
#: Beginning of the address of a data set on the Hub.
HUB = "hf:/"
#: Most films that failed in a run over many whose names are printed.
NAMED = 5
#: The end of a sentence on runs over many films.
RESUMES = "an interrupted run resumes; `torchrun` divides it among processes."


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 or 2, 130 when interrupted, 141 when its output is closed."""
    arguments, rest = _parser().parse_known_args(argv)
    try:
        if rest and arguments.command not in WITH_SETTINGS:
            raise BadSetting(f"Unknown argument {rest[0]!r}; see python -m cxr_demo {arguments.command} --help.")
        if arguments.command in WITH_SETTINGS:
            arguments.settings = _settings(rest)
        status: int = arguments.run(arguments)
        processes.end_together()
    except CANNOT_START as error:
        _complain(error)
        return 2
    except BrokenPipeError:
        # the reader closed the pipe; a flush at exit would raise the same error again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        if not (step := remedy(error)):
            raise
        _complain(f"{error}. {step}, or choose another folder.")
        return 1
    except KeyboardInterrupt:
        _complain("Interrupted; what was written before is complete.")
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    """The parser of all commands; each sets `run`, the function that executes it and returns the exit status."""
    parser = argparse.ArgumentParser("python -m cxr_demo", description="Findings on chest X-rays, and maps of why.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
        sub.set_defaults(run=run)
        return sub

    predict = command("predict", _predict, "Predict the findings of each film.")
    predict.epilog = f"With --out {RESUMES}"
    predict.add_argument("--json", action="store_true", help="one JSON object per line")
    predict.add_argument("--out", type=Path, metavar="DIR", help="many films: a table there, predictions.parquet")
    explain = command("explain", _explain, "Explain predictions: maps in a folder per film.")
    explain.epilog = (
        f"A method's settings are flags too, e.g. --occlusion.window 32; `methods` lists them. With --many {RESUMES}"
    )
    explain.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the folders go")
    explain.add_argument("--method", action="append", metavar="KEY", help="default: the first three of `methods`")
    explain.add_argument("--label", action="append", metavar="NAME", help="pictures of it; default: the top three")
    explain.add_argument(
        "--against", metavar="NAME", help="pictures of each finding rather than this one, or `the others`"
    )
    explain.add_argument(
        "--many", action="store_true", help="many films: maps in a few files with an index, no folder per film"
    )
    explain.add_argument("--tested", action="store_true", help="with --many: also test each map by covering")
    explain.add_argument("--pages", action="store_true", help="with --many: also a folder per film, DIR/pages/FILM")
    explain.add_argument("--from", dest="source", type=Path, metavar="result.json", help="repeat what this says")
    for sub, many in ((predict, "--out"), (explain, "--many")):
        sub.add_argument("--limit", type=int, metavar="N", help=f"with {many}: only the first N films")
        sub.add_argument("--shard", metavar="I/N", help=f"with {many}: only part I of N, counted from 1")
        sub.add_argument(
            "files",
            nargs="+",
            type=Path,
            metavar="FILE",
            help="a film, or a folder, archive or table of films, or hf://datasets/OWNER/NAME",
        )
        table_columns.add_columns(sub)
        sub.add_argument("--model", metavar="NAME", help="default: CXR_MODEL, or else bundled:nih14")
        sub.add_argument(
            "--correct", action="store_true", help="first crop, turn or invert films that look as if they need it"
        )
    bench = command("benchmark", _benchmark, "How reliable maps are, over labelled films; resumes an interrupted run.")
    bench.epilog = "`torchrun --nproc_per_node N -m cxr_demo benchmark ...` divides the films among processes."
    bench.add_argument(
        "--data", type=Path, required=True, metavar="CSV", help="columns file, patient_id, findings, boxes"
    )
    bench.add_argument(
        "--images", type=Path, metavar="DIR", help="where the files lie; default: images beside the table"
    )
    table_columns.add_arguments(bench)
    bench.add_argument("--out", type=Path, required=True, metavar="DIR", help="films, tables and plots")
    bench.add_argument("--model", metavar="NAME", help="default: CXR_MODEL, or else bundled:nih14")
    bench.add_argument("--method", action="append", metavar="KEY", help="default: all of `methods`")
    bench.add_argument("--limit", type=int, metavar="N", help="only N films, evenly over the table")
    bench.add_argument(
        "--permuted", type=int, default=50, metavar="N", help="films explained with permuted weights too"
    )
    bench.add_argument(
        "--publish", metavar="OWNER/NAME", help="then show the figures as a data set of the Hub would have them"
    )
    bench.add_argument("--send", action="store_true", help="with --publish: send them, too")
    bench.add_argument("--public", action="store_true", help="with --send: for everybody to see; default: private")
    bench.add_argument("--licence", default="", metavar="ID", help="with --publish: of the figures, such as cc-by-4.0")
    atlas = command(
        "atlas", _atlas, "Summarise many films' maps on a page: means, places of the evidence, possible shortcuts."
    )
    atlas.add_argument("folder", type=Path, metavar="DIR", help="where `explain --many` wrote maps")
    atlas.add_argument("--method", metavar="KEY", help="default: the first in the folder")
    deploy = command("deploy", _deploy, "Make or update a Hugging Face Space of this page.")
    deploy.add_argument("space", metavar="OWNER/SPACE")
    deploy.add_argument(
        "--model", metavar="NAME", help="the page's model, best with a revision; default: bundled:nih14"
    )
    deploy.add_argument("--public", action="store_true", help="for everybody to see; default: a new one is private")
    deploy.add_argument("--dry-run", action="store_true", help="show what would be sent; sends nothing")
    command("methods", _methods, "The methods and their settings.")
    models = command("models", _models, "The models a visitor may choose.")
    models.add_argument("--verify", action="store_true", help="load each and try it on a known film")
    return parser


def _settings(rest: Sequence[str]) -> dict[str, str]:
    """Parse `--method.setting value` pairs into a dictionary by `method.setting`."""
    words = [part for word in rest for part in (word.split("=", 1) if word.startswith("--") else [word])]
    found: dict[str, str] = {}
    pairs = iter(words)
    for flag in pairs:
        value = next(pairs, None)
        if not flag.startswith("--") or "." not in flag or value is None:
            raise BadSetting(f"Unknown argument {flag!r}; settings are given as --method.setting value.")
        found[flag.removeprefix("--")] = value
    return found


def _films(given: Sequence[Path], columns: Mapping[str, str]) -> tuple[list[FilmFile], dict[Path, int]]:
    """The films in the given files, folders, archives, tables and data sets of the Hub.

    Also the number of other files of each but a table. An archive that cannot be opened stands among the films, so that
    reading it names the reason.
    """
    from cxr_demo import tables
    from cxr_demo.films import archives, image_tables, label_tables

    films: list[FilmFile] = []
    others: dict[Path, int] = {}
    for path in given:
        try:
            if str(path).startswith(HUB):
                found = _of_hub(path)
            elif path.suffix.lower() in tables.SUFFIXES and not image_tables.has_images(path):
                films += map(archives.FilmFile, label_tables.files_of(path, columns))
                continue
            else:
                found = archives.search(path)
        except UnreadableImage:
            found = archives.Found((archives.FilmFile(path),))
        films += found.films
        others[path] = found.others
    return films, others


def _of_hub(address: Path) -> Found:
    """The films in a data set of the Hub, named by its commit; errors as in `hub.pull_data_set`."""
    from cxr_demo.films import archives
    from cxr_demo.models import hub

    pulled = hub.pull_data_set(str(address))
    found = archives.search(pulled.folder / pulled.within)
    root = Path("datasets") / f"{pulled.repo}@{pulled.commit}"
    films = (replace(film, origin=root / film.path.relative_to(pulled.folder)) for film in found.films)
    return replace(found, films=tuple(films))


def _listed(arguments: argparse.Namespace) -> list[FilmFile]:
    """The films of the given paths; stderr counts other files, and says so if there is no film."""
    films, others = _films(arguments.files, table_columns.pairs(arguments.columns))
    for folder, count in others.items():
        if count:
            _complain(f"{folder}: {count} other {'file was' if count == 1 else 'files were'} passed over.")
    if not films:
        _complain(f"There is no film in {', '.join(map(str, arguments.files))}.")
    return films


def _each(
    arguments: argparse.Namespace,
    work: Callable[[Path, Radiograph, str], None],
    put_right: Callable[[Radiograph], Radiograph],
) -> int:
    """Read and correct each film and pass it to `work` with a name for its results; stderr names each file that failed.

    Processes that torchrun starts together divide the films. Returns 0, 1 if any film failed, or 2 if there is none.
    """
    from cxr_demo.films import image

    films = _listed(arguments)
    if not films:
        return 2
    failed = 0
    rank, count = processes.place()
    named = list(zip(films, _names([file.shown for file in films]), strict=True))
    for file, name in named[rank::count]:
        path = file.shown
        try:
            work(path, put_right(image.read(file.path, file.member)), name)
        except CANNOT_START:
            raise
        except CxrError as error:
            failed = 1
            _complain(error)
        except BrokenPipeError:
            raise
        except OSError as error:
            failed = 1
            _complain(f"{path.name}: {error}")
    return failed


def _put_right(film: Radiograph, *, look: bool, correction: str | None = None) -> Radiograph:
    """The film after the given correction, or, with `look`, after the one that the gate suggests."""
    from cxr_demo.films import gate, image

    correction = correction or (gate.look(film).correction if look else None)
    return image.corrected(film, correction) if correction else film


def _predict(arguments: argparse.Namespace) -> int:
    """Print each film's prediction as a table, or with `--json` as one JSON object per line; or fill `--out`."""
    if arguments.out is not None:
        return _predict_many(arguments)
    _refuse_part(arguments, "--out")

    from cxr_demo.case import Case
    from cxr_demo.models import registry
    from cxr_demo.output import report

    model = registry.load(arguments.model)

    def work(path: Path, film: Radiograph, _: str) -> None:
        prediction = Case(model, film).predict()
        if arguments.json:
            print(json.dumps({**report.prediction_fields(film, prediction), "file": str(path)}), flush=True)
        else:
            print(_table(path, prediction), flush=True)

    return _each(arguments, work, partial(_put_right, look=arguments.correct))


def _predict_many(arguments: argparse.Namespace) -> int:
    """Predict the films of one part of a run into the table of `--out`, and print its path."""
    if arguments.json:
        raise BadSetting("--json prints, and --out writes a table; leave out one of them.")
    _part(arguments)  # before torch is imported, so that a wrong --shard fails at once

    from cxr_demo.batch import predict

    return _many(arguments, predict.predict_films)


def _explain_many(arguments: argparse.Namespace, methods: Sequence[Method]) -> int:
    """Explain the films of one part of a run into files of `--out`, and print the path of their index."""
    if arguments.source:
        raise BadSetting("--from cannot be combined with --many.")
    if (arguments.label or arguments.against) and not arguments.pages:
        raise BadSetting(
            "With --many there are pictures only with --pages; add it, or leave out --label and --against."
        )
    _part(arguments)  # before torch is imported, so that a wrong --shard fails at once

    from cxr_demo.batch import explain

    def work(*, model: Classifier, files: Sequence[FilmFile], out: Path, plan: Mapping[str, Any], **rest: Any) -> Done:
        page = None
        plan = {**plan, "pages": None}
        if arguments.pages:
            wanted, against = _pictured(model, methods, arguments.label or (), arguments.against)
            plan = {**plan, "pages": ", ".join(wanted) or "the most probable findings", "against": against}
            names = _names([file.shown for file in files])

            def page(i: int, case: Case, explanations: Sequence[Explanation]) -> None:
                _save(out / "pages" / names[i], case, explanations, wanted, against)

        return explain.explain_films(model, files, methods, out, plan=plan, tested=arguments.tested, page=page, **rest)

    return _many(arguments, work)


def _many(arguments: argparse.Namespace, work: Callable[..., Done]) -> int:
    """Do the work of one part of a run over many films, and print the path of its table if all parts are done."""
    from cxr_demo.batch.films import Part
    from cxr_demo.models import registry
    from cxr_demo.tables import pyarrow

    pyarrow()  # else its absence would be noticed after the model is loaded
    for path in arguments.files:
        if not str(path).startswith(HUB) and not path.exists():
            raise BadSetting(f"There is no file or folder {path}.")
    model = registry.load(arguments.model)
    films = list(dict.fromkeys(_listed(arguments)))[: arguments.limit]
    if not films:
        return 2
    _make(arguments.out)
    part, plan = Part(*_part(arguments)), {"correct": arguments.correct}
    done: Done = work(
        model=model, files=films, out=arguments.out, part=part, plan=plan,
        put_right=partial(_put_right, look=arguments.correct), say=_complain,
    )  # fmt: skip
    if done.table:
        print(done.table, flush=True)
    if not done.failed:
        return 0
    named = ", ".join(done.failed[:NAMED]) + (", ..." if len(done.failed) > NAMED else "")
    _complain(f"{len(done.failed)} of {len(films)} films failed, for the reasons in the column error: {named}.")
    return 1


def _refuse_part(arguments: argparse.Namespace, many: str) -> None:
    """BadSetting for flags that divide or limit a run over many films, without the flag `many` that asks for one."""
    if arguments.limit is not None or arguments.shard is not None:
        raise BadSetting(f"--limit and --shard belong to runs over many films; give {many} too.")


def _part(arguments: argparse.Namespace) -> tuple[int, int]:
    """The number of this process' part of a run over many films, from 0, and the count of parts."""
    if arguments.limit is not None and arguments.limit < 1:
        raise BadSetting("--limit must be at least 1.")
    shard, shards = _shard(arguments.shard)
    rank, count = processes.place()
    return shard * count + rank, shards * count


def _shard(text: str | None) -> tuple[int, int]:
    """The number of a part of a run, from 0, and the number of parts, of "I/N"; BadSetting for anything else."""
    number, _, of = (text or "1/1").partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise BadSetting(f"--shard {text} should be I/N, part I of N, such as 1/8.")
    return int(number) - 1, int(of)


def _table(path: Path, prediction: Prediction) -> str:
    """A prediction as text, the most probable finding first; `*` marks those at or above their cut-off.

    Warnings stand before the numbers, so that a saved table keeps them.
    """
    lines = [f"{path}  ({prediction.model})", *(f"  ! {warning}" for warning in prediction.warnings)]
    for i in prediction.ranked():
        probability, threshold = prediction.probabilities[i], prediction.thresholds[i]
        mark = "*" if probability >= threshold else " "
        lines.append(f"  {mark} {prediction.labels[i]:<28} {probability:6.3f}   cut-off {threshold:.3f}")
    return "\n".join(lines)


def _explain(arguments: argparse.Namespace) -> int:
    """Explain each film and export its result to a folder of `--out`; prints the path of each folder."""
    recipe = _recorded(arguments.source) if arguments.source else None
    methods = _chosen(arguments, recipe)  # before torch is imported, so that a misspelt setting fails at once
    if arguments.many:
        return _explain_many(arguments, methods)
    if arguments.tested or arguments.pages:
        raise BadSetting(
            "Without --many each map is tested and each film has its page; leave out --tested and --pages."
        )
    _refuse_part(arguments, "--many")

    from cxr_demo.case import Case
    from cxr_demo.models import registry

    model = registry.load(arguments.model or (recipe["model"] if recipe else None))
    wanted, against = _pictured(
        model,
        methods,
        arguments.label or (recipe["labels"] if recipe else ()),
        arguments.against or (recipe["against"] if recipe else None),
    )
    _make(arguments.out)

    def work(path: Path, film: Radiograph, name: str) -> None:
        if recipe and film.sha256 != recipe["sha256"]:
            raise UnreadableImage(f"{path.name} is not the film that {arguments.source} was made from.")
        folder = arguments.out / name
        _refuse_another(folder, film)
        case = Case(model, film)
        prediction = case.predict()
        for warning in prediction.warnings:
            _complain(f"{path.name}: {warning}")
        explanations = [case.last_explanation(method) for method in methods]
        _save(folder, case, explanations, wanted, against, boxes)
        print(folder, flush=True)

    correction, boxes = (recipe["correction"], recipe["boxes"]) if recipe else (None, ())
    return _each(arguments, work, partial(_put_right, look=arguments.correct, correction=correction))


def _pictured(
    model: Classifier, methods: Sequence[Method], labels: Sequence[str], against: str | None
) -> tuple[list[str], str | None]:
    """The findings of the pictures and the finding that they are compared with, as the model writes them.

    UnknownLabel for a finding that the model does not predict, BadSetting as in `_check_difference`, and for OTHERS of
    findings that do not exclude one another.
    """
    from cxr_demo.output import report
    from cxr_demo.types import OTHERS

    wanted = [model.labels[report.index_of(model.labels, label)] for label in labels]
    if against == OTHERS and not model.network.exclusive:
        raise BadSetting(
            f"{model.name} gives each finding a probability of its own, so that none stands for all others; give one "
            "finding as --against."
        )
    if against is not None:
        against = OTHERS if against == OTHERS else model.labels[report.index_of(model.labels, against)]
        _check_difference(methods, wanted or [label for label in model.labels if label != against], against)
    return wanted, against


def _save(
    folder: Path,
    case: Case,
    explanations: Sequence[Explanation],
    wanted: Sequence[str],
    against: str | None,
    boxes: Sequence[Box] = (),
) -> None:
    """Write a film's folder, with pictures of the `wanted` findings, or else of the three most probable ones."""
    from cxr_demo.output import export, report
    from cxr_demo.output.result import complete

    prediction = case.predict()
    others = [prediction.labels[i] for i in prediction.ranked() if prediction.labels[i] != against]
    labels = wanted or others[:3]
    first = report.index_of(prediction.labels, labels[0]) if wanted else None
    export.save(folder, complete(case, explanations, finding=first, boxes=boxes), labels, against)


def _check_difference(chosen: Sequence[Method], labels: Sequence[str], against: str) -> None:
    """BadSetting if a finding is to be shown rather than itself, or by a method that only ranks."""
    if against in labels or not labels:
        raise BadSetting(f"{against} has no difference from itself; give another finding as --label or --against.")
    ranks = [method.title for method in chosen if not method.unit.signed]
    if ranks:
        raise BadSetting(
            f"Two findings have no difference by {' and '.join(ranks)}, which only ranks places; leave out its "
            "--method, or --against."
        )


def _refuse_another(folder: Path, film: Radiograph) -> None:
    """UnreadableImage if a folder holds the result of another film, as of another patient's `view1_frontal.jpg`."""
    try:
        known = str(json.loads((folder / "result.json").read_text(encoding="utf-8"))["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        return
    if known != film.sha256:
        raise UnreadableImage(
            f"{folder} holds the result of another film of this name, with the sha256 {known[:12]}...: give this one "
            "another --out, or delete that folder."
        )


def _make(folder: Path) -> None:
    """Create the output folder; BadSetting if that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadSetting(
            f"--out {folder} cannot be made ({error.strerror}); give a folder that can be written."
        ) from None


def _recorded(path: Path) -> dict[str, Any]:
    """The model, film, settings and labels recorded in a `result.json`; BadSetting for any other file."""
    from cxr_demo.films.label_tables import Box

    if not path.exists():
        raise BadSetting(f"There is no file {path}; give the result.json beside maps.npz.")
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        settings = {key: dict(done["settings"]) for key, done in recorded["methods"].items()}
        labels = [str(label) for label in recorded["pictures"]["labels"]]
        against = recorded["pictures"].get("against")
        return {
            "model": str(recorded["model"]),
            "sha256": recorded["sha256"],
            "correction": recorded.get("correction"),  # earlier versions wrote neither corrections nor boxes
            "boxes": [Box.of(box) for box in recorded.get("boxes", [])],
            "methods": settings,
            "labels": labels,
            "against": None if against is None else str(against),
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise BadSetting(f"{path} is not a result.json of `explain`; give the one beside maps.npz.") from None


def _chosen(arguments: argparse.Namespace, recipe: Mapping[str, Any] | None) -> list[Method]:
    """The methods of a recorded result, else those of `--method` with the given settings; BadSetting for both."""
    from cxr_demo import methods

    if recipe is None:
        return methods.choose(arguments.method or [kind.key for kind in methods.DEFAULTS], arguments.settings)
    if arguments.method or arguments.settings or arguments.correct:
        raise BadSetting("--from repeats what was done; leave out --method, --correct and settings.")
    return [methods.method(key, settings) for key, settings in recipe["methods"].items()]


def _names(paths: Sequence[Path]) -> list[str]:
    """A name for the results of each file: its stem, with a number where others have the same."""
    names: list[str] = []
    taken: set[str] = set()
    for path in paths:
        # the stem of "...png" is dots, which as a folder name would leave --out
        name = stem = path.stem if path.stem.strip(".") else "film"
        number = 1
        while name in taken:
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        names.append(name)
    return names


def _benchmark(arguments: argparse.Namespace) -> int:
    """Measure all methods on the films of a label table; prints the path of `table.md`."""
    from cxr_demo import methods

    if (arguments.limit is not None and arguments.limit < 1) or arguments.permuted < 0:
        raise BadSetting("--limit must be at least 1 and --permuted at least 0.")
    _check_share(arguments)
    kinds = [methods.method(key, {}) for key in arguments.method or ()] or [kind() for kind in methods.METHODS]
    chosen = methods.choose([kind.key for kind in kinds], arguments.settings)

    from cxr_demo.evaluation.benchmark import run as benchmark
    from cxr_demo.films import label_tables
    from cxr_demo.models import registry

    model = registry.load(arguments.model)
    columns = table_columns.pairs(arguments.columns)
    labels = label_tables.findings_in(arguments.data, model.labels, columns)
    if not labels:
        raise DataError(f"{arguments.data} has no column of a finding of {model.name}: {', '.join(model.labels)}.")
    films = label_tables.read_tables(
        [arguments.data], labels, images=arguments.images, columns=columns, blank_patients=arguments.blank_patients
    )
    _make(arguments.out)
    if arguments.send and processes.place()[0] == 0:
        from cxr_demo.models import hub

        hub.make_data_set(arguments.publish, public=arguments.public)
    failed = benchmark.measure_films(
        model, films, chosen, arguments.out, limit=arguments.limit, permuted=arguments.permuted, say=_complain
    )
    print(arguments.out / "table.md", flush=True)
    if not arguments.publish or processes.place()[0] > 0:
        return 1 if failed else 0
    if failed:
        _complain(f"{len(failed)} films failed, so {arguments.publish} gets no figures.")
        return 1
    try:
        _share(arguments, films)
    except ModelError as error:  # the figures are here
        _complain(error)
        return 1
    return 0


def _check_share(arguments: argparse.Namespace) -> None:
    """BadSetting if the words about publishing do not fit together, or if pyarrow is missing."""
    from cxr_demo.models import hub
    from cxr_demo.tables import pyarrow

    if arguments.publish is None:
        if arguments.send or arguments.public or arguments.licence:
            raise BadSetting("--send, --public and --licence go with --publish OWNER/NAME; add it.")
        return
    if not hub.is_name(arguments.publish):
        raise BadSetting(f"{arguments.publish!r} is no name of a data set; give OWNER/NAME.")
    if arguments.public and not arguments.send:
        raise BadSetting("--public goes with --send; add it.")
    if arguments.send and not arguments.licence:
        raise BadSetting("--send needs the --licence of the figures, such as cc-by-4.0.")
    pyarrow()  # else its absence would be noticed after hours


def _share(arguments: argparse.Namespace, films: Films) -> None:
    """List the data set of a benchmark's figures and its card, and send it with --send."""
    import tempfile

    from cxr_demo.evaluation.benchmark import share
    from cxr_demo.models import hub

    with tempfile.TemporaryDirectory() as folder:
        share.stage(arguments.out, films, Path(folder), arguments.publish, arguments.licence)
        for path in sorted(Path(folder).iterdir()):
            print(f"{path.stat().st_size:>12,}  {path.name}")
        if not arguments.send:
            print((Path(folder) / share.README).read_text(encoding="utf-8"))
            print(f"Nothing was sent; with --send this becomes {hub.endpoint()}/datasets/{arguments.publish}")
            return
        commit = hub.send_data(Path(folder), arguments.publish, public=arguments.public)
        seen = "for everybody to see" if hub.is_open(arguments.publish, "dataset") else "private"
        print(f"{hub.endpoint()}/datasets/{arguments.publish} is at {commit}, {seen}.")


def _atlas(arguments: argparse.Namespace) -> int:
    """Write the atlas of a folder of maps; prints the path of its page."""
    from cxr_demo.batch import atlas, atlas_page

    print(atlas_page.write(atlas.build(arguments.folder, arguments.method, _complain), arguments.folder), flush=True)
    return 0


def _deploy(arguments: argparse.Namespace) -> int:
    from cxr_demo import deploy

    deploy.deploy(arguments.space, arguments.model, public=arguments.public, dry_run=arguments.dry_run)
    return 0


def _methods(_: argparse.Namespace) -> int:
    """Print all methods with the defaults and ranges of their settings."""
    from cxr_demo import methods

    for kind in methods.METHODS:
        print(f"{kind.key:<14} {kind.title} ({kind.unit.value}; {kind.paper})")
        for s in methods.settings_of(kind):
            reach = " | ".join(s.choices) if s.choices else f"{s.low:g} to {s.high:g}"
            print(f"    --{kind.key}.{s.name} {s.default}   {s.help} ({reach})")
    return 0


def _models(arguments: argparse.Namespace) -> int:
    """Print the available models; with `--verify` check each one, and return 1 if any fails."""
    from cxr_demo.models import registry

    failed = 0
    for choice in registry.choices():
        print(f"{choice.name:<32} {choice.title}")
        if arguments.verify:
            try:
                print(f"    {registry.verify(choice.name)}")
            except CxrError as error:
                failed = 1
                _complain(f"{choice.name}: {error}")
    if registry.takes_guests():
        print(f"{'owner/name@revision':<32} any public model folder of the Hugging Face Hub")
    return failed


def _complain(message: object) -> None:
    print(message, file=sys.stderr, flush=True)
