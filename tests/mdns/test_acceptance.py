"""Which responses the querier believes, and what it makes of them (RFC 6762 §6, §11, §18)."""

from __future__ import annotations

from ipaddress import IPv4Address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Message, PseudoRecord, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import Record, address, alias, next_secure, pointer, raw, text
from tests.mdns.lab import AAAA, IPV6, NSEC, PEER, PTR, SRV, STRANGER, TXT, A, query, response
from tests.mdns.querier.asking_lab import (
    FAR,
    FAR_A,
    FAR_AAAA,
    FAR_NSEC,
    FAR_Q,
    ONE,
    ONE_PTR,
    ONE_SRV,
    ONE_SRV_Q,
    TYPE,
    TYPE_PTR,
    AskingLab,
    asked_at,
)

FAR_AAAA_Q = Question(FAR, AAAA)


class UnicastResponseTests(SynchronousTestCase):
    def ask_for_unicast(self) -> AskingLab:
        """Return a link that has asked a QU question at 0.07 s."""
        lab = AskingLab(up_for=0.0)
        lab.want(FAR_Q)
        lab.run(0.5)
        return lab

    def test_answer_in_time(self) -> None:
        """M-6-17, M-5.4-2: a unicast response is used 1.9 s after a question that asked for it."""
        lab = self.ask_for_unicast()
        lab.run(0.07 + 1.9)
        lab.hear(FAR_A, multicast=False)
        self.assertTrue(lab.knows(FAR_A))

    def test_answer_too_late(self) -> None:
        """M-6-17: and ignored 2.1 s after it."""
        lab = self.ask_for_unicast()
        lab.run(0.07 + 2.1)
        lab.hear(FAR_A, multicast=False)
        self.assertFalse(lab.knows(FAR_A))

    def test_multicast_too(self) -> None:
        """M-5.4-2: an answer to the same question by multicast is used as well."""
        lab = self.ask_for_unicast()
        lab.hear(FAR_A, multicast=False)
        lab.hear(FAR_AAAA, multicast=True)
        self.assertTrue(lab.knows(FAR_A))
        self.assertTrue(lab.knows(FAR_AAAA))

    def test_after_a_qm_question(self) -> None:
        """M-6-17: nobody has asked for it."""
        lab = AskingLab()
        lab.want(FAR_Q)
        lab.pass_time(0.5)
        lab.hear(FAR_A, multicast=False)
        self.assertFalse(lab.knows(FAR_A))
        self.assertEqual(lab.link.counters["unsolicited unicast responses"], 1)

    def test_for_another_name(self) -> None:
        """M-6-17: it answers no question of ours."""
        lab = self.ask_for_unicast()
        lab.hear(ONE_SRV, multicast=False)
        self.assertEqual(len(lab.querier.cache), 0)

    def test_additional_records_come_along(self) -> None:
        lab = self.ask_for_unicast()
        lab.feed(Message(flags=0x8400, answers=[FAR_A], additionals=[FAR_AAAA]), multicast=False)
        self.assertTrue(lab.knows(FAR_AAAA))

    def test_denial(self) -> None:
        """An NSEC record answers a question as well."""
        lab = AskingLab(up_for=0.0)
        lab.want(FAR_AAAA_Q)
        lab.run(0.5)
        lab.hear(FAR_NSEC, multicast=False)
        self.assertEqual(lab.denials(), [FAR_AAAA_Q])

    def test_from_off_the_link(self) -> None:
        """M-11-2, M-11-4: not from an address outside of our networks, though it was asked for."""
        lab = self.ask_for_unicast()
        lab.hear(FAR_A, source=STRANGER, multicast=False)
        self.assertFalse(lab.knows(FAR_A))

    def test_multicast_from_anywhere(self) -> None:
        """M-11-3: what was sent to the group comes from the link, whatever its source address is."""
        lab = AskingLab()
        lab.hear(FAR_A, source=("203.0.113.9", 5353))
        self.assertTrue(lab.knows(FAR_A))

    def test_over_ipv6(self) -> None:
        """M-11-5: from a link-local address it is on the link."""
        lab = AskingLab(IPV6, up_for=0.0)
        lab.want(FAR_Q)
        lab.run(0.5)
        lab.hear(FAR_A, source=("2001:db8::9", 5353, 0, 0), multicast=False)
        self.assertFalse(lab.knows(FAR_A))
        lab.hear(FAR_A, source=("fe80::9", 5353, 0, 2), multicast=False)
        self.assertTrue(lab.knows(FAR_A))

    def test_additional_records_pass_the_same_checks(self) -> None:
        """S-12-3: those of a response from off the link are no better than its answers."""
        lab = self.ask_for_unicast()
        message = Message(flags=0x8400, answers=[FAR_A], additionals=[ONE_SRV])
        lab.feed(message, STRANGER, multicast=False)
        self.assertEqual(len(lab.querier.cache), 0)


class HeaderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()
        self.lab.want(FAR_Q)
        self.lab.pass_time(0.5)

    def is_used(self, payload: bytes) -> bool:
        self.lab.feed(payload)
        return self.lab.knows(FAR_A)

    def with_flags(self, flags: int, identifier: int = 0) -> bytes:
        return encode(Message(id=identifier, flags=flags, answers=[FAR_A]))

    def test_source_port(self) -> None:
        """M-6-15: a response from another port than 5353 is ignored."""
        self.lab.hear(FAR_A, source=("192.168.1.9", 5354))
        self.assertFalse(self.lab.knows(FAR_A))

    def test_opcode(self) -> None:
        """M-18.3-2: so is one with an OPCODE."""
        self.assertFalse(self.is_used(self.with_flags(0xA400)))

    def test_rcode(self) -> None:
        """M-18.11-2: and one with an RCODE, which is no negative answer either."""
        self.assertFalse(self.is_used(self.with_flags(0x8403)))
        self.assertFalse(self.lab.querier.is_denied(FAR_Q, self.lab.now))

    def test_identifier(self) -> None:
        """M-18.1-5, M-18.1-2: the ID does not matter."""
        self.assertTrue(self.is_used(self.with_flags(0x8400, 0x5555)))

    def test_not_authoritative(self) -> None:
        """M-18.4-2: nor does AA."""
        self.assertTrue(self.is_used(self.with_flags(0x8000)))

    def test_truncated(self) -> None:
        """M-18.5-2: nor TC."""
        self.assertTrue(self.is_used(self.with_flags(0x8600)))

    def test_recursion_desired(self) -> None:
        """M-18.6-2: nor RD."""
        self.assertTrue(self.is_used(self.with_flags(0x8500)))

    def test_recursion_available(self) -> None:
        """M-18.7-1: nor RA."""
        self.assertTrue(self.is_used(self.with_flags(0x8480)))

    def test_zero_bit(self) -> None:
        """M-18.8-1: nor the zero bit."""
        self.assertTrue(self.is_used(self.with_flags(0x8440)))

    def test_authentic_data(self) -> None:
        """M-18.9-1: nor AD."""
        self.assertTrue(self.is_used(self.with_flags(0x8420)))

    def test_checking_disabled(self) -> None:
        """M-18.10-1: nor CD."""
        self.assertTrue(self.is_used(self.with_flags(0x8410)))

    def test_questions(self) -> None:
        """M-6-8, M-18.1-2: questions in a response are ignored, and its records are used."""
        message = Message(flags=0x8400, questions=[Question(TYPE, PTR)], answers=[FAR_A])
        self.assertTrue(self.is_used(encode(message)))
        self.assertEqual(self.lab.pass_time(60).queries.questions, [])

    def test_unsolicited(self) -> None:
        """M-18.1-1: an announcement is heard by every host that still wants to know."""
        self.lab.pass_time(1000)
        self.lab.events.clear()
        self.lab.hear(FAR_A)
        self.assertEqual(self.lab.added(), [FAR_A])

    def test_malformed(self) -> None:
        self.assertFalse(self.is_used(self.with_flags(0x8400)[:-2]))


class RecordTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = AskingLab()

    def test_other_classes(self) -> None:
        """Records of other classes than IN are ignored."""
        self.lab.want(FAR_Q)
        self.lab.hear(Record(FAR, A, 3, 120, FAR_A.rdata, True))
        self.assertEqual(len(self.lab.querier.cache), 0)
        self.assertEqual(self.lab.changes(), [])

    def test_pseudo_records(self) -> None:
        """M-10.2-13: no record that describes the message enters the cache."""
        extra = [PseudoRecord(Name(b"\0"), rtype, 0x8FA0, 4500, b"") for rtype in (41, 249, 250)]
        self.lab.feed(Message(flags=0x8400, answers=[FAR_A], pseudo=extra))
        self.assertEqual(len(self.lab.querier.cache), 1)

    def test_signature_of_a_message(self) -> None:
        """M-10.2-13: a SIG record that covers no type is none either."""
        self.lab.hear(
            Record(FAR, 24, 1, 120, bytes(18) + FAR.wire),
            Record(FAR, 24, 1, 120, b"\0\1" + bytes(16) + FAR.wire),
        )
        self.assertEqual(len(self.lab.querier.cache), 1)

    def test_types_of_questions(self) -> None:
        """No record has type ANY."""
        self.lab.hear(Record(FAR, 255, 1, 120, b"x"))
        self.assertEqual(len(self.lab.querier.cache), 0)

    def test_case_of_owner(self) -> None:
        """M-16-5, S-7-3: an answer in another case answers the question, and is the same record."""
        self.lab.want(Question(Name.parse("_HTTP._TCP.Local"), PTR))
        self.lab.hear(ONE_PTR)
        self.lab.hear(pointer(Name.parse("_Http._tcp.LOCAL"), Name.parse("ONE._http._tcp.local"), 4500))
        self.assertEqual([kind for kind, _ in self.lab.changes()], ["added"])

    def test_spelling_is_kept(self) -> None:
        """A name is given back in the spelling in which it was heard."""
        host = Name.parse("My-Host.local")
        self.lab.hear(address(host, "192.168.1.9", 120))
        (record,) = self.lab.known(Question(Name.parse("my-host.local"), A))
        self.assertEqual(str(record.name), "My-Host.local.")

    def test_only_ascii_is_folded(self) -> None:
        """M-16-6: accented letters in another case are other letters."""
        self.lab.hear(address(Name.parse("é.local"), "192.168.1.9", 120))
        self.assertEqual(self.lab.known(Question(Name.parse("É.local"), A)), [])
        self.assertEqual(len(self.lab.known(Question(Name.parse("é.LOCAL"), A))), 1)

    def test_any_octets(self) -> None:
        """S-E-1, G-5198-2-1: labels of any octets are cached and given back unchanged."""
        name = Name.from_labels([b"\xff\x00.\\A", b"local"])
        self.lab.hear(address(name, "192.168.1.9", 120))
        (record,) = self.lab.known(Question(Name(name.wire.lower()), A))
        self.assertEqual(record.name.wire, name.wire)

    def test_byte_order_mark(self) -> None:
        """M-16-3: U+FEFF is a part of the name."""
        marked = Name.from_labels([b"\xef\xbb\xbfprinter", b"local"])
        self.lab.hear(address(marked, "192.168.1.9", 120))
        self.assertEqual(self.lab.known(Question(Name.parse("printer.local"), A)), [])
        self.assertEqual(self.lab.known(Question(marked, A))[0].name.wire, marked.wire)

    def test_longest_name(self) -> None:
        """M-C-1, M-3-7: a name of 255 octets and the final zero is cached like any other."""
        name = Name.from_labels([b"a" * 63] * 3 + [b"B" * 62])
        self.assertEqual(len(name.wire), 256)
        self.lab.hear(address(name, "192.168.1.9", 120))
        self.assertEqual(self.lab.known(Question(name, A))[0].name.wire, name.wire)

    def test_all_sections(self) -> None:
        self.lab.feed(Message(flags=0x8400, answers=[ONE_PTR], authorities=[ONE_SRV], additionals=[FAR_A]))
        self.assertEqual(len(self.lab.querier.cache), 3)

    def test_alias(self) -> None:
        """An alias is an answer to a question about its name."""
        self.lab.want(FAR_Q)
        record = alias(FAR, Name.parse("real.local"), 120)
        self.lab.hear(record)
        self.assertEqual(self.lab.added(), [record])
        self.assertEqual(len(self.lab.known(FAR_Q)), 1)

    def test_the_sender_is_told(self) -> None:
        self.lab.want(FAR_Q)
        self.lab.hear(FAR_A)
        self.assertEqual([event.source for event in self.lab.events], [PEER])  # type: ignore[attr-defined]


