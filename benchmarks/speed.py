"""Speed of explanations beside grad-cam, captum, lime and shap: seconds per film, measured in one run on this machine.

Each side runs in its own process with two threads, on the same phantom and the same weights. Rounds alternate between
the sides; figures are medians over rounds. The peers explain one finding, since each further one costs them as much
again; the project explains all 14.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxr_demo.models.classifier import Classifier

THREADS = 2
ROOT = Path(__file__).parent.parent
#: Arguments of torchxrayvision's DenseNet-121.
DENSENET121 = {"growth_rate": 32, "block_config": [6, 12, 24, 16], "num_init_features": 64}
MODELS = {"bundled": "bundled:nih14", "densenet121": "DenseNet-121 with random weights"}
#: Settings with which the project does the same work as the peers: 625 windows, 1000 samples.
SAME = {"occlusion": {"window": 32, "stride": 10, "scored": 100}, "lime": {"samples": 1000}}
#: The project's tasks that yield the page's three maps.
PAGE = ("prediction and Grad-CAM", "occlusion, as the page has it", "lime, as the page has it")
#: Further methods by key, as the table names them. They run in their default settings, and the peers with as much work.
FURTHER = {"shap": "KernelSHAP, {} samples", "ig": "Integrated Gradients, {} steps", "rise": "RISE, {} masks"}
#: Rows of the square matrices whose product measures the machine's arithmetic rate.
SIDE = 2048
PRECISIONS = ("float32", "bfloat16")
#: A task of less than SHORT seconds runs REPEATED times, and its median counts.
SHORT, REPEATED = 0.5, 10
#: Commands whose start is timed, after the import of the libraries that they need.
STARTS = {
    "import torch and torchxrayvision": ["-c", "import torch, torchxrayvision"],
    "first prediction": ["-m", "cxr_demo", "predict", "FILM"],
    "help": ["-m", "cxr_demo", "--help"],
}


def main() -> int:
    """Run all measurements, print a table and write the section `explaining` of a JSON file.

    With the hidden flags --side and --model the process is a worker, see `_Process`.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="how fast explanations are, beside peers")
    parser.add_argument("--out", type=Path, default=Path("bench.json"), metavar="JSON", help="default: bench.json")
    parser.add_argument("--rounds", type=int, default=2, help="default: 2")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--model", choices=MODELS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        _work(SIDES[arguments.side], arguments.model)
        return 0
    figures = run(arguments.rounds)
    known = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    arguments.out.write_text(json.dumps({**known, "explaining": figures}, indent=2) + "\n")
    print(table(figures))
    return 0


def run(rounds: int) -> dict[str, Any]:
    """All figures, ready for JSON: times in seconds, memory in MB.

    `models` holds, by model and side, the description, the times of each round and their medians; `starts` holds the
    times of STARTS.
    """
    figures: dict[str, Any] = {"machine": machine(), "rounds": rounds, "models": {}}
    for model in MODELS:
        sides = {side: _Process(side, model) for side in SIDES}
        found: dict[str, dict[str, list[float]]] = {side: {} for side in sides}
        for _ in range(rounds):
            for side, process in sides.items():
                for name, seconds in process.round().items():
                    found[side].setdefault(name, []).append(seconds)
        figures["models"][model] = {
            side: {
                **process.about,
                "peak_mb": process.end(),
                "rounds": found[side],
                "seconds": {n: median(v) for n, v in found[side].items()},
            }
            for side, process in sides.items()
        }
    figures["starts"] = _starts(rounds)
    return figures


# ------------------------------------------------------------------ one process per side


class _Process:
    """A worker process for one side and one model; it answers each line on its stdin with one line of JSON."""

    def __init__(self, side: str, model: str) -> None:
        words = [sys.executable, "-m", "benchmarks", "--side", side, "--model", model]
        environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            words,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # lime's progress bars
        )
        self.about = self._answer()

    def round(self) -> dict[str, float]:
        """Seconds of each task in one round."""
        assert self._process.stdin is not None
        self._process.stdin.write("round\n")
        self._process.stdin.flush()
        return self._answer()

    def end(self) -> float:
        """End the worker; its peak memory in MB."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        peak = float(self._answer()["peak_mb"])
        self._process.wait()
        return peak

    def _answer(self) -> dict[str, Any]:
        """The worker's next line of JSON; SystemExit if it ended before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith("{"):
                answer: dict[str, Any] = json.loads(line)
                return answer
        raise SystemExit(f"{self._process.args!r} ended early")


