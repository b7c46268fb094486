"""The echo responder as a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mcast.clock import clock_of
from mcast.echo.answerer import RESERVED_PORTS, Admission, Answerer
from mcast.echo.probe import PROBE_HEADER_SIZE, ProbeKind, marked
from mcast.echo.sources import DEFAULT_MAX_RATE
from mcast.neighbours import SocketAddress
from mcast.rate_limit import RateLimit
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.interface import interfaces as all_interfaces
from mcast.sockets.sending import SendResult

GROUP_MAX_RATE = 20
"""Answers a second to a group on one interface.

Our choice: some persons can ping at once, and nobody can make a group of many responders flood the link."""


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
    answer_group: bool = False
    """Is ``mcast ping --both`` answered to the group as well, at most `GROUP_MAX_RATE` times a second?"""

    def __post_init__(self) -> None:
        if self.max_rate < 0:
            raise ValueError(f"max_rate {self.max_rate}: below 0")


DEFAULT_RULES = EchoRules()


class EchoResponder(Answerer):
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
            Admission(rules.max_rate, rules.answer_own),
            interfaces=interfaces,
            sources=sources,
            enumerate_interfaces=enumerate_interfaces,
            use_netlink=use_netlink,
        )
        self.rules = rules
        self._group_limit = RateLimit(GROUP_MAX_RATE)

    def answer(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Echo a datagram, or answer with the text of the rules; a marked probe to the group as well."""
        if (
            self.rules.answer_group
            and data.startswith(ProbeKind.BOTH.value)
            and self._answer_group(data, address, arrival)
        ):
            data = marked(data, ProbeKind.PROMISE)
        self.answered(data if self.rules.reply is None else self.rules.reply, address, arrival)

    def _answer_group(self, data: bytes, address: SocketAddress, arrival: Arrival) -> bool:
        """Answer a probe to the group, and tell whether that was done.

        The answer goes to the port that the probe came from: no responder hears it there, so that responders
        cannot answer each other's answers, and one client is not told of another's. It is no longer than the
        header of a probe.
        """
        port = address[1]
        if arrival.destination is None or port in self._ports or port < RESERVED_PORTS:
            return False
        if not self._group_limit.allows(str(arrival.interface), clock_of(self._reactor()).seconds()):
            self.echo_counters.to_group_limited += 1
            return False
        answer = marked(data, ProbeKind.GROUP)[:PROBE_HEADER_SIZE]
        sent = self.send(answer, (arrival.destination, port), arrival.interface) is SendResult.SENT
        self.echo_counters.to_group += sent
        return sent

    def _reactor(self) -> Any:
        return self.transport.reactor  # type: ignore[union-attr]
