"""Training: from films and labels to a network's weights."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from cxr_demo import classifier
from cxr_demo.types import ModelSpec
from train.augment import augment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cxr_demo.classifier import Network


PIXEL_RANGE: tuple[float, float] = ModelSpec.pixel_range


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run apart from its films.

    Epochs at `coarse_size` come first: they cost a third and teach most of it (progressive resizing).
    """

    growth_rate: int = 16
    block_config: tuple[int, ...] = (6, 12, 24, 16)
    num_init_features: int = 32
    drop_rate: float = 0.0
    size: int = 224
    coarse_size: int = 128
    coarse_epochs: int = 24
    epochs: int = 10
    batch: int = 32
    rate: float = 2e-3  # of AdamW, at its peak
    fine_rate: float = 7e-4  # the same for the epochs at full size
    decay: float = 0.05
    ema: float = 0.99  # of the weights, per step
    rotate: float = 12.0  # degrees
    scale: float = 1.15
    shift: float = 0.06  # of the side
    mirror: float = 0.5  # probability
    gamma: float = 0.25  # log
    contrast: float = 0.15
    teacher_weight: float = 0.7  # how far labels move towards a teacher, where one is given
    precision: str = "bfloat16"  # of the convolutions while training; float32 where it is not fast
    seed: int = 0

    @property
    def arguments(self) -> dict[str, object]:
        """What builds the network."""
        return {
            "growth_rate": self.growth_rate,
            "block_config": list(self.block_config),
            "num_init_features": self.num_init_features,
        }


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy, averaged over the labels that are known; 0 where none is."""
    known = ~targets.isnan()
    loss = functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)


def to_input(views: np.ndarray) -> Tensor:
    """Cached views (n, S, S) uint8 as a batch (n, 1, S, S) in [0, 1]."""
    return torch.tensor(np.asarray(views))[:, None].float() / 255


def to_range(x: Tensor) -> Tensor:
    """A batch in [0, 1] in the pixel range of ModelSpec, laid out as convolutions like it."""
    low, high = PIXEL_RANGE
    return (x * (high - low) + low).contiguous(memory_format=torch.channels_last)


def fit(
    network: Network, views: np.ndarray, targets: np.ndarray, recipe: Recipe, say: Callable[[str], None]
) -> Network:
    """The network trained on these films: views (N, S, S) uint8, targets (N, L); the averaged weights."""
    generator = torch.Generator().manual_seed(recipe.seed)
    network = network.train().to(memory_format=torch.channels_last)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema), use_buffers=True)  # type: ignore[no-untyped-call]
    for size, epochs, rate in (
        (recipe.coarse_size, recipe.coarse_epochs, recipe.rate),
        (recipe.size, recipe.epochs, recipe.fine_rate),
    ):
        optimiser, schedule = _optimiser(network, rate, epochs * (len(views) // recipe.batch), recipe)
        for epoch in range(epochs):
            start, losses = time.monotonic(), []
            for rows in _shuffled(len(views), recipe.batch, generator):
                x = augment(_at(to_input(views[rows]), size), recipe, generator)
                loss = _loss(network, x, torch.from_numpy(targets[rows]), recipe)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                average.update_parameters(network)
                losses.append(loss.item())
            say(f"{size} px, epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}, {time.monotonic() - start:.0f} s")
    network.load_state_dict(average.module.state_dict())
    return network.eval()


def _at(x: Tensor, size: int) -> Tensor:
    return x if x.shape[-1] == size else functional.interpolate(x, (size, size), mode="area")


def _shuffled(films: int, batch: int, generator: torch.Generator) -> Iterator[np.ndarray]:
    """Rows of full batches; what is left over waits for another epoch."""
    order = torch.randperm(films, generator=generator).numpy()
    for i in range(films // batch):
        # in order, since the films are mapped from disk
        yield np.sort(order[i * batch : (i + 1) * batch])


def _loss(network: Network, x: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bfloat16"):
        return masked_bce(network(to_range(x)).float(), y)


def _optimiser(
    network: Network, rate: float, steps: int, recipe: Recipe
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    groups = [
        {"params": [p for p in network.parameters() if p.ndim > 1], "weight_decay": recipe.decay},
        {"params": [p for p in network.parameters() if p.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=rate)
    # a tenth of the steps to warm up; the schedule needs two at least
    steps = max(4, steps)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=max(0.1, 2 / steps))
    return optimiser, schedule


@torch.no_grad()
def logits(network: Network, views: np.ndarray, batch: int = 32) -> np.ndarray:
    """The network's logits (N, L) float32 for views (N, S, S) uint8."""
    network.eval()
    starts = range(0, len(views), batch)
    return np.concatenate([network(to_range(to_input(views[i : i + batch]))).numpy() for i in starts])


def new_network(recipe: Recipe, labels: int) -> Network:
    """A network with random weights, the same for the same seed."""
    torch.manual_seed(recipe.seed)
    arguments = {**recipe.arguments, "drop_rate": recipe.drop_rate}
    return classifier.build("DenseNet", arguments, labels)