def _work(side: Callable[[Classifier], tuple[dict[str, Any], dict[str, Callable[[], object]]]], model: str) -> None:
    """Loop of a worker: describe the side, time all tasks for each line of stdin, then report peak memory in MB."""
    import torch

    torch.set_num_threads(THREADS)
    classifier = _classifier(model)
    imported = _peak()
    started = time.perf_counter()
    about, tasks = side(classifier)
    print(json.dumps({**about, "start": time.perf_counter() - started, "imports_mb": imported}), flush=True)
    for _ in sys.stdin:
        print(json.dumps({name: _timed(task) for name, task in tasks.items()}), flush=True)
    print(json.dumps({"peak_mb": _peak()}), flush=True)


def _classifier(model: str) -> Classifier:
    """The bundled model, or a DenseNet-121 with fixed random weights."""
    import torch

    from cxr_demo.models import classifier, registry
    from cxr_demo.types import NIH_FINDINGS, ModelSpec

    if model == "bundled":
        return registry.load(MODELS[model])
    torch.manual_seed(0)
    spec = ModelSpec(
        name="densenet121", architecture="DenseNet", arguments=DENSENET121, labels=NIH_FINDINGS, size=224,
        trained_on="nothing", licence="Apache-2.0",
    )  # fmt: skip
    network = classifier.build("DenseNet", DENSENET121, len(NIH_FINDINGS))
    return classifier.Classifier(spec, network, "densenet121, random")


def ours(classifier: Classifier) -> tuple[dict[str, Any], dict[str, Callable[[], object]]]:
    """Description and tasks of the project, which explains all findings at once.

    The description holds the engine's precision, the number of findings, the batch size and the FLOPs of one forward
    pass; each task is a function without arguments.
    """
    import numpy as np
    from torch.utils.flop_counter import FlopCounterMode

    from cxr_demo.case import Case
    from cxr_demo.films import image, phantom
    from cxr_demo.inference.engine import engine_of
    from cxr_demo.inference.openvino import rounds
    from cxr_demo.methods import method

    film = image.decode(phantom.png("effusion", 1024), "film.png")
    x, engine = _input(classifier), engine_of(classifier)
    covers = np.zeros((engine.batch, classifier.size, classifier.size), np.float32)
    covers[:, ::2] = 1

    def explained(*keys: str, **settings: Any) -> Callable[[], object]:
        """A task that predicts the film anew and explains it with these methods."""

        def work() -> None:
            case = Case(classifier, film)
            case.predict()
            for key in keys:
                for _ in case.explain(method(key, settings)):
                    pass

        return work

    with FlopCounterMode(display=False) as counter:
        classifier.logits(x)
    about = {
        "precision": engine.precision,
        "findings": len(classifier.labels),
        "batch": engine.batch,
        "operations": counter.get_total_flops(),
    }
    tasks = {
        "forward": lambda: classifier.logits(x),
        "batch": lambda: engine.logits(covers, x, x),
        **{f"products, {name}": _products(name) for name in PRECISIONS if name == "float32" or rounds()},
        "prediction": explained(),
        "prediction and Grad-CAM": explained("gradcam"),
        "occlusion": explained("occlusion", **SAME["occlusion"]),
        "lime": explained("lime", **SAME["lime"]),
        "occlusion, as the page has it": explained("occlusion"),
        "lime, as the page has it": explained("lime"),
        **{key: explained(key) for key in FURTHER},
    }
    return about, tasks


def one(classifier: Classifier) -> tuple[dict[str, Any], dict[str, Callable[[], object]]]:
    """Description and tasks of the project with the same network reduced to its first finding.

    Its tasks are those of PAGE, to compare with all findings.
    """
    from torch import nn

    from cxr_demo.models.classifier import Classifier, Network

    weight, bias = classifier.head
    head = nn.Linear(weight.shape[1], 1).requires_grad_(False)
    head.weight.data, head.bias.data = weight[:1].clone(), bias[:1].clone()
    whole = classifier.network
    network = Network(whole.model, whole._early, whole._late, head)
    network.mirrored = whole.mirrored
    spec = replace(classifier.spec, labels=classifier.labels[:1], calibration=None, thresholds=None)
    about, tasks = ours(Classifier(spec, network, "one finding"))
    return about, {name: tasks[name] for name in PAGE}


def _products(precision: str) -> Callable[[], object]:
    """A task that multiplies two random matrices (SIDE, SIDE) of a precision."""
    import torch

    a, b = (torch.rand(SIDE, SIDE).to(getattr(torch, precision)) for _ in range(2))
    return lambda: a @ b


