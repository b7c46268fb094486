from __future__ import annotations

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message, Question, decode, encode
from mcast.dns.names import Name
from mcast.dns.records import NextSecure
from mcast.dnssd.hosts import Alias
from mcast.proxy import answering
from mcast.proxy.answering import Answerer
from mcast.proxy.link_access import LinkAccess
from mcast.unicast.administration import Administration
from mcast.unicast.clients import Clients
from mcast.unicast.edns import Edns
from mcast.unicast.zone import ZoneTable
from tests.proxy.proxy_lab import ADMINISTRATION, BUILDING, ProxyTestCase, lines

ZONE = "Building 1.example.com"
HOSTS = "bldg-1.example.com"
CLIENT = "10.9.9.9"


class AnsweringTestCase(ProxyTestCase):
    administration = ADMINISTRATION

    def setUp(self) -> None:
        super().setUp()
        self.answerer = Answerer(self.access, self.administration, Clients())
        self.replies: list[tuple[float, Message]] = []
        self.addCleanup(self.answerer.stop)

    def send(
        self, name: str, rtype: int, client: str = CLIENT, *, id: int = 7, stream: bool = False
    ) -> Message | None:
        """Return what is answered at once."""
        question = Question(Name.parse(name), rtype)
        message = encode(Message(id, questions=[question], pseudo=[Edns().record()]))
        answer = self.answerer.answer(message, client, self.reply, stream=stream)
        return decode(answer) if answer else None

    def reply(self, octets: bytes) -> None:
        self.replies.append((self.lan.now, decode(octets)))

    def ask_proxy(self, name: str, rtype: int, client: str = CLIENT) -> Message:
        """Return the answer, whenever it comes."""
        found = self.send(name, rtype, client)
        if found is None:
            before = len(self.replies)
            self.lan.advance(7)
            self.assertEqual(len(self.replies), before + 1)
            found = self.replies[-1][1]
        return found


