"""What a running responder answers, seen on the wire by a host of plain sockets (RFC 6762 §5 to §7, §18)."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from random import Random

from tests.interop.responding import HOST, TYPE, WEB, WireTestCase, addresses, has, pointers, types
from tests.interop.wire import (
    AAAA,
    ANY,
    HINFO,
    IN,
    NSEC,
    PTR,
    SRV,
    TOP_BIT,
    TRUNCATED,
    TXT,
    A,
    Message,
    Question,
    address_record,
    labels,
    pointer_record,
    probe,
    query,
    response,
    text_record,
)
from tests.network.lan import wait_until

SERVICE_TYPES = labels("_services._dns-sd._udp.local")
OFF_LINK = "198.51.100.7"

TIMES = 20
"""Our choice: how often a time is measured, at most. The best counts: a busy machine can be late, and no
more."""


class LegacyTests(WireTestCase):
    """Queries from another port than 5353 get conventional unicast answers (RFC 6762 §6.7)."""

    def legacy(self, name: tuple[bytes, ...], rtype: int, number: int = 0xBEEF) -> Message:
        return self.ask(query(Question(name, rtype), id=number), port=0).message

    def test_repeats_id_and_question(self) -> None:
        """M-6.7-3, M-18.1-6."""
        answer = self.legacy(WEB, SRV)
        self.assertEqual((answer.id, list(answer.questions)), (0xBEEF, [Question(WEB, SRV)]))

    def test_goes_to_the_asking_port_alone(self) -> None:
        """M-6.7-2: no multicast copy."""
        self.settle()
        start = self.prober.sniffer.mark()
        port = self.prober.send(query(Question(WEB, SRV), id=7), port=0)
        heard = self.hears(start)
        self.assertEqual(
            [(one.destination, one.destination_port) for one in heard], [(self.prober.address, port)]
        )

    def test_no_cache_flush_bit(self) -> None:
        """M-6.7-4, M-10.2-9."""
        answer = self.legacy(TYPE, PTR)
        self.assertEqual({one.rclass for one in answer.records}, {IN})
        self.assertLessEqual({PTR, SRV, TXT, A}, types(answer.records))

    def test_short_ttl(self) -> None:
        """M-6.7-5."""
        self.assertEqual({one.ttl for one in self.legacy(TYPE, PTR).records}, {10})

    def test_srv_target_written_out(self) -> None:
        """M-18.14-7: a simple resolver need not read compressed names there."""
        answer = self.legacy(TYPE, PTR)
        self.assertEqual([one.compressed for one in answer.find(WEB, SRV)], [False])

    def test_edns_and_ad_of_a_resolver_do_not_matter(self) -> None:
        """M-18.9-1, M-18.6-2: dig sends an OPT record, RD and AD."""
        payload = bytearray(query(Question(HOST, A), id=9, flags=0x0120).encode())
        payload[10:12] = b"\x00\x01"
        payload += b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
        answer = self.ask(bytes(payload), port=0).message
        self.assertEqual([one.address for one in answer.answers_for(HOST, A)], [self.lan.hosts[0].ipv4()])


class HeaderTests(WireTestCase):
    """Every response has the ports, the hop limit and the header that the RFC asks for."""

    def test_multicast_response(self) -> None:
        """M-6-7, M-18.1-5, M-18.2-2, M-18.4-2."""
        self.settle()
        answer = self.ask(query(Question(WEB, SRV), id=77), has(WEB, SRV), multicast=True).message
        self.assertEqual((answer.id, answer.flags, list(answer.questions)), (0, 0x8400, []))

    def test_ports_and_hop_limits(self) -> None:
        """M-6-14, M-11-1, for the announcements and for answers by unicast in both families."""
        self.ask(query(Question(WEB, SRV), id=1), port=0)
        self.renew(self.prober6)
        self.ask(query(Question(WEB, SRV, IN | TOP_BIT), id=2), multicast=False, prober=self.prober6)
        sent = [one for one in self.prober.sniffer.poll() if self.own(one)]
        self.assertEqual({(one.source_port, one.hop_limit) for one in sent}, {(5353, 255)})
        self.assertEqual({one.multicast for one in sent if ":" in one.source}, {True, False})

    def test_opcode_ignored(self) -> None:
        """M-18.3-2."""
        self.assert_silent(query(Question(WEB, SRV), id=3, flags=5 << 11), port=0)

    def test_rcode_ignored(self) -> None:
        """M-18.11-2."""
        self.assert_silent(query(Question(WEB, SRV), id=3, flags=3), port=0)

    def test_junk_ignored(self) -> None:
        """Truncated, looping and over-counted messages neither get an answer nor stop the next one."""
        good = query(Question(WEB, SRV), id=4).encode()
        for junk in (
            b"",
            good[:11],
            good[:-1],
            b"\0\4\0\0\0\1" + bytes(6) + b"\xc0\x0c\0\1\0\1",
            b"\xff" * 900,
        ):
            self.prober.send(junk, port=0)
        self.assertEqual(self.ask(good, port=0).message.id, 4)
        self.assertNotIn("Traceback", self.responder.log)


class UnicastTests(WireTestCase):
    """QU questions and direct queries (RFC 6762 §5.4, §5.5)."""

    def test_qu_answered_by_unicast(self) -> None:
        """M-5.4-6: the record was multicast within the last quarter of its TTL."""
        self.renew(self.prober)
        self.settle()
        start = self.prober.sniffer.mark()
        self.prober.send(query(Question(WEB, SRV, IN | TOP_BIT), id=5))
        heard = self.hears(start)
        self.assertEqual(
            [(one.destination, one.destination_port) for one in heard], [(self.prober.address, 5353)]
        )

    def test_qu_answer_has_the_cache_flush_bit(self) -> None:
        """M-10.2-7, M-10.2-11: on unique records alone, as in a multicast answer."""
        answer = self.ask(query(Question(TYPE, PTR, IN | TOP_BIT), id=6), multicast=False).message
        self.assertEqual({one.flush for one in answer.records if one.type != PTR}, {True})
        self.assertEqual({one.flush for one in answer.records if one.type == PTR}, {False})

    def test_direct_query(self) -> None:
        """M-5.5-1."""
        self.renew(self.prober)
        answer = self.ask(query(Question(WEB, SRV), id=8), has(WEB, SRV), to=self.lan.hosts[0].ipv4())
        self.assertEqual((answer.destination, answer.destination_port), (self.prober.address, 5353))

    def test_direct_query_by_ipv6(self) -> None:
        self.renew(self.prober6)
        link_local = self.lan.hosts[0].link_local()
        answer = self.ask(query(Question(WEB, SRV), id=8), has(WEB, SRV), to=link_local, prober=self.prober6)
        self.assertEqual(answer.destination, addresses(self.lan.hosts[1])[2])


class OffLinkTests(WireTestCase):
    """A source that is not on the link (RFC 6762 §5.5, §11)."""

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        super().build(stack)
        near, far = cls.lan.hosts
        far.ip("addr", "add", f"{OFF_LINK}/32", "dev", "eth0")
        # Were an answer sent, it would reach us.
        near.ip("route", "add", OFF_LINK, "dev", "eth0")

    def test_direct_query_ignored(self) -> None:
        """M-5.5-2."""
        self.assert_silent(query(Question(WEB, SRV)), to=self.lan.hosts[0].ipv4(), address=OFF_LINK)

    def test_multicast_query_answered_by_multicast(self) -> None:
        """M-11-7, M-11-6: even if it asks for unicast."""
        self.settle()
        start = self.prober.sniffer.mark()
        self.prober.send(query(Question(WEB, SRV, IN | TOP_BIT)), address=OFF_LINK)
        heard = self.hears(start)
        self.assertEqual({one.multicast for one in heard}, {True})


class ContentTests(WireTestCase):
    """Which records come (RFC 6762 §6.1 to §6.3, RFC 6763 §9, §12)."""

    def qu(self, name: tuple[bytes, ...], rtype: int) -> Message:
        return self.ask(query(Question(name, rtype, IN | TOP_BIT), id=10)).message

    def test_pointer_brings_all_that_follows(self) -> None:
        answer = self.qu(TYPE, PTR)
        self.assertEqual(pointers(answer, TYPE), {WEB})
        additional = {(one.name, one.type) for one in answer.additionals}
        self.assertLessEqual({(WEB, SRV), (WEB, TXT), (HOST, A), (HOST, AAAA)}, additional)

    def test_txt(self) -> None:
        (text,) = self.qu(WEB, TXT).answers_for(WEB, TXT)
        self.assertEqual(text.rdata, b"\x06path=/\x05ver=1")

    def test_subtype(self) -> None:
        name = labels("_printer._sub._http._tcp.local")
        self.assertEqual(pointers(self.qu(name, PTR), name), {WEB})

    def test_service_types(self) -> None:
        self.assertEqual(pointers(self.qu(SERVICE_TYPES, PTR), SERVICE_TYPES), {TYPE})

    def test_reverse_names(self) -> None:
        near = self.lan.hosts[0]
        reverse = labels(".".join(reversed(near.ipv4().split("."))) + ".in-addr.arpa")
        self.assertEqual(pointers(self.qu(reverse, PTR), reverse), {HOST})

    def test_all_addresses(self) -> None:
        """M-6.2-1, M-20-2: asked by IPv4, the IPv6 addresses of that interface, link-local and routable."""
        found = {one.address for one in self.qu(HOST, AAAA).answers_for(HOST, AAAA)}
        self.assertEqual(found, set(addresses(self.lan.hosts[0])[1:]))

    def test_the_other_family_is_additional(self) -> None:
        """M-6.2-3."""
        self.assertIn((HOST, AAAA), {(one.name, one.type) for one in self.qu(HOST, A).additionals})

    def test_denial(self) -> None:
        """M-6.1-1, M-6.1-9, M-6.1-11: HINFO is nothing we have."""
        (denial,) = self.qu(HOST, HINFO).answers_for(HOST, NSEC)
        self.assertEqual((denial.denied_except, denial.ttl), ({A, AAAA}, 120))

    def test_denial_for_a_service(self) -> None:
        (denial,) = self.qu(WEB, A).answers_for(WEB, NSEC)
        self.assertEqual(denial.denied_except, {TXT, SRV})

    def test_no_family_denied(self) -> None:
        """M-6.2-5: neither family's answer denies the other."""
        answers = [
            self.ask(query(Question(HOST, ANY, IN | TOP_BIT)), prober=one).message
            for one in (self.prober, self.prober6)
        ]
        denials = [one for answer in answers for one in answer.find(HOST, NSEC)]
        self.assertEqual({tuple(sorted(one.denied_except)) for one in denials} - {(A, AAAA)}, set())

    def test_several_questions(self) -> None:
        """M-6.3-1: those it can answer, whatever the others are."""
        self.settle()
        asked = query(Question(WEB, TXT), Question(labels("nobody.local"), A), Question(HOST, A))
        answer = self.ask(asked, has(WEB, TXT), multicast=True).message
        self.assertEqual(types(answer.answers), {TXT, A})

    def test_case_of_ascii_letters_does_not_matter(self) -> None:
        shouted = labels("MY WEB", "_HTTP._TCP.LOCAL")
        self.assertEqual(len(self.qu(shouted, SRV).find(WEB, SRV)), 1)

    def test_unknown_names_get_nothing(self) -> None:
        """M-6-4, M-6-6."""
        unknown = [Question(labels("nobody.local"), A), Question(labels("_ipp._tcp.local"), PTR)]
        self.assert_silent(query(*unknown))