def peers(classifier: Classifier) -> tuple[dict[str, Any], dict[str, Callable[[], object]]]:
    """Description and tasks of the peers: same network, one finding, each library called as its manual shows.

    Grad-CAM at the last batch norm, occlusion with 625 windows of 32 px, LIME with 1000 samples; the methods of FURTHER
    with the project's numbers of samples, steps and masks. RISE has no package, and is written as in its paper.
    """
    import numpy as np
    import torch
    from captum.attr import IntegratedGradients, Occlusion
    from lime.lime_image import LimeImageExplainer
    from lime.wrappers.scikit_image import SegmentationAlgorithm
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from shap import KernelExplainer
    from torch.nn import functional

    # the memory layout of torchxrayvision's models
    network = deepcopy(classifier.network).to(memory_format=torch.contiguous_format)
    x, finding = _input(classifier), 4
    low, high = classifier.spec.pixel_range
    last = [layer for layer in network.model.modules() if isinstance(layer, torch.nn.BatchNorm2d)][-1]
    picture = ((x[0, 0].numpy() - low) / (high - low)).repeat(3).reshape(*x.shape[2:], 3).astype(np.float64)

    def gradcam() -> object:
        x.requires_grad_(True)  # the frozen weights require no gradient, and Grad-CAM needs one
        with GradCAM(network, [last]) as cam:
            found = cam(x, [ClassifierOutputTarget(finding)])
        x.requires_grad_(False)
        return found

    def occlusion() -> object:
        with torch.no_grad():
            return Occlusion(network).attribute(
                x, sliding_window_shapes=(1, 32, 32), strides=(1, 8, 8), baselines=0.0, target=finding
            )

    def answers(pictures: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(np.stack([p[..., 0] for p in pictures]) * (high - low) + low)
        with torch.no_grad():
            found: np.ndarray = network(batch.float()[:, None])[:, finding : finding + 1].numpy()
        return found

    def lime() -> object:
        return LimeImageExplainer(random_state=0).explain_instance(
            picture, answers, labels=(0,), top_labels=None, num_samples=1000
        )

    samples, steps, masks = _amounts()
    segments = SegmentationAlgorithm("slic", n_segments=50, compactness=10, start_label=0)(picture)
    superpixels = int(segments.max()) + 1

    @torch.no_grad()
    def logits(covers: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of the film darkened by covers (n, S, S) in [0, 1]."""
        batches = [torch.lerp(x, torch.full_like(x, low), one[:, None]) for one in torch.split(covers, 32)]
        return torch.cat([network(one)[:, finding] for one in batches])

    def shap() -> object:
        def scores(kept: np.ndarray) -> np.ndarray:
            found: np.ndarray = logits(torch.from_numpy(1 - kept[:, segments]).float()).numpy()
            return found

        explainer = KernelExplainer(scores, np.zeros((1, superpixels)))
        return explainer.shap_values(np.ones((1, superpixels)), nsamples=samples, silent=True)

    def ig() -> object:
        return IntegratedGradients(network).attribute(
            x, low, target=finding, n_steps=steps, method="gausslegendre", internal_batch_size=4
        )

    def rise() -> object:
        cells, cell = 7, -(-x.shape[-1] // 7)
        shown = []
        for grid in (torch.rand(masks, 1, cells, cells) < 0.5).float():
            whole = functional.interpolate(grid[None], size=(cells + 1) * cell, mode="bilinear")[0, 0]
            top, left = torch.randint(cell, (2,)).tolist()
            shown.append(whole[top : top + x.shape[-1], left : left + x.shape[-1]])
        kept = torch.stack(shown)
        return torch.tensordot(logits(1 - kept).sigmoid(), kept, 1) / masks / 0.5

    about = {"precision": "float32", "findings": 1}
    return about, {"gradcam": gradcam, "occlusion": occlusion, "lime": lime, "shap": shap, "ig": ig, "rise": rise}


SIDES = {"ours": ours, "one": one, "peers": peers}


def _amounts() -> tuple[int, int, int]:
    """The numbers of samples, steps and masks of the methods of FURTHER in their default settings."""
    from cxr_demo.methods.ig import IntegratedGradients
    from cxr_demo.methods.rise import RISE
    from cxr_demo.methods.shap import KernelSHAP

    return KernelSHAP().samples, IntegratedGradients().steps, RISE().copies(224)


def _input(classifier: Classifier) -> Any:
    """Model input (1, 1, S, S) of the effusion phantom, for timing."""
    import torch

    from cxr_demo.films import image, phantom

    film = image.decode(phantom.png("effusion", 1024), "film.png")
    return torch.from_numpy(image.model_input(film, classifier.size, classifier.spec.pixel_range))


def _timed(task: Callable[[], object]) -> float:
    """Seconds of a task; the median of REPEATED calls if one takes less than SHORT seconds."""
    found: list[float] = []
    while not found or (found[0] < SHORT and len(found) < REPEATED):
        started = time.perf_counter()
        task()
        found.append(time.perf_counter() - started)
    return median(found)


def _peak() -> float:
    """Peak resident memory of this process in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# ------------------------------------------------------------------ start-up, machine, table


def _starts(rounds: int) -> dict[str, dict[str, float]]:
    """Median wall and CPU seconds of each command in STARTS, from launch to exit.

    The first of `rounds` + 1 rounds fills the file cache and is not counted.
    """
    from tempfile import TemporaryDirectory

    from cxr_demo.films import phantom

    found: dict[str, list[tuple[float, float]]] = {name: [] for name in STARTS}
    with TemporaryDirectory() as folder:
        film = str(phantom.save("effusion", folder, 1024))
        for _ in range(rounds + 1):
            for name, words in STARTS.items():
                before, started = os.times(), time.perf_counter()
                command = [sys.executable, *(film if word == "FILM" else word for word in words)]
                subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
                after = os.times()
                cpu = sum(getattr(after, n) - getattr(before, n) for n in ("children_user", "children_system"))
                found[name].append((time.perf_counter() - started, cpu))
    # the first round reads files from disk
    return {
        name: {"wall": median(w for w, _ in all_[1:]), "cpu": median(c for _, c in all_[1:])}
        for name, all_ in found.items()
    }


def machine() -> dict[str, Any]:
    """Processor, number of cores, load average and date of the measurement."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }


def table(figures: dict[str, Any]) -> str:
    """The figures as plain text."""
    where = figures["machine"]
    lines = [
        f"{where['processor']}, {where['cores']} cores, {THREADS} threads, load {where['load']:.1f}, {where['date']}",
        f"medians of {figures['rounds']} rounds",
    ]
    for model, sides in figures["models"].items():
        lines += ["", *_model_lines(model, sides)]
    lines += ["", f"{'starting, seconds':<40}{'wall':>10}{'CPU':>10}"]
    lines += [f"{name:<40}{cost['wall']:>10.2f}{cost['cpu']:>10.2f}" for name, cost in figures["starts"].items()]
    return "\n".join(lines)


def _model_lines(model: str, sides: dict[str, Any]) -> Iterator[str]:
    """Lines of the table for one model.

    Seconds of peers and project with their ratio, the cost of all findings relative to one, the time of a masked copy
    relative to the machine's arithmetic rate, and peak memory.
    """
    mine, theirs = sides["ours"], sides["peers"]
    seconds, other = mine["seconds"], theirs["seconds"]
    yield f"{MODELS[model]}, seconds{'':<10}"
    yield f"{'':<40}{'peers':>10}{'here':>10}{'ratio':>8}"
    yield f"{'findings explained':<40}{theirs['findings']:>10}{mine['findings']:>10}"
    rows = {
        "Grad-CAM (here with the prediction)": (other["gradcam"], seconds["prediction and Grad-CAM"]),
        "occlusion, 625 windows": (other["occlusion"], seconds["occlusion"]),
        "LIME, 1000 samples": (other["lime"], seconds["lime"]),
    }
    rows["the same work"] = tuple(sum(pair[i] for pair in rows.values()) for i in (0, 1))
    page = sum(seconds[name] for name in PAGE)
    rows["as the page has it"] = rows["the same work"][0], page
    for (key, name), amount in zip(FURTHER.items(), _amounts(), strict=True):
        rows[name.format(f"{amount:,}")] = other[key], seconds[key]
    for name, (peer, here) in rows.items():
        yield f"{name:<40}{peer:>10.2f}{here:>10.2f}{peer / here:>8.1f}"
    passes = median(
        a / b for a, b in zip(*(mine["rounds"][n] for n in ("prediction and Grad-CAM", "forward")), strict=True)
    )
    yield f"prediction and Grad-CAM cost {passes:.2f} forward passes of {1000 * seconds['forward']:.0f} ms"
    several = page / sum(sides["one"]["seconds"][name] for name in PAGE)
    yield f"as the page has it, {mine['findings']} findings cost {several:.2f} times one"
    copy = seconds["batch"] / mine["batch"]
    # a processor without bfloat16 emulates it about a hundred times slower
    for name in (name for name in PRECISIONS if f"products, {name}" in seconds):
        rate = 2 * SIDE**3 / seconds[f"products, {name}"]
        floor = mine["operations"] / rate
        yield (
            f"a copy takes {1000 * copy:.1f} ms; its {mine['operations'] / 1e9:.1f} GFLOP at {rate / 1e9:.0f} GFLOP/s, "
            f"as products in {name} run, take {1000 * floor:.1f}: {copy / floor:.1f} times the floor"
        )
    yield (
        f"copies run in {mine['precision']}, chosen in {mine['start']:.1f} s; peak memory {mine['peak_mb']:.0f} MB, "
        f"of which {mine['imports_mb']:.0f} were there with the model"
    )
