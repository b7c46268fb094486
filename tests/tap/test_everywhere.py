"""The options --update and --update-key, and services registered beside the link."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

from twisted.python.usage import UsageError

from mcast.dns.codes import RecordType
from mcast.dns.names import Name
from mcast.dnssd.service import Service
from mcast.tap.everywhere import Everywhere, UpdateTarget, parse_target, with_key
from mcast.tap.mdns import Options
from tests.node.test_domain_publisher import DomainTestCase

KEY = 'key "k.example" { algorithm hmac-sha256; secret "MDEyMzQ1Njc4OWFiY2RlZg=="; };'


class OptionTests(DomainTestCase):
    def parsed(self, *words: str) -> Any:
        options = Options()
        options.parseOptions(list(words))
        return options["updates"]

    def test_target(self) -> None:
        expected = UpdateTarget(Name.parse("example.com"), "192.0.2.53", 53)
        self.assertEqual(parse_target("example.com@192.0.2.53"), expected)
        self.assertEqual(parse_target("a b.example@ns1:5300").port, 5300)
        self.assertEqual(parse_target("example.com@2001:db8::53").host, "2001:db8::53")
        target = parse_target("example.com@[2001:db8::53]:54")
        self.assertEqual((target.host, target.port), ("2001:db8::53", 54))

    def test_mistakes_are_one_line(self) -> None:
        self.refused("--update example.com: a domain, @ and a server are wanted", "example.com")
        self.refused("port '0' is not between", "example.com@ns:0")
        self.refused("update server ''", "example.com@")
        self.refused("update server 'host name'", "example.com@host name")
        self.refused("example.com@[::1: update server '[", "example.com@[::1")
        self.refused("no server has the domain local.", "local@192.0.2.53")
        self.refused("no server has the domain .", ".@192.0.2.53")

    def refused(self, pattern: str, text: str) -> None:
        error = self.assertRaises(UsageError, parse_target, text)
        self.assertIn(pattern, str(error))
        self.assertNotIn("\n", str(error))

    def test_keys_belong_to_the_update_before_them(self) -> None:
        path = Path(self.mktemp())
        path.write_text(KEY)
        path.chmod(0o600)
        words = ["--update", "a.example@ns", "--update-key", str(path), "--update", "b.example@ns"]
        first, second = self.parsed(*words)
        self.assertEqual((str(first.key.name), second.key), ("k.example.", None))
        with self.assertRaisesRegex(UsageError, "it follows the --update"):
            self.parsed("--update-key", str(path))

    def test_key_files_with_faults(self) -> None:
        target = parse_target("a.example@ns")
        path = Path(self.mktemp())
        self.assertIn("No such file", str(self.assertRaises(UsageError, with_key, target, str(path))))
        path.write_text(KEY.replace("hmac", "hmack"))
        self.assertIn(":1: the algorithm", str(self.assertRaises(UsageError, with_key, target, str(path))))


class EverywhereTests(DomainTestCase):
    def setUp(self) -> None:
        super().setUp()
        targets = [parse_target("example.com@192.0.2.53")]
        self.everywhere = Everywhere(self.subject, targets, "mdns")
        self.registration = self.everywhere.publish(Service("Web", "_http._tcp", 80))
        self.lan.advance(5.0)

    def test_on_the_link_and_in_the_domain(self) -> None:
        self.assertTrue(self.registration.is_claimed)
        self.assertEqual(self.data("_http._tcp.example.com", RecordType.PTR), [str(self.full_name("Web"))])

    def test_update(self) -> None:
        self.lan.result(self.registration.update(port=81))
        self.assertIn("port=81", self.data(self.full_name("Web"), RecordType.SRV)[0])
        self.assertEqual(self.registration.service.port, 81)

    def test_withdraw(self) -> None:
        self.lan.result(self.registration.withdraw())
        self.assertEqual(self.data("_http._tcp.example.com", RecordType.PTR), [])

    def test_a_host_of_the_link(self) -> None:
        """One line says that no server is told of it."""
        with mock.patch("mcast.tap.everywhere.Everywhere._log") as log:
            self.everywhere.publish(Service("Printer", "_http._tcp", 80, host="printer"))
        self.assertEqual(str(log.warn.call_args.kwargs["host"]), "printer.local.")

    def test_moved_to_a_host_of_the_link(self) -> None:
        """On the link alone, where that host can be looked up."""
        with mock.patch("mcast.tap.everywhere.Together._log") as log:
            self.registration.update(host="printer")
        self.lan.advance(5.0)
        self.assertEqual(str(self.registration.host), "printer.local.")
        self.assertNotIn("printer", self.data(self.full_name("Web"), RecordType.SRV)[0])
        self.assertEqual(log.warn.call_count, 1)
