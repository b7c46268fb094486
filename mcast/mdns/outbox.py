"""Messages on their way from the core to the shell."""

from __future__ import annotations

from typing import Final, NamedTuple

from mcast.neighbours import SocketAddress


class Transmission(NamedTuple):
    """One message to send from port 5353 with hop limit 255 (RFC 6762 §11)."""

    payload: bytes
    destination: SocketAddress | None
    """Where to, exactly as it was given to `Link.receive`; None for the group, port 5353."""


class Outbox:
    """What is to be sent, oldest first."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: Final[list[Transmission]] = []

    def multicast(self, payload: bytes) -> None:
        """Send to the group."""
        self._waiting.append(Transmission(payload, None))

    def unicast(self, payload: bytes, destination: SocketAddress) -> None:
        """Send to one host."""
        self._waiting.append(Transmission(payload, destination))

    def take(self) -> list[Transmission]:
        """Return what waits, and forget it."""
        taken = self._waiting[:]
        self._waiting.clear()
        return taken

    def clear(self) -> None:
        """Send nothing of what waits."""
        self._waiting.clear()
