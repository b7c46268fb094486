"""What holds for every packet, whatever happens on the link."""

from __future__ import annotations

from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question
from mcast.dns.records import Record, address, text
from mcast.mdns.responder.record_group import RecordGroup
from mcast.testing import Capture
from tests.mdns.lab import (
    ANY,
    DUAL_GROUP,
    HOST,
    HOST_A,
    HTTP,
    OTHER_PEER,
    PEER,
    PTR,
    RESOLVER,
    REVERSE,
    SRV,
    TXT,
    TYPE_PTR,
    TYPES,
    UNLIMITED,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Lab,
    flushed,
    query,
    service_group,
)

NAMES = [HOST, WEB, HTTP, TYPES, REVERSE, HTTP.prefixed("Web 3")]
QTYPES = [A, PTR, SRV, TXT, ANY, 28, 15]
OURS = [HOST_A, WEB_SRV, WEB_TXT, WEB_PTR, TYPE_PTR]
SHARED = [WEB_PTR, TYPE_PTR]


class Story:
    """A link on which a random hour passes."""

    def __init__(self, seed: int, steps: int) -> None:
        self.rng = Random(seed)
        self.lab = Lab(UNLIMITED, rng=self.rng)
        self.defended: list[float] = []
        self.records: set[object] = set()
        self.versions = 0
        self.owners = self.lab.register(DUAL_GROUP, WEB_GROUP, *map(service_group, range(5)))
        self.note(DUAL_GROUP, WEB_GROUP, *map(service_group, range(5)))
        for _ in range(steps):
            self.rng.choice(
                [self.ask, self.ask, self.ask, self.ask_twice, self.hear, self.probe, self.update, self.wait]
            )()
            self.lab.pass_time(self.rng.choice([0.0, 0.001, 0.05, 0.3, 1.0, 1.0, 40.0]))
        self.lab.pass_time(100.0)

    def note(self, *groups: RecordGroup) -> None:
        self.records.update(record.identity for group in groups for record in group)

    def ask(self) -> None:
        rng = self.rng
        known = rng.sample(OURS, rng.randrange(3)) if rng.random() < 0.3 else []
        self.lab.ask(
            rng.choice(NAMES),
            rng.choice(QTYPES),
            rng.choice([PEER, PEER, OTHER_PEER, RESOLVER]),
            unicast=rng.random() < 0.4,
            known=known,
            truncated=rng.random() < 0.2,
        )

    def ask_twice(self) -> None:
        rng = self.rng
        questions = [Question(rng.choice(NAMES), rng.choice(QTYPES), 1, rng.random() < 0.5) for _ in range(3)]
        self.lab.feed(query(*questions))

    def hear(self) -> None:
        record = self.rng.choice(OURS)
        self.lab.hear(record.with_ttl(self.rng.choice([0, 1, record.ttl])))

    def probe(self) -> None:
        self.defended.append(self.lab.now)
        rival = address(HOST, "192.168.1.1", 120)
        questions = [Question(HOST, ANY, 1, self.rng.random() < 0.5)]
        self.lab.feed(Message(questions=questions, authorities=[rival]))

    def update(self) -> None:
        self.versions += 1
        group = RecordGroup(
            unique=(WEB_SRV, text(WEB, [b"version=%d" % self.versions], 4500)), shared=WEB_GROUP.shared
        )
        self.note(group)
        self.lab.responder.update(self.owners[1], group, self.lab.now)

    def wait(self) -> None:
        self.lab.pass_time(self.rng.uniform(0.0, 3.0))

    @property
    def responses(self) -> Capture:
        return self.lab.sent.responses


TALES = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


class PropertyTests(SynchronousTestCase):
    @TALES
    @given(st.integers(0, 2**32))
    def test_never_twice_within_a_second(self, seed: int) -> None:
        """M-6-18: no record is multicast twice within a second; in defence not within 250 ms."""
        story = Story(seed, 60)
        last: dict[object, float] = {}
        for packet in story.responses:
            if packet.to is not None:
                continue
            for record in packet.records:
                since = packet.at - last.get(record.identity, -100.0)
                defended = any(packet.at - 0.251 <= at <= packet.at for at in story.defended)
                self.assertGreater(since, 0.2499 if defended else 0.9999, (record, packet.at))
                last[record.identity] = packet.at

    @TALES
    @given(st.integers(0, 2**32))
    def test_form_of_every_packet(self, seed: int) -> None:
        """Size, flush bits and questions are right, and all records are ours.

        M-6-1, M-6-7, M-10.2-8, M-10.2-11, M-10.2-6, M-17-4, M-18.2-2.
        """
        story = Story(seed, 60)
        shared = {record.identity for record in SHARED} | {
            record.identity for index in range(5) for record in service_group(index).shared
        }
        for packet in story.lab.sent:
            message = packet.message
            legacy = packet.to == RESOLVER
            self.assertTrue(len(packet.payload) <= 1472 or len(packet.records) == 1)
            self.assertEqual(packet.payload[2:4] == b"\x84\0", message.is_response)
            for record in packet.records:
                flush = message.is_response and not legacy and record.identity not in shared
                self.assertEqual(record.cache_flush, flush, record)
                self.assertTrue(record.type == 47 or record.identity in story.records, record)
            if message.is_response and not legacy:
                self.assertEqual(list(message.questions), [])

    @TALES
    @given(st.integers(0, 2**32))
    def test_address_sets_are_whole(self, seed: int) -> None:
        """M-10.2-5: a message with one of our addresses has them all."""
        rng = Random(seed)
        lab = Lab(rng=rng)
        addresses: tuple[Record, ...] = tuple(
            address(HOST, f"192.168.1.{10 + index}", 120) for index in range(12)
        )
        lab.settle(RecordGroup(unique=addresses), *[service_group(index) for index in range(20)])
        for _ in range(40):
            known = rng.sample(addresses, rng.randrange(12))
            lab.ask(
                rng.choice([HOST, HTTP, HTTP.prefixed("Web 3")]),
                rng.choice([A, ANY, PTR, SRV]),
                unicast=rng.random() < 0.3,
                known=known,
                truncated=rng.random() < 0.2,
            )
            lab.hear(*map(flushed, rng.sample(addresses, rng.randrange(12))))
            lab.pass_time(rng.uniform(0.0, 1.5))
        expected = {record.identity for record in addresses}
        for packet in lab.sent:
            found = {record.identity for record in packet.records if record.type == A}
            self.assertIn(found, (set(), expected))

    @TALES
    @given(st.integers(0, 2**32))
    def test_idle_in_the_end(self, seed: int) -> None:
        """M-8.3-6: whatever happened, after a while there is nothing left to do and nothing is sent."""
        story = Story(seed, 40)
        self.assertIsNone(story.lab.link.next_wakeup())
        self.assertEqual(story.lab.pass_time(86400.0), [])
