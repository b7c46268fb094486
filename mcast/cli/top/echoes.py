"""The echo groups in `mcast top`: each is sent a probe a second while somebody looks at them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from mcast.clock import clock_of
from mcast.echo.asker import Target
from mcast.echo.client import EchoClient, Pace
from mcast.echo.session import EchoReply, HeardResponder
from mcast.live.documents import Document
from mcast.showing import one_line
from mcast.sockets.group import Group
from mcast.sockets.interface import Interface
from mcast.sockets.settings import PortSettings

PROBE_INTERVAL = 1.0
"""Seconds between two probes to a group. Our choice: as `mcast ping`."""

HISTORY = 60
"""Probes whose answers are plotted. Our choice: a minute."""

LATE = 1.0
"""Seconds after which a probe counts as lost in the plot. Our choice: as `mcast ping` waits."""


class Echoes:
    """Pings groups, and tells who answered what.

    :param told: called once a second with the entry of each responder.
    :param failed: called with a line for people when a group cannot be asked.
    """

    def __init__(
        self,
        reactor: Any,
        targets: Sequence[tuple[Group, Sequence[Interface]]],
        told: Callable[[dict[str, Document]], object],
        failed: Callable[[str], object],
    ) -> None:
        self._reactor = reactor
        self._targets = targets
        self._told = told
        self._failed = failed
        self._pings: list[_Ping] = []
        self._telling: LoopingCall | None = None

    def look(self, looked_at: bool) -> None:
        """Begin to ask when somebody looks, and end when nobody does; what was heard is kept."""
        if looked_at and self._telling is None:
            if not self._pings:
                self._pings = [_Ping(group, interfaces) for group, interfaces in self._targets]
            for ping in self._pings:
                ping.start(self._reactor, self._failed)
            self._telling = LoopingCall(self._tell)
            self._telling.clock = clock_of(self._reactor)
            self._telling.start(PROBE_INTERVAL, now=False)
        elif not looked_at and self._telling is not None:
            self.stop()

    def stop(self) -> Deferred[None]:
        """Ask no more."""
        if self._telling is not None:
            self._telling.stop()
            self._telling = None
        waiting = [ping.stop() for ping in self._pings]
        return DeferredList(waiting).addCallback(lambda _: None)

    def _tell(self) -> None:
        self._told({key: entry for ping in self._pings for key, entry in ping.entries()})


class _Ping:
    """The probes to one group."""

    def __init__(self, group: Group, interfaces: Sequence[Interface]) -> None:
        self._group = group
        self._interfaces = interfaces
        self._client: EchoClient | None = None
        self._ended: Deferred[None] | None = None
        self._times: dict[tuple[str, int, int], dict[int, float]] = {}

    def start(self, reactor: Any, failed: Callable[[str], object]) -> None:
        target = Target(self._group, tuple(self._interfaces), "", PortSettings())
        self._times.clear()
        client = EchoClient(reactor, target, Pace(None, PROBE_INTERVAL), self._answered)
        try:
            ended = client.start()
        except OSError as error:
            failed(f"{self._group}: {one_line(error)}")
            return
        self._client = client

        def told(failure: Failure) -> None:
            if not failure.check(CancelledError) and failure.value is not None:
                failed(f"{self._group}: {one_line(failure.value)}")

        self._ended = ended.addErrback(told)

    def stop(self) -> Deferred[None]:
        ended, self._ended = self._ended, None
        if ended is None:
            done: Deferred[None] = Deferred()
            done.callback(None)
            return done
        ended.cancel()
        return ended

    def _answered(self, answer: EchoReply) -> None:
        if answer.to_group or answer.duplicate:
            return
        times = self._times.setdefault((answer.responder, answer.port, answer.interface), {})
        times[answer.number] = answer.time
        while len(times) > HISTORY:
            del times[min(times)]

    def entries(self) -> list[tuple[str, Document]]:
        if self._client is None:
            return []
        names = {each.index: each.name for each in self._interfaces}
        return [self._entry(self._client, each, names) for each in self._client.session.responders]

    def _entry(
        self, client: EchoClient, responder: HeardResponder, names: dict[int, str]
    ) -> tuple[str, Document]:
        session = client.session
        interface = names.get(responder.interface, str(responder.interface))
        address, zone, _ = responder.host.partition("%")
        shown_address = f"{address}%{interface}" if zone else address
        # The probe that has just left may still be answered.
        newest = session.newest(responder.sent_on)
        sent = max(session.sent_to(responder) - (not responder.has_answered(newest)), responder.received)
        times = self._times.get((responder.host, responder.port, responder.interface), {})
        last = newest if responder.has_answered(newest) else newest - 1
        history = deque(
            (times.get(number) for number in range(max(0, last - HISTORY + 1), last + 1)), HISTORY
        )
        median, p95 = responder.times.percentiles(0.5, 0.95)
        key = f"{self._group} {interface} {shown_address} {responder.port}"
        return key, {
            "group": str(self._group),
            "responder": shown_address,
            "interface": interface,
            "sent": sent,
            "received": responder.received,
            "loss": round(100 * (sent - responder.received) / sent, 2) if sent else 0.0,
            "last": times.get(last),
            "min": responder.times.minimum,
            "median": median,
            "p95": p95,
            "max": responder.times.maximum,
            "history": list(history),
        }