class WaitingTests(AnsweringTestCase):
    """Nothing in the cache: the link is asked (RFC 8766 §5.6)."""

    def test_first_answer_is_passed_on_at_once(self) -> None:
        """P-5.6-2, P-5.6-5, P-5.1-1: within the time that a responder takes for a unique record."""
        self.register(self.device(), "My Web")
        self.lan.advance(5000)
        began = self.lan.now
        self.assertIsNone(self.send(f"My Web._http._tcp.{ZONE}", RecordType.SRV))
        self.lan.advance(0.25)
        ((at, message),) = self.replies
        self.assertEqual(
            lines(message.answers),
            [f"My Web._http._tcp.{ZONE}. 10 IN SRV 0 0 80 printer.{HOSTS}."],
        )
        self.assertLess(at - began, 0.15)
        self.assertTrue(message.authoritative)

    def test_shared_answer(self) -> None:
        self.register(self.device(), "My Web")
        self.lan.advance(5000)
        message = self.ask_proxy(f"_http._tcp.{ZONE}", RecordType.PTR)
        self.assertEqual(lines(message.answers), [f"_http._tcp.{ZONE}. 10 IN PTR My Web._http._tcp.{ZONE}."])

    def test_what_the_node_itself_publishes(self) -> None:
        """A program that publishes and has a proxy on the same node is found by it."""
        self.register(self.proxy_node, "Mine")
        message = self.ask_proxy(f"_http._tcp.{ZONE}", RecordType.PTR)
        self.assertEqual(lines(message.answers), [f"_http._tcp.{ZONE}. 10 IN PTR Mine._http._tcp.{ZONE}."])

    def test_what_is_asked_next_goes_along(self) -> None:
        """RFC 6763 §12, in the zones where each belongs."""
        self.register(self.device(), "My Web")
        message = self.ask_proxy(f"_http._tcp.{ZONE}", RecordType.PTR)
        shown = [line.rpartition(" ")[0] for line in lines(message.additionals)]
        self.assertEqual(
            shown,
            [
                f"My Web._http._tcp.{ZONE}. 10 IN SRV 0 0 80",
                f"My Web._http._tcp.{ZONE}. 10 IN TXT",
                f"printer.{HOSTS}. 10 IN A",
            ],
        )

    def test_denied(self) -> None:
        """P-5.6-3"""
        self.device()
        self.lan.advance(5000)
        began = self.lan.now
        self.assertIsNone(self.send(f"printer.{HOSTS}", RecordType.TXT))
        self.lan.advance(1)
        ((at, message),) = self.replies
        self.assertEqual((message.rcode, lines(message.answers)), (0, []))
        self.assertLess(at - began, 0.15)

    def test_nobody_answers(self) -> None:
        """P-5.6-1, P-5.6-4, P-5.6-11: three questions, then "no error no answer", and no more questions."""
        began = self.lan.now
        self.assertIsNone(self.send(f"nobody.{HOSTS}", RecordType.A))
        self.lan.advance(5.99)
        self.assertEqual(self.replies, [])
        self.lan.advance(0.02)
        ((_, message),) = self.replies
        self.assertEqual((message.rcode, len(message.answers)), (0, 0))
        self.assertEqual(lines(message.authorities)[0].split(" IN ")[0], f"{HOSTS}. 10")
        self.lan.advance(600)
        questions = self.questions_since(began)
        self.assertEqual(questions, [Question(Name.parse("nobody.local"), RecordType.A)] * 3)

    def test_several_clients_cause_one_question(self) -> None:
        """P-5.1-3"""
        began = self.lan.now
        for number in range(20):
            self.assertIsNone(self.send(f"nobody.{HOSTS}", RecordType.A, f"10.9.9.{number}", id=number))
        self.assertIsNone(self.send(f"nobody.{HOSTS}", RecordType.A, "10.9.9.0", id=0))
        self.lan.advance(7)
        self.assertEqual(sorted(message.id for _, message in self.replies), list(range(20)))
        self.assertEqual(len(self.questions_since(began)), 3)

    def test_both_zones_of_a_link_cause_one_question(self) -> None:
        began = self.lan.now
        self.send(f"nobody.{HOSTS}", RecordType.A, id=1)
        self.send(f"nobody.{ZONE}", RecordType.A, id=2)
        self.lan.advance(7)
        names = [str(message.questions[0].name) for _, message in self.replies]
        self.assertEqual(names, [f"nobody.{HOSTS}.", f"nobody.{ZONE}."])
        self.assertEqual(len(self.questions_since(began)), 3)

    def test_reverse_mapping(self) -> None:
        """P-5.4-1"""
        self.device()
        address = self.lan.host("printer").interface().addresses[0].address
        message = self.ask_proxy(address.reverse_pointer, RecordType.PTR)
        (line,) = lines(message.answers)
        self.assertTrue(line.endswith(f"IN PTR printer.{HOSTS}."), line)

    def test_reverse_zones_follow_the_interface(self) -> None:
        zone = BUILDING.__class__(BUILDING.name, "eth0")
        access = LinkAccess(self.proxy_node, ZoneTable([zone]))
        self.answerer = Answerer(access, ADMINISTRATION, Clients())
        self.addCleanup(self.answerer.stop)
        self.assertIsNone(self.send("1.1.0.10.in-addr.arpa", RecordType.PTR))
        refused = self.send("1.2.0.10.in-addr.arpa", RecordType.PTR)
        assert refused is not None
        self.assertEqual(refused.rcode, 5)
        self.lan.host("proxy").interface().set_addresses("10.0.2.1/24")
        self.lan.advance(5)
        self.assertIsNone(self.send("1.2.0.10.in-addr.arpa", RecordType.PTR))


class CacheTests(AnsweringTestCase):
    """Something in the cache: the answer comes at once, and nothing is asked."""

    def setUp(self) -> None:
        super().setUp()
        self.registration = self.register(self.device(), "My Web")
        self.ask_proxy(f"_http._tcp.{ZONE}", RecordType.PTR)

    def test_no_question(self) -> None:
        """P-5.6-6, P-5.6-7, P-5.5.1-1"""
        began = self.lan.now
        for _ in range(10):
            message = self.send(f"_http._tcp.{ZONE}", RecordType.PTR)
            assert message is not None
            self.assertEqual([record.ttl for record in message.answers], [10])
            self.lan.advance(1)
        self.assertEqual(self.questions_since(began), [])

    def test_near_its_end(self) -> None:
        """P-5.5.1-1: what is left, when that is less than ten seconds."""
        self.lan.host("printer").unplug()
        self.lan.advance(116)
        message = self.send(f"My Web._http._tcp.{ZONE}", RecordType.SRV)
        assert message is not None
        self.assertLess(message.answers[0].ttl, 10)

    def test_gone(self) -> None:
        self.registration.withdraw()
        self.lan.advance(3)
        self.assertIsNone(self.send(f"_http._tcp.{ZONE}", RecordType.PTR))

    def test_denied(self) -> None:
        self.ask_proxy(f"printer.{HOSTS}", RecordType.TXT)
        began = self.lan.now
        message = self.send(f"printer.{HOSTS}", RecordType.TXT)
        assert message is not None
        self.assertEqual((message.rcode, message.answers), (0, ()))
        self.assertEqual(self.questions_since(began), [])

    def test_alias(self) -> None:
        """What is known behind an alias goes along."""
        self.lan.result(self.node("other").publish(Alias("www")).when_claimed())
        self.ask_proxy(f"other.{HOSTS}", RecordType.A)
        message = self.ask_proxy(f"www.{ZONE}", RecordType.A)
        shown = [line.split(" IN ")[1].split()[0] for line in lines(message.answers)]
        self.assertEqual(shown, ["CNAME", "A"])
        self.assertEqual(message.answers[1].name, Name.parse(f"other.{HOSTS}"))


