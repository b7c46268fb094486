"""Look-ups: searches that end with an answer, or with `NotFound` when their time is up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dnssd.collecting import Answer, Collector
from mcast.dnssd.enumeration import DomainBrowser
from mcast.dnssd.following import Follower
from mcast.dnssd.found import FoundAddress, FoundService
from mcast.dnssd.resolving import HostLookup, Resolver, without_address
from mcast.errors import NotFound
from mcast.last_look import LastLook
from mcast.mdns.domains import is_multicast_name
from mcast.node.beyond import Beyond, Where
from mcast.node.durations import Durations
from mcast.node.searches import Search, Searches

LOOKUP_TIMEOUT = 3.0
"""Seconds that a look-up takes at most unless told otherwise: "two or three seconds" (RFC 6762 §5.1)."""

_T = TypeVar("_T")


def resolve(
    searches: Searches, names: Sequence[Name], timeout: float, place: Where
) -> Deferred[FoundService]:
    """See `Node.resolve`."""
    resolver = Resolver(*names)
    what = str(names[0])

    def news(now: float) -> None:
        resolver.changes(now)
        service = resolver.service
        if service is not None and service.addresses:
            found.succeed(service)
        elif resolver.is_denied:
            found.fail(NotFound(what, "DNS has no such service"))
        else:
            found.wake_at(resolver.next_wakeup())

    def missing() -> NotFound:
        host = resolver.host
        if host is None:
            return NotFound(what, f"no answer within {timeout:g} s")
        return NotFound(what, without_address(host, timeout, resolver.asks_servers))

    def partial() -> FoundService | None:
        now = searches.now()
        resolver.hurry(now)
        resolver.changes(now)
        service = resolver.service
        return service if service is not None and service.addresses else None

    found = _LookUp[FoundService](searches, timeout, missing, partial, searches.resolving)
    return found.start(resolver, place, news)


def resolve_host(
    searches: Searches, host: HostLookup, timeout: float, place: Where
) -> Deferred[tuple[FoundAddress, ...]]:
    """See `Node.resolve_host`."""

    def news(now: float) -> None:
        if not host.is_done(now):
            found.wake_at(host.next_wakeup())
        elif host.addresses:
            found.succeed(host.addresses)
        else:
            found.fail(NotFound(str(host.name), denial))

    denial = "its owner says that it has no such address"
    if host.asks_servers:
        denial = "DNS has no such address of it"
    elif not is_multicast_name(host.name):
        denial = "it is outside of .local, and the system's resolver knows no address of it"
    found = _LookUp[tuple[FoundAddress, ...]](
        searches,
        timeout,
        lambda: NotFound(str(host.name), f"no answer within {timeout:g} s"),
        lambda: host.addresses,
        searches.looking_up,
    )
    return found.start(host, place, news)


def query(searches: Searches, collector: Collector, timeout: float, place: Where) -> Deferred[list[Answer]]:
    """See `Node.query`."""

    def news(now: float) -> None:
        if collector.is_complete:
            found.succeed(collector.answers)

    found = _LookUp[list[Answer]](
        searches,
        timeout,
        lambda: NotFound(str(collector.question.name), f"no answer within {timeout:g} s"),
        lambda: collector.answers,
    )
    return found.start(collector, place, news)


def domains(
    searches: Searches, browser: DomainBrowser, timeout: float, place: Where
) -> Deferred[tuple[Name, ...]]:
    """See `Node.domains`."""
    found = _LookUp[tuple[Name, ...]](
        searches,
        timeout,
        lambda: NotFound(str(browser.question.name), f"no answer within {timeout:g} s"),
        lambda: browser.domains,
    )
    # Each host may list others, so there is no complete answer before the time is up.
    return found.start(browser, place, lambda now: None)


def domains_of_servers(
    beyond: Beyond, listing: Name, place: Where, timeout: float
) -> Deferred[tuple[Name, ...]]:
    """Ask DNS servers which domains they list; see `Node.domains`."""
    checked_timeout(timeout)

    async def ask() -> tuple[Name, ...]:
        servers = beyond.servers(place).current()
        answer, reply = await beyond.client.look_up(listing, RecordType.PTR, servers, timeout=timeout)
        if not answer.records:
            raise NotFound(str(listing), f"{reply.server} says that there is no such record")
        targets = [record.data for record in answer.records]
        return tuple(dict.fromkeys([target for target in targets if isinstance(target, Name)]))

    return Deferred.fromCoroutine(ask())


def checked_timeout(timeout: float) -> float:
    """Return a time limit that a reactor takes.

    :raises TypeError: it is no number.
    :raises ValueError: it is negative or not finite.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"a timeout is a number of seconds, not {timeout!r}")
    if not isfinite(timeout) or timeout < 0:
        raise ValueError(f"timeout {timeout!r}: it is a finite number of seconds, 0 or more")
    return timeout


class _LookUp(Generic[_T]):
    """One look-up: a search that ends with its first result.

    :param missing: makes the error for a look-up whose time is up.
    :param partial: returns what was found when the time is up; nothing is an error.
    :param durations: where to count how long it took.
    """

    def __init__(
        self,
        searches: Searches,
        timeout: float,
        missing: Callable[[], NotFound],
        partial: Callable[[], _T | None] = lambda: None,
        durations: Durations | None = None,
    ) -> None:
        self._searches = searches
        self._durations = Durations() if durations is None else durations
        self._began_at = searches.now()
        self._missing = missing
        self._partial = partial
        self._search: Search[Any] | None = None
        self._result: Deferred[_T] = Deferred(lambda _: self._close())
        self._timer = LastLook(searches.reactor, self._give_up, searches.received)
        self._timer.end_in(checked_timeout(timeout))

    def start(self, follower: Follower, place: Where, news: Callable[[float], object]) -> Deferred[_T]:
        """Begin; cancelling the Deferred ends the look-up."""
        try:
            self._search = self._searches.start(follower, place, news, self._stopped)
        except BaseException:
            self._close()
            raise
        return self._result

    def wake_at(self, at: float | None) -> None:
        """Look again at a time."""
        if self._search is not None:
            self._search.wake_at(at)

    def succeed(self, result: _T) -> None:
        """End with a result."""
        self._close()
        self._durations.add(self._searches.now() - self._began_at)
        self._result.callback(result)

    def fail(self, error: NotFound) -> None:
        """End without one."""
        self._close()
        self._durations.failures += 1
        self._result.errback(error)

    def _give_up(self) -> None:
        self._end(None if self._search is None else self._searches.trouble(self._search))

    def _stopped(self) -> None:
        self._end("the node was stopped")

    def _end(self, reason: str | None) -> None:
        """End with what was found, or for a reason."""
        result = self._partial()
        # Asked before the search is closed and forgets what it heard.
        error = self._missing()
        if reason is not None:
            error = NotFound(error.what, reason)
        if result:
            self.succeed(result)
        else:
            self.fail(error)

    def _close(self) -> None:
        search, self._search = self._search, None
        self._timer.cancel()
        if search is not None:
            search.close()
