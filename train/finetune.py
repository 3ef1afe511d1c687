"""Training: from films and labels to a network's weights. The same on two cores, one GPU, or many with Accelerate.

Whatever is random follows from (seed, phase, epoch, step) and is drawn for the whole batch, so that a training that
was killed, or is divided among processes, does what it would have done.
"""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from cxr_demo.inference import memory
from cxr_demo.types import ModelSpec
from train import augment, checkpoint, evaluate, losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from cxr_demo.models.classifier import Network
    from train.recipe import Recipe
    from train.record import Record

PIXEL_RANGE: tuple[float, float] = ModelSpec.pixel_range

#: Seconds between two checkpoints within an epoch.
SAVE_EVERY = 60.0


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What a network learns from; the first axis is the films'."""

    views: np.ndarray  # (N, S, S) uint8, may be mapped from disk
    targets: np.ndarray  # (N, L) float32, nan where masked
    rows: np.ndarray  # the films of these to learn from
    held: np.ndarray  # the films of these that decide when to stop; may be none
    boxes: Mapping[int, np.ndarray] = field(default_factory=dict)  # see boxes.masks


@dataclass(frozen=True)
class Phase:
    """Epochs of one kind."""

    name: str
    size: int
    epochs: int
    rate: float
    whole: bool  # False: only the head learns


def phases(recipe: Recipe) -> tuple[Phase, ...]:
    """What happens in which order."""
    planned = (
        Phase("head", recipe.coarse_size, recipe.head_epochs, recipe.head_rate, whole=False),
        Phase("coarse", recipe.coarse_size, recipe.coarse_epochs, recipe.rate, whole=True),
        Phase("full", recipe.size, recipe.epochs, recipe.fine_rate, whole=True),
    )
    return tuple(phase for phase in planned if phase.epochs)


def rate_at(progress: float, warm_up: float) -> float:
    """The learning rate as a share of its peak: a line up, half a cosine down; `progress` in [0, 1)."""
    if progress < warm_up:
        return (0.04 + 0.96 * progress / warm_up) if warm_up else 1.0
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


class Trainee(nn.Module):
    """What several processes keep in step: logits and activation maps of a batch."""

    def __init__(self, network: Network, dropout: float, *, bf16: bool) -> None:
        super().__init__()
        self.network = network
        self.dropout = dropout
        self.bf16 = bf16

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, S, S) in [0, 1] -> logits (n, L), maps (n, L, h, w); float32."""
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.network.features(to_range(x))
        features, head = features.float(), self.network.head
        pooled = functional.dropout(features.mean((2, 3)), self.dropout, self.training)
        return head(pooled), torch.einsum("nchw,lc->nlhw", features, head.weight)


def to_input(views: np.ndarray) -> Tensor:
    """Cached views (n, S, S) uint8 as a batch (n, 1, S, S) in [0, 1]."""
    return torch.tensor(np.asarray(views))[:, None].float() / 255


def to_range(x: Tensor) -> Tensor:
    """A batch in [0, 1] in the pixel range of ModelSpec, laid out as convolutions like it."""
    low, high = PIXEL_RANGE
    return (x * (high - low) + low).contiguous(memory_format=torch.channels_last)


@dataclass
class Position:
    """Where a training is: the next step, and what validation said so far."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)  # of this epoch's steps
    boxed: list[float] = field(default_factory=list)
    best: float = -1.0
    stale: int = 0  # epochs since the best
    done: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)  # a row per epoch


