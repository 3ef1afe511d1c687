"""Fine-tuning of a network on films and labels, on a CPU, one GPU, or many with Accelerate.

Random numbers follow from (seed, phase, epoch, step) and are drawn for the whole batch. A training that is interrupted
and resumed, or divided among processes, therefore computes the same as an undisturbed one.
"""

from __future__ import annotations

import itertools
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

from cxr_demo.errors import DataError
from cxr_demo.inference import memory
from cxr_demo.types import ModelSpec
from train import augment, batch_norm, checkpoint, evaluate, losses

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from cxr_demo.models.classifier import Network
    from train.cache import Views
    from train.recipe import Recipe
    from train.record import Record

PIXEL_RANGE: tuple[float, float] = ModelSpec.pixel_range

#: Seconds between two checkpoints within an epoch.
SAVE_EVERY = 60.0


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Input of a training; the first axis of its arrays is films."""

    views: Views | np.ndarray  # (N, S, S) uint8
    targets: np.ndarray  # (N, L) float32, nan where masked
    rows: np.ndarray  # indices of the films to learn from
    held: np.ndarray  # indices of the validation films, which decide when to stop; may be empty
    boxes: Mapping[int, np.ndarray] = field(default_factory=dict)  # box masks by index, see boxes.masks


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs with one image size and one learning rate."""

    name: str
    size: int  # side of the images, pixels
    epochs: int
    rate: float  # peak learning rate
    whole: bool  # False: only the head learns


def phases(recipe: Recipe) -> tuple[Phase, ...]:
    """The phases of a recipe in order: head, coarse, full; those without epochs are left out."""
    planned = (
        Phase("head", recipe.coarse_size, recipe.head_epochs, recipe.head_rate, whole=False),
        Phase("coarse", recipe.coarse_size, recipe.coarse_epochs, recipe.rate, whole=True),
        Phase("full", recipe.size, recipe.epochs, recipe.fine_rate, whole=True),
    )
    return tuple(phase for phase in planned if phase.epochs)


def rate_at(progress: float, warm_up: float) -> float:
    """Learning rate as a share of its peak: a linear warm-up from 4 %, then half a cosine down to 0.

    `progress` in [0, 1) and `warm_up` are shares of the phase.
    """
    if progress < warm_up:
        return (0.04 + 0.96 * progress / warm_up) if warm_up else 1.0
    return 0.5 * (1 + math.cos(math.pi * (progress - warm_up) / (1 - warm_up)))


class Trainee(nn.Module):
    """Module that Accelerate keeps equal in all processes; it computes logits and activation maps."""

    def __init__(self, network: Network, *, bf16: bool) -> None:
        super().__init__()
        self.network = network
        self.bf16 = bf16

    def forward(self, x: Tensor, kept: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Batch (n, 1, S, S) in [0, 1] -> logits (n, L) and class activation maps (n, L, h, w).

        Both have the precision of the weights. `kept` (n, C) are factors of the pooled features, see `dropout`.
        """
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.bf16):
            features = self.network.features(to_range(x))
        head = self.network.head
        features = features.to(head.weight.dtype)
        pooled = features.mean((2, 3))
        return head(pooled if kept is None else pooled * kept), torch.einsum("nchw,lc->nlhw", features, head.weight)


def averaging(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """The update of the averaged weights: an exponential moving average, whose decay grows with the steps.

    At step n it is at most (1 + n) / (10 + n), so that after a few steps the average holds little of the initial
    weights.
    """

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
        now = min(decay, (1 + float(steps)) / (10 + float(steps)))
        get_ema_multi_avg_fn(now)(averaged, current, steps)  # type: ignore[no-untyped-call]

    return update


def dropout(films: int, features: int, share: float, generator: torch.Generator) -> Tensor | None:
    """Factors (n, C) that drop a share of the pooled features of n films and keep their mean; None to drop none."""
    if not share:
        return None
    return (torch.rand(films, features, generator=generator) >= share).float() / (1 - share)


def to_input(views: np.ndarray) -> Tensor:
    """Cached views (n, S, S) uint8 as a batch (n, 1, S, S) in [0, 1]."""
    return torch.tensor(np.asarray(views))[:, None].float() / 255


def to_range(x: Tensor) -> Tensor:
    """A batch in [0, 1], scaled to PIXEL_RANGE; channels last, like the convolutions."""
    low, high = PIXEL_RANGE
    return (x * (high - low) + low).contiguous(memory_format=torch.channels_last)


@dataclass
class Position:
    """Progress of a training: the next step, losses of the current epoch, validation results."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    losses: list[float] = field(default_factory=list)  # of this epoch's steps
    boxed: list[float] = field(default_factory=list)  # box losses of this epoch's steps
    best: float = -1.0  # highest validation AUROC
    stale: int = 0  # epochs since `best`
    done: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)  # figures of each epoch


