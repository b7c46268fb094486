"""Whatever comes in: no exception, bounded memory, and answers all the same."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, text
from mcast.mdns.events import RecordFlushed
from mcast.mdns.querier.cache_cells import MAX_FLUSHED
from mcast.mdns.responder.prepared_answers import MAX_READY
from mcast.mdns.responder.record_group import RecordGroup
from mcast.neighbours import MAX_REMEMBERED, Neighbours, SocketAddress
from mcast.rate_limit import MAX_SOURCES
from tests.effort import least_effort
from tests.mdns.lab import (
    ANY,
    DUAL_GROUP,
    HOST,
    HOST_A,
    HTTP,
    PEER,
    PTR,
    RESOLVER,
    SRV,
    STRANGER,
    UNLIMITED,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Lab,
    flushed,
    interface,
    query,
    response,
    service_group,
)

SEEDS = [
    encode(query(Question(HOST, A))),
    encode(query(Question(HTTP, PTR), Question(WEB, ANY, unicast=True), known=[WEB_PTR], truncated=True)),
    encode(Message(questions=[Question(HOST, ANY)], authorities=[address(HOST, "192.168.1.77", 120)])),
    encode(response(flushed(HOST_A), flushed(WEB_SRV), WEB_PTR, next_secure(HOST, [A], 120))),
    encode(response(flushed(address(HOST, "192.168.1.77", 120)), flushed(text(WEB, [b"x"], 0)))),
]
SOURCES = [PEER, RESOLVER, STRANGER, ("0.0.0.0", 0), ("fe80::1", 5353, 0, 2)]

SLOWLY = settings(
    max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A valid packet with some octets changed, cut out or put in."""
    octets = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 6))):
        place = draw(st.integers(0, len(octets) - 1)) if octets else 0
        change = draw(st.integers(0, 3))
        if change == 0 and octets:
            octets[place] = draw(st.integers(0, 255))
        elif change == 1:
            octets[place:place] = draw(st.binary(max_size=12))
        elif change == 2:
            del octets[place : place + draw(st.integers(1, 12))]
        elif octets:
            octets[place] ^= 1 << draw(st.integers(0, 7))
    return bytes(octets)


class HypothesisTests(SynchronousTestCase):
    """Made-up packets at every stage of a link's life."""

    def setUp(self) -> None:
        # One link that is settled, one that is probing all the time.
        self.lab = Lab(UNLIMITED)
        self.lab.settle(DUAL_GROUP, WEB_GROUP)
        self.young = Lab(UNLIMITED, point=0.0)

    def throw(self, payload: bytes, source: SocketAddress, multicast: bool) -> None:
        self.young.register(WEB_GROUP)
        for lab in (self.lab, self.young):
            lab.feed(payload, source, multicast=multicast)
            lab.pass_time(0.3)

    @SLOWLY
    @given(st.binary(max_size=300), st.sampled_from(SOURCES), st.booleans())
    def test_random_octets(self, payload: bytes, source: SocketAddress, multicast: bool) -> None:
        self.throw(payload, source, multicast)

    @SLOWLY
    @given(st.integers(0, 0xFFFF), st.binary(max_size=200), st.sampled_from(SOURCES))
    def test_random_sections(self, flags: int, rest: bytes, source: SocketAddress) -> None:
        self.throw(struct.pack("!6H", 0, flags & 0x8780, 1, 1, 1, 1) + rest, source, True)

    @settings(SLOWLY, max_examples=6000)
    @given(mutated(), st.sampled_from(SOURCES), st.booleans())
    def test_mutated_packets(self, payload: bytes, source: SocketAddress, multicast: bool) -> None:
        self.throw(payload, source, multicast)

    def tearDown(self) -> None:
        self.lab.link.link_up(self.lab.now)
        self.lab.pass_time(200.0)
        self.assertIsNone(self.lab.link.next_wakeup())


