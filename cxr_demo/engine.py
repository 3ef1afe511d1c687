"""How this machine runs a model on many altered copies of one image: as fast as it can without changing the answer.

A network is tried on the device and at the precision that the machine is quickest at, and asked what covering parts of
a drawn film does to its logits. An engine that disagrees with plain float32 is not used, and the next one is tried.
"""

from __future__ import annotations

import copy
import logging
import threading
import weakref
from typing import TYPE_CHECKING, Protocol
from weakref import WeakKeyDictionary

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor, nn

from cxr_demo import phantom
from cxr_demo.classifier import ARCHITECTURES
from cxr_demo.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import openvino

    from cxr_demo.classifier import Classifier, Network

log = logging.getLogger(__name__)

#: Copies per batch at 224 pixels, on a processor: more do not run faster, take memory, and a turn lasts longer.
BATCH = 4
#: The same on a GPU.
GPU_BATCH = 64
#: How far the effects of covers may be from those in float32, as a share of their spread, for the median finding.
#: The correlation is then about 1 - TOLERANCE^2 / 2.
TOLERANCE = 0.1
#: Windows on a side of the drawn film that the trial covers one by one.
TRIAL = 4
#: OpenVINO's names of precisions.
HINTS = {"bfloat16": "bf16", "float32": "f32"}


