"""Networks of other libraries, of any architecture, whose last feature map is found by running them.

`of_timm` and `of_transformers` build them.
"""

from __future__ import annotations

import math
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL.Image import fromarray
from torch import Tensor, nn

from cxr_demo.errors import BadModel
from cxr_demo.films.table_columns import bare, meant
from cxr_demo.models import model_folder
from cxr_demo.models.classifier import Classifier, Network
from cxr_demo.types import NIH_FINDINGS, ModelSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from PIL.Image import Image

#: Findings of other data sets that torchxrayvision names, besides those of NIH.
OTHER_FINDINGS = ("Enlarged_Cardiomediastinum", "Fracture", "Lung_Lesion", "Lung_Opacity")
#: Most tokens that a transformer puts before those of the places: of the class, of a teacher, registers.
PREFIX = 8
#: Largest difference of logits, as a share of the largest, of a network that ends in a mean and a linear layer.
ROUNDING = 1e-4
#: Largest difference of a prepared picture from the library's.
SAME = 1e-3


@dataclass(frozen=True)
class Input:
    """What a network takes, as its library describes it: a square of the film with values (x * scale - mean) / std."""

    size: int  # side in pixels
    margins: tuple[int, int]  # pixels before and after it, on each axis, that the library cuts off
    mean: Sequence[float]  # per channel
    std: Sequence[float]
    channels: int = 3
    scale: float = 1.0  # of pixels from 0 to 1

    @property
    def view(self) -> int:
        """The side of the whole view in pixels."""
        return self.size + sum(self.margins)


@dataclass(frozen=True)
class Layout:
    """How a layer's output holds a map of cells: channels first or last, or tokens after others without a place."""

    kind: str  # "first", "last" or "tokens"
    side: int
    prefix: int = 0

    @classmethod
    def of(cls, output: object) -> Layout | None:
        """The layout of a layer's output; None unless it can be a square map of at least 2 x 2 cells."""
        if not isinstance(output, Tensor) or output.ndim not in (3, 4) or output.shape[-1] == 1:
            return None
        if output.ndim == 4:
            rows, columns = output.shape[2:] if output.shape[2] == output.shape[3] else output.shape[1:3]
            kind = "first" if output.shape[2] == output.shape[3] else "last"
            return cls(kind, rows) if rows == columns > 1 else None
        side = math.isqrt(output.shape[1])
        prefix = output.shape[1] - side**2
        return cls("tokens", side, prefix) if side > 1 and prefix <= PREFIX else None

    def cells(self, output: Tensor) -> Tensor:
        """The map (N, C, side, side) in a layer's output."""
        if self.kind == "first":
            return output
        if self.kind == "last":
            return output.permute(0, 3, 1, 2)
        places = output[:, self.prefix :].transpose(1, 2)
        return places.reshape(*places.shape[:2], self.side, self.side)

    def put(self, cells: Tensor, output: Tensor) -> Tensor:
        """A layer's output with this map (N, C, side, side) in place of its own."""
        if self.kind == "first":
            return cells
        if self.kind == "last":
            return cells.permute(0, 2, 3, 1)
        return torch.cat([output[:, : self.prefix], cells.flatten(2).transpose(1, 2)], 1)


#: What a thread does with the output of the layer of the feature map; a network itself is shared by all threads.
_THREAD = threading.local()


def _watched(layer: nn.Module, inputs: Any, output: Any) -> Any:
    """Forward hook of that layer: its output, or the one that the thread wants instead."""
    change = getattr(_THREAD, "change", None)
    return None if change is None else _changed(output, change)


def _changed(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)


