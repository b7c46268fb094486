"""One link: an interface and an address family, as Multicast DNS sees it (RFC 6762 §14, §20).

A link is fed with datagrams and the time, and gives back datagrams, the time when it wants to be called
again, and events. It opens no socket and reads no clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv6Interface
from math import inf
from random import Random
from typing import Final

from mcast.dns.codes import OPCODE_MASK, RCODE_MASK, Flag
from mcast.dns.messages import Message, decode
from mcast.errors import MalformedMessage
from mcast.mdns.constants import MAX_PACKET, MDNS_PORT
from mcast.mdns.context import LinkContext, LinkSettings, OtherLinks
from mcast.mdns.events import Event
from mcast.mdns.outbox import Transmission
from mcast.mdns.querier.querier import Querier
from mcast.mdns.recent_messages import RecentMessages
from mcast.mdns.responder.responder import Responder
from mcast.neighbours import Neighbours, SocketAddress, SourceKind

__all__ = ["Event", "Link", "LinkSettings", "OtherLinks", "Transmission"]

_ONE_QUESTION = bytes((0, 1, 0, 0, 0, 0, 0, 0))
"""The counts of a query with one question and no records."""

_NONE = bytes(2)
"""A count of no records."""

# As numbers of their own: a property of the message would be a call for each datagram.
_RESPONSE: Final = int(Flag.RESPONSE)
_TRUNCATED: Final = int(Flag.TRUNCATED)
_OPCODE_AND_RCODE: Final = OPCODE_MASK | RCODE_MASK

_IS_RESPONSE = 0x80
"""The QR bit, in the third octet of a message (RFC 1035 §4.1.1)."""


class Link:
    """The state machine of one link.

    All times are seconds on the caller's clock and must not go back. After any call that may have changed
    something (`advance`, `receive` when it returned None, and everything called on `responder` and `querier`)
    the shell sends the `transmissions`, takes the `events`, and arms its timer for `next_wakeup`.

    :param networks: the addresses of the interface in the family of the link, with their prefix lengths (RFC
        6762 §11).
    :param rng: chooses every random delay.
    :param others: the other links of this host.
    """

    def __init__(
        self,
        settings: LinkSettings,
        networks: Sequence[IPv4Interface | IPv6Interface],
        *,
        rng: Random,
        now: float,
        others: OtherLinks | None = None,
    ) -> None:
        context = LinkContext(settings, Neighbours(networks), rng, now, others)
        self.counters: Final[Counter[str]] = context.counters
        """What happened so far, above all what was dropped and why."""
        self._context: Final = context
        self.responder: Final = Responder(context)
        self.querier: Final = Querier(context)
        self._ready: Final = self.responder.ready.by_query
        self._ready_answerer: Final = self.responder.ready_answerer
        self._recent: Final = RecentMessages()
        self._is_ending = False
        self._idle_until = -inf
        """Nothing is due before this, unless something happens."""

    def receive(self, datagram: bytes, source: SocketAddress, multicast: bool, now: float) -> bytes | None:
        """Take in a datagram; whatever it holds, nothing is raised.

        :param source: the address it came from; ``source[0]`` is the host, ``source[1]`` the port.
        :param multicast: it was sent to the group, and not to an address of ours.
        :returns: what goes back to the source at once, for a plain query whose answer was ready; empty where
            that is nothing, since the answer waits already, or since the datagram concerns nobody here. Then
            nothing else has changed: there is nothing to send, to report or to wait for that was not there
            before, and no limit was reached. None says that something may have changed.
        """
        key = datagram[2:]
        ready = self._ready.get(key)
        if ready is not None:
            if ready.answers and self._ready_answerer.is_planned(ready, key, source, now):
                return b""
            answer = self._ready_answerer.answer_ready(ready, datagram, source, multicast, now)
            if answer is not None:
                return answer or None
            if multicast and now < ready.quiet_until and source[1] == MDNS_PORT:
                self.counters["repetitions suppressed"] += 1
                self._observe_query(datagram, ready.message, source, multicast, now)
                return None
        if self._is_ending and len(datagram) > 2 and datagram[2] & _IS_RESPONSE:
            return None
        # The first octets are looked at here: only a probe has records in its second section.
        if multicast and datagram[8:10] != _NONE and self.responder.is_own_probe(datagram, source):
            self.counters["own probes heard"] += 1
            return None
        message = self._decode(datagram, source)
        if message is None:
            return None
        idle_until = self._idle_until
        has_news = now >= idle_until
        # A timer that is late must not let this datagram overtake what should have happened before it.
        # What one `advance` does not finish is left to the timer: hundreds of datagrams may come at once.
        if has_news and not self._context.schedule.is_behind:
            self.advance(now)
        self._idle_until = -inf
        if message.flags & _RESPONSE:
            has_news = self._receive_response(message, datagram, source, multicast, now) or has_news
        else:
            has_news = self._receive_query(message, datagram, source, multicast, now) or has_news
        if has_news:
            return None
        # So it is with nearly all that is heard. To look for what has changed takes 20 µs of the 150 of a
        # datagram that comes alone.
        self._idle_until = idle_until
        return b""

    def _decode(self, datagram: bytes, source: SocketAddress) -> Message | None:
        """Return the message in a datagram, or None when it is to be dropped."""
        if not self._context.is_up:
            self.counters["received while down"] += 1
            return None
        if len(datagram) > MAX_PACKET:
            self.counters["oversized datagrams"] += 1
            return None
        message = self._recent.get(datagram)
        if message is None:
            try:
                message = decode(datagram)
            except MalformedMessage:
                self.counters["malformed datagrams"] += 1
                return None
            # What we multicast comes back once or twice: to keep that would take more than the services do.
            if not self._context.neighbours.is_own(source[0]):
                self._recent.keep(datagram, message)
        if message.skipped:
            self.counters["malformed records"] += message.skipped
        if message.flags & _OPCODE_AND_RCODE:
            # RFC 6762 §18.3, §18.11: "silently ignored".
            self.counters["datagrams with opcode or rcode"] += 1
            return None
        return message

    def _receive_response(
        self, message: Message, datagram: bytes, source: SocketAddress, multicast: bool, now: float
    ) -> bool:
        """Take in a response; return whether anything may have changed for whoever waits for the link."""
        if source[1] != MDNS_PORT:
            # RFC 6762 §6: "MUST silently ignore".
            self.counters["responses from another port"] += 1
            return False
        if not multicast and self._context.neighbours.classify(source[0]) is not SourceKind.ON_LINK:
            # RFC 6762 §11: it may come from anywhere in the world.
            self.counters["responses from off the link"] += 1
            return False
        self.counters["responses received"] += 1
        is_ours = self.responder.handle_response(message, source, multicast, now, datagram)
        return self.querier.handle_response(message, source, multicast, now, datagram) or is_ours

    def _receive_query(
        self, message: Message, datagram: bytes, source: SocketAddress, multicast: bool, now: float
    ) -> bool:
        """Take in a query; return whether anything may have changed for whoever waits for the link."""
        if not multicast or source[1] != MDNS_PORT:
            # What is answered by unicast is answered for the link only. RFC 6762 §5.5 says so of direct
            # queries; a legacy query with a forged source would have us send to anywhere in the world.
            kind = self._context.neighbours.classify(source[0])
            if kind is not SourceKind.ON_LINK:
                counter = (
                    "unanswerable sources" if kind is SourceKind.NO_HOST else "queries from off the link"
                )
                self.counters[counter] += 1
                return False
        self.counters["queries received"] += 1
        is_plain = datagram[4:12] == _ONE_QUESTION and not message.flags & _TRUNCATED
        key = datagram[2:] if is_plain else b""
        is_ours = self.responder.handle_query(message, source, multicast, now, key)
        return self._observe_query(datagram, message, source, multicast, now) or is_ours

    def _observe_query(
        self, datagram: bytes, message: Message, source: SocketAddress, multicast: bool, now: float
    ) -> bool:
        """Let the querier learn from what others ask, and not from the echo of what it has asked itself.

        :returns: whether anything may have changed for whoever waits for the link.
        """
        if self._context.neighbours.is_own(source[0]) and self.querier.was_sent(datagram, now):
            return False
        return self.querier.observe_query(message, source, multicast, now)

    @property
    def unicast_responses(self) -> bool:
        """Whether questions may ask for unicast responses.

        To be set whenever another program on this host took port 5353 or gave it up: the system gives a
        unicast response to one of them (RFC 6762 §15.1).
        """
        return self._context.unicast_responses

    @unicast_responses.setter
    def unicast_responses(self, wanted: bool) -> None:
        self._context.unicast_responses = wanted

    def next_wakeup(self) -> float | None:
        """Return when to call `advance`, or None while there is nothing to wait for."""
        at = self._context.schedule.next_at()
        self._idle_until = inf if at is None else at
        return at

    def advance(self, now: float) -> None:
        """Do what is due at ``now``; too early or too often does no harm."""
        self._idle_until = -inf
        self._context.schedule.advance(now)

    def transmissions(self) -> list[Transmission]:
        """Return what is to be sent, oldest first, and forget it."""
        return self._context.outbox.take()

    def events(self) -> list[Event]:
        """Return what has happened, oldest first, and forget it."""
        return self._context.events.take()

    def set_networks(self, networks: Sequence[IPv4Interface | IPv6Interface], now: float) -> None:
        """The interface has other addresses.

        Where none of the old networks is left, this is another link, and everything is probed for again
        (RFC 6762 §8). Address records are the owner's business: it updates their group.
        """
        before, after = self._context.neighbours, Neighbours(networks)
        self._context.neighbours = after
        self.responder.forget_sources()
        if before.networks and networks and not after.shares_network(before) and self._context.is_up:
            self.link_up(now)

    def end(self) -> None:
        """Take note that only goodbyes are still to be said: what others say is of no more interest.

        That is above all the echo of our own goodbyes. Questions are answered by what is still published.
        """
        self._is_ending = True

    def link_up(self, now: float) -> None:
        """The link works again, or may be another one than before: start anew (RFC 6762 §8)."""
        self._context.is_up = True
        self._context.up_since = now
        self.responder.set_up(now)
        self.querier.set_up(now)

    def link_down(self, now: float) -> None:
        """The link carries nothing: send nothing, wake for nothing, answer nothing, until `link_up`."""
        self._context.is_up = False
        self._context.outbox.clear()
        self.responder.set_down(now)
        self.querier.set_down(now)
