"""How many unicast answers one source gets."""

from __future__ import annotations

MAX_RATE = 1000
"""Unicast answers a second to one source, unless told otherwise; 0 for no limit.

Our choice: a busy resolver asks some dozens of questions a second. Anybody on the link can write somebody
else's address into a query, so that without a limit we could be used to flood that host.
"""

MAX_SOURCES = 4096
"""Sources whose answers are counted within one second.

Our choice: more than there are hosts on a link. Sources beyond that share one count, so that forged addresses
cost memory only up to here.
"""

_PERIOD = 1.0
"""Seconds after which counting begins anew."""


class RateLimit:
    """Counts answers by source address, within periods of one second.

    :param rate: answers a second to one source; 0 for no limit.
    """

    __slots__ = ("_counts", "_ends_at", "_rate")

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._counts: dict[str, int] = {}
        self._ends_at = 0.0

    def allows(self, source: str, now: float) -> bool:
        """Whether one more answer may go to ``source``; counts it if so."""
        rate = self._rate
        if not rate:
            return True
        counts = self._counts
        if now >= self._ends_at or now < self._ends_at - _PERIOD:
            counts.clear()
            self._ends_at = now + _PERIOD
        count = counts.get(source)
        if count is None:
            if len(counts) >= MAX_SOURCES:
                source = ""
            count = counts.get(source, 0)
        if count >= rate:
            return False
        counts[source] = count + 1
        return True
