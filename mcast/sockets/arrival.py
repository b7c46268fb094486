"""How a datagram arrived."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mcast.neighbours import SocketAddress


class Arrival(NamedTuple):
    """How a datagram came in, as far as the system told.

    A tuple, and not a dataclass as our other values, since one is made for each datagram.
    """

    interface: int
    """Index of the interface it arrived on; 0 when not known."""
    destination: str | None
    """The address it was sent to; None when not known."""
    hop_limit: int | None
    """The TTL or hop limit it arrived with; None when not known."""


UNKNOWN_ARRIVAL = Arrival(0, None, None)
"""Nothing is known, as on a stock port."""

Way = tuple[Callable[[bytes, SocketAddress, Any], bytes | None], Any, int]
"""Where datagrams go that arrived in one way: what is called, with the datagram, its source and the second of
these; and the index of the interface that an answer is told to leave by, 0 for none."""
