"""What each source may get by unicast: one look-up for each query."""

from __future__ import annotations

from typing import Final

from mcast.mdns.context import LinkContext
from mcast.neighbours import SourceKind
from mcast.rate_limit import MAX_OCTET_RATE, MAX_SOURCES, UNLIMITED, WINDOW


class Share:
    """What is known of one source, and what it may still have in this window."""

    __slots__ = ("answers", "is_on_link", "is_reached", "octets")

    def __init__(self, answers: int, octets: int, is_on_link: bool, is_reached: bool) -> None:
        self.answers = answers
        self.octets = octets
        """Below 0 after an answer that exceeded them, which was sent whole."""
        self.is_on_link = is_on_link
        """Whether the source is a host on the link, as far as its address tells."""
        self.is_reached = is_reached
        """Whether a unicast response reaches the program on port 5353 that has asked; see `Allowances`."""


class Allowances:
    """The shares of the sources of a link, within windows of one second.

    A host off the link ignores a unicast response (RFC 6762 §11). On our own host the system gives it to one
    of the sockets bound to the port, on Linux to the one bound last, whichever of them has asked (RFC 6762
    §15.1); so all that our host asks is answered by multicast.

    One look-up in ``shares`` in place of one in each of three tables, with their calls, saves 0.4 µs a query.
    """

    def __init__(self, context: LinkContext) -> None:
        max_rate = context.settings.max_rate
        self.shares: Final[dict[str, Share]] = {}
        """Those of this window; the dictionary stays the same one."""
        self.ends_at = 0.0
        """When this window ends."""
        self._context: Final = context
        self._answers: Final = max_rate or UNLIMITED
        self._octets: Final = MAX_OCTET_RATE if max_rate else UNLIMITED
        self._further = self._new(False, False)

    def of(self, host: str, now: float) -> Share:
        """Return the share of a source at ``now``, a whole one in a new window.

        Sources beyond `MAX_SOURCES` in one window have one share together. Of them it is not told where they
        are, and they go the long way, where that is found out.
        """
        # Both ends are compared, since the caller's clock may be set back.
        if not self.ends_at - WINDOW <= now < self.ends_at:
            self.ends_at = now + WINDOW
            self.shares.clear()
            self._further = self._new(False, False)
        share = self.shares.get(host)
        if share is None:
            if len(self.shares) >= MAX_SOURCES:
                return self._further
            is_on_link = self._context.neighbours.classify(host) is SourceKind.ON_LINK
            share = self.shares[host] = self._new(is_on_link, self.reaches(host))
        return share

    def reaches(self, host: str) -> bool:
        """Whether a unicast response reaches the program on port 5353 of this host."""
        neighbours = self._context.neighbours
        return neighbours.classify(host) is SourceKind.ON_LINK and not neighbours.is_own(host)

    def forget(self) -> None:
        """Begin a new window, since other hosts may be on the link now."""
        self.ends_at = 0.0
        self.shares.clear()

    def _new(self, is_on_link: bool, is_reached: bool) -> Share:
        return Share(self._answers, self._octets, is_on_link, is_reached)
