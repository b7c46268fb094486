"""IP multicast for Twisted: groups, an echo responder, multicast DNS (RFC 6762) and DNS-SD (RFC 6763).

What a program needs can be imported from here; the modules behind it are loaded when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcast.dnssd.found import Added, Change, FoundService, Removed, Updated
    from mcast.dnssd.service import Service
    from mcast.echo.responder import EchoResponder
    from mcast.errors import InvalidService, McastError, NameTaken, NotFound
    from mcast.node.browsers import ServiceBrowser, TypesBrowser
    from mcast.node.node import Node
    from mcast.node.publisher import Registration
    from mcast.sockets.group import Group
    from mcast.sockets.interface import Interface, interfaces
    from mcast.sockets.listen import listen_group, listen_multicast
    from mcast.sockets.protocol import GroupProtocol

_HOMES = {
    "mcast.node.browsers": ("ServiceBrowser", "TypesBrowser"),
    "mcast.dnssd.found": ("Added", "Change", "FoundService", "Removed", "Updated"),
    "mcast.dnssd.service": ("Service",),
    "mcast.echo.responder": ("EchoResponder",),
    "mcast.errors": ("InvalidService", "McastError", "NameTaken", "NotFound"),
    "mcast.node.node": ("Node",),
    "mcast.node.publisher": ("Registration",),
    "mcast.sockets.group": ("Group",),
    "mcast.sockets.interface": ("Interface", "interfaces"),
    "mcast.sockets.listen": ("listen_group", "listen_multicast"),
    "mcast.sockets.protocol": ("GroupProtocol",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Added",
    "Change",
    "EchoResponder",
    "FoundService",
    "Group",
    "GroupProtocol",
    "Interface",
    "InvalidService",
    "McastError",
    "NameTaken",
    "Node",
    "NotFound",
    "Registration",
    "Removed",
    "Service",
    "ServiceBrowser",
    "TypesBrowser",
    "Updated",
    "interfaces",
    "listen_group",
    "listen_multicast",
]


def __getattr__(name: str) -> Any:
    # Loaded late: "mcast --help" and a listing of Twisted's plugins need none of it.
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'mcast' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
