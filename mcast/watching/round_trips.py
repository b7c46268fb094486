"""How long hosts take to answer: each is asked for its own address, sparingly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from mcast.live.hosts import Host
from mcast.neighbours import Neighbours, SourceKind
from mcast.oneshot import OneShotReply

ASK_INTERVAL = 30.0
"""Seconds between two questions to one host. Our choice: next to no load, and soon enough."""

ASK_TIMEOUT = 0.9
"""Seconds to wait for an answer. Our choice: none is sent a second time, which would spoil the measure."""

MAX_ASKED = 10
"""Hosts that are asked at once. Our choice: some thousand hosts a minute, with few sockets open."""


class Asker(Protocol):
    """Asks one host, as `mcast.oneshot.ask` does."""

    def __call__(
        self, reactor: Any, name: str, type: str, *, server: str, timeout: float
    ) -> Deferred[OneShotReply]:
        """Return what fires with the answer, and fails when there is none in time."""


class RoundTrips:
    """Asks hosts by unicast, and tells what came of it.

    :param told: called with the identifier of a host and seconds; None when it did not answer.
    """

    def __init__(
        self, reactor: Any, clock: Any, told: Callable[[str, float | None], object], asker: Asker
    ) -> None:
        self._reactor = reactor
        self._clock = clock
        self._told = told
        self._asker = asker
        self._asked_at: dict[str, float] = {}
        self._waiting: dict[str, Deferred[Any]] = {}

    def look(self, hosts: Iterable[Host], near: Neighbours) -> None:
        """Ask those whose turn it is; called once a second while somebody looks.

        :param near: the networks of our links. A source address off the link may be made up, and a question
            to it would leave by a router.
        """
        now = self._clock.seconds()
        there: dict[str, float] = {}
        for host in hosts:
            asked_at = self._asked_at.get(host.id, now - ASK_INTERVAL)
            there[host.id] = asked_at
            if now - asked_at < ASK_INTERVAL or host.id in self._waiting or len(self._waiting) >= MAX_ASKED:
                continue
            if not host.names or host.is_self:
                continue
            there[host.id] = now
            # Only an address from which it has spoken: what a record says may be anywhere.
            sources = [each for each in host.sources if near.classify(each) is SourceKind.ON_LINK]
            if sources:
                self._ask(host, min(sources, key=lambda each: ":" in each), now)
        self._asked_at = there

    def close(self) -> None:
        """Wait for no answer any more."""
        waiting, self._waiting = self._waiting, {}
        for reply in waiting.values():
            reply.cancel()

    def _ask(self, host: Host, server: str, now: float) -> None:
        name = next(iter(host.names))
        try:
            reply = self._asker(
                self._reactor,
                f"{name}.",
                "AAAA" if ":" in server else "A",
                server=server,
                timeout=ASK_TIMEOUT,
            )
        except (ValueError, OSError):
            # A name that cannot be asked for; no descriptor, no route.
            return
        identifier = host.id
        self._waiting[identifier] = reply

        def ended(result: OneShotReply | Failure) -> None:
            if self._waiting.pop(identifier, None) is not None:
                lost = isinstance(result, Failure)
                self._told(identifier, None if lost else self._clock.seconds() - now)

        reply.addBoth(ended)
