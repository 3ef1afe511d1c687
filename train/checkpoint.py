"""Checkpoint of a training: one safetensors file with numbers as JSON metadata, replaced atomically."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from cxr_demo.errors import DataError
from cxr_demo.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor


def write(path: Path, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> None:
    """Write a checkpoint; an interrupted write leaves the previous one unchanged.

    Tensors are copied to the CPU; `numbers` must be serialisable as JSON.
    """
    data = save({n: t.detach().cpu().contiguous() for n, t in tensors.items()}, {"numbers": json.dumps(numbers)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, data)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and numbers of a checkpoint; DataError if the file is damaged."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["numbers"])  # noqa: SIM118
    except (SafetensorError, TypeError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no checkpoint of a training: {error}. Delete it to begin anew.") from None


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of AdamW as tensors named `optimiser.<index of the parameter>.<key>`."""
    state = optimiser.state_dict()["state"]
    return {f"optimiser.{i}.{key}": tensor for i, values in state.items() for key, tensor in values.items()}


def load_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the state from `optimiser_tensors` into an optimiser of the same parameters in the same order."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = _laid_out(tensor)
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, by the rest of the name."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


def _laid_out(tensor: Tensor) -> Tensor:
    """The tensor in the memory layout of its parameter: channels last for convolutions."""
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
