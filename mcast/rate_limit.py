"""How many unicast answers one source gets."""

from __future__ import annotations

MAX_RATE = 1000
"""Unicast answers of a multicast DNS link to one source in a second, unless told otherwise; 0 for no limit.

Our choice: a busy resolver asks some dozens of questions a second. Any host on the link can write the
address of another one into a query: without a limit, we could be used to flood that other host.
"""

MAX_OCTET_RATE = 250_000
"""Octets in unicast answers of a multicast DNS link to one source in a second, where `MAX_RATE` is a limit.

Our choice: a thousand common answers, or the list of a thousand services ten times; two megabits a second are
little to a link, and a nuisance at worst to the host whose address was forged. The answer that exceeds it is
still sent whole, so the most that one source gets is this and one response more.
"""

WINDOW = 1.0
"""Seconds after which every source has its full allowance again, since limits are told for a second."""

MAX_SOURCES = 4096
"""Sources counted in one window.

Our choice: more than there are hosts on a link. Sources beyond that share one allowance, so that forged
addresses cost memory only up to here and still cannot use us to send more.
"""

UNLIMITED = 1_000_000_000
"""Answers in one window that no interface reaches. Our choice: below 2**30 CPython counts down fastest."""

_FURTHER = ""
"""The key under which sources beyond `MAX_SOURCES` are counted; no address."""


class RateLimit:
    """Counts the answers to each source, within windows of one second.

    :param rate: answers to one source in a second; 0 for no limit.
    """

    __slots__ = ("_ends_at", "_rate", "left")

    def __init__(self, rate: int) -> None:
        self._rate = rate or UNLIMITED
        self._ends_at = 0.0
        self.left: dict[str, int] = {}
        """The answers left in this window for each source that had one. A hot loop may take one from here
        itself while there are some, and otherwise calls `take`; the dictionary stays the same one."""

    def turn(self, now: float) -> bool:
        """Begin a new window if the last one has ended, and tell whether it had."""
        # Both ends are compared, since the reactor's clock may be set back.
        if self._ends_at - WINDOW <= now < self._ends_at:
            return False
        self._ends_at = now + WINDOW
        self.left.clear()
        return True

    def take(self, source: str, amount: int = 1) -> bool:
        """Count one more answer to ``source`` in this window; False when it has had all of them.

        :param amount: how much the answer counts, where other things than answers are. The last one may go
            beyond the limit; the source then gets nothing more in this window.
        """
        left = self.left.get(source)
        if left is None:
            if len(self.left) >= MAX_SOURCES:
                source = _FURTHER
            left = self.left.get(source, self._rate)
        if left <= 0:
            return False
        self.left[source] = left - amount
        return True

    def allows(self, source: str, now: float, amount: int = 1) -> bool:
        """Count one more answer to ``source`` at ``now``; False when it has had all of this second.

        :param amount: see `take`; 0 to look whether there is something left.
        """
        # As `turn` and `take`, without their calls for the source that has been counted before.
        if not self._ends_at - WINDOW <= now < self._ends_at:
            self.turn(now)
        left = self.left.get(source)
        if left is None or left <= 0:
            return self.take(source, amount)
        self.left[source] = left - amount
        return True
