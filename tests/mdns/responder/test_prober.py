"""Probing, its pace, and the tie-break (RFC 6762 §8.1, §8.2)."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordClass
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, host_info, raw, service, text
from mcast.mdns.context import LinkSettings
from mcast.mdns.events import GroupClaimed, GroupLost, ProbingFailed
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.tie_break import probe_data
from tests.mdns.lab import (
    ANY,
    HOST,
    HOST_A,
    HOST_GROUP,
    HOST_REVERSE,
    HTTP,
    OTHER_PEER,
    REVERSE,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Elsewhere,
    Lab,
    flushed,
    service_group,
    times,
)

RIVAL_A = address(HOST, "192.168.1.77", 120)


class ProbeTests(SynchronousTestCase):
    """What is sent for a name before it is ours (RFC 6762 §8.1)."""

    def test_three_probes(self) -> None:
        """M-8.1-5, M-8.1-1, M-5-1: three probes 250 ms apart come before anything else."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        self.assertEqual(times(lab.run(0.749).probes), [0, 250, 500])
        self.assertEqual(lab.sent.responses, [])

    def test_claim_after_the_third(self) -> None:
        """M-8.1-6: 250 ms after the third probe the name is announced, and not earlier."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.749)
        self.assertEqual(lab.events, [])
        self.assertEqual(times(lab.run(0.751).responses), [750])
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_random_delay_lower_end(self) -> None:
        """M-8.1-4: the wait before the first probe may be nothing."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        self.assertEqual(times(lab.run(0.2)), [0])

    def test_random_delay_upper_end(self) -> None:
        """M-8.1-4: the wait before the first probe may be 250 ms."""
        lab = Lab(point=1.0)
        lab.register(HOST_GROUP)
        self.assertEqual(times(lab.run(0.3)), [250])

    def test_random_delay_is_uniform(self) -> None:
        """M-8.1-4: over many starts every tenth of the range is met about equally often."""
        rng = Random(6762)
        tenths = [0] * 10
        for _ in range(1000):
            lab = Lab(rng=rng)
            lab.register(HOST_GROUP)
            tenths[int(lab.run(0.25)[0].at * 40)] += 1
        self.assertTrue(all(70 < count < 130 for count in tenths), tenths)

    def test_question_form(self) -> None:
        """M-8.1-2, M-8.1-9: the question has type ANY, class IN and the unicast-response bit."""
        lab = Lab()
        lab.register(RecordGroup(unique=(HOST_A,)))
        packet = lab.run(0.25)[0]
        self.assertEqual(packet.message.questions, [Question(HOST, ANY, unicast=True)])
        self.assertEqual(packet.payload[12:31], b"\x07kitchen\x05local\0" + b"\x00\xff\x80\x01")

    def test_no_unicast_bit_on_a_shared_port(self) -> None:
        """RFC 6762 §15.1: with another responder on port 5353, probes are QM questions."""
        lab = Lab(LinkSettings(ipv6=False, unicast_responses=False))
        lab.register(HOST_GROUP)
        self.assertEqual(lab.run(0.25)[0].message.questions, [Question(HOST, ANY)])

    def test_proposals(self) -> None:
        """M-8.2-1: proposed records are authorities, with their TTL and without the flush bit."""
        lab = Lab()
        lab.register(HOST_GROUP)
        message = lab.run(0.25)[0].message
        self.assertEqual((list(message.answers), message.authorities), ([], [HOST_A]))

    def test_one_question_for_all_records_of_a_name(self) -> None:
        """M-8.2-2: SRV and TXT of one name need one question and two proposals."""
        lab = Lab()
        lab.register(WEB_GROUP)
        message = lab.run(0.25)[0].message
        self.assertEqual(message.questions, [Question(WEB, ANY, unicast=True)])
        self.assertEqual(message.authorities, [WEB_TXT, WEB_SRV])

    def test_names_share_packets(self) -> None:
        """M-8.1-3: host and three services, registered together, take three packets.

        Each has four questions.
        """
        lab = Lab()
        lab.register(HOST_GROUP, *[service_group(index) for index in range(3)])
        sent = lab.run(2.0).probes
        self.assertEqual([len(packet.message.questions) for packet in sent], [4, 4, 4])

    def test_names_share_a_random_delay(self) -> None:
        """M-8.1-3: whatever is drawn, names wanted at the same time, or while others wait, have one delay."""
        lab = Lab(rng=Random(1))
        for index in range(10):
            lab.register(service_group(index))
            lab.pass_time(0.001)
        self.assertEqual([len(packet.message.questions) for packet in lab.run(2.0).probes], [10, 10, 10])

    def test_a_hundred_services_share_packets(self) -> None:
        """M-8.1-3: a hundred services are not probed for in a hundred packets."""
        lab = Lab()
        lab.register(*[service_group(index) for index in range(100)])
        sent = lab.run(2.0).probes
        self.assertLess(len(sent), 3 * 15)
        self.assertEqual(sum(len(packet.message.questions) for packet in sent), 300)

    def test_proposals_stay_with_their_question(self) -> None:
        """M-8.2-2: where several packets are needed, each has all proposals of its questions."""
        lab = Lab()
        lab.register(*[service_group(index) for index in range(100)])
        for packet in lab.run(0.25).probes:
            names = [question.name for question in packet.message.questions]
            self.assertEqual(len(packet.message.authorities), 2 * len(names))
            self.assertEqual({record.name for record in packet.message.authorities}, set(names))

    def test_shared_records_are_not_probed(self) -> None:
        """M-8.1-1, M-3-8: a group without unique records is announced at once."""
        lab = Lab()
        lab.register(RecordGroup(shared=(WEB_PTR,)))
        self.assertEqual(times(lab.run(0.5).responses), [0])

    def test_verified_records_are_not_probed(self) -> None:
        """M-8.1-15: the reverse mapping is in no probe, and in the announcement with the flush bit."""
        lab = Lab()
        lab.register(HOST_GROUP)
        sent = lab.run(2.0)
        asked = {question.name for packet in sent.probes for question in packet.message.questions}
        self.assertNotIn(REVERSE, asked)
        self.assertIn(flushed(HOST_REVERSE), sent.responses[0].message.answers)

    def test_proxy_does_not_probe(self) -> None:
        """M-8.1-16: records that somebody else has verified already are announced first thing."""
        lab = Lab()
        lab.register(RecordGroup(verified=(WEB_SRV, WEB_TXT), shared=(WEB_PTR,)))
        sent = lab.run(2.0)
        self.assertEqual(sent.probes, [])
        self.assertEqual(times(sent), [0, 1000])

    def test_silent_until_claimed(self) -> None:
        """M-2-1: while the name is not ours, nobody gets an answer about it."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.7)
        lab.ask(HOST, A)
        lab.ask(HOST, A, source=("192.168.1.9", 40000))
        self.assertEqual(lab.run(0.749).responses, [])

    def test_second_group_under_the_same_name(self) -> None:
        """What is added to a name that is ours needs no second probing (RFC 6762 §8.4)."""
        lab = Lab()
        lab.settle(HOST_GROUP)
        lab.register(RecordGroup(unique=(host_info(HOST, b"ARM", b"LINUX", 120),)))
        self.assertEqual(lab.pass_time(3.0).probes, [])

    def test_late_timers(self) -> None:
        """M-8.1-5: a host that slept through its timers still leaves 250 ms between its probes."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.0)
        lab.now = 5.0
        lab.link.advance(5.0)
        self.assertEqual(times((lab.collect() + lab.run(9.0)).probes), [5000, 5250])

    def test_oversized_name(self) -> None:
        """RFC 6762 §17: of proposals larger than a packet those go that come first in the tie-break."""
        lab = Lab()
        big = tuple(text(WEB, [bytes([index]) * 200] * 4, 4500) for index in range(3))
        lab.register(RecordGroup(unique=big))
        packet = lab.run(0.25)[0]
        self.assertLessEqual(len(packet.payload), 1472)
        self.assertEqual(packet.message.authorities, list(big[:1]))


