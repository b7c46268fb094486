"""A link that asks, for the tests of the querier."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, pointer, service, text
from mcast.mdns.context import LinkSettings
from mcast.mdns.events import Denied, RecordAdded, RecordChange
from mcast.testing import Capture
from tests.mdns.lab import IPV4, PTR, SRV, A, Lab

TYPE = Name.parse("_http._tcp.local")
ONE = Name.parse(r"One._http._tcp.local")
TWO = Name.parse(r"Two._http._tcp.local")
FAR = Name.parse("far.local")

ONE_PTR = pointer(TYPE, ONE, 4500)
TWO_PTR = pointer(TYPE, TWO, 4500)
ONE_SRV = service(ONE, 0, 0, 80, FAR, 120, cache_flush=True)
ONE_TXT = text(ONE, [b"path=/"], 4500, cache_flush=True)
FAR_A = address(FAR, "192.168.1.9", 120, cache_flush=True)
FAR_OTHER_A = address(FAR, "192.168.1.10", 120, cache_flush=True)
FAR_AAAA = address(FAR, "fe80::9", 120, cache_flush=True)
FAR_NSEC = next_secure(FAR, [A], 120)

TYPE_PTR = Question(TYPE, PTR)
FAR_Q = Question(FAR, A)
ONE_SRV_Q = Question(ONE, SRV)


class AskingLab(Lab):
    """A link that has been up for ten seconds, so that its questions are QM.

    :param up_for: seconds that it has been up.
    """

    def __init__(
        self,
        settings: LinkSettings = IPV4,
        *,
        up_for: float = 10.0,
        point: float = 0.5,
        rng: Random | None = None,
    ) -> None:
        super().__init__(settings, point=point, rng=rng)
        self.run(up_for)
        self.querier = self.link.querier

    def want(self, *questions: Question, asker: str = "user") -> None:
        for question in questions:
            self.querier.ask(question, self.now, asker)

    def drop(self, *questions: Question, asker: str = "user") -> None:
        for question in questions:
            self.querier.cancel(question, self.now, asker)

    def known(self, question: Question) -> list[Record]:
        return self.querier.records(question, self.now)

    def knows(self, record: Record) -> bool:
        """Whether the same record, whatever its TTL, is in the cache and valid."""
        question = Question(record.name, record.type)
        return record.identity in [one.identity for one in self.known(question)]

    def changes(self) -> list[tuple[str, Record]]:
        """What was reported of records since the last call: the kind of change and the record."""
        seen = [event for event in self.events if isinstance(event, RecordChange)]
        self.events.clear()
        return [(type(event).__name__.removeprefix("Record").lower(), event.record) for event in seen]

    def added(self) -> list[Record]:
        """The records that were reported as added, since the events were last taken."""
        seen = [event.record for event in self.events if isinstance(event, RecordAdded)]
        self.events.clear()
        return seen

    def denials(self) -> list[Question]:
        seen = [event.question for event in self.events if isinstance(event, Denied)]
        self.events.clear()
        return seen


def asked_at(sent: Capture, question: Question) -> list[float]:
    """When a question left, to the millisecond, whatever its unicast bit."""
    return [
        round(packet.at, 3)
        for packet in sent.queries
        if question.key in [one.key for one in packet.message.questions]
    ]


def gaps(times: Sequence[float]) -> list[float]:
    return [round(later - earlier, 3) for earlier, later in pairwise(times)]
