"""Where the page is served: HOST:PORT as people write it."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from maskattn_edge.contract.errors import UsageError

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 8765
DEFAULT_ADDRESS = f"{DEFAULT_HOST}:{DEFAULT_PORT}"

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A host's name or address, without brackets, and a port; port 0 takes a free one."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        """As in a URL, with brackets around an IPv6 address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read `HOST:PORT`, `HOST`, `PORT`, or `[IPv6]:PORT`.

    Raises:
        UsageError: it is none of these.

    >>> parse_address("0.0.0.0:80")
    Address(host='0.0.0.0', port=80)
    """
    if text.isdecimal():
        host, port = DEFAULT_HOST, text
    elif text.startswith("["):
        host, _, port = text[1:].partition("]")
        host, port = host if _is_ip(host) and "]" in text else "", port.removeprefix(":")
    else:
        host, _, port = text.partition(":")
    port = port or str(DEFAULT_PORT)
    known = _is_ip(host) or _NAME.fullmatch(host)
    if not known or not port.isdecimal() or int(port) > 65535 or text.endswith(":"):
        raise UsageError(
            f"--web {text}: not HOST:PORT; write for example 127.0.0.1:8765, 8080, 0.0.0.0:8765 "
            "or [::1]:8765"
        )
    return Address(host=host, port=int(port))


def is_loopback(host: str) -> bool:
    """Whether a host without brackets is this machine alone."""
    return ipaddress.ip_address(host).is_loopback if _is_ip(host) else host == "localhost"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
