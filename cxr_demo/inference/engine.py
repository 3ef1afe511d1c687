"""Choose the fastest engine on this machine for logits of masked copies of one image.

Candidates differ in device and precision, fastest first. Each scores masked copies of a phantom; the first whose logit
differences agree with float32 within TOLERANCE is used.
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
from cxr_demo.models.foreign import Foreign

if TYPE_CHECKING:
    from collections.abc import Callable

    from cxr_demo.models.classifier import Classifier

log = logging.getLogger(__name__)

#: Copies per batch at 224 pixels on a CPU: larger batches run no faster, need more memory and hold the model longer.
BATCH = 4
#: Copies of a film per batch at 224 pixels on a GPU, and different films, whose pixels wait in memory meanwhile.
GPU_BATCH, GPU_FILMS = 64, 16
#: Largest accepted error of the effects of masking relative to float32, as a fraction of their standard deviation, for
#: the median finding. The correlation is then about 1 - TOLERANCE^2 / 2.
TOLERANCE = 0.1
#: Windows on a side of the phantom; the trial masks them one by one.
TRIAL = 4


class Engine(Protocol):
    """A model on one device at one precision."""

    precision: str  # e.g. "bfloat16"
    batch: int  # largest number of copies per call
    exact: bool  # whether logits equal those of the Classifier

    def logits(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> np.ndarray:
        """Return logits (n, L) float32 of `x * (1 - cover) + fill * cover`.

        `covers` is (n, S, S) float32 in [0, 1] with n <= `batch`; x and fill are (1, 1, S, S) in the model's pixel
        range.
        """
        ...


class Torch:
    """A network run by torch; the default device and precision are those of a Classifier."""

    def __init__(
        self, network: Callable[[Tensor], Tensor], batch: int, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        self._network, self.batch = network, batch
        self._device, self._dtype = device, dtype
        self.precision = str(dtype).removeprefix("torch.")
        self.exact = (device, dtype) == ("cpu", torch.float32)

    @torch.no_grad()
    def logits(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> np.ndarray:
        """See Engine; the masked copies are computed on the device."""
        x, fill, cover = (t.to(self._device) for t in (x, fill, torch.from_numpy(covers)[:, None]))
        return self.films(torch.lerp(x, fill, cover))

    @torch.no_grad()
    def films(self, x: Tensor) -> np.ndarray:
        """Return logits (n, L) float32 of model inputs (n, 1, S, S)."""
        inputs = x.to(self._device, self._dtype).contiguous(memory_format=torch.channels_last)
        found: np.ndarray = self._network(inputs).float().cpu().numpy()
        return found


class OpenVINO:
    """A network compiled by OpenVINO for this CPU, with separate precisions of early and late layers.

    The early graph also computes the masked copies. Rounding in the early layers saves little time and causes most of
    the error: in EfficientNet-lite0 nearly all of bfloat16's error comes from the first block. For small covers the
    engine recomputes only the affected patch of the early map and keeps the rest of the unmasked image's map.
    """

    exact = False

    def __init__(self, graphs: Graphs, early: str, late: str) -> None:
        self.precision = late if early == late else f"{early}, late layers {late}"
        self.batch = graphs.batch
        self._early, self._late = graphs.request(EARLY, early), graphs.request(LATE, late)
        self._late.set_input_tensor(self._early.get_output_tensor())
        self._patches = graphs.patches
        self._patch = graphs.request(PATCH, early) if graphs.patches.pay else None
        self._own: np.ndarray | None = None  # early map of the unmasked image, (M / batch, C, h, w)
        self._held: Callable[[], Tensor | None] = lambda: None  # the image whose early map fills the output tensor

    def logits(self, covers: np.ndarray, x: Tensor, fill: Tensor) -> np.ndarray:
        """See Engine; pads smaller batches, since a graph has a fixed input shape."""
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
        """Compute the early maps of masked copies into the shared tensor; missing covers count as 0 (unmasked)."""
        full = np.zeros((self.batch, 1, *x.shape[2:]), np.float32)
        full[: len(covers), 0] = covers
        self._early.infer([full, x.numpy(), fill.numpy()], share_inputs=True)

    def _run_patches(self, covers: np.ndarray, x: Tensor, fill: Tensor, corners: np.ndarray) -> None:
        """Write the changed patches into the unmasked image's early map, run the late layers, and restore the map."""
        assert self._patch is not None
        maps = self._early.get_output_tensor().data
        if self._held() is not x or self._own is None:
            self._run_early(np.zeros((0, *covers.shape[1:]), np.float32), x, fill)
            self._own = maps[:: self.batch].copy()
        self._held = lambda: None  # invalid until the map is restored
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
    """Scale a batch size for 224 pixels to another input size, at constant memory; at least 1."""
    return max(1, min(most, most * 224**2 // size**2))


# ------------------------------------------------------------------ choice of engine

#: None for the plain engine, which would keep its model alive.
_ENGINES: WeakKeyDictionary[Classifier, Engine | None] = WeakKeyDictionary()
_CHOOSING = threading.Lock()


def engine_of(classifier: Classifier) -> Engine:
    """Return the model's engine; the first call per model chooses it, which takes seconds.

    Calls for models with an engine never wait.
    """
    if classifier not in _ENGINES:
        with _CHOOSING:
            if classifier not in _ENGINES:
                _one_thread_for_blas()
                _ENGINES[classifier] = choose(classifier)
    return _ENGINES[classifier] or plain(classifier)


def _one_thread_for_blas() -> None:
    """Limit numpy's BLAS: its other threads spin for 0.1 s after each product on cores that the engine needs."""
    threadpool_limits(1, "blas")


def films_at_once(size: int) -> int:
    """Return the number of films of this input size that `logits_of_films` takes together."""
    return _batch(GPU_FILMS if torch.cuda.is_available() else BATCH, size)


def logits_of_films(classifier: Classifier, threads: int) -> Callable[[Tensor], np.ndarray]:
    """Return a function from `films_at_once` model inputs (n, 1, S, S) to logits (n, L) in float32.

    Up to `threads` threads may call it concurrently. A GPU computes the logits if there is one, else OpenVINO where it
    can run the model, since it is several times as fast as torch: they differ from the Classifier's by some 1e-5.
    """
    if torch.cuda.is_available():
        return _copied(classifier, torch.float32).films
    with _CHOOSING:
        _one_thread_for_blas()
        found = _graphs(classifier)
    return plain(classifier).films if found is None else found[0].films(threads)


def plain(classifier: Classifier) -> Torch:
    """Return the reference engine, which runs a model in float32 as its Classifier does."""
    return Torch(classifier.logits, _batch(BATCH, classifier.size))


def choose(classifier: Classifier) -> Engine | None:
    """Return the first engine that agrees with float32.

    Returns None if no engine agrees, or for a model that is made by hand.
    """
    if torch.cuda.is_available():
        return _on_gpu(classifier) if _is_network(classifier) else None
    found = _graphs(classifier)
    return None if found is None else OpenVINO(found[0], *found[1])


def _is_network(classifier: Classifier) -> bool:
    """Whether a model is a trained network, not one made by hand such as a failure case."""
    return classifier.spec.architecture in ARCHITECTURES or isinstance(classifier.network, Foreign)


def _on_gpu(classifier: Classifier) -> Engine | None:
    """Choose bfloat16 or else float32 on a CUDA GPU; None if neither agrees with float32 on the CPU."""
    for dtype in (torch.bfloat16, torch.float32):
        engine = _copied(classifier, dtype)
        if _agrees(engine, classifier):
            return engine
    return None


def _copied(classifier: Classifier, dtype: torch.dtype) -> Torch:
    """An engine with a copy of the network on the GPU."""
    network = copy.deepcopy(classifier.network).to("cuda", dtype).to(memory_format=torch.channels_last)
    return Torch(network, _batch(GPU_BATCH, classifier.size), "cuda", dtype)


def _graphs(classifier: Classifier) -> tuple[Graphs, tuple[str, str]] | None:
    """A model's graphs, and the fastest precisions of early and late layers that agree with float32; None if none do.

    Both are stored on disk, since conversion and trial take seconds.
    """
    if not _is_network(classifier):
        return None
    batch = _batch(BATCH, classifier.size)
    known = kept(classifier, batch)
    if known is not None:
        return known
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
            return graphs, precisions
        del engine  # before the next one is compiled: each needs tens of megabytes
    return None


def _agrees(engine: Engine, classifier: Classifier) -> bool:
    """Whether an engine's error relative to the Classifier in float32 is at most TOLERANCE."""
    truth = Torch(classifier.logits, 1)  # batches of one need the least memory
    error = disagreement(engine, truth, classifier)
    if error > TOLERANCE:
        log.info("%s in %s is off by %.3f, and not used", classifier.name, engine.precision, error)
    return error <= TOLERANCE


def disagreement(engine: Engine, truth: Engine, classifier: Classifier) -> float:
    """Return an engine's error of the effects of masking each window of a phantom, for the median finding.

    The error is the standard deviation of the differences from `truth`, as a fraction of that of the effects. Effects
    are logit differences, as in maps, so an error common to all copies cancels. Returns inf if an effect is not finite.
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
    """Changes of the logits when each window of an image is masked: (TRIAL * TRIAL, L)."""
    cell = np.arange(x.shape[-1]) * TRIAL // x.shape[-1]
    parts = np.arange(TRIAL * TRIAL)[:, None, None]
    covers = np.concatenate([np.zeros((1, *x.shape[2:])), cell[:, None] * TRIAL + cell == parts]).astype(np.float32)
    fill = torch.full_like(x, float(x.mean()))
    batches = np.split(covers, range(engine.batch, len(covers), engine.batch))
    logits = np.concatenate([engine.logits(batch, x, fill) for batch in batches])
    effects: np.ndarray = logits[1:] - logits[0]
    return effects
