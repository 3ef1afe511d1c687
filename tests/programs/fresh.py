"""The Space's folder in new environments with its requirements alone: whether it starts, and answers as it does here.

`make fresh` deploys to the tests' own Hub, takes the folder that this then has, installs its requirements.txt, serves
its app.py and asks /predict over HTTP for a drawn film: with what pip chooses, and with the oldest torch that ZeroGPU
offers. It downloads gigabytes and deletes them again; what pip and the page said stays in runs/fresh.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, signal
from typing import TYPE_CHECKING

import gradio_client
import numpy as np

from benchmarks.process import address_of, running
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry
from tests.support.hub_server import HubServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPACE, MODEL, FILM = "someone/films", "bundled:nih14", "effusion"
#: What pip is told beside the requirements; torchvision 0.23 is the one of torch 2.8.
CONSTRAINTS: Mapping[str, Sequence[str]] = {"newest": (), "torch-2.8": ("torch==2.8.*", "torchvision==0.23.*")}
#: How far probabilities may be from those here. Other kernels add up in another order, which moves them by 1e-6 at
#: most (float64 is that far away); a film made smaller in another way, or shifted by a pixel, by 0.02 and more.
CLOSE = 1e-4
#: Variables of this environment that a Space would not have.
OURS = ("CXR_", "GRADIO_", "HF_", "PYTHON", "VIRTUAL_ENV")
VERSIONS = """
import json, platform
from importlib.metadata import version
print(json.dumps({"torch": version("torch"), "gradio": version("gradio"), "python": platform.python_version()}))
"""


@dataclass(frozen=True)
class Space:
    """A Space as the Hub has it: its files, here in a folder, and its variables."""

    folder: Path
    variables: Mapping[str, str]


@dataclass
class Row:
    """What became of one environment; what was not reached stays as it is."""

    name: str
    versions: dict[str, str] = field(default_factory=dict)
    installed: float = float("nan")  # seconds
    answered: float = float("nan")  # seconds from the start of the page
    apart: float = float("nan")  # largest difference of a probability
    failure: str = ""

    def __str__(self) -> str:
        versions = [self.versions.get(name, "?") for name in ("torch", "gradio", "python")]
        figures = [f"{self.installed:.0f}", f"{self.answered:.0f}", f"{self.apart:.1g}"]
        return f"| {' | '.join([*versions, *figures, 'FAILED' if self.failure else 'OK'])} |"


def main() -> int:
    """Try each environment and print a table; 1 if one failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="what the environments are made with")
    parser.add_argument("--out", type=Path, default=Path("runs/fresh"), help="where the logs stay")
    arguments = parser.parse_args()
    signal(SIGTERM, lambda *_: sys.exit(1))  # whoever ends this early ends the page, and frees the disk
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.log"):
        old.unlink()
    film = image.decode(phantom.png(FILM), f"{FILM}.png")
    known = Case(registry.load(MODEL), film).predict().probabilities
    # what is large goes beside the logs, since temporary files may go to memory
    with tempfile.TemporaryDirectory(dir=out) as place:
        space = deployed(Path(place, "space"), out / "deploy.log")
        rows = [tried(name, arguments.python, space, known, out) for name in CONSTRAINTS]
    print("| torch | gradio | Python | installed in s | answers after s | largest difference | |")
    print("|---|---|---|--:|--:|--:|---|", *rows, sep="\n")
    failed = [row for row in rows if row.failure]
    for row in failed:
        print(f"{row.name}: {row.failure}; see {out}", file=sys.stderr)
    return 1 if failed else 0


def deployed(folder: Path, log: Path) -> Space:
    """Deploy to a Hub of our own by the command line, and take what that then has."""
    hub = HubServer()
    # the tests' Hub takes large files as the public one did before Xet
    settings = {"HF_ENDPOINT": hub.url, "HF_TOKEN": "hf_test", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-m", "cxr_demo", "deploy", SPACE, "--model", MODEL]
    try:
        run(command, log, {**os.environ, **settings})
    finally:
        hub.stop()
    repo = hub.repos["spaces", SPACE]
    for name, data in repo.commits[repo.refs["main"]].items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Space(folder, repo.variables)


def tried(name: str, python: str, space: Space, known: np.ndarray, out: Path) -> Row:
    """Install, serve and ask in an environment that is deleted afterwards; whatever fails is said in the row."""
    row = Row(name)
    with tempfile.TemporaryDirectory(dir=out) as place:
        try:
            began = time.monotonic()
            own = installed(Path(place, "environment"), python, space, CONSTRAINTS[name], out / f"{name}.pip.log")
            row.installed = time.monotonic() - began
            row.versions = json.loads(subprocess.check_output([own, "-c", VERSIONS], env=bare()))
            # nothing is kept from before, and no model is fetched
            settings = {**space.variables, "HF_HOME": str(Path(place, "hf")), "HF_HUB_OFFLINE": "1"}
            began = time.monotonic()
            command, log = [own, "-u", "app.py"], out / f"{name}.page.log"
            with running(command, {**bare(), **settings}, log, space.folder) as page:
                found = answer(address_of(page), Path(place, f"{FILM}.png"))
                row.answered = time.monotonic() - began
            row.apart = float(np.abs(found - known).max())
            if not row.apart <= CLOSE:
                row.failure = f"a probability is off by {row.apart:.1e}, more than {CLOSE}"
        except Exception as error:  # the next environment is tried all the same
            row.failure = f"{type(error).__name__}: {str(error)[-300:]}"
    return row


def installed(place: Path, python: str, space: Space, constraints: Sequence[str], log: Path) -> str:
    """A new environment with the Space's requirements; its python."""
    run([python, "-m", "venv", str(place)], log, bare())
    own = str(place / "bin" / "python")
    extra = place / "constraints.txt"
    extra.write_text("\n".join(constraints), encoding="utf-8")
    requirements = str(space.folder / "requirements.txt")
    run([own, "-m", "pip", "install", "-r", requirements, "-c", str(extra)], log, bare())
    return own


def answer(address: str, film: Path) -> np.ndarray:
    """What /predict says of the drawn film, which is written to a file for that; probabilities (L,)."""
    film.write_bytes(phantom.png(FILM))
    client = gradio_client.Client(address, verbose=False, analytics_enabled=False)
    told = client.predict(gradio_client.handle_file(film), api_name="/predict")
    return np.array(told["probabilities"])


def bare() -> dict[str, str]:
    """The environment variables, without those of this environment that a Space would not have."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)}


def run(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
    """Run a command to its end, its output into a log; CalledProcessError where it fails."""
    with log.open("a", encoding="utf-8") as file:
        subprocess.run(command, env=environment, stdout=file, stderr=file, check=True)


if __name__ == "__main__":
    sys.exit(main())
