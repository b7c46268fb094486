"""Answers that need not be given (RFC 6762 §7)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import address, pointer
from mcast.mdns.context import LinkSettings
from mcast.mdns.responder.delayed_responses import MAX_DELAYED
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.truncated_queries import MAX_TRUNCATED
from mcast.neighbours import SocketAddress
from mcast.testing import Capture
from tests.mdns.lab import (
    HOST,
    HOST_A,
    HOST_GROUP,
    HTTP,
    OTHER_PEER,
    PEER,
    PTR,
    RESOLVER,
    SRV,
    TYPE_PTR,
    TYPES,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    A,
    Lab,
    answers,
    flushed,
    query,
    service_group,
    times,
)


class SuppressionCase(SynchronousTestCase):
    """A host with a web service, announced long ago."""

    def setUp(self) -> None:
        self.lab = Lab()
        self.lab.settle(HOST_GROUP, WEB_GROUP)
        self.lab.now = 100.0


class KnownAnswerTests(SuppressionCase):
    """What the querier says it knows (RFC 6762 §7.1)."""

    def ask_knowing(self, ttl: int) -> Capture:
        return self.lab.ask(HTTP, PTR, known=[WEB_PTR.with_ttl(ttl)]) + self.lab.pass_time(1.0)

    def test_half_of_the_ttl(self) -> None:
        """M-7.1-2: listed with half of its TTL, an answer is not given."""
        self.assertEqual(self.ask_knowing(2250), [])

    def test_less_than_half(self) -> None:
        """M-7.1-3: listed with less than half, it is."""
        self.assertEqual(answers(self.ask_knowing(2249)), {WEB_PTR})

    def test_other_spelling(self) -> None:
        """M-7.1-2: the case of names, in rdata too, does not matter."""
        known = pointer(Name.parse("_HTTP._tcp.local"), Name.parse(r"MY WEB._http._tcp.local"), 4500)
        self.assertEqual(self.lab.ask(HTTP, PTR, known=[known]) + self.lab.pass_time(1.0), [])

    def test_compressed(self) -> None:
        """M-7.1-2: nor does compression of the rdata."""
        question = b"\x05_http\x04_tcp\x05local\0\x00\x0c\x00\x01"
        known = b"\xc0\x0c\x00\x0c\x00\x01\x00\x00\x11\x94\x00\x09\x06My Web\xc0\x0c"
        payload = bytes((0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0)) + question + known
        self.assertEqual(self.lab.feed(payload) + self.lab.pass_time(1.0), [])

    def test_other_rdata(self) -> None:
        """M-7.1-2: another instance that is known does not suppress ours."""
        other = pointer(HTTP, Name.parse("Other._http._tcp.local"), 4500)
        self.lab.ask(HTTP, PTR, known=[other])
        self.assertEqual(answers(self.lab.pass_time(1.0)), {WEB_PTR})

    def test_whole_set_known(self) -> None:
        """M-10.2-5: a unique set is known when all of it is."""
        second = address(HOST, "192.168.1.3", 120)
        self.lab.responder.update(1, RecordGroup(unique=(HOST_A, second)), self.lab.now)
        self.lab.pass_time(10.0)
        self.assertEqual(self.lab.ask(HOST, A, known=[HOST_A, second]), [])

    def test_part_of_a_set_known(self) -> None:
        """M-10.2-5, M-18.13-1: with one member missing the whole set is sent."""
        more = (HOST_A, address(HOST, "192.168.1.3", 120), address(HOST, "192.168.1.4", 120))
        self.lab.responder.update(1, RecordGroup(unique=more), self.lab.now)
        self.lab.pass_time(10.0)
        sent = self.lab.ask(HOST, A, known=[HOST_A])
        self.assertEqual(answers(sent), {flushed(record) for record in more})

    def test_simple_resolver(self) -> None:
        """M-7.1-2: the rule holds for every query."""
        self.assertEqual(self.lab.ask(HOST, A, RESOLVER, known=[HOST_A]), [])


class TruncatedTests(SuppressionCase):
    """Known answers in several packets (RFC 6762 §7.2)."""

    def continue_with(self, *records: object, source: SocketAddress = PEER, truncated: bool = False) -> None:
        self.lab.feed(query(known=records, truncated=truncated), source)  # type: ignore[arg-type]

    def test_listed_in_the_next_packet(self) -> None:
        """M-7.2-5: an answer that a following packet lists is not given."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.lab.pass_time(0.1)
        self.continue_with(WEB_PTR)
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_listed_with_a_low_ttl(self) -> None:
        """M-7.1-3: listed there with less than half of its TTL it is given."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.continue_with(WEB_PTR.with_ttl(2249))
        self.assertEqual(answers(self.lab.pass_time(5.0)), {WEB_PTR})

    def test_from_another_host(self) -> None:
        """M-15.2-1: what another host lists does not matter."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.continue_with(WEB_PTR, source=OTHER_PEER)
        self.assertEqual(answers(self.lab.pass_time(5.0)), {WEB_PTR})

    def test_from_another_port(self) -> None:
        """M-15.2-1: the address alone tells who it is."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.continue_with(WEB_PTR, source=("192.168.1.9", 5353))
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_somebody_else_waits(self) -> None:
        """M-7.2-6: what another host has asked for is given all the same."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.lab.pass_time(0.05)
        self.lab.ask(HTTP, PTR, OTHER_PEER)
        self.continue_with(WEB_PTR)
        self.assertEqual(answers(self.lab.pass_time(5.0)), {WEB_PTR})

    def test_every_packet_extends_the_wait(self) -> None:
        """M-7.2-7: 400 to 500 ms pass after the last packet with TC."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.lab.run(100.3)
        self.continue_with(TYPE_PTR, truncated=True)
        self.lab.run(100.6)
        self.continue_with(TYPE_PTR, truncated=True)
        self.assertEqual(times(self.lab.run(105.0)), [101050])

    def test_set_listed_in_two_packets(self) -> None:
        """M-7.2-5: a set is known when both packets together list it."""
        second = address(HOST, "192.168.1.3", 120)
        self.lab.responder.update(1, RecordGroup(unique=(HOST_A, second)), self.lab.now)
        self.lab.pass_time(10.0)
        self.lab.ask(HOST, A, known=[HOST_A], truncated=True)
        self.continue_with(second)
        self.assertEqual(self.lab.pass_time(5.0), [])

    def test_multicast_meanwhile(self) -> None:
        """M-6-18: what was multicast while the query was waited for is not multicast again for it."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.lab.pass_time(0.3)
        self.lab.ask(HTTP, PTR, OTHER_PEER)
        self.lab.pass_time(0.01)
        self.assertEqual(len(self.lab.pass_time(5.0)), 1)

    def test_multicast_long_before_the_end(self) -> None:
        """M-7.2-7: also when further packets have put the answer off for more than a second since."""
        self.lab.ask(HTTP, PTR, truncated=True)
        self.lab.pass_time(0.2)
        self.lab.ask(HTTP, PTR, OTHER_PEER)
        for _ in range(10):
            self.continue_with(TYPE_PTR, truncated=True)
            self.lab.pass_time(0.3)
        self.lab.pass_time(5.0)
        self.assertEqual(len(self.lab.sent), 1)

    def test_unicast_wanted(self) -> None:
        """M-5.4-6: a truncated QU question is answered by unicast, in its time."""
        self.lab.ask(HTTP, PTR)
        self.lab.pass_time(5.0)
        self.lab.ask(HTTP, PTR, unicast=True, truncated=True)
        (sent,) = self.lab.pass_time(5.0)
        self.assertEqual((sent.to, round(sent.at, 3)), (PEER, 105.45))

    def test_known_answers_without_a_question(self) -> None:
        """What follows no query of ours is of no interest."""
        self.continue_with(WEB_PTR)
        self.assertEqual(self.lab.pass_time(5.0), [])
        self.assertIsNone(self.lab.link.next_wakeup())

    def test_too_many_hosts(self) -> None:
        """Of more hosts than can be waited for the others get their answer after the same delay."""
        for number in range(MAX_TRUNCATED + 10):
            self.lab.ask(HTTP, PTR, (f"192.168.1.{number + 20}", 5353), truncated=True)
        self.assertEqual(self.lab.link.counters["truncated queries over limit"], 10)
        self.assertEqual(times(self.lab.pass_time(5.0)), [100450])


