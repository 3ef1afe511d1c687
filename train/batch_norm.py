"""Batch normalisation over the films of all processes, so that a training divided among them learns the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation with the mean and variance of a batch that processes share.

    Like torch's SyncBatchNorm, which works on GPUs alone and replaces layers, which a Network holds in two places.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (n, C, h, w) by the statistics of all processes' batches, or in evaluation by the running ones."""
        if not self.training:
            return super().forward(x)
        wide = x.to(self.weight.dtype)  # bfloat16 is too coarse for statistics
        number = wide.new_full((1,), len(x) * x.shape[2] * x.shape[3])
        total = _sum(torch.cat([wide.sum((0, 2, 3)), number]))
        count = total[-1]
        mean = total[:-1] / count
        centred = wide - mean[:, None, None]
        variance = _sum(centred.square().sum((0, 2, 3))) / count
        self._follow(mean.detach(), (variance * count / (count - 1)).detach())
        out = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        scaled: Tensor = out * self.weight[:, None, None] + self.bias[:, None, None]
        return scaled.to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics (C) towards those of a batch."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all processes; its gradient is the sum of all processes' gradients."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """The sum, the same in all processes."""
        total = x.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """The sum of the gradients."""
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


def _sum(x: Tensor) -> Tensor:
    found: Tensor = _Sum.apply(x)
    return found


def share(network: nn.Module) -> None:
    """Turn the batch norms of a network into global ones, in place."""
    for layer in network.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = GlobalBatchNorm2d


def part(network: nn.Module) -> None:
    """Turn the global batch norms of a network back into torch's own, in place."""
    for layer in network.modules():
        if type(layer) is GlobalBatchNorm2d:
            layer.__class__ = nn.BatchNorm2d  # type: ignore[assignment]
