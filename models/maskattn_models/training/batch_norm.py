"""Batch norm over the batches of all ranks together, so that their number changes no result.

Source: Ioffe and Szegedy, arxiv.org/abs/1502.03167; over several devices, Peng et al.,
arxiv.org/abs/1711.07240.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from maskattn_models.training.ranks import Ranks


def share_batch_norms(network: nn.Module, ranks: Ranks, device: torch.device) -> None:
    """Let the batch norms of `network` see all ranks' batches; weights stay the same tensors.

    PyTorch's own `SyncBatchNorm` has fused kernels, which a CUDA graph may hold, but none for
    the CPU.
    """
    if ranks.world == 1:
        return
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return
    for parent in list(network.modules()):
        for name, norm in parent.named_children():
            if type(norm) is nn.BatchNorm2d:
                setattr(parent, name, _shared(norm, ranks.world))


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch norm of a (B, C, H, W) that is one of `world` batches of the same shape."""

    world: int = 1

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x by the statistics of all ranks in training, else by the running ones."""
        if not self.training:
            return super().forward(x)
        count = self.world * x.numel() // x.shape[1]
        values = x.float()
        mean = _over_ranks(values.sum((0, 2, 3), keepdim=True)) / count
        centred = values - mean
        variance = _over_ranks(centred.square().sum((0, 2, 3), keepdim=True)) / count
        self._follow(mean.detach().flatten(), variance.detach().flatten() * count / (count - 1))
        scale = self.weight.view(1, -1, 1, 1) * (variance + self.eps).rsqrt()
        return (centred * scale + self.bias.view(1, -1, 1, 1)).to(x.dtype)

    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked.add_(1)


def _shared(norm: nn.BatchNorm2d, world: int) -> SharedBatchNorm:
    shared = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum).train(norm.training)
    shared.world = world
    shared.weight, shared.bias = norm.weight, norm.bias
    shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
    shared.num_batches_tracked = norm.num_batches_tracked
    return shared


class _SumOverRanks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:  # noqa: ANN401 - PyTorch's own, untyped
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        # Each rank's loss depends on the sum, so that its gradient is the sum of theirs.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total


def _over_ranks(x: Tensor) -> Tensor:
    total: Tensor = _SumOverRanks.apply(x)
    return total