class DenialTests(AnsweringTestCase):
    """P-5.5.3-1: which types just this name has."""

    def types(self, rtype: int) -> tuple[str, object]:
        self.device()
        message = self.ask_proxy(f"printer.{HOSTS}", rtype)
        (record,) = message.answers
        return str(record.name), record.data

    def test_nsec(self) -> None:
        """P-5.5.3-2: with the NSEC bit."""
        owner, data = self.types(RecordType.NSEC)
        assert isinstance(data, NextSecure)
        self.assertEqual(owner, f"printer.{HOSTS}.")
        self.assertEqual(str(data.next_name), f"\\000.printer.{HOSTS}.")
        self.assertIn(RecordType.NSEC, data.types)
        self.assertTrue({RecordType.A, RecordType.AAAA} & data.types)

    def test_nsec3(self) -> None:
        owner, data = self.types(50)
        self.assertRegex(owner, rf"^[0-9a-v]{{32}}\.{HOSTS}\.$")
        self.assertIsInstance(data, bytes)

    def test_nothing_known(self) -> None:
        self.assertEqual(len(self.ask_proxy(f"nobody.{HOSTS}", RecordType.NSEC).answers), 0)

    def test_asks_for_all_types(self) -> None:
        began = self.lan.now
        self.ask_proxy(f"nobody.{HOSTS}", RecordType.NSEC)
        self.assertEqual({question.type for question in self.questions_since(began)}, {RecordType.ANY})


class RefusalTests(AnsweringTestCase):
    """Other zones and other clients."""

    def rcode(self, name: str, client: str = CLIENT) -> int:
        found = self.send(name, RecordType.A, client)
        assert found is not None
        self.assertFalse(found.authoritative)
        return found.rcode

    def test_other_zones(self) -> None:
        self.assertEqual(self.rcode("www.example.com"), 5)
        self.assertEqual(self.rcode("printer.local"), 5)

    def test_other_clients(self) -> None:
        """P-9.2-1"""
        self.assertEqual(self.rcode(f"a.{HOSTS}", "8.8.8.8"), 5)

    def test_nothing_is_asked_for_them(self) -> None:
        began = self.lan.now
        self.rcode(f"a.{HOSTS}", "8.8.8.8")
        self.lan.advance(10)
        self.assertEqual(self.questions_since(began), [])


class SuppressionTests(AnsweringTestCase):
    """Records that are of no use are left out (RFC 8766 §5.5.2)."""

    def test_link_local_address(self) -> None:
        """P-5.5.2-2"""
        self.device()
        message = self.ask_proxy(f"printer.{HOSTS}", RecordType.AAAA)
        self.assertEqual((message.rcode, lines(message.answers)), (0, []))
        self.assertEqual(self.answerer.counters["records suppressed"], 1)

    def test_nothing_is_suppressed_when_told_so(self) -> None:
        """P-5.5.2-1"""
        self.answerer = Answerer(self.access, ADMINISTRATION, Clients(suppresses=False))
        self.addCleanup(self.answerer.stop)
        self.device()
        self.assertEqual(len(self.ask_proxy(f"printer.{HOSTS}", RecordType.AAAA).answers), 1)


