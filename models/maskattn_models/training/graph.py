"""A training step as one CUDA graph: a single launch in place of a thousand.

Source: "Whole-network capture" in PyTorch's notes on CUDA graphs,
docs.pytorch.org/docs/stable/notes/cuda.html.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from maskattn_models.training.ranks import Ranks
from maskattn_models.training.step import TrainingStep

_WARMUP_STEPS = 3
"""Before a capture libraries choose their kernels and the optimizer makes its state."""


class Snapshot:
    """All that a step changes, so that steps may be tried and undone in place.

    Tensors keep their addresses, which a graph remembers. What the optimizer makes after the
    snapshot was taken is set to zero, which is how AdamW begins.
    """

    def __init__(self, step: TrainingStep) -> None:
        self._step = step
        self._tensors = [
            (value, value.detach().clone())
            for value in (*step.state.tensors(), step.losses, step.position)
        ]
        self._optimizer = {
            id(value): (value, value.clone()) for value in _optimizer_tensors(step.state.optimizer)
        }
        self._random = step.state.random()

    @torch.no_grad()
    def restore(self) -> None:
        """Undo all that happened since; gradients are dropped."""
        for value, kept in (*self._tensors, *self._optimizer.values()):
            value.copy_(kept)
        for value in _optimizer_tensors(self._step.state.optimizer):
            if id(value) not in self._optimizer:
                value.zero_()
        self._step.state.optimizer.zero_grad(set_to_none=True)
        self._step.state.set_random(self._random)


def warm_up(step: TrainingStep) -> None:
    """Run steps that leave no trace, apart from what is allocated."""
    kept = Snapshot(step)
    try:
        for _ in range(_WARMUP_STEPS):
            step()
    finally:
        kept.restore()


def launcher(
    step: TrainingStep, *, graph: bool, ranks: Ranks, warn: Callable[[str], None]
) -> Callable[[], object]:
    """What runs the step: the replay of a graph on CUDA, else the step itself.

    Args:
        step: not run yet, or between two epochs; it is left as it was.
        graph: whether to try; never done on the CPU.
        ranks: all replay a graph, or none does.
        warn: told once, with the reason, if the capture fails and the step runs without it.
    """
    if not graph or step.state.device.type != "cuda":
        return step
    reason, replay = "", None
    try:
        replay = _capture(step, ranks)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
    reasons = [text for text in ranks.gather(reason) if text]
    if replay is None or reasons:
        warn(
            f"the training step cannot be captured in a CUDA graph ({reasons[0]}); it runs "
            "without, more slowly; --no-graph leaves the attempt out"
        )
        return step
    return replay


def _capture(step: TrainingStep, ranks: Ranks) -> Callable[[], None]:
    state = step.state
    # The same stream for warm-up and capture: autograd's nodes remember the stream they met.
    side = torch.cuda.Stream(state.device)  # type: ignore[no-untyped-call]
    main = torch.cuda.current_stream(state.device)
    side.wait_stream(main)
    with torch.cuda.stream(side):
        warm_up(step)
    main.wait_stream(side)
    random, captured = state.random(), torch.cuda.CUDAGraph()
    # NCCL watches its work from a thread of its own, whose queries "global" would refuse.
    mode = "global" if ranks.world == 1 else "thread_local"
    try:
        captured.register_generator_state(state.generator)
        with torch.cuda.graph(captured, stream=side, capture_error_mode=mode):
            step()  # recorded, not run: it changes nothing
    except RuntimeError:
        state.optimizer.zero_grad(set_to_none=True)
        state.set_random(random, fresh=True)
        raise
    return captured.replay


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    states = optimizer.state.values()
    return [value for state in states for value in state.values() if isinstance(value, Tensor)]