class Engine(Protocol):
    """A model on a device at a precision."""

    precision: str  # e.g. "bfloat16"
    batch: int  # the most copies at a time
    exact: bool  # the network as a Classifier runs it

    def logits(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> np.ndarray:
        """Logits (n, L) float32 of `x * (1 - cover) + fill * cover`.

        `covers` (n, S, S) float32 in [0, 1], n at most `batch`; x and fill (1, 1, S, S) in the model's pixel range.
        """
        ...


class Torch:
    """A network as torch runs it, by default as a Classifier does."""

    def __init__(
        self, network: Callable[[Tensor], Tensor], batch: int, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self._network, self.batch = network, batch
        self._device, self._dtype = device, dtype
        self.precision = str(dtype).removeprefix("torch.")
        self.exact = (device, dtype) == ("cpu", torch.float32)

    @torch.no_grad()
    def logits(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> np.ndarray:
        """See Engine; the copies are made on the device."""
        x, fill, cover = (t.to(self._device) for t in (x, fill, torch.from_numpy(covers)[:, None]))
        copies = torch.lerp(x, fill, cover).to(self._dtype).contiguous(memory_format=torch.channels_last)
        found: np.ndarray = self._network(copies).float().cpu().numpy()
        return found


class OpenVINO:
    """The network compiled for this processor by OpenVINO: early layers at one precision, late ones at another.

    The making of the copies is part of the early graph. Rounding in the early layers saves little time, and may cost
    most: in EfficientNet-lite0 nearly all of the error of bfloat16 comes from the first block. Of small covers, only
    what they reach of the early map is computed; the rest is the image's own.
    """

    exact = False

    def __init__(self, graphs: _Graphs, early: str, late: str) -> None:
        self.precision = late if early == late else f"{early}, late layers {late}"
        self.batch = graphs.batch
        self._early, self._late = graphs.early.request(early), graphs.late.request(late)
        self._late.set_input_tensor(self._early.get_output_tensor())
        self._patches = graphs.patches
        self._patch = graphs.patch.request(early) if graphs.patch else None
        self._own: np.ndarray | None = None  # the early map of an image, (M / batch, C, h, w)
        self._held: Callable[[], Tensor | None] = lambda: None  # whose map it is, and lies ready for each copy

    def logits(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> np.ndarray:
        """See Engine; a batch that is not full is filled up, since a graph has one size."""
        corners = None if self._patch is None else self._patches.corners(covers)
        if corners is None:
            self._held = lambda: None
            self._run_early(covers, x, fill)
            self._late.infer()
        else:
            self._run_patches(covers, x, fill, corners)
        logits: np.ndarray = self._late.get_output_tensor().data[: len(covers)].copy()
        return logits

    def _run_early(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> None:
        full = np.zeros((self.batch, 1, *x.shape[2:]), np.float32)
        full[: len(covers), 0] = covers
        self._early.infer([full, x.numpy(), fill.numpy()], share_inputs=True)

    def _run_patches(self, covers: np.ndarray, x: Tensor, fill: Tensor, corners: np.ndarray) -> None:
        """Fill in what covers change in the image's own map, run the late layers, and take it out again."""
        assert self._patch is not None
        maps = self._early.get_output_tensor().data
        if self._held() is not x or self._own is None:
            self._run_early(np.zeros((0, *covers.shape[1:]), np.float32), x, fill)
            self._own = maps[:: self.batch].copy()
        self._held = lambda: None  # until all is as it was
        side = self._patches.side
        parts = [np.zeros((self.batch, 1, side, side), np.float32) for _ in range(3)]
        for i, (top, left) in enumerate(corners):
            place = np.s_[top : top + side, left : left + side]
            for part, whole in zip(parts, (covers[i], x[0, 0].numpy(), fill[0, 0].numpy()), strict=True):
                part[i, 0] = whole[place]
        self._patch.infer(parts, share_inputs=True)
        patches = self._patch.get_output_tensor().data
        places = [(i, *where) for i, corner in enumerate(corners) for where in self._patches.places(corner)]
        for i, kind, cells, inside in places:
            copy = kind * self.batch + i
            maps[(copy, slice(None), *cells)] = patches[(copy, slice(None), *inside)]
        self._late.infer()
        for i, kind, cells, _ in places:
            maps[(kind * self.batch + i, slice(None), *cells)] = self._own[(kind, slice(None), *cells)]
        self._held = weakref.ref(x)


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


class _Graph:
    """A module as OpenVINO's graph, for inputs of the shapes of these."""

    def __init__(self, module: nn.Module, *like: Tensor) -> None:
        import openvino

        with torch.no_grad():
            program = torch.export.export(module, like)
        self._model = openvino.convert_model(program)
        self._model.reshape({i: list(part.shape) for i, part in enumerate(like)})
        self._core = openvino.Core()

    def request(self, precision: str) -> openvino.InferRequest:
        """Runs the graph at a precision, on as many threads as torch takes."""
        hints = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        return self._core.compile_model(self._model, "CPU", hints).create_infer_request()

    @property
    def rounds(self) -> bool:
        """Whether this processor computes in bfloat16."""
        return "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")


class _Graphs:
    """The two parts of a network as graphs."""

    def __init__(self, network: Network, size: int) -> None:
        self.batch = _batch(BATCH, size)
        covers, x = torch.zeros(self.batch, 1, size, size), torch.zeros(1, 1, size, size)
        with torch.no_grad():
            y = network.early(covers)
        self.early = _Graph(_Early(network), covers, x, x.clone())
        self.late = _Graph(_Late(network), y)
        self.patches = Patches(network, size)
        part = torch.zeros(self.batch, 1, self.patches.side, self.patches.side)
        self.patch = _Graph(_Early(network), part, part.clone(), part.clone()) if self.patches.pay else None


def _batch(most: int, size: int) -> int:
    return max(1, min(most, most * 224**2 // size**2))


# ------------------------------------------------------------------ which one

#: None where a model runs as its Classifier runs it: such an engine would keep its model alive.
_ENGINES: WeakKeyDictionary[Classifier, Engine | None] = WeakKeyDictionary()
_CHOOSING = threading.Lock()


def engine_of(classifier: Classifier) -> Engine:
    """The model's engine, chosen at the first call, which takes seconds; others wait for it.

    From then on numpy's products take one thread: their others would spin for a tenth of a second after each, on a
    core that the engine needs.
    """
    with _CHOOSING:
        if classifier not in _ENGINES:
            threadpool_limits(1, "blas")
            _ENGINES[classifier] = choose(classifier)
        return _ENGINES[classifier] or plain(classifier)


def plain(classifier: Classifier) -> Torch:
    """The model in float32 as its Classifier runs it: what others are checked against."""
    return Torch(classifier.logits, _batch(BATCH, classifier.size))


def choose(classifier: Classifier) -> Engine | None:
    """The first engine that agrees with plain float32; None where none does, or the network is not one of ours."""
    if classifier.spec.architecture not in ARCHITECTURES:
        return None
    truth = Torch(classifier.logits, 1)  # one by one, which takes the least memory
    for engine in _candidates(classifier):
        error = disagreement(engine, truth, classifier)
        if error <= TOLERANCE:
            return engine
        log.info("%s in %s is off by %.3f, and not used", classifier.name, engine.precision, error)
        del engine  # before the next one is made: each has tens of megabytes
    return None


def _candidates(classifier: Classifier) -> Iterator[Engine]:
    network, size = classifier.network, classifier.size
    if torch.cuda.is_available():
        for dtype in (torch.bfloat16, torch.float32):
            moved = copy.deepcopy(network).to("cuda", dtype).to(memory_format=torch.channels_last)
            yield Torch(moved, _batch(GPU_BATCH, size), "cuda", dtype)
        return
    try:
        graphs = _Graphs(network, size)
    except (ImportError, RuntimeError) as error:
        log.warning("OpenVINO cannot run %s, so maps take several times as long: %s", classifier.name, error)
        return
    if graphs.late.rounds:
        yield OpenVINO(graphs, "bfloat16", "bfloat16")
        yield OpenVINO(graphs, "float32", "bfloat16")
    yield OpenVINO(graphs, "float32", "float32")


def disagreement(engine: Engine, truth: Engine, classifier: Classifier) -> float:
    """Error of what covering each part of a drawn film does, as a share of the effects' spread; median of findings.

    What is compared are differences of logits, as maps are: an error that all copies share does not count.
    """
    low, high = classifier.spec.pixel_range
    drawn = phantom.draw("effusion", classifier.size) / np.float32(255) * (high - low) + low
    x = torch.from_numpy(drawn)[None, None]
    ours, theirs = (_effects(e, x) for e in (engine, truth))
    spread = theirs.std(0)
    moved = spread > 0
    if not np.isfinite(ours).all():
        return float("inf")
    return float(np.median((ours - theirs).std(0)[moved] / spread[moved])) if moved.any() else 0.0


def _effects(engine: Engine, x: Tensor) -> np.ndarray:
    """What covering each part of an image does to its logits: (TRIAL * TRIAL, L)."""
    cell = np.arange(x.shape[-1]) * TRIAL // x.shape[-1]
    parts = np.arange(TRIAL * TRIAL)[:, None, None]
    covers = np.concatenate([np.zeros((1, *x.shape[2:])), cell[:, None] * TRIAL + cell == parts]).astype(np.float32)
    fill = torch.full_like(x, float(x.mean()))
    batches = np.split(covers, range(engine.batch, len(covers), engine.batch))
    logits = np.concatenate([engine.logits(batch, x, fill) for batch in batches])
    effects: np.ndarray = logits[1:] - logits[0]
    return effects