class DownTests(AnsweringTestCase):
    """A link that does not work is answered for at once."""

    administration = Administration(ADMINISTRATION.name_servers[:1], ADMINISTRATION.contact)

    def test_down_and_up_again(self) -> None:
        self.lan.host("proxy").unplug()
        self.lan.advance(1)
        message = self.send(f"printer.{HOSTS}", RecordType.A)
        assert message is not None
        self.assertEqual((message.rcode, len(message.answers), len(message.authorities)), (0, 0, 1))
        self.lan.host("proxy").plug()
        self.lan.advance(3)
        self.device()
        self.assertEqual(len(self.ask_proxy(f"printer.{HOSTS}", RecordType.A).answers), 1)

    def test_goes_down_meanwhile(self) -> None:
        self.assertIsNone(self.send(f"nobody.{HOSTS}", RecordType.A))
        self.lan.advance(1)
        self.lan.host("proxy").unplug()
        self.lan.advance(0.1)
        self.assertEqual([message.rcode for _, message in self.replies], [0])

    def test_administrative_answers(self) -> None:
        self.lan.host("proxy").unplug()
        self.lan.advance(1)
        message = self.send(ZONE, RecordType.SOA)
        assert message is not None
        self.assertEqual(len(message.answers), 1)

    def test_fellows_are_asked(self) -> None:
        """Where another proxy serves the link, the resolver is to ask that one."""
        self.answerer = Answerer(self.access, ADMINISTRATION, Clients())
        self.lan.host("proxy").unplug()
        self.lan.advance(1)
        message = self.send(f"printer.{HOSTS}", RecordType.A)
        assert message is not None
        self.assertEqual(message.rcode, 2)

    def test_node_stops(self) -> None:
        self.send(f"nobody.{HOSTS}", RecordType.A)
        self.proxy_node.stopService()
        self.assertEqual(len(self.replies), 1)


class FloodTests(AnsweringTestCase):
    """P-9.3-1, P-9.3-2: a flood of different questions does not become one on the link."""

    def test_thousand_names_a_second(self) -> None:
        began = self.lan.now
        for second in range(10):
            for number in range(100):
                self.send(f"x{second}-{number}.{HOSTS}", RecordType.A, f"10.9.{second}.{number}")
                self.lan.advance(0.01)
        self.lan.advance(10)
        packets = self.lan.packets.since(began).queries.sent_by("proxy")
        for second in range(20):
            sent = [at for at in packets.times if began + second <= at < began + second + 1]
            self.assertLessEqual(len(sent), 20, second)
        self.assertEqual(len(self.replies) + self.answerer.counters["queries beyond the limit"], 1000)

    def test_share_of_a_client(self) -> None:
        """Others get their answers while one asks for more than the link can be asked."""
        self.register(self.device(), "My Web")
        self.lan.advance(5000)
        for number in range(600):
            self.send(f"x{number}.{HOSTS}", RecordType.A, id=number)
        self.assertGreater(self.answerer.counters["queries beyond the limit"], 0)
        self.replies.clear()
        began = self.lan.now
        self.send(f"My Web._http._tcp.{ZONE}", RecordType.SRV, "10.8.8.8", id=9999)
        self.lan.advance(1)
        (at,) = [at for at, message in self.replies if message.id == 9999]
        self.assertLess(at - began, 0.6)

    def test_idle_proxy_is_silent(self) -> None:
        """P-1-1"""
        began = self.lan.now
        self.lan.advance(3600)
        self.assertEqual(self.questions_since(began), [])


class PreparedTests(AnsweringTestCase):
    """Responses that are kept ready for the same query."""

    def test_made_once(self) -> None:
        self.device()
        self.ask_proxy(f"printer.{HOSTS}", RecordType.A)
        self.send(f"printer.{HOSTS}", RecordType.A)
        (ready,) = [table for table in self.answerer.ready.values() if table]
        ((octets, prepared),) = ready.items()
        self.assertEqual(prepared.valid_until, self.lan.now + 1)
        self.assertEqual(decode(b"\0\0" + prepared.octets).questions, decode(b"\0\0" + octets).questions)

    def test_renewed_while_nothing_changes(self) -> None:
        """A response is made again when something was heard or lost on the link, or its TTLs end."""
        self.device()
        self.ask_proxy(f"printer.{HOSTS}", RecordType.A)
        self.send(f"printer.{HOSTS}", RecordType.A)
        ((realm, key, prepared),) = [
            (realm, *entry) for realm, table in self.answerer.ready.items() for entry in table.items()
        ]
        self.lan.advance(2)
        again = self.answerer.renewed(realm, key, prepared, self.lan.now)
        assert again is not None
        self.assertEqual((again.octets, again.valid_until), (prepared.octets, self.lan.now + 1))
        self.assertIsNone(self.answerer.renewed(realm, key, prepared, self.lan.now + 120))
        self.register(self.node("other"), "Other")
        self.assertIsNone(self.answerer.renewed(realm, key, prepared, self.lan.now))

    def test_table_is_bounded(self) -> None:
        self.patch(answering, "MAX_PREPARED", 3)
        for number in range(10):
            self.send(f"_dns-llq._udp.x{number}.{ZONE}", RecordType.SOA)
        self.assertLessEqual(sum(map(len, self.answerer.ready.values())), 3)
        self.assertGreater(self.answerer.counters["prepared answers displaced"], 0)
