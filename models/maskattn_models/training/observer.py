"""Who watches a run: each method is called as it goes on; the default does nothing."""

from __future__ import annotations

from maskattn_models.training.history import EpochRow


class Observer:
    """Base of those who show progress; override what is of interest."""

    def loading(self, split: str, done: int, total: int) -> None:
        """`done` of the `total` images of a split are in memory."""

    def warned(self, message: str) -> None:
        """Something does not work as it should; the run goes on."""

    def started(self, *, epoch: int, epochs: int, steps: int, device: str) -> None:
        """Training starts after `epoch` epochs of `epochs`, each of `steps` steps."""

    def stepped(self, *, epoch: int, step: int, loss: float, images_per_second: float) -> None:
        """`step` steps of the epoch, counted from 1, are done; not every step is reported."""

    def validated(self, row: EpochRow, *, best: bool) -> None:
        """An epoch is over and saved; `best` if none before had a higher validation mIoU."""
