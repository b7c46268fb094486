"""What limits are reached on a link, and by whom: told in the log once a minute and cause, and in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import repeat
from typing import Any, Final, Protocol

from twisted.logger import Logger

INTERVAL: Final = 60.0
"""Seconds between two lines of one cause. Our choice: a flood may last for hours, and a log is read."""

MAX_SOURCES: Final = 256
"""Sources told apart for each cause, beyond which the rest is counted together.

Our choice: whoever strains a link is soon among them; forged addresses cost no more than this.
"""

NOBODY = "nobody in particular"
"""Stands for what was not reached by a packet: by a timer, or by the program itself."""

OTHERS = "others"
"""Stands for the sources beyond `MAX_SOURCES`."""

LINK_LIMITS: Final[Mapping[str, str]] = {
    "answers over rate": "unicast answers to one source",
    "answers over octet rate": "octets in unicast answers to one source",
    "truncated queries over limit": "hosts whose further known answers are waited for",
    "delayed responses over limit": "unicast responses that wait",
    "records refused, cache full": "records in the cache",
    "records displaced, name full": "records of one name",
    "reconfirmations refused": "records in doubt",
    "queries not observed": "questions of others that are observed",
    "oversized datagrams": "octets in a datagram",
}
"""The counters of a link that a limit is behind, and of what it is one."""

SEARCH_LIMITS: Final[Mapping[str, str]] = {
    "instances displaced": "instances of a type",
    "types displaced": "service types",
    "domains beyond the limit": "domains",
    "answers beyond the limit": "answers to one question",
    "aliases beyond the limit": "aliases in a row",
    "hosts elsewhere beyond the limit": "hosts outside of multicast DNS",
}
"""The same of searches."""

PORT_LIMITS: Final[Mapping[str, str]] = {
    "answers_held_back": "unicast answers to one host while the send buffer is crowded",
    "answers_lost": "unicast answers that wait for room in the send buffer",
    "backlog_lost": "multicast packets that wait for room in the send buffer",
    "send_full": "octets in the send buffer",
}
"""The same of a port, which serves all links of a family."""

SYSTEM_LIMITS: Final[Mapping[str, str]] = {
    "joins refused, memberships full": "group memberships that the system grants",
    "descriptors full": "open files that the system grants",
}
"""The same of what the system refuses: a link, the port of a family, or the look at the interfaces."""


class Labelled(Protocol):
    """A link, or what serves several, as far as its name goes."""

    @property
    def label(self) -> str:
        """What logs and statistics call it."""


class _Cause:
    """One limit on one link."""

    __slots__ = ("by", "count", "told_at", "untold")

    def __init__(self) -> None:
        self.count = 0
        self.untold: Counter[str] = Counter()
        """Who reached it how often since the last line."""
        self.by: Counter[str] = Counter()
        """Who reached it how often in all."""
        self.told_at: float | None = None


class Strain:
    """Watches counters, and tells which limits are reached.

    :param limits: the counters, and what each is a limit of.
    """

    _log = Logger()

    def __init__(self, limits: Mapping[str, str]) -> None:
        self._limits: Final = limits
        self._names: Final = tuple(limits)
        self._limited: Final = frozenset(limits)
        self._causes: Final[dict[tuple[str, str], _Cause]] = {}
        self._seen: Final[Counter[str]] = Counter()
        self._total = 0

    def look(self, counters: Iterable[Mapping[str, int]], link: Labelled, source: str, now: float) -> None:
        """Take note of what was counted since the last look; cheap when that is nothing.

        :param counters: all that are watched; their sums never shrink.
        :param source: who sent what was just taken in; empty when nobody did.
        """
        counters = tuple(counters)
        # Runs for each datagram, and nearly always finds nothing: the loop is C's.
        total = 0
        for each in counters:
            if not self._limited.isdisjoint(each):
                total += sum(map(each.get, self._names, repeat(0)))
        if total == self._total:
            return
        self._total = total
        for name in self._names:
            count = sum([each.get(name, 0) for each in counters])
            more = count - self._seen[name]
            self._seen[name] = count
            if more > 0:
                self._note(name, more, link.label, source or NOBODY, now)

    def _note(self, name: str, count: int, link: str, source: str, now: float) -> None:
        cause = self._causes.setdefault((link, name), _Cause())
        cause.count += count
        for table in (cause.by, cause.untold):
            table[source if source in table or len(table) < MAX_SOURCES else OTHERS] += count
        if cause.told_at is not None and cause.told_at <= now < cause.told_at + INTERVAL:
            return
        cause.told_at = now
        who, most = cause.untold.most_common(1)[0]
        self._log.warn(
            "{link}: limit of {what} reached {count} times, {most} of them by {source} ({cause})",
            link=link,
            what=self._limits[name],
            count=cause.untold.total(),
            most=most,
            source=who,
            cause=name,
        )
        cause.untold.clear()

    def numbers(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Return by link and cause: the ``count`` so far, and ``by`` whom most, how often (``most``)."""
        found: dict[str, dict[str, dict[str, Any]]] = {}
        for (link, name), cause in self._causes.items():
            who, most = cause.by.most_common(1)[0]
            found.setdefault(link, {})[name] = {"count": cause.count, "by": who, "most": most}
        return found
