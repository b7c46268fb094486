"""The protocol of whatever answers what is sent to a group, and makes neither a weapon nor a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from mcast.clock import clock_of
from mcast.echo.counters import Drop, EchoCounters
from mcast.echo.sources import SourceTables
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group, Scope
from mcast.sockets.interface import Interface
from mcast.sockets.interface import interfaces as all_interfaces
from mcast.sockets.protocol import GroupProtocol
from mcast.sockets.sending import SendResult

RESERVED_PORTS = 1024
"""Ports below are those of services (RFC 6335 §6).

Old ones among these services answer anything (RFC 862, RFC 864)."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Who is answered, and how often."""

    max_rate: int
    """Answers a second to one source; 0 for no limit."""
    answer_own: bool = True
    """Are programs on this host answered?"""


class Answerer(GroupProtocol):
    """Judges each datagram that arrives for its groups, and lets `answer` answer it.

    It answers only what was sent to a group, by unicast, at most ``max_rate`` times a second to one source,
    and for link-local groups only neighbours on the link.

    :param groups: what to join; see `GroupProtocol` for ``interfaces``, ``sources`` and others.
    """

    takes_unicast = False  # only what was sent to a group is answered

    def __init__(
        self,
        groups: Iterable[Group],
        admission: Admission,
        *,
        interfaces: Sequence[str] = (),
        sources: Sequence[str] = (),
        enumerate_interfaces: Callable[[], tuple[Interface, ...]] = all_interfaces,
        use_netlink: bool | None = None,
    ) -> None:
        super().__init__(
            groups,
            interfaces=interfaces,
            sources=sources,
            enumerate_interfaces=enumerate_interfaces,
            use_netlink=use_netlink,
        )
        self.echo_counters = EchoCounters()
        self.tables = SourceTables(
            self._joined_interfaces,
            own=tuple if admission.answer_own else self._own_addresses,
            max_rate=admission.max_rate,
        )
        """The sources heard on each interface."""
        self._ports = frozenset(group.port for group in self.groups)
        self._link_local = any(group.scope <= Scope.LINK_LOCAL for group in self.groups)

    def answer(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Answer a datagram that may be answered, and count that; each kind of responder has its own way."""
        raise NotImplementedError

    def answered(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Send one answer and count it, or why it could not be sent."""
        if self.reply(data, address, arrival) is SendResult.SENT:
            self.echo_counters.answered += 1
        else:
            self.echo_counters.drop(Drop.SEND)

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Answer a datagram, or count why not."""
        self.echo_counters.received += 1
        drop = self._refusal(address, arrival)
        if drop is None:
            self.answer(data, address, arrival)
        else:
            self.echo_counters.drop(drop)

    def _refusal(self, address: SocketAddress, arrival: Arrival) -> Drop | None:
        host, port = address[0].partition("%")[0], address[1]
        if port == 0:
            return Drop.PORT
        on_link_only = self._link_local
        if arrival.destination is not None:
            scope = _scope_of(arrival.destination)
            if scope is None:
                return Drop.UNICAST
            on_link_only = scope <= Scope.LINK_LOCAL
        elif port in self._ports or port < RESERVED_PORTS:
            # It may have come by unicast, and then be the answer of another responder, which answers from the
            # group's port, or of a service that was sent a datagram in our name.
            return Drop.PORT
        table = self.tables.on(arrival.interface)
        table.turn(clock_of(self.transport.reactor).seconds())  # type: ignore[union-attr]
        return table.admit(host, on_link_only)

    def group_left(self, group: Group, interface: Interface) -> None:
        """Forget the sources heard there, and log."""
        self.tables.forget(interface.index)
        super().group_left(group, interface)

    def _joined_interfaces(self, index: int) -> set[Interface]:
        joined = self.memberships.joined if self.memberships is not None else ()
        return {interface for _, interface in joined if index in (0, interface.index)}

    def _own_addresses(self) -> list[IPv4Address | IPv6Address]:
        return [each.address for interface in self._enumerate() for each in interface.addresses]


@lru_cache(maxsize=256)
def _scope_of(destination: str) -> Scope | None:
    """Return how far a group reaches, None for an address that is no group."""
    address = ip_address(destination)
    return Group(address, 1).scope if address.is_multicast else None
