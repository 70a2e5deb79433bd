"""Motion JPEG over HTTP, as many network cameras and robots offer it."""

from __future__ import annotations

import http.client
import socket
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection

import cv2
import numpy as np

from maskattn_edge._version import __version__
from maskattn_edge.contract.errors import SourceError, SourceRefusedError
from maskattn_edge.frame import Frame
from maskattn_edge.sources.address import Address
from maskattn_edge.sources.losses import Losses
from maskattn_edge.sources.multipart import Parts, boundary_of
from maskattn_edge.sources.quiet import silence_opencv
from maskattn_edge.sources.reopening import ReopeningSource
from maskattn_edge.sources.sign_in import authorization
from maskattn_edge.sources.source import Source

_CHUNK = 1 << 16


def open_mjpeg(uri: str) -> Source:
    """Open `http://user:password@host/path.mjpeg#open=5&read=3`, again after each loss.

    Raises:
        UsageError: it is no address, or an option is wrong.
        SourceError: it cannot be reached, or gives no Motion JPEG.
    """
    address = Address.parse(uri)
    return ReopeningSource(lambda: MjpegSource(address))


class MjpegSource(Source):
    """One connection to a server; it ends when the connection does.

    Pictures that came incomplete are left out and counted.

    Raises:
        SourceRefusedError: it wants another user or password.
        SourceError: it cannot be reached, or gives no Motion JPEG.
    """

    live = True

    def __init__(self, address: Address) -> None:
        silence_opencv()
        self._address, self._index = address, 0
        self._connection, self._socket, self._response = _connect(address)
        boundary = boundary_of(self._response.headers.get("Content-Type", ""))
        if boundary is None:
            kind = self._response.headers.get("Content-Type", "something unnamed")
            self.close()
            raise SourceError(
                f"{address.shown}: gives {kind}, not Motion JPEG (multipart/x-mixed-replace): "
                "look up the camera's address for MJPEG, or use its rtsp:// address"
            )
        self._socket.settimeout(address.read_s)
        self._parts = Parts(boundary)
        self._ready: list[bytes] = []
        self._undecodable = 0

    def read(self) -> Frame | None:
        """The next whole picture.

        Raises:
            SourceError: the connection ended, or no whole picture came in time.
        """
        deadline = time.monotonic() + self._address.read_s
        while True:
            while not self._ready:
                if time.monotonic() > deadline:
                    raise self._silent()
                self._receive()
            captured = time.monotonic()
            data = np.frombuffer(self._ready.pop(0), np.uint8)
            with suppress(cv2.error):  # a picture larger than OpenCV's bound
                image = cv2.imdecode(data, cv2.IMREAD_COLOR)
                if image is not None:
                    self._index += 1
                    return Frame(
                        image_bgr=np.asarray(image, dtype=np.uint8),
                        captured=captured,
                        index=self._index - 1,
                    )
            self._undecodable += 1

    def _receive(self) -> None:
        try:
            data = self._response.read1(_CHUNK)
            self._ready.extend(self._parts.feed(data))
        except TimeoutError as error:
            raise self._silent() from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            data, reason = b"", str(error) or type(error).__name__
        else:
            reason = "the server ended the stream"
        if not data:
            self._undecodable += self._parts.started
            raise SourceError(f"{self._address.shown}: {reason}")

    def _silent(self) -> SourceError:
        return SourceError(
            f"{self._address.shown}: no whole picture for {self._address.read_s:g} s"
        )

    def losses(self) -> Losses:
        """The pictures that came incomplete."""
        return Losses(broken_frames=self._parts.broken + self._undecodable)

    def describe(self) -> str:
        """The address."""
        return f"{self._address.shown}, Motion JPEG"

    def interrupt(self) -> None:
        """Cut the connection, for which `read` may be waiting."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Hang up."""
        self._response.close()
        self._connection.close()


_Opened = tuple[HTTPConnection, socket.socket, HTTPResponse]


def _connect(address: Address) -> _Opened:
    connection, sock, response = _request(address, {})
    if response.status == 401 and address.user is not None:
        answer = authorization(
            response.headers.get_all("WWW-Authenticate", []),
            method="GET",
            target=address.target,
            user=address.user,
            password=address.password,
        )
        if answer is not None:
            response.close()
            connection.close()
            connection, sock, response = _request(address, {"Authorization": answer})
    if response.status == 200:
        return connection, sock, response
    response.close()
    connection.close()
    if response.status in (401, 403):
        raise refused(address, f"HTTP {response.status}")
    where = response.headers.get("Location")
    hint = f": it moved to {where.split('@')[-1]}" if where else ""
    raise SourceError(f"{address.shown}: HTTP {response.status} {response.reason}{hint}")


def _request(address: Address, headers: dict[str, str]) -> _Opened:
    secure = address.uri.lower().startswith("https:")
    make = HTTPSConnection if secure else HTTPConnection
    connection = make(address.host, address.port, timeout=address.open_s)
    agent = {"User-Agent": f"maskattn-edge/{__version__}", "Accept": "multipart/*, image/jpeg"}
    try:
        connection.request("GET", address.target, headers={**agent, **headers})
        sock = connection.sock  # the connection may forget it once it has the response
        return connection, sock, connection.getresponse()
    except (OSError, ValueError, http.client.HTTPException) as error:
        connection.close()
        raise unreachable(address, error) from error


def unreachable(address: Address, error: Exception) -> SourceError:
    """The error of a server that does not answer as it should, in one line."""
    if isinstance(error, TimeoutError):
        reason = f"no answer within {address.open_s:g} s"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    else:
        reason = str(error) or type(error).__name__
    return SourceError(
        f"{address.shown}: cannot be opened ({reason}): is the camera on, and the address right?"
    )


def refused(address: Address, answer: str) -> SourceRefusedError:
    """The error of a server that wants another user or password, in one line."""
    given = "it wants a user and a password" if address.user is None else (
        f"wrong user or password (user {address.user})"
    )  # fmt: skip
    scheme = address.uri.partition("://")[0]
    return SourceRefusedError(
        f"{address.shown}: {given}: give {scheme}://USER:PASSWORD@{address.host}/... ({answer})"
    )
