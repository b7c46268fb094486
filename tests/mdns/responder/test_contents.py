"""Negative responses, additional records, and the size of messages (RFC 6762 §6.1, §6.2, §17)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import (
    NextSecure,
    Record,
    address,
    host_info,
    next_secure,
    pointer,
    raw,
    text,
)
from mcast.mdns.context import LinkSettings, Sizes
from mcast.mdns.events import RecordOversized
from mcast.mdns.responder.message_sizes import FULL_AFTER, pack_response
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.record_set import RecordSet
from mcast.neighbours import SocketAddress
from mcast.testing import Capture
from tests.mdns.lab import (
    AAAA,
    ANY,
    DUAL_GROUP,
    HOST,
    HOST_A,
    HOST_AAAA,
    HOST_GROUP,
    HTTP,
    IPV4,
    IPV6,
    NSEC,
    PTR,
    RESOLVER,
    REVERSE,
    SRV,
    TXT,
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
    identities,
    query,
    service_group,
)

MX = RecordType.MX
SUBTYPE = Name.parse("_printer._sub._http._tcp.local")


def denied_types(sent: Capture) -> list[frozenset[int]]:
    """The types that each NSEC record lists."""
    found = []
    for packet in sent:
        for record in packet.records:
            if record.type == NSEC:
                assert isinstance(record.data, NextSecure)
                found.append(record.data.types)
    return found


class DenialTests(SynchronousTestCase):
    """Negative responses (RFC 6762 §6.1)."""

    def setUp(self) -> None:
        self.lab = Lab()
        self.lab.settle(HOST_GROUP, WEB_GROUP)

    def test_missing_family(self) -> None:
        """M-6-5: a host without IPv6 denies AAAA: one response, NSEC with A and without AAAA."""
        sent = self.lab.ask(HOST, AAAA)
        self.assertEqual(answers(sent), {next_secure(HOST, [A], 120)})
        self.assertEqual(len(sent), 1)

    def test_exactly_our_types(self) -> None:
        """M-6.1-1: the NSEC record lists exactly the types that exist."""
        self.assertEqual(denied_types(self.lab.ask(WEB, MX)), [frozenset({SRV, TXT})])

    def test_octets(self) -> None:
        """M-6.1-4: next name is a pointer to the own name; block 0, one bitmap without trailing zeros."""
        self.lab.responder.update(1, DUAL_GROUP, self.lab.now)
        self.lab.pass_time(10.0)
        (sent,) = self.lab.ask(HOST, MX)
        owner = b"\x07kitchen\x05local\0"
        fields = b"\x00\x2f\x80\x01\x00\x00\x00\x78\x00\x08"
        self.assertEqual(sent.payload[12:], owner + fields + b"\xc0\x0c\x00\x04\x40\x00\x00\x08")

    def test_never_the_nsec_bit(self) -> None:
        """M-6.1-9: the bit of NSEC itself is clear in all we send."""
        for name, qtype in ((HOST, AAAA), (WEB, A), (REVERSE, A), (HOST, NSEC)):
            types = denied_types(self.lab.ask(name, qtype))
            self.assertEqual([NSEC in listed for listed in types], [False] * len(types))
            self.assertTrue(types)
            self.lab.pass_time(5.0)

    def test_ttl_at_a_host_name(self) -> None:
        """M-6.1-11: as long as the missing address record would live."""
        self.assertEqual([record.ttl for record in answers(self.lab.ask(HOST, AAAA))], [120])

    def test_ttl_at_a_host_name_with_text(self) -> None:
        """M-6.1-11: also where other records of the name live longer."""
        self.lab.settle(RecordGroup(unique=(text(HOST, [b"x"], 4500),)))
        self.assertEqual([record.ttl for record in answers(self.lab.ask(HOST, AAAA))], [120])

    def test_ttl_at_a_service_name(self) -> None:
        """M-6.1-11: as long as a TXT record, at a service instance."""
        self.assertEqual([record.ttl for record in answers(self.lab.ask(WEB, A))], [4500])

    def test_reverse_mapping(self) -> None:
        """M-6.1-12: a name known to be ours beforehand may be denied."""
        self.assertEqual(denied_types(self.lab.ask(REVERSE, A)), [frozenset({PTR})])

    def test_shared_name(self) -> None:
        """M-6.1-12: a shared name never is, even if there are unique records beside."""
        mixed = Name.parse("mixed.local")
        group = RecordGroup(unique=(text(mixed, [b"x"], 120),), shared=(address(mixed, "192.168.1.2", 120),))
        self.lab.settle(group)
        self.assertEqual(self.lab.ask(mixed, AAAA) + self.lab.pass_time(1.0), [])

    def test_while_probing(self) -> None:
        """M-6.1-12: nor a name that is not ours yet."""
        lab = Lab(point=0.0)
        lab.register(HOST_GROUP)
        lab.run(0.6)
        lab.ask(HOST, AAAA)
        self.assertEqual(denied_types(lab.run(0.74)), [])

    def test_type_above_255(self) -> None:
        """M-6.1-5: with a type 257 the bitmap has a second block that shows it."""
        self.lab.settle(RecordGroup(unique=(raw(HOST, 257, b"x", 120),)))
        self.assertEqual(denied_types(self.lab.ask(HOST, AAAA)), [frozenset({A, 257})])

    def test_own_record_of_type_nsec(self) -> None:
        """M-6.1-9: an NSEC record cannot be published by hand."""
        self.assertRaises(ValueError, RecordGroup, unique=(next_secure(HOST, [A], 120),))

    def test_flush_bit(self) -> None:
        """M-10.2-6: the NSEC record is unique and has the flush bit."""
        self.assertEqual([record.cache_flush for record in answers(self.lab.ask(HOST, AAAA))], [True])

    def test_to_a_simple_resolver(self) -> None:
        """M-6.1-1: a legacy query gets no answer and the NSEC record in the authority section."""
        (sent,) = self.lab.ask(HOST, AAAA, RESOLVER)
        message = sent.message
        self.assertEqual(list(message.answers), [])
        self.assertEqual(identities(message.authorities), identities([next_secure(HOST, [A], 10)]))

    def test_no_delay(self) -> None:
        """M-6-10: a negative response is unique, so it comes at once."""
        self.assertEqual(len(self.lab.ask(HOST, AAAA)), 1)

    def test_once_a_second(self) -> None:
        """M-6-18: the NSEC record is a record like others."""
        self.lab.ask(HOST, AAAA)
        self.lab.pass_time(0.5)
        self.assertEqual(self.lab.ask(HOST, AAAA) + self.lab.pass_time(0.4), [])

    def test_once_a_second_whatever_changes(self) -> None:
        """M-6-18: also when the name changes meanwhile, as long as its types stay the same."""
        self.lab.ask(WEB, MX)
        self.lab.pass_time(0.3)
        group = RecordGroup(unique=(WEB_SRV, text(WEB, [b"new"], 4500)), shared=WEB_GROUP.shared)
        self.lab.responder.update(2, group, self.lab.now)
        self.assertEqual(denied_types(self.lab.ask(WEB, MX) + self.lab.pass_time(0.6)), [])

    def test_type_that_comes_later(self) -> None:
        """M-6.1-1: after an update the NSEC record is another."""
        self.lab.ask(HOST, MX)
        self.lab.responder.update(1, DUAL_GROUP, self.lab.now)
        self.lab.pass_time(10.0)
        self.assertEqual(denied_types(self.lab.ask(HOST, MX)), [frozenset({A, AAAA})])

    def test_any_class(self) -> None:
        """M-6-3, M-6.1-1: class ANY is denied as class IN is, class 3 is not."""
        self.lab.feed(query(Question(HOST, MX, 3)))
        self.assertEqual(self.lab.pass_time(1.0), [])
        self.assertEqual(len(self.lab.feed(query(Question(HOST, MX, 255)))), 1)


class AdditionalTests(SynchronousTestCase):
    """Records that go along (RFC 6762 §6.2, RFC 6763 §12)."""

    def extras(
        self, name: Name, qtype: int, *groups: RecordGroup, source: SocketAddress = ("192.168.1.9", 5353)
    ) -> set[Record]:
        """Ask and return the additional records."""
        lab = Lab()
        lab.settle(*groups)
        (sent,) = lab.ask(name, qtype, source) or lab.pass_time(1.0)
        return set(sent.message.additionals)

    ONLY_A = next_secure(HOST, [A], 120)
    BOTH = next_secure(HOST, [A, AAAA], 120)

    def test_other_family(self) -> None:
        """M-6.2-3: AAAA goes along with A."""
        self.assertIn(flushed(HOST_AAAA), self.extras(HOST, A, DUAL_GROUP))

    def test_other_family_the_other_way(self) -> None:
        """M-6.2-3: and A along with AAAA."""
        self.assertIn(flushed(HOST_A), self.extras(HOST, AAAA, DUAL_GROUP))

    def test_missing_family_is_denied(self) -> None:
        """M-6.2-4, M-6.1-2: with one family only, the NSEC record denying the other one goes along."""
        self.assertEqual(self.extras(HOST, A, HOST_GROUP), {self.ONLY_A})

    def test_both_families_in_the_denial(self) -> None:
        """M-20-2, M-6.2-5: with both, the NSEC record shows both, over either family."""
        self.assertIn(self.BOTH, self.extras(HOST, A, DUAL_GROUP))
        lab = Lab(IPV6)
        lab.settle(DUAL_GROUP)
        (sent,) = lab.ask(HOST, AAAA, ("fe80::9", 5353, 0, 2))
        self.assertIn(self.BOTH, sent.message.additionals)

    def test_all_addresses(self) -> None:
        """M-6.2-1: an address question is answered with all addresses of that family, the others go along."""
        more = (HOST_A, address(HOST, "192.168.1.3", 120), HOST_AAAA, address(HOST, "2001:db8::2", 120))
        lab = Lab()
        lab.settle(RecordGroup(unique=more))
        (sent,) = lab.ask(HOST, A)
        self.assertEqual(set(sent.message.answers), {flushed(record) for record in more[:2]})
        self.assertLessEqual({flushed(record) for record in more[2:]}, set(sent.message.additionals))

    def test_service_instance(self) -> None:
        """S-12.2-1, M-E-1: SRV brings the addresses of its target and its NSEC record."""
        self.assertEqual(self.extras(WEB, SRV, HOST_GROUP, WEB_GROUP), {flushed(HOST_A), self.ONLY_A})

    def test_browsing(self) -> None:
        """S-12.1-1, S-12-1: PTR brings SRV, TXT and the addresses."""
        expected = {flushed(WEB_SRV), flushed(WEB_TXT), flushed(HOST_A), self.ONLY_A}
        self.assertEqual(self.extras(HTTP, PTR, HOST_GROUP, WEB_GROUP), expected)

    def test_browsing_for_a_subtype(self) -> None:
        """S-12.1-1: so does the PTR record of a subtype."""
        group = RecordGroup(unique=WEB_GROUP.unique, shared=(pointer(SUBTYPE, WEB, 4500),))
        self.assertIn(flushed(WEB_SRV), self.extras(SUBTYPE, PTR, HOST_GROUP, group))

    def test_browsing_by_a_simple_resolver(self) -> None:
        """S-12-1: in unicast responses too."""
        extras = self.extras(HTTP, PTR, HOST_GROUP, WEB_GROUP, source=RESOLVER)
        self.assertLessEqual(identities([WEB_SRV, WEB_TXT, HOST_A]), identities(list(extras)))

    def test_text(self) -> None:
        """S-12.3-1: TXT brings nothing."""
        self.assertEqual(self.extras(WEB, TXT, HOST_GROUP, WEB_GROUP), set())

    def test_other_types(self) -> None:
        """S-12.4-1: nor do other types, the reverse mapping among them."""
        group = RecordGroup(unique=(host_info(HOST, b"ARM", b"LINUX", 120),))
        self.assertEqual(self.extras(HOST, RecordType.HINFO, HOST_GROUP, group), set())
        self.assertEqual(self.extras(REVERSE, PTR, HOST_GROUP), set())

    def test_type_enumeration(self) -> None:
        """S-12.4-1: nor does the list of types."""
        self.assertEqual(self.extras(TYPES, PTR, HOST_GROUP, WEB_GROUP), set())

    def test_answers_are_not_repeated(self) -> None:
        """What is an answer is no additional record as well."""
        self.assertNotIn(flushed(WEB_TXT), self.extras(WEB, ANY, HOST_GROUP, WEB_GROUP))

    def test_no_room(self) -> None:
        """M-6.2-3: where they do not fit, additional records are left out."""
        wide = text(WEB, [bytes(240)] * 5 + [bytes(130)], 4500)
        many = tuple(address(HOST, f"2001:db8::{index:x}", 120) for index in range(1, 10))
        lab = Lab()
        lab.settle(RecordGroup(unique=(WEB_SRV, wide)), RecordGroup(unique=(HOST_A, *many)))
        (sent,) = lab.ask(WEB, ANY)
        kinds = {record.type for record in sent.message.additionals}
        self.assertLessEqual(len(sent.payload), 1472)
        self.assertNotIn(AAAA, kinds)
        self.assertIn(A, kinds)


class FullTests(SynchronousTestCase):
    """What becomes of additional sets when the message is full."""

    def pack(self, large: int) -> tuple[list[RecordSet], list[RecordSet]]:
        """Pack an answer, large additional sets and a small one; return what fitted, and what was left."""
        names = [Name.parse(f"{number}.local") for number in range(large)]
        sets = [RecordSet((text(name, [bytes(200)] * 6, 120),), True) for name in names]
        extras = iter([*sets, RecordSet((HOST_A,), True)])
        room = pack_response([(WEB_PTR,)], extras, Sizes.of_link(1500, ipv6=False))[1]
        return room, list(extras)

    def test_smaller_one_later(self) -> None:
        """One large set takes the room, the next ones are left out, and a small one fits in."""
        room, rest = self.pack(FULL_AFTER)
        self.assertEqual(([one.type for one in room], rest), ([TXT, A], []))

    def test_many(self) -> None:
        """When as many in a row found no room, the others are not tried."""
        room, rest = self.pack(1000)
        self.assertEqual(([one.type for one in room], len(rest)), ([TXT], 1000 - FULL_AFTER))


class SizeTests(SynchronousTestCase):
    """Messages and the MTU (RFC 6762 §17)."""

    def sizes(self, settings: LinkSettings = IPV4) -> list[int]:
        """Return the sizes of what is announced of a hundred services."""
        lab = Lab(settings)
        lab.register(*[service_group(index) for index in range(100)])
        return [len(packet.payload) for packet in lab.pass_time(5.0)]

    def test_ipv4(self) -> None:
        """M-17-1: 1472 octets at most with IPv4 on a usual link, and not much less."""
        self.assertTrue(1300 < max(self.sizes()) <= 1472)

    def test_ipv6(self) -> None:
        """M-17-1: 1452 octets at most with IPv6."""
        self.assertTrue(1300 < max(self.sizes(IPV6)) <= 1452)

    def test_small_mtu(self) -> None:
        """M-17-1: the MTU of the interface less the headers."""
        self.assertTrue(1100 < max(self.sizes(LinkSettings(ipv6=False, mtu=1280))) <= 1252)

    def test_jumbo_frames(self) -> None:
        """M-17-6: an MTU of 9000 is not used."""
        self.assertLessEqual(max(self.sizes(LinkSettings(ipv6=False, mtu=9000))), 1472)

    def test_sixty_services_in_one_answer(self) -> None:
        """M-17-1: an answer with sixty services is split into packets within the MTU, with all of them."""
        lab = Lab()
        names = [
            HTTP.prefixed(f"A service with a name of usual length, number {index}") for index in range(60)
        ]
        lab.settle(HOST_GROUP, *[RecordGroup(shared=(pointer(HTTP, name, 4500),)) for name in names])
        lab.ask(HTTP, PTR)
        sent = lab.pass_time(1.0)
        self.assertEqual(len(answers(sent)), 60)
        self.assertTrue(1 < len(sent) < 6)
        self.assertTrue(all(len(packet.payload) <= 1472 for packet in sent))

    def test_large_record_alone(self) -> None:
        """M-17-2, M-17-4: a record above the MTU goes alone in its message."""
        large = text(WEB, [bytes(250)] * 12, 4500)
        lab = Lab()
        lab.settle(HOST_GROUP, RecordGroup(unique=(WEB_SRV, large), shared=(WEB_PTR,)))
        for name, qtype in ((WEB, ANY), (WEB, TXT), (HTTP, PTR)):
            lab.ask(name, qtype)
            lab.pass_time(2.0)
        lab.ask(WEB, TXT, RESOLVER)
        oversized = [packet for packet in lab.sent if len(packet.payload) > 1472]
        self.assertEqual([len(packet.records) for packet in oversized], [1] * len(oversized))
        self.assertGreaterEqual(len(oversized), 2)

    def test_large_record_is_reported(self) -> None:
        """M-17-3: a record of that size is a warning."""
        lab = Lab()
        large = text(WEB, [bytes(250)] * 12, 4500)
        lab.register(RecordGroup(unique=(large,)))
        lab.collect()
        self.assertEqual(
            [(type(event), event.name) for event in lab.events if isinstance(event, RecordOversized)],
            [(RecordOversized, WEB)],
        )

    def test_usual_records_are_not_reported(self) -> None:
        """M-17-3: and others are not."""
        lab = Lab()
        lab.register(HOST_GROUP, WEB_GROUP)
        lab.collect()
        self.assertEqual(lab.events, [])

    def test_largest_record(self) -> None:
        """M-17-5: 9000 octets with headers pass."""
        room = 9000 - 28 - 12 - len(WEB.wire) - 10
        lab = Lab()
        lab.settle(RecordGroup(unique=(raw(WEB, 1000, bytes(room), 4500),)))
        (sent,) = lab.ask(WEB, 1000)
        self.assertEqual(len(sent.payload), 9000 - 28)

    def test_too_large_record(self) -> None:
        """M-17-5: one octet more is refused, when registered and when updated, over IPv6 twenty less."""
        too_large = RecordGroup(unique=(raw(WEB, 1000, bytes(9000 - 28 - 12 - len(WEB.wire) - 9), 4500),))
        lab = Lab()
        (owner,) = lab.settle(WEB_GROUP)
        self.assertRaises(ValueError, lab.register, too_large)
        self.assertRaises(ValueError, lab.responder.update, owner, too_large, lab.now)
        narrower = RecordGroup(unique=(raw(WEB, 1000, bytes(9000 - 48 - 12 - len(WEB.wire) - 9), 4500),))
        self.assertRaises(ValueError, Lab(IPV6).register, narrower)

    def test_large_set(self) -> None:
        """M-10.2-5: a set that fits no packet is sent in packets that follow each other at once."""
        records = tuple(text(WEB, [b"%02d" % index + bytes(200)], 4500) for index in range(20))
        lab = Lab()
        lab.settle(RecordGroup(unique=records))
        sent = lab.ask(WEB, TXT)
        self.assertEqual(
            {record for packet in sent for record in packet.message.answers}, {flushed(r) for r in records}
        )
        self.assertEqual({packet.at for packet in sent}, {lab.now})

    def test_set_is_not_divided_needlessly(self) -> None:
        """M-10.2-5: a set that fits a packet is not spread over two."""
        lab = Lab()
        lab.settle(
            RecordGroup(unique=tuple(text(WEB, [b"%02d" % index + bytes(200)], 4500) for index in range(4))),
            RecordGroup(unique=tuple(raw(WEB, 1000, bytes([index] * 200), 4500) for index in range(4))),
        )
        sent = lab.ask(WEB, ANY)
        self.assertEqual(
            [{record.type for record in packet.message.answers} for packet in sent], [{TXT}, {1000}]
        )
