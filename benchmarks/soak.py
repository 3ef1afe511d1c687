"""Many visitors of one page for some minutes: whether all answers are right, how long they take, if memory grows.

`make soak` serves the page in a subprocess on the loopback interface. Each visitor uploads a film of its own and
requests a prediction or maps, leaves midway, or stops the computation. Every prediction and every Grad-CAM is compared
with a reference; a sample of the slow maps is requested again after the crowd has left.
"""

from __future__ import annotations

import argparse
import base64
import math
import os
import random
import re
import statistics
import sys
import threading
import time
import zlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, signal
from typing import Any

import cv2
import numpy as np

from benchmarks.process import address_of, running
from benchmarks.visitor import Visitor
from cxr_demo.case import Case
from cxr_demo.films import image, phantom
from cxr_demo.models import registry

#: Share of visits by kind.
MIX = {"predict": 0.4, "explain": 0.3, "stop": 0.15, "leave": 0.15}
SLOW = ("run_occlusion", "run_lime")
#: Seconds between two visits of a visitor, drawn uniformly.
PAUSE = (0.5, 4.0)
#: Slow maps that are requested again without load.
AGAIN = 8
#: Largest accepted distance of a probability from its reference; other batch sizes round differently.
CLOSE = 1e-4


@dataclass
class Found:
    """Results of all visitors, guarded by a lock."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)  # answers for another film, or without numbers
    errors: list[str] = field(default_factory=list)
    refused: int = 0  # requests that the full queue refused
    predictions: list[float] = field(default_factory=list)  # seconds from upload to prediction
    maps: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)  # by index of the film and event


def main() -> int:
    """Serve the page, send the crowd and print a table; the exit status of `report`.

    References are computed first: probabilities by the library, Grad-CAM by the page without load. The page's log is
    kept as runs/soak.log.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--visitors", type=int, default=64)
    arguments = parser.parse_args()
    signal(SIGTERM, lambda *_: sys.exit(1))  # so that SIGTERM also ends the served page
    films = [film(n) for n in range(arguments.visitors)]
    expected = known(films)
    log = Path("runs/soak.log")
    log.parent.mkdir(exist_ok=True)
    log.unlink(missing_ok=True)
    with running([sys.executable, "-u", "app.py"], {**os.environ, "CXR_MODEL": "bundled:nih14"}, log) as process:
        address = address_of(process)
        calm = Visitor(address)
        cams = [gradcam(calm, data, n) for n, data in enumerate(films)]
        found, memory = crowd(address, process.pid, films, expected, cams, arguments.minutes)
        again = compare(calm, films, found)
    return report(arguments, found, memory, again, log.read_text(encoding="utf-8"))


