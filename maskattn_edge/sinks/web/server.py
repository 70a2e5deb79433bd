"""The HTTP server behind the page: a bounded number of threads, each for one connection.

    GET /                 the page
    GET /run              figures, last minute and model, as JSON
    GET /frame?after=N    the newest record (`record.py`) but number N; 204 after 10 s without

A viewer asks for each frame, so nothing ever queues for one that is slow: it gets the newest
frame when it asks again. One that does not read what it asked for is dropped after 5 s.
"""

from __future__ import annotations

import errno
import hashlib
import logging
import re
import socket
import sys
import threading
import time
from base64 import b64encode
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from maskattn_edge.contract.errors import SinkError
from maskattn_edge.sinks.web.access import Access
from maskattn_edge.sinks.web.address import Address
from maskattn_edge.sinks.web.state import State

MAX_CONNECTIONS = 64
SEND_S = 5.0
"""A viewer must have taken an answer within this time."""

WAIT_S = 10.0
"""A request for a frame waits so long for one."""

_SEND_BUFFER = 128 * 1024  # about two frames: what the kernel holds for a viewer that is slow
_log = logging.getLogger(__name__)


class Server(ThreadingHTTPServer):
    """Serves `state` at `address` to those whom `access` allows.

    Raises:
        SinkError: the address cannot be listened on.
    """

    daemon_threads = True
    block_on_close = False  # a viewer must not hold up the end of a run
    request_queue_size = 32

    def __init__(self, address: Address, access: Access, state: State) -> None:
        self.access, self.state = access, state
        self._room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        try:
            self.address_family, where = _resolve(address)
            super().__init__(where, _Handler)
        except OSError as error:
            raise _cannot_listen(address, error) from error
        self.port = int(self.server_address[1])
        self.cookie = f"maskattn_edge_{self.port}"  # cookies do not tell ports apart

    def server_bind(self) -> None:
        """Bind without asking DNS for this machine's name, which can take seconds on a robot."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Give the connection a thread, or close it where there are too many."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """A viewer that went is no error; others are one line, and never end the run."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            _log.error("live page: %s: %s", type(error).__name__, error)


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "maskattn-edge", ""
    timeout = 15  # between two requests
    _routes: ClassVar[dict[str, str]] = {"/": "_page", "/run": "_run", "/frame": "_frame"}

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().setup()

    def do_GET(self) -> None:
        try:
            url = urlsplit(self.path)
            query = parse_qs(url.query)
        except ValueError:
            return self._say(400, "this is no address of the page")
        access = self.server.access
        if url.path == "/" and access.matches(query.get("token", [""])[0]):
            return self._let_in()
        if not access.allows(self.headers, self.server.cookie):
            return self._refuse()
        route = self._routes.get(url.path)
        if route is None:
            return self._say(404, "there is nothing here; the page is at /")
        return getattr(self, route)(query)  # type: ignore[no-any-return]

    def _let_in(self) -> None:
        """Keep the token in a cookie, so that it stays neither in the URL nor in the history."""
        token = self.server.access.token
        cookie = f"{self.server.cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
        self._send(303, b"", "text/plain", {"Location": "./", "Set-Cookie": cookie})

    def _refuse(self) -> None:
        if self.server.access.token is None:
            self._say(403, "open this page as http://127.0.0.1 or http://localhost")
        else:
            self._say(401, "the token is missing or wrong: open the URL that the run printed")

    def _page(self, query: dict[str, list[str]]) -> None:
        html, policy = page()
        self._send(200, html, "text/html; charset=utf-8", {"Content-Security-Policy": policy})

    def _run(self, query: dict[str, list[str]]) -> None:
        self._send(200, self.server.state.run_json(), "application/json")

    def _frame(self, query: dict[str, list[str]]) -> None:
        after = query.get("after", ["0"])[0]
        if not after.isdecimal() or len(after) > 15:
            return self._say(400, "after must be a frame's number")
        state = self.server.state
        record = state.newest.take(int(after), WAIT_S)
        if record is not None:
            data = record.to_bytes(time.monotonic())
            return self._send(200, data, "application/octet-stream")
        if state.newest.closed:
            return self._say(410, "the run has ended")
        return self._send(204, b"", None)

    def _say(self, code: int, text: str) -> None:
        self._send(code, text.encode() + b"\n", "text/plain; charset=utf-8")

    def _send(
        self, code: int, body: bytes, kind: str | None, extra: dict[str, str] | None = None
    ) -> None:
        self.send_response(code)
        headers = {
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            **(extra or {}),
        }
        if kind is not None:
            headers |= {"Content-Type": kind, "Content-Length": str(len(body))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.connection.settimeout(SEND_S)
        self.end_headers()
        self.wfile.write(body)
        self.connection.settimeout(self.timeout)

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: a page asks 15 times a second."""


@lru_cache
def page() -> tuple[bytes, str]:
    """The page, and the policy that lets it run its own script and nothing else."""
    html = resources.files("maskattn_edge.sinks.web").joinpath("page.html").read_bytes()
    sources = {
        tag: b64encode(hashlib.sha256(_inside(tag, html)).digest()).decode()
        for tag in ("script", "style")
    }
    return html, (
        f"default-src 'none'; script-src 'sha256-{sources['script']}'; "
        f"style-src 'sha256-{sources['style']}'; img-src blob: data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _inside(tag: str, html: bytes) -> bytes:
    found = re.search(rf"<{tag}>(.*?)</{tag}>".encode(), html, re.DOTALL)
    assert found is not None
    return found[1]


def _resolve(address: Address) -> tuple[socket.AddressFamily, Any]:
    found = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    return found[0][0], found[0][4]


def _cannot_listen(address: Address, error: OSError) -> SinkError:
    if error.errno == errno.EADDRINUSE:
        return SinkError(
            f"--web {address}: the port is in use: end the other program, or give another port"
        )
    if error.errno == errno.EACCES:
        return SinkError(f"--web {address}: ports below 1024 need rights: give a higher one")
    reason = error.strerror or str(error)
    return SinkError(f"--web {address}: cannot be listened on ({reason}): give another address")
