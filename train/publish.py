"""Publication of a run's model on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import DataError
from cxr_demo.files import sha256_of
from cxr_demo.models import hub, model_folder
from train import card, hub_files, identifiers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

#: Files published with a model for its readers; the loader ignores them.
THRESHOLDS, EVALUATION, AUDIT = "thresholds.json", "evaluation.json", "audit.json"
#: The run's plan with the checksum of its split; the list of patients is not published.
TRAINING = "training.json"
ALONG = (THRESHOLDS, EVALUATION, AUDIT, TRAINING)
#: Fields of a run's plan that are paths, besides its tables.
PATHS = ("split", "start_run", "teacher", "corrections")


def stage(
    run: Path,
    folder: Path,
    repo: str,
    said: Sequence[str] = (),
    *,
    licence: str = "",
    datasets: Sequence[str] = (),
    benchmark: tuple[str, str] | None = None,
) -> Path:
    """Copy the model of all films with its figures, audit and plan into `folder`, and return it.

    Adds what `hub_files.add` does for a model that will be `repo`. `licence` and `datasets` replace those of the model
    where given. `run` may also be a model folder, in a run or on its own. Paths become names, and what the audit says
    of single films is left out. DataError if the run has no finished model, if its licence is unknown, or if a file, or
    one of the words `said` beside them, would still name a patient, a film or a folder of this machine; BadModel if the
    model cannot be read.
    """
    whole = (run / "run.json").exists()
    model = run / "all" if whole else run
    if not (model / model_folder.CONFIG).exists():
        raise DataError(
            f"{run} holds no finished model of all films; end it with `python -m train resume {run}`, or fit one "
            "without --only-folds."
        )
    model_folder.load(model, run.name)
    folder.mkdir(parents=True, exist_ok=True)
    for path in [model / name for name in (model_folder.CONFIG, model_folder.WEIGHTS, model_folder.CARD, THRESHOLDS)]:
        if path.exists():
            shutil.copyfile(path, folder / path.name)
    _state(folder, run, licence, datasets)
    if (run / EVALUATION).exists():
        shutil.copyfile(run / EVALUATION, folder / EVALUATION)
    if (run / AUDIT).exists():
        _write(folder / AUDIT, _without_examples(json.loads((run / AUDIT).read_text())))
    known = identifiers.Identifiers()
    home = _home(run)
    if home:
        plan, table = json.loads((home / "run.json").read_text()), identifiers.table_of(home)
        if whole:
            _write(folder / TRAINING, {**_without_folders(plan), "split_sha256": sha256_of(table)})
        command = identifiers.command_without_folders(plan["command"])
        text = (folder / model_folder.CARD).read_text(encoding="utf-8").replace(plan["command"], command)
        (folder / model_folder.CARD).write_text(text, encoding="utf-8")
        known = identifiers.read(table)
    origins = {name: model / name for name in (model_folder.CONFIG, model_folder.CARD, THRESHOLDS)}
    origins |= {EVALUATION: run / EVALUATION, AUDIT: run / AUDIT, TRAINING: run / "run.json"}
    identifiers.refuse(folder, known, (repo, *said), origins)
    hub_files.add(folder, repo, benchmark)  # last: its own words, such as film.png, may be names of films too
    return folder


def searched(run: Path) -> str:
    """A sentence on the search for identifiers, and on the names of the user's that are published; "" without a run."""
    home = _home(run)
    if not home:
        return ""
    known, plan = identifiers.read(identifiers.table_of(home)), json.loads((home / "run.json").read_text())
    bare = _without_folders(plan)
    paths = [bare[name] for name in PATHS if bare.get(name) not in (None, "", "official")]
    names = dict.fromkeys([plan["name"], *bare["films"], *paths])
    return (
        f"No file was found to name one of the {len(known.patients):,} patients or {len(known.files):,} films, or a "
        "folder of this machine; names of fewer than four characters, and numbers of fewer than seven digits, were "
        f"looked for after the word patient alone. These names of yours are published: {', '.join(names)}. The card "
        f"quotes the command: {bare['command']}"
    )


