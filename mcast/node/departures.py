"""What leaves the links: of thousands of items a few in each turn of the reactor."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mcast.dns.names import Name
from mcast.node.items import Item

SLICE = 0.005
"""Seconds of work in one turn of the reactor.

Our choice: far less than a querier notices, and some hundred items on two links.
"""


class Departures:
    """Items that are being taken off their links.

    An item leaves at once, unless others have taken the time of this turn already.

    :param calling: the links are called in its body.
    :param leave: takes an item off its links.
    """

    def __init__(
        self,
        clock: IReactorTime,
        calling: Callable[[], AbstractContextManager[None]],
        leave: Callable[[Item], None],
    ) -> None:
        self._clock = clock
        self._calling = calling
        self._leave = leave
        self._waiting: OrderedDict[Item, tuple[Name | None, Deferred[None]]] = OrderedDict()
        """The names of those that are withdrawn, and what tells that each has left.

        No plain dict, whose first entry is found the more slowly the more were deleted before it.
        """
        self._by_name: dict[Name, list[Item]] = {}
        self._until = 0.0
        self._next: IDelayedCall | None = None
        self._done: list[Deferred[None]] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(tuple(self._waiting))

    def add(self, item: Item) -> Deferred[None]:
        """Have an item leave; fires when it has."""
        left: Deferred[None] = Deferred()
        name = item.full_name
        self._waiting[item] = name, left
        self._by_name.setdefault(name, []).append(item)
        self._work()
        return left

    def add_all(self, items: Iterable[Item]) -> Deferred[None]:
        """Have all these items leave; fires when nothing waits to leave."""
        for item in items:
            # Published still, so that nothing else can have the name.
            self._waiting.setdefault(item, (None, Deferred()))
        self._work()
        if not self._waiting:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._done.append(done)
        return done

    def abandon(self) -> int:
        """Forget all that wait, though they are on their links still.

        :returns: how many these were.
        """
        count = len(self._waiting)
        waiting, self._waiting = self._waiting, OrderedDict()
        self._by_name.clear()
        if self._next is not None:
            self._next.cancel()
            self._next = None
        for _, left in waiting.values():
            left.callback(None)
        self._tell_done()
        return count

    def finish(self, name: Name | None = None) -> None:
        """Have those of a name leave now, since it is published again; by default all."""
        items = list(self._waiting) if name is None else list(self._by_name.get(name, ()))
        if items:
            self._let_go(items)

    def _work(self) -> None:
        if self._next is None:
            self._until = self._clock.seconds() + SLICE
            self._next = self._clock.callLater(0, self._turn)
        elif self._clock.seconds() >= self._until:
            return
        self._let_go(self._in_time())

    def _turn(self) -> None:
        self._next = None
        if self._waiting:
            self._work()

    def _in_time(self) -> Iterator[Item]:
        while self._waiting:
            yield next(iter(self._waiting))
            if self._clock.seconds() >= self._until:
                return

    def _let_go(self, items: Iterable[Item]) -> None:
        left: list[Deferred[None]] = []
        with self._calling():
            for item in items:
                self._leave(item)
                name, each = self._waiting.pop(item)
                left.append(each)
                if name is not None:
                    self._forget(item, name)
        for each in left:
            each.callback(None)
        if not self._waiting:
            self._tell_done()

    def _tell_done(self) -> None:
        done, self._done = self._done, []
        for each in done:
            each.callback(None)

    def _forget(self, item: Item, name: Name) -> None:
        same = self._by_name[name]
        same.remove(item)
        if not same:
            del self._by_name[name]
