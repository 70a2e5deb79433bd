"""The sink that serves the live page."""

from __future__ import annotations

import socket
import threading

from maskattn_edge.frame import Frame
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.sinks.sink import Sink
from maskattn_edge.sinks.web.access import access_to
from maskattn_edge.sinks.web.address import Address
from maskattn_edge.sinks.web.server import Server
from maskattn_edge.sinks.web.state import State


class WebSink(Sink):
    """Serves a page with the newest frame and the run's figures, from threads of its own.

    Writing only leaves the frame there: pictures are encoded while somebody watches, at most 15
    a second, by the thread of a viewer.

    Args:
        address: where to listen; port 0 takes a free one.
        token: what viewers must bring; where it is None, one is made unless `address` is
            loopback.
        opacity: of the colours, as the page opens.

    Raises:
        UsageError: the token cannot be used.
        SinkError: the address cannot be listened on.
    """

    observes = True

    def __init__(
        self, address: Address | None = None, *, token: str | None = None, opacity: float = 0.5
    ) -> None:
        address = address or Address()
        access = access_to(address, token)
        self._state = State(opacity=opacity)
        self._server = Server(address, access, self._state)
        served = Address(host=address.host, port=self._server.port)
        self.name = f"live page at {served}"
        host = _reachable_name() if served.host in ("0.0.0.0", "::") else served.host
        self.url = f"http://{Address(host=host, port=served.port)}/"
        if access.token is not None:
            self.url += f"?token={access.token}"
        self.notice = f"live page: {self.url}"
        self._thread: threading.Thread | None = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="live page", daemon=True
        )
        self._thread.start()

    def write(self, frame: Frame, segmentation: Segmentation) -> None:
        """Show a newer frame."""
        self._state.put(frame, segmentation)

    def observe(self, figures: dict[str, object]) -> None:
        """Show how the run stands."""
        self._state.observe(figures)

    @property
    def encoded(self) -> int:
        """Frames that were encoded because somebody watched."""
        return self._state.newest.encoded

    def close(self) -> None:
        """Stop serving; viewers learn that the run has ended."""
        if self._thread is None:
            return
        self._state.newest.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._thread = None


def _reachable_name() -> str:
    """The address that this machine has in its network, for a viewer elsewhere.

    Connecting a datagram socket sends nothing; it only asks for the route.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1: an address that is nobody's
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
