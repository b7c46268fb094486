"""Browsers: what others publish, followed until the browser is closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.dns.names import Name
from mcast.dnssd.browsing import Browser, TypeBrowser
from mcast.dnssd.following import Listing
from mcast.dnssd.found import Change, FoundService, TypeChange
from mcast.dnssd.resolving import Resolver
from mcast.dnssd.types import ServiceType
from mcast.errors import NotFound
from mcast.node.beyond import Where
from mcast.node.feed import Changes, Feed
from mcast.node.lookups import LOOKUP_TIMEOUT, checked_timeout
from mcast.node.searches import Search, Searches

_S = TypeVar("_S")
_C = TypeVar("_C")
_T = TypeVar("_T")


class _LiveList(Generic[_S, _C]):
    """What browsers have in common: a table that follows the network, and the consumers of its changes.

    The table is the `Listing`'s. It computes each change once, for all listeners; an iteration has its own
    pace, and compares the table with what it has told.
    """

    _log = Logger()

    def __init__(
        self,
        searches: Searches,
        listing: Listing[Any, _S, _C],
        place: Where,
        subject: str,
    ) -> None:
        self._searches = searches
        self._listing = listing
        self._subject = subject
        # Weak: a feed that its consumer has dropped must go, which closes the browser.
        self._feeds: WeakSet[Feed[Any, _S, _C]] = WeakSet()
        self._consumers = 0
        self._listeners: list[Callable[[_C], object]] = []
        self._waiting: list[tuple[Callable[[_S], object], Deferred[_S]]] = []
        self._search: Search[Any] = searches.start(listing, place, self._news, self._stopped)

    def snapshot(self) -> tuple[_S, ...]:
        """Return the current state."""
        return self._listing.snapshot()

    @property
    def is_closed(self) -> bool:
        """Whether it has ceased to ask."""
        return self._search.is_closed

    @property
    def trouble(self) -> str | None:
        """Why nothing can be asked, or no server answers, in one line; None when one does."""
        return self._searches.trouble(self._search)

    def close(self) -> None:
        """Ask no more: every iteration ends, and each `wait_for` fails with `NotFound`.

        May be called twice. The node calls it when it stops.
        """
        self._end("the browser was closed")

    def _stopped(self) -> None:
        self._end("the node was stopped")

    def _end(self, reason: str) -> None:
        self._search.close()
        for feed in list(self._feeds):
            feed.close()
        waiting, self._waiting = self._waiting, []
        for _, found in waiting:
            found.errback(NotFound(self._subject, reason))

    async def __aenter__(self: _L) -> _L:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def add_listener(self, listener: Callable[[_C], object]) -> None:
        """Call ``listener`` with each change from now on, and at once with the current state.

        While there is a listener, the end of an ``async for`` does not close the browser.

        :raises TypeError: it cannot be called.
        """
        if not callable(listener):
            raise TypeError(f"listener {listener!r}: it cannot be called")
        self._listeners.append(listener)
        for state in self.snapshot():
            self._tell(listener, self._listing.compare(None, state))

    def remove_listener(self, listener: Callable[[_C], object]) -> None:
        """Undo `add_listener`.

        :raises ValueError: it is no listener of this browser.
        """
        if listener not in self._listeners:
            raise ValueError(f"{listener!r} is no listener of {self!r}")
        self._listeners.remove(listener)

    def wait_for(self, predicate: Callable[[_S], object], timeout: float = LOOKUP_TIMEOUT) -> Deferred[_S]:
        """Wait for the first thing, there or to come, for which ``predicate`` is true.

        The browser goes on afterwards.

        :returns: fires with that thing; fails with `NotFound` after ``timeout`` seconds, or with what
            ``predicate`` raises.
        """
        checked_timeout(timeout)
        found: Deferred[_S] = Deferred(self._forget_waiting)
        self._waiting.append((predicate, found))
        for state in self.snapshot():
            self._offer(state)
        return _limited(
            self._searches.clock, found, timeout, lambda: NotFound(self._subject, self._seen(timeout))
        )

    def __aiter__(self) -> Changes[_C]:
        """Iterate over the changes, beginning with the current state.

        Leaving the iteration closes the browser, unless it has other consumers. However slow the consumer is,
        all that happens to one thing meanwhile is one change.
        """
        feed: Feed[Any, _S, _C] = Feed(self._listing.table, self._listing.compare, self._consumer_left)
        self._consumers += 1
        self._feeds.add(feed)
        if self.is_closed:
            feed.close()
        return feed

    def __repr__(self) -> str:
        count = len(self._listing.table)
        return f"<{type(self).__name__} {self._subject} [{count}]{' closed' * self.is_closed}>"

    def _consumer_left(self) -> None:
        self._consumers -= 1
        if not self._consumers and not self._listeners:
            self.close()

    def _seen(self, timeout: float) -> str:
        """Say what there was instead of what was waited for."""
        trouble = self.trouble if self._search.zone is not None else None
        return trouble or f"not found within {timeout:g} s"

    def _news(self, now: float) -> None:
        """Have the table brought up to date, and tell every consumer."""
        changes = self._listing.changes(now)
        # A listener that one of these calls adds has been told the whole table, all changes included.
        # So has a feed.
        listeners, feeds = tuple(self._listeners), tuple(self._feeds)
        for change in changes:
            if self.is_closed:
                return
            key = self._listing.key_of(change)
            for feed in feeds:
                feed.changed(key)
            for listener in listeners:
                if listener in self._listeners:
                    self._tell(listener, change)
            if self._waiting and (state := self._listing.table.get(key)) is not None:
                self._offer(state)
        if self._listing.has_news:
            self._search.wake_soon()
        else:
            self._search.wake_at(self._listing.next_wakeup())

    def _tell(self, listener: Callable[[_C], object], change: _C | None) -> None:
        try:
            if change is not None:
                listener(change)
        except Exception:
            self._log.failure("{listener!r} failed on {change!r}", listener=listener, change=change)

    def _offer(self, state: _S) -> None:
        for entry in tuple(self._waiting):
            predicate, found = entry
            try:
                if not predicate(state):
                    continue
            except Exception:
                self._waiting.remove(entry)
                found.errback()
                continue
            self._waiting.remove(entry)
            found.callback(state)

    def _forget_waiting(self, cancelled: Deferred[_S]) -> None:
        self._waiting = [entry for entry in self._waiting if entry[1] is not cancelled]


_L = TypeVar("_L", bound=_LiveList[Any, Any])


class ServiceBrowser(_LiveList[FoundService, Change]):
    """Follows the services of one or several types; made by `Node.browse`.

    Iterate it with ``async for``, give it listeners, look at its `snapshot`, or all of that. It asks until
    it is closed, or the last ``async for`` over it is left.
    """

    def __init__(
        self,
        searches: Searches,
        types: Sequence[tuple[ServiceType, bytes | None]],
        place: Where,
        *,
        resolve: bool = True,
    ) -> None:
        self._browser = Browser(types, place.domain, resolve=resolve)
        subject = " ".join(dict.fromkeys([str(service_type) for service_type, _ in types]))
        super().__init__(searches, self._browser, place, subject)

    def reconfirm(self, service: FoundService) -> None:
        """Take the hint that a service cannot be reached (RFC 6762 §10.4).

        It is removed when its host does not confirm it within ten seconds.
        """
        with self._searches.calling():
            self._browser.reconfirm(service.full_name, self._searches.now())

    def hurry(self) -> tuple[Name, ...]:
        """Tell what is known of each service now, without waiting for what may be missing.

        Otherwise a service is told some seconds late when its host has no address or no TXT record comes.

        :returns: the names of services that are listed and do not say where they are.
        """
        now = self._searches.now()
        self._browser.hurry(now)
        while self._browser.has_news:
            self._news(now)
        return self._browser.unlocated()

    def _seen(self, timeout: float) -> str:
        count = len(self.snapshot())
        return f"{super()._seen(timeout)}, among {count} service{'s' * (count != 1)}"


class InstanceBrowser(_LiveList[FoundService, Change]):
    """Follows one service instance, wherever it moves (RFC 6763 §3); made by `Node.follow`.

    It can be used as a `ServiceBrowser`, of which there is one service or none.
    """

    def __init__(self, searches: Searches, names: Sequence[Name], place: Where) -> None:
        self._resolver = Resolver(*names)
        super().__init__(searches, self._resolver, place, str(names[0]))

    @property
    def host(self) -> Name | None:
        """The host that the service is said to be on, though its addresses may not have been found."""
        return self._resolver.host

    def reconfirm(self, service: FoundService) -> None:
        """Take the hint that the service cannot be reached; see `ServiceBrowser.reconfirm`."""
        with self._searches.calling():
            self._resolver.reconfirm(service.full_name, self._searches.now())


class TypesBrowser(_LiveList[ServiceType, TypeChange]):
    """Follows which service types there are (RFC 6763 §9); made by `Node.browse_types`."""

    def __init__(self, searches: Searches, place: Where) -> None:
        self._browser = TypeBrowser(place.domain)
        super().__init__(searches, self._browser, place, "service types")

    def interfaces(self, service_type: ServiceType) -> tuple[str, ...]:
        """Return the names of the interfaces on which there are services of a type."""
        return self._browser.interfaces(service_type)


def _limited(
    reactor: Any, deferred: Deferred[_T], timeout: float, error: Callable[[], NotFound]
) -> Deferred[_T]:
    """Have a Deferred fail with an error of ours when it has not fired in time."""
    if deferred.called:
        return deferred
    return deferred.addTimeout(timeout, reactor, onTimeoutCancel=lambda *_: Failure(error()))