class HandMadeTests(SynchronousTestCase):
    """Packets that have brought others down."""

    def settle(self) -> None:
        """Begin anew with a link that has claimed its names."""
        self.lab = Lab(UNLIMITED)
        self.lab.settle(DUAL_GROUP, WEB_GROUP)

    def assert_effort(self, call: Callable[[], object], limit: float) -> None:
        """Call it on a link that has just settled, and see that it is less work than that."""

        def prepared() -> Callable[[], object]:
            self.settle()
            return call

        self.assertLess(least_effort(prepared, limit), limit)

    def drop(self, payload: bytes) -> None:
        """Feed a packet that must be dropped, quickly, and see that the next one is answered."""
        said: list[object] = []
        self.assert_effort(lambda: said.extend(self.lab.feed(payload) + self.lab.pass_time(1.0)), 20)
        self.assertEqual(said, [])
        self.assertEqual(len(self.lab.ask(HOST, A, RESOLVER)), 1)

    def test_compression_loop(self) -> None:
        self.drop(bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + b"\xc0\x0c\x00\xff\x00\x01")

    def test_compression_loop_of_two(self) -> None:
        self.drop(bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)) + b"\x01a\xc0\x10\x01b\xc0\x0c\x00\xff\x00\x01")

    def test_counts_of_65535(self) -> None:
        self.drop(struct.pack("!6H", 0, 0, *[0xFFFF] * 4) + bytes(500))

    def test_counts_of_65535_in_a_response(self) -> None:
        self.drop(struct.pack("!6H", 0, 0x8400, *[0xFFFF] * 4) + bytes(500))

    def test_name_of_300_octets(self) -> None:
        self.drop(struct.pack("!6H", 0, 0, 1, 0, 0, 0) + (b"\x3b" + b"a" * 59) * 5 + b"\0\0\xff\0\1")

    def test_empty_datagram(self) -> None:
        self.drop(b"")

    def test_header_only(self) -> None:
        self.drop(bytes(12))

    def test_more_than_9000_octets(self) -> None:
        """M-17-5: what is larger than any packet may be is dropped."""
        self.drop(encode(query(Question(HOST, A))) + bytes(9000))
        self.assertEqual(self.lab.link.counters["oversized datagrams"], 1)

    def test_9000_octets_of_questions(self) -> None:
        """M-17-5: a packet of full size is taken, and answered once for each record."""
        question = encode(query(Question(HOST, A)))[12:]
        tail = b"\xc0\x0c\x00\xff\x00\x01"
        count = (8972 - 12 - len(question)) // len(tail)
        payload = struct.pack("!6H", 0, 0, count + 1, 0, 0, 0) + question + tail * count
        said: list[object] = []

        def ask() -> None:
            self.lab.feed(payload)
            said[:] = self.lab.pass_time(1.0)

        self.assert_effort(ask, 40)
        self.assertEqual(len(said), 1)

    def test_9000_octets_of_probes(self) -> None:
        """M-17-5: or of questions and proposals for our names."""
        owner = encode(query(Question(HOST, A)))[12:-4]
        questions = (
            owner + b"\0\xff\0\1" + b"".join(b"\xc0\x0c" + struct.pack("!HH", n, 1) for n in range(1, 600))
        )
        proposals = b"\xc0\x0c\0\x01\0\1\0\0\0\x78\0\4\xc0\xa8\1\x01" * 320
        payload = struct.pack("!6H", 0, 0, 600, 0, 320, 0) + questions + proposals
        self.assertTrue(8500 < len(payload) < 9000)
        said: list[object] = []

        def prepared() -> Callable[[], object]:
            self.settle()
            young = Lab(point=0.0)
            young.register(RecordGroup(unique=(address(HOST, "192.168.1.255", 120),)))
            young.pass_time(0.1)

            def probe() -> None:
                said[:] = self.lab.feed(payload)
                young.feed(payload)

            return probe

        self.assertLess(least_effort(prepared, 100), 100)
        self.assertTrue(said)

    def test_9000_octets_of_known_answers(self) -> None:
        """M-17-5: or of known answers."""
        known = [Record(HTTP, PTR, 1, 4500, HTTP.prefixed(f"{number:x}").wire) for number in range(400)]
        payload = encode(query(Question(HTTP, PTR), known=[*known, WEB_PTR]))
        self.assertLess(len(payload), 9000)
        self.drop(payload)

    def test_9000_octets_of_records(self) -> None:
        """M-17-5: or of records in a response."""
        records = [address(HTTP.prefixed(f"{number:x}"), "192.168.1.9", 120) for number in range(400)]
        self.drop(encode(response(*records)))


