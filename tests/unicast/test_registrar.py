"""Claims in a zone: nothing of others is touched, and nothing of ours is left."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns import records
from mcast.dns.codes import RecordType
from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.unicast.claims import (
    FIRST_RETRY,
    LAST_RETRY,
    MAX_CONFLICTS,
    REFRESH_INTERVAL,
    Wanted,
)
from mcast.unicast.ownership import LIST_LABEL, Owner
from mcast.unicast.registrar import (
    MAX_LEFTOVERS,
    SWEEP_DELAY,
    Left,
    Registered,
    Registrar,
    Swept,
    Taken,
    Trouble,
    Unregistered,
)
from mcast.unicast.updates import Update, UpdateCode, name_is_free
from tests.unicast.zone_server import ZoneServer, run

DOMAIN = Name.parse("example.com")
HTTP = Name.parse("_http._tcp.example.com")
COLOR = Name.parse("_color._sub._http._tcp.example.com")
TYPES = Name.parse("_services._dns-sd._udp.example.com")
HOST = Name.parse("kitchen.example.com")
ME, OTHER = Owner.of("me"), Owner.of("another")


def web(label: str = "My Web", port: int = 80, *, subtypes: tuple[Name, ...] = ()) -> Wanted:
    name = HTTP.prefixed(label)
    located = records.service(name, 0, 0, port, HOST, ttl=120)
    return Wanted(name, (located, records.text(name, [b"a=1"], ttl=120)), HTTP, subtypes)


def host(*addresses: str) -> Wanted:
    return Wanted(HOST, tuple(records.address(HOST, ip_address(one), ttl=120) for one in addresses))


class RegistrarTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.server = ZoneServer()
        self.registrar = Registrar(DOMAIN, ME, 0.0)

    def left(self) -> set[str]:
        """Return the names in use besides our lists."""
        return {name for name in self.server.names() if LIST_LABEL.decode() not in name}


class ClaimingTests(RegistrarTestCase):
    """U-4.1-1: each update says by its prerequisites what it takes for granted."""

    def test_a_free_name(self) -> None:
        self.registrar.add("web", web(subtypes=(COLOR,)), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Registered("web")])
        self.assertEqual(self.left(), {str(each) for each in (web().name, HTTP, COLOR, TYPES)})
        self.assertEqual(self.server.find(TYPES)[0].data, HTTP)
        self.assertEqual(self.server.find(web().name, RecordType.DHCID), [ME.marker(web().name)])

    def test_first_the_zone_is_asked_for(self) -> None:
        registrar = Registrar(Name.parse("lab.example.com"), ME, 0.0)
        registrar.add("web", web(), 0.0)
        run(registrar, self.server, 0.0)
        question, update = self.server.log[:2]
        assert isinstance(question, Question)
        assert isinstance(update, Update)
        self.assertEqual((question.type, str(question.name)), (RecordType.SOA, "lab.example.com."))
        self.assertEqual(update.zone, DOMAIN)
        self.assertEqual(update.prerequisites, (name_is_free(web().name),))

    def test_of_another_host(self) -> None:
        """Nothing of it is touched."""
        other = Registrar(DOMAIN, OTHER, 0.0)
        other.add("web", web(port=8080), 0.0)
        run(other, self.server, 0.0)
        before = list(self.server.records)
        self.registrar.add("web", web(), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Taken("web", web().name)])
        self.assertEqual(self.server.records, before)
        self.registrar.change("web", web("My Web (2)"), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Registered("web")])
        self.assertEqual(len(self.server.find(HTTP)), 2)

    def test_written_by_hand(self) -> None:
        """What has no marker is another's."""
        self.server.records += web().records
        self.registrar.add("web", web(), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Taken("web", web().name)])

    def test_a_host_that_dhcp_has_written(self) -> None:
        """It stands for this host; it is used as it is, and stays."""
        self.server.records += host("192.0.2.7").records
        self.registrar.add("host", host("192.0.2.7", "2001:db8::7"), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Registered("host")])
        self.registrar.withdraw("host", 1.0)
        run(self.registrar, self.server, 1.0)
        self.assertEqual(self.left(), {str(HOST)})

    def test_a_host_that_another_program_has_written(self) -> None:
        """When that stops, our services are without an address for two minutes at most."""
        self.server.records += host("192.0.2.7").records
        self.registrar.add("host", host("192.0.2.7"), 0.0)
        run(self.registrar, self.server, 0.0)
        self.server.records.clear()
        run(self.registrar, self.server, 120.0)
        self.assertEqual(self.left(), {str(HOST)})

    def test_the_name_of_another_host(self) -> None:
        self.server.records += host("192.0.2.99").records
        self.registrar.add("host", host("192.0.2.7"), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Taken("host", HOST)])


