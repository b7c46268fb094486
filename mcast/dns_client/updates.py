"""Keeps a domain on a server as a `Registrar` wants it: one timer, one request at a time."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from mcast.clock import clock_of
from mcast.dns.names import Name
from mcast.dns_client.alone import InUse, hold
from mcast.dns_client.update_server import UpdateServer, identity_of
from mcast.dns_client.update_session import ServerFailed, UpdateSession
from mcast.showing import shown
from mcast.unicast.claims import Request
from mcast.unicast.registrar import Left, Registrar, RegistrarEvent, Swept, Trouble

UPDATE_STOP_LIMIT = 3.0
"""Seconds that the removal of all names takes at most when a program stops.

Our choice: some hundred updates; while a service stops no second SIGTERM is heeded. What is left is removed
at the next start.
"""

NAMES_TOLD = 3
"""Names in one line of the log. Our choice: enough to know what is meant."""


class DomainUpdater:
    """Registers in one domain on one server.

    :param tell: called with each event that the claims cause, after the registrar is told of it.
    :param rng: draws the IDs of messages.
    :param time_of_day: seconds since 1970, which signatures need.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        server: UpdateServer,
        domain: Name,
        tell: Callable[[RegistrarEvent], None],
        rng: Random,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self.server = server
        self.domain = domain
        self.counters: Counter[str] = Counter()
        """Requests, failures, and names that an earlier run left."""
        self._clock = clock_of(reactor)
        self.registrar = Registrar(domain, identity_of(server), self.now())
        self._tell = tell
        self._session = UpdateSession(reactor, server, rng, time_of_day)
        self._timer: IDelayedCall | None = None
        self._is_running = False
        self._is_asking = False
        self._trouble = ""
        self._stopped: Deferred[None] | None = None
        self._stop_timer: IDelayedCall | None = None
        self._held: socket.socket | None = None

    def __repr__(self) -> str:
        return f"<DomainUpdater {self.domain} at {self.server}>"

    def now(self) -> float:
        """Return the time to tell the registrar."""
        return float(self._clock.seconds())

    @property
    def trouble(self) -> str | None:
        """What the server did not do, in one line; None while all goes well."""
        return self._trouble or None

    def start(self) -> None:
        """Begin to register."""
        self._is_running = True
        try:
            self._held = hold(self.registrar.owner.identity.hex(), str(self.domain), str(self.server))
        except InUse:
            self._log.warn(
                "{domain} at {server}: another program of this host registers there as the same owner, and "
                "each removes the names of the other; give one another owner (owner=, --update-owner)",
                **self._names(),
            )
        self.poke()

    def stop(self) -> Deferred[None]:
        """Remove everything; fires when that is done, or time is up."""
        if not self._is_running:
            return succeed(None)
        if self._stopped is None:
            self._stopped = Deferred()
            self._stop_timer = self._clock.callLater(UPDATE_STOP_LIMIT, self._give_up)
            self.registrar.stop(self.now())
            self.registrar.hurry(self.now())
            self.poke()
        waiting: Deferred[None] = Deferred()
        self._stopped.addCallback(_pass_on, waiting)
        return waiting

    def poke(self) -> None:
        """Look at what is due, after what is wanted has changed."""
        if not self._is_running or self._is_asking:
            return
        self._pass_events()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._stopped is not None and self.registrar.is_idle:
            self._end()
            return
        at = self.registrar.next_timer()
        if at is not None:
            self._timer = self._clock.callLater(max(0.0, at - self.now()), self._on_timer, at)

    def network_changed(self) -> None:
        """Begin anew by another connection, and at once: this host has other addresses now."""
        self.registrar.hurry(self.now())
        self._session.renew()
        self.poke()

    def _on_timer(self, at: float) -> None:
        self._timer = None
        request = self.registrar.due(max(at, self.now()))
        if request is None:
            self.poke()
            return
        self._is_asking = True
        asked = Deferred.fromCoroutine(self._ask(request))
        asked.addErrback(lambda failure: self._log.failure("an update failed", failure))

    async def _ask(self, request: Request) -> None:
        self.counters["requests"] += 1
        try:
            reply = await self._session.ask(request)
        except ServerFailed as error:
            self.registrar.failed(str(error), self.now())
        else:
            self.registrar.answered(reply, self.now())
            if self._trouble and self.registrar.is_well:
                self._trouble = ""
                self._log.info("{domain} at {server}: updates work again", **self._names())
        finally:
            self._is_asking = False
        self.poke()

    def _pass_events(self) -> None:
        for event in self.registrar.take_events():
            if isinstance(event, Trouble):
                self._on_trouble(event)
            elif isinstance(event, Left):
                self._log.info(
                    "{domain} at {server}: removing {count} names that an earlier run left: {some}",
                    count=len(event.names),
                    some=_some(event.names),
                    **self._names(),
                )
            elif isinstance(event, Swept):
                self.counters["leftovers removed"] += 1
            else:
                self._tell(event)

    def _on_trouble(self, trouble: Trouble) -> None:
        self.counters["failures"] += 1
        if _without_numbers(trouble.reason) == _without_numbers(self._trouble):
            # One line while it lasts.
            return
        self._trouble = trouble.reason
        self._log.warn(
            "{domain} at {server}: {reason}; tried again in {delay:.0f} s, and then more and more slowly",
            reason=trouble.reason,
            delay=trouble.retry_delay,
            **self._names(),
        )

    def _names(self) -> dict[str, str]:
        return {"domain": str(self.domain).rstrip("."), "server": str(self.server)}

    def _give_up(self) -> None:
        self._stop_timer = None
        self._log.warn(
            "{domain} at {server}: not everything was removed within {limit:.0f} s; the next start does it",
            limit=UPDATE_STOP_LIMIT,
            **self._names(),
        )
        self._end()

    def _end(self) -> None:
        self._is_running = False
        for timer in (self._timer, self._stop_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._stop_timer = None
        self._session.close()
        if self._held is not None:
            self._held.close()
            self._held = None
        stopped, self._stopped = self._stopped, None
        assert stopped is not None
        stopped.callback(None)


def _some(names: Sequence[Name]) -> str:
    """Return the first of some names, which a server told."""
    told = [shown(str(name)) for name in names[:NAMES_TOLD]]
    return ", ".join(told if len(told) == len(names) else [*told, "…"])


def _without_numbers(reason: str) -> str:
    return re.sub(r"\d+", "", reason)


def _pass_on(result: None, waiting: Deferred[None]) -> None:
    waiting.callback(None)
