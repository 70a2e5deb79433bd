"""Answers to a server that asks who we are: Basic and Digest, as cameras use them.

Sources: RFC 7617 (Basic), RFC 7616 (Digest; MD5 and SHA-256, `qop=auth` or none).
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Sequence

_PART = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


def authorization(
    challenges: Sequence[str], *, method: str, target: str, user: str, password: str
) -> str | None:
    """The header `Authorization` that answers the strongest of `challenges`.

    Args:
        challenges: values of the headers `WWW-Authenticate`.
        method: of the request.
        target: what is requested, as the request writes it.

    Returns:
        None where none of them is Basic or Digest.
    """
    for challenge in challenges:
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "digest":
            parts = {key.lower(): quoted or bare for key, quoted, bare in _PART.findall(rest)}
            answer = _digest(parts, method, target, user, password)
            if answer is not None:
                return answer
    if any(challenge.partition(" ")[0].lower() == "basic" for challenge in challenges):
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return None


def _digest(
    parts: dict[str, str], method: str, target: str, user: str, password: str
) -> str | None:
    name = parts.get("algorithm", "MD5")
    algorithm = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}.get(name.upper())
    if algorithm is None or "nonce" not in parts:
        return None

    def digest(*texts: str) -> str:
        return algorithm(":".join(texts).encode()).hexdigest()

    realm, nonce = parts.get("realm", ""), parts["nonce"]
    secret, request = digest(user, realm, password), digest(method, target)
    fields = {"username": user, "realm": realm, "nonce": nonce, "uri": target}
    bare = f", algorithm={name}" if "algorithm" in parts else ""
    if "auth" in re.split(r"\s*,\s*", parts.get("qop", "")):
        own = secrets.token_hex(8)
        fields["response"] = digest(secret, nonce, "00000001", own, "auth", request)
        fields["cnonce"] = own
        bare += ", qop=auth, nc=00000001"
    else:
        fields["response"] = digest(secret, nonce, request)
    if "opaque" in parts:
        fields["opaque"] = parts["opaque"]
    return "Digest " + ", ".join(f'{key}="{value}"' for key, value in fields.items()) + bare
