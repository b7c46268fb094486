"""One Link on the reactor: it is fed, what it says is sent, and its one timer is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum, auto
from typing import Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from mcast.dnssd.link_id import LinkId
from mcast.mdns.constants import MDNS_PORT
from mcast.mdns.link import Event, Link
from mcast.neighbours import SocketAddress
from mcast.node.network import MulticastPort
from mcast.node.strain import LINK_LIMITS, Strain
from mcast.sockets.interface import Interface

UNREACHABLE_DELAY = 1.0
"""Seconds until a link on which nothing could be sent is tried again; doubled each time.

Our choice: duplicate address detection, the usual cause on IPv6, takes about two seconds (RFC 4862 §5.4).
"""

ERROR_DELAY = 1.0
"""Seconds until a link goes on after a mistake in this program. Our choice: seldom enough for the log."""

RESEND_DELAY = 0.1
"""Seconds after which what the system refused to multicast is sent again.

Our choice: hardly later than it was meant to leave; a further refusal costs one system call.
"""

FAILING_LIMIT = 3.0
"""Seconds of refusals after which a link counts as down.

Our choice: a firewall rule that matches now and then, or a route that is just being set, refuses single
datagrams; a link that carries nothing for longer is one whose names others may take (RFC 6762 §8).
"""

UNSENT_LIMIT = 64
"""Messages kept for sending again, the latest. Our choice: what a link says in `FAILING_LIMIT` seconds."""

LATE_LIMIT = 0.02
"""Seconds by which the timer may be late before what has arrived is read first.

