"""Who may see the page.

On loopback without a token everybody on this machine may, but only under a loopback name: a
foreign site that points its own name at 127.0.0.1 (DNS rebinding) is refused. With a token, only
who brings it: once in the URL, then in a cookie that no script can read.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from email.message import Message
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from maskattn_edge.contract.errors import UsageError
from maskattn_edge.sinks.web.address import Address, is_loopback

MIN_TOKEN = 8


@dataclass(frozen=True, kw_only=True)
class Access:
    """The token that viewers must bring; None lets in who comes by a loopback name.

    Raises:
        UsageError: the token is too short, or holds what a URL or cookie cannot.
    """

    token: str | None

    def __post_init__(self) -> None:
        if self.token is None:
            return
        plain = self.token.replace("-", "").replace("_", "")
        if len(self.token) < MIN_TOKEN or not (plain.isascii() and plain.isalnum()):
            raise UsageError(
                f"--web-token needs {MIN_TOKEN} or more letters, digits, - and _: leave it out, "
                "and one is made"
            )

    def allows(self, headers: Message, cookie: str) -> bool:
        """Whether a request may be answered; `cookie` is the name of ours."""
        if self.token is None:
            return is_loopback(_hostname(headers.get("Host", "")))
        scheme, _, bearer = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.matches(bearer.strip()):
            return True
        return self.matches(_cookie(headers.get("Cookie", ""), cookie))

    def matches(self, offered: str) -> bool:
        """Compare in a time that does not depend on how much of the token is right."""
        return self.token is not None and hmac.compare_digest(offered.encode(), self.token.encode())


def access_to(address: Address, token: str | None) -> Access:
    """The access for an address: beyond loopback a token is made where none is given.

    Raises:
        UsageError: the token cannot be used.
    """
    if token is None and not address.loopback:
        token = secrets.token_urlsafe(18)
    return Access(token=token)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(header: str, name: str) -> str:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""
