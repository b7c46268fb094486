"""Where answers go, and legacy queries (RFC 6762 §5.4, §5.5, §6.7, §11)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import address, text
from mcast.mdns.context import LinkSettings
from mcast.mdns.responder.record_group import RecordGroup
from mcast.rate_limit import MAX_OCTET_RATE
from tests.mdns.lab import (
    ANY,
    HOST,
    HOST_A,
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
    UNLIMITED,
    WEB,
    WEB_PTR,
    WEB_SRV,
    WEB_TXT,
    A,
    Lab,
    flushed,
    interface,
    query,
    service_group,
    settled,
)

NOBODY = Name.parse("nobody.local")


class DestinationTests(SynchronousTestCase):
    """By multicast or by unicast (RFC 6762 §5.4, §5.5, §6, §11)."""

    def test_multicast(self) -> None:
        """M-6-16: a usual question is answered to the group."""
        self.assertEqual([packet.to for packet in settled().ask(HOST, A)], [None])

    def test_unicast(self) -> None:
        """M-5.4-6, M-6-16, M-5.4-1: a QU question is answered to its source, and not to the group."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(10.0)
        sent = lab.ask(HOST, A, unicast=True)
        self.assertEqual([packet.to for packet in sent + lab.pass_time(2.0)], [PEER])

    def test_within_a_quarter_of_the_ttl(self) -> None:
        """M-5.4-7: 29 s after the last multicast a TTL of 120 s allows unicast."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(29.0)
        self.assertEqual([packet.to for packet in lab.ask(HOST, A, unicast=True)], [PEER])

    def test_after_a_quarter_of_the_ttl(self) -> None:
        """M-5.4-7: 31 s after it the answer is multicast."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(31.0)
        self.assertEqual([packet.to for packet in lab.ask(HOST, A, unicast=True)], [None])

    def test_quarter_of_the_ttl_on_the_fast_path(self) -> None:
        """M-5.4-7: the same when the answer was kept ready from the time before."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(5.0)
        lab.ask(HOST, A, unicast=True)
        lab.pass_time(5.0)
        self.assertEqual([packet.to for packet in lab.ask(HOST, A, unicast=True)], [PEER])
        self.assertEqual(lab.link.counters["ready answers"], 1)
        lab.pass_time(21.0)
        self.assertEqual([packet.to for packet in lab.ask(HOST, A, unicast=True)], [None])

    def test_unicast_shared_is_delayed(self) -> None:
        """M-5.4-9: a unicast answer with a shared record has its random delay, and no flush bit on it."""
        lab = settled(point=0.0)
        (sent,) = lab.ask(HTTP, PTR, unicast=True) + lab.pass_time(1.0)
        self.assertEqual((sent.to, round(sent.at * 1000)), (PEER, 100020))
        self.assertEqual(sent.message.answers, [WEB_PTR])

    def test_unicast_shared_asked_for_again(self) -> None:
        """M-5.4-9: while it waits the same question changes nothing, and one answer comes for both."""
        lab = settled(point=0.0)
        lab.ask(HTTP, PTR, unicast=True)
        question = encode(query(Question(HTTP, PTR, unicast=True)))
        wakeup = lab.link.next_wakeup()
        self.assertEqual(lab.link.receive(question, PEER, True, lab.now), b"")
        self.assertEqual(lab.link.next_wakeup(), wakeup)
        self.assertIsNone(lab.link.receive(question, OTHER_PEER, True, lab.now))
        self.assertEqual([packet.to for packet in lab.pass_time(1.0)], [PEER, OTHER_PEER])

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
        to = {packet.to: packet.message.answers for packet in sent}
        self.assertEqual(to, {PEER: [WEB_PTR], None: [flushed(WEB_TXT)]})

    def test_asked_both_ways(self) -> None:
        """M-6-16: a record also asked for by multicast is multicast."""
        lab = settled()
        lab.ask(HTTP, PTR)
        lab.pass_time(5.0)
        lab.feed(query(Question(HTTP, PTR, unicast=True), Question(HTTP, ANY)))
        self.assertEqual([packet.to for packet in lab.pass_time(1.0)], [None])

    def test_direct_query(self) -> None:
        """M-5.5-1: a query to our own address is answered as a QU question is."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(10.0)
        sent = lab.ask(HOST, A, multicast=False)
        self.assertEqual([packet.to for packet in sent], [PEER])

    def test_direct_query_long_after(self) -> None:
        """M-5.5-1: so it is answered by multicast when a quarter of the TTL is over."""
        sent = settled().ask(HOST, A, multicast=False)
        self.assertEqual([packet.to for packet in sent], [None])

    def test_direct_query_from_elsewhere(self) -> None:
        """M-5.5-2: from outside the subnet it is ignored, from whatever port."""
        lab = settled()
        lab.ask(HOST, A, RESOLVER)
        lab.ask(HOST, A, STRANGER, multicast=False)
        lab.ask(HOST, A, ("10.9.9.9", 40000), multicast=False)
        self.assertEqual([packet.to for packet in lab.sent + lab.pass_time(2.0)], [RESOLVER])
        self.assertEqual(lab.link.counters["queries from off the link"], 2)

    def test_direct_query_over_ipv6(self) -> None:
        """M-5.5-2: the same with prefixes of IPv6."""
        lab = Lab(IPV6, networks=["fe80::2/64", "fd00:1::2/64"])
        lab.settle(HOST_GROUP)
        lab.ask(HOST, A, ("fd00:1::9", 40000, 0, 0), multicast=False)
        lab.ask(HOST, A, ("fd00:2::9", 40000, 0, 0), multicast=False)
        lab.ask(HOST, A, ("fe80::9", 40000, 0, 3), multicast=False)
        self.assertEqual([packet.to[0] for packet in lab.sent if packet.to], ["fd00:1::9", "fe80::9"])

    def test_multicast_query_from_elsewhere(self) -> None:
        """M-11-6, M-11-7: to a source outside the subnet no unicast response goes; the group hears it."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(5.0)
        sent = lab.ask(HOST, A, STRANGER, unicast=True)
        self.assertEqual([packet.to for packet in sent + lab.pass_time(2.0)], [None])

    def test_multicast_query_from_elsewhere_on_the_fast_path(self) -> None:
        """M-11-6: the same when the answer was kept ready for somebody here."""
        lab = settled()
        lab.ask(HOST, A)
        lab.pass_time(5.0)
        lab.ask(HOST, A, unicast=True)
        lab.sent.clear()
        self.assertEqual([packet.to for packet in lab.ask(HOST, A, STRANGER, unicast=True)], [None])

    def test_networks_that_change(self) -> None:
        """M-11-6: who was on the link a moment ago, and was answered at once, no longer is."""
        lab = settled()
        for _ in range(2):
            lab.ask(HOST, A, RESOLVER)
        lab.link.set_networks([interface("192.168.1.2/24"), interface("10.0.0.2/24")], lab.now)
        self.assertEqual(len(lab.ask(HOST, A, ("10.0.0.9", 40000))), 1)
        lab.link.set_networks([interface("10.0.0.2/24")], lab.now)
        self.assertEqual(lab.ask(HOST, A, RESOLVER), [])
        self.assertEqual(len(lab.ask(HOST, A, ("10.0.0.9", 40000))), 1)

    def test_link_local_source(self) -> None:
        """M-5.5-2: a link-local address of IPv6 is on the link, whatever our prefixes are."""
        lab = Lab(IPV6, networks=["fd00:1::2/64"])
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
        self.assertEqual([packet.to for packet in sent], [None])

    def test_multicast_query_from_elsewhere_over_ipv6(self) -> None:
        """M-11-7: the same over IPv6."""
        lab = Lab(IPV6, networks=["fe80::2/64", "fd00:1::2/64"])
        lab.settle(HOST_GROUP)
        sent = lab.ask(HOST, A, ("fd00:2::9", 5353, 0, 0), unicast=True)
        self.assertEqual([packet.to for packet in sent + lab.pass_time(2.0)], [None])

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
        self.assertEqual(sent.to, RESOLVER)
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

    def test_ready_answer_is_returned(self) -> None:
        """It goes straight back: nothing is left to send, to report or to wait for."""
        self.ask(HOST, A)
        wakeup = self.lab.link.next_wakeup()
        datagram = encode(query(Question(HOST, A)))
        answer = self.lab.link.receive(datagram, RESOLVER, True, self.lab.now)
        assert answer is not None
        self.assertEqual(decode(answer).answers, [HOST_A.with_ttl(10)])
        self.assertEqual((self.lab.link.transmissions(), self.lab.link.events()), ([], []))
        self.assertEqual(self.lab.link.next_wakeup(), wakeup)

    def test_first_answer_is_sent(self) -> None:
        """The first query of its kind is answered by the outbox, like all that takes more than a look."""
        datagram = encode(query(Question(HOST, A)))
        self.assertIsNone(self.lab.link.receive(datagram, RESOLVER, True, self.lab.now))
        self.assertEqual([sent.destination for sent in self.lab.link.transmissions()], [RESOLVER])

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
        """M-6.7-3: a legacy query that sets it is answered all the same."""
        (sent,) = self.lab.ask(HOST, A, RESOLVER, unicast=True)
        self.assertEqual(sent.message.questions, [Question(HOST, A, unicast=True)])

    def test_from_another_subnet(self) -> None:
        """A query to the group with a forged source would have us send to anywhere in the world."""
        self.ask(HOST, A)
        for host in ("10.9.9.9", "192.0.2.77"):
            self.assertEqual(self.lab.ask(HOST, A, (host, 40000)), [])
        self.assertEqual(self.lab.link.counters["queries from off the link"], 2)

    def test_from_another_subnet_over_ipv6(self) -> None:
        lab = Lab(IPV6)
        lab.settle(HOST_GROUP)
        self.assertEqual(lab.ask(HOST, A, ("2001:db8::9", 40000, 0, 0)), [])


class RateTests(SynchronousTestCase):
    """Unicast answers a second to one source."""

    def test_limit(self) -> None:
        """What is over is counted and dropped; the next second is a new one."""
        lab = settled(LinkSettings(ipv6=False, max_rate=5))
        for _ in range(20):
            lab.ask(HOST, A, RESOLVER)
        self.assertEqual(len(lab.sent), 5)
        self.assertEqual(lab.link.counters["answers over rate"], 15)
        lab.pass_time(1.0)
        self.assertEqual(len(lab.ask(HOST, A, RESOLVER)), 1)

    def test_octets(self) -> None:
        """Few questions for much are limited too: after 250,000 octets and the answer that exceeds them."""
        lab = settled()
        many = tuple(text(WEB, [b"%03d" % index + bytes(200)], 4500) for index in range(5))
        lab.settle(RecordGroup(unique=many))
        for _ in range(900):
            lab.ask(WEB, TXT, RESOLVER)
        octets = sum(len(packet.payload) for packet in lab.sent)
        self.assertEqual(octets // len(lab.sent[0].payload), len(lab.sent))
        self.assertLess(MAX_OCTET_RATE - 1, octets)
        self.assertLess(octets, MAX_OCTET_RATE + 1472)
        self.assertEqual(lab.link.counters["answers over octet rate"], 900 - len(lab.sent))
        lab.pass_time(1.0)
        self.assertEqual(len(lab.ask(WEB, TXT, RESOLVER)), 1)

    def test_octets_of_several_packets(self) -> None:
        """A list of services that takes dozens of packets counts with all of them."""
        lab = Lab()
        lab.settle(HOST_GROUP, *[service_group(number) for number in range(1000)])
        lab.ask(HTTP, PTR)
        lab.pass_time(2.0)
        lab.sent.clear()
        for _ in range(13):
            lab.ask(HTTP, PTR, PEER, unicast=True)
            lab.pass_time(0.075)
        whole = sum(len(packet.payload) for packet in lab.sent if packet.at == lab.sent[0].at)
        octets = sum(len(packet.payload) for packet in lab.sent)
        self.assertGreater(whole, 10 * 1472)
        self.assertLess(octets, MAX_OCTET_RATE + whole)
        self.assertGreater(lab.link.counters["answers over octet rate"], 0)

    def test_other_sources(self) -> None:
        lab = settled(LinkSettings(ipv6=False, max_rate=5))
        for _ in range(20):
            lab.ask(HOST, A, RESOLVER)
        self.assertEqual(len(lab.ask(HOST, A, ("192.168.1.11", 40000))), 1)

    def test_no_limit(self) -> None:
        lab = settled(UNLIMITED)
        for _ in range(2000):
            lab.ask(HOST, A, RESOLVER)
        self.assertEqual(len(lab.sent), 2000)

    def test_many_forged_sources(self) -> None:
        """The table of sources is bounded: what does not fit in shares one limit."""
        lab = Lab(LinkSettings(ipv6=False, max_rate=5), networks=["192.168.1.2/16"])
        lab.settle(HOST_GROUP)
        for number in range(6000):
            lab.ask(HOST, A, (f"192.168.{1 + number // 250}.{1 + number % 250}", 40000))
        self.assertEqual(len(lab.sent), 4096 + 5)