@contextmanager
def _changing(change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    _THREAD.change = change
    try:
        yield
    finally:
        _THREAD.change = None


class Foreign(Network):
    """A network of another library.

    Its feature map is the output of the last layer that holds a map of the input and on which alone the logits depend:
    the last convolutions', or, in a transformer whose outputs read the class token alone, that of the last block but
    one. If its mean and a linear layer give the logits, the network is `exact`, and `head` is that layer. BadModel if
    there is no such layer.
    """

    def __init__(self, model: nn.Module, takes: Input, *, exclusive: bool) -> None:
        super().__init__(model, nn.Identity(), model, head=None)  # type: ignore[arg-type]
        self.takes, self.exclusive = takes, exclusive
        self.margins = takes.margins
        self.register_buffer("_mean", torch.tensor(takes.mean, dtype=torch.float32)[:, None, None], persistent=False)
        self.register_buffer("_std", torch.tensor(takes.std, dtype=torch.float32)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)
        x = torch.rand(1, 1, takes.view, takes.view, generator=torch.Generator().manual_seed(0))
        layer, self.layout = self._last_map(x)
        layer.register_forward_hook(_watched)
        head = self._linear(x)
        self.exact = head is not None
        object.__setattr__(self, "head", head)

    _mean: Tensor
    _std: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, L) of images (N, 1, S, S) with values from 0 to 1."""
        seen = slice(self.margins[0], self.margins[0] + self.takes.size)
        x = x[:, :, seen, seen]
        found = self.model((x.expand(-1, self.takes.channels, -1, -1) * self.takes.scale - self._mean) / self._std)
        logits: Tensor = getattr(found, "logits", found)
        return logits

    def early(self, x: Tensor) -> Tensor:
        """Return the images: the layers are not divided."""
        return x

    def after_early(self, y: Tensor) -> Tensor:  # noqa: D102 - as in Network
        return self.forward(y)

    def features(self, x: Tensor) -> Tensor:
        """Return the feature map (N, C, h, w), whose values may be negative."""
        return self.first(x)[0]

    def first(self, x: Tensor) -> tuple[Tensor, Tensor]:  # noqa: D102
        found: list[Tensor] = []

        def keep(output: Tensor) -> Tensor:
            found.append(self.layout.cells(output))
            return output

        with _changing(keep):
            logits = self(x)
        return found[0], logits

    def rest(self, features: Tensor, x: Tensor) -> Tensor:  # noqa: D102
        if self.exact:
            return self.answer(features)
        with _changing(lambda output: self.layout.put(features, output)):
            return self.forward(x.expand(len(features), -1, -1, -1))

    def summed(self, x: Tensor) -> Tensor:  # noqa: D102
        return self.forward(x)

    def weights(self, summed: Tensor) -> Iterator[Tensor]:  # noqa: D102
        return iter(torch.eye(summed.shape[1], device=summed.device)[:, None])

    def _last_map(self, x: Tensor) -> tuple[nn.Module, Layout]:
        """The layer of the feature map, and how its output holds it."""
        for layer, layout in self._maps(x):
            if self._all_passes(layer, x) and self._places_count(layer, layout, x):
                return layer, layout
        raise BadModel(
            f"{type(self.model).__name__} has no layer that holds a map of the film and on which alone its outputs "
            "depend; maps cannot be drawn for it."
        )

    def _maps(self, x: Tensor) -> list[tuple[nn.Module, Layout]]:
        """The layers, from the last one run to the first, that run once and whose output can hold a map."""
        run: list[tuple[nn.Module, Layout | None]] = []

        def note(layer: nn.Module, inputs: Any, output: Any) -> None:
            run.append((layer, Layout.of(output[0] if isinstance(output, tuple) else output)))

        hooks = [layer.register_forward_hook(note) for layer in self.model.modules() if layer is not self.model]
        with torch.no_grad():
            self(x)
        for hook in hooks:
            hook.remove()
        layers = [layer for layer, _ in run]
        return [(layer, layout) for layer, layout in reversed(run) if layout and layers.count(layer) == 1]

    def _all_passes(self, layer: nn.Module, x: Tensor) -> bool:
        """Whether the logits depend on the input through the output of this layer alone."""
        with torch.enable_grad(), _hooked(layer, Tensor.detach):
            return not self(x.clone().requires_grad_()).requires_grad

    def _places_count(self, layer: nn.Module, layout: Layout, x: Tensor) -> bool:
        """Whether the logits depend on the layer's map: not on a class token alone, which later layers only read."""
        leaves: list[Tensor] = []

        def leaf(output: Tensor) -> Tensor:
            leaves.append(output.detach().requires_grad_())
            return leaves[0]

        with torch.enable_grad(), _hooked(layer, leaf):
            logits = self(x)
            weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
            (gradient,) = torch.autograd.grad((logits * weights).sum(), leaves)
        return bool(layout.cells(gradient).any())

    @torch.no_grad()
    def _linear(self, x: Tensor) -> nn.Linear | None:
        """The linear layer that gives the logits for the mean of the feature map, if one does."""
        features, logits = self.first(x)
        pooled = features.mean((2, 3))
        sizes = pooled.shape[1], logits.shape[1]
        linear = [layer for layer in self.model.modules() if isinstance(layer, nn.Linear)]
        for layer in linear:
            if (layer.in_features, layer.out_features) == sizes:
                error = (layer(pooled) - logits).abs().max()
                if error <= ROUNDING * logits.abs().max():
                    return layer
        return None


