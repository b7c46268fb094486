"""What a service and a host want to stand in a zone."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.unicast.registration import MAX_ADDRESSES, usable_addresses, wanted_service

HOST = Name.parse("kitchen.example.com")


class ServiceTests(SynchronousTestCase):
    def test_records(self) -> None:
        service = Service(
            "Web", "_http._tcp", 80, subtypes=["_color"], domain="example.com", more_txt=[{"a": "1"}]
        )
        wanted = wanted_service(service, HOST)
        self.assertEqual(
            [one.type for one in wanted.records], [RecordType.SRV, RecordType.TXT, RecordType.TXT]
        )
        self.assertEqual(
            [str(one.name) for one in wanted.pointers(120)],
            ["_http._tcp.example.com.", "_color._sub._http._tcp.example.com."],
        )

    def test_another_host(self) -> None:
        service = Service("Web", "_http._tcp", 80, domain="example.com", host="printer")
        self.assertIn(b"\7printer\7example", wanted_service(service, HOST).records[0].rdata)


class AddressTests(SynchronousTestCase):
    def test_only_what_is_of_use_elsewhere(self) -> None:
        texts = ["192.0.2.1", "169.254.1.1", "fe80::1", "::1", "127.0.0.1", "fd00::1", "192.0.2.1"]
        found = usable_addresses(ip_address(text) for text in texts)
        self.assertEqual([str(one) for one in found], ["192.0.2.1", "fd00::1"])

    def test_many(self) -> None:
        found = usable_addresses(ip_address(f"192.0.2.{n}") for n in range(200))
        self.assertEqual(len(found), MAX_ADDRESSES)
