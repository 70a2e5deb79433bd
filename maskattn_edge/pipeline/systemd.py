"""What systemd wants to know of a service: ready, alive, stopping.

Protocol: sd_notify(3); freedesktop.org/software/systemd/man/latest/sd_notify.html.
"""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from maskattn_edge.closing import Closing
from maskattn_edge.pipeline.observer import Observer
from maskattn_edge.pipeline.stats import Stats


class SystemdNotifier(Observer, Closing):
    """Tells systemd READY, WATCHDOG, STATUS and STOPPING.

    The watchdog is fed by the engine's thread: an engine or an output that hangs starves it, and
    systemd restarts the service. A camera that gives nothing does not.

    Args:
        address: of the socket; one that begins with @ is abstract.
        watchdog_s: a sign of life is due within so many seconds; None sends none.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        address: str,
        *,
        watchdog_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._period_s = math.inf if watchdog_s is None else watchdog_s / 2
        self._clock, self._fed = clock, -math.inf
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)  # a manager that does not listen holds nobody up

    @staticmethod
    def from_environment(environment: Mapping[str, str]) -> SystemdNotifier | None:
        """As the variables that systemd sets say; None where this is no service."""
        address = environment.get("NOTIFY_SOCKET", "")
        if address[:1] not in ("/", "@"):
            return None
        wanted = environment.get("WATCHDOG_USEC", "")
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        seconds = int(wanted) / 1e6 if wanted.isdecimal() and int(wanted) > 0 and ours else None
        return SystemdNotifier(address, watchdog_s=seconds)

    def ready(self) -> None:
        """The service has started."""
        self._send("READY=1")

    def alive(self) -> None:
        """Feed the watchdog where it is due."""
        if self._period_s < math.inf and self._clock() - self._fed >= self._period_s:
            self._fed = self._clock()
            self._send("WATCHDOG=1")

    def stats(self, stats: Stats) -> None:
        """The line that `systemctl status` shows."""
        age = stats.age_ms.p50
        self._send(
            f"STATUS={stats.processed} frames, {stats.fps:.1f}/s, age {age:.0f} ms, "
            f"{stats.dropped} dropped"
        )

    def stopping(self) -> None:
        """The service ends on its own or because it was told to."""
        self._send("STOPPING=1")

    def _send(self, state: str) -> None:
        with suppress(OSError):  # a manager that is gone is no reason to stop
            self._socket.sendto(state.encode(), self._address)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
