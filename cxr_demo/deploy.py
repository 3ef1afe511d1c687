"""A Hugging Face Space of this repository: the folder that it needs, its variables, and sending them.

A Space is made of this repository's own files: its README with front matter, `app.py`, the package, the requirements.
What is added says which model its page has, and what is fetched before it starts.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cxr_demo
from cxr_demo.errors import BadSetting, DataError
from cxr_demo.models import hub, model_folder, registry, xrv_weights

if TYPE_CHECKING:
    from collections.abc import Callable

README = "README.md"
#: What a Space runs on, in the repository's root, and what its README leads to.
PARTS = (
    "app.py", "requirements.txt", "cxr_demo", "LICENSE",
    README, "docs", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md",
)  # fmt: skip


def deploy(repo: str, model: str | None, *, dry_run: bool, say: Callable[[str], None] = print) -> None:
    """Make or update a Space with a model, the page's own default without one; or only say what would be sent.

    BadSetting: no such name for a Space, or a model that it could not reach. DataError: this is no copy of the
    repository. Else the errors of `registry.load` and `hub.send_space`.
    """
    if repo.count("/") != 1 or not all(repo.split("/")):
        raise BadSetting(f"{repo!r} is no name of a Space; give OWNER/SPACE.")
    with tempfile.TemporaryDirectory() as folder:
        # named even so: a Space that is updated would keep the model that it had
        variables = prepare(Path(folder), model or registry.OFFERED[0], say)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and dry_run:
                say(f"{path.stat().st_size:>10,}  {path.relative_to(folder).as_posix()}")
        for name, value in variables.items():
            say(f"{name}={value}")
        if dry_run:
            say(f"Nothing was sent; without --dry-run this becomes {hub.endpoint()}/spaces/{repo}")
            return
        commit = hub.send_space(Path(folder), repo, variables, replaced="cxr_demo/*")
        say(f"{hub.endpoint()}/spaces/{repo} is at {commit} and starts now; its page says how that goes.")


def prepare(folder: Path, model: str, say: Callable[[str], None] = print) -> dict[str, str]:
    """Fill an empty folder with all that a Space needs; its variables. What else it needs is said."""
    root = Path(cxr_demo.__file__).parents[1]
    missing = [name for name in PARTS if not (root / name).exists()]
    if missing:
        raise DataError(
            f"{root} is no copy of the repository: {', '.join(missing)} missing. Clone it, and deploy there."
        )
    lines, variables = _model(model, say)
    for name in PARTS:
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copyfile(root / name, folder / name)
    opening, front, rest = (folder / README).read_text(encoding="utf-8").split("---\n", 2)
    front += "".join(f"{line}\n" for line in lines)
    (folder / README).write_text("---\n".join((opening, front, rest)), encoding="utf-8")
    return variables


def _model(name: str, say: Callable[[str], None]) -> tuple[list[str], dict[str, str]]:
    """Lines of front matter and variables for a model, which is loaded here first: it must be one that works."""
    kind, place, _ = registry.parse(name)
    if kind == "folder":
        raise BadSetting(
            f"A Space cannot reach {name} on this machine; send it first: `python -m train publish {name} OWNER/NAME`."
        )
    full = registry.load(name).name
    repo, files, commit = None, "", ""
    if kind == "hub":
        files = ",".join((model_folder.CONFIG, model_folder.WEIGHTS, model_folder.CARD))
        repo, commit = place, full.rpartition("@")[2]
    elif kind == "xrv":
        repo, files, commit = f"{xrv_weights.OWNER}/{place}", xrv_weights.WEIGHTS, xrv_weights.ZOO[place].revision
    lines = [] if repo is None else [f"models: [{repo}]"]
    if kind == "hub" and not hub.is_open(place):
        # before a Space starts the Hub fetches without a token, and cannot have what is not for everybody
        say(f"{place} is not for everybody: give the Space a secret HF_TOKEN that may read it.")
    elif hub.COMMIT.fullmatch(commit):
        # what is fetched before it starts is there each time it wakes up
        lines.append(f'preload_from_hub: ["{repo} {files} {commit}"]')
    return lines, {"CXR_MODEL": full if kind == "hub" else name}
