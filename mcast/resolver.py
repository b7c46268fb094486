"""``.local`` names for everything in a Twisted program that connects to a host by its name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Literal

from twisted.internet import address as twisted_address
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IAddress, IHostnameResolver, IHostResolution, IResolutionReceiver
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mcast.dns.codes import RecordType
from mcast.dns.names import LOCAL, Name
from mcast.dnssd.collecting import Answer
from mcast.dnssd.found import FoundAddress
from mcast.errors import NotFound
from mcast.mdns.domains import is_multicast_name
from mcast.node.lookups import LOOKUP_TIMEOUT
from mcast.node.node import Node
from mcast.node.shared import NodeLease, lease_of, shared_node

__all__ = ["MulticastResolver", "install"]

AskOther = Callable[[IResolutionReceiver], IHostResolution]
"""Looks up the same name with the resolver for all other names."""


@implementer(IHostnameResolver)
class MulticastResolver:
    """Looks up multicast names by multicast, and leaves all others to the resolver before it.

    Multicast names are those in ``local.`` and in the reverse zones of link-local addresses (RFC 6762 §3, §4,
    §22.1). No other name is ever asked for by multicast, whether it is found elsewhere or not (RFC 6762 §13).

    :param before: the resolver for all other names; it is never asked for a multicast name.
    :param node: asks; by default the node that all users of this reactor share, from the first look-up until
        `remove`.
    :param timeout: the seconds that a look-up takes when no host answers.
    :param append_local: whether ``local`` is in the search list: a name of one label is then looked up as
        ``NAME.local`` first. Names of more labels never are (RFC 6762 §21).
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        before: IHostnameResolver,
        node: Node | None = None,
        *,
        timeout: float = LOOKUP_TIMEOUT,
        append_local: bool = False,
    ) -> None:
        if not 0 < timeout < math.inf:
            raise ValueError(f"timeout {timeout}: it is not a number of seconds above 0")
        self._reactor = reactor
        self.before = before
        self._own_node = node
        self._timeout = timeout
        self._append_local = append_local
        self._lease: NodeLease | None = None
        self._is_removed = False

    def resolveHostName(
        self,
        resolutionReceiver: IResolutionReceiver,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type[IAddress]] | None = None,
        transportSemantics: str = "TCP",
    ) -> IHostResolution:
        """Look a name up, in both families at once unless ``addressTypes`` names one.

        For a host that is not there, or has no such address, the resolution is complete without an address:
        at once after a negative response (RFC 6762 §6.1), else after the timeout. A receiver that raises an
        exception is told nothing more.
        """

        def ask_other(receiver: IResolutionReceiver) -> IHostResolution:
            return self.before.resolveHostName(
                receiver, hostName, portNumber, addressTypes, transportSemantics
            )

        name = None if self._is_removed else self._multicast_name(hostName)
        if name is None:
            return ask_other(resolutionReceiver)
        types = _ADDRESS_TYPES if addressTypes is None else tuple(addressTypes)
        indexes: dict[str, int] = {}
        ipv4 = twisted_address.IPv4Address in types
        ipv6 = twisted_address.IPv6Address in types
        found: Deferred[tuple[FoundAddress, ...]] = succeed(())
        try:
            if ipv4 or ipv6:
                found = self.node.resolve_host(name, self._timeout, ipv4=ipv4, ipv6=ipv6)
                indexes = {link.interface: link.index for link in self.node.links}
        except OSError:
            self._log.failure("{name} cannot be looked up", name=hostName)

        def make(address: FoundAddress) -> IAddress:
            return _address(address, indexes, portNumber, "UDP" if transportSemantics == "UDP" else "TCP")

        # Only a name of the search list may be another name as well.
        other = None if "." in hostName else ask_other
        resolution = _Resolution(hostName, resolutionReceiver)
        resolution.begin(found, make, other)
        return resolution

    def reverse(self, address: str | IPv4Address | IPv6Address) -> Deferred[list[Name]]:
        """Find out the names of a link-local address (RFC 6762 §4).

        :returns: fires with the names; fails with `NotFound` when there is no answer. Cancelling it ends the
            search.
        :raises ValueError: it is no address, or not link-local: the names of all others are in unicast DNS.
        :raises OSError: port 5353 cannot be opened.
        """
        text, _, zone = str(address).partition("%")
        name = Name.parse(ip_address(text).reverse_pointer)
        if not is_multicast_name(name):
            raise ValueError(f"{address}: only link-local addresses are looked up by multicast")
        interfaces = (zone,) if zone else ()
        return self.node.query(name, RecordType.PTR, self._timeout, interfaces=interfaces).addCallback(
            _targets
        )

    @property
    def node(self) -> Node:
        """The node that asks; the shared node starts with its first use.

        :raises OSError: port 5353 cannot be opened.
        """
        if self._lease is None:
            own = self._own_node
            self._lease = shared_node(self._reactor) if own is None else lease_of(own)
        return self._lease.node

    def remove(self) -> Deferred[None]:
        """Undo `install`, and leave all names to the resolver before; a second call does nothing.

        :returns: fires when the shared node has stopped; at once when it has other users.
        """
        if not self._is_removed:
            self._is_removed = True
            # A resolver that was installed after this one stays, and asks through this one.
            if self._reactor.nameResolver is self:
                self._reactor.installNameResolver(self.before)
        lease, self._lease = self._lease, None
        return succeed(None) if lease is None else lease.release()

    def __repr__(self) -> str:
        return f"<MulticastResolver{' removed' if self._is_removed else ''} before {self.before}>"

    def _multicast_name(self, text: str) -> Name | None:
        """Return the full name, or None when it is not looked up by multicast."""
        try:
            name = Name.parse(text)
        except ValueError:
            return None
        if len(name.labels) != 1:
            return name if is_multicast_name(name) else None
        # "localhost" is this host (RFC 6761 §6.3), and "local" alone is no host.
        if not self._append_local or text.endswith(".") or name.key in _NO_HOSTS:
            return None
        return Name.from_labels((*name.labels, *LOCAL.labels))


