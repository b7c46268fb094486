"""Which records answer, and when (RFC 6762 §6, §6.3, §6.4)."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import address, alias, raw, text
from mcast.mdns.responder.record_group import RecordGroup
from mcast.neighbours import SocketAddress
from tests.mdns.lab import (
    AAAA,
    ANY,
    DUAL_GROUP,
    HOST,
    HOST_A,
    HOST_AAAA,
    HOST_GROUP,
    HTTP,
    IPV6,
    OTHER_PEER,
    PEER,
    PTR,
    RESOLVER,
    SRV,
    STRANGER,
    TXT,
    TYPE_PTR,
    TYPES,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_TXT,
    A,
    Lab,
    answers,
    flushed,
    query,
    response,
    settled,
    times,
)

NOBODY = Name.parse("nobody.local")


class MatchTests(SynchronousTestCase):
    """Which records answer a question (RFC 6762 §6)."""

    def found(self, qtype: int, qclass: int, *records: tuple[int, int]) -> set[tuple[int, int]]:
        """Ask for type and class at a name with records of these types and classes."""
        lab = Lab()
        # Shared, so that nothing is denied.
        shared = tuple(raw(NOBODY, rtype, b"\1x\0", 120, rclass=rclass) for rtype, rclass in records)
        lab.settle(RecordGroup(shared=shared))
        lab.feed(query(Question(NOBODY, qtype, qclass)))
        return {(record.type, record.rclass) for record in answers(lab.pass_time(1.0))}

    def test_type(self) -> None:
        """M-6-3: the type must be the one asked for."""
        self.assertEqual(self.found(1000, 1, (1000, 1), (1001, 1)), {(1000, 1)})

    def test_any_type(self) -> None:
        """M-6-3, M-6.5-1: type ANY is answered with all types."""
        self.assertEqual(self.found(255, 1, (1000, 1), (1001, 1)), {(1000, 1), (1001, 1)})

    def test_class(self) -> None:
        """M-6-3: the class must be the one asked for."""
        self.assertEqual(self.found(1000, 3, (1000, 1), (1000, 3)), {(1000, 3)})

    def test_any_class(self) -> None:
        """M-6-3, M-6.5-1: class ANY is answered with all classes."""
        self.assertEqual(self.found(1000, 255, (1000, 1), (1000, 3)), {(1000, 1), (1000, 3)})

    def test_alias(self) -> None:
        """M-6-3: a CNAME record answers every type."""
        self.assertEqual(self.found(1000, 1, (5, 1)), {(5, 1)})

    def test_alias_with_its_target(self) -> None:
        """M-16-7: an alias is answered together with the address of what it stands for."""
        other = Name.parse("küche.local")
        lab = settled()
        lab.settle(RecordGroup(unique=(alias(other, HOST, 120),)))
        self.assertEqual(answers(lab.ask(other, A)), {flushed(alias(other, HOST, 120)), flushed(HOST_A)})

    def test_circle_of_aliases(self) -> None:
        """A circle of aliases ends."""
        one, two = Name.parse("one.local"), Name.parse("two.local")
        lab = Lab()
        lab.settle(RecordGroup(unique=(alias(one, two, 120), alias(two, one, 120))))
        self.assertEqual(len(answers(lab.ask(one, A))), 2)

    def test_case(self) -> None:
        """M-16-5: asked in other case, we answer in our own spelling."""
        (sent,) = settled().ask(Name.parse("KITCHEN.LOCAL"), A)
        self.assertEqual(sent.message.answers[0].name.wire, HOST.wire)

    def test_only_ascii_case(self) -> None:
        """M-16-6: é and É are two names."""
        lab = Lab()
        lab.settle(RecordGroup(unique=(address(Name.parse("é.local"), "192.168.1.2", 120),)))
        self.assertEqual(lab.ask(Name.parse("É.local"), A) + lab.pass_time(1.0), [])
        self.assertEqual(len(lab.ask(Name.parse("é.LOCAL"), A)), 1)

    def test_unknown_name(self) -> None:
        """M-6-4: about other names we are silent."""
        lab = settled()
        self.assertEqual(lab.ask(NOBODY, A) + lab.ask(NOBODY, A, RESOLVER) + lab.pass_time(2.0), [])

    def test_nothing_of_that_type_at_a_shared_name(self) -> None:
        """M-6-4, M-6-6: about a shared name without the type too; there is no error response."""
        lab = settled()
        self.assertEqual(lab.ask(HTTP, TXT) + lab.ask(HTTP, TXT, RESOLVER) + lab.pass_time(2.0), [])

    def test_service_nobody_offers(self) -> None:
        """M-6-6: a service type without instance is no error."""
        lab = settled()
        self.assertEqual(lab.ask(Name.parse("_ipp._tcp.local"), PTR) + lab.pass_time(2.0), [])

    def test_child_of_our_name(self) -> None:
        """M-12-1: that we answer for a name says nothing of names below it."""
        lab = settled()
        self.assertEqual(lab.ask(HOST.prefixed("child"), A) + lab.pass_time(2.0), [])

    def test_zone_questions(self) -> None:
        """M-12-2: there is no zone to ask about."""
        lab = settled()
        local = HOST.parent
        for qtype in (RecordType.NS, RecordType.SOA, 251, 252):
            self.assertEqual(lab.ask(local, qtype) + lab.pass_time(1.0), [])

    def test_zone_records_are_refused(self) -> None:
        """M-12-2: NS and SOA records cannot be published."""
        zone = raw(HOST.parent, RecordType.NS, HOST.wire, 120)
        self.assertRaises(ValueError, RecordGroup, unique=(zone,))

    def test_records_of_others_are_never_sent(self) -> None:
        """M-6-1, M-6-2: an address that we only heard of is not added to our SRV record."""
        theirs = Name.parse("other.local")
        lab = Lab()
        lab.link.querier.ask(Question(theirs, A), 0.0, "test")
        lab.pass_time(1.0)
        lab.hear(flushed(address(theirs, "192.168.1.9", 120)))
        lab.settle(RecordGroup(unique=(raw(WEB, SRV, bytes(4) + b"\0\1" + theirs.wire, 120),)))
        self.assertEqual(len(lab.link.querier.records(Question(theirs, A), lab.now)), 1)
        (sent,) = lab.ask(WEB, SRV)
        self.assertEqual([record.name for record in sent.records], [WEB])

    def test_any_with_many_records(self) -> None:
        """M-6.5-1: all of them, also when they take several packets."""
        records = tuple(text(WEB, [b"%03d" % index + bytes(200)], 4500) for index in range(30))
        lab = Lab()
        lab.settle(RecordGroup(unique=records))
        sent = lab.ask(WEB, ANY)
        self.assertGreater(len(sent), 3)
        self.assertEqual(answers(sent), {flushed(record) for record in records})


class DelayTests(SynchronousTestCase):
    """When an answer leaves (RFC 6762 §6, §6.3)."""

    def test_unique_at_once(self) -> None:
        """M-6-10: unique records only, one question: no delay, whatever is drawn."""
        self.assertEqual(times(settled(point=1.0).ask(HOST, A)), [100000])

    def test_shared_lower_end(self) -> None:
        """M-6-12: a shared record waits at least 20 ms."""
        lab = settled(point=0.0)
        self.assertEqual(times(lab.ask(HTTP, PTR) + lab.pass_time(1.0)), [100020])

    def test_shared_upper_end(self) -> None:
        """M-6-12: and at most 120 ms."""
        lab = settled(point=1.0)
        self.assertEqual(times(lab.ask(HTTP, PTR) + lab.pass_time(1.0)), [100120])

    def test_shared_is_uniform(self) -> None:
        """M-6-12: over many questions every tenth of the range is met about equally often."""
        lab = Lab(rng=Random(6762))
        lab.settle(RecordGroup(shared=(WEB_PTR,)))
        tenths = [0] * 10
        for _ in range(1000):
            lab.pass_time(2.0)
            asked_at = lab.now
            lab.ask(HTTP, PTR)
            (sent,) = lab.pass_time(0.5)
            tenths[int((sent.at - asked_at - 0.020) * 100)] += 1
        self.assertTrue(all(70 < count < 130 for count in tenths), tenths)

    def test_two_questions(self) -> None:
        """M-6.3-2: with two questions unique records wait too."""
        lab = settled(point=0.0)
        lab.feed(query(Question(WEB, SRV), Question(HOST, A)))
        self.assertEqual(times(lab.pass_time(1.0)), [100020])

    def test_two_questions_truncated(self) -> None:
        """M-6.3-2, M-6-9: and with TC longer."""
        lab = settled(point=0.0)
        lab.feed(query(Question(WEB, SRV), Question(HOST, A), truncated=True))
        self.assertEqual(times(lab.pass_time(1.0)), [100400])

    def test_truncated_lower_end(self) -> None:
        """M-6-13, M-7.2-4, M-18.5-1: a truncated query is answered after 400 ms at the soonest."""
        lab = settled(point=0.0)
        lab.ask(HTTP, PTR, truncated=True)
        self.assertEqual(times(lab.pass_time(2.0)), [100400])

    def test_truncated_upper_end(self) -> None:
        """M-6-13, M-7.2-4: and after 500 ms at the latest."""
        lab = settled(point=1.0)
        lab.ask(HTTP, PTR, truncated=True)
        self.assertEqual(times(lab.pass_time(2.0)), [100500])

    def test_any_or_all_questions(self) -> None:
        """M-6.3-1: of three questions the two that we know are answered, in one packet."""
        lab = settled()
        lab.feed(query(Question(HOST, A), Question(NOBODY, A), Question(WEB, TXT)))
        (sent,) = lab.pass_time(1.0)
        self.assertEqual(set(sent.message.answers), {flushed(HOST_A), flushed(WEB_TXT)})

    def test_one_packet_or_several(self) -> None:
        """M-5.3-1: three questions in one packet get what they get in three."""
        questions = Question(HOST, A), Question(HTTP, PTR), Question(WEB, SRV)
        together, apart = settled(), settled()
        together.feed(query(*questions))
        for question in questions:
            apart.feed(query(question))
        self.assertEqual(
            answers(together.sent + together.pass_time(1.0)), answers(apart.sent + apart.pass_time(1.0))
        )

    def test_two_questions_answered_together(self) -> None:
        """M-6.4-1: answers to two queries 5 ms apart leave in one packet."""
        lab = settled()
        lab.ask(HTTP, PTR)
        lab.pass_time(0.005)
        lab.ask(TYPES, PTR)
        (sent,) = lab.pass_time(2.0)
        self.assertEqual(set(sent.message.answers), {WEB_PTR, TYPE_PTR})

    def test_waiting_for_a_later_answer(self) -> None:
        """M-6.4-2: an answer due at 70 ms waits for the one due at 450 ms."""
        lab = settled()
        lab.ask(TYPES, PTR, truncated=True)
        lab.ask(HTTP, PTR, OTHER_PEER)
        (sent,) = lab.pass_time(2.0)
        self.assertEqual(round(sent.at * 1000), 100450)
        self.assertEqual(set(sent.message.answers), {WEB_PTR, TYPE_PTR})

    def test_nothing_waits_too_long(self) -> None:
        """M-6.4-2: no longer than 500 ms beyond its own time, whatever is planned."""
        lab = Lab()
        names = [Name.parse(f"_t{index}._tcp.local") for index in range(40)]
        lab.settle(RecordGroup(shared=tuple(raw(name, PTR, WEB.wire, 4500) for name in names)))
        start = lab.now
        for name in names:
            lab.ask(name, PTR)
            lab.pass_time(0.050)
        self.assertLessEqual(lab.sent[0].at, start + 0.070 + 0.500)

    def test_unique_answers_do_not_wait(self) -> None:
        """M-6-10: what is due at once is not held back by what is planned."""
        lab = settled()
        lab.ask(HTTP, PTR)
        self.assertEqual(len(lab.ask(HOST, A)), 1)


class RepetitionTests(SynchronousTestCase):
    """One multicast of a record a second (RFC 6762 §6)."""

    def test_one_a_second(self) -> None:
        """M-6-18: ten questions within 900 ms have one answer; a later one is answered."""
        lab = settled()
        for _ in range(10):
            lab.ask(HOST, A)
            lab.pass_time(0.090)
        self.assertEqual(times(lab.sent), [100000])
        lab.run(101.0)
        self.assertEqual(len(lab.ask(HOST, A)), 1)

    def test_each_link_has_its_own_limit(self) -> None:
        """M-6-18: what was multicast on one link may be multicast on another."""
        first, second = settled(), settled()
        first.ask(HOST, A)
        self.assertEqual(len(second.ask(HOST, A)), 1)

    def test_additional_records_count(self) -> None:
        """M-6-18: a record multicast as an additional one was multicast."""
        lab = settled()
        lab.ask(WEB, SRV)
        lab.pass_time(0.5)
        self.assertEqual(lab.ask(HOST, A) + lab.pass_time(0.4), [])

    def test_no_additional_repeated(self) -> None:
        """M-6-18: and is not repeated as an additional one either."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(0.5)
        (sent,) = lab.ask(WEB, SRV)
        self.assertEqual(list(sent.message.additionals), [])


