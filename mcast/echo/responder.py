"""The echo responder as a protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mcast.echo.answerer import Admission, Answerer
from mcast.echo.sources import DEFAULT_MAX_RATE
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.interface import interfaces as all_interfaces


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

    def answer(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        """Echo a datagram, or answer with the text of the rules."""
        self.answered(data if self.rules.reply is None else self.rules.reply, address, arrival)
