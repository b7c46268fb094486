"""What is found on a link is registered in a domain, for as long as it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

from twisted.python.usage import UsageError

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.proxy.bridge import MARK
from mcast.proxy.choosing import MAX_EXPORTED, MAX_OF_HOST, Quota
from mcast.proxy.export import Exporter, ExportSettings
from mcast.tap.export import Options
from tests.node.node_lab import WEB
from tests.node.test_domain_publisher import OTHER, SERVER, DomainTestCase


class ExportTestCase(DomainTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = self.settled("printer")

    def export(self, quota: Quota | None = None, types: tuple[str, ...] = (WEB,)) -> Exporter:
        host = self.lan.host("exporter")
        domains = [(Name.parse("example.com"), SERVER)]
        settings = ExportSettings((), types, domains, quota=quota or Quota())
        made = Exporter(self.lan.clock, settings, host)
        made.startService()
        self.lan.advance(5.0)
        return made

    def names(self) -> list[str]:
        return self.data("_http._tcp.example.com", RecordType.PTR)


class ExportTests(ExportTestCase):
    def test_a_service_and_its_host(self) -> None:
        self.register(self.device, "Web", 80, txt={"a": "1"})
        self.export()
        self.assertEqual(self.names(), ["Web._http._tcp.example.com."])
        self.assertIn("printer.example.com.", self.data(self.full_name("Web"), RecordType.SRV)[0])
        addresses = self.data("printer.example.com", RecordType.AAAA)
        self.assertEqual([one for one in addresses if one.startswith("fe80")], [])
        self.assertNotEqual(self.data("printer.example.com", RecordType.A), [])

    def test_subtypes(self) -> None:
        """Those that are named; they go and come with the pointers of the link."""
        registration = self.register(self.device, subtypes=("_color",))
        self.export(types=(WEB, f"{WEB},_color"))
        color = "_color._sub._http._tcp.example.com"
        self.assertEqual(self.data(color, RecordType.PTR), ["Web._http._tcp.example.com."])
        self.lan.result(registration.update(subtypes=()))
        self.lan.advance(5.0)
        self.assertEqual(self.data(color, RecordType.PTR), [])
        self.assertEqual(self.names(), ["Web._http._tcp.example.com."])

    def test_gone_when_it_says_goodbye(self) -> None:
        registration = self.register(self.device)
        self.export()
        self.lan.result(registration.withdraw())
        self.lan.advance(5.0)
        self.assertEqual(self.server.records, [])

    def test_gone_when_its_lease_is_over(self) -> None:
        """A device that was switched off says nothing: its records run out unanswered."""
        self.register(self.device)
        self.export()
        self.lan.host("printer").unplug()
        self.lan.advance(5000.0)
        self.assertEqual(self.names(), [])

    def test_kept_while_it_is_there(self) -> None:
        self.register(self.device)
        self.export()
        self.lan.advance(5000.0)
        self.assertEqual(self.names(), ["Web._http._tcp.example.com."])

    def test_a_name_of_somebody_else(self) -> None:
        self.taken()
        self.register(self.device)
        self.export()
        self.assertEqual(self.names(), ["Web (2)._http._tcp.example.com."])

    def test_a_host_of_somebody_else(self) -> None:
        self.server.records.append(OTHER.marker(Name.parse("printer.example.com")))
        self.register(self.device)
        self.export()
        self.assertIn("printer-2.example.com.", self.data(self.full_name("Web"), RecordType.SRV)[0])

    def test_what_a_bridge_brought_is_left(self) -> None:
        self.lan.result(self.device.publish(Service("Web", WEB, 80, txt={MARK: None})).when_claimed())
        self.export()
        self.assertEqual(self.names(), [])

    def test_counters_in_the_log(self) -> None:
        self.register(self.device)
        made = self.export()
        with mock.patch.object(Exporter, "_log") as log:
            made.log_counters()
        told = log.info.call_args.kwargs
        self.assertEqual((told["count"], told["trouble"]), (1, None))
        self.assertGreater(told["updates"]["requests"], 2)

    def test_stop(self) -> None:
        self.register(self.device)
        made = self.export()
        self.lan.result(made.stopService())
        self.assertEqual(self.server.records, [])


class LimitTests(ExportTestCase):
    def test_a_flood(self) -> None:
        """A stranger on the link does not fill the zone."""
        for number in range(6):
            self.register(self.device, f"W{number}")
        self.export(Quota(4, 10))
        self.assertEqual(len(self.names()), 4)
        self.assertLess(MAX_EXPORTED, 1000)

    def test_after_a_flood(self) -> None:
        """What is real and came last is registered when what filled the zone has gone."""
        flood = [self.register(self.device, f"W{number}") for number in range(4)]
        self.export(Quota(4, 10))
        self.register(self.settled("late"), "Real")
        self.lan.advance(5.0)
        self.assertEqual(len(self.names()), 4)
        self.lan.result(flood[0].withdraw())
        self.lan.advance(5.0)
        self.assertIn("Real._http._tcp.example.com.", self.names())

    def test_a_service_that_waited_and_went(self) -> None:
        first, second = (self.register(self.device, name) for name in ("A", "B"))
        self.export(Quota(1, 1))
        for registration in (second, first):
            self.lan.result(registration.withdraw())
            self.lan.advance(5.0)
        self.assertEqual(self.names(), [])

    def test_hosts_that_come_and_go(self) -> None:
        """Nothing is kept of a host that has gone."""
        registration = self.register(self.device)
        made = self.export()
        publisher = made._publishers[0]
        self.assertEqual(len(publisher.hosts), 2)
        self.lan.result(registration.withdraw())
        self.lan.advance(5.0)
        self.assertEqual(list(publisher.hosts), [None])
        self.assertEqual((list(publisher), publisher._names, publisher._claimed), ([], set(), set()))

    def test_one_host(self) -> None:
        for number in range(6):
            self.register(self.device, f"W{number}")
        self.export(Quota(100, 3))
        self.assertEqual(len(self.names()), 3)
        self.assertEqual(MAX_EXPORTED // MAX_OF_HOST, 10)


class OptionTests(ExportTestCase):
    def refused(self, pattern: str, *words: str) -> None:
        error = self.assertRaises(UsageError, Options().parseOptions, list(words))
        self.assertIn(pattern, str(error))

    def test_mistakes(self) -> None:
        self.refused("--interface is missing")
        self.refused("--type is missing", "-I", "eth0")
        self.refused("--update is missing", "-I", "eth0", "--type", WEB)
        self.refused("it follows the --update", "--update-key", "x")

    def test_all(self) -> None:
        path = Path(self.mktemp())
        path.write_text('key k { algorithm hmac-sha256; secret "MDEyMzQ1Njc4OWFiY2RlZg=="; };')
        path.chmod(0o600)
        options: Any = Options()
        words = ["-I", "eth0", "--type", WEB, "--update", "example.com@ns", "--update-key", str(path)]
        options.parseOptions(words)
        ((domain, server),) = options.settings().domains
        self.assertEqual((str(domain), server.owner), ("example.com.", "export eth0"))