class DuplicateAnswerTests(SuppressionCase):
    """What another host has answered already (RFC 6762 §7.4)."""

    def answered(self, ttl: int) -> Capture:
        self.lab.ask(HTTP, PTR)
        self.lab.hear(WEB_PTR.with_ttl(ttl), source=OTHER_PEER)
        return self.lab.pass_time(5.0)

    def test_same_ttl(self) -> None:
        """M-7.4-1: with a TTL not below ours it is as good as ours."""
        self.assertEqual(self.answered(4500), [])

    def test_lower_ttl(self) -> None:
        """M-7.4-1: with a lower one it is not."""
        self.assertEqual(answers(self.answered(4499)), {WEB_PTR})

    def test_part_of_a_set(self) -> None:
        """M-10.2-5: nor is a part of a unique set."""
        second = address(HOST, "192.168.1.3", 120)
        self.lab.responder.update(1, RecordGroup(unique=(HOST_A, second)), self.lab.now)
        self.lab.pass_time(10.0)
        self.lab.feed(query(Question(HOST, A), Question(HTTP, PTR)))
        self.lab.hear(flushed(HOST_A))
        self.assertIn(flushed(second), answers(self.lab.pass_time(1.0)))

    def test_announcement_is_not_spared(self) -> None:
        """M-8.3-4: what we announce is announced, even if another host says the same."""
        lab = Lab(LinkSettings(ipv6=False, announcements=8), point=0.0)
        lab.register(RecordGroup(shared=(WEB_PTR,)))
        lab.run(2.5)
        lab.ask(HTTP, PTR)
        lab.run(3.1)
        lab.hear(WEB_PTR)
        self.assertEqual(times(lab.run(5.0)), [3520])


