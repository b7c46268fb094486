"""Hosts outside of multicast DNS: their addresses come from the reactor's own resolver (RFC 6762 §3, §13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

from twisted.internet import address as twisted_address
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from twisted.logger import Logger
from zope.interface import implementer

from mcast.clock import clock_of
from mcast.dns.names import Name

ASK_AGAIN = 120.0
"""Seconds until a host that is still wanted is looked up anew.

Our choice: the resolver of the system does not tell how long an address is valid; host records of multicast
DNS are, for this time (RFC 6762 §10).
"""

Learn = Callable[[Name, Collection[bytes]], object]
"""Takes the addresses of a host, as rdata; none when nothing is known of it."""

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)+", re.I | re.A)


class HostsElsewhere:
    """Looks up hosts, each as long as it is wanted.

    :param reactor: one without a resolver, such as a `Clock`, knows no host.
    """

    def __init__(self, reactor: Any, learn: Learn) -> None:
        self._reactor: Final = reactor
        self._learn: Final = learn
        self._lookups: Final[dict[bytes, _LookUp]] = {}

    def want(self, hosts: Mapping[bytes, Name]) -> None:
        """Look up these hosts, by the keys of their names, and no others any more."""
        for key in self._lookups.keys() - hosts.keys():
            self._lookups.pop(key).close()
        for key in hosts.keys() - self._lookups.keys():
            lookup = self._lookups[key] = _LookUp(self._reactor, hosts[key], self._learn)
            lookup.ask()


@implementer(IResolutionReceiver)
class _LookUp:
    """One host, which is looked up now and then."""

    _log = Logger()

    def __init__(self, reactor: Any, host: Name, learn: Learn) -> None:
        self._reactor = reactor
        self._host = host
        self._learn: Learn | None = learn
        self._found: dict[bytes, None] = {}
        self._resolution: IHostResolution | None = None
        self._again: IDelayedCall | None = None

    def ask(self) -> None:
        """Have the resolver look the host up; what it finds is told when it has found all."""
        self._again = None
        self._found = {}
        resolver = self._resolver()
        if resolver is None:
            self.resolutionComplete()
            return
        try:
            # Without the final dot, with which the system would not look into /etc/hosts.
            resolver.resolveHostName(self, str(self._host).removesuffix("."), addressTypes=_TYPES)
        except Exception:
            self._log.failure("look-up of {host}", host=str(self._host))
            self.resolutionComplete()

    def close(self) -> None:
        """Ask and tell nothing more."""
        self._learn = None
        again, self._again = self._again, None
        if again is not None:
            again.cancel()
        if self._resolution is not None:
            # Twisted's own resolver cannot be cancelled; what it still finds is dropped.
            with suppress(NotImplementedError):
                self._resolution.cancel()

    def _resolver(self) -> IHostnameResolver | None:
        """Return whom to ask; nobody is asked for what is no name of a host (RFC 1123 §2.1)."""
        if not IReactorPluggableNameResolver.providedBy(self._reactor):
            return None
        if not _HOST_NAME.fullmatch(str(self._host).removesuffix(".")):
            return None
        resolver: IHostnameResolver = self._reactor.nameResolver
        return resolver

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        self._resolution = resolutionInProgress

    def addressResolved(self, address: IAddress) -> None:
        """Note an address; one that is link-local is of no use without its zone, which nobody tells."""
        if isinstance(address, _TYPES):
            parsed = ip_address(address.host.partition("%")[0])
            if parsed.version == 4 or not parsed.is_link_local:
                self._found[parsed.packed] = None

    def resolutionComplete(self) -> None:
        self._resolution = None
        if self._learn is not None:
            self._again = clock_of(self._reactor).callLater(ASK_AGAIN, self.ask)
            self._learn(self._host, tuple(self._found))


_TYPES = (twisted_address.IPv4Address, twisted_address.IPv6Address)
