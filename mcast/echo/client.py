"""The echo client: sends probes to a group, and gathers the answers of its responders."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from mcast.clock import clock_of
from mcast.echo.asker import Asker, Target, source_host
from mcast.echo.counters import Drop
from mcast.echo.probe import DEFAULT_PROBE_SIZE, ProbeKind
from mcast.echo.session import EchoReply, Session
from mcast.last_look import LastLook
from mcast.neighbours import SocketAddress
from mcast.sockets.arrival import Arrival
from mcast.sockets.sending import SendResult

CATCH_UP_LIMIT = 1.0
"""Seconds of probes sent in one go when we were late. Our choice: a loaded host keeps its pace, one that
slept does not flood."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How many probes are sent, and when."""

    count: int | None = None
    """Probes to send; None for no end."""
    interval: float = 1.0
    """Seconds between two probes."""
    size: int = DEFAULT_PROBE_SIZE
    """Octets of a probe."""
    wait: float = 1.0
    """Seconds after the last probe until the end; an answer that takes longer is late."""
    both: bool = False
    """Ask responders to answer the group besides, and listen to it."""


class EchoClient:
    """Sends numbered probes to one group, each by every interface given, and gathers the answers.

    The answers come to its own port, by unicast; those to the group come to that port too. Answers that do
    not carry the probe's number are matched by guess, see `Session`.

    :param answered: called with each answer as it arrives.
    """

    def __init__(
        self,
        reactor: Any,
        target: Target,
        pace: Pace,
        answered: Callable[[EchoReply], object],
        *,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.session = Session(size=pace.size, wait=pace.wait, rng=rng or random.Random(), both=pace.both)
        self.refused = 0
        """Probes that the system refused to send; the port logs why, once."""
        self.refusal = SendResult.SENT
        """What became of the last of these."""
        self._reactor = reactor
        self._asker = Asker(reactor, target, self._heard)
        self._pace = pace
        self._answered = answered
        self._clock = clock
        self._timer: IDelayedCall | None = None
        self._next_number = 0
        self._next_at = 0.0
        self._read = 0
        self._last_look = LastLook(reactor, self.stop, lambda: self._read)
        self._done: Deferred[None] = Deferred(self._cancelled)

    @property
    def dropped(self) -> dict[Drop, int]:
        """What came back and was no answer of one host, by cause."""
        return self._asker.dropped

    def start(self) -> Deferred[None]:
        """Open the port and begin.

        :returns: fires when the last answer was waited for; cancel it to end before. The port is then closed.
        :raises OSError: the port cannot be opened.
        """
        self._asker.open()
        if self._pace.both:
            try:
                self._asker.join()
            except BaseException:
                self._close()
                raise
        self._next_at = self._clock()
        self._send_due()
        return self._done

    def stop(self) -> None:
        """End now; the Deferred of `start` fires. May be called twice."""
        self._close().addCallback(self._closed)

    def _close(self) -> Deferred[None]:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
        self._last_look.cancel()
        return self._asker.close()

    def _cancelled(self, _: object) -> None:
        self._close()

    def _closed(self, _: object) -> None:
        if not self._done.called:
            self._done.callback(None)

    def _send_due(self) -> None:
        self._timer = None
        now = self._clock()
        self._next_at = max(self._next_at, now - CATCH_UP_LIMIT)
        while self._next_at <= now and not self._is_last_sent():
            self._send_probe(self._next_number)
            self._next_number += 1
            # From when it was due, not from now: or each delay of ours would slow the pace.
            self._next_at += self._pace.interval
        if self._is_last_sent():
            self._timer = clock_of(self._reactor).callLater(self._pace.wait, self._last_look.begin)
        else:
            delay = max(0.0, self._next_at - self._clock())
            self._timer = clock_of(self._reactor).callLater(delay, self._send_due)

    def _is_last_sent(self) -> bool:
        return self._pace.count is not None and self._next_number >= self._pace.count

    def _send_probe(self, number: int) -> None:
        session = self.session
        for interface in self._asker.target.interfaces:
            index = interface.index
            data = session.probe(index, number)
            # Noted before, since on one host the answer may be here before send() returns.
            session.sent(index, number, self._clock())
            result = self._asker.send(data, index)
            if not result:
                session.unsent(index, number)
                self.refused += 1
                self.refusal = result

    def _heard(self, data: bytes, address: SocketAddress, arrival: Arrival) -> None:
        now = self._clock()
        self._read += 1
        if arrival.destination is not None:
            by_group = ip_address(arrival.destination).is_multicast
            if by_group is not data.startswith(ProbeKind.GROUP.value):
                # Its mark says that it came the other way, or somebody else sends to our port.
                self.session.foreign += 1
                return
        host = source_host(address)
        answer = self.session.answer(data, host, address[1], arrival.interface, arrival.hop_limit, now)
        if answer is not None:
            self._answered(answer)
