"""Deploys this repository as a Hugging Face Space: builds its folder, sets its variables and uploads both.

A Space consists of files of this repository: `app.py`, the package, the requirements and the documentation. Its README
is `space.md`, beside this module; the deployment adds the served model, the data sets of its films, and the list
of files that the Space downloads before it starts.
"""

from __future__ import annotations

import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cxr_demo
from cxr_demo.errors import BadSetting, DataError
from cxr_demo.models import hub, hub_cards, library_folders, model_folder, registry, xrv_weights

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE, README, PICTURE = "space.md", "README.md", "docs/page.png"
#: Files and folders in the repository's root that a Space runs on, and those that its documents link to.
PARTS = ("app.py", "requirements.txt", "cxr_demo", "LICENSE", "docs", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def deploy(
    repo: str, model: str | None, *, public: bool = False, dry_run: bool, say: Callable[[str], None] = print
) -> None:
    """Create or update a Space `OWNER/SPACE` that serves a model, by default the page's own; a dry run lists the files.

    A new Space is private unless `public`, which also makes one public that exists. Passes each line of progress to
    `say`. BadSetting for a malformed Space name or a model that the Space could not reach; DataError if the package is
    not in a copy of the repository. Also raises the errors of `registry.load` and `hub.send_space`.
    """
    if not hub.is_name(repo):
        raise BadSetting(f"{repo!r} is no name of a Space; give OWNER/SPACE.")
    with tempfile.TemporaryDirectory() as folder:
        # set even for the default: an updated Space would otherwise keep its previous model
        variables = prepare(Path(folder), repo, model or registry.OFFERED[0], say)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and dry_run:
                say(f"{path.stat().st_size:>10,}  {path.relative_to(folder).as_posix()}")
        for name, value in variables.items():
            say(f"{name}={value}")
        if dry_run:
            say(f"Nothing was sent; without --dry-run this becomes {hub.endpoint()}/spaces/{repo}")
            return
        commit = hub.send_space(Path(folder), repo, variables, replaced="cxr_demo/*", public=public)
        seen = "for everybody to see" if hub.is_open(repo, "space") else "private"
        say(f"{hub.endpoint()}/spaces/{repo} is at {commit}, {seen}, and starts now; its page says how that goes.")


def prepare(folder: Path, repo: str, model: str, say: Callable[[str], None] = print) -> dict[str, str]:
    """Fill an empty folder with the files of the Space `repo` and return the Space's variables by name.

    Passes remaining steps, such as a secret to set by hand, to `say`. BadSetting, DataError as for `deploy`.
    """
    root = Path(cxr_demo.__file__).parents[1]
    template = Path(__file__).with_name(TEMPLATE)
    missing = [name for name in PARTS if not (root / name).exists()]
    missing += [] if template.exists() else [template.relative_to(root).as_posix()]  # in a copy of a Space
    if missing:
        raise DataError(
            f"{root} is no copy of the repository: {', '.join(missing)} missing. Clone it, and deploy there."
        )
    fields, variables, library = _model(model, say)
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*", TEMPLATE))
        else:
            shutil.copyfile(root / name, folder / name)
    if library:
        with (folder / "requirements.txt").open("a") as requirements:
            requirements.write(f"{library}=={version(library)}\n")  # with which the model was loaded here
    front, text = hub_cards.split(template.read_text(encoding="utf-8"))
    fields["thumbnail"] = f"{hub.endpoint()}/spaces/{repo}/resolve/main/{PICTURE}"
    (folder / README).write_text(hub_cards.joined({**front, **fields}, text), encoding="utf-8")
    return variables


def _model(name: str, say: Callable[[str], None]) -> tuple[dict[str, Any], dict[str, str], str | None]:
    """Fields of the Space's front matter and variables of the Space for a model, and the library that it needs.

    Loads the model first to check that it works.
    """
    kind, place, _ = registry.parse(name)
    library = kind if kind in library_folders.LIBRARIES else None
    if library and library_folders.is_folder(place):
        raise BadSetting(f"A Space cannot reach {name} on this machine; send it to the Hub with {library} first.")
    if kind == "folder":
        raise BadSetting(
            f"A Space cannot reach {name} on this machine; send it first: `python -m train publish {name} OWNER/NAME`."
        )
    full = registry.load(name).name
    front, _ = hub_cards.split(registry.card_file(full))
    repo = registry.repository(full)
    fields: dict[str, Any] = {
        **({"models": [repo]} if repo else {}),
        **({"datasets": front["datasets"]} if front.get("datasets") else {}),
    }
    files, commit = [model_folder.CONFIG, model_folder.WEIGHTS, model_folder.CARD], full.rpartition("@")[2]
    if kind == "transformers":
        files.append(library_folders.PROCESSOR)
    elif kind == "xrv":
        files, commit = [xrv_weights.WEIGHTS], xrv_weights.ZOO[place].revision
    by_its_authors = kind == "hub" or library is not None
    if by_its_authors and not hub.is_open(place):
        # the Hub preloads files without a token, so it cannot preload gated or private ones
        say(f"{place} is not for everybody: give the Space a secret HF_TOKEN that may read it.")
    elif repo:
        # preloaded files are part of the Space's image and survive a restart
        fields["preload_from_hub"] = [f"{repo} {','.join(files)} {commit}"]
    return fields, {"CXR_MODEL": full if by_its_authors else name}, library