class PaceTests(SynchronousTestCase):
    """Too many conflicts slow probing down (RFC 6762 §8.1, §9)."""

    def conflict(self, lab: Lab, attempt: int) -> float:
        """Register a name, let a rival take it at its first probe; return when the probe left."""
        name = Name.parse(f"kitchen-{attempt}.local")
        lab.register(RecordGroup(unique=(address(name, "192.168.1.2", 120),)))
        while not (sent := lab.pass_time(0.01).probes):
            pass
        lab.hear(flushed(address(name, "192.168.1.77", 120)))
        return sent[0].at

    def test_fifteen_conflicts(self) -> None:
        """M-8.1-14: after the fifteenth within ten seconds at least five seconds pass before each attempt."""
        lab = Lab(point=0.0)
        first = [self.conflict(lab, attempt) for attempt in range(15)]
        self.assertLess(first[-1] - first[0], 10.0)
        before = lab.now
        sixteenth = self.conflict(lab, 15)
        self.assertGreaterEqual(sixteenth - before, 5.0)
        before = lab.now
        self.assertGreaterEqual(self.conflict(lab, 16) - before, 5.0)

    def test_fifteen_conflicts_in_a_longer_time(self) -> None:
        """M-8.1-14: fifteen conflicts over more than ten seconds do not slow anything down."""
        lab = Lab(point=0.0)
        for attempt in range(15):
            self.conflict(lab, attempt)
            lab.pass_time(0.75)
        before = lab.now
        self.assertLess(self.conflict(lab, 15) - before, 0.1)

    def test_pace_recovers(self) -> None:
        """A minute without conflict ends the pauses."""
        lab = Lab(point=0.0)
        for attempt in range(15):
            self.conflict(lab, attempt)
        lab.pass_time(61.0)
        before = lab.now
        self.assertLess(self.conflict(lab, 15) - before, 0.1)

    def test_a_minute_without_success(self) -> None:
        """M-9-8: after a minute of fruitless probing there is one error."""
        lab = Lab(point=0.0)
        attempt = 0
        first = self.conflict(lab, attempt)
        while lab.now < first + 90.0:
            attempt += 1
            self.conflict(lab, attempt)
        errors = [event for event in lab.events if isinstance(event, ProbingFailed)]
        self.assertEqual([round(error.since, 1) for error in errors], [round(first, 1)])

    def test_error_comes_at_a_minute(self) -> None:
        """M-9-8: it comes at sixty seconds, not with the next conflict."""
        lab = Lab(point=0.0)
        first = self.conflict(lab, 0)
        attempt = 0
        while lab.now < first + 54.0:
            attempt += 1
            self.conflict(lab, attempt)
        self.assertEqual([event for event in lab.events if isinstance(event, ProbingFailed)], [])

    def test_success_ends_the_minute(self) -> None:
        """M-9-8: a host that finds a name in the end has not failed."""
        lab = Lab(point=0.0)
        self.conflict(lab, 0)
        lab.settle(HOST_GROUP)
        lab.pass_time(50.0)
        self.conflict(lab, 1)
        lab.register(RecordGroup(unique=(WEB_TXT,)))
        lab.pass_time(20.0)
        self.assertEqual([event for event in lab.events if isinstance(event, ProbingFailed)], [])


