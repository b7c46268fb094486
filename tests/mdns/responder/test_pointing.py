"""What points to a name of ours is in use when that name is claimed, and not before (RFC 6762 §8.1, §9)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import address, alias, service
from mcast.mdns.constants import HOST_TTL
from mcast.mdns.events import GroupClaimed, GroupLost, GroupReprobing
from mcast.mdns.responder.record_group import RecordGroup
from tests.mdns.lab import (
    HOST,
    HOST_GROUP,
    HTTP,
    PTR,
    SRV,
    WEB,
    WEB_GROUP,
    WEB_PTR,
    WEB_SRV,
    A,
    Lab,
    answers,
    flushed,
    identities,
    settled,
)

RIVAL_A = address(HOST, "192.168.1.77", HOST_TTL)
OTHER_HOST = Name.parse("kitchen-2.local")
OTHER_A = address(OTHER_HOST, "192.168.1.2", HOST_TTL)
OTHER_GROUP = RecordGroup(unique=(OTHER_A,))
MOVED = RecordGroup(
    unique=(service(WEB, 0, 0, 8080, OTHER_HOST, HOST_TTL), *WEB_GROUP.unique[1:]), shared=WEB_GROUP.shared
)


class WaitingTests(SynchronousTestCase):
    """A service and its host, registered together."""

    def setUp(self) -> None:
        self.lab = Lab(point=0.0)
        self.host, self.web = self.lab.register(HOST_GROUP, WEB_GROUP)
        self.lab.run(0.1)

    def test_host_wins(self) -> None:
        """Both are announced together."""
        self.lab.run(0.8)
        self.assertEqual(self.lab.events, [GroupClaimed(self.host), GroupClaimed(self.web)])

    def test_host_waits(self) -> None:
        """M-8.2-5: while the host waits for the winner of a tie-break, its service is at no address."""
        self.lab.probe(HOST, RIVAL_A)
        self.lab.run(1.0)
        self.lab.ask(HTTP, PTR)
        self.lab.ask(WEB, SRV)
        self.assertEqual(list(self.lab.run(1.8).responses), [])

    def test_host_wins_later(self) -> None:
        self.lab.probe(HOST, RIVAL_A)
        self.lab.run(3.0)
        self.assertEqual(self.lab.events, [GroupClaimed(self.host), GroupClaimed(self.web)])

    def test_host_is_lost_and_takes_another_name(self) -> None:
        """M-8.1-11: the service is announced once, at the name that its host has in the end."""
        self.lab.hear(flushed(RIVAL_A))
        self.lab.register(OTHER_GROUP)
        self.lab.responder.update(self.web, MOVED, self.lab.now)
        told = answers(self.lab.run(5.0))
        self.assertIn(MOVED.unique[0].identity, identities(list(told)))
        self.assertNotIn(WEB_SRV.identity, identities(list(told)))

    def test_host_is_withdrawn(self) -> None:
        """Its name is another host's matter then."""
        self.lab.probe(HOST, RIVAL_A)
        self.lab.run(1.0)
        self.lab.responder.withdraw(self.host, self.lab.now)
        self.assertIn(flushed(WEB_SRV), answers(self.lab.run(2.0)))

    def test_name_is_taken_meanwhile(self) -> None:
        """M-9-3: a name that was claimed, and waits for its host, can be lost."""
        self.lab.probe(HOST, RIVAL_A)
        self.lab.run(1.0)
        self.lab.hear(flushed(service(WEB, 0, 0, 99, HOST, HOST_TTL)))
        self.lab.run(1.3)
        self.lab.hear(flushed(service(WEB, 0, 0, 99, HOST, HOST_TTL)))
        self.assertIn(GroupLost(self.web, WEB), self.lab.events)

    def test_foreign_host(self) -> None:
        """What points to a host that nobody here publishes waits for nothing."""
        lab = Lab(point=0.0)
        (web,) = lab.register(WEB_GROUP)
        lab.run(0.8)
        self.assertEqual(lab.events, [GroupClaimed(web)])

    def test_alias(self) -> None:
        """As for a service, so for any other pointer."""
        lab = Lab(point=0.0)
        www = Name.parse("www.local")
        lab.register(HOST_GROUP, RecordGroup(unique=(alias(www, HOST, HOST_TTL),)))
        lab.run(0.1)
        lab.probe(HOST, RIVAL_A)
        self.assertEqual(list(lab.run(1.5).responses), [])


class ContestedTests(SynchronousTestCase):
    """The name of a host that was announced long ago."""

    def setUp(self) -> None:
        self.lab = settled(point=0.0)

    def test_out_of_use(self) -> None:
        """M-9-3: with the host its service is out of use, until it has won."""
        self.lab.hear(flushed(RIVAL_A))
        self.assertIn(GroupReprobing(2, HOST, contested=False), self.lab.events)
        self.assertEqual(list(self.lab.ask(WEB, SRV).responses), [])

    def test_won(self) -> None:
        self.lab.hear(flushed(RIVAL_A))
        self.lab.pass_time(3.0)
        self.assertEqual(self.lab.events[-2:], [GroupClaimed(1), GroupClaimed(2)])
        self.assertIn(flushed(WEB_SRV), answers(self.lab.ask(WEB, SRV)))

    def test_lost(self) -> None:
        """A service whose host is lost, and gets no other one, leads nobody to the winner."""
        self.lab.hear(flushed(RIVAL_A))
        self.lab.pass_time(0.1)
        self.lab.hear(flushed(RIVAL_A))
        self.lab.pass_time(3.0)
        self.lab.sent.clear()
        self.lab.ask(WEB, SRV)
        self.lab.ask(HTTP, PTR)
        self.assertEqual(list(self.lab.pass_time(2.0)), [])

    def test_lost_on_the_other_link(self) -> None:
        """M-14-6: the same when the interface's other link tells of it."""
        self.lab.responder.lose(1, HOST, self.lab.now)
        self.lab.ask(WEB, SRV)
        self.assertNotIn(SRV, [record.type for record in answers(self.lab.pass_time(2.0))])

    def test_update_waits(self) -> None:
        """The old records stay in use until the host that the new ones point to is claimed."""
        self.lab.register(OTHER_GROUP)
        self.lab.responder.update(2, MOVED, self.lab.now)
        self.assertIn(flushed(WEB_SRV), answers(self.lab.ask(WEB, SRV)))
        self.assertIn(flushed(MOVED.unique[0]), answers(self.lab.pass_time(3.0)))

    def test_pointer_stays_known(self) -> None:
        """No goodbye for a service that is out of use for a moment."""
        self.lab.hear(flushed(RIVAL_A))
        told = self.lab.pass_time(5.0)
        self.assertNotIn(WEB_PTR.with_ttl(0), answers(told))
        self.assertIn(A, [record.type for record in answers(told)])