def _home(run: Path) -> Path | None:
    """The folder of a run, or of the run that a model folder lies in; None for a model folder on its own."""
    return next((folder for folder in (run, run.parent) if (folder / "run.json").exists()), None)


def _state(folder: Path, run: Path, licence: str, datasets: Sequence[str]) -> None:
    """Give a staged model its licence and data sets; DataError if the licence is neither given nor known."""
    spec = model_folder.read_spec(folder)
    if not (licence or spec.licence):
        raise DataError(
            f"The licence of {run} is unknown, since its training started from no weights with a known one: give "
            "--licence with the Hub's name of one, such as apache-2.0 or cc-by-nc-4.0."
        )
    changes: dict[str, Any] = {"license": licence.lower()} if licence else {}
    changes |= {"datasets": list(datasets)} if datasets else {}
    if changes:
        text = card.with_front(model_folder.read_card(folder), changes)
        model_folder.describe(folder, replace(spec, licence=licence or spec.licence), text)


def _without_examples(audit: dict[str, Any]) -> dict[str, Any]:
    """The audit with the number of each finding's suspects; its sentences and figures may name patients and films."""
    findings = [
        {key: finding[key] for key in ("id", "severity", "accepted")} | {"suspects": _count(finding["suspects"])}
        for finding in audit["findings"]
    ]
    return {**audit, "findings": findings}


def _count(suspects: list[Any] | int) -> int:
    """The number of suspects, also in the short form of a model that was published before."""
    return suspects if isinstance(suspects, int) else len(suspects)


def _without_folders(plan: dict[str, Any]) -> dict[str, Any]:
    """A run's plan with names in place of paths."""
    paths = {name: identifiers.last(plan[name]) for name in PATHS if plan.get(name)}
    backbone = identifiers.backbone_without_folders(plan["recipe"]["backbone"])
    return {
        **plan,
        **paths,
        "cache": "",
        "films": [identifiers.last_each(name) for name in plan["films"]],
        "command": identifiers.command_without_folders(plan["command"]),
        "recipe": {**plan["recipe"], "backbone": backbone},
    }


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def publish(
    folder: Path, repo: str, *, private: bool, message: str, may: Callable[[str], bool], say: Callable[[str], None]
) -> str | None:
    """Push a staged folder as one commit and return its hash; None if `may` refuses.

    `may` gets a question if the repository exists already, which then stays public or private as it is; `say` prints
    the outcome. DataError if it is public and `private` is asked for; otherwise errors as in `hub.push`.
    """
    before = hub.head(repo)
    if before:
        hidden = hub.is_private(repo)
        if private and not hidden:
            raise DataError(
                f"{repo} exists and is public, so everybody would see this version: allow it with --public, or choose "
                "another name."
            )
        stays = "private, and stays so: its settings on the Hub make it public" if hidden else "public"
        if not may(f"{repo} exists (at {before[:12]}) and is {stays}. Publish a new version of it?"):
            say(f"{repo} stays as it is.")
            return None
        private = hidden
    commit = hub.push(
        folder, repo, along=_files(folder), replaced=(*hub_files.OWNED, *ALONG), private=private, message=message
    )
    seen = "private" if private else "public"
    say(f"Published as {repo}@{commit}, {seen}. To serve it: CXR_MODEL={repo}@{commit} make run")
    return commit


def _files(folder: Path) -> list[str]:
    """The names of all files in a folder, with those of the folders within it."""
    return [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]


def listing(folder: Path) -> str:
    """Output of a dry run: size in bytes and name of each file, then the card, the plan and the audit."""
    files = [f"{(folder / name).stat().st_size:>12,}  {name}" for name in _files(folder)]
    shown = [folder / name for name in (model_folder.CARD, TRAINING, AUDIT)]
    texts = [f"--- {path.name}\n{path.read_text(encoding='utf-8')}" for path in shown if path.exists()]
    return "\n".join([*files, "", *texts])
