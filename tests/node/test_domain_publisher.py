"""What a node registers in a domain of conventional DNS: the same promises as on a link."""

from __future__ import annotations

import os
import sys
from typing import Any
from unittest import mock, skipUnless

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns_client import updates
from mcast.dns_client.alone import InUse, hold
from mcast.dns_client.update_server import UpdateServer
from mcast.dns_client.update_session import ServerFailed, UpdateSession
from mcast.dns_client.updates import UPDATE_STOP_LIMIT
from mcast.dnssd.service import Service
from mcast.errors import NameTaken
from mcast.node.registrations import Claimed, Lost, OnConflict, Renamed, ServiceRegistration
from mcast.unicast.claims import Request
from mcast.unicast.ownership import Owner
from tests.node.node_lab import WEB, NodeTestCase
from tests.unicast.zone_server import ZoneServer

DOMAIN = "example.com"
SERVER = UpdateServer("192.0.2.53")
OTHER = Owner.of("another")


class DomainTestCase(NodeTestCase):
    """A node, and a zone on a server that answers at once."""

    def setUp(self) -> None:
        super().setUp()
        self.server = ZoneServer()
        self.silent = False
        self.unanswered = 0

        async def ask(session: UpdateSession, request: Request) -> Message:
            if self.silent:
                self.unanswered += 1
                raise ServerFailed("it cannot be reached")
            return self.server.answer(request)

        self.patch(UpdateSession, "ask", ask)
        # Other runs of the tests on this machine are not meant.
        self.held: set[tuple[str, ...]] = set()

        def hold(*parts: str) -> None:
            if parts in self.held:
                raise InUse
            self.held.add(parts)

        self.patch(updates, "hold", hold)
        self.host = self.lan.host("kitchen")
        self.subject = self.node(self.host, hostname=None)
        self.events: list[Any] = []

    def publish(self, name: str = "Web", on_conflict: OnConflict = "rename") -> ServiceRegistration:
        return self.subject.publish(
            Service(name, WEB, 80),
            domain=DOMAIN,
            update=SERVER,
            on_conflict=on_conflict,
            listener=self.events.append,
        )

    def full_name(self, label: str) -> Name:
        return Name.parse(f"{label}._http._tcp.{DOMAIN}")

    def data(self, name: Name | str, rtype: int) -> list[str]:
        name = Name.parse(name) if isinstance(name, str) else name
        return sorted(str(one.data) for one in self.server.find(name, rtype))

    def taken(self, label: str = "Web") -> None:
        name = self.full_name(label)
        self.server.records.append(OTHER.marker(name))


class RegistrationTests(DomainTestCase):
    def test_service_and_host(self) -> None:
        registration = self.publish()
        self.assertIs(self.lan.result(registration.when_claimed()), registration)
        self.assertEqual(registration.full_name, self.full_name("Web"))
        self.assertTrue(registration.is_claimed)
        self.assertEqual(str(registration.host), f"{self.subject.hostname}.example.com.")
        self.assertEqual(self.data("_http._tcp.example.com", RecordType.PTR), [str(registration.full_name)])
        addresses = self.data(registration.host.labels[0].decode() + ".example.com", RecordType.A)
        self.assertEqual(addresses, [str(one.address) for one in self.host.interface().current.ipv4])
        self.assertEqual([type(event) for event in self.events], [Claimed])

    def test_nothing_link_local(self) -> None:
        registration = self.publish()
        self.lan.result(registration.when_claimed())
        found = self.data(registration.host, RecordType.AAAA)
        self.assertEqual([one for one in found if one.startswith("fe80")], [])

    def test_nothing_on_the_link(self) -> None:
        """What is registered there is not published by multicast."""
        self.lan.result(self.publish().when_claimed())
        self.lan.advance(5.0)
        self.assertEqual(self.lan.packets, [])

    def test_taken_name(self) -> None:
        self.taken()
        registration = self.publish()
        self.lan.result(registration.when_claimed())
        self.assertEqual(registration.name, "Web (2)")
        self.assertEqual([type(event) for event in self.events], [Renamed, Claimed])

    def test_taken_name_that_may_not_change(self) -> None:
        self.taken()
        registration = self.publish(on_conflict="fail")
        waiting = registration.when_claimed()
        self.lan.advance(1.0)
        self.failureResultOf(waiting, NameTaken)
        self.assertEqual([type(event) for event in self.events], [Lost])
        self.failureResultOf(registration.update(port=81), NameTaken)

    def test_two_of_one_name(self) -> None:
        one, two = self.publish(), self.publish()
        self.lan.result(two.when_claimed())
        self.assertEqual((one.name, two.name), ("Web", "Web (2)"))

    def test_the_host_of_somebody_else(self) -> None:
        label = self.subject.hostname
        self.server.records.append(OTHER.marker(Name.parse(f"{label}.example.com")))
        registration = self.publish()
        self.lan.result(registration.when_claimed())
        self.assertEqual(str(registration.host), f"{label}-2.example.com.")

    def test_listed_by_the_node(self) -> None:
        registration = self.publish()
        self.assertIn(registration, self.subject.registrations)


