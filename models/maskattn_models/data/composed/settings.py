"""How a composed set is made."""

from __future__ import annotations

from dataclasses import dataclass

from maskattn_edge.contract.errors import UsageError
from maskattn_models.data.generation import check_numbers, shares


@dataclass(frozen=True, kw_only=True)
class CompositionSettings:
    """What decides the files, beside the sources.

    Args:
        images: how many in all splits together, 10 or more.
        seed: 0 or more; another seed gives other pictures.
        grouped: objects have COCO's super-categories as classes instead of their own.
        least: distinct objects in `train` that a class needs; in `val` and `test` it needs a
            quarter of that each. Other classes are left out.
        keep_splits: where the photographs have no `test`, their `val` is halved. Otherwise they
            are shared out anew, so that each split has objects of each class.

    Raises:
        UsageError: a number is out of range.
    """

    images: int
    seed: int = 0
    grouped: bool = True
    least: int = 8
    keep_splits: bool = False

    def __post_init__(self) -> None:
        shares(self.images)
        check_numbers(self.seed, None)
        if self.least < 1:
            raise UsageError(f"a class needs 1 object or more, got {self.least}")

    @property
    def counts(self) -> dict[str, int]:
        """Images by split."""
        return shares(self.images)

    @property
    def needed(self) -> dict[str, int]:
        """Distinct objects that a class needs, by split."""
        held_out = max(1, self.least // 4)
        return {"train": self.least, "val": held_out, "test": held_out}
