"""What became of each frame of a camera: read, then delivered or replaced by a newer one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maskattn_benchmarks.results import CameraRun


class FrameLedger:
    """Frames by their number in the source; what was never read leaves a gap in the numbers.

    Frames overtake nobody: once one was delivered, those before it that were not never will be.
    """

    def __init__(self) -> None:
        self._captured: dict[int, float] = {}
        self._delivered: dict[int, tuple[float, float]] = {}
        self._newest = -1

    @property
    def delivered_until(self) -> float:
        """When the newest delivered frame was captured; minus infinity before the first."""
        return self._captured.get(self._newest, float("-inf"))

    def add(self, read: Iterable[Sequence[float]], delivered: Iterable[Sequence[float]]) -> None:
        """Enter frames.

        Args:
            read: (number, seconds of the monotonic clock when it was captured) each.
            delivered: (number, age, latency) each, the last two in milliseconds.
        """
        self._captured |= {int(index): captured for index, captured in read}
        for index, age, latency in delivered:
            self._delivered[int(index)] = age, latency
            self._newest = max(self._newest, int(index))

    def run(
        self, began: float, seconds: float, *, source: str, device: str, failure: str
    ) -> CameraRun:
        """The frames captured within `seconds` from `began` whose fate is known.

        Args:
            began: seconds of the monotonic clock.
            seconds: how long.
            source: of the frames.
            device: of the engine.
            failure: why the camera ended early; empty if it did not.
        """
        within = [
            (index, captured - began)
            for index, captured in sorted(self._captured.items())
            if 0 <= captured - began < seconds and index <= self._newest
        ]
        kept = [(at, *self._delivered[index]) for index, at in within if index in self._delivered]
        sent = within[-1][0] - within[0][0] + 1 if within else 0
        return CameraRun(
            source=source, device=device, seconds=seconds, failure=failure,
            captured=len(within), dropped=len(within) - len(kept), missed=sent - len(within),
            at=tuple(round(at, 4) for at, _, _ in kept),
            age=tuple(round(age, 3) for _, age, _ in kept),
            latency=tuple(round(latency, 3) for _, _, latency in kept),
        )  # fmt: skip
