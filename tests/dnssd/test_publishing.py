"""Tests for mcast.dnssd.publishing."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, ServiceData
from mcast.dnssd.publishing import service_records
from mcast.dnssd.service import Service
from mcast.errors import InvalidService

KITCHEN = Name.parse("kitchen.local")


def shown(records: tuple[Record, ...], type: RecordType) -> list[tuple[str, object, int]]:
    """Return owner, data and TTL of the records of one type."""
    return [(str(record.name), record.data, record.ttl) for record in records if record.type == type]


def pointers(service: Service) -> list[tuple[str, str]]:
    """Return the owners and targets of the PTR records that publish a service."""
    return [(str(one.name), str(one.data)) for one in service_records(service, KITCHEN).shared]


class ServiceRecordTests(SynchronousTestCase):
    """The records of RFC 6763 for one service."""

    def test_srv(self) -> None:
        """S-5-3: priority 0 and weight 0; the TTL of a record that names a host."""
        group = service_records(Service("My Web", "_http._tcp", 8080), KITCHEN)
        self.assertEqual(
            shown(group.unique, RecordType.SRV),
            [("My Web._http._tcp.local.", ServiceData(0, 0, 8080, KITCHEN), 120)],
        )

    def test_txt(self) -> None:
        """S-6-1: without attributes there is a TXT record still, of one zero octet."""
        group = service_records(Service("My Web", "_http._tcp", 8080), KITCHEN)
        (record,) = (one for one in group.unique if one.type == RecordType.TXT)
        self.assertEqual(
            (str(record.name), record.rdata, record.ttl), ("My Web._http._tcp.local.", b"\0", 4500)
        )

    def test_nothing_about_the_srv_in_the_txt(self) -> None:
        """S-6.3-3: neither the host nor the port is repeated in the TXT record."""
        group = service_records(Service("My Web", "_http._tcp", 8080, txt={"a": b"\xff\0"}), KITCHEN)
        (record,) = (one for one in group.unique if one.type == RecordType.TXT)
        self.assertEqual(record.rdata, b"\x04a=\xff\x00")

    def test_several_txt(self) -> None:
        """S-6.8-1: several TXT records are one set, beside the one SRV record."""
        service = Service("LPR", "_printer._tcp", 515, txt={"rp": "ps"}, more_txt=[{"rp": "raw"}])
        unique = service_records(service, KITCHEN).unique
        self.assertEqual(
            [one.rdata for one in unique if one.type == RecordType.TXT], [b"\x05rp=ps", b"\x06rp=raw"]
        )
        self.assertEqual(len({one.name for one in unique}), 1)

    def test_pointers(self) -> None:
        """S-9-1: one pointer from the type, one from the enumeration of types to type and domain."""
        self.assertEqual(
            pointers(Service("My Web", "_http._tcp", 8080)),
            [
                ("_http._tcp.local.", "My Web._http._tcp.local."),
                ("_services._dns-sd._udp.local.", "_http._tcp.local."),
            ],
        )

    def test_pointers_are_shared(self) -> None:
        """S-9-1: other hosts have services of the type too; the pointers live 75 minutes."""
        group = service_records(Service("My Web", "_http._tcp", 8080, subtypes=["_p"]), KITCHEN)
        self.assertEqual([one.type for one in group.shared], [RecordType.PTR] * 3)
        self.assertEqual({one.ttl for one in group.shared}, {4500})
        self.assertFalse(any(one.cache_flush for one in group.shared))
        self.assertEqual(group.verified, ())

    def test_subtypes(self) -> None:
        """S-7.1-2: a subtype adds a pointer to the same name, and neither SRV nor TXT."""
        service = Service("My Web", "_http._tcp", 8080, subtypes=["_printer", b"\xff"])
        self.assertEqual(
            pointers(service)[:3],
            [
                ("_http._tcp.local.", "My Web._http._tcp.local."),
                ("_printer._sub._http._tcp.local.", "My Web._http._tcp.local."),
                (r"\255._sub._http._tcp.local.", "My Web._http._tcp.local."),
            ],
        )
        self.assertEqual(len(service_records(service, KITCHEN).unique), 2)

    def test_own_host(self) -> None:
        service = Service("My Web", "_http._tcp", 8080, host="proxy", priority=1, weight=2)
        self.assertEqual(
            shown(service_records(service, KITCHEN).unique, RecordType.SRV),
            [("My Web._http._tcp.local.", ServiceData(1, 2, 8080, Name.parse("proxy.local")), 120)],
        )

    def test_named_after_the_host(self) -> None:
        """S-4.1.1-4: a service without a name is published under the host's."""
        group = service_records(Service(None, "_http._tcp", 8080), KITCHEN)
        self.assertEqual(str(group.unique[0].name), "kitchen._http._tcp.local.")

    def test_other_domain(self) -> None:
        service = Service("My Web", "_http._tcp", 8080, domain="example.com")
        self.assertEqual(
            pointers(service),
            [
                ("_http._tcp.example.com.", "My Web._http._tcp.example.com."),
                ("_services._dns-sd._udp.example.com.", "_http._tcp.example.com."),
            ],
        )

    def test_spelling_is_kept(self) -> None:
        group = service_records(Service("My Web", "_HTTP._tcp", 8080), KITCHEN)
        self.assertEqual(group.unique[0].name.wire, b"\x06My Web\x05_HTTP\x04_tcp\x05local\x00")

    def test_host_name_of_other_octets(self) -> None:
        host = Name.from_labels([b"caf\xe9", b"local"])
        group = service_records(Service(None, "_http._tcp", 8080), host)
        self.assertEqual(group.unique[0].name.labels[0], "caf\ufffd".encode())

    def test_leads_to_its_host(self) -> None:
        """The type, to which a pointer leads too, is not a name that somebody claims for himself."""
        group = service_records(Service("My Web", "_http._tcp", 80), KITCHEN)
        self.assertEqual(group.targets, (KITCHEN.key,))


