"""Being told of changes in place of asking for them, where a zone offers that (RFC 8765)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Identity, Record
from mcast.dns_client.client import DnsClient
from mcast.dns_client.push import Connect, PushConnections, PushTarget
from mcast.dns_client.system import Servers
from mcast.errors import NotFound
from mcast.unicast.push import Topic
from mcast.unicast.push_discovery import PushDiscovery, PushServers
from mcast.unicast.zone_querier import ZoneQuerier

DISCOVER_AGAIN = 300.0
"""Seconds after which it is found out anew whether a zone offers to push.

Our choice: a zone that begins to offer it is then noticed within some minutes, at two questions each time.
"""

SETTLE_TIME = 3.0
"""Seconds after a subscription in which the server may tell all its records.

Our choice: a Discovery Proxy asks three questions on its link in this time (RFC 6762 §5.2). What was known
before, and was not told then, is taken for gone.
"""

_Key = tuple[bytes, int]


class _Subscription:
    """One question, as it is subscribed to."""

    def __init__(self, question: Question) -> None:
        self.question: Final = question
        self.records: Final[dict[Identity, Record]] = {}
        """What the server has told, and not taken back."""
        self.cancel: Callable[[], None] = lambda: None
        self.settling: IDelayedCall | None = None
        self.is_working = False

    def stop_settling(self) -> None:
        """Wait no longer for the first records."""
        settling, self.settling = self.settling, None
        if settling is not None:
            settling.cancel()


class ZonePush:
    """Subscribes to the questions of a `ZoneQuerier`; what is not pushed is polled as before (RFC 8765 §6.8).

    :param servers: whom to ask where the zone pushes from.
    :param changed: called when the querier has something to tell or to ask.
    :param authorities: see `PushConnections`.
    :param connect: opens connections; for tests.
    """

    _log = Logger()

    def __init__(
        self,
        client: DnsClient,
        querier: ZoneQuerier,
        servers: Servers,
        changed: Callable[[], object],
        authorities: str | None = None,
        connect: Connect | None = None,
    ) -> None:
        self._client: Final = client
        self._clock: Final = clock_of(client.reactor)
        self._querier: Final = querier
        self._servers: Final = servers
        self._changed: Final = changed
        self._pushes: Final = PushConnections(
            client.reactor, self._addresses, authorities, client.rng, connect=connect
        )
        self._subscriptions: Final[dict[_Key, _Subscription]] = {}
        self._offer: PushServers | None = None
        self._turn = 0
        """Which of the servers is subscribed at; the next one when this one fails."""
        self._discovering: Deferred[None] | None = None
        self._again: IDelayedCall | None = None
        self._told = ""

    def look(self) -> None:
        """Subscribe to what is asked now, and no longer to what is not; called at each step."""
        begun, ended = self._querier.take_subscriptions()
        for question in ended:
            self._unsubscribe(question)
        for question in begun:
            if question.type != RecordType.ANY:
                key = (question.name.key, question.type)
                self._subscriptions[key] = _Subscription(question)
        if self._offer is not None:
            self._subscribe([self._subscriptions[one.name.key, one.type] for one in begun if self._has(one)])
        elif begun and self._discovering is None and self._again is None:
            self._discover()
        target = self._target()
        for record in self._querier.take_doubted():
            if target is not None and not self._pushes.reconfirm(target, record):
                self._querier.counters["doubts that no server took"] += 1

    def stop(self) -> Deferred[None]:
        """End every subscription and connection; fires when they are closed."""
        discovering, self._discovering = self._discovering, None
        if discovering is not None:
            discovering.cancel()
        again, self._again = self._again, None
        if again is not None:
            again.cancel()
        for one in self._subscriptions.values():
            one.stop_settling()
            one.cancel()
        self._subscriptions.clear()
        return self._pushes.close()

    def statistics(self) -> dict[str, Any]:
        """Return what `PushConnections.statistics` does."""
        return self._pushes.statistics()

    def _has(self, question: Question) -> bool:
        return (question.name.key, question.type) in self._subscriptions

    # Where to subscribe

    def _discover(self) -> None:
        discovering = ensureDeferred(self._find())
        if discovering.called:
            return
        self._discovering = discovering
        discovering.addBoth(self._found)

    async def _find(self) -> None:
        discovery = PushDiscovery(self._querier.domain, self._client.rng)
        while (question := discovery.question) is not None:
            try:
                reply = await self._client.ask(question, self._servers.current())
            except NotFound as error:
                discovery.failed(error.reason)
            else:
                discovery.answered(reply.message, self._clock.seconds())
        self._offer = discovery.result
        self._again = self._clock.callLater(DISCOVER_AGAIN, self._look_again)
        if self._offer is None:
            self._log.debug(
                "{zone} is asked again and again: {reason}",
                zone=str(self._querier.domain),
                reason=discovery.failure,
            )
        else:
            self._turn = 0
            self._subscribe(self._subscriptions.values())

    def _found(self, result: object) -> None:
        self._discovering = None
        if isinstance(result, Failure) and not result.check(CancelledError):
            self._log.failure("finding DNS Push of {zone}", result, zone=str(self._querier.domain))

    def _look_again(self) -> None:
        self._again = None
        # While all is pushed there is nothing to find out.
        if self._subscriptions and not any(one.is_working for one in self._subscriptions.values()):
            for one in self._subscriptions.values():
                one.cancel()
                one.cancel = lambda: None
            self._offer = None
            self._discover()
        else:
            self._again = self._clock.callLater(DISCOVER_AGAIN, self._look_again)

    async def _addresses(self, host: str) -> Sequence[str]:
        """Find the addresses of a server of DNS Push."""
        found: list[str] = []
        for rtype in (RecordType.AAAA, RecordType.A):
            answer, _ = await self._client.look_up(Name.parse(host), rtype, self._servers.current())
            found += [str(record.data) for record in answer.records]
        return found

    def _target(self) -> PushTarget | None:
        offer = self._offer
        if offer is None:
            return None
        host, port = offer.servers[self._turn % len(offer.servers)]
        return PushTarget(str(host).removesuffix("."), port, offer.zone)

    # Subscriptions

    def _subscribe(self, subscriptions: Iterable[_Subscription]) -> None:
        target = self._target()
        assert target is not None
        for one in tuple(subscriptions):
            question = one.question
            if not question.name.is_within(target.zone):
                continue
            topic = Topic(question.name, question.type, question.rclass)
            try:
                one.cancel = self._pushes.subscribe(
                    target, topic, partial(self._pushed, one), partial(self._is_pushed, one)
                )
            except ValueError:
                # It is asked again and again.
                self._querier.counters["subscriptions beyond the limit"] += 1

    def _unsubscribe(self, question: Question) -> None:
        one = self._subscriptions.pop((question.name.key, question.type), None)
        if one is not None:
            one.stop_settling()
            one.cancel()

    def _pushed(self, one: _Subscription, added: Sequence[Record], removed: Sequence[Record]) -> None:
        for record in added:
            one.records[record.identity] = record
        for record in removed:
            one.records.pop(record.identity, None)
        self._querier.pushed(added, removed, self._clock.seconds())
        self._changed()

    def _is_pushed(self, one: _Subscription, trouble: str | None) -> None:
        now = self._clock.seconds()
        one.stop_settling()
        one.records.clear()
        one.is_working = trouble is None
        if trouble is None:
            self._querier.push_began(one.question, now)
            one.settling = self._clock.callLater(SETTLE_TIME, self._settle, one)
        else:
            if trouble != self._told:
                self._told = trouble
                self._log.info(
                    "{zone} is asked again and again: DNS Push: {reason}",
                    zone=str(self._querier.domain),
                    reason=trouble,
                )
            self._querier.push_ended([one.question], now)
            self._try_next(one)
        self._changed()

    def _settle(self, one: _Subscription) -> None:
        one.settling = None
        self._querier.push_settled(one.question, list(one.records.values()), self._clock.seconds())
        self._changed()

    def _try_next(self, failed: _Subscription) -> None:
        """Subscribe at the next of several servers (RFC 8765 §6.1)."""
        offer = self._offer
        if offer is None or self._turn + 1 >= len(offer.servers):
            return
        if any(one.is_working for one in self._subscriptions.values()):
            return
        self._turn += 1
        for one in self._subscriptions.values():
            one.cancel()
        self._subscribe(self._subscriptions.values())