class Trainer:
    """One training. `folder` keeps its checkpoint, from which it goes on; without one it cannot."""

    def __init__(
        self,
        network: Network,
        data: TrainingData,
        recipe: Recipe,
        *,
        folder: Path | None = None,
        record: Record | None = None,
        most_steps: int | None = None,
    ) -> None:
        self.accelerator = Accelerator()
        self.data, self.recipe, self.folder, self.record = data, recipe, folder, record
        self.network = network.to(self.accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)  # type: ignore[no-untyped-call]
        self.best: dict[str, Tensor] = {}
        self.at = Position()
        self.steps = min(len(data.rows) // recipe.batch, most_steps or len(data.rows))
        self.saved = time.monotonic()

    def run(self, say: Callable[[str], None]) -> Network:
        """The network of the averaged weights, of the epoch that validation liked best where there is one."""
        memory.keep_freed()
        tensors = self._resume()
        for i, phase in list(enumerate(phases(self.recipe)))[self.at.phase :]:
            if self.at.done:
                break
            self._phase(phase, tensors, say)
            self.at.phase, self.at.epoch, tensors = i + 1, 0, {}
        self.at.done = True
        self._save({})
        self.network.model.load_state_dict(self.best or self._averaged.model.state_dict())
        network: Network = self.network.requires_grad_(True).eval()
        return network

    def _phase(self, phase: Phase, tensors: Mapping[str, Tensor], say: Callable[[str], None]) -> None:
        recipe = self.recipe
        self._thaw(phase)
        trainee = Trainee(self.network, recipe.dropout, bf16=fast_bf16(recipe.precision, self.accelerator.device))
        optimiser = _optimiser(self.network, recipe.decay)
        checkpoint.load_optimiser(optimiser, tensors)
        model, optimiser = self.accelerator.prepare(trainee, optimiser)
        for epoch in range(self.at.epoch, phase.epochs):
            started, self.at.epoch = time.monotonic(), epoch
            self._mode(trainee, phase)
            self._epoch(phase, model, optimiser)
            row = self._row(phase, time.monotonic() - started)
            say(_line(row, phase))
            self.at.step, self.at.losses, self.at.boxed, self.at.epoch = 0, [], [], epoch + 1
            if self.record and self.accelerator.is_main_process:
                self.record.epochs(self.at.history)
            self.at.done = self.at.stale >= recipe.patience > 0 and phase.size == recipe.size
            self._save(checkpoint.optimiser_tensors(optimiser))
            if self.at.done:
                break
        self.accelerator.free_memory()

    def _epoch(self, phase: Phase, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        order = self._generator(0).permutation(self.data.rows)
        bar = tqdm(total=self.steps, initial=self.at.step, desc=f"{phase.name} {self.at.epoch + 1}", leave=False,
                   disable=None if self.accelerator.is_main_process else True)  # fmt: skip
        for step in range(self.at.step, self.steps):
            share = rate_at((self.at.epoch * self.steps + step) / (phase.epochs * self.steps), self.recipe.warm_up)
            for group in optimiser.param_groups:
                group["lr"] = phase.rate * share
            rows = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            loss, boxed = self._step(model, optimiser, np.sort(rows), phase)
            self.average.update_parameters(self.network)
            self.at.step = step + 1
            self.at.losses.append(loss)
            self.at.boxed.append(boxed)
            bar.update()
            bar.set_postfix(loss=f"{np.mean(self.at.losses):.4f}", refresh=False)
            if time.monotonic() - self.saved > SAVE_EVERY:
                self._save(checkpoint.optimiser_tensors(optimiser))
        bar.close()

    def _step(
        self, model: nn.Module, optimiser: torch.optim.Optimizer, rows: np.ndarray, phase: Phase
    ) -> tuple[float, float]:
        """One step over a global batch; its loss per known label and per film."""
        seed = int(self._generator(1).integers(2**31))
        torch.manual_seed(seed + self.accelerator.process_index)  # for dropout
        changes = augment.draw(len(rows), self.recipe, torch.Generator().manual_seed(seed))
        targets = torch.from_numpy(self.data.targets[rows])
        known = max(1, int((~targets.isnan()).sum()))
        optimiser.zero_grad()
        sums = torch.zeros(2, device=self.accelerator.device)
        parts = list(self._parts(len(rows)))
        for i, part in enumerate(parts):
            with self._together(model, last=i == len(parts) - 1):
                bce, boxed = self._losses(model, rows[part], targets[part], changes.take(part, sums.device), phase)
                # processes average their gradients, so each counts as many times as there are processes
                loss = (bce / known + self.recipe.box_weight * boxed / len(rows)) * self.accelerator.num_processes
                self.accelerator.backward(loss)
            sums += torch.stack([bce.detach() / known, boxed.detach() / len(rows)])
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        optimiser.step()
        total = self.accelerator.reduce(sums, "sum")
        return float(total[0]), float(total[1])

    def _losses(
        self, model: nn.Module, rows: np.ndarray, targets: Tensor, change: augment.Change, phase: Phase
    ) -> tuple[Tensor, Tensor]:
        device = self.accelerator.device
        x = change.expose(change.move(_at(to_input(self.data.views[rows]).to(device), phase.size)))
        logits, maps = model(x)
        bce = losses.masked_bce(logits, targets.to(device))
        boxed = [i for i, row in enumerate(rows) if row in self.data.boxes] if self.recipe.box_weight else []
        if not boxed:
            return bce, bce.new_zeros(())
        masks = torch.from_numpy(np.stack([self.data.boxes[rows[i]] for i in boxed])).float().to(device)
        moved = augment.Change(change.theta[boxed], change.gamma[boxed], change.gain[boxed]).move(masks)
        return bce, losses.boxed_cam(maps[boxed], moved)

    def _parts(self, films: int) -> Iterator[slice]:
        """The parts of a batch that this process takes, one after the other."""
        processes, each = self.accelerator.num_processes, self.recipe.accumulate
        edges = np.linspace(0, films, processes * each + 1).astype(int)
        first = self.accelerator.process_index * each
        for i in range(first, first + each):
            yield slice(int(edges[i]), int(edges[i + 1]))

    def _together(self, model: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Gradients travel between processes once a step."""
        return nullcontext() if last else self.accelerator.no_sync(model)

    @property
    def _averaged(self) -> Network:
        return cast("Network", self.average.module)

    def _row(self, phase: Phase, seconds: float) -> dict[str, Any]:
        """The epoch in figures; remembers the weights where validation is better than before."""
        row: dict[str, Any] = {"epoch": len(self.at.history) + 1, "phase": phase.name, "size": phase.size}
        row |= {"loss": float(np.mean(self.at.losses)), "box_loss": float(np.mean(self.at.boxed))}
        if len(self.data.held):
            scores = logits(self._averaged, self.data.views, self.data.held, self.accelerator)
            # of every finding that can be told apart at all: these figures choose, they are not reported
            found = [evaluate.auroc(*pair) for pair in zip(self.data.targets[self.data.held].T, scores.T, strict=True)]
            row["auroc"] = float(np.mean([a for a in found if not math.isnan(a)] or [0.5]))
            if phase.size == self.recipe.size:
                self._compare(row["auroc"])
        row["seconds"] = round(seconds, 2)
        self.at.history.append(row)
        return row

    def _compare(self, auroc: float) -> None:
        if auroc > self.at.best:
            self.at.best, self.at.stale = auroc, 0
            self.best = {n: t.detach().clone() for n, t in self._averaged.model.state_dict().items()}
        else:
            self.at.stale += 1

    def _thaw(self, phase: Phase) -> None:
        """Which weights learn in a phase."""
        self.network.requires_grad_(phase.whole)
        self.network.head.requires_grad_(True)
        for layer in self._frozen():
            layer.requires_grad_(False)

    def _mode(self, trainee: Trainee, phase: Phase) -> None:
        """Training mode, but for layers that stay as they are: their batch norms must not drift either."""
        trainee.train()
        for layer in self._frozen():
            layer.eval()
        if self.recipe.freeze_norm or not phase.whole:
            for layer in trainee.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def _frozen(self) -> list[nn.Module]:
        model = self.network.model
        return list(getattr(model, "features", model).children())[: self.recipe.frozen_layers]

    def _generator(self, purpose: int) -> np.random.Generator:
        step = self.at.step if purpose else 0
        return np.random.default_rng((self.recipe.seed, purpose, self.at.phase, self.at.epoch, step))

    def _save(self, optimiser: Mapping[str, Tensor]) -> None:
        self.saved = time.monotonic()
        if self.folder is None or not self.accelerator.is_main_process:
            return
        tensors = {f"network.{n}": t for n, t in self.network.model.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self._averaged.model.state_dict().items()}
        tensors["averaged"] = self.average.n_averaged
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        checkpoint.write(self.folder / "checkpoint.safetensors", {**tensors, **optimiser}, vars(self.at))

    def _resume(self) -> dict[str, Tensor]:
        """Go on where a checkpoint says; its tensors, among them the optimiser's."""
        path = self.folder / "checkpoint.safetensors" if self.folder else None
        if path is None or not path.exists():
            return {}
        tensors, numbers = checkpoint.read(path)
        self.at = Position(**numbers)
        self.network.model.load_state_dict(checkpoint.part(tensors, "network."))
        self._averaged.model.load_state_dict(checkpoint.part(tensors, "average."))
        self.average.n_averaged.copy_(tensors["averaged"])
        self.best = {n: t.to(self.accelerator.device) for n, t in checkpoint.part(tensors, "best.").items()}
        return tensors


def _line(row: Mapping[str, Any], phase: Phase) -> str:
    auroc = f", AUROC {row['auroc']:.3f}" if "auroc" in row else ""
    boxed = f", boxes {row['box_loss']:.3f}" if row["box_loss"] else ""
    where = f"epoch {row['epoch']} ({phase.name}, {phase.size} px)"
    return f"{where}: loss {row['loss']:.4f}{boxed}{auroc}, {row['seconds']:.0f} s"


def _at(x: Tensor, size: int) -> Tensor:
    return x if x.shape[-1] == size else functional.interpolate(x, (size, size), mode="area")


def fast_bf16(precision: str, device: torch.device) -> bool:
    """Whether the convolutions of a training run in bf16: as asked, else where the device has it in hardware."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _optimiser(network: Network, decay: float) -> torch.optim.AdamW:
    learning = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups)


@torch.no_grad()
def maps(network: Network, views: np.ndarray) -> np.ndarray:
    """The network's activation maps (n, L, h, w) float32 of views (n, S, S) in [0, 1]."""
    device = next(network.parameters()).device
    trainee = Trainee(network, 0.0, bf16=False).eval()
    found: np.ndarray = trainee(torch.from_numpy(views)[:, None].float().to(device))[1].cpu().numpy()
    return found


@torch.no_grad()
def logits(
    network: nn.Module, views: np.ndarray, rows: np.ndarray, accelerator: Accelerator | None = None, batch: int = 32
) -> np.ndarray:
    """The network's logits (n, L) float32 for these rows of views (N, S, S) uint8, each computed by one process."""
    accelerator = accelerator or Accelerator()
    network.eval()
    found: Tensor | None = None
    mine = np.array_split(np.arange(len(rows)), accelerator.num_processes)[accelerator.process_index]
    for part in np.array_split(mine, max(1, math.ceil(len(mine) / batch))):
        out = network(to_range(to_input(views[np.sort(rows[part])]).to(accelerator.device))).float()
        found = out.new_zeros(len(rows), out.shape[1]) if found is None else found
        found[part[np.argsort(rows[part])]] = out
    # every film is one process' and 0 in the others', so that the sum has each once
    total: np.ndarray = accelerator.reduce(found, "sum").cpu().numpy()
    return total