class FlagshipTests(SynchronousTestCase):
    """The name is claimed under the flagship type too (RFC 6763 §8)."""

    SERVICE = Service("Sales", "_ipp._tcp", 631, priority=3, weight=4, flagship="_printer._tcp")

    def test_placeholder(self) -> None:
        """S-8-2: an SRV record of priority, weight and port 0 with the own host as target."""
        group = service_records(self.SERVICE, KITCHEN)
        self.assertIn(
            ("Sales._printer._tcp.local.", ServiceData(0, 0, 0, KITCHEN), 120),
            shown(group.unique, RecordType.SRV),
        )

    def test_one_claim(self) -> None:
        """S-8-3: a conflict on the placeholder is a conflict of the group, under all its types."""
        names = service_records(self.SERVICE, KITCHEN).probed_names
        self.assertEqual(
            {str(one) for one in names}, {"Sales._ipp._tcp.local.", "Sales._printer._tcp.local."}
        )

    def test_not_advertised(self) -> None:
        """S-8-5: no pointer leads to the placeholder or to its type."""
        self.assertFalse([one for pair in pointers(self.SERVICE) for one in pair if "_printer" in one])

    def test_placeholder_is_no_service(self) -> None:
        group = service_records(self.SERVICE, KITCHEN)
        texts = [str(one.name) for one in group.unique if one.type == RecordType.TXT]
        self.assertEqual(texts, ["Sales._ipp._tcp.local."])


class LimitTests(SynchronousTestCase):
    def test_largest(self) -> None:
        """S-7.2-1: everything at its limit under a parent domain of 100 octets makes valid records."""
        domain = Name.from_labels(["b" * 63, "p" * 32, "q" * 32, "r" * 33])
        service = Service("i" * 63, "_abcdefghijklmno._tcp", 1, subtypes=["s" * 63], domain=domain)
        group = service_records(service, KITCHEN)
        self.assertEqual(max(len(one.name.wire) for one in group), 256)

    def test_too_large(self) -> None:
        """S-7.2-1: 101 octets are refused, before there are records."""
        domain = Name.from_labels(["b" * 63, "p" * 32, "q" * 32, "r" * 34])
        self.assertRaises(
            InvalidService, Service, "i" * 63, "_abcdefghijklmno._tcp", 1, subtypes=["s" * 63], domain=domain
        )
