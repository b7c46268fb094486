"""Unicast responses to multicast queries: who hears them, and how many a host gets (RFC 6762 §5.4, §5.5).

Whether the records of an answer were multicast recently enough for it tells `RecordSet.unicast_until`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from mcast.mdns.context import LinkContext
from mcast.mdns.responder.allowances import Allowances
from mcast.mdns.responder.delayed_responses import DelayedResponses
from mcast.mdns.responder.message_sizes import pack_response
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.zone import Zone
from mcast.neighbours import SocketAddress


class UnicastResponses:
    """Sends responses to single hosts, at once or after a random delay."""

    def __init__(self, context: LinkContext, zone: Zone) -> None:
        self.delayed: Final = DelayedResponses()
        """Those that wait."""
        self._context: Final = context
        self._outbox: Final = context.outbox
        self._sizes: Final = context.sizes
        self._counters: Final = context.counters
        self._zone: Final = zone
        self.allowances: Final = Allowances(context)
        """Who gets them, and how many."""

    def may_send(self, source: SocketAddress, now: float) -> bool:
        """Whether a source on the link gets one more unicast answer; if so, count it."""
        share = self.allowances.of(source[0], now)
        if share.octets <= 0:
            self._counters["answers over octet rate"] += 1
            return False
        if share.answers <= 0:
            self._counters["answers over rate"] += 1
            return False
        share.answers -= 1
        return True

    def send(self, payload: bytes, destination: SocketAddress, now: float) -> None:
        """Send by unicast what `may_send` has allowed, and count its octets."""
        self._outbox.unicast(payload, destination)
        self.allowances.of(destination[0], now).octets -= len(payload)

    def send_sets(self, answers: list[RecordSet], destination: SocketAddress, now: float) -> None:
        """Send sets with what belongs to them, unless the source has had too much."""
        if self.may_send(destination, now):
            payloads = self.pack(answers)
            for payload in payloads:
                self.send(payload, destination, now)
            self._counters["unicast responses"] += len(payloads)

    def pack(self, answers: Collection[RecordSet]) -> list[bytes]:
        """Return the messages with sets and with what belongs to them."""
        records = [answer.records for answer in answers]
        return pack_response(records, self._zone.additionals(answers), self._sizes)[0]

    def send_delayed(self, now: float) -> None:
        """Send the unicast responses whose random delay is over."""
        for response in self.delayed.take(now):
            current = [answer for answer in response.answers if answer.is_current]
            if current:
                self.send_sets(current, response.destination, now)
