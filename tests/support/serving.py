"""A page with small random models, served by another process on a loopback port; run as a program, it serves it."""

import contextlib
import http.server
import os
import socket
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

#: Environment variables that switch off the libraries' analytics.
REPORTING = ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY")
#: Longest wait of a test for an answer in seconds: several times what the slowest takes on two busy cores, since a wait
#: ends when the answer is there, and only a page that hangs lets it run out.
PATIENCE = 420
#: Client that waits so long; without kept connections, since the pages of tests end.
patient = httpx.Client(timeout=PATIENCE, limits=httpx.Limits(max_keepalive_connections=0))
#: Mark in a served page's log for connections to other hosts, and the names of this host.
OUTSIDE = "OUTSIDE"
HERE = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "None")

CARD = "# A model for tests\n\nIt knows nothing about films."


def save_model(folder: Path, labels: tuple[str, ...] = NIH_FINDINGS, size: int = 96, seed: int = 5) -> Path:
    """Save a tiny network whose probabilities lie between 1 and 99 %, so that bars, maps and thresholds vary."""
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
    """A method for tests: evidence for a finding in the top left quarter, against it in the bottom right one.

    Finding i gets i * strength, so that the first finding has no evidence.
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

    def expected_sums(self, scorer):
        return None

    def attribute(self, scorer, x):
        findings, side = len(scorer.base), x.shape[-1]
        values = np.zeros((findings, side, side), np.float32)
        evidence = np.arange(findings)[:, None, None] * self.strength
        values[:, : side // 2, : side // 2] = evidence
        values[:, side // 2 :, side // 2 :] = -evidence / 2
        yield methods.Step(values)


@contextlib.contextmanager
def served(folder: Path, *before: str, **settings: str) -> Iterator[str]:
    """Serve a page in another process; yields its address.

    The process writes two models, with 14 findings and with one, to `folder`, and has `Corners` among its METHODS.
    `before` is a prefix of its command line; `settings` are added to its environment.
    """
    with started(folder, *before, **settings) as server:
        yield address_of(server)


@contextlib.contextmanager
def started(folder: Path, *before: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """Start the process of `served`; it prints its address once it accepts requests."""
    names = [str(save_model(folder / "fourteen")), str(save_model(folder / "one", ("Pneumothorax",), seed=6))]
    own = {"CXR_MODEL": names[0], "CXR_MODELS": ",".join(names), "GRADIO_TEMP_DIR": str(folder / "cache")}
    own["HF_ENDPOINT"] = "http://127.0.0.1:9"  # an unreachable Hub
    # pages that start at once would all choose the first free port, and gradio cannot serve its tools at a second try
    own["GRADIO_SERVER_PORT"] = str(free_port())
    # the page itself must switch analytics off
    inherited = {name: value for name, value in os.environ.items() if name not in REPORTING}
    command = [*before, sys.executable, "-m", "tests.support.serving"]
    with running(command, {**inherited, **own, **settings}, folder / "server.log") as server:
        yield server


def free_port() -> int:
    """A port that no program listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def called(address, name, *data):
    """The raw answer of an endpoint to these values, sent without the checks of a client."""
    call = patient.post(f"{address}gradio_api/call/{name}", json={"data": data})
    if call.status_code != httpx.codes.OK:
        return f"event: error {call.text}"
    with patient.stream("GET", f"{address}gradio_api/call/{name}/{call.json()['event_id']}") as answer:
        return answer.read().decode()


def client_of(address):
    """A `gradio_client` of a page."""
    return gradio_client.Client(address, verbose=False, analytics_enabled=False)


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, list[str]]]:
    """Run a server that answers every path with a film; yields its address and the growing list of requested paths."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(phantom.png("normal", 64))

        do_HEAD = do_GET  # noqa: N815 - http.server looks for this name

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def told_of_connections(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook that reports on stderr each connection to, and each name look-up of, another host."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if str(host) not in HERE:
        sys.stderr.write(f"{OUTSIDE} {event} {host!r}\n")


def main() -> None:
    """Serve the page until a signal ends the process."""
    sys.addaudithook(told_of_connections)
    methods.METHODS = (*methods.METHODS, Corners)
    from cxr_demo.web import layout

    built = layout.build()
    _, address, _ = layout.serve(built, prevent_thread_lock=True, quiet=True, ssr_mode=False)
    sys.stdout.write(f"{address}\n")
    sys.stdout.flush()
    # as app.py does: the system may deliver a signal to any thread, but Python handles it in the main one, and a plain
    # wait there might not wake up
    built.block_thread()


if __name__ == "__main__":
    main()