def install(
    reactor: Any,
    node: Node | None = None,
    *,
    timeout: float = LOOKUP_TIMEOUT,
    append_local: bool = False,
) -> MulticastResolver:
    """Make a reactor look up multicast names by multicast; `MulticastResolver.remove` undoes it.

    It may be called before the reactor runs and before a fork: a shared node starts with the first look-up.

    :param node: asks; by default the node that all users of the reactor share.
    :param timeout: the seconds that a look-up takes when no host answers.
    :param append_local: whether ``local`` is in the search list; see `MulticastResolver`.
    :raises ValueError: the timeout is no number of seconds above 0.
    """
    resolver = MulticastResolver(
        reactor, reactor.nameResolver, node, timeout=timeout, append_local=append_local
    )
    reactor.installNameResolver(resolver)
    return resolver


_ADDRESS_TYPES = (twisted_address.IPv4Address, twisted_address.IPv6Address)
_NO_HOSTS = (LOCAL.key, Name.parse("localhost").key)


@implementer(IHostResolution)
class _Resolution:
    """One look-up on its way to a receiver."""

    _log = Logger()

    def __init__(self, name: str, receiver: IResolutionReceiver) -> None:
        self.name = name
        self._receiver: IResolutionReceiver | None = receiver
        self._found: Deferred[Any] | None = None
        self._other: IHostResolution | None = None

    def begin(
        self,
        found: Deferred[tuple[FoundAddress, ...]],
        make: Callable[[FoundAddress], IAddress],
        ask_other: AskOther | None,
    ) -> None:
        """Tell the receiver that the resolution begins, then what is found.

        :param ask_other: asks another resolver when nothing is found.
        """

        def tell(addresses: tuple[FoundAddress, ...]) -> None:
            for address in addresses:
                self.addressResolved(make(address))
            self.resolutionComplete()

        def missing(reason: Failure) -> None:
            reason.trap(NotFound)
            if ask_other is None:
                tell(())
            else:
                self._other = ask_other(_Continued(self))

        self._found = found
        try:
            if self._receiver is not None:
                self._receiver.resolutionBegan(self)
        except Exception:
            found.addErrback(_ignore)
            self.cancel()
            raise
        found.addCallbacks(tell, missing).addErrback(self._failed)

    def cancel(self) -> None:
        """Ask no more, and tell the receiver nothing more; does nothing when the resolution is over."""
        self._receiver = None
        found, self._found = self._found, None
        if found is not None:
            found.cancel()
        if self._other is not None:
            # Twisted's own resolver cannot be cancelled; what it still finds is dropped.
            with suppress(NotImplementedError):
                self._other.cancel()

    def addressResolved(self, address: IAddress) -> None:
        """Pass an address on to the receiver."""
        if self._receiver is not None:
            self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:
        """Tell the receiver that there are no more addresses."""
        if self._receiver is not None:
            self._receiver.resolutionComplete()

    def _failed(self, reason: Failure) -> None:
        # A receiver that has failed is told nothing more.
        self._receiver = None
        if not reason.check(CancelledError):
            self._log.failure("look-up of {name}", reason, name=self.name)


@implementer(IResolutionReceiver)
class _Continued:
    """Receives what another resolver finds, for a resolution that has begun already."""

    def __init__(self, resolution: _Resolution) -> None:
        self._resolution = resolution

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        """Do nothing: the receiver has been told already."""

    def addressResolved(self, address: IAddress) -> None:
        self._resolution.addressResolved(address)

    def resolutionComplete(self) -> None:
        self._resolution.resolutionComplete()


def _address(
    found: FoundAddress, indexes: Mapping[str, int], port: int, transport: Literal["TCP", "UDP"]
) -> IAddress:
    text = str(found.address)
    if found.address.version == 4:
        return twisted_address.IPv4Address(transport, text, port)
    # The zone is in the host, the only part that endpoints connect to, and in the scope as well.
    scope = indexes.get(found.interface, 0) if found.address.is_link_local else 0
    return twisted_address.IPv6Address(transport, text, port, scopeID=scope)


def _ignore(reason: Failure) -> None:
    reason.trap(CancelledError)


def _targets(answers: list[Answer]) -> list[Name]:
    names = [answer.record.data for answer in answers if answer.record.type == RecordType.PTR]
    return list(dict.fromkeys(name for name in names if isinstance(name, Name)))