Our choice: the shortest delay that RFC 6762 gives an answer (§6). A reactor that comes late calls what is due
before it reads, and what it then says may have been said, or contradicted, by another host meanwhile.
"""

UNREACHABLE_DELAY_LIMIT = 60.0
"""Seconds to which the delay grows. Our choice: a link that mends without a sign is back within a minute."""


class LinkChange(Enum):
    """What may become of a link of a node."""

    CAME = auto()
    GONE = auto()
    RENAMED = auto()
    """Its interface has another name."""
    READDRESSED = auto()
    """Its interface has other addresses."""
    WORKS = auto()
    """It began or ceased to be `LinkDriver.is_working`."""


class LinkObserver(Protocol):
    """Is told what becomes of links, and what they report."""

    def link_changed(self, driver: LinkDriver, change: LinkChange) -> None:
        """Take note of a change of a link."""

    def handle(self, driver: LinkDriver, events: Sequence[Event]) -> None:
        """Take in what a link reports; may call this link and others."""


class LinkDriver:
    """A `Link`, the port it sends by and the timer it asked for.

    A datagram comes by `receive`. Everything else that is called on the link is called in the body of
    `calling`, at whose end what the link wants to say is sent, its events are passed on and the timer is
    armed.

    :param observer: gets what the link reports, and is told when the driver begins or ceases to be
        `is_working`.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        link: Link,
        port: MulticastPort,
        interface: Interface,
        ipv6: bool,
        observer: LinkObserver,
    ) -> None:
        self.link = link
        self.port = port
        self.interface = interface
        """As it was when it last changed."""
        self.ipv6 = ipv6
        self.link_id: LinkId | None = None
        """As answers name it, the same object each time; made by `mcast.node.searches.link_id_of`."""
        self.is_up = True
        """Whether the interface carries packets of this family, as far as the system tells."""
        self._clock = clock
        # Bound once, for the some hundred thousand datagrams a second that want an answer that is ready.
        self._seconds = clock.seconds
        self._receive = link.receive
        self._observer = observer
        self._retry: IDelayedCall | None = None
        self._retry_delay = UNREACHABLE_DELAY
        self._timer: IDelayedCall | None = None
        self._timer_at: float | None = None
        self._late_at: float | None = None
        self._calls = 0
        self._is_settling = False
        self._is_called_again = False
        self._waiting: list[Deferred[None]] = []
        self._unsent: deque[bytes] = deque()
        self._resend: IDelayedCall | None = None
        self._failing_since: float | None = None
        self.heard_from = ""
        """Who sent what is being taken in; empty when nothing is."""
        self.strain = Strain(LINK_LIMITS)
        """Which limits are reached here, and by whom."""

    def __repr__(self) -> str:
        return f"<LinkDriver {self.label}>"

    @property
    def label(self) -> str:
        """What logs and statistics call it: ``eth0/IPv6``."""
        return f"{self.interface.name}/{'IPv6' if self.ipv6 else 'IPv4'}"

    @property
    def is_working(self) -> bool:
        """Whether the interface is up, and has not refused to multicast for some seconds."""
        return self.is_up and self._retry is None

    def receive(self, datagram: bytes, source: SocketAddress, multicast: bool) -> bytes | None:
        """Feed the link one datagram and do what follows from it.

        :returns: what to send back to the source at once, if anything; see `mcast.node.network.Receiver`.
        """
        now = self._seconds()
        answer = self._receive(datagram, source, multicast, now)
        if answer:
            return answer
        if answer is None:
            self.heard_from = source[0]
            try:
                self._settle(now)
                self.strain.look((self.link.counters,), self, source[0], now)
            finally:
                self.heard_from = ""
        return None

    @contextmanager
    def calling(self) -> Iterator[float]:
        """Call the link in the body, with the time that this gives; at the end is done what follows from it.

        May be nested, and may be used by an observer that is told of an event.
        """
        self.begin()
        try:
            yield self._clock.seconds()
        finally:
            self.end()

    def begin(self) -> None:
        """Begin to call the link, as `Links.calling` does for all of them; `calling` serves for one."""
        if not self._calls:
            self._look_at_port()
        self._calls += 1

    def end(self) -> None:
        """Do what follows from the calls since `begin`."""
        self._calls -= 1
        if self._is_settling:
            # The call that is doing it does it once more, and then looks at the counters.
            self._is_called_again = True
        elif not self._calls:
            now = self._clock.seconds()
            self._settle(now)
            self.strain.look((self.link.counters,), self, self.heard_from, now)

    def _look_at_port(self) -> None:
        """Ask for unicast responses only while no other program takes them (RFC 6762 §15.1)."""
        alone = not self.port.shared
        if alone is not self.link.unicast_responses:
            self.link.unicast_responses = alone
            self._log.info(
                "{label}: port {port} is {held}",
                label=self.label,
                port=MDNS_PORT,
                held="ours alone" if alone else "held by another socket too: no unicast answers",
            )

    def _settle(self, now: float) -> None:
        """Send what the link has to say, pass on its events, arm the timer."""
        if self._is_settling:
            # The call that is doing it does it once more.
            self._is_called_again = True
            return
        self._is_settling = True
        try:
            again = True
            while again:
                self._is_called_again = False
                self._send(now)
                events = self.link.events()
                if events:
                    self._observer.handle(self, events)
                again = self._is_called_again
        except BaseException:
            self._is_settling = False
            self._arm(now, now + ERROR_DELAY)
            raise
        self._is_settling = False
        self._arm(now)
        if self._waiting and self._has_said_goodbye:
            self._tell_waiting()

    @property
    def _has_said_goodbye(self) -> bool:
        # A question that could not be sent is nothing that anybody waits for.
        return self.link.responder.goodbye_done and not any(map(_is_response, self._unsent))

    @property
    def is_refused(self) -> bool:
        """Whether all goodbyes are said, and the system refuses to send one of them."""
        return self.link.responder.goodbye_done and not self._has_said_goodbye

    def goodbyes_sent(self) -> Deferred[None]:
        """Fire when every goodbye that the link has to say has left, or never will."""
        if self._has_said_goodbye:
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
        self._forget_unsent()
        self._failing_since = None
        with self.calling() as now:
            self.link.link_down(now)
        self._observer.link_changed(self, LinkChange.WORKS)

    def resume(self) -> None:
        """Take note that the interface carries packets again: everything is probed for and asked anew."""
        self.is_up = True
        self._cancel_retry()
        self._forget_unsent()
        self._failing_since = None
        self._retry_delay = UNREACHABLE_DELAY
        self._link_up()

    def stop(self) -> None:
        """Send and receive no more; the link reports what that makes invalid."""
        if self._unsent:
            self._send_unsent(self._clock.seconds())
        self.suspend()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = None
        self._tell_waiting()

    def _link_up(self) -> None:
        with self.calling() as now:
            self.link.link_up(now)
        self._observer.link_changed(self, LinkChange.WORKS)

    def _send(self, now: float) -> None:
        index = self.interface.index
        send = self.port.send
        for payload, destination in self.link.transmissions():
            if destination is not None:
                send(payload, index, destination)
            elif self._unsent or not send(payload, index, None):
                self._keep(payload, now)
                if self._is_failing(now):
                    self._unreachable(now)
                    return
            else:
                self._has_sent(payload)

    def _is_failing(self, now: float) -> bool:
        return self._failing_since is not None and now - self._failing_since >= FAILING_LIMIT

    def _has_sent(self, payload: bytes) -> None:
        self._count_records(payload)
        self._failing_since = None
        self._retry_delay = UNREACHABLE_DELAY

    def _keep(self, payload: bytes, now: float) -> None:
        """Keep what the system refused to multicast, and send it again: one refusal is no end of a link."""
        if self._failing_since is None:
            self._failing_since = now
        if _is_probe(payload):
            # It would leave too late: a name is ours when others had time to object (RFC 6762 §8.1).
            self.link.responder.probes_unsent(now)
            return
        self._unsent.append(payload)
        if len(self._unsent) > UNSENT_LIMIT:
            self._unsent.popleft()
            self.link.counters["multicasts given up"] += 1
        if self._resend is None:
            self._resend = self._clock.callLater(RESEND_DELAY, self._send_again)

    def _send_again(self) -> None:
        self._resend = None
        with self.calling() as now:
            self._send_unsent(now)
            if self._unsent and self._is_failing(now):
                self._unreachable(now)
            elif self._unsent:
                self._resend = self._clock.callLater(RESEND_DELAY, self._send_again)

    def _send_unsent(self, now: float) -> None:
        while self._unsent and self.port.send(self._unsent[0], self.interface.index, None):
            self._has_sent(self._unsent.popleft())

    def _forget_unsent(self) -> None:
        self._unsent.clear()
        if self._resend is not None:
            self._resend.cancel()
            self._resend = None

    def _count_records(self, payload: bytes) -> None:
        # The header says how many there are (RFC 1035 §4.1.1): answers, authorities, additionals.
        count = payload[6] + payload[8] + payload[10] << 8
        count += payload[7] + payload[9] + payload[11]
        kind = "records sent in responses" if _is_response(payload) else "records sent in queries"
        if count:
            self.link.counters[kind] += count

    def _unreachable(self, now: float) -> None:
        """The system went on refusing: it is as if the cable were out, but nobody will tell when it is back.

        A name claimed by probes that never left would be no claim (RFC 6762 §8.1).
        """
        if not self.is_working:
            return
        self._forget_unsent()
        self._log.debug(
            "{label} cannot be sent to, trying again in {delay} s", label=self.label, delay=self._retry_delay
        )
        self._retry = self._clock.callLater(self._retry_delay, self._try_again)
        self._retry_delay = min(2 * self._retry_delay, UNREACHABLE_DELAY_LIMIT)
        self.link.link_down(now)
        self._is_called_again = True
        self._observer.link_changed(self, LinkChange.WORKS)

    def _try_again(self) -> None:
        self._retry = None
        self._link_up()

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None

    def _arm(self, now: float, earliest: float = 0.0) -> None:
        at = self.link.next_wakeup()
        if at is not None:
            at = max(at, earliest)
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
        # Who waits for goodbyes gives up at a time of its own, which may have come as well.
        if not self._waiting and self._late_at != at and self._clock.seconds() - at > LATE_LIMIT:
            self._late_at = at
            self._timer = self._clock.callLater(0, self._on_timer)
            return
        self._timer = self._timer_at = self._late_at = None
        if self.link.responder.is_probing:
            self._look_at_port()
        # Read after that look, which takes a millisecond: the next probe is due 250 ms after this one leaves.
        # Rounding can wake us too early by very little: the link is told the time it asked for.
        now = max(at, self._clock.seconds())
        try:
            self.link.advance(now)
        finally:
            self._settle(now)
            self.strain.look((self.link.counters,), self, "", now)

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for sent in waiting:
            sent.callback(None)

    def _forget_waiting(self, sent: Deferred[None]) -> None:
        self._waiting.remove(sent)


def _is_probe(payload: bytes) -> bool:
    """Whether a message of ours is a query with proposed records (RFC 6762 §8.2)."""
    return not _is_response(payload) and bool(payload[8] or payload[9])


def _is_response(payload: bytes) -> bool:
    """Whether a message of ours is a response: an announcement, an answer, a goodbye."""
    return bool(payload[2] & 0x80)
