"""Finding what others publish: browsers, and look-ups that end with an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.browsing import Browser, TypeBrowser
from mcast.dnssd.found import Added, Change, FoundService, Removed, Updated
from mcast.dnssd.resolving import Resolver
from mcast.dnssd.types import ServiceType
from mcast.errors import NotFound
from mcast.node.feed import Feed
from mcast.node.lookups import LOOKUP_TIMEOUT, checked_timeout
from mcast.node.searches import Search, Searches

_S = TypeVar("_S")
_C = TypeVar("_C")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class TypeAdded:
    """There are services of a type now."""

    type: ServiceType


@dataclass(frozen=True, slots=True)
class TypeRemoved:
    """There are no services of a type any more."""

    type: ServiceType


TypeChange = TypeAdded | TypeRemoved


class _LiveList(Generic[_S, _C]):
    """What browsers have in common: a table that follows the network, and those who follow the table."""

    _log = Logger()

    def __init__(self, searches: Searches, subject: str) -> None:
        self._searches = searches
        self._subject = subject
        self._search: Search[Any]
        self._table: dict[Any, _S] = {}
        # Weak: a feed that its consumer has dropped must go, which closes us.
        self._feeds: WeakSet[Feed[Any, _S, _C]] = WeakSet()
        self._consumers = 0
        self._listeners: list[Callable[[_C], object]] = []
        self._waiting: list[tuple[Callable[[_S], object], Deferred[_S]]] = []

    def snapshot(self) -> tuple[_S, ...]:
        """Return what there is now."""
        return tuple(self._table.values())

    @property
    def is_closed(self) -> bool:
        """Whether it has ceased to ask."""
        return self._search.is_closed

    def close(self) -> None:
        """Ask no more: every iteration ends, and who waits gets `NotFound`. May be called twice."""
        self._search.close()
        for feed in list(self._feeds):
            feed.close()
        waiting, self._waiting = self._waiting, []
        for _, found in waiting:
            found.errback(NotFound(self._subject, "the browser was closed"))

    async def __aenter__(self: _L) -> _L:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def add_listener(self, listener: Callable[[_C], object]) -> None:
        """Call ``listener`` with each change from now on, and at once with what there is.

        While there is a listener, the end of an ``async for`` does not close the browser.
        """
        self._listeners.append(listener)
        for state in self.snapshot():
            self._tell(listener, self._compare(None, state))

    def remove_listener(self, listener: Callable[[_C], object]) -> None:
        """Undo `add_listener`."""
        self._listeners.remove(listener)

    def wait_for(self, predicate: Callable[[_S], object], timeout: float = LOOKUP_TIMEOUT) -> Deferred[_S]:
        """Return what fires with the first thing, there or to come, for which ``predicate`` is true.

        It fails with `NotFound` after ``timeout`` seconds, or with what ``predicate`` raises. The browser
        goes on.
        """
        checked_timeout(timeout)
        found: Deferred[_S] = Deferred(self._forget_waiting)
        self._waiting.append((predicate, found))
        for state in self.snapshot():
            self._offer(state)
        return _limited(
            self._searches.reactor, found, timeout, lambda: NotFound(self._subject, self._seen(timeout))
        )

    def __aiter__(self) -> Feed[Any, _S, _C]:
        """Iterate over the changes, beginning with what there is.

        Leaving the iteration closes the browser, unless something else follows it. However slow the consumer
        is, all that happens to one thing meanwhile is one change.
        """
        feed: Feed[Any, _S, _C] = Feed(self._table, self._compare, self._consumer_left)
        self._consumers += 1
        self._feeds.add(feed)
        if self.is_closed:
            feed.close()
        return feed

    def _consumer_left(self) -> None:
        self._consumers -= 1
        if not self._consumers and not self._listeners:
            self.close()

    def _compare(self, old: _S | None, new: _S | None) -> _C | None:
        raise NotImplementedError

    def _seen(self, timeout: float) -> str:
        """Say what there was instead of what was waited for."""
        raise NotImplementedError

    def _change(self, key: Any, state: _S | None) -> None:
        """Put a new state into the table, or take out what is there, and tell everybody."""
        old = self._table.get(key)
        if state is None:
            self._table.pop(key, None)
        else:
            self._table[key] = state
        change = self._compare(old, state)
        if change is None:
            return
        for feed in list(self._feeds):
            feed.changed(key)
        for listener in tuple(self._listeners):
            self._tell(listener, change)
        if state is not None:
            self._offer(state)

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
        *,
        domain: Name = LOCAL,
        interfaces: Sequence[str] = (),
        resolve: bool = True,
    ) -> None:
        super().__init__(searches, " ".join(dict.fromkeys([str(one) for one, _ in types])))
        self._browser = Browser(types, domain, resolve=resolve)
        self._search = searches.start(self._browser, interfaces, self._news)

    def reconfirm(self, service: FoundService) -> None:
        """Take the hint that a service cannot be reached: it is removed when it is not confirmed within ten
        seconds (RFC 6762 §10.4)."""
        self._browser.reconfirm(service.full_name, self._searches.now())
        self._searches.pump()

    def _news(self, now: float) -> None:
        for change in self._browser.changes(now):
            state = None if isinstance(change, Removed) else change.service
            self._change(change.service.full_name.key, state)
        if not self.is_closed:
            if self._browser.has_news:
                self._search.wake_soon()
            else:
                self._search.wake_at(self._browser.next_wakeup())

    def _compare(self, old: FoundService | None, new: FoundService | None) -> Change | None:
        return _compared(old, new)

    def _seen(self, timeout: float) -> str:
        count = len(self._table)
        return f"not found within {timeout:g} s, among {count} service{'s' * (count != 1)}"


class InstanceBrowser(_LiveList[FoundService, Change]):
    """Follows one service instance, wherever it moves (RFC 6763 §3); made by `Node.follow`.

    It can be used as a `ServiceBrowser`, of which there is one service or none.
    """

    def __init__(
        self,
        searches: Searches,
        names: Sequence[Name],
        *,
        interfaces: Sequence[str] = (),
    ) -> None:
        super().__init__(searches, str(names[0]))
        self._resolver = Resolver(*names)
        self._search = searches.start(self._resolver, interfaces, self._news)

    @property
    def host(self) -> Name | None:
        """The host that the service is said to be on, though its addresses may not have been found."""
        return self._resolver.host

    def reconfirm(self, service: FoundService) -> None:
        """Take the hint that the service cannot be reached; see `ServiceBrowser.reconfirm`."""
        self._resolver.reconfirm(service.full_name, self._searches.now())
        self._searches.pump()

    def _news(self, now: float) -> None:
        for change in self._resolver.changes(now):
            self._change(
                change.service.full_name.key, None if isinstance(change, Removed) else change.service
            )
        if not self.is_closed:
            self._search.wake_at(self._resolver.next_wakeup())

    def _compare(self, old: FoundService | None, new: FoundService | None) -> Change | None:
        return _compared(old, new)

    def _seen(self, timeout: float) -> str:
        return f"not found within {timeout:g} s"


class TypesBrowser(_LiveList[ServiceType, TypeChange]):
    """Follows which service types there are (RFC 6763 §9); made by `Node.browse_types`."""

    def __init__(self, searches: Searches, *, domain: Name = LOCAL, interfaces: Sequence[str] = ()) -> None:
        super().__init__(searches, "service types")
        self._browser = TypeBrowser(domain)
        self._search = searches.start(self._browser, interfaces, self._news)

    def interfaces(self, service_type: ServiceType) -> tuple[str, ...]:
        """Return the names of the interfaces on which there are services of a type."""
        return self._browser.interfaces(service_type)

    def _news(self, now: float) -> None:
        added, removed = self._browser.changes()
        for service_type in removed:
            self._change(service_type, None)
        for service_type in added:
            self._change(service_type, service_type)

    def _compare(self, old: ServiceType | None, new: ServiceType | None) -> TypeChange | None:
        if (old is None) == (new is None):
            return None
        if new is not None:
            return TypeAdded(new)
        return None if old is None else TypeRemoved(old)

    def _seen(self, timeout: float) -> str:
        return f"not found within {timeout:g} s"


def _compared(old: FoundService | None, new: FoundService | None) -> Change | None:
    if new is None:
        return None if old is None else Removed(old)
    if old is None:
        return Added(new)
    return None if old == new else Updated(new, old)


def _limited(
    reactor: Any, deferred: Deferred[_T], timeout: float, error: Callable[[], NotFound]
) -> Deferred[_T]:
    """Have a Deferred fail with an error of ours when it has not fired in time."""
    if deferred.called:
        return deferred
    return deferred.addTimeout(timeout, reactor, onTimeoutCancel=lambda *_: Failure(error()))
