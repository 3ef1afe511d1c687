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
from torch import Tensor

from cxr_demo.films import phantom
from cxr_demo.inference.openvino import EARLY, LATE, PATCH, Graphs, keep, kept, rounds
from cxr_demo.models.classifier import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxr_demo.models.classifier import Classifier

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

    def __init__(self, graphs: Graphs, early: str, late: str) -> None:
        self.precision = late if early == late else f"{early}, late layers {late}"
        self.batch = graphs.batch
        self._early, self._late = graphs.request(EARLY, early), graphs.request(LATE, late)
        self._late.set_input_tensor(self._early.get_output_tensor())
        self._patches = graphs.patches
        self._patch = graphs.request(PATCH, early) if graphs.patches.pay else None
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


def _batch(most: int, size: int) -> int:
    return max(1, min(most, most * 224**2 // size**2))


# ------------------------------------------------------------------ which one

#: None where a model runs as its Classifier runs it: such an engine would keep its model alive.
_ENGINES: WeakKeyDictionary[Classifier, Engine | None] = WeakKeyDictionary()
_CHOOSING = threading.Lock()


def engine_of(classifier: Classifier) -> Engine:
    """The model's engine, chosen at the first call, which takes seconds; only who asks for one not yet chosen waits.

    From then on numpy's products take one thread: their others would spin for a tenth of a second after each, on a
    core that the engine needs.
    """
    if classifier not in _ENGINES:
        with _CHOOSING:
            if classifier not in _ENGINES:
                threadpool_limits(1, "blas")
                _ENGINES[classifier] = choose(classifier)
    return _ENGINES[classifier] or plain(classifier)


def plain(classifier: Classifier) -> Torch:
    """The engine that runs a model in float32 as its Classifier does, against which the others are checked."""
    return Torch(classifier.logits, _batch(BATCH, classifier.size))


def choose(classifier: Classifier) -> Engine | None:
    """The first engine that agrees with plain float32; None where none does, or the network is not one of ours."""
    if classifier.spec.architecture not in ARCHITECTURES:
        return None
    return _on_gpu(classifier) if torch.cuda.is_available() else _on_processor(classifier)


def _on_gpu(classifier: Classifier) -> Engine | None:
    for dtype in (torch.bfloat16, torch.float32):
        network = copy.deepcopy(classifier.network).to("cuda", dtype).to(memory_format=torch.channels_last)
        engine = Torch(network, _batch(GPU_BATCH, classifier.size), "cuda", dtype)
        if _agrees(engine, classifier):
            return engine
    return None


def _on_processor(classifier: Classifier) -> Engine | None:
    """What is chosen is kept on disk, since converting and trying takes seconds."""
    batch = _batch(BATCH, classifier.size)
    known = kept(classifier, batch)
    if known is not None:
        graphs, precisions = known
        return OpenVINO(graphs, *precisions)
    try:
        graphs = Graphs.of(classifier.network, classifier.size, batch)
    except (ImportError, RuntimeError) as error:
        log.warning("OpenVINO cannot run %s, so maps take several times as long: %s", classifier.name, error)
        return None
    quick = [("bfloat16", "bfloat16"), ("float32", "bfloat16")] if rounds() else []
    for precisions in (*quick, ("float32", "float32")):
        engine = OpenVINO(graphs, *precisions)
        if _agrees(engine, classifier):
            keep(classifier, graphs, precisions)
            return engine
        del engine  # before the next one is made: each has tens of megabytes
    return None


def _agrees(engine: Engine, classifier: Classifier) -> bool:
    truth = Torch(classifier.logits, 1)  # one by one, which takes the least memory
    error = disagreement(engine, truth, classifier)
    if error > TOLERANCE:
        log.info("%s in %s is off by %.3f, and not used", classifier.name, engine.precision, error)
    return error <= TOLERANCE


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
