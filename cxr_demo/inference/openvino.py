"""A network as OpenVINO's graphs: converted once, which takes seconds, and kept on disk for the next process."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
import shutil
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cxr_demo.files import sha256_of, whole_folder
from cxr_demo.inference.patches import Patches
from cxr_demo.inference.scheduler import SCHEDULER, Priority
from cxr_demo.models import hub, visitor_models
from cxr_demo.models.classifier import TRACING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import openvino

    from cxr_demo.models.classifier import Classifier, Network

log = logging.getLogger(__name__)

# With this package OpenVINO reports each import and conversion to Google Analytics, from a fork of the whole process:
# nobody was asked, and a process with threads may hang when it is forked. Without it OpenVINO does the same work.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

#: Models kept on disk, those used last; one takes tens of megabytes.
KEPT = 8
#: OpenVINO's names of precisions.
HINTS = {"bfloat16": "bf16", "float32": "f32"}
EARLY, LATE, PATCH = "early", "late", "patch"
#: The modules that decide what a graph computes, and which precisions agree with float32: the networks, their converted
#: parts, and the drawn film on which engines are tried. Editing any other module keeps the graphs on disk.
DECIDING = (
    *("models/classifier.py", "models/efficientnet.py", "films/phantom.py"),
    *("inference/patches.py", "inference/openvino.py", "inference/engine.py"),
)
PACKAGE = Path(__file__).parents[1]
#: Libraries whose versions decide what a graph is and how it runs.
LIBRARIES = ("openvino", "torch", "torchvision", "torchxrayvision")


class Graphs:
    """The early and the late layers of a network as graphs, and the early ones for patches where these pay.

    Each is for inputs of one shape: `batch` copies of one size.
    """

    def __init__(self, models: Mapping[str, openvino.Model], batch: int, patches: Patches) -> None:
        self.models = models
        self.batch = batch
        self.patches = patches

    @classmethod
    def of(cls, network: Network, size: int, batch: int) -> Graphs:
        """The graphs of a network for inputs of (batch, 1, size, size).

        ImportError where OpenVINO is missing, RuntimeError where it cannot convert the network.
        """
        # of a copy: exporting lays its own tensors in the place of a network's, and others may be using it
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

    def request(self, name: str, precision: str) -> openvino.InferRequest:
        """A request that runs a graph of `models` at a precision of HINTS, on as many threads as torch takes."""
        import openvino

        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
            # pinned, the threads of every process would share the same cores: two processes took twice as long
            "ENABLE_CPU_PINNING": False,
        }
        return openvino.Core().compile_model(self.models[name], "CPU", hints).create_infer_request()


def rounds() -> bool:
    """Whether this processor computes in bfloat16."""
    import openvino

    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class _Early(nn.Module):
    """Altered copies, and what the early layers make of them."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, covers: Tensor, x: Tensor, fill: Tensor) -> Tensor:
        return self.network.early(torch.lerp(x, fill, covers))


class _Late(nn.Module):
    """Logits of what the early layers made."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: Tensor) -> Tensor:
        return self.network.answer(self.network.late(y))


def _converted(module: nn.Module, *like: Tensor) -> openvino.Model:
    """A graph for inputs of the shapes of these."""
    import openvino

    with TRACING:
        # exporting changes how every module of the process is called, whatever the thread
        with SCHEDULER.take(Priority.EXPLANATION), torch.no_grad():
            program = torch.export.export(module, like)
        model = openvino.convert_model(program)
    model.reshape({i: list(part.shape) for i, part in enumerate(like)})
    return model


# ------------------------------------------------------------------ on disk


def keep(classifier: Classifier, graphs: Graphs, precisions: tuple[str, str]) -> None:
    """Write a model's graphs down, and the precisions of early and late layers that agreed with float32.

    Where nothing can be written, the next process converts again.
    """
    import openvino

    folder = _folder(classifier)
    try:
        with whole_folder(folder) as made:
            for name, model in graphs.models.items():
                openvino.save_model(model, made / f"{name}.xml", compress_to_fp16=False)
            about = {"precisions": precisions, "sha256": {path.name: sha256_of(path) for path in made.iterdir()}}
            (made / "about.json").write_text(json.dumps(about))
            shutil.rmtree(folder, ignore_errors=True)  # a graph of other layers must not stay beside these
        used = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in used[:-KEPT]:
            shutil.rmtree(old)
    except (OSError, RuntimeError) as error:
        log.info("%s is converted anew each time: %s", classifier.name, error)


def kept(classifier: Classifier, batch: int) -> tuple[Graphs, tuple[str, str]] | None:
    """What `keep` wrote down for this model on this machine; None where there is nothing, or nothing whole."""
    try:
        import openvino

        folder = _folder(classifier)
        about = json.loads((folder / "about.json").read_text())
        if any(sha256_of(folder / name) != found for name, found in about["sha256"].items()):
            log.info("%s is damaged, and made anew", folder)
            return None
        core = openvino.Core()
        models = {path.stem: core.read_model(path) for path in folder.glob("*.xml")}
        os.utime(folder)
    except (ImportError, OSError, ValueError, KeyError, RuntimeError):
        return None
    early, late = about["precisions"]
    return Graphs(models, batch, Patches(classifier.network, classifier.size)), (early, late)


def folder_of(classifier: Classifier) -> Path | None:
    """Where what `keep` wrote down for a model lies, for who lets go of it; None without OpenVINO."""
    with suppress(ImportError):
        return _folder(classifier)
    return None


def _folder(classifier: Classifier) -> Path:
    """Where a model's graphs lie: a name for the weights and for all else that decides what they are."""
    import openvino

    digest = hashlib.sha256()
    core, spec = openvino.Core(), classifier.spec
    what: list[Any] = [spec.architecture, dict(spec.arguments), spec.size, *map(version, LIBRARIES)]
    what += [core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    digest.update(json.dumps(what, default=str).encode())
    for name in DECIDING:
        digest.update((PACKAGE / name).read_bytes())
    head = dict(zip(("weight", "bias"), classifier.head, strict=True))
    for name, tensor in sorted({**classifier.tensors, **head}.items()):
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return hub.own_cache() / "engines" / digest.hexdigest()[:32]


visitor_models.kept_beside.append(folder_of)
