"""What a listener of groups writes: a protocol that is told how each datagram arrived."""

from __future__ import annotations

from mcast.sockets.arrival import UNKNOWN_ARRIVAL, Arrival

__all__ = ["UNKNOWN_ARRIVAL", "Arrival"]
