"""Connecting to the addresses of a service, by the staggered attempts of Twisted's `HostnameEndpoint`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import zip_longest
from typing import Any

from twisted.internet import address as twisted_address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IResolutionReceiver,
)
from zope.interface import implementer

IPAddress = IPv4Address | IPv6Address


def connect(
    reactor: Any, addresses: Iterable[IPAddress], port: int, factory: IProtocolFactory, timeout: float
) -> Deferred[IProtocol]:
    """Connect to the first of several addresses that takes the connection (RFC 8305).

    :param timeout: the seconds that an attempt may take.
    :returns: fires with the protocol; fails as one of the attempts failed. Cancelling it ends all attempts.
    """
    book = _AddressBook(reactor, in_turn(addresses))
    # HostnameEndpoint must have a name to ask for. It shows in no error: the caller words these.
    return HostnameEndpoint(book, "service.local", port, timeout).connect(factory)


def in_turn(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    """Return addresses in the order of the attempts: both families in turn, IPv6 first (RFC 8305 §4).

    Link-local addresses come after the others: many servers do not listen on them, or only by IPv4.
    """
    distinct = dict.fromkeys(addresses)
    near = [one for one in distinct if one.is_link_local]
    return _families_in_turn(one for one in distinct if one not in near) + _families_in_turn(near)


def _families_in_turn(addresses: Iterable[IPAddress]) -> list[IPAddress]:
    families: dict[int, list[IPAddress]] = {6: [], 4: []}
    for address in addresses:
        families[address.version].append(address)
    pairs = zip_longest(families[6], families[4])
    return [one for pair in pairs for one in pair if one is not None]


def address_of(peer: IAddress | None) -> tuple[IPAddress, int] | None:
    """Return the IP address, without its zone, and the port that a transport is connected to."""
    if not isinstance(peer, twisted_address.IPv4Address | twisted_address.IPv6Address):
        return None
    return ip_address(peer.host.partition("%")[0]), peer.port


def without_zone(address: IPAddress) -> IPAddress:
    """Return an address as packets have it."""
    return IPv6Address(address.packed) if address.version == 6 else address


@implementer(IReactorPluggableNameResolver)
class _AddressBook:
    """A reactor whose resolver knows one host, for `HostnameEndpoint`."""

    def __init__(self, reactor: Any, addresses: Sequence[IPAddress]) -> None:
        self._reactor = reactor
        self.nameResolver = _KnownHost(addresses)

    def installNameResolver(self, resolver: IHostnameResolver) -> IHostnameResolver:
        previous: IHostnameResolver = self._reactor.installNameResolver(resolver)
        return previous

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


@implementer(IHostnameResolver)
class _KnownHost:
    def __init__(self, addresses: Sequence[IPAddress]) -> None:
        self._addresses = addresses

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        resolution = _Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        for address in self._addresses:
            kind = twisted_address.IPv4Address if address.version == 4 else twisted_address.IPv6Address
            resolutionReceiver.addressResolved(kind("TCP", str(address), portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IHostResolution)
class _Resolution:
    """A resolution that is complete when it begins."""

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing to cancel."""