class RepetitionTests(WireTestCase):
    """Each record at most once a second, and not to those who know it (RFC 6762 §6, §7)."""

    def test_once_a_second(self) -> None:
        """M-6-18."""
        self.settle()
        start = self.prober.sniffer.mark()
        for _ in range(6):
            self.prober.send(query(Question(WEB, SRV)))
            time.sleep(0.12)
        self.settle()
        sent = [one.at for one in self.responses(self.prober.sniffer.poll()[start:], has(WEB, SRV))]
        self.assertGreaterEqual(len(sent), 1)
        gaps = [later - earlier for earlier, later in pairwise(sent)]
        # The one before may have left late; six answers would be 0.12 s apart.
        self.assertGreaterEqual(min(gaps, default=1.0), 0.5)

    def test_answered_again_after_a_second(self) -> None:
        for _ in range(2):
            self.settle()
            self.ask(query(Question(WEB, SRV)), has(WEB, SRV), multicast=True)

    def test_known_answer(self) -> None:
        """M-7.1-2: half of the true TTL is enough; the case of letters does not matter."""
        self.settle()
        known = pointer_record(labels("_HTTP._tcp.local"), labels("my web", "_http._tcp.LOCAL"), 2250)
        self.assert_silent(query(Question(TYPE, PTR), known=[known]))

    def test_known_answer_too_old(self) -> None:
        """M-7.1-3."""
        self.settle()
        known = pointer_record(TYPE, WEB, 2249)
        self.ask(query(Question(TYPE, PTR), known=[known]), has(TYPE, PTR))

    def test_truncated_query_waits(self) -> None:
        """M-7.2-7: 400 to 500 ms after the last packet with TC from that host."""
        waited: list[list[float]] = []
        for _ in range(TIMES):
            self.settle()
            start = self.prober.sniffer.mark()
            self.prober.send(query(Question(TYPE, PTR), flags=TRUNCATED))
            time.sleep(0.3)
            self.prober.send(
                query(known=[pointer_record(TYPE, labels("Else", "_http._tcp.local"))], flags=TRUNCATED)
            )
            self.hears(start)
            first, last = [one.at for one in self.prober.sniffer.packets[start:] if one.outgoing]
            answers = self.responses(self.prober.sniffer.packets[start:], has(TYPE, PTR))
            waited.append([last - first, *(answer.at - last for answer in answers)])
            # Where we were late, or the responder was, it had answered before it heard the second packet.
            if len(answers) == 1 and 0.399 < waited[-1][1] < 0.75:
                return
        self.fail(f"not one answer 0.4 to 0.5 s after the last packet: {waited}")

    def test_known_answer_in_a_later_packet(self) -> None:
        """M-7.2-5."""
        for _ in range(TIMES):
            self.settle()
            start = self.prober.sniffer.mark()
            self.prober.send(query(Question(TYPE, PTR), flags=TRUNCATED))
            time.sleep(0.1)
            self.prober.send(query(known=[pointer_record(TYPE, WEB)]))
            heard = [one for one in self.prober.sniffer.gather(0.9, start) if self.own(one)]
            if not heard:  # else one of us was late, and the second packet was heard after the answer
                return
        self.fail("answered each time")

    def test_idle(self) -> None:
        """M-8.3-6: when nobody asks, nothing is sent."""
        self.settle()
        self.assertEqual([one for one in self.prober.sniffer.gather(3.0) if self.own(one)], [])


