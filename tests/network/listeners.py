"""A `GroupProtocol` that keeps what happens to it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mcast.sockets.arrival import Arrival
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.protocol import GroupProtocol


class RecordingGroups(GroupProtocol):
    """Keeps datagrams and memberships; answers b"ack" when ``answers`` is set."""

    def __init__(self, groups: Iterable[Group], *, answers: bool = False, **settings: Any) -> None:
        super().__init__(groups, **settings)
        self.answers = answers
        self.data: list[bytes] = []
        self.addresses: list[tuple[Any, ...]] = []
        self.arrivals: list[Arrival] = []
        self.events: list[tuple[str, str, str]] = []
        """(joined, left or refused; group; interface name), oldest first."""
        self.problems: list[OSError] = []

    def datagram_arrived(self, data: bytes, address: tuple[Any, ...], arrival: Arrival) -> bytes | None:
        self.data.append(data)
        self.addresses.append(address)
        self.arrivals.append(arrival)
        return b"ack" if self.answers else None

    def group_joined(self, group: Group, interface: Interface) -> None:
        self.events.append(("joined", group.host, interface.name))

    def group_left(self, group: Group, interface: Interface) -> None:
        self.events.append(("left", group.host, interface.name))

    def group_refused(self, group: Group, interface: Interface, problem: OSError) -> None:
        self.events.append(("refused", group.host, interface.name))
        self.problems.append(problem)
