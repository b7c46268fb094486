"""Breaches of RFC 6762 are named with their senders, and good packets are not."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RESPONSE_FLAGS, Flag, RecordType
from mcast.dns.messages import Message, Question
from mcast.dns.names import Name
from mcast.dns.records import Record, address, next_secure, pointer, service, text
from mcast.mdns.lint import MAX_REMEMBERED, Linter

HOST = Name.parse("printer.local.")
TYPE = Name.parse("_http._tcp.local.")
INSTANCE = Name.parse("Web._http._tcp.local.")
A = address(HOST, "192.0.2.1", 120, cache_flush=True)
AAAA = address(HOST, "fe80::1", 120, cache_flush=True)
PTR = pointer(TYPE, INSTANCE, 4500)


def response(*answers: Record, additionals: tuple[Record, ...] = (), flags: int = RESPONSE_FLAGS) -> Message:
    return Message(flags=flags, answers=answers, additionals=additionals)


class LinterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.linter = Linter()

    def rules(
        self, message: Message, now: float = 0.0, source: str = "192.0.2.1", size: int = 100, hops: int = 255
    ) -> list[str]:
        return [breach.rule for breach in self.linter.examine(message, size, source, 5353, now, hops)]

    def test_good_response(self) -> None:
        srv = service(INSTANCE, 0, 0, 80, HOST, 120, cache_flush=True)
        txt = text(INSTANCE, (b"a=1",), 4500, cache_flush=True)
        self.assertEqual(self.rules(response(PTR, additionals=(srv, txt, A, AAAA))), [])

    def test_who_did_it(self) -> None:
        (breach,) = self.linter.examine(response(PTR.with_ttl(9000)), 100, "192.0.2.9", 5353, 0.0, 255)
        self.assertEqual(
            (breach.source, breach.rule, breach.section), ("192.0.2.9", "ttl-too-long", "RFC 6762 §10")
        )
        self.assertIn("_http._tcp.local. PTR has a TTL of 9000 s", breach.detail)

    def test_cache_flush_on_shared_record(self) -> None:
        self.assertEqual(self.rules(response(PTR.with_cache_flush(True))), ["cache-flush-on-shared"])

    def test_reverse_mapping_is_unique(self) -> None:
        reverse = pointer(Name.parse("1.2.0.192.in-addr.arpa."), HOST, 120, cache_flush=True)
        self.assertEqual(self.rules(response(reverse)), [])

    def test_wrong_ttl_of_a_host_record(self) -> None:
        self.assertEqual(self.rules(response(A.with_ttl(60), AAAA)), ["wrong-ttl"])

    def test_goodbye_has_the_right_ttl(self) -> None:
        self.assertEqual(self.rules(response(A.with_ttl(0))), [])

    def test_addresses_without_nsec(self) -> None:
        self.assertEqual(self.rules(response(A)), ["missing-nsec"])

    def test_addresses_with_nsec(self) -> None:
        self.assertEqual(self.rules(response(A, additionals=(next_secure(HOST, [RecordType.A], 120),))), [])

    def test_nsec_that_lists_itself(self) -> None:
        wire = HOST.wire + bytes((0, 6, 0x40, 0, 0, 0, 0, 1))
        self.assertEqual(
            self.rules(response(Record(HOST, RecordType.NSEC, 1, 120, wire, True))), ["nsec-bit"]
        )

    def test_record_repeated_within_a_second(self) -> None:
        self.rules(response(PTR), now=10.0)
        self.assertEqual(self.rules(response(PTR), now=10.5), ["repeated-too-soon"])

    def test_record_repeated_after_a_second(self) -> None:
        self.rules(response(PTR), now=10.0)
        self.assertEqual(self.rules(response(PTR), now=11.0), [])

    def test_goodbye_may_follow_at_once(self) -> None:
        self.rules(response(PTR), now=10.0)
        self.assertEqual(self.rules(response(PTR.with_ttl(0)), now=10.1), [])

    def test_two_hosts_may_send_the_same_record(self) -> None:
        self.rules(response(PTR), now=10.0)
        self.assertEqual(self.rules(response(PTR), now=10.1, source="192.0.2.2"), [])

    def test_defence_after_a_quarter_of_a_second(self) -> None:
        self.rules(response(A, AAAA), now=10.0)
        probe = Message(
            questions=(Question(HOST, RecordType.ANY, unicast=True),),
            authorities=(A.with_cache_flush(False),),
        )
        self.assertEqual(self.rules(probe, now=10.2, source="192.0.2.2"), [])
        self.assertEqual(self.rules(response(A, AAAA), now=10.3), [])

    def test_defence_before_a_quarter_of_a_second(self) -> None:
        self.rules(response(A, AAAA), now=10.0)
        probe = Message(
            questions=(Question(HOST, RecordType.ANY, unicast=True),),
            authorities=(A.with_cache_flush(False),),
        )
        self.rules(probe, now=10.05, source="192.0.2.2")
        self.assertEqual(self.rules(response(A), now=10.1)[-1], "repeated-too-soon")

    def test_probe_for_one_type(self) -> None:
        probe = Message(questions=(Question(HOST, RecordType.A),), authorities=(A.with_cache_flush(False),))
        self.assertEqual(self.rules(probe), ["probe-type"])

    def test_cache_flush_bit_in_a_probe(self) -> None:
        probe = Message(questions=(Question(HOST, RecordType.ANY),), authorities=(A,))
        self.assertEqual(self.rules(probe), ["cache-flush-in-query"])

    def test_question_repeated_too_soon(self) -> None:
        query = Message(questions=(Question(TYPE, RecordType.PTR),))
        self.rules(query, now=10.0)
        self.assertEqual(self.rules(query, now=10.5), ["asked-too-soon"])

    def test_question_repeated_without_its_known_answer(self) -> None:
        query = Message(questions=(Question(TYPE, RecordType.PTR),))
        self.rules(query, now=10.0, source="192.0.2.7")
        self.rules(response(PTR), now=10.1)
        self.assertEqual(self.rules(query, now=11.5, source="192.0.2.7"), ["no-known-answers"])

    def test_question_repeated_with_its_known_answer(self) -> None:
        query = Message(questions=(Question(TYPE, RecordType.PTR),))
        self.rules(query, now=10.0)
        self.rules(response(PTR), now=10.1)
        again = Message(questions=(Question(TYPE, RecordType.PTR),), answers=(PTR.with_ttl(4498),))
        self.assertEqual(self.rules(again, now=11.5), [])

    def test_answer_that_took_its_leave_is_not_due(self) -> None:
        query = Message(questions=(Question(TYPE, RecordType.PTR),))
        self.rules(query, now=10.0)
        self.rules(response(PTR), now=10.1)
        self.rules(response(PTR.with_ttl(0)), now=10.4)
        self.assertEqual(self.rules(query, now=11.5), [])

    def test_header_of_a_response(self) -> None:
        message = Message(
            id=7, flags=Flag.RESPONSE | Flag.TRUNCATED | Flag.RECURSION_DESIRED | 3, answers=(PTR,)
        )
        self.assertEqual(
            self.rules(message), ["rcode", "id", "not-authoritative", "truncated-response", "flags"]
        )

    def test_question_in_a_response(self) -> None:
        message = Message(flags=RESPONSE_FLAGS, questions=(Question(TYPE, RecordType.PTR),), answers=(PTR,))
        self.assertEqual(self.rules(message), ["question-in-response"])

    def test_hop_limit(self) -> None:
        self.assertEqual(self.rules(response(PTR), hops=64), ["hop-limit"])

    def test_two_records_in_a_fragmented_packet(self) -> None:
        self.assertEqual(self.rules(response(A, AAAA), size=1473), ["fragmented"])

    def test_one_record_may_be_fragmented(self) -> None:
        self.assertEqual(self.rules(response(PTR), size=3000), [])

    def test_packet_above_9000_octets(self) -> None:
        self.assertEqual(self.rules(response(PTR), size=8973), ["packet-too-large"])

    def test_response_from_another_port(self) -> None:
        (breach,) = self.linter.examine(response(PTR), 100, "192.0.2.1", 40000, 0.0, 255)
        self.assertEqual(breach.rule, "source-port")

    def test_simple_resolver_is_left_alone(self) -> None:
        query = Message(id=7, flags=Flag.RECURSION_DESIRED, questions=(Question(HOST, RecordType.A),))
        self.assertEqual(self.linter.examine(query, 40, "192.0.2.1", 40000, 0.0, 64), [])

    def test_memory_is_bounded(self) -> None:
        for number in range(MAX_REMEMBERED + 50):
            self.rules(response(pointer(TYPE, Name.from_labels((b"%d" % number,)), 4500)), now=float(number))
        self.assertEqual(len(self.linter._records), MAX_REMEMBERED)
