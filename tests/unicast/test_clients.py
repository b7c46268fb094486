from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from mcast.unicast import clients
from mcast.unicast.clients import Clients
from mcast.unicast.usable import Realm


class ClientTests(SynchronousTestCase):
    """P-9.2-1: who may ask."""

    def test_by_default(self) -> None:
        """Private, shared and link-local networks, never the world."""
        who = Clients()
        for host in ("10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1", "127.0.0.1"):
            self.assertTrue(who.look(host).is_allowed, host)
        for host in ("::1", "fd00::1", "fe80::1%eth0", "::ffff:10.0.0.1"):
            self.assertTrue(who.look(host).is_allowed, host)
        for host in ("8.8.8.8", "172.32.0.1", "2600::1", "::ffff:8.8.8.8", "", "what"):
            self.assertFalse(who.look(host).is_allowed, host)

    def test_as_configured(self) -> None:
        who = Clients([ip_network("203.0.113.0/24")])
        self.assertTrue(who.look("203.0.113.7").is_allowed)
        self.assertFalse(who.look("10.0.0.1").is_allowed)
        self.assertFalse(who.look("2600::1").is_allowed)

    def test_realms(self) -> None:
        """P-5.5.2-1"""
        self.assertIs(Clients().look("10.0.0.1").realm, Realm.SAME)
        self.assertIs(Clients().look("8.8.8.8").realm, Realm.OTHER)
        self.assertIs(Clients(suppresses=False).look("8.8.8.8").realm, Realm.EVERYTHING)

    def test_table_is_bounded(self) -> None:
        self.patch(clients, "MAX_CLIENTS", 3)
        who = Clients()
        for number in range(10):
            who.look(f"10.0.0.{number}")
        self.assertLessEqual(len(who.known), 3)