class ChangeTests(RegistrarTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.registrar.add("web", web(subtypes=(COLOR,)), 0.0)
        run(self.registrar, self.server, 0.0)

    def test_another_port(self) -> None:
        self.registrar.change("web", web(port=81), 1.0)
        self.assertEqual(run(self.registrar, self.server, 1.0), [Registered("web")])
        (located,) = self.server.find(web().name, RecordType.SRV)
        self.assertEqual(located, web(port=81).records[0])
        self.assertEqual(self.server.find(COLOR), [])

    def test_while_the_first_is_on_its_way(self) -> None:
        self.registrar.change("web", web(port=81), 1.0)
        request = self.registrar.due(1.0)
        assert request is not None
        self.registrar.change("web", web(port=82), 1.1)
        self.registrar.answered(self.server.answer(request), 1.2)
        self.assertEqual(run(self.registrar, self.server, 1.2), [Registered("web")])
        self.assertEqual(self.server.find(web().name, RecordType.SRV), [web(port=82).records[0]])

    def test_another_name_while_the_first_is_on_its_way(self) -> None:
        registrar = Registrar(DOMAIN, ME, 0.0)
        registrar.place = self.registrar.place
        registrar.add("b", web("B"), 0.0)
        request = registrar.due(0.0)
        assert request is not None
        registrar.change("b", web("C"), 0.1)
        registrar.answered(self.server.answer(request), 0.2)
        run(registrar, self.server, 0.3)
        self.assertNotIn(str(web("B").name), self.server.names())
        self.assertIn(str(web("C").name), self.server.names())

    def test_addresses(self) -> None:
        self.registrar.add("host", host("192.0.2.7"), 1.0)
        run(self.registrar, self.server, 1.0)
        self.registrar.change("host", host("192.0.2.8", "2001:db8::8"), 2.0)
        run(self.registrar, self.server, 2.0)
        self.assertEqual(
            {str(one.data) for one in self.server.find(HOST) if one.type != RecordType.DHCID},
            {"192.0.2.8", "2001:db8::8"},
        )


class RefreshTests(RegistrarTestCase):
    """A name is looked after at an interval, and nothing is written while all is as it was."""

    def setUp(self) -> None:
        super().setUp()
        self.registrar.add("web", web(), 0.0)
        run(self.registrar, self.server, 0.0)
        run(self.registrar, self.server, SWEEP_DELAY)
        self.server.log.clear()

    def test_interval(self) -> None:
        self.assertEqual(self.registrar.next_timer(), REFRESH_INTERVAL)
        run(self.registrar, self.server, REFRESH_INTERVAL)
        self.assertEqual(len(self.server.log), 1)
        self.assertEqual(self.registrar.next_timer(), 2 * REFRESH_INTERVAL)

    def test_an_emptied_zone(self) -> None:
        self.server.records.clear()
        run(self.registrar, self.server, REFRESH_INTERVAL)
        self.assertIn(str(web().name), self.left())

    def test_changed_by_hand(self) -> None:
        self.server.records = [one for one in self.server.records if one.type != RecordType.SRV]
        run(self.registrar, self.server, REFRESH_INTERVAL)
        self.assertEqual(self.server.find(web().name, RecordType.SRV), [web().records[0]])

    def test_taken_meanwhile(self) -> None:
        self.server.records = [*web(port=9).records, OTHER.marker(web().name)]
        events = run(self.registrar, self.server, REFRESH_INTERVAL)
        self.assertEqual(events, [Taken("web", web().name)])


class WithdrawalTests(RegistrarTestCase):
    def test_nothing_is_left(self) -> None:
        self.registrar.add("host", host("192.0.2.7"), 0.0)
        self.registrar.add("web", web(subtypes=(COLOR,)), 0.0)
        run(self.registrar, self.server, 0.0)
        self.registrar.stop(1.0)
        self.assertFalse(self.registrar.is_idle)
        events = run(self.registrar, self.server, 1.0)
        self.assertEqual(set(events), {Unregistered("host"), Unregistered("web")})
        self.assertTrue(self.registrar.is_idle)
        self.assertEqual(self.server.records, [])

    def test_many_of_one_type(self) -> None:
        """One request each, and one more for the list of types: a stop has little time."""
        for number in range(10):
            self.registrar.add(number, web(str(number)), 0.0)
        run(self.registrar, self.server, SWEEP_DELAY)
        before = len(self.server.log)
        self.registrar.stop(SWEEP_DELAY + 1.0)
        run(self.registrar, self.server, SWEEP_DELAY + 1.0)
        self.assertEqual(self.server.records, [])
        self.assertEqual(len(self.server.log) - before, 11)

    def test_a_type_that_others_have_stays(self) -> None:
        other = Registrar(DOMAIN, OTHER, 0.0)
        other.add("b", web("B"), 0.0)
        run(other, self.server, 0.0)
        self.registrar.add("web", web(), 0.0)
        run(self.registrar, self.server, 0.0)
        self.registrar.withdraw("web", 1.0)
        run(self.registrar, self.server, 1.0)
        self.assertEqual(len(self.server.find(TYPES)), 1)
        self.assertEqual([one.data for one in self.server.find(HTTP)], [web("B").name])

    def test_what_another_has_by_now(self) -> None:
        """Not even the pointer to it, which is the same as ours was."""
        self.registrar.add("web", web(), 0.0)
        run(self.registrar, self.server, 0.0)
        kept = [one for one in self.server.records if one.name == HTTP]
        self.server.records = [*kept, *web(port=9).records, OTHER.marker(web().name)]
        self.registrar.withdraw("web", 1.0)
        self.assertEqual(run(self.registrar, self.server, 1.0), [Unregistered("web")])
        self.assertEqual(len(self.server.find(HTTP)), 1)
        self.assertEqual(len(self.server.find(web().name)), 3)

    def test_while_it_is_on_its_way(self) -> None:
        self.registrar.add("web", web(), 0.0)
        self.registrar.answered(self.server.answer(self.registrar.due(0.0) or self.fail()), 0.0)
        request = self.registrar.due(0.0)
        assert request is not None
        self.registrar.withdraw("web", 0.1)
        self.registrar.answered(self.server.answer(request), 0.2)
        self.assertEqual(run(self.registrar, self.server, 0.2), [Unregistered("web")])
        self.assertEqual(self.server.records, [])

    def test_never_sent(self) -> None:
        self.registrar.add("web", web(), 0.0)
        self.registrar.withdraw("web", 0.0)
        self.assertEqual(self.registrar.take_events(), [Unregistered("web")])

    def test_wanted_again_before_it_is_gone(self) -> None:
        self.registrar.add("web", web(subtypes=(COLOR,)), 0.0)
        run(self.registrar, self.server, 0.0)
        self.registrar.withdraw("web", 1.0)
        self.registrar.add("new", web(port=81), 1.0)
        events = run(self.registrar, self.server, 1.0)
        self.assertEqual(events, [Unregistered("web"), Registered("new")])
        self.assertEqual(self.server.find(COLOR), [])


class CrashTests(RegistrarTestCase):
    """What a crash left is known as ours, and replaced or removed at the next start."""

    def setUp(self) -> None:
        super().setUp()
        self.registrar.add("host", host("192.0.2.7"), 0.0)
        self.registrar.add("web", web(subtypes=(COLOR,)), 0.0)
        self.registrar.add("old", web("Old", subtypes=(COLOR,)), 0.0)
        run(self.registrar, self.server, 0.0)
        self.registrar = Registrar(DOMAIN, ME, 0.0)

    def test_replaced(self) -> None:
        self.registrar.add("web", web(port=81), 0.0)
        self.assertEqual(run(self.registrar, self.server, 0.0), [Registered("web")])
        self.assertEqual(self.server.find(web().name, RecordType.SRV), [web(port=81).records[0]])
        self.assertEqual([one.data for one in self.server.find(COLOR)], [web("Old").name])

    def test_removed(self) -> None:
        self.registrar.add("web", web(), 0.0)
        run(self.registrar, self.server, 0.0)
        events = run(self.registrar, self.server, SWEEP_DELAY)
        self.assertEqual(set(events[1:]), {Swept(web("Old").name), Swept(HOST)})
        self.assertEqual(self.left(), {str(web().name), str(HTTP), str(TYPES)})

    def test_told_first(self) -> None:
        """All at once: a thousand names are no thousand lines."""
        events = run(self.registrar, self.server, SWEEP_DELAY)
        self.assertEqual(events[0], Left((web("Old").name, web().name, HOST)))

    def test_a_question_that_fails(self) -> None:
        """It is asked again: an answer without records would leave the pointers of subtypes for ever."""
        answer = self.server.answer
        for _ in range(2):
            self.registrar.answered(answer(self.registrar.due(SWEEP_DELAY) or self.fail()), SWEEP_DELAY)
        self.assertIsInstance(self.registrar.due(SWEEP_DELAY), Question)
        self.server.refusing = UpdateCode.SERVFAIL
        self.registrar.answered(answer(Question(HOST, RecordType.PTR)), SWEEP_DELAY)
        self.server.refusing = None
        run(self.registrar, self.server, SWEEP_DELAY + FIRST_RETRY)
        self.assertEqual(self.server.records, [])

    def test_removed_at_a_stop(self) -> None:
        self.registrar.stop(1.0)
        run(self.registrar, self.server, 1.0)
        self.assertEqual(self.server.records, [])

    def test_another_owner_sees_no_list(self) -> None:
        registrar = Registrar(DOMAIN, OTHER, 0.0)
        before = len(self.server.records)
        run(registrar, self.server, SWEEP_DELAY)
        self.assertEqual(len(self.server.records), before)

    def test_a_list_without_end(self) -> None:
        listed = [ME.listed(HTTP.prefixed(str(n)), DOMAIN) for n in range(MAX_LEFTOVERS + 5)]
        self.server.records = listed
        for _ in range(2):
            request = self.registrar.due(SWEEP_DELAY)
            assert request is not None
            self.registrar.answered(self.server.answer(request), SWEEP_DELAY)
        self.assertEqual(len(self.registrar._removals), MAX_LEFTOVERS)


class FailureTests(RegistrarTestCase):
    """A server that fails is asked again, at growing intervals."""

    def test_intervals(self) -> None:
        self.registrar.add("web", web(), 0.0)
        now, delays = 0.0, []
        for _ in range(10):
            self.assertIsNotNone(self.registrar.due(now))
            self.registrar.failed("it is down", now)
            (event,) = self.registrar.take_events()
            assert isinstance(event, Trouble)
            delays.append(event.retry_delay)
            now += event.retry_delay
        self.assertEqual(delays[:3], [FIRST_RETRY, 2 * FIRST_RETRY, 4 * FIRST_RETRY])
        self.assertEqual(delays[-1], LAST_RETRY)
        run(self.registrar, self.server, now)
        self.assertIn(str(web().name), self.left())

    def test_refused(self) -> None:
        self.registrar.add("web", web(), 0.0)
        self.registrar.answered(self.server.answer(self.registrar.due(0.0) or self.fail()), 0.0)
        self.server.refusing = UpdateCode.REFUSED
        (trouble,) = run(self.registrar, self.server, 0.0)
        assert isinstance(trouble, Trouble)
        self.assertIn("REFUSED", trouble.reason)
        self.server.refusing = None
        self.assertEqual(run(self.registrar, self.server, FIRST_RETRY), [Registered("web")])

    def test_no_such_zone(self) -> None:
        registrar = Registrar(Name.parse("example.org"), ME, 0.0)
        registrar.add("web", web(), 0.0)
        (trouble,) = run(registrar, self.server, 0.0)
        assert isinstance(trouble, Trouble)
        self.assertEqual(trouble.reason, "it has no zone of example.org.")

    def test_many_refused_names_keep_no_other(self) -> None:
        """BIND fails at the hundred and first service of a type, and goes on with the others."""
        self.registrar.add("good", web("Good"), 0.0)
        run(self.registrar, self.server, SWEEP_DELAY)
        self.server.refusing, now = UpdateCode.SERVFAIL, SWEEP_DELAY
        for number in range(50):
            self.registrar.add(number, web(str(number)), now)
        for _ in range(50):
            now = self.registrar.next_timer() or 0.0
            run(self.registrar, self.server, now)
        self.assertFalse(self.registrar.is_well)
        self.server.refusing = None
        self.registrar.change("good", web("Good", 81), now)
        self.assertEqual(run(self.registrar, self.server, now + FIRST_RETRY)[0], Registered("good"))

    def test_the_host_while_the_server_fails(self) -> None:
        """No answer about a host is not the answer that it is another's."""
        self.server.records = list(host("192.0.2.7").records)
        self.registrar.add("host", host("192.0.2.7"), 0.0)
        while not (isinstance(request := self.registrar.due(0.0), Question) and request.name == HOST):
            self.registrar.answered(self.server.answer(request or self.fail()), 0.0)
        self.server.refusing = UpdateCode.SERVFAIL
        self.registrar.answered(self.server.answer(request), 0.0)
        self.assertNotIn(Taken("host", HOST), self.registrar.take_events())
        self.server.refusing = None
        self.assertEqual(run(self.registrar, self.server, FIRST_RETRY), [Registered("host")])

    def test_every_name_is_taken(self) -> None:
        """By a server without sense; the next name is then tried more and more slowly."""
        self.registrar.add("web", web("0"), 0.0)
        for number in range(1, MAX_CONFLICTS + 3):
            self.server.records += [OTHER.marker(web(str(number - 1)).name)]
            now = self.registrar.next_timer() or 0.0
            self.assertIn(Taken("web", web(str(number - 1)).name), run(self.registrar, self.server, now))
            self.registrar.change("web", web(str(number)), now)
        at = 3 * FIRST_RETRY
        self.assertEqual(run(self.registrar, self.server, at - 0.1), [])
        self.assertEqual(run(self.registrar, self.server, at), [Registered("web")])

    def test_one_refused_name_keeps_no_other(self) -> None:
        self.registrar.add("a", web("A"), 0.0)
        self.registrar.add("b", web("B"), 0.0)
        self.registrar.answered(self.server.answer(self.registrar.due(0.0) or self.fail()), 0.0)
        self.server.refusing = UpdateCode.REFUSED
        run(self.registrar, self.server, 0.0)
        self.server.refusing = None
        request = self.registrar.due(FIRST_RETRY)
        assert isinstance(request, Update)
        self.assertEqual(request.prerequisites, (name_is_free(web("B").name),))


class OwnerTests(SynchronousTestCase):
    def test_a_marker_tells_nothing(self) -> None:
        """RFC 4701 §3.5: a digest over the identity and the name; two names have nothing in common."""
        one, two = ME.marker(HOST).rdata, ME.marker(HTTP).rdata
        self.assertEqual((one[:3], len(one)), (b"\0\2\1", 35))
        self.assertNotEqual(one[3:], two[3:])

    def test_case_does_not_matter(self) -> None:
        self.assertEqual(ME.marker(HOST).rdata, ME.marker(Name.parse("KITCHEN.Example.com")).rdata)

    def test_others(self) -> None:
        self.assertNotEqual(Owner.of("a", "bc"), Owner.of("ab", "c"))
