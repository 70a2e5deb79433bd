"""Asks an RTSP server why FFmpeg could not open a stream, which FFmpeg tells nobody.

Source: RFC 2326, sections 10.2 (DESCRIBE) and 7 (status codes).
"""

from __future__ import annotations

import re
import socket

from maskattn_edge._version import __version__
from maskattn_edge.contract.errors import SourceError
from maskattn_edge.sources.address import Address
from maskattn_edge.sources.mjpeg import refused, unreachable
from maskattn_edge.sources.sign_in import authorization

_CONNECT_S = 1.5  # a server that comes back is not to wait for an attempt that began before
_MAX_ANSWER = 64 << 10


def check_reachable(address: Address) -> None:
    """Return if something listens there.

    Raises:
        SourceError: nothing does.
    """
    try:
        _connect(address).close()
    except OSError as error:
        raise unreachable(address, error) from error


def probe(address: Address) -> None:
    """Return if the server describes the stream to us.

    Only to be asked after a failure: GStreamer's server ends a stream whose only client hung up,
    and fails the next client that comes meanwhile.

    Raises:
        SourceRefusedError: it wants another user or password.
        SourceError: it cannot be reached, or has no such stream.
    """
    try:
        with _connect(address) as connection:
            connection.settimeout(address.open_s)
            status, reason, challenges = _describe(connection, address, "", 1)
            if status == 401 and address.user is not None:
                answer = authorization(
                    challenges,
                    method="DESCRIBE",
                    target=address.uri,
                    user=address.user,
                    password=address.password,
                )
                if answer is not None:
                    line = f"Authorization: {answer}\r\n"
                    status, reason, _ = _describe(connection, address, line, 2)
    except (OSError, ValueError) as error:
        raise unreachable(address, error) from error
    if status in (401, 403):
        raise refused(address, f"RTSP {status}")
    if status == 404:
        raise SourceError(
            f"{address.shown}: the server has no such stream (RTSP 404): look up its path"
        )
    if status >= 400:
        raise SourceError(f"{address.shown}: RTSP {status} {reason}")


def _connect(address: Address) -> socket.socket:
    return socket.create_connection((address.host, address.port), min(_CONNECT_S, address.open_s))


def _describe(
    connection: socket.socket, address: Address, header: str, number: int
) -> tuple[int, str, list[str]]:
    request = (
        f"DESCRIBE {address.uri} RTSP/1.0\r\nCSeq: {number}\r\nAccept: application/sdp\r\n"
        f"User-Agent: maskattn-edge/{__version__}\r\n{header}\r\n"
    )
    connection.sendall(request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(4096)
        if not data:
            raise ValueError("the server hung up")
        answer += data
        if len(answer) > _MAX_ANSWER:
            raise ValueError("its answer is too long for RTSP")
    head, _, rest = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    found = re.fullmatch(r"RTSP/\d\.\d (\d{3}) ?(.*)", lines[0])
    if found is None:
        raise ValueError("it does not speak RTSP")
    fields = [line.partition(":") for line in lines[1:]]
    headers = [(name.strip().lower(), value.strip()) for name, _, value in fields]
    _skip_body(connection, int(dict(headers).get("content-length", "0")) - len(rest))
    challenges = [value for name, value in headers if name == "www-authenticate"]
    return int(found[1]), found[2], challenges


def _skip_body(connection: socket.socket, left: int) -> None:
    if left > _MAX_ANSWER:
        raise ValueError("its answer is too long for RTSP")
    while left > 0:
        data = connection.recv(min(left, 4096))
        if not data:
            raise ValueError("the server hung up")
        left -= len(data)
