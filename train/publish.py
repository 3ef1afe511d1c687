"""Publication of a run's model on the Hugging Face Hub, in one commit."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from cxr_demo.errors import DataError
from cxr_demo.files import sha256_of
from cxr_demo.models import hub, model_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Files published with a model for its readers; the loader ignores them.
THRESHOLDS, EVALUATION, AUDIT = "thresholds.json", "evaluation.json", "audit.json"
#: The run's plan with the checksum of its split; the list of patients is not published.
TRAINING = "training.json"
ALONG = (THRESHOLDS, EVALUATION, AUDIT, TRAINING)


def stage(run: Path, folder: Path) -> Path:
    """Copy the model of all films with its figures, audit and plan into `folder`, and return it.

    `run` may also be a model folder. DataError if the run has no finished model; BadModel if its model cannot be read.
    """
    model = run / "all" if (run / "run.json").exists() else run
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
    if (run / EVALUATION).exists():
        shutil.copyfile(run / EVALUATION, folder / EVALUATION)
    if (run / AUDIT).exists():
        _write(folder / AUDIT, _without_films(json.loads((run / AUDIT).read_text())))
    if (run / "run.json").exists():
        split = run / "folds.csv"
        checksum = sha256_of(split) if split.exists() else None
        _write(folder / TRAINING, {**json.loads((run / "run.json").read_text()), "split_sha256": checksum})
    return folder


def _without_films(audit: dict[str, Any]) -> dict[str, Any]:
    """The audit with numbers of suspects instead of their file names, which may identify patients."""
    return {**audit, "findings": [{**finding, "suspects": len(finding["suspects"])} for finding in audit["findings"]]}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def publish(
    folder: Path, repo: str, *, private: bool, message: str, may: Callable[[str], bool], say: Callable[[str], None]
) -> str | None:
    """Push a staged folder as one commit and return its hash; None if `may` refuses.

    `may` gets a question if the repository exists already; `say` prints the outcome. Errors as in `hub.push`.
    """
    before = hub.head(repo)
    if before and not may(f"{repo} exists (at {before[:12]}). Publish a new version of it?"):
        say(f"{repo} stays as it is.")
        return None
    commit = hub.push(folder, repo, along=ALONG, private=private, message=message)
    say(f"Published as {repo}@{commit}. To serve it: CXR_MODEL={repo}@{commit} make run")
    return commit


def listing(folder: Path) -> str:
    """Output of a dry run: size in bytes and name of each file, then the card."""
    files = [f"{path.stat().st_size:>12,}  {path.name}" for path in sorted(folder.iterdir())]
    return "\n".join([*files, "", (folder / model_folder.CARD).read_text()])