class TieBreakTests(SynchronousTestCase):
    """Two hosts probe for one name at the same time (RFC 6762 §8.2)."""

    LOW = address(HOST, "169.254.99.200", 120)
    HIGH = address(HOST, "169.254.200.50", 120)

    def meet(self, ours: tuple[Record, ...], *theirs: Record, as_bytes: bytes = b"") -> list[int]:
        """Probe from 0 s on, meet a rival probe at 100 ms, and return when our later probes leave."""
        lab = Lab(point=0.0)
        lab.register(RecordGroup(unique=ours))
        lab.run(0.1)
        if as_bytes:
            lab.feed(as_bytes, OTHER_PEER)
        else:
            lab.probe(ours[0].name, *theirs, source=OTHER_PEER)
        later = lab.run(1.7)
        self.assertIn(GroupClaimed(1), [*lab.events, *(lab.run(5.0) and lab.events)])
        return times(later.probes)

    WON = (250, 500)
    LOST = (1100, 1350, 1600)

    def test_later_data_wins(self) -> None:
        """M-8.2-4: with the later data our probing goes on as if nothing was."""
        self.assertEqual(self.meet((self.HIGH,), self.LOW), [*self.WON])

    def test_earlier_data_waits(self) -> None:
        """M-8.2-5: with the earlier data we wait one second, then probe for the same name."""
        self.assertEqual(self.meet((self.LOW,), self.HIGH), [*self.LOST])

    def test_the_wait_ends_without_opposition(self) -> None:
        """M-8.2-5: a stale packet does not cost the name."""
        lab = Lab(point=0.0)
        lab.register(RecordGroup(unique=(self.LOW,)))
        lab.run(0.1)
        lab.probe(HOST, self.HIGH)
        lab.run(2.0)
        self.assertEqual(lab.events, [GroupClaimed(1)])

    def test_the_winner_answers(self) -> None:
        """M-8.2-5: a real winner then defends the name, and it is lost."""
        lab = Lab(point=0.0)
        lab.register(RecordGroup(unique=(self.LOW,)))
        lab.run(0.1)
        lab.probe(HOST, self.HIGH)
        lab.run(1.2)
        lab.hear(flushed(self.HIGH))
        self.assertEqual(lab.events, [GroupLost(1, HOST)])

    def test_class_counts_first(self) -> None:
        """M-8.2-6: the greater class wins, whatever the rest."""
        other_class = raw(HOST, A, bytes(4), 120, rclass=3)
        self.assertEqual(self.meet((self.HIGH,), other_class), [*self.LOST])
        self.assertLess(probe_data([self.HIGH]), probe_data([other_class]))

    def test_flush_bit_does_not_count(self) -> None:
        """M-8.2-6: the cache-flush bit is no part of the class."""
        self.assertEqual(self.meet((self.HIGH,), flushed(self.LOW)), [*self.WON])

    def test_type_counts_second(self) -> None:
        """M-8.2-6: within one class the greater type wins."""
        self.assertEqual(self.meet((self.HIGH,), text(HOST, [], 120)), [*self.LOST])

    def test_type_of_ours_is_greater(self) -> None:
        """M-8.2-6: the same the other way round."""
        self.assertEqual(self.meet((text(HOST, [], 120),), self.HIGH), [*self.WON])

    def test_octets_are_unsigned(self) -> None:
        """M-8.2-8: 0x80 is greater than 0x7F."""
        ours = address(HOST, "192.168.1.128", 120)
        self.assertEqual(self.meet((ours,), address(HOST, "192.168.1.127", 120)), [*self.WON])

    def test_longer_rdata_wins(self) -> None:
        """M-8.2-9: what goes on where the other one ends is later."""
        ours = text(WEB, [b"abc"], 4500)
        self.assertEqual(self.meet((ours,), text(WEB, [b"abc", b"d"], 4500)), [*self.LOST])

    def test_compressed_names(self) -> None:
        """M-8.2-7: names in rdata are uncompressed before they are compared: this is a tie."""
        question = b"\x06My Web\x05_http\x04_tcp\x05local\0" + b"\x00\xff\x00\x01"
        rdata = bytes(4) + b"\x1f\x90" + b"\x07kitchen\xc0\x1f"
        record = b"\xc0\x0c\x00\x21\x00\x01\x00\x00\x00\x78" + len(rdata).to_bytes(2, "big") + rdata
        probe = bytes((0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)) + question + record
        self.assertEqual(self.meet((WEB_SRV,), as_bytes=probe), [*self.WON])

    def test_lists_are_sorted(self) -> None:
        """M-8.2.1-1: both lists are sorted first, so that the TXT decides before the SRV."""
        better_text = text(WEB, [b"z"], 4500)
        worse_service = service(WEB, 0, 0, 1, HOST, 120)
        self.assertEqual(self.meet((WEB_SRV, WEB_TXT), worse_service, better_text), [*self.WON])

    def test_order_in_the_packet_does_not_matter(self) -> None:
        """M-8.2.1-1: the same records in another order compare the same."""
        worse_text = text(WEB, [b""], 4500)
        better_service = service(WEB, 9, 9, 9, HOST, 120)
        self.assertEqual(self.meet((WEB_SRV, WEB_TXT), better_service, worse_text), [*self.WON])
        self.assertEqual(self.meet((WEB_TXT, WEB_SRV), worse_text, better_service), [*self.WON])

    def test_longer_list_wins(self) -> None:
        """M-8.2.1-2: with equal records, the list that goes on wins."""
        self.assertEqual(self.meet((WEB_SRV, WEB_TXT), WEB_TXT), [*self.WON])

    def test_shorter_list_loses(self) -> None:
        """M-8.2.1-2: the reverse."""
        self.assertEqual(self.meet((WEB_TXT,), WEB_TXT, WEB_SRV), [*self.LOST])

    def test_equal_lists(self) -> None:
        """M-8.2.1-3: our own probe come back, or the same records of another host, disturb nothing."""
        self.assertEqual(self.meet((WEB_SRV, WEB_TXT), WEB_TXT, WEB_SRV), [*self.WON])

    def test_only_records_that_answer(self) -> None:
        """M-8.2-3: records of other names in the authority section do not count."""
        lab = Lab(point=0.0)
        lab.register(RecordGroup(unique=(self.LOW,)))
        lab.run(0.1)
        lab.feed(Message(questions=[Question(HOST, ANY)], authorities=[WEB_SRV]))
        self.assertEqual(times(lab.run(0.6).probes), [250, 500])

    def test_own_probe_of_another_link(self) -> None:
        """RFC 6762 §14: the probe of our other, bridged link does not make us wait."""
        lab = Lab(point=0.0, others=Elsewhere(lambda record: record.rdata == self.HIGH.rdata))
        lab.register(RecordGroup(unique=(self.LOW,)))
        lab.run(0.1)
        lab.probe(HOST, self.HIGH)
        self.assertEqual(times(lab.run(0.6).probes), [250, 500])

    def test_only_the_contested_name_waits(self) -> None:
        """RFC 6762 §8.2: "begins probing for this record again"; other names go on."""
        lab = Lab(point=0.0)
        lab.register(RecordGroup(unique=(self.LOW,)), RecordGroup(unique=(WEB_TXT,)))
        lab.run(0.1)
        lab.probe(HOST, self.HIGH)
        lab.run(0.8)
        self.assertEqual(lab.events, [GroupClaimed(2)])

    def test_class_of_a_probe(self) -> None:
        """M-8.1-2: our own probes ask in class IN."""
        lab = Lab()
        lab.register(HOST_GROUP)
        self.assertEqual(lab.run(0.25)[0].message.questions[0].rclass, RecordClass.IN)


class WithdrawnWhileProbingTests(SynchronousTestCase):
    def test_no_goodbye(self) -> None:
        """RFC 6762 §10.1: what was never announced gets no goodbye."""
        lab = Lab(point=0.0)
        owner, *_ = lab.register(HOST_GROUP)
        lab.run(0.4)
        lab.responder.withdraw(owner, lab.now)
        self.assertEqual(lab.run(10.0), [])
        self.assertTrue(lab.responder.goodbye_done)

    def test_shared_name_of_a_type(self) -> None:
        """M-8.1-1: the service type is no unique name, so it is not asked for."""
        lab = Lab()
        lab.register(WEB_GROUP)
        asked = {question.name for packet in lab.run(1.0) for question in packet.message.questions}
        self.assertNotIn(HTTP, asked)
