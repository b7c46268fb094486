"""Which records answer, when, and to whom (RFC 6762 §5.4, §5.5, §6, §6.3, §6.4, §6.7, §11)."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
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
    WEB_SRV,
    WEB_TXT,
    A,
    Lab,
    answers,
    flushed,
    query,
    response,
    times,
)

NOBODY = Name.parse("nobody.local")


def settled(**options: object) -> Lab:
    lab = Lab(**options)  # type: ignore[arg-type]  # the options of Lab, each with its type
    lab.settle(HOST_GROUP, WEB_GROUP)
    lab.now = 100.0
    return lab


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


class DestinationTests(SynchronousTestCase):
    """By multicast or by unicast (RFC 6762 §5.4, §5.5, §6, §11)."""

    def test_multicast(self) -> None:
        """M-6-16: a usual question is answered to the group."""
        self.assertEqual([packet.destination for packet in settled().ask(HOST, A)], [None])

    def test_unicast(self) -> None:
        """M-5.4-6, M-6-16, M-5.4-1: a QU question is answered to its source, and not to the group."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(10.0)
        sent = lab.ask(HOST, A, unicast=True)
        self.assertEqual([packet.destination for packet in sent + lab.pass_time(2.0)], [PEER])

    def test_within_a_quarter_of_the_ttl(self) -> None:
        """M-5.4-7: 29 s after the last multicast a TTL of 120 s allows unicast."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(29.0)
        self.assertEqual([packet.destination for packet in lab.ask(HOST, A, unicast=True)], [PEER])

    def test_after_a_quarter_of_the_ttl(self) -> None:
        """M-5.4-7: 31 s after it the answer is multicast."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(31.0)
        self.assertEqual([packet.destination for packet in lab.ask(HOST, A, unicast=True)], [None])

    def test_quarter_of_the_ttl_on_the_fast_path(self) -> None:
        """M-5.4-7: the same when the answer was kept ready from the time before."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(5.0)
        lab.ask(HOST, A, unicast=True)
        lab.pass_time(5.0)
        self.assertEqual([packet.destination for packet in lab.ask(HOST, A, unicast=True)], [PEER])
        self.assertEqual(lab.link.counters["ready answers"], 1)
        lab.pass_time(21.0)
        self.assertEqual([packet.destination for packet in lab.ask(HOST, A, unicast=True)], [None])

    def test_unicast_shared_is_delayed(self) -> None:
        """M-5.4-9: a unicast answer with a shared record has its random delay, and no flush bit on it."""
        lab = settled(point=0.0)
        (sent,) = lab.ask(HTTP, PTR, unicast=True) + lab.pass_time(1.0)
        self.assertEqual((sent.destination, round(sent.at * 1000)), (PEER, 100020))
        self.assertEqual(sent.message.answers, [WEB_PTR])

    def test_unicast_unique_is_flushed(self) -> None:
        """M-5.4-9, M-10.2-7: a unicast answer has the flush bit on unique records."""
        lab = settled()
        lab.ask(WEB, SRV)
        lab.pass_time(2.0)
        (sent,) = lab.ask(WEB, SRV, unicast=True)
        self.assertEqual(sent.message.answers, [flushed(WEB_SRV)])

    def test_no_question_repeated(self) -> None:
        """M-6-7: neither a multicast nor a unicast response repeats the question."""
        lab = settled()
        (first,) = lab.ask(HOST, A)
        lab.pass_time(2.0)
        (second,) = lab.ask(HOST, A, unicast=True)
        self.assertEqual([first.payload[4:6], second.payload[4:6]], [bytes(2)] * 2)

    def test_bit_of_each_question(self) -> None:
        """M-18.12-1: the bit belongs to its question: one answer by unicast, the other by multicast."""
        lab = settled()
        lab.ask(WEB, ANY)
        lab.ask(HTTP, PTR)
        lab.pass_time(5.0)
        lab.feed(query(Question(HTTP, PTR, unicast=True), Question(WEB, TXT)))
        sent = lab.pass_time(1.0)
        to = {packet.destination: packet.message.answers for packet in sent}
        self.assertEqual(to, {PEER: [WEB_PTR], None: [flushed(WEB_TXT)]})

    def test_asked_both_ways(self) -> None:
        """M-6-16: a record also asked for by multicast is multicast."""
        lab = settled()
        lab.ask(HTTP, PTR)
        lab.pass_time(5.0)
        lab.feed(query(Question(HTTP, PTR, unicast=True), Question(HTTP, ANY)))
        self.assertEqual([packet.destination for packet in lab.pass_time(1.0)], [None])

    def test_direct_query(self) -> None:
        """M-5.5-1: a query to our own address is answered as a QU question is."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(10.0)
        sent = lab.ask(HOST, A, multicast=False)
        self.assertEqual([packet.destination for packet in sent], [PEER])

    def test_direct_query_long_after(self) -> None:
        """M-5.5-1: so it is answered by multicast when a quarter of the TTL is over."""
        sent = settled().ask(HOST, A, multicast=False)
        self.assertEqual([packet.destination for packet in sent], [None])

    def test_direct_query_from_elsewhere(self) -> None:
        """M-5.5-2: from outside the subnet it is ignored, from whatever port."""
        lab = settled()
        lab.ask(HOST, A, RESOLVER)
        lab.ask(HOST, A, STRANGER, multicast=False)
        lab.ask(HOST, A, ("10.9.9.9", 40000), multicast=False)
        self.assertEqual([packet.destination for packet in lab.sent + lab.pass_time(2.0)], [RESOLVER])
        self.assertEqual(lab.link.counters["queries from off the link"], 2)

    def test_direct_query_over_ipv6(self) -> None:
        """M-5.5-2: the same with prefixes of IPv6."""
        lab = Lab(ipv6=True, networks=["fe80::2/64", "fd00:1::2/64"])
        lab.settle(HOST_GROUP)
        lab.ask(HOST, A, ("fd00:1::9", 40000, 0, 0), multicast=False)
        lab.ask(HOST, A, ("fd00:2::9", 40000, 0, 0), multicast=False)
        lab.ask(HOST, A, ("fe80::9", 40000, 0, 3), multicast=False)
        self.assertEqual(
            [packet.destination[0] for packet in lab.sent if packet.destination], ["fd00:1::9", "fe80::9"]
        )

    def test_multicast_query_from_elsewhere(self) -> None:
        """M-11-6, M-11-7: to a source outside the subnet no unicast response goes; the group hears it."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(5.0)
        sent = lab.ask(HOST, A, STRANGER, unicast=True)
        self.assertEqual([packet.destination for packet in sent + lab.pass_time(2.0)], [None])

    def test_multicast_query_from_elsewhere_on_the_fast_path(self) -> None:
        """M-11-6: the same when the answer was kept ready for somebody here."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(5.0)
        lab.ask(HOST, A, unicast=True)
        lab.sent.clear()
        self.assertEqual([packet.destination for packet in lab.ask(HOST, A, STRANGER, unicast=True)], [None])

    def test_link_local_source(self) -> None:
        """M-5.5-2: a link-local address of IPv6 is on the link, whatever our prefixes are."""
        lab = Lab(ipv6=True, networks=["fd00:1::2/64"])
        lab.settle(HOST_GROUP)
        self.assertEqual(len(lab.ask(HOST, A, ("fe80::9", 40000, 0, 3), multicast=False)), 1)

    def test_set_with_a_new_member(self) -> None:
        """M-5.4-7: a set that was multicast in an older form is due for a multicast, not for unicast."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(0.3)
        more = (HOST_A, address(HOST, "192.168.1.3", 120))
        group = RecordGroup(unique=more, verified=HOST_GROUP.verified)
        lab.responder.update(1, group, lab.now)
        sent = lab.ask(HOST, A, unicast=True) + lab.pass_time(1.0)
        self.assertEqual([packet.destination for packet in sent], [None])

    def test_multicast_query_from_elsewhere_over_ipv6(self) -> None:
        """M-11-7: the same over IPv6."""
        lab = Lab(ipv6=True, networks=["fe80::2/64", "fd00:1::2/64"])
        lab.settle(HOST_GROUP)
        sent = lab.ask(HOST, A, ("fd00:2::9", 5353, 0, 0), unicast=True)
        self.assertEqual([packet.destination for packet in sent + lab.pass_time(2.0)], [None])

    def test_impossible_source(self) -> None:
        """A forged source address does not make us send to a group, a broadcast address or nowhere."""
        lab = settled()
        for host in ("224.0.0.251", "255.255.255.255", "192.168.1.255", "0.0.0.0", "x"):
            lab.ask(HOST, A, (host, 40000))
        self.assertEqual(lab.sent + lab.pass_time(1.0), [])


class LegacyTests(SynchronousTestCase):
    """Simple resolvers (RFC 6762 §6.7)."""

    def setUp(self) -> None:
        self.lab = settled()

    def ask(self, name: Name, qtype: int, identifier: int = 0x1234) -> bytes:
        (sent,) = self.lab.feed(query(Question(name, qtype), identifier=identifier), RESOLVER)
        self.assertEqual(sent.destination, RESOLVER)
        self.assertEqual(self.lab.pass_time(2.0), [])
        return sent.payload

    def test_unicast_to_its_port(self) -> None:
        """M-6.7-1, M-6.7-2: a query from another port is answered there, at once, and not by multicast."""
        self.ask(HOST, A)

    def test_shared_at_once(self) -> None:
        """M-6.7-2: a shared record too: the reply goes to one port, where it collides with nothing."""
        self.assertEqual(decode(self.ask(HTTP, PTR)).answers, [WEB_PTR.with_ttl(10)])

    def test_identifier_and_question(self) -> None:
        """M-6.7-3, M-18.1-6: ID and question are repeated, QR and AA are set."""
        payload = self.ask(HOST, A, 0xBEEF)
        message = decode(payload)
        self.assertEqual((message.id, message.flags), (0xBEEF, 0x8400))
        self.assertEqual(message.questions, [Question(HOST, A)])

    def test_identifier_on_the_fast_path(self) -> None:
        """M-18.1-6: the answer kept ready gets the ID of each query."""
        self.assertEqual([self.ask(HOST, A, number)[:2] for number in (1, 2)], [b"\0\1", b"\0\2"])
        self.assertEqual(self.lab.link.counters["ready answers"], 1)

    def test_question_in_its_spelling(self) -> None:
        """M-6.7-3: the question comes back as it was asked."""
        name = Name.parse("KITCHEN.local")
        self.assertEqual(decode(self.ask(name, A)).questions[0].name.wire, name.wire)

    def test_no_flush_bit(self) -> None:
        """M-6.7-4, M-10.2-9, M-10.2-8: no record of any section has the flush bit."""
        message = decode(self.ask(WEB, SRV))
        records = [*message.answers, *message.authorities, *message.additionals]
        self.assertEqual({record.cache_flush for record in records}, {False})
        self.assertGreater(len(records), 1)

    def test_ttl(self) -> None:
        """M-6.7-5: a TTL is at most ten seconds, and a lower one stays."""
        short = Name.parse("short.local")
        self.lab.settle(RecordGroup(unique=(address(short, "192.168.1.2", 5),)))
        ttls = [
            decode(self.ask(name, qtype)).answers[0].ttl
            for name, qtype in ((HOST, A), (WEB, TXT), (short, A))
        ]
        self.assertEqual(ttls, [10, 10, 5])

    def test_target_is_not_compressed(self) -> None:
        """M-18.14-7: the target of an SRV record is written in full."""
        self.assertIn(b"\x1f\x90" + HOST.wire, self.ask(WEB, SRV))

    def test_compressed_for_others(self) -> None:
        """M-18.14-1: while for Multicast DNS it is compressed."""
        (sent,) = self.lab.ask(WEB, SRV)
        self.assertNotIn(HOST.wire, sent.payload[:60])

    def test_too_much(self) -> None:
        """RFC 6762 §6.7: a conventional response that does not fit says so."""
        many = tuple(text(WEB, [b"%03d" % index + bytes(200)], 4500) for index in range(30))
        self.lab.settle(RecordGroup(unique=many))
        payload = self.ask(WEB, TXT)
        self.assertLessEqual(len(payload), 1472)
        self.assertTrue(decode(payload).truncated)

    def test_several_questions(self) -> None:
        """M-6.7-3: all of them are answered and repeated."""
        questions = [Question(HOST, A), Question(WEB, TXT)]
        (sent,) = self.lab.feed(query(*questions), RESOLVER)
        self.assertEqual(sent.message.questions, questions)
        self.assertEqual({record.type for record in sent.message.answers}, {A, TXT})

    def test_unicast_bit(self) -> None:
        """M-6.7-3: a simple resolver that sets it gets its answer all the same."""
        (sent,) = self.lab.ask(HOST, A, RESOLVER, unicast=True)
        self.assertEqual(sent.message.questions, [Question(HOST, A, unicast=True)])

    def test_from_another_subnet(self) -> None:
        """M-6.7-2: a multicast query has come over the link, wherever its source seems to be."""
        sent = self.lab.ask(HOST, A, ("10.9.9.9", 40000))
        self.assertEqual([packet.destination for packet in sent], [("10.9.9.9", 40000)])


class RateTests(SynchronousTestCase):
    """Unicast answers a second to one source."""

    def test_limit(self) -> None:
        """What is over is counted and dropped; the next second is a new one."""
        lab = settled(max_rate=5)
        for _ in range(20):
            lab.ask(HOST, A, RESOLVER)
        self.assertEqual(len(lab.sent), 5)
        self.assertEqual(lab.link.counters["answers over rate"], 15)
        lab.pass_time(1.0)
        self.assertEqual(len(lab.ask(HOST, A, RESOLVER)), 1)

    def test_other_sources(self) -> None:
        lab = settled(max_rate=5)
        for _ in range(20):
            lab.ask(HOST, A, RESOLVER)
        self.assertEqual(len(lab.ask(HOST, A, ("192.168.1.11", 40000))), 1)

    def test_no_limit(self) -> None:
        lab = settled(max_rate=0)
        for _ in range(2000):
            lab.ask(HOST, A, RESOLVER)
        self.assertEqual(len(lab.sent), 2000)

    def test_many_forged_sources(self) -> None:
        """The table of sources is bounded: what does not fit in shares one limit."""
        lab = settled(max_rate=5)
        for number in range(6000):
            lab.ask(HOST, A, (f"192.168.{1 + number // 250}.{1 + number % 250}", 40000))
        self.assertEqual(len(lab.sent), 4096 + 5 + sum(number % 250 == 254 for number in range(6000)))


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
        """M-18.4-1, M-18.6-2, M-18.7-1, M-18.8-1, M-18.9-1, M-18.10-1: AA, RD, RA, Z, AD and CD do not
        matter."""
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
        """M-18.1-5, M-18.2-1, M-18.2-2, M-18.3-1, M-18.4-2, M-18.5-2, M-18.6-1, M-18.11-1: ID and flags of
        all that leaves: 0 in probes, QR and AA in responses."""
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
        lab = Lab(ipv6=True, networks=["fe80::2/64"])
        lab.settle(DUAL_GROUP)
        sent = lab.ask(HOST, ANY, ("fe80::9", 5353, 0, 2))
        self.assertEqual(answers(sent), {flushed(HOST_A), flushed(HOST_AAAA)})
        self.assertEqual(AAAA, 28)
