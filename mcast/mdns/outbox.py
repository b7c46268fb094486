"""Messages on their way from the core to the shell."""

from __future__ import annotations

from typing import NamedTuple

from mcast.neighbours import SocketAddress

Address = SocketAddress
"""A socket address as the shell gave it. Only the first two items are looked at, and the whole is handed
back."""


class Transmission(NamedTuple):
    """One message to send from port 5353 with hop limit 255 (RFC 6762 §11)."""

    payload: bytes
    destination: Address | None
    """Where to, exactly as it was given to `Link.receive`; None for the group, port 5353."""


class Outbox(list[Transmission]):
    """What is to be sent, oldest first; empty and so false when there is nothing."""

    __slots__ = ()

    def multicast(self, payload: bytes) -> None:
        """Send to the group."""
        self.append(Transmission(payload, None))

    def unicast(self, payload: bytes, destination: Address) -> None:
        """Send to one host."""
        self.append(Transmission(payload, destination))
