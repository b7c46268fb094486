"""Why a node has no link, or lacks one, in words for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from twisted.logger import Logger

from mcast.sockets.interface import Interface, find_interface

NOT_STARTED = "the node is not started"
"""The cause while `Node.startService` was not called, or `stopService` was."""

AGAIN: Final = 60.0
"""Seconds until a cause that went and came back is told again.

Our choice: as for limits. An interface that comes changes several times in a second.
"""


class Troubles:
    """The causes that there are now; each is logged when it comes.

    :param log: the log of the links.
    """

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._last: frozenset[str] = frozenset()
        """Those of the last look."""
        self._told: dict[str, float] = {}
        """When each of the last minute was told."""
        self._usual: set[str] = set()
        self.causes: list[str] = []
        """Those of now, in the order in which they were found."""

    def add(self, cause: str, *, is_usual: bool = False) -> None:
        """Note a cause, until `clear`.

        :param is_usual: it is told only when no link works: nobody misses an interface without a cable.
        """
        if cause not in self.causes:
            self.causes.append(cause)
            if is_usual:
                self._usual.add(cause)

    def clear(self) -> None:
        """There are none, as far as is known; what comes again soon is not told again."""
        self.causes = []
        self._usual.clear()

    def forget(self) -> None:
        """There are none, and each that comes is told anew."""
        self.clear()
        self._last = frozenset()
        self._told.clear()

    def tell(self, now: float, *, any_link: bool) -> None:
        """Log the causes that are new.

        :param any_link: whether there is a link all the same.
        """
        new = [cause for cause in self.causes if cause not in self._last]
        self._last = frozenset(self.causes)
        if new and not any_link:
            self._log.warn("no link works: {causes}; waiting for one", causes="; ".join(self.causes))
            return
        self._told = {cause: at for cause, at in self._told.items() if now - at < AGAIN}
        for cause in new:
            if cause not in self._usual and cause not in self._told:
                self._told[cause] = now
                self._log.warn("{cause}; left out until that changes", cause=cause)


def missing_interfaces(
    selectors: Sequence[str], available: Sequence[Interface], chosen: Iterable[Interface]
) -> list[str]:
    """Say which interfaces that are to be used cannot be, and why.

    :param chosen: those that are to be used, and are up.
    """
    causes = []
    for selector in selectors:
        interface = find_interface(selector, available)
        if interface is None:
            causes.append(f"{selector} does not exist")
        elif not interface.up:
            causes.append(f"{selector} is down")
    chosen = tuple(chosen)
    if not (chosen or selectors):
        causes.append("no interface is up and does multicast")
    for interface in chosen:
        if not interface.carrier:
            causes.append(f"{interface.name} has no carrier")
        elif not interface.addresses:
            causes.append(f"{interface.name} has no address")
    return causes
