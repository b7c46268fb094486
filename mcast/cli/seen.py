"""Packets as `mcast dump` and `mcast top` see them."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeenPacket:
    """A packet, and what is known of its way here."""

    payload: bytes
    source: str
    source_port: int
    at: float
    """When it was seen, seconds since 1970."""
    interface: str = ""
    """Name of the interface; empty for a packet of a capture file that does not tell."""
    ipv6: bool = False
    multicast: bool = False
    hop_limit: int | None = None
    """IP TTL or hop limit as it arrived; None when that is not known."""

    @property
    def head(self) -> str:
        """The words that begin each line about this packet: time, interface and source."""
        fraction = int(self.at % 1 * 1000)
        try:
            clock = time.strftime("%H:%M:%S", time.localtime(self.at)) + f".{fraction:03d}"
        except (OverflowError, ValueError, OSError):
            # A capture may tell any time, one beyond all calendars among them.
            clock = f"{self.at:.0f}"
        return f"{clock} {self.interface or '-'} {self.source}"