class HeaderTests(SynchronousTestCase):
    """The bits of the header, on the way in and out (RFC 6762 §18)."""

    def flags_in(self, flags: int, source: SocketAddress = PEER) -> int:
        """Ask with these flags; return how many answers there are."""
        lab = settled()
        payload = encode(Message(flags=flags, questions=[Question(HOST, A)]))
        return len(lab.feed(payload, source) + lab.pass_time(1.0))

    def test_opcode(self) -> None:
        """M-18.3-2: a query with an OPCODE is ignored."""
        self.assertEqual([self.flags_in(5 << 11), self.flags_in(5 << 11, RESOLVER)], [0, 0])

    def test_rcode(self) -> None:
        """M-18.11-2: a query with an RCODE is ignored."""
        self.assertEqual([self.flags_in(1), self.flags_in(3, RESOLVER)], [0, 0])

    def test_bits_without_meaning(self) -> None:
        """AA, RD, RA, Z, AD and CD do not matter.

        M-18.4-1, M-18.6-2, M-18.7-1, M-18.8-1, M-18.9-1, M-18.10-1.
        """
        self.assertEqual([self.flags_in(bit) for bit in (0x400, 0x100, 0x80, 0x40, 0x20, 0x10)], [1] * 6)

    def test_bits_without_meaning_on_the_fast_path(self) -> None:
        """M-18.9-1: nor do they when the answer is ready, and an RCODE does."""
        lab = settled()
        for flags in (0x20, 0x20, 0x21):
            lab.feed(encode(Message(flags=flags, questions=[Question(HOST, A)])), RESOLVER)
        self.assertEqual(len(lab.sent), 2)

    def test_response_with_opcode(self) -> None:
        """M-18.3-2, M-18.11-2: a conflicting response with OPCODE or RCODE is ignored."""
        lab = settled()
        rival = flushed(address(HOST, "192.168.1.77", 120))
        lab.feed(response(rival, flags=0x8400 | 4 << 11))
        lab.feed(response(rival, flags=0x8403))
        self.assertTrue(lab.responder.is_published(HOST_A))

    def test_what_we_send(self) -> None:
        """ID and flags are 0 in probes; responses have QR and AA.

        M-18.1-5, M-18.2-1, M-18.2-2, M-18.3-1, M-18.4-2, M-18.5-2, M-18.6-1, M-18.11-1.
        """
        lab = Lab()
        lab.register(HOST_GROUP, WEB_GROUP)
        lab.pass_time(20.0)
        lab.feed(query(Question(HOST, A), identifier=7))
        lab.pass_time(2.0)
        lab.ask(HOST, A, unicast=True)
        lab.responder.withdraw(1, lab.now)
        lab.pass_time(2.0)
        headers = {(packet.message.is_response, packet.payload[:4]) for packet in lab.sent}
        self.assertEqual(headers, {(False, bytes(4)), (True, b"\0\0\x84\0")})

    def test_several_packets_are_not_truncated(self) -> None:
        """M-18.5-2: TC stays clear in a response of several packets."""
        lab = Lab()
        lab.settle(RecordGroup(unique=tuple(text(WEB, [bytes([n]) * 250], 4500) for n in range(20))))
        sent = lab.ask(WEB, TXT)
        self.assertGreater(len(sent), 1)
        self.assertEqual({packet.payload[2:4] for packet in sent}, {b"\x84\0"})

    def test_response_with_odd_bits_is_heard(self) -> None:
        """M-18.5-2, M-18.4-2: a response counts with TC set and AA clear, and whatever its ID."""
        lab = settled()
        rival = flushed(address(HOST, "192.168.1.77", 120))
        lab.feed(Message(id=7, flags=0x8200, answers=[rival]))
        self.assertFalse(lab.responder.is_published(HOST_A))

    def test_response_from_another_port(self) -> None:
        """M-6-15: a response that does not come from port 5353 changes nothing."""
        lab = settled()
        lab.hear(flushed(address(HOST, "192.168.1.77", 120)), source=("192.168.1.9", 5354))
        self.assertTrue(lab.responder.is_published(HOST_A))

    def test_unicast_response_from_elsewhere(self) -> None:
        """RFC 6762 §11: nor does a unicast response from outside the subnet while we probe."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.4)
        lab.hear(flushed(address(HOST, "192.168.1.77", 120)), source=STRANGER, multicast=False)
        lab.run(2.0)
        self.assertTrue(lab.responder.is_published(HOST_A))

    def test_unicast_response_that_nobody_asked_for(self) -> None:
        """RFC 6762 §6: nor one that answers no question of ours."""
        lab = settled()
        lab.hear(flushed(address(HOST, "192.168.1.77", 120)), multicast=False)
        self.assertTrue(lab.responder.is_published(HOST_A))

    def test_both_families(self) -> None:
        """M-20-1: the same records are claimed and answered over IPv6 as over IPv4."""
        lab = Lab(IPV6)
        lab.settle(DUAL_GROUP)
        sent = lab.ask(HOST, ANY, ("fe80::9", 5353, 0, 2))
        self.assertEqual(answers(sent), {flushed(HOST_A), flushed(HOST_AAAA)})
        self.assertEqual(AAAA, 28)
