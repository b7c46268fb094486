"""One `ZoneQuerier` on the reactor: its questions go to servers, and its events to whoever asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from twisted.internet.defer import Deferred, ensureDeferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns_client.client import Answered, DnsClient
from mcast.dns_client.system import Servers
from mcast.errors import NotFound
from mcast.mdns.events import Event
from mcast.unicast.servers import ServerAddress
from mcast.unicast.zone_querier import ZoneQuerier

if TYPE_CHECKING:
    from mcast.dns_client.zone_push import ZonePush


class ZoneDriver:
    """Asks servers what the followers in one domain want to know.

    :param servers: tells which servers to ask, at each question.
    :param report: called with what the querier has to tell.
    :param others: the servers for names outside of the domain that those do not know.
    """

    _log = Logger()

    def __init__(
        self,
        client: DnsClient,
        domain: Name,
        servers: Servers,
        report: Callable[[Sequence[Event]], object],
        others: Servers | None = None,
    ) -> None:
        self.querier: Final = ZoneQuerier(domain, client.rng)
        self.domain: Final = domain
        self.users = 0
        """How many searches ask by it."""
        self.push: ZonePush | None = None
        """Subscribes to the questions where the zone offers it; set before `start`."""
        self.trouble: str | None = None
        """Why no server answers, in one line; None while one does."""
        self._client: Final = client
        self._clock: Final = clock_of(client.reactor)
        self._servers: Final = servers
        self._report: Final = report
        self._others: Final = others
        self._asked: tuple[ServerAddress, ...] | None = None
        self._timer: IDelayedCall | None = None
        self._running: Final[set[Deferred[None]]] = set()
        self._is_running = False
        self._is_stepping = False

    @property
    def label(self) -> str:
        """What statistics and the log call it."""
        return str(self.domain)

    def start(self) -> None:
        """Begin to ask."""
        self._is_running = True
        self.step()

    def stop(self) -> Deferred[None]:
        """Ask no more; fires when the connections of DNS Push are closed."""
        self._is_running = False
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        for asked in tuple(self._running):
            asked.cancel()
        push, self.push = self.push, None
        return succeed(None) if push is None else push.stop()

    def step(self) -> None:
        """Do what the querier wants done now; to be called after each call of it."""
        if self._is_stepping:
            return
        self._is_stepping = True
        try:
            while self._step():
                pass
        finally:
            self._is_stepping = False
        self._arm()

    def _step(self) -> bool:
        """Report and ask once; return whether anything was there to do."""
        events = self.querier.events()
        if events:
            self._report(events)
        due = self.querier.due(self._now()) if self._is_running else []
        if self._is_running and self.push is not None:
            self.push.look()
        if due:
            servers = self._servers.current()
            if self._asked not in (None, servers):
                self._log.info("{domain}: other DNS servers from now on", domain=self.label)
                self.querier.ask_again(self._now())
            self._asked = servers
            for question in due:
                asked = ensureDeferred(self._ask(question, servers))
                if not asked.called:
                    self._running.add(asked)
                    asked.addBoth(self._ended, asked)
        return bool(events or due)

    def _ended(self, result: object, asked: Deferred[None]) -> None:
        self._running.discard(asked)
        if isinstance(result, Failure) and not result.check(NotFound) and self._is_running:
            self._log.failure("a question in {domain}", result, domain=self.label)

    async def _ask(self, question: Question, servers: Sequence[ServerAddress]) -> None:
        try:
            answered = await self._look_up(question, servers)
        except NotFound as error:
            self._fail(question, error.reason)
        else:
            self._take(question, answered)
        self.step()

    async def _look_up(self, question: Question, servers: Sequence[ServerAddress]) -> Answered:
        try:
            return await self._client.look_up(question.name, question.type, servers)
        except NotFound:
            # A server that was named may know its own zones only; a service may be on a host of another one.
            others = () if self._others is None or self._is_inside(question) else self._others.current()
            if not others:
                raise
            return await self._client.look_up(question.name, question.type, others)

    def _is_inside(self, question: Question) -> bool:
        return question.name.is_within(self.domain)

    def _take(self, question: Question, answered: Answered) -> None:
        if self.trouble is not None and self._is_inside(question):
            self._log.info("{domain}: a DNS server answers again", domain=self.label)
            self.trouble = None
        answer, reply = answered
        self.querier.answered(question, answer, self._now(), reply.message)

    def _fail(self, question: Question, reason: str) -> None:
        if self._is_inside(question):
            if self.trouble is None:
                self._log.info("{domain}: {reason}", domain=self.label, reason=reason)
            self.trouble = reason
        self.querier.failed(question, self._now())

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        at = self.querier.next_wakeup() if self._is_running else None
        if at is not None:
            self._timer = self._clock.callLater(max(0.0, at - self._now()), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self.step()

    def _now(self) -> float:
        return float(self._clock.seconds())

    def __repr__(self) -> str:
        return f"<ZoneDriver {self.label} of {self.users}>"