class Trainer:
    """One training, resumable from the checkpoint in `folder`; without a folder it keeps no checkpoint.

    `record` writes the log, `most_steps` limits the steps of an epoch.
    """

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
        if self.accelerator.num_processes > 1:
            batch_norm.share(self.network)
        self.average = AveragedModel(self.network, multi_avg_fn=averaging(recipe.ema), use_buffers=True)
        self.best: dict[str, Tensor] = {}
        self.at = Position()
        self.steps = min(len(data.rows) // recipe.batch, most_steps or len(data.rows))
        self.saved = time.monotonic()

    def run(self, say: Callable[[str], None]) -> Network:
        """Train and return the network with averaged weights (exponential moving average).

        With validation films, the weights are those of the full-size epoch with the best mean AUROC. `say` gets a line
        per epoch. DataError if the checkpoint is damaged, if there are too few films for one step, or if the loss is
        not a number.
        """
        if not self.steps:
            raise DataError(f"{len(self.data.rows)} films are fewer than one batch of {self.recipe.batch}.")
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
        batch_norm.part(network)
        return network

    def _phase(self, phase: Phase, tensors: Mapping[str, Tensor], say: Callable[[str], None]) -> None:
        """Train the remaining epochs of a phase and write a checkpoint after each.

        `tensors` of a resumed checkpoint hold the optimiser's state; they are empty for a new phase. Sets `at.done`
        when validation has not improved for `patience` epochs at full size.
        """
        recipe = self.recipe
        self._thaw(phase)
        trainee = Trainee(self.network, bf16=fast_bf16(recipe.precision, self.accelerator.device))
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
        """Train the remaining steps of an epoch; write a checkpoint every SAVE_EVERY seconds.

        The order of the films follows from seed, phase and epoch; the last incomplete batch is left out.
        """
        order = self._generator(0).permutation(self.data.rows)
        bar = tqdm(total=self.steps, initial=self.at.step, desc=f"{phase.name} {self.at.epoch + 1}", leave=False,
                   disable=None if self.accelerator.is_main_process else True)  # fmt: skip
        for step in range(self.at.step, self.steps):
            share = rate_at((self.at.epoch * self.steps + step) / (phase.epochs * self.steps), self.recipe.warm_up)
            for group in optimiser.param_groups:
                group["lr"] = phase.rate * share
            rows = order[step * self.recipe.batch : (step + 1) * self.recipe.batch]
            loss, boxed = self._step(model, optimiser, np.sort(rows), phase)
            if not math.isfinite(loss):
                raise DataError(
                    f"The loss of step {step + 1} of epoch {self.at.epoch + 1} ({phase.name}) is not a number, so the "
                    "training has failed: fit with lower learning rates in another --out, or look for damaged films."
                )
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
        """Take one step on a global batch of films `rows`; its loss per known label, and its box loss per film.

        The batch is divided into `accumulate` parts, and each of these among the processes.
        """
        random = torch.Generator().manual_seed(int(self._generator(1).integers(2**31)))
        changes = augment.draw(len(rows), self.recipe, random)
        kept = dropout(len(rows), self.network.head.in_features, self.recipe.dropout, random)
        targets = torch.from_numpy(self.data.targets[rows])
        known = max(1, int((~targets.isnan()).sum()))
        optimiser.zero_grad()
        sums = torch.zeros(2, device=self.accelerator.device)
        parts = list(self._parts(len(rows)))
        for i, part in enumerate(parts):
            with self._together(model, last=i == len(parts) - 1):
                change, factors = changes.take(part, sums.device), None if kept is None else kept[part]
                bce, boxed = self._losses(model, rows[part], targets[part], change, factors, phase)
                # Accelerate averages gradients over processes; the factor makes the average a sum
                loss = (bce / known + self.recipe.box_weight * boxed / len(rows)) * self.accelerator.num_processes
                self.accelerator.backward(loss)
            sums += torch.stack([bce.detach() / known, boxed.detach() / len(rows)])
        self.accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        optimiser.step()
        total = self.accelerator.reduce(sums, "sum")
        return float(total[0]), float(total[1])

    def _losses(
        self,
        model: nn.Module,
        rows: np.ndarray,
        targets: Tensor,
        change: augment.Change,
        kept: Tensor | None,
        phase: Phase,
    ) -> tuple[Tensor, Tensor]:
        """Loss of the labels and box loss of some films of a batch, each as a sum."""
        device = self.accelerator.device
        kept = kept if kept is None else kept.to(device)
        x = change.expose(change.move(_at(to_input(self.data.views[rows]).to(device), phase.size)))
        logits, maps = model(x, kept)
        labelled = losses.LOSSES[self.recipe.loss](logits, targets.to(device))
        boxed = [i for i, row in enumerate(rows) if row in self.data.boxes] if self.recipe.box_weight else []
        if not boxed:
            return labelled, labelled.new_zeros(())
        masks = torch.from_numpy(np.stack([self.data.boxes[rows[i]] for i in boxed])).float().to(device)
        moved = change.take(boxed, device).move(masks)
        return labelled, losses.boxed_cam(maps[boxed], moved)

    def _parts(self, films: int) -> Iterator[slice]:
        """Slices of a batch of `films` that this process accumulates, in order.

        Processes divide each part of the accumulation, so that batch norms see the parts that one process would.
        """
        processes, each = self.accelerator.num_processes, self.recipe.accumulate
        parts = np.linspace(0, films, each + 1).astype(int)
        for start, end in itertools.pairwise(parts):
            edges = np.linspace(start, end, processes + 1).astype(int)
            yield slice(int(edges[self.accelerator.process_index]), int(edges[self.accelerator.process_index + 1]))

    def _together(self, model: nn.Module, *, last: bool) -> AbstractContextManager[Any]:
        """Context in which gradients are synchronised between processes for the last part of a batch only."""
        return nullcontext() if last else self.accelerator.no_sync(model)

    @property
    def _averaged(self) -> Network:
        """The network with the averaged weights."""
        return cast("Network", self.average.module)

    def _row(self, phase: Phase, seconds: float) -> dict[str, Any]:
        """Figures of the finished epoch, added to the history; keeps the weights if they are the best so far."""
        row: dict[str, Any] = {"epoch": len(self.at.history) + 1, "phase": phase.name, "size": phase.size}
        row |= {"loss": float(np.mean(self.at.losses)), "box_loss": float(np.mean(self.at.boxed))}
        if len(self.data.held):
            scores = logits(self._averaged, self.data.views, self.data.held, self.accelerator)
            # over all findings with both classes: this AUROC selects weights and is not reported
            found = [evaluate.auroc(*pair) for pair in zip(self.data.targets[self.data.held].T, scores.T, strict=True)]
            row["auroc"] = float(np.mean([a for a in found if not math.isnan(a)] or [0.5]))
            if phase.size == self.recipe.size:
                self._compare(row["auroc"])
        row["seconds"] = round(seconds, 2)
        self.at.history.append(row)
        return row

    def _compare(self, auroc: float) -> None:
        """Keep the averaged weights if their AUROC is the best so far; otherwise count a stale epoch."""
        if auroc > self.at.best:
            self.at.best, self.at.stale = auroc, 0
            self.best = {n: t.detach().clone() for n, t in self._averaged.model.state_dict().items()}
        else:
            self.at.stale += 1

    def _thaw(self, phase: Phase) -> None:
        """Make the parameters of a phase trainable, except those of frozen layers."""
        self.network.requires_grad_(phase.whole)
        self.network.head.requires_grad_(True)
        for layer in self._frozen():
            layer.requires_grad_(False)

    def _mode(self, trainee: Trainee, phase: Phase) -> None:
        """Set training mode, but keep batch norms of frozen layers on their running statistics."""
        trainee.train()
        for layer in self._frozen():
            layer.eval()
        if self.recipe.freeze_norm or not phase.whole:
            for layer in trainee.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()

    def _frozen(self) -> list[nn.Module]:
        """The layers that the recipe freezes, counted from the input."""
        model = self.network.model
        return list(getattr(model, "features", model).children())[: self.recipe.frozen_layers]

    def _generator(self, purpose: int) -> np.random.Generator:
        """Random generator of this epoch (purpose 0) or of this step (any other purpose)."""
        step = self.at.step if purpose else 0
        return np.random.default_rng((self.recipe.seed, purpose, self.at.phase, self.at.epoch, step))

    def _save(self, optimiser: Mapping[str, Tensor]) -> None:
        """Write a checkpoint with the optimiser's tensors, in the main process and if there is a folder.

        It holds the network, its average, the best average so far, and `at`.
        """
        self.saved = time.monotonic()
        if self.folder is None or not self.accelerator.is_main_process:
            return
        tensors = {f"network.{n}": t for n, t in self.network.model.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self._averaged.model.state_dict().items()}
        tensors["averaged"] = self.average.n_averaged
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        checkpoint.write(self.folder / "checkpoint.safetensors", {**tensors, **optimiser}, vars(self.at))

    def _resume(self) -> dict[str, Tensor]:
        """Restore progress and weights from the checkpoint; its tensors, empty without a checkpoint."""
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
    """An epoch's figures as a line of text."""
    auroc = f", AUROC {row['auroc']:.3f}" if "auroc" in row else ""
    boxed = f", boxes {row['box_loss']:.3f}" if row["box_loss"] else ""
    where = f"epoch {row['epoch']} ({phase.name}, {phase.size} px)"
    return f"{where}: loss {row['loss']:.4f}{boxed}{auroc}, {row['seconds']:.0f} s"


def _at(x: Tensor, size: int) -> Tensor:
    """A batch (n, 1, S, S), resampled by area to a side of `size`."""
    return x if x.shape[-1] == size else functional.interpolate(x, (size, size), mode="area")


def fast_bf16(precision: str, device: torch.device) -> bool:
    """Whether convolutions train in bfloat16 on a device.

    `precision` is "bf16", "fp32", or "auto": bfloat16 where the hardware supports it.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return device.type == "cpu" and bool(torch.cpu._is_avx512_bf16_supported())


def _optimiser(network: Network, decay: float) -> torch.optim.AdamW:
    """AdamW on the trainable parameters, without weight decay on norms and biases."""
    learning = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups)


@torch.no_grad()
def maps(network: Network, views: np.ndarray) -> np.ndarray:
    """Class activation maps (n, L, h, w) float32 of views (n, S, S) in [0, 1]."""
    device = next(network.parameters()).device
    trainee = Trainee(network, bf16=False).eval()
    found: np.ndarray = trainee(torch.from_numpy(views)[:, None].float().to(device))[1].cpu().numpy()
    return found


@torch.no_grad()
def logits(
    network: nn.Module,
    views: Views | np.ndarray,
    rows: np.ndarray,
    accelerator: Accelerator | None = None,
    batch: int = 32,
) -> np.ndarray:
    """Logits (n, L) float32 of the films at indices `rows` (n,) of views (N, S, S) uint8.

    The processes of `accelerator` share the films; each returns the logits of all, in the order of `rows`.
    """
    accelerator = accelerator or Accelerator()
    network.eval()
    found: Tensor | None = None
    mine = np.array_split(np.arange(len(rows)), accelerator.num_processes)[accelerator.process_index]
    for part in np.array_split(mine, max(1, math.ceil(len(mine) / batch))):
        out = network(to_range(to_input(views[np.sort(rows[part])]).to(accelerator.device))).float()
        found = out.new_zeros(len(rows), out.shape[1]) if found is None else found
        found[part[np.argsort(rows[part])]] = out
    # a film's row is 0 in all processes but one, so the sum holds each film once
    total: np.ndarray = accelerator.reduce(found, "sum").cpu().numpy()
    return total
