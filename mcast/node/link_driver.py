"""One Link on the reactor: it is fed, what it says is sent, and its one timer is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mcast.mdns.link import Event, Link
from mcast.neighbours import SocketAddress
from mcast.node.network import MulticastPort
from mcast.sockets.interface import Interface

UNREACHABLE_DELAY = 1.0
"""Seconds until a link on which nothing could be sent is tried again; doubled each time.

Our choice: duplicate address detection, the usual cause on IPv6, takes about two seconds (RFC 4862 §5.4).
"""

UNREACHABLE_DELAY_LIMIT = 60.0
"""Seconds to which the delay grows. Our choice: a link that mends without a sign is back within a minute."""


class LinkDriver:
    """A `Link`, the port it sends by and the timer it asked for.

    To call the link from outside takes two steps: call it with `now`, then `pump`, which sends what it has to
    say, passes on its events and arms the timer.

    :param events: called with this driver and what the link reported, from inside `pump`; with nothing
        when the driver began or ceased to be `is_working`.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        link: Link,
        port: MulticastPort,
        interface: Interface,
        ipv6: bool,
        events: Callable[[LinkDriver, Sequence[Event]], None],
    ) -> None:
        self.link = link
        self.interface = interface
        """As it was when it last changed."""
        self.ipv6 = ipv6
        self._clock = clock
        # Bound once, for the some hundred thousand datagrams a second that want an answer that is ready.
        self._seconds = clock.seconds
        self._receive = link.receive
        self.port = port
        self._events = events
        self.is_up = True
        """Whether the interface carries packets of this family, as far as the system tells."""
        self._retry: IDelayedCall | None = None
        self._retry_delay = UNREACHABLE_DELAY
        self._timer: IDelayedCall | None = None
        self._timer_at: float | None = None
        self._is_pumping = False
        self._is_called_again = False
        self._waiting: list[Deferred[None]] = []

    def __repr__(self) -> str:
        return f"<LinkDriver {self.label}>"

    @property
    def label(self) -> str:
        """What logs and statistics call it: ``eth0/IPv6``."""
        return f"{self.interface.name}/{'IPv6' if self.ipv6 else 'IPv4'}"

    @property
    def is_working(self) -> bool:
        """Whether the interface is up, and the last thing multicast could be sent."""
        return self.is_up and self._retry is None

    def now(self) -> float:
        """Return the time to tell the link."""
        return self._clock.seconds()

    def receive(self, datagram: bytes, source: SocketAddress, multicast: bool) -> bytes | None:
        """Feed the link one datagram and do what follows from it.

        :returns: what to send back to the source at once, if anything; see `mcast.node.network.Receiver`.
        """
        now = self._seconds()
        answer = self._receive(datagram, source, multicast, now)
        if answer is None:
            self.pump(now)
        return answer

    def pump(self, now: float | None = None) -> None:
        """Send what the link has to say, pass on its events, arm the timer.

        Whoever is called with an event may call the link and `pump` again; that is done before this returns.
        """
        if self._is_pumping:
            self._is_called_again = True
            return
        if now is None:
            now = self._clock.seconds()
        self._is_pumping = True
        try:
            again = True
            while again:
                self._is_called_again = False
                self._send(now)
                events = self.link.events()
                if events:
                    self._events(self, events)
                again = self._is_called_again
        finally:
            self._is_pumping = False
        self._arm(now)
        if self._waiting and self.link.responder.goodbye_done:
            self._tell_waiting()

    def goodbyes_sent(self) -> Deferred[None]:
        """Fire when every goodbye that the link has to say has left, or never will."""
        if self.link.responder.goodbye_done:
            return succeed(None)
        sent: Deferred[None] = Deferred(self._forget_waiting)
        self._waiting.append(sent)
        return sent

    def suspend(self) -> None:
        """Take note that the interface carries nothing for now: down, no carrier or no address."""
        if not self.is_up:
            return
        self.is_up = False
        self._cancel_retry()
        self.link.link_down(self.now())
        self._changed()

    def resume(self) -> None:
        """Take note that the interface carries packets again: everything is probed for and asked anew."""
        self.is_up = True
        self._cancel_retry()
        self._retry_delay = UNREACHABLE_DELAY
        self.link.link_up(self.now())
        self._changed()

    def stop(self) -> None:
        """Send and receive no more; the link reports what that makes invalid."""
        self.suspend()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = None
        self._tell_waiting()

    def _changed(self) -> None:
        self.pump()
        self._events(self, ())

    def _send(self, now: float) -> None:
        index = self.interface.index
        send = self.port.send
        for payload, destination in self.link.transmissions():
            if not send(payload, index, destination) and destination is None:
                self._unreachable(now)
                return
            if destination is None:
                self._count_records(payload)
            if destination is None and self._retry_delay != UNREACHABLE_DELAY:
                self._retry_delay = UNREACHABLE_DELAY

    def _count_records(self, payload: bytes) -> None:
        # The header says how many there are (RFC 1035 §4.1.1): answers, authorities, additionals.
        count = payload[6] + payload[8] + payload[10] << 8
        count += payload[7] + payload[9] + payload[11]
        kind = "records sent in responses" if payload[2] & 0x80 else "records sent in queries"
        if count:
            self.link.counters[kind] += count

    def _unreachable(self, now: float) -> None:
        """The system refuses to send: it is as if the cable were out, but nobody will tell when it is back.

        A name claimed by probes that never left would be no claim (RFC 6762 §8.1).
        """
        if not self.is_working:
            return
        self._log.debug(
            "{label} cannot be sent to, trying again in {delay} s", label=self.label, delay=self._retry_delay
        )
        self._retry = self._clock.callLater(self._retry_delay, self._try_again)
        self._retry_delay = min(2 * self._retry_delay, UNREACHABLE_DELAY_LIMIT)
        self.link.link_down(now)
        self._is_called_again = True
        self._events(self, ())

    def _try_again(self) -> None:
        self._retry = None
        self.link.link_up(self.now())
        self._changed()

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _arm(self, now: float) -> None:
        at = self.link.next_wakeup()
        if at == self._timer_at:
            return
        self._timer_at = at
        if at is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return
        delay = max(0.0, at - self._clock.seconds())
        if self._timer is not None:
            self._timer.reset(delay)
        else:
            self._timer = self._clock.callLater(delay, self._on_timer)

    def _on_timer(self) -> None:
        at = self._timer_at
        assert at is not None
        self._timer = self._timer_at = None
        # Rounding can wake us a hair early: the link is told the time it asked for.
        now = max(at, self._clock.seconds())
        self.link.advance(now)
        self.pump(now)

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sent in waiting:
            sent.callback(None)

    def _forget_waiting(self, sent: Deferred[None]) -> None:
        self._waiting.remove(sent)
