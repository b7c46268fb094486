"""Changes for consumers of any speed: those of one thing, while a consumer was busy, are one change."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred, succeed

_K = TypeVar("_K", bound=Hashable)
_S = TypeVar("_S")
_C = TypeVar("_C")


class Changes(Protocol[_C]):
    """An asynchronous iterator over changes, made by ``async for`` over a browser."""

    def __aiter__(self) -> Changes[_C]:
        """Return itself."""

    def __anext__(self) -> Deferred[_C]:
        """Return what fires with the next change; cancelling it loses no change."""

    async def aclose(self) -> None:
        """End the iteration."""


class Feed(Generic[_K, _S, _C]):
    """An asynchronous iterator over the changes of a table, for one consumer.

    It holds what the consumer was told last and the keys that have changed since: two entries for each thing
    there is, however slow the consumer. Iteration ends when the feed is closed.

    :param table: the present states by key; the owner of the feed changes it, and calls `changed`.
    :param compare: makes a change of the old and the new state, each None when there is none, or returns
        None when they are the same to a consumer.
    :param left: called once when the consumer has gone: it closed the feed, or dropped it, as ``break`` does.
    """

    def __init__(
        self,
        table: Mapping[_K, _S],
        compare: Callable[[_S | None, _S | None], _C | None],
        left: Callable[[], object],
    ) -> None:
        self._table = table
        self._compare = compare
        self._left: Callable[[], object] | None = left
        self._told: dict[_K, _S] = {}
        self._dirty: dict[_K, None] = dict.fromkeys(table)
        self._waiting: Deferred[_C] | None = None

    def changed(self, key: _K) -> None:
        """Take note that the state under a key has changed."""
        self._dirty[key] = None
        waiting = self._waiting
        if waiting is not None and (change := self._next()) is not None:
            self._waiting = None
            waiting.callback(change)

    def close(self) -> None:
        """End the iteration; may be called twice."""
        left, self._left = self._left, None
        waiting, self._waiting = self._waiting, None
        if left is not None:
            left()
        if waiting is not None:
            waiting.errback(StopAsyncIteration())

    def __repr__(self) -> str:
        state = "ended" if self._left is None else f"{len(self._dirty)} to be told"
        return f"<Feed of {len(self._table)}, {state}>"

    def __aiter__(self) -> Feed[_K, _S, _C]:
        return self

    def __anext__(self) -> Deferred[_C]:
        """Return what fires with the next change; cancelling it loses no change."""
        if self._left is None:
            ended: Deferred[_C] = Deferred()
            ended.errback(StopAsyncIteration())
            return ended
        change = self._next()
        if change is not None:
            return succeed(change)
        if self._waiting is not None:
            raise RuntimeError("this iterator is being waited for already; iterate the browser anew")
        self._waiting = Deferred(self._cancelled)
        return self._waiting

    async def aclose(self) -> None:
        """End the iteration."""
        self.close()

    def __del__(self) -> None:
        # The coroutine that waited has been dropped too, and must not be woken when it is closed.
        self._waiting = None
        self.close()

    def _cancelled(self, _: Deferred[_C]) -> None:
        self._waiting = None

    def _next(self) -> _C | None:
        while self._dirty:
            key = next(iter(self._dirty))
            del self._dirty[key]
            old, new = self._told.get(key), self._table.get(key)
            if new is None:
                self._told.pop(key, None)
            else:
                self._told[key] = new
            change = self._compare(old, new)
            if change is not None:
                return change
        return None