class HostileTests(WireTestCase):
    """No flood of questions or mutilated packets costs memory, or keeps others from their answer."""

    def resident(self) -> int:
        """Octets of memory that the responder has."""
        return int(Path(f"/proc/{self.responder.program.pid}/statm").read_text().split()[1]) * 4096

    def assert_unmoved(self, packets: Iterable[bytes]) -> None:
        """Send the packets, at about 10,000 a second; the responder still answers, and has not grown."""
        before = self.resident()
        began = time.monotonic()
        for number, packet in enumerate(packets):
            self.prober.send(packet)
            time.sleep(max(0.0, number / 10_000 - (time.monotonic() - began)))
        start = self.prober.sniffer.mark()

        def answered() -> bool:
            # What comes while the responder still reads the last of them finds its buffer full.
            self.prober.send(query(Question(HOST, A), id=11), port=0)
            heard = self.prober.sniffer.gather(0.5)
            return any(self.own(one) and one.message.id == 11 for one in heard)

        wait_until(answered, f"an answer after packet {start}")
        self.assertLess(self.resident() - before, 8 << 20)
        self.assertNotIn("Traceback", self.responder.log)
        self.assertTrue(self.responder.is_running)

    def test_flood_of_questions(self) -> None:
        """20,000 distinct names, some of them below ours, by multicast with known answers and TC."""
        self.assert_unmoved(
            query(
                Question(labels(f"x{number}", "_http._tcp.local"), ANY),
                known=[pointer_record(TYPE, labels(f"y{number}", "_http._tcp.local"))],
                flags=TRUNCATED if number % 2 else 0,
            ).encode()
            for number in range(20_000)
        )

    def test_mutilated_packets(self) -> None:
        """20,000 queries, probes and responses with a few octets changed."""
        chance = Random(6762)
        good = [
            query(Question(WEB, SRV), Question(TYPE, PTR), known=[pointer_record(TYPE, WEB)]).encode(),
            probe(WEB, text_record(WEB, b"other", flush=False)).encode(),
            response(address_record(labels("else.local"), "10.77.0.9"), pointer_record(TYPE, WEB)).encode(),
        ]

        def mutilated() -> bytes:
            packet = bytearray(chance.choice(good))
            for _ in range(chance.randint(1, 6)):
                packet[chance.randrange(len(packet))] = chance.randrange(256)
            return bytes(packet[: chance.randint(0, len(packet))] if chance.random() < 0.2 else packet)

        self.assert_unmoved(mutilated() for _ in range(20_000))


