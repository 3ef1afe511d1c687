"""A real page on a loopback port, with a small random model: what the tests of the page talk to."""

import contextlib
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gradio_client
import httpx
import numpy as np
import torch

from benchmarks.process import address_of, running
from cxr_demo import methods
from cxr_demo.films import phantom
from cxr_demo.models import classifier, model_folder
from cxr_demo.types import NIH_FINDINGS, Cost, ModelSpec, Score, Unit

#: Variables that keep libraries from reporting home.
REPORTING = ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY")
#: What the log of a served page says where it turned to anybody else, and who it is itself.
OUTSIDE = "OUTSIDE"
HERE = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None")

CARD = "# A model for tests\n\nIt knows nothing about films."


def save_model(folder: Path, labels: tuple[str, ...] = NIH_FINDINGS, size: int = 96, seed: int = 5) -> Path:
    """A tiny network whose answers lie between 1 and 99 %, so that bars, maps and thresholds mean something."""
    arguments = {"growth_rate": 8, "block_config": (1, 1, 1, 1), "num_init_features": 16}
    torch.manual_seed(seed)
    network = classifier.build("DenseNet", arguments, len(labels)).eval()
    with torch.no_grad():
        spread = network(torch.randn(8, 1, size, size) * 500).std(0)
        network.head.weight /= spread[:, None]
        network.head.bias.copy_(torch.linspace(-1, 1, len(labels)))
    spec = ModelSpec(
        name="Tiny random network",
        architecture="DenseNet",
        arguments=arguments,
        labels=labels,
        size=size,
        trained_on="It was not trained at all.",
        licence="Apache-2.0",
        thresholds=tuple(np.linspace(0.2, 0.8, len(labels)).tolist()),
        scores=(Score("mean", "all films", "AUROC", 0.51, 0.47, 0.55, 30, 60),),
        scored_on="Sixty films of noise.",
    )
    model_folder.save(folder, spec, network, CARD)
    return folder


@dataclass(frozen=True)
class Corners:
    """A method that exists in these tests alone: evidence for a finding top left, against it bottom right.

    Finding i gets i * strength, so the first one has no evidence at all.
    """

    key: ClassVar[str] = "corners"
    title: ClassVar[str] = "Planted corners"
    unit: ClassVar[Unit] = Unit.LOGIT
    paper: ClassVar[str] = "none"
    cost: ClassVar[Cost] = Cost.INSTANT
    reading: ClassVar[str] = "Orange is top left. Blue is bottom right."

    strength: float = methods.setting(0.5, low=0.1, high=2, step=0.1, help="evidence per finding")

    def copies(self, side):
        return 0

    def attribute(self, scorer, x):
        findings, side = len(scorer.base), x.shape[-1]
        values = np.zeros((findings, side, side), np.float32)
        evidence = np.arange(findings)[:, None, None] * self.strength
        values[:, : side // 2, : side // 2] = evidence
        values[:, side // 2 :, side // 2 :] = -evidence / 2
        yield methods.Step(values)


@contextlib.contextmanager
def served(folder: Path, *before: str, **settings: str) -> Iterator[str]:
    """The page's address, served by a process of its own as in real life.

    `folder` gets two models, of 14 findings and of one. METHODS of that process has `Corners` as well. What stands
    `before` its command line runs it, and its environment has these settings.
    """
    with started(folder, *before, **settings) as server:
        yield address_of(server)


@contextlib.contextmanager
def started(folder: Path, *before: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """The process of `served`, which prints its address once it serves."""
    names = [str(save_model(folder / "fourteen")), str(save_model(folder / "one", ("Pneumothorax",), seed=6))]
    own = {"CXR_MODEL": names[0], "CXR_MODELS": ",".join(names), "GRADIO_TEMP_DIR": str(folder / "cache")}
    own["HF_ENDPOINT"] = "http://127.0.0.1:9"  # a Hub out of reach
    # the page itself decides that it reports to nobody
    inherited = {name: value for name, value in os.environ.items() if name not in REPORTING}
    command = [*before, sys.executable, "-m", "tests.support.serving"]
    with running(command, {**inherited, **own, **settings}, folder / "server.log") as server:
        yield server


def called(address, name, *data):
    """What an endpoint answers to these values, as they stand, past every check of a client."""
    call = httpx.post(f"{address}gradio_api/call/{name}", json={"data": data}, timeout=60)
    if call.status_code != httpx.codes.OK:
        return f"event: error {call.text}"
    with httpx.stream("GET", f"{address}gradio_api/call/{name}/{call.json()['event_id']}", timeout=60) as answer:
        return answer.read().decode()


def client_of(address):
    """A program's client of a page."""
    return gradio_client.Client(address, verbose=False, analytics_enabled=False)


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """A server's address, and the paths that it was asked for, each answered by a film."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(phantom.png("normal", 64))

        do_HEAD = do_GET  # noqa: N815 - as http.server calls it

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def told_of_connections(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: says on stderr whom this process connects to, or asks for the address of, but itself."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if str(host) not in HERE:
        sys.stderr.write(f"{OUTSIDE} {event} {host!r}\n")


def main() -> None:
    """Serve until told to end."""
    sys.addaudithook(told_of_connections)
    methods.METHODS = (*methods.METHODS, Corners)
    from cxr_demo.web import layout

    built = layout.build()
    _, address, _ = layout.serve(built, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    # as the real page does: a mere wait may sleep over a signal, which the system may hand to any thread, while what
    # is to be done about it is the main thread's
    built.block_thread()


if __name__ == "__main__":
    main()
