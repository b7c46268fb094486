"""The echo responder as a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from mcast.echo.counters import Drop, EchoCounters
from mcast.echo.sources import DEFAULT_MAX_RATE, SourceTables
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
class EchoRules:
    """What an echo responder answers, and how often.

    :raises ValueError: a negative rate.
    """

    reply: bytes | None = None
    """Answered in place of the payload; None for an echo."""
    max_rate: int = DEFAULT_MAX_RATE
    """Replies a second to one source; 0 for no limit."""
    answer_own: bool = True
    """Are programs on this host answered?"""

    def __post_init__(self) -> None:
        if self.max_rate < 0:
            raise ValueError(f"max_rate {self.max_rate}: below 0")


DEFAULT_RULES = EchoRules()


class EchoResponder(GroupProtocol):
    """Answers each datagram sent to its groups, to the sender alone, by the interface it arrived on.

    It is no weapon and makes no loop: it answers only what was sent to a group, by unicast, at most
    ``max_rate`` times a second to one source, never more octets than were sent unless ``reply`` has more,
    and for link-local groups only neighbours on the link.

    :param groups: what to join; see `GroupProtocol` for ``interfaces``, ``sources`` and others.
    """

    def __init__(
        self,
        groups: Iterable[Group] = (),
        rules: EchoRules = DEFAULT_RULES,
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
        self.rules = rules
        self.echo_counters = EchoCounters()
        self.tables = SourceTables(
            self._joined_interfaces,
            own=tuple if rules.answer_own else self._own_addresses,
            max_rate=rules.max_rate,
        )
        """The sources heard on each interface."""
        self._ports = frozenset(group.port for group in self.groups)
        self._link_local = any(group.scope <= Scope.LINK_LOCAL for group in self.groups)

    def datagram_arrived(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Answer a datagram, or count why not."""
        self.echo_counters.received += 1
        drop = self._refusal(address, arrival)
        if drop is None:
            answer = data if self.rules.reply is None else self.rules.reply
            if self.reply(answer, address, arrival) is not SendResult.SENT:
                drop = Drop.SEND
        if drop is None:
            self.echo_counters.answered += 1
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
        table.turn(self.transport.reactor.seconds())  # type: ignore[union-attr]
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