class ManyServicesTests(WireTestCase):
    """Sixty services of one type."""

    arguments = tuple(
        word
        for number in range(60)
        for word in ("--service", f"A rather long instance name {number}:_many._tcp:{9000 + number}:n=x")
    )
    awaited = labels("A rather long instance name 59", "_many._tcp.local")

    def test_announced_in_shared_packets(self) -> None:
        """M-8.1-3: few probes, not sixty times three."""
        probes = [
            one
            for one in self.prober.sniffer.poll()
            if self.own(one) and ":" not in one.source and one.message.authorities
        ]
        self.assertLess(len(probes), 40)

    def test_within_the_mtu(self) -> None:
        """M-17-1, M-17-4: no packet above 1500 octets, in either family."""
        many = labels("_many._tcp.local")
        for prober in (self.prober, self.prober6):
            self.settle()
            start = self.prober.sniffer.mark()
            prober.send(query(Question(many, PTR)))

            def found(start: int = start) -> set[tuple[bytes, ...]]:
                packets = [one for one in self.prober.sniffer.poll()[start:] if self.own(one)]
                return {target for one in packets for target in pointers(one.message, many)}

            wait_until(lambda found=found: len(found()) >= 60, "all services")  # type: ignore[misc]
            self.assertEqual(len(found()), 60)
        self.assertLessEqual(max(one.size for one in self.prober.sniffer.poll() if self.own(one)), 1500)
