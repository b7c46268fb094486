r"""The syntax of ``mdns:`` endpoint strings.

    mdns:TYPE:endpoint=INNER[:name=…][:txt=…][:subtype=…][:interface=…][:hostname=…]      to serve
    mdns:TYPE[:name=…][:subtype=…][:domain=…][:server=…][:timeout=…][:pick=…]             to connect

Twisted divides the string at the colons, and removes one backslash before ``:``, ``=`` and ``\``. A key can
occur only once, so ``txt``, ``subtype`` and ``interface`` hold lists with commas in between. A comma that
belongs to an item has a backslash before it; that is two in the string, since Twisted removes one:
``txt=path=/,tags=a\\,b``.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IStreamClientEndpoint, IStreamServerEndpoint

from mcast.dns.names import LOCAL
from mcast.dnssd.hosts import checked_host_label
from mcast.dnssd.service import Service
from mcast.dnssd.text import TextValue
from mcast.dnssd.types import ServiceType, parse_types
from mcast.endpoints.client import CONNECT_TIMEOUT, ConnectOptions, Pick, ServiceClientEndpoint
from mcast.endpoints.server import ServiceServerEndpoint
from mcast.errors import InvalidService
from mcast.showing import shown

SERVER_KEYS = ("name", "endpoint", "txt", "subtype", "interface", "hostname")
CLIENT_KEYS = ("name", "subtype", "domain", "server", "timeout", "pick")

CALLERS = 6
"""How far up Twisted's parser of strings is looked for. Our choice: it is two or three calls away."""


def parse_server(reactor: Any, arguments: Sequence[str], options: Mapping[str, str]) -> IStreamServerEndpoint:
    """Return the endpoint that a server string describes, as Twisted has divided it.

    :raises ValueError: naming the part that is wrong, in one line.
    """
    service_type, subtypes = _type(arguments)
    _check_keys(options, SERVER_KEYS)
    if not options.get("endpoint"):
        raise _fault(r"endpoint=… is missing: where to listen, such as endpoint=tcp\:8080")
    try:
        service = Service(
            options.get("name"),
            service_type,
            0,
            txt=[_attribute(item) for item in _items("txt", options.get("txt"))],
            subtypes=[*subtypes, *_items("subtype", options.get("subtype"))],
        )
        hostname = options.get("hostname")
        if hostname is not None:
            hostname = checked_host_label(hostname)
    except InvalidService as error:
        raise _fault(str(error)) from None
    return ServiceServerEndpoint(
        reactor,
        _inner(reactor, options["endpoint"]),
        service,
        interfaces=_items("interface", options.get("interface")),
        hostname=hostname,
    )


def parse_client(reactor: Any, arguments: Sequence[str], options: Mapping[str, str]) -> IStreamClientEndpoint:
    """Return the endpoint that a client string describes, as Twisted has divided it.

    :raises ValueError: naming the part that is wrong, in one line.
    """
    _, subtypes = _type(arguments, strict=False)
    _check_keys(options, CLIENT_KEYS)
    name, subtype = options.get("name"), options.get("subtype")
    if name is not None and (subtypes or subtype is not None):
        raise _fault("subtype=… and name=… together: a name needs no subtype")
    try:
        connect = ConnectOptions(
            timeout=_timeout(options.get("timeout")),
            pick=_pick(options.get("pick")),
            domain=options.get("domain", LOCAL),
            server=options.get("server"),
        )
    except ValueError as error:
        text = str(error)
        raise error if text.startswith("mdns endpoint") else _fault(text) from None
    try:
        return ServiceClientEndpoint(
            reactor,
            arguments[0] if subtype is None else f"{arguments[0]},{subtype}",
            name,
            options=connect,
        )
    except InvalidService as error:
        raise _fault(str(error)) from None


def _fault(text: str) -> ValueError:
    """Return the error for a mistake in a string; it quotes the string, and is one line whatever is in it."""
    return ValueError(f"mdns endpoint: {shown(text)}")


def _type(arguments: Sequence[str], *, strict: bool = True) -> tuple[ServiceType, tuple[str | bytes, ...]]:
    """Return the type, and the subtypes that are written with it."""
    if not arguments or not arguments[0]:
        raise _fault("the service type is missing, such as mdns:_http._tcp")
    if len(arguments) > 1:
        raise _fault(
            f"{arguments[1]!r}: after the service type comes KEY=VALUE; "
            r"a colon that belongs to a value has a backslash before it (endpoint=tcp\:8080)"
        )
    try:
        return parse_types(arguments[0], strict=strict)
    except InvalidService as error:
        raise _fault(str(error)) from None


def _check_keys(options: Mapping[str, str], known: Sequence[str]) -> None:
    for key in repeated_keys(_whole_string()):
        raise _fault(f"{key}=… is there twice; lists have commas: txt=a=1,b=2")
    for key in options:
        if key not in known:
            raise _fault(f"{key}=… is unknown; there are {', '.join(known)}")


def repeated_keys(description: str) -> list[str]:
    """Return the keys that an endpoint string has more than once, in their order."""
    parts = [""]
    characters = iter(description)
    for one in characters:
        if one == ":":
            parts.append("")
        else:
            parts[-1] += one + next(characters, "") if one == "\\" else one
    keys = [part.partition("=")[0] for part in parts if "=" in part]
    return [key for key in dict.fromkeys(keys) if keys.count(key) > 1]


def _whole_string() -> str:
    """Return the string that Twisted is parsing; empty where it cannot be told.

    Twisted keeps the last value of a key and gives us no other, so that only its own frame knows of a key
    that is there twice.
    """
    frame = sys._getframe()
    for _ in range(CALLERS):
        if frame.f_back is None:
            break
        frame = frame.f_back
        if frame.f_globals.get("__name__") == "twisted.internet.endpoints":
            description = frame.f_locals.get("description")
            if isinstance(description, str):
                return description
    return ""


def _inner(reactor: Any, description: str) -> IStreamServerEndpoint:
    if (len(description) - len(description.rstrip("\\"))) % 2:
        # Twisted's division of strings ends in a RuntimeError there.
        raise _fault(f"endpoint={description}: a backslash at the end quotes nothing")
    try:
        inner: IStreamServerEndpoint = serverFromString(reactor, description)
        return inner
    except (ValueError, TypeError, LookupError, OSError, ImportError) as error:
        # Twisted's parsers are functions: a missing or unknown part raises TypeError or KeyError, a missing
        # file of keys OSError, and a string with TLS ImportError where pyOpenSSL is not installed.
        raise _fault(f"endpoint={description}: {error}") from None


def _items(key: str, text: str | None) -> tuple[str, ...]:
    """Split a list at commas without a backslash."""
    if text is None:
        return ()
    items = [""]
    characters = iter(text)
    for one in characters:
        if one == ",":
            items.append("")
        else:
            items[-1] += next(characters, "\\") if one == "\\" else one
    if not all(items):
        raise _fault(f"{key}={text}: an item is empty")
    return tuple(items)


def _attribute(item: str) -> tuple[str, TextValue]:
    key, equals, value = item.partition("=")
    return key, value if equals else None


def _timeout(text: str | None) -> float:
    if text is None:
        return CONNECT_TIMEOUT
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise _fault(f"timeout={text}: not a number of seconds above 0")
    return seconds


def _pick(text: str | None) -> Pick:
    try:
        return Pick.BEST if text is None else Pick(text)
    except ValueError:
        known = " or ".join(pick.value for pick in Pick)
        raise _fault(f"pick={text}: there is {known}") from None
