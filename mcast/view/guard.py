"""Who may see the view: checked for each request."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted.web.server import Request

COOKIE = b"mcast-view"
"""Remembers that a browser has shown the token, by a hash of it."""

TOKEN_LENGTH = 16
"""Characters of a token at least. Our choice: 16 random ones cannot be guessed over a network."""

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"geolocation=(), camera=(), microphone=()"),
    (b"cache-control", b"no-store"),
)
"""Are in every response. Scripts and styles are files of ours, and nothing is fetched from elsewhere."""


class Guard:
    """Decides about requests.

    :param token: whoever shows it may come from anywhere; without one only this host is served.
    :param hosts: further names in the Host header, beside ``localhost`` and all addresses.
    :raises ValueError: the token is too short.
    """

    def __init__(self, token: str | None, hosts: Iterable[str]) -> None:
        if token is not None and len(token) < TOKEN_LENGTH:
            raise ValueError(f"a token has at least {TOKEN_LENGTH} characters")
        self._token = None if token is None else token.encode("utf-8")
        self._cookie = b"" if token is None else sha256(b"mcast view " + token.encode()).hexdigest().encode()
        self._hosts = frozenset(["localhost", *(each.lower().rstrip(".") for each in hosts)])

    def refusal(self, request: Request) -> str | None:
        """Return why a request is not served, in a line; None when it is.

        A token in the query is remembered by a cookie, which the caller sends by `remember`.
        """
        host = _host_of(request)
        if host is None or not _is_known(host, self._hosts):
            # A page elsewhere that has its name resolve to this host (DNS rebinding) has its own name here.
            return "this is not a name of this host: use its address, or allow the name by --host"
        if self._token is None:
            if not _is_local(request):
                return "only this host itself is served without a token"
            return None
        if self.is_remembered(request) or self.is_shown(request):
            return None
        return "a token is needed: add ?token=… to the address"

    def is_shown(self, request: Request) -> bool:
        """Whether the request has the token in its query or as a bearer (RFC 6750 §2.1)."""
        scheme, _, bearer = (request.getHeader(b"authorization") or b"").partition(b" ")
        shown = [*(request.args or {}).get(b"token", [])[:1]]
        if scheme.lower() == b"bearer":
            shown.append(bearer.strip())
        return self._token is not None and any(hmac.compare_digest(each, self._token) for each in shown)

    def is_remembered(self, request: Request) -> bool:
        """Whether the request has the cookie."""
        cookie = request.getCookie(COOKIE)
        return cookie is not None and hmac.compare_digest(cookie, self._cookie)

    def remember(self, request: Request) -> None:
        """Set the cookie."""
        secure = request.isSecure()
        request.addCookie(COOKIE, self._cookie, path=b"/", httpOnly=True, sameSite=b"strict", secure=secure)


def is_same_origin(request: Request) -> bool:
    """Whether a request that does something comes from our page, and from no other one."""
    if request.getHeader(b"x-mcast-view") is None:  # which a page elsewhere cannot set without being asked
        return False
    origin = request.getHeader(b"origin")
    return origin is None or origin.partition(b"://")[2] == request.getHeader(b"host")


_HOST = re.compile(rb"(?:\[([^][]+)\]|([^][:@,/ ]+))(?::[0-9]*)?")
"""A Host header (RFC 9110 §7.2): an address in brackets, or a name; and a port."""


def _host_of(request: Request) -> str | None:
    """Return the name or address in the Host header; None for one that is none, and for several."""
    headers = request.requestHeaders.getRawHeaders(b"host", [])
    match = _HOST.fullmatch(headers[0]) if len(headers) == 1 else None
    if match is None:
        return None
    return (match[1] or match[2]).decode("ascii", "replace").lower().rstrip(".") or None


def _address_of(text: str) -> IPv4Address | IPv6Address | None:
    try:
        # A zone is of IPv6 alone: 127.0.0.1%x is a name.
        return ip_address(text.partition("%")[0] if ":" in text else text)
    except ValueError:
        return None


def _is_local(request: Request) -> bool:
    """Whether a request came to an address that only this host can reach."""
    local = getattr(request.getHost(), "host", None)
    if local is None:  # a UNIX socket
        return True
    address = _address_of(local)
    mapped = getattr(address, "ipv4_mapped", None)
    return address is not None and (mapped or address).is_loopback


def _is_known(host: str, hosts: frozenset[str]) -> bool:
    return host in hosts or _address_of(host) is not None
