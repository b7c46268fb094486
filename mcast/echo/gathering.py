"""Which answers to a question count, and when there are enough; opens no socket and reads no clock."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field

from mcast.neighbours import SocketAddress

MAX_REPLIES = 65_536
"""Answers taken to one question. Our choice: more than a group has hosts; any further ones are counted and
left out."""

MAX_OCTETS = 64 * 1024 * 1024
"""Octets of the answers taken to one question. Our choice: so that a flood of large ones fits into memory."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to a question that was put to a group."""

    data: bytes
    source: str
    """Numeric address of the host that answered, with the zone of a link-local one."""
    port: int
    """The UDP port that it answered from."""
    interface: str
    """Name of the interface on which the answer arrived; empty when the system does not tell."""
    seconds: float
    """From the first time that the question was sent."""
    address: SocketAddress = field(repr=False)
    """Where it came from, as the system gave it."""


Key = Callable[[Reply], Hashable]
"""Tells which replies are the same one: those for which it returns the same. It is called once for each."""

Quorum = Callable[[Sequence[Reply]], bool]
"""Tells whether the replies until now are enough."""


def same_datagram(reply: Reply) -> Hashable:
    """Tell by source and payload: what a host says again, to another interface or a repeat, is one reply."""
    return reply.address[0], reply.port, reply.data


@dataclass(frozen=True, slots=True)
class Enough:
    """Which replies are different, and how many are wanted.

    :raises ValueError: ``expect`` is below 1.
    """

    expect: int | None = None
    """This many replies are enough; None for any number."""
    quorum: Quorum | None = None
    key: Key = same_datagram

    def __post_init__(self) -> None:
        if self.expect is not None and self.expect < 1:
            raise ValueError(f"expect {self.expect}: below 1")


class Gathering:
    """The replies to one question, each once."""

    def __init__(self, enough: Enough) -> None:
        self._enough = enough
        self._keys: set[Hashable] = set()
        self._kept: list[Reply] = []
        self._octets = 0
        self.taken = 0
        """Replies that count."""
        self.repeated = 0
        """Replies that were there already."""
        self.overflow = 0
        """Replies beyond `MAX_REPLIES` or `MAX_OCTETS`."""
        self.is_enough = False

    def take(self, reply: Reply) -> bool:
        """Note a reply, and tell whether it counts.

        :raises Exception: whatever the caller's key or quorum raises.
        """
        key = self._enough.key(reply)
        if key in self._keys:
            self.repeated += 1
            return False
        if len(self._keys) >= MAX_REPLIES or self._octets + len(reply.data) > MAX_OCTETS:
            self.overflow += 1
            return False
        self._keys.add(key)
        self._octets += len(reply.data)
        self.taken += 1
        if self._enough.quorum is not None:
            self._kept.append(reply)
            self.is_enough = bool(self._enough.quorum(self._kept))
        if self._enough.expect is not None and self.taken >= self._enough.expect:
            self.is_enough = True
        return True
