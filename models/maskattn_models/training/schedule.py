"""Learning rate and averaging over the steps of a run, as functions of a step in a tensor.

Source: cosine decay, Loshchilov and Hutter, arxiv.org/abs/1608.03983; linear warm-up, Goyal et
al., arxiv.org/abs/1706.02677.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def learning_rate(step: Tensor, *, peak: float, warmup_steps: int, total_steps: int) -> Tensor:
    """Learning rate of a step: a line up to `peak`, then half a cosine down to zero.

    Args:
        step: () steps done before, 0 to `total_steps` - 1.
        peak: reached when `warmup_steps` are done.
        warmup_steps: 0 or more.
        total_steps: of the whole run.

    Returns:
        () float32, above zero.
    """
    done = step.to(torch.float32)
    rising = (done + 1) / max(1, warmup_steps)
    falling = (done - warmup_steps) / max(1, total_steps - warmup_steps)
    cosine = 0.5 * (1 + torch.cos(math.pi * falling.clamp(0, 1)))
    return peak * torch.where(done < warmup_steps, rising, cosine)


def ema_decay(step: Tensor, *, decay: float) -> Tensor:
    """Share of the averaged weights that a step keeps: small at first, `decay` in the end.

    The first weights are random and must be forgotten soon: (1 + step) / (10 + step) averages
    over about the last tenth of the steps so far.

    Args:
        step: () steps done before.
        decay: upper bound.

    Returns:
        () float32 in [0, 1).
    """
    done = step.to(torch.float32)
    return ((1 + done) / (10 + done)).clamp(max=decay)
