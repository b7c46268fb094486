"""Finding the server that pushes the records of a name (RFC 8765 §6.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import ROOT, Name
from mcast.dns.records import Record, ServiceData

PUSH_SERVICE = ("_dns-push-tls", "_tcp")
"""The labels before a zone at which its SRV records of DNS Push stand (RFC 8765 §6.1)."""

LEAST_LABELS = 2
"""The labels below which nobody is asked for an SOA record: a top-level domain is no zone of ours (RFC 8765
§6.1)."""


@dataclass(frozen=True, slots=True)
class PushServers:
    """The servers of a zone, in the order in which to try them."""

    zone: Name
    servers: tuple[tuple[Name, int], ...]
    """Host names and ports; the certificate of a server must have the name."""
    until: float
    """When the records that told this have aged, so that it is to be found out anew."""


class PushDiscovery:
    """Finds out which zone a name is in, and which servers push it; asks nobody itself.

    Ask `question`, give the response to `answered` or say `failed`, until `question` is None: then there is a
    `result`, or `failure` tells why there is none.

    :param rng: chooses by weight (RFC 2782).
    """

    def __init__(self, name: Name, rng: Random) -> None:
        self.question: Question | None = None
        self.result: PushServers | None = None
        self.failure = ""
        self._rng = rng
        self._zone: Name | None = None
        self._until = float("inf")
        self._ask_for_zone(name)

    def answered(self, message: Message, now: float) -> None:
        """Take the response to `question`."""
        asked = self.question
        if asked is None:
            return
        if self._zone is not None:
            self._take_servers(message, asked, now)
            return
        soa = self._find_soa(message, asked.name)
        if soa is None:
            self._ask_for_zone(asked.name.parent)
            return
        self._zone = soa.name
        self._until = now + soa.ttl
        try:
            name = Name.from_labels((*PUSH_SERVICE, *soa.name.labels))
        except ValueError:
            self._fail(f"the name of the zone {soa.name} is too long")
            return
        self.question = Question(name, RecordType.SRV)

    def failed(self, reason: str) -> None:
        """Take notice that nobody answered `question`."""
        self._fail(reason)

    def _ask_for_zone(self, name: Name) -> None:
        if len(name.labels) < LEAST_LABELS:
            self._fail("no server knows the zone of the name")
        else:
            self.question = Question(name, RecordType.SOA)

    @staticmethod
    def _find_soa(message: Message, asked: Name) -> Record | None:
        """Return the SOA record of the closest enclosing zone, from the answer or the authority section."""
        for record in (*message.answers, *message.authorities):
            if (
                record.type == RecordType.SOA
                and asked.is_within(record.name)
                and len(record.name.labels) >= LEAST_LABELS
            ):
                return record
        return None

    def _take_servers(self, message: Message, asked: Question, now: float) -> None:
        assert self._zone is not None
        found = [each for each in message.answers if each.type == RecordType.SRV and each.name == asked.name]
        offers = [each.data for each in found if isinstance(each.data, ServiceData)]
        offers = [each for each in offers if each.target != ROOT and each.port]
        if not offers:
            self._fail(f"the zone {self._zone} offers no DNS Push")
            return
        until = min([self._until, *(now + each.ttl for each in found)])
        servers = tuple((each.target, each.port) for each in self._in_order(offers))
        self.question = None
        self.result = PushServers(self._zone, servers, until)

    def _in_order(self, offers: Iterable[ServiceData]) -> list[ServiceData]:
        """Return servers by priority, those of one priority drawn by weight (RFC 2782)."""
        left = sorted(offers, key=lambda each: (each.priority, each.weight))
        ordered = []
        while left:
            first = [each for each in left if each.priority == left[0].priority]
            drawn = self._rng.uniform(0, sum(each.weight for each in first))
            for each in first:
                drawn -= each.weight
                if drawn <= 0:
                    break
            ordered.append(each)
            left.remove(each)
        return ordered

    def _fail(self, reason: str) -> None:
        self.question = None
        self.failure = reason