def film(n: int) -> bytes:
    """PNG of a phantom whose size, exposure and noise are unique to visitor `n`."""
    rng = np.random.default_rng(n)
    keys = list(phantom.PHANTOMS)
    drawn = phantom.draw(keys[n % len(keys)], 256 + 8 * (n // len(keys)))
    exposed = 255 * (drawn / 255) ** rng.uniform(0.8, 1.25) + rng.normal(size=drawn.shape) * 4
    png: bytes = cv2.imencode(".png", np.rint(exposed.clip(0, 255)).astype(np.uint8))[1].tobytes()
    return png


def known(films: list[bytes]) -> list[np.ndarray]:
    """Reference probabilities (L,) of each film, computed by the library in this process."""
    model = registry.load("bundled:nih14")
    return [Case(model, image.decode(data, "x")).predict().probabilities for data in films]


def asking(source: dict[str, str], run: int) -> dict[str, Any]:
    """Payload that the viewer sends with every event; `run` numbers the request."""
    return {"model": "bundled:nih14", "source": source, "run": run, "turn": run, "settings": {}}


def gradcam(visitor: Visitor, data: bytes, n: int) -> dict[str, Any]:
    """Reference Grad-CAM of a film, computed while no other visitor is active."""
    source = visitor.upload(f"{n}.png", data)
    maps: dict[str, Any] = visitor.answer("run_gradcam", asking(source, n + 1))["maps"]
    return maps


# ------------------------------------------------------------------ the crowd


def crowd(
    address: str,
    process: int,
    films: list[bytes],
    expected: list[np.ndarray],
    cams: list[dict[str, Any]],
    minutes: float,
) -> tuple[Found, list[float]]:
    """Run one visitor per film, each in a thread, for `minutes`.

    Returns their results and the server's resident memory in MB, sampled every second. `expected` and `cams` are the
    references by film.
    """
    found, memory, lock = Found(), [], threading.Lock()
    end = time.monotonic() + 60 * minutes

    def stay(n: int) -> None:
        """Visit again and again until the time is over, with pauses; any error is recorded."""
        rng = random.Random(n)
        while time.monotonic() < end:
            what = rng.choices(list(MIX), list(MIX.values()))[0]
            try:
                visit(address, n, films[n], expected[n], cams[n], what, rng, found, lock)
            except Exception as error:  # every kind of error counts
                with lock:
                    found.errors.append(f"{what}: {error!r}"[:300])
            time.sleep(rng.uniform(*PAUSE))

    threads = [threading.Thread(target=stay, args=(n,), daemon=True) for n in range(len(films))]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append(resident(process))
        time.sleep(1)
    return found, memory


def visit(
    address: str, n: int, data: bytes, expected: np.ndarray, cam: dict[str, Any], what: str, rng: random.Random,
    found: Found, lock: threading.Lock,
) -> None:  # fmt: skip
    """One visit: upload a film, compare its prediction, then request Grad-CAM and one slow method.

    `what` is a key of MIX: "predict" skips the maps, "stop" stops the slow method at its first answer, "leave" closes
    the stream there.
    """
    visitor = Visitor(address)
    try:
        began = time.monotonic()
        source = visitor.upload(f"{n}.png", data)
        seen = visitor.answer("film", asking(source, 0))
        took = time.monotonic() - began
        right = "probabilities" in seen and np.abs(np.array(seen["probabilities"]) - expected).max() < CLOSE
        with lock:
            found.done["predict"] += 1
            found.predictions.append(took)
            if not right:
                found.wrong.append(f"prediction of {n}: {seen.get('error', 'other numbers')}")
        if what == "predict":
            return
        slow = rng.choice(SLOW)
        with closing(visitor.ask(("run_gradcam", asking(source, 1)), (slow, asking(source, 2)))) as answers:
            last: dict[str, dict[str, Any]] = {}
            for name, answer in answers:
                last[name] = answer
                if name == slow and what == "leave":
                    break
                if name == slow and what == "stop" and "stopped" not in answer:
                    visitor.tell("stop", {"run": 2, "method": slow.removeprefix("run_")})
        with lock:
            found.done[what] += 1
            if "waiting" in str(last.get(slow, {}).get("error")):
                found.refused += 1
            elif what == "explain":
                if not last[slow].get("complete"):
                    found.errors.append(f"{slow} of {n}: {last[slow].get('error') or last[slow].get('stopped')}")
                found.maps[n, slow] = last[slow].get("maps") or {}
            maps = last.get("run_gradcam", {}).get("maps")
            if maps and maps["data"] != cam["data"]:
                found.wrong.append(f"Grad-CAM of {n}")
    finally:
        visitor.close()


def resident(process: int) -> float:
    """Resident memory of a process in MB, from /proc."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(re.findall(r"VmRSS:\s+(\d+)", text)[0]) / 1024


def compare(calm: Visitor, films: list[bytes], found: Found) -> list[float]:
    """For a sample of the slow maps, the correlation of the crowd's map with a repetition without load."""
    chosen = random.Random(0).sample(sorted(found.maps), min(AGAIN, len(found.maps)))
    correlations = []
    for run, (n, event) in enumerate(chosen, 1000):
        source = calm.upload(f"{n}.png", films[n])
        maps = calm.answer(event, asking(source, run))["maps"]
        correlations.append(correlation(maps, found.maps[n, event]))
    return correlations


def correlation(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Pearson correlation of two answers' maps, the lowest over findings."""
    a, b = (planes(maps) for maps in (one, other))
    return min(float(np.corrcoef(x, y)[0, 1]) for x, y in zip(a, b, strict=True))


def planes(maps: dict[str, Any]) -> np.ndarray:
    """Maps (L, side * side) of an answer, decoded as the browser does: int8 times the finding's scale."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(maps["data"])), np.int8)
    found: np.ndarray = data.reshape(len(maps["scale"]), -1) * np.array(maps["scale"])[:, None]
    return found


# ------------------------------------------------------------------ the report


def report(arguments: argparse.Namespace, found: Found, memory: list[float], again: list[float], log: str) -> int:
    """Print the table and the first 20 problems; the exit status.

    1 if an answer is wrong, an error or traceback occurred, memory grew by more than 5 % in the second half, or a
    repeated map correlates below 0.999.
    """
    half = len(memory) // 2
    early, late = statistics.median(memory[half : half + 60]), statistics.median(memory[-60:])
    cuts = statistics.quantiles(found.predictions, n=20)
    least = min(again, default=math.nan)
    rows = {
        "visitors, minutes": f"{arguments.visitors}, {arguments.minutes:g}",
        "films predicted": f"{found.done['predict']:,}",
        "maps to the end; stopped; left": f"{found.done['explain']}; {found.done['stop']}; {found.done['leave']}",
        "wrong or mixed answers": str(len(found.wrong)),
        "maps asked for again, least correlation": f"{len(again)}, {least:.4f}",
        "errors": str(len(found.errors)),
        "told that too many wait": str(found.refused),
        "first prediction, p50 / p95": f"{statistics.median(found.predictions):.2f} / {cuts[-1]:.2f} s",
        "memory at half time, at the end": f"{early:.0f}, {late:.0f} MB ({late / early - 1:+.1%})",
        "tracebacks in the log": str(log.count("Traceback")),
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    for line in (found.wrong + found.errors)[:20]:
        print(line, file=sys.stderr)
    bad = found.wrong or found.errors or late > 1.05 * early or "Traceback" in log
    return 1 if bad or not least > 0.999 else 0


if __name__ == "__main__":
    sys.exit(main())
