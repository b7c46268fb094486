"""What is published and withdrawn is told in the log, name by name; of very many names, in numbers."""

from __future__ import annotations

from collections import Counter
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from mcast.dns.names import Name

MAX_LINES = 500
"""Lines in `INTERVAL` seconds about names; further ones are counted.

Our choice: the services of a large server at its start. A bridge carries what strangers announce and say
goodbye to, hundreds of names a second if they like.
"""

INTERVAL: Final = 60.0
"""Seconds after which names are told again. Our choice: as long as with limits (`mcast.node.strain`)."""

PUBLISHED: Final = "published {name}"
WITHDREW: Final = "withdrew {name}"


class Lives:
    """Tells of names that are published and withdrawn."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock: Final = clock
        self._began_at = float("-inf")
        self._told = 0
        self._untold: Counter[str] = Counter()

    def tell(self, log: Logger, what: str, name: Name) -> None:
        """Tell one thing of a name: `PUBLISHED` or `WITHDREW`."""
        now = self._clock.seconds()
        if now - self._began_at >= INTERVAL:
            self._tell_rest(log)
            self._began_at, self._told = now, 0
        if self._told < MAX_LINES:
            self._told += 1
            log.info(what, name=str(name))
            return
        if not self._untold:
            log.warn(
                "{count} names published or withdrawn within {seconds:.0f} s; further ones are counted",
                count=MAX_LINES,
                seconds=INTERVAL,
            )
        self._untold[what] += 1

    def _tell_rest(self, log: Logger) -> None:
        if self._untold:
            log.info(
                "{published} more names published, {withdrawn} withdrawn",
                published=self._untold[PUBLISHED],
                withdrawn=self._untold[WITHDREW],
            )
            self._untold.clear()