class FloodTests(SynchronousTestCase):
    """Many packets."""

    lab: Lab

    def test_distinct_questions(self) -> None:
        """Ten thousand distinct questions take much less than the second in which they come.

        They leave nothing behind, and do not keep others from their answer.
        """
        packets = [encode(query(Question(Name.parse(f"n{number}.local"), A))) for number in range(10000)]

        def prepared() -> Callable[[], object]:
            self.lab = lab = Lab(UNLIMITED)
            lab.settle(DUAL_GROUP, WEB_GROUP)

            def ask_all() -> None:
                for packet in packets:
                    lab.link.receive(packet, PEER, True, lab.now)

            return ask_all

        self.assertLess(least_effort(prepared, 200), 200)
        lab = self.lab
        self.assertEqual(lab.collect() + lab.pass_time(1.0), [])
        self.assertIsNone(lab.link.next_wakeup())
        self.assertEqual(len(lab.ask(HOST, A)), 1)

    def test_others_with_many_services(self) -> None:
        """Others' services cost the same however many we have ourselves."""
        theirs = [Record(HTTP, PTR, 1, 4500, HTTP.prefixed(f"x{number}").wire) for number in range(300)]
        payload = encode(response(*theirs))

        def prepared() -> Callable[[], object]:
            lab = Lab()
            lab.settle(*[service_group(number) for number in range(1000)])
            return lambda: [lab.feed(payload) for _ in range(20)]

        self.assertLess(least_effort(prepared, 100), 100)

    def test_flush_of_a_full_name(self) -> None:
        """A packet that flushes costs no more when thousands of records of the name are known."""
        names = [HTTP.prefixed(f"x{number}") for number in range(8000)]

        def prepared() -> Callable[[], object]:
            self.lab = lab = Lab()
            for first in range(0, len(names), 100):
                records = [Record(HTTP, PTR, 1, 4500, name.wire) for name in names[first : first + 100]]
                lab.feed(encode(response(*records)))
            lab.pass_time(10.0)
            flushing = [
                encode(response(flushed(Record(HTTP, PTR, 1, 4500, HTTP.prefixed(f"y{number}").wire))))
                for number in range(50)
            ]
            # This one ends them, which is work.
            lab.feed(flushing.pop())
            return lambda: [lab.feed(each) for each in flushing]

        self.assertLess(least_effort(prepared, 20), 20)
        lab = self.lab
        lab.pass_time(2.0)
        known = lab.link.querier.records(Question(HTTP, PTR), lab.now)
        self.assertEqual(len(known), 50)

    def test_flush_in_parts(self) -> None:
        """Of thousands of records some are flushed at a time, and all of them are."""
        lab = Lab()
        lab.link.querier.ask_about(HTTP, {PTR: False}, lab.now, "somebody")
        names = [HTTP.prefixed(f"x{number}") for number in range(3 * MAX_FLUSHED)]
        for first in range(0, len(names), 100):
            records = [Record(HTTP, PTR, 1, 4500, name.wire) for name in names[first : first + 100]]
            lab.feed(encode(response(*records)))
        lab.pass_time(10.0)
        late = Record(HTTP, PTR, 1, 4500, HTTP.prefixed("late").wire)
        lab.link.events()
        lab.link.receive(encode(response(flushed(late))), PEER, True, lab.now)
        parts = [lab.link.events()]
        while (at := lab.link.next_wakeup()) is not None and at <= lab.now:
            lab.link.advance(lab.now)
            parts.append(lab.link.events())
        counts = [sum(isinstance(event, RecordFlushed) for event in part) for part in parts]
        self.assertEqual([count for count in counts if count], [MAX_FLUSHED] * 3)
        lab.pass_time(2.0)
        known = lab.link.querier.records(Question(HTTP, PTR), lab.now)
        self.assertEqual([record.rdata for record in known], [late.rdata])

    def test_distinct_spellings(self) -> None:
        """Answers are kept ready for a bounded number of queries."""
        lab = Lab(UNLIMITED)
        lab.settle(DUAL_GROUP, WEB_GROUP)
        rng = Random(1)
        wire = b"my web._http._tcp.local"
        for _ in range(MAX_READY + 2000):
            spelled = bytes(
                [octet ^ 0x20 if chr(octet).isalpha() and rng.random() < 0.5 else octet for octet in wire]
            )
            lab.link.receive(
                encode(query(Question(Name.parse(spelled.decode()), SRV))), RESOLVER, True, lab.now
            )
        self.assertLessEqual(len(lab.responder.ready), MAX_READY)
        self.assertGreater(len(lab.responder.ready), 1000)

    def test_distinct_sources(self) -> None:
        """Of sources no more are remembered than there are hosts on a link."""
        neighbours = Neighbours([interface("10.0.0.1/8")])
        for number in range(MAX_REMEMBERED * 2 + 10):
            neighbours.classify(f"10.0.{number // 256}.{number % 256}")
        self.assertLessEqual(neighbours.remembered, MAX_REMEMBERED)
        self.assertEqual(MAX_SOURCES, 4096)

    def test_conflict_with_everything(self) -> None:
        """A host that contradicts all we say makes us send no stream of packets."""
        lab = Lab(point=0.0)
        lab.register(DUAL_GROUP, WEB_GROUP)
        rivals = [flushed(address(HOST, "192.168.1.77", 120)), flushed(text(WEB, [b"rival"], 4500)), WEB_TXT]
        while lab.now < 300.0:
            lab.pass_time(0.9)
            lab.hear(*rivals)
        self.assertLess(len(lab.sent), 300)
