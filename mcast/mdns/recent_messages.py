"""What was decoded lately: most of what a link carries is said in the same octets again and again."""

from __future__ import annotations

from mcast.dns.messages import Message

MAX_OCTETS = 256 * 1024
"""Octets of datagrams in a generation; there are two.

Our choice: what some two hundred hosts repeat within minutes. Decoded, a message takes some five times as
much.
"""

OVERHEAD = 64
"""Octets that each counts for besides its own. Our choice: the least that an entry takes."""


class RecentMessages:
    """Messages by their datagrams.

    When the younger generation is full, the older is forgotten; what is heard again is young again.
    """

    __slots__ = ("_octets", "_old", "_young")

    def __init__(self) -> None:
        self._young: dict[bytes, Message] = {}
        self._old: dict[bytes, Message] = {}
        self._octets = 0

    def __len__(self) -> int:
        """How many messages are remembered; those of both generations count twice."""
        return len(self._young) + len(self._old)

    def get(self, datagram: bytes) -> Message | None:
        """Return what a datagram says, if it was heard lately."""
        message = self._young.get(datagram)
        if message is None and self._old:
            message = self._old.get(datagram)
            if message is not None:
                self.keep(datagram, message)
        return message

    def keep(self, datagram: bytes, message: Message) -> None:
        """Remember what a datagram says."""
        self._young[datagram] = message
        self._octets += len(datagram) + OVERHEAD
        if self._octets > MAX_OCTETS:
            self._old, self._young = self._young, {}
            self._octets = 0
