"""Convert networks to OpenVINO graphs and cache the graphs on disk; a conversion takes seconds."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import shutil
import sys
import threading
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from cxr_demo.files import sha256_of, whole_folder
from cxr_demo.inference.patches import Patches
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.models import hub, visitor_models
from cxr_demo.models.classifier import TRACING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import openvino

    from cxr_demo.models.classifier import Classifier, Network

log = logging.getLogger(__name__)

# This package makes OpenVINO report each import and conversion to Google Analytics, without consent and from a fork of
# the process, which may hang a process with threads. OpenVINO works the same without the package.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

#: Number of models cached on disk, the most recently used; each takes tens of megabytes.
KEPT = 8
#: OpenVINO's names of the precisions.
HINTS = {"bfloat16": "bf16", "float32": "f32"}
EARLY, LATE, PATCH = "early", "late", "patch"
#: Modules that determine a graph and the precisions that agree with float32: the networks, their conversion, and the
#: phantom of the trial. An edit of any of these files invalidates the cached graphs.
DECIDING = (
    *("models/classifier.py", "models/efficientnet.py", "models/foreign.py", "films/phantom.py"),
    *("inference/patches.py", "inference/openvino.py", "inference/engine.py"),
)
PACKAGE = Path(__file__).parents[1]
#: Libraries whose versions determine a graph and its execution.
LIBRARIES = ("openvino", "torch", "torchvision", "torchxrayvision")


class Graphs:
    """The early and late layers of a network as graphs, plus the early layers for patches if `patches.pay`.

    The input shape of each graph is fixed: `batch` copies of one size.
    """

    def __init__(self, models: Mapping[str, openvino.Model], batch: int, patches: Patches) -> None:
        self.models = models
        self.batch = batch
        self.patches = patches

    @classmethod
    def of(cls, network: Network, size: int, batch: int) -> Graphs:
        """Convert a network to graphs for inputs of (batch, 1, size, size).

        Raises ImportError if OpenVINO is missing and RuntimeError if it cannot convert the network.
        """
        # copy: export replaces the network's tensors while other threads may use it
        network = copy.deepcopy(network)
        covers, x = torch.zeros(batch, 1, size, size), torch.zeros(1, 1, size, size)
        with torch.no_grad():
            y = network.early(covers)
        models = {EARLY: _converted(_Early(network), covers, x, x.clone()), LATE: _converted(_Late(network), y)}
        patches = Patches(network, size)
        if patches.pay:
            models[PATCH] = models[EARLY].clone()
            models[PATCH].reshape({i: [batch, 1, patches.side, patches.side] for i in range(3)})
        return cls(models, batch, patches)

    def films(self, threads: int) -> Callable[[Tensor], np.ndarray]:
        """A function from `batch` model inputs (batch, 1, size, size) to their logits (batch, L), in float32.

        Up to `threads` threads may call it concurrently. Each computes on one core: requests that share the cores would
        wait for one another in every layer.
        """
        shape = list(self.models[EARLY].input(0).shape)
        whole = self.models[EARLY].clone()
        whole.reshape(dict.fromkeys(range(3), shape))  # as many films as covers
        uncovered = np.zeros(shape, np.float32)
        compiled = [_compiled(graph, "float32", threads, requests=threads) for graph in (whole, self.models[LATE])]
        of_thread = threading.local()

        def logits(x: Tensor) -> np.ndarray:
            if not hasattr(of_thread, "requests"):
                early, late = of_thread.requests = [graph.create_infer_request() for graph in compiled]
                late.set_input_tensor(early.get_output_tensor())
            early, late = of_thread.requests
            early.infer([uncovered, x.numpy(), x.numpy()], share_inputs=True)
            late.infer()
            found: np.ndarray = late.get_output_tensor().data.copy()
            return found

        return logits

    def request(self, name: str, precision: str) -> openvino.InferRequest:
        """Compile a graph of `models` at a precision of HINTS, for as many threads as torch uses."""
        return _compiled(self.models[name], precision, torch.get_num_threads(), requests=1).create_infer_request()


#: OpenVINO builds its table of numpy's types at the first use, which every inference is, and releases Python's lock
#: meanwhile: two threads that come first together wait for each other for ever. So one thread builds it beforehand.
_naming_types = threading.Lock()


def _compiled(graph: openvino.Model, precision: str, threads: int, *, requests: int) -> openvino.CompiledModel:
    """Compile a graph for a number of concurrent requests, which share the threads."""
    import openvino

    hints = {
        "INFERENCE_PRECISION_HINT": HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        # with pinning, all processes run on the same cores: two processes took twice as long
        "ENABLE_CPU_PINNING": False,
        **({"NUM_STREAMS": requests} if requests > 1 else {"PERFORMANCE_HINT": "LATENCY"}),
    }
    with _naming_types:
        openvino.Type.f32.to_dtype()
    return openvino.Core().compile_model(graph, "CPU", hints)


def rounds() -> bool:
    """Whether this CPU supports bfloat16."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class _Early(nn.Module):
    """Masked copies and their early feature maps, as one graph."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, covers: Tensor, x: Tensor, fill: Tensor) -> Tensor:
        return self.network.early(torch.lerp(x, fill, covers))


class _Late(nn.Module):
    """Logits of early feature maps."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: Tensor) -> Tensor:
        return self.network.after_early(y)


