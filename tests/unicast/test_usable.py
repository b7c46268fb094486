from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dns.records import Record
from mcast.dnssd.files.record_string import parse_record_string
from mcast.unicast.usable import Realm, realm_of, usable_records

PTR = "_ipp._tcp.local 9 PTR a._ipp._tcp.local"
SRV = "a._ipp._tcp.local 9 SRV 0 0 631 prnt.local"


def usable(text: str, *known: str, denied: Sequence[tuple[str, int]] = (), realm: Realm = Realm.SAME) -> bool:
    """Whether a record is of use where others are known."""
    records = [parse_record_string(each) for each in known]
    refused = [(Name.parse(name), rtype) for name, rtype in denied]

    def lookup(name: Name, rtype: int) -> Sequence[Record] | None:
        found = [one for one in records if (one.name, one.type) == (name, rtype)]
        return found or ([] if (name, rtype) in refused else None)

    return bool(usable_records([parse_record_string(text)], realm, lookup))


class AddressTests(SynchronousTestCase):
    """RFC 8766 §5.5.2"""

    def test_link_local(self) -> None:
        """P-5.5.2-2"""
        self.assertFalse(usable("a.local 9 A 169.254.1.1"))
        self.assertFalse(usable("a.local 9 AAAA fe80::1"))

    def test_no_address_of_a_host(self) -> None:
        self.assertFalse(usable("a.local 9 A 127.0.0.1"))
        self.assertFalse(usable("a.local 9 AAAA ::1"))
        self.assertFalse(usable("a.local 9 A 0.0.0.0"))

    def test_private_in_the_same_realm(self) -> None:
        self.assertTrue(usable("a.local 9 A 192.168.1.1"))
        self.assertTrue(usable("a.local 9 AAAA fd00::1"))

    def test_private_in_another_realm(self) -> None:
        """P-5.5.2-3, P-5.5.2-4"""
        self.assertFalse(usable("a.local 9 A 192.168.1.1", realm=Realm.OTHER))
        self.assertFalse(usable("a.local 9 AAAA fd00::1", realm=Realm.OTHER))
        self.assertTrue(usable("a.local 9 A 8.8.8.8", realm=Realm.OTHER))

    def test_everything(self) -> None:
        """P-5.5.2-1"""
        self.assertTrue(usable("a.local 9 A 169.254.1.1", realm=Realm.EVERYTHING))

    def test_realms(self) -> None:
        for client in ("192.168.1.1", "10.0.0.1", "fd00::1", "fe80::1%eth0", "::1", "::ffff:10.0.0.1"):
            self.assertIs(realm_of(client), Realm.SAME, client)
        for client in ("8.8.8.8", "2600::1", "::ffff:8.8.8.8"):
            self.assertIs(realm_of(client), Realm.OTHER, client)


class ServiceTests(SynchronousTestCase):
    """P-5.5.2-5: what leads to unusable addresses alone is of no use either."""

    LINK_LOCAL = ("prnt.local 9 A 169.254.1.1", "prnt.local 9 AAAA fe80::1")

    def test_only_unusable_addresses(self) -> None:
        self.assertFalse(usable(SRV, *self.LINK_LOCAL))
        self.assertFalse(usable(PTR, SRV, *self.LINK_LOCAL))

    def test_the_other_family_denied(self) -> None:
        self.assertFalse(usable(SRV, self.LINK_LOCAL[1], denied=[("prnt.local", 1)]))

    def test_one_usable_address(self) -> None:
        self.assertTrue(usable(SRV, *self.LINK_LOCAL, "prnt.local 9 A 192.0.2.1"))
        self.assertTrue(usable(PTR, SRV, *self.LINK_LOCAL, "prnt.local 9 A 192.0.2.1"))

    def test_unknown(self) -> None:
        """What was not heard yet may be usable."""
        self.assertTrue(usable(PTR))
        self.assertTrue(usable(SRV))
        self.assertTrue(usable(SRV, self.LINK_LOCAL[0]))