class DenialTests(SynchronousTestCase):
    """NSEC records say that there is nothing of a type (RFC 6762 §6.1)."""

    def setUp(self) -> None:
        self.lab = AskingLab()

    def test_is_told(self) -> None:
        """A question for a type that the owner of the name does not have is answered at once."""
        self.lab.want(FAR_AAAA_Q)
        self.lab.pass_time(0.5)
        self.lab.hear(FAR_NSEC)
        self.assertEqual(self.lab.denials(), [FAR_AAAA_Q])

    def test_is_told_once(self) -> None:
        self.lab.want(FAR_AAAA_Q)
        self.lab.hear(FAR_NSEC)
        self.lab.hear(FAR_NSEC)
        self.assertEqual(self.lab.denials(), [FAR_AAAA_Q])

    def test_from_the_cache(self) -> None:
        """M-6.1-10: it holds for its TTL; then the network is asked."""
        self.lab.hear(FAR_NSEC)
        self.assertTrue(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))
        self.lab.want(FAR_AAAA_Q)
        self.assertEqual(self.lab.pass_time(95).queries.questions, [])
        self.lab.drop(FAR_AAAA_Q)
        self.lab.run(130)
        self.assertFalse(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))
        self.lab.want(FAR_AAAA_Q)
        self.assertEqual(self.lab.pass_time(0.5).queries.questions, [FAR_AAAA_Q])

    def test_the_types_it_lists(self) -> None:
        self.lab.hear(FAR_NSEC)
        self.assertFalse(self.lab.querier.is_denied(FAR_Q, self.lab.now))
        self.lab.want(FAR_Q)
        self.assertEqual(self.lab.pass_time(0.5).queries.questions, [FAR_Q])

    def test_stops_the_series(self) -> None:
        """It is a unique answer: the next query is that which refreshes it."""
        self.lab.want(FAR_AAAA_Q)
        self.lab.pass_time(0.5)
        self.lab.hear(FAR_NSEC)
        first = asked_at(self.lab.pass_time(110), FAR_AAAA_Q)[0]
        self.assertGreaterEqual(first - 10.5, 96.0)

    def test_taken_back(self) -> None:
        """A record that comes later is reported, and the negative response holds no longer."""
        self.lab.want(FAR_AAAA_Q)
        self.lab.hear(FAR_NSEC)
        self.lab.events.clear()
        self.lab.hear(FAR_AAAA)
        self.assertEqual(self.lab.added(), [FAR_AAAA])
        self.assertFalse(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))

    def test_another_next_name(self) -> None:
        """M-6.1-6: the next domain name does not matter."""
        other = raw(FAR, NSEC, Name.parse("other.local").wire + b"\0\x01\x40", 120, cache_flush=True)
        self.lab.hear(other)
        self.assertTrue(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))

    def test_restricted_form(self) -> None:
        """M-6.1-4: as it stands on the wire, for a name with an A record."""
        wire = FAR.wire + bytes.fromhex(
            "002f 8001 00000078 0006 c00c 0001 40".replace(" ", "").replace("0006", "0005")
        )
        self.lab.feed(bytes.fromhex("0000840000000001 00000000".replace(" ", "")) + wire)
        self.assertTrue(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))
        self.assertFalse(self.lab.querier.is_denied(FAR_Q, self.lab.now))

    def test_full_form(self) -> None:
        """M-6.1-3, M-6.1-7: several blocks are understood."""
        self.lab.hear(next_secure(FAR, [A, 300], 120))
        self.assertTrue(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))
        self.assertFalse(self.lab.querier.is_denied(Question(FAR, 300), self.lab.now))

    def test_malformed_bitmap(self) -> None:
        """M-6.1-7, M-6.1-8: a broken NSEC denies nothing, and the rest of its message is used."""
        broken = Record(FAR, NSEC, 1, 120, FAR.wire + b"\0\x21" + bytes(33), True)
        self.lab.feed(encode(response(broken, FAR_A)))
        self.assertTrue(self.lab.knows(FAR_A))
        self.assertFalse(self.lab.querier.is_denied(FAR_AAAA_Q, self.lab.now))

    def test_no_denial_of_the_name(self) -> None:
        """M-12-1: nothing is said of other names."""
        self.lab.hear(FAR_NSEC)
        self.assertFalse(self.lab.querier.is_denied(Question(FAR.prefixed("child"), AAAA), self.lab.now))

    def test_expires(self) -> None:
        """M-6.1-10: when it has expired unanswered, a new series asks."""
        self.lab.want(FAR_AAAA_Q)
        self.lab.hear(FAR_NSEC)
        self.lab.run(129.9)
        self.lab.sent.clear()
        self.lab.run(134)
        self.assertEqual(len(asked_at(self.lab.sent, FAR_AAAA_Q)), 3)


class TransparencyTests(SynchronousTestCase):
    def test_text_is_opaque(self) -> None:
        """Rdata without names is compared octet by octet."""
        lab = AskingLab()
        lab.want(Question(ONE, TXT))
        lab.hear(text(ONE, [b"a=B"], 4500))
        lab.hear(text(ONE, [b"a=b"], 4500))
        self.assertEqual([kind for kind, _ in lab.changes()], ["added", "added"])

    def test_service_target_in_another_case(self) -> None:
        """M-16-5: the names in rdata are folded."""
        lab = AskingLab()
        lab.want(ONE_SRV_Q)
        lab.hear(ONE_SRV)
        lab.hear(Record(ONE, SRV, 1, 120, ONE_SRV.rdata[:6] + FAR.wire.upper(), True))
        self.assertEqual([kind for kind, _ in lab.changes()], ["added"])

    def test_queries_are_no_answers(self) -> None:
        """M-7.1-5: no section of a query is heard."""
        lab = AskingLab()
        lab.want(FAR_Q)
        lab.feed(query(TYPE_PTR, known=[FAR_A]))
        lab.feed(Message(questions=[TYPE_PTR], authorities=[FAR_A], additionals=[FAR_A]))
        self.assertFalse(lab.knows(FAR_A))

    def test_address_data(self) -> None:
        lab = AskingLab()
        lab.hear(FAR_A)
        self.assertEqual(lab.known(FAR_Q)[0].data, IPv4Address("192.168.1.9"))