class ChangeTests(DomainTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.registration = self.publish()
        self.lan.result(self.registration.when_claimed())

    def test_update(self) -> None:
        self.lan.result(self.registration.update(port=81, txt={"path": "/new"}))
        self.assertIn("port=81", self.data(self.registration.full_name, RecordType.SRV)[0])

    def test_another_address(self) -> None:
        self.host.interface().set_addresses("198.51.100.9/24")
        self.lan.advance(1.0)
        self.assertEqual(self.data(self.registration.host, RecordType.A), ["198.51.100.9"])

    def test_withdraw(self) -> None:
        self.lan.result(self.registration.withdraw())
        self.assertEqual(self.data(self.registration.full_name, RecordType.ANY), [])
        self.lan.result(self.registration.withdraw())
        with self.assertRaisesRegex(ValueError, "withdrawn"):
            self.registration.update(port=81)

    def test_stop(self) -> None:
        """All is removed, and registered again at the next start."""
        self.lan.result(self.subject.stopService())
        self.assertEqual(self.server.records, [])
        self.assertFalse(self.registration.is_claimed)
        self.subject.startService()
        self.lan.advance(1.0)
        self.assertTrue(self.registration.is_claimed)

    def test_another_program_of_this_host(self) -> None:
        """It has another owner, and so another name."""
        node = self.node(self.lan.host("other"), hostname="other")
        server = UpdateServer("192.0.2.53", owner="second")
        other = node.publish(Service("Web", WEB, 80), domain=DOMAIN, update=server)
        self.lan.result(other.when_claimed())
        self.assertEqual(other.name, "Web (2)")


class SameOwnerTests(DomainTestCase):
    """Two programs of one host that take each other's names for leftovers."""

    def test_told_once(self) -> None:
        self.lan.result(self.publish().when_claimed())
        node = self.node(self.lan.host("other"), hostname="other")
        with mock.patch("mcast.dns_client.updates.DomainUpdater._log") as log:
            for port in (80, 81):
                node.publish(Service("Other", WEB, port), domain=DOMAIN, update=SERVER)
            self.lan.advance(5.0)
        self.assertEqual(log.warn.call_count, 1)
        self.assertIn("as the same owner", log.warn.call_args.args[0])


@skipUnless(sys.platform == "linux", "there is no abstract namespace of sockets")
class HoldTests(SynchronousTestCase):
    def test_until_it_is_closed(self) -> None:
        name = f"test {os.getpid()}"
        held = hold(name)
        assert held is not None
        self.assertRaises(InUse, hold, name)
        held.close()
        again = hold(name)
        assert again is not None
        again.close()


class FailureTests(DomainTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.silent = True
        self.registration = self.publish()

    def test_one_line_while_it_lasts(self) -> None:
        with mock.patch("mcast.dns_client.updates.DomainUpdater._log") as log:
            self.lan.advance(100.0)
        self.assertGreater(self.unanswered, 3)
        self.assertEqual(log.warn.call_count, 1)

    def test_later(self) -> None:
        waiting = self.registration.when_claimed()
        self.lan.advance(60.0)
        self.assertNoResult(waiting)
        self.silent = False
        self.lan.advance(120.0)
        self.successResultOf(waiting)

    def test_another_network(self) -> None:
        """With another address it is tried at once, not when the waiting is over."""
        self.lan.advance(100.0)
        self.silent = False
        with mock.patch.object(UpdateSession, "renew") as renew:
            self.host.interface().set_addresses("198.51.100.9/24")
            self.lan.advance(0.1)
        renew.assert_called()
        self.assertTrue(self.registration.is_claimed)

    def test_stop_takes_no_longer_than_its_limit(self) -> None:
        self.lan.advance(1.0)
        stopped: Deferred[None] = self.subject.stopService()
        self.lan.advance(UPDATE_STOP_LIMIT - 0.1)
        self.assertNoResult(stopped)
        self.lan.advance(0.2)
        self.successResultOf(stopped)

    def test_withdraw_takes_no_longer(self) -> None:
        self.silent = False
        self.lan.result(self.registration.when_claimed())
        self.silent = True
        gone = self.registration.withdraw()
        self.lan.advance(UPDATE_STOP_LIMIT + 0.1)
        self.successResultOf(gone)
        self.silent = False
        self.lan.advance(30.0)
        self.assertEqual(self.data(self.registration.full_name, RecordType.ANY), [])

    def test_withdrawn_before_it_was_claimed(self) -> None:
        waiting = self.registration.when_claimed()
        self.registration.withdraw()
        self.failureResultOf(waiting, CancelledError)


class MistakeTests(DomainTestCase):
    def refused(self, pattern: str, kind: type[Exception] = ValueError, **arguments: Any) -> None:
        with self.assertRaisesRegex(kind, pattern):
            self.subject.publish(Service("Web", WEB, 80), **arguments)

    def test_each(self) -> None:
        self.refused("it goes with update=", domain=DOMAIN)
        self.refused("no server has this domain", update=SERVER)
        self.refused("it is no UpdateServer", TypeError, domain=DOMAIN, update="192.0.2.53")
        self.refused("it goes with update=", domain=DOMAIN, update=SERVER, interfaces=["lan"])

    def test_a_host_of_the_link(self) -> None:
        service = Service("Web", WEB, 80, host="printer")
        with self.assertRaisesRegex(ValueError, "nobody beyond the link"):
            self.subject.publish(service, domain=DOMAIN, update=SERVER)

    def test_servers(self) -> None:
        self.assertRaises(ValueError, UpdateServer, "")
        self.assertRaises(ValueError, UpdateServer, "192.0.2.1", 0)
        self.assertRaises(TypeError, UpdateServer, "192.0.2.1", 53, "secret")