@contextmanager
def _hooked(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    hook = layer.register_forward_hook(lambda _, inputs, output: _changed(output, change))
    try:
        yield
    finally:
        hook.remove()


def classifier(
    model: nn.Module,
    takes: Input,
    labels: Sequence[str],
    name: str,
    *,
    exclusive: bool,
    library: str,
    described: str,
    licence: str,
) -> Classifier:
    """Wrap a network with its weights; BadModel if its outputs are not the labels, or a label is blank or occurs twice.

    `library` has the version; `described` is a checksum of the model's description.
    """
    network = Foreign(model, takes, exclusive=exclusive)
    outputs = network(torch.zeros(1, 1, takes.view, takes.view)).shape[1]
    if outputs != len(labels):
        raise BadModel(f"{name} has {outputs} outputs for {len(labels)} labels.")
    spec = ModelSpec(
        name=name.partition("@")[0],
        architecture=type(model).__name__,
        arguments={"library": library, "described": described},  # they decide the outputs, and so name cached graphs
        labels=_usual_names(labels),
        size=takes.view,
        trained_on=f"A {library.partition(' ')[0]} model; its authors' card, if any, describes how it was trained.",
        licence=licence,
        pixel_range=(0.0, 1.0),
    )
    model_folder.check(spec)
    return Classifier(spec, network, name)


def agrees(takes: Input, prepare: Callable[[Image], Tensor]) -> bool:
    """Whether a library prepares a picture (view, view) as `takes` says: it may do more than crop and normalise."""
    levels = np.random.RandomState(0).randint(0, 256, (takes.view, takes.view), np.uint8)
    seen = slice(takes.margins[0], takes.margins[0] + takes.size)
    mean, std = (torch.tensor(values, dtype=torch.float32)[:, None, None] for values in (takes.mean, takes.std))
    ours = (torch.from_numpy(levels[seen, seen]) / 255 * takes.scale - mean) / std
    theirs = prepare(fromarray(levels).convert("RGB" if takes.channels == 3 else "L"))
    return theirs.shape == ours.shape and bool((theirs - ours).abs().max() <= SAME)


def _usual_names(labels: Sequence[str]) -> tuple[str, ...]:
    """`usual_name` of each label, unless two would then have the same."""
    usual = tuple(map(usual_name, labels))
    return usual if len(set(usual)) == len(usual) else tuple(labels)


def usual_name(label: str) -> str:
    """A label as torchxrayvision writes it, if it is a finding that it knows; any other label as it is."""
    known = (finding for finding in (*NIH_FINDINGS, *OTHER_FINDINGS) if bare(label) in meant(finding))
    return next(known, label)