def _converted(module: nn.Module, *like: Tensor) -> openvino.Model:
    """Convert a module to a graph whose input shapes are those of `like`."""
    import openvino

    with TRACING:
        # export patches module calls in the whole process, so no other thread may run a model meanwhile
        with SCHEDULER.take(Priority.EXPLANATION), torch.no_grad():
            program = torch.export.export(module, like)
        model = openvino.convert_model(program)
    model.reshape({i: list(part.shape) for i, part in enumerate(like)})
    return model


# ------------------------------------------------------------------ on disk


def keep(classifier: Classifier, graphs: Graphs, precisions: tuple[str, str]) -> None:
    """Cache a model's graphs and the accepted precisions of early and late layers on disk.

    Deletes the least recently used models beyond KEPT. Logs a failure to write; the next process then converts again.
    """
    import openvino

    folder = _folder(classifier)
    try:
        with whole_folder(folder) as made:
            for name, model in graphs.models.items():
                openvino.save_model(model, made / f"{name}.xml", compress_to_fp16=False)
            about = {"precisions": precisions, "sha256": {path.name: sha256_of(path) for path in made.iterdir()}}
            (made / "about.json").write_text(json.dumps(about))
            shutil.rmtree(folder, ignore_errors=True)  # an older entry's graphs must not stay beside these
        used = sorted(folder.parent.glob("[!.]*"), key=lambda path: path.stat().st_mtime)
        for old in used[:-KEPT]:
            shutil.rmtree(old)
    except (OSError, RuntimeError) as error:
        log.info("%s is converted anew each time: %s", classifier.name, error)


def kept(classifier: Classifier, batch: int) -> tuple[Graphs, tuple[str, str]] | None:
    """Read the graphs and precisions that `keep` cached for this model and machine; None if missing or damaged."""
    try:
        import openvino

        folder = _folder(classifier)
        about = json.loads((folder / "about.json").read_text())
        if any(sha256_of(folder / name) != found for name, found in about["sha256"].items()):
            log.info("%s is damaged, and made anew", folder)
            return None
        core = openvino.Core()
        # by the names that were checked, since another process may delete or replace the folder meanwhile
        names = [name for name in about["sha256"] if name.endswith(".xml")]
        models = {Path(name).stem: core.read_model(folder / name) for name in names}
        os.utime(folder)
    except (ImportError, OSError, ValueError, KeyError, RuntimeError):
        return None
    early, late = about["precisions"]
    return Graphs(models, batch, Patches(classifier.network, classifier.size)), (early, late)


def folder_of(classifier: Classifier) -> Path | None:
    """Return the folder of a model's cached graphs, to be deleted with a visitor's model; None without OpenVINO."""
    with suppress(ImportError):
        return _folder(classifier)
    return None


def _folder(classifier: Classifier) -> Path:
    """Cache folder of a model's graphs, named by a hash of the weights and everything else that determines them."""
    import openvino

    digest = hashlib.sha256()
    core, spec = openvino.Core(), classifier.spec
    what: list[Any] = [spec.architecture, dict(spec.arguments), spec.size, *map(version, LIBRARIES)]
    what += [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    digest.update(json.dumps(what, default=str).encode())
    for name in DECIDING:
        digest.update((PACKAGE / name).read_bytes())
    head = dict(zip(("weight", "bias"), classifier.head, strict=True)) if classifier.network.exact else {}
    for name, tensor in sorted({**classifier.tensors, **head}.items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return hub.own_cache() / "engines" / digest.hexdigest()[:32]


visitor_models.kept_beside.append(folder_of)