class BoundedTests(SuppressionCase):
    """No querier, and no number of them, makes us remember without end."""

    def test_a_thousand_queriers(self) -> None:
        """M-D-1: a thousand QU queriers in one delay cost bounded memory, and get one multicast."""
        self.lab.ask(HTTP, PTR)
        self.lab.pass_time(5.0)
        self.lab.sent.clear()
        for number in range(1000):
            source = (f"192.168.1.{number % 250 + 3}", 5353, number // 250, 0)
            self.lab.ask(HTTP, PTR, source, unicast=True)
        sent = self.lab.pass_time(5.0)
        self.assertEqual(len([packet for packet in sent if packet.to]), MAX_DELAYED)
        self.assertEqual(len([packet for packet in sent if not packet.to]), 1)

    def test_large_answers(self) -> None:
        """M-D-1: with a thousand services a few queriers are enough to fall back to multicast."""
        lab = Lab()
        lab.settle(*[service_group(index) for index in range(1000)])
        lab.ask(HTTP, PTR)
        lab.pass_time(5.0)
        lab.sent.clear()
        for number in range(20):
            lab.ask(HTTP, PTR, (f"192.168.1.{number + 3}", 5353), unicast=True)
        lab.pass_time(1.0)
        self.assertEqual(len({packet.to for packet in lab.sent}), 5)

    def test_same_question_again(self) -> None:
        """M-6.4-1: what one querier asks twice within the delay is answered once."""
        self.lab.ask(HTTP, PTR)
        self.lab.pass_time(5.0)
        self.lab.ask(HTTP, PTR, unicast=True)
        self.lab.ask(HTTP, PTR, unicast=True)
        self.lab.ask(TYPES, PTR, unicast=True)
        sent = self.lab.pass_time(1.0)
        self.assertEqual([packet.to for packet in sent if packet.to], [PEER])

    def test_repeated_questions_in_one_packet(self) -> None:
        """The same question a thousand times costs no more than once."""
        self.lab.feed(query(*[Question(HTTP, PTR)] * 400, Question(WEB, SRV)))
        self.assertEqual(answers(self.lab.pass_time(1.0)), {WEB_PTR, flushed(WEB_SRV)})

    def test_question_repeated_on_the_quick(self) -> None:
        """M-6-18: a repeated question is passed over as long as it changes nothing.

        It is answered again when a second has passed.
        """
        payload = encode(query(Question(HTTP, PTR)))
        start = self.lab.now
        while self.lab.now < start + 3.0:
            self.lab.feed(payload)
            self.lab.pass_time(0.01)
        gaps = [later.at - sooner.at for sooner, later in zip(self.lab.sent, self.lab.sent[1:], strict=False)]
        self.assertEqual(len(gaps), 2)
        self.assertTrue(all(1.0 <= gap <= 1.15 for gap in gaps), gaps)

    def test_flags_of_an_answer(self) -> None:
        """M-18.2-2: even the answer to a flood is a plain response."""
        self.lab.ask(HOST, A)
        self.assertEqual(decode(self.lab.sent[0].payload).flags, RESPONSE_FLAGS)
        self.assertEqual(Message().flags, 0)
