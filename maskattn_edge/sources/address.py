"""Addresses of network cameras: their parts, and how they are shown without a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.sources.options import Range, parse_options

_LOGIN = re.compile(r"(?<=://)([^/?#]*)@")
_ODD_LOGIN = re.compile(r"(?<=://)(.*)@")  # a password with a bare / in it: rather hide too much
_SECRET = re.compile(r"((?:pass|pwd|password|passwd|token|secret|key|auth)[a-z_]*=)[^&#]+", re.I)

_PORTS = {"rtsp": 554, "http": 80, "https": 443}
_OPTIONS: dict[str, Range | tuple[str, ...]] = {
    "open": Range(0.1, 600.0),
    "read": Range(0.1, 600.0),
    "transport": ("tcp", "udp"),
}


def without_secrets(uri: str) -> str:
    """A URI as it may be shown: without its password, and without keys in its query.

    >>> without_secrets("rtsp://me:top@secret@10.0.0.2/live?pwd=x&channel=1")
    'rtsp://me:***@10.0.0.2/live?pwd=***&channel=1'
    """

    def user_alone(match: re.Match[str]) -> str:
        user, colon, _ = match[1].partition(":")
        return f"{user}:***@" if colon else f"{user}@"

    login = _LOGIN if _LOGIN.search(uri) else _ODD_LOGIN
    return _SECRET.sub(r"\1***", login.sub(user_alone, uri))


@dataclass(frozen=True, kw_only=True, repr=False)
class Address:
    """Where a stream is, and how to get it.

    Args:
        uri: what the server is asked for, without user and password.
        host: name or number.
        port: of TCP.
        target: path and query.
        user: None where nobody signs in.
        password: "" where there is none.
        open_s: within which it must begin.
        read_s: within which the next picture must come.
        transport: tcp or udp; of RTSP alone.
    """

    uri: str
    host: str
    port: int
    target: str
    user: str | None
    password: str
    open_s: float = 5.0
    read_s: float = 3.0
    transport: str = "tcp"

    def __repr__(self) -> str:
        """Without the password, because tracebacks and logs show it."""
        return f"Address({self.shown})"

    @property
    def shown(self) -> str:
        """The address for messages and files, without secrets."""
        return without_secrets(self.uri)

    @staticmethod
    def parse(uri: str) -> Address:
        """Read `rtsp://user:password@host:port/path?query#open=5&read=3&transport=tcp`.

        What follows # never goes to the server: it is ours.

        Raises:
            UsageError: there is no host, or an option is unknown or out of range.
        """
        shown = without_secrets(uri)
        try:
            base, _, fragment = uri.partition("#")
            scheme, rest = base.split("://", 1)
            end = re.search(r"[/?]|$", rest)
            assert end is not None  # the end of the text always matches
            login, at, place = rest[: end.start()].rpartition("@")
            user, _, password = login.partition(":")
            target = rest[end.start() :]
            parts = urlsplit(f"{scheme}://{place}")
            host, port = parts.hostname, parts.port or _PORTS[scheme.lower()]
        except ValueError:
            raise UsageError(
                f"{shown}: not an address: write {scheme}://USER:PASSWORD@HOST:PORT/PATH, and "
                "letters such as / in a password as %2F"
            ) from None  # the cause may quote the password
        if not host:
            raise UsageError(f"{shown}: there is no host: write {scheme}://HOST/PATH")
        values = parse_options(shown, fragment, _OPTIONS)
        return Address(
            uri=f"{scheme}://{place}{target}",
            host=host,
            port=port,
            target=target if target.startswith("/") else f"/{target}",
            user=unquote(user) if at else None,
            password=unquote(password),
            open_s=float(values.get("open", Address.open_s)),
            read_s=float(values.get("read", Address.read_s)),
            transport=str(values.get("transport", Address.transport)),
        )
