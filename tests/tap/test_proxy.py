"""`mcast.tap.proxy` and its file: the command line of `twist mcast proxy`."""

from __future__ import annotations

import os
import re
import shlex
import signal
from ipaddress import ip_network
from pathlib import Path

from twisted.logger import capturedLogs, formatEvent
from twisted.python.usage import UsageError
from twisted.trial.unittest import SkipTest

from mcast.dns.names import Name
from mcast.proxy.discovery_proxy import ProxySettings
from mcast.tap.proxy import Options, ProxyService
from mcast.tap.tap import Options as McastOptions
from mcast.unicast.clients import DEFAULT_ALLOWED
from mcast.unicast.zone import Zone
from tests.node.node_lab import NodeTestCase
from tests.proxy.test_discovery_proxy import LanReactor

BUILDING = "Building 1.example.com"

FILE = """
ns = ["proxy.example.com", "fellow.example.com"]
contact = "first.last@example.com"
listen = ["192.0.2.53"]
port = 5300
tls-certificate = "cert.pem"
tls-key = "key.pem"
tls-port = 8530
allow = ["192.0.2.0/24"]
max-rate = 0
link-rate = 40
unusable-addresses = true

[[zone]]
name = "Building 1.example.com"
interface = "eth0"
host-zone = "bldg-1.example.com"
reverse = ["192.0.2.0/24", "2001:db8::/64"]
browse-domain = ["Building 1.example.com", "Building 2.example.com"]

[[zone]]
name = "Building 2.example.com"
interface = "eth1"
"""
LINE = [
    *("--ns", "proxy.example.com", "--ns", "fellow.example.com", "--contact", "first.last@example.com"),
    *("--listen", "192.0.2.53", "--port", "5300", "--allow", "192.0.2.0/24"),
    *("--tls-certificate", "cert.pem", "--tls-key", "key.pem", "--tls-port", "8530"),
    *("--max-rate", "0", "--link-rate", "40", "--unusable-addresses"),
    *("--zone", "Building 1.example.com=eth0", "--host-zone", "bldg-1.example.com"),
    *("--reverse", "192.0.2.0/24", "--reverse", "2001:db8::/64"),
    *("--browse-domain", "Building 1.example.com", "--browse-domain", "Building 2.example.com"),
    *("--zone", "Building 2.example.com=eth1"),
]


def parsed(*words: str) -> Options:
    options = Options()
    options.parseOptions(words)
    return options


class OptionTests(NodeTestCase):
    """Each option, and what all of them come to."""

    ZONES = (
        Zone(
            Name.parse(BUILDING),
            "eth0",
            Name.parse("bldg-1.example.com"),
            (ip_network("192.0.2.0/24"), ip_network("2001:db8::/64")),
            (Name.parse(BUILDING), Name.parse("Building 2.example.com")),
        ),
        Zone(Name.parse("Building 2.example.com"), "eth1"),
    )
    SETTINGS = ProxySettings(
        name_servers=(Name.parse("proxy.example.com"), Name.parse("fellow.example.com")),
        contact=Name.parse("first\\.last.example.com"),
        listen=("192.0.2.53",),
        port=5300,
        tls_certificate="cert.pem",
        tls_key="key.pem",
        tls_port=8530,
        allow=(ip_network("192.0.2.0/24"),),
        suppress_unusable=False,
        max_rate=0,
        link_rate=40,
    )

    def test_all_of_them(self) -> None:
        options = parsed(*LINE)
        self.assertEqual(tuple(options.proxy_zones()), self.ZONES)
        self.assertEqual(options.settings(), self.SETTINGS)

    def test_all_of_them_from_a_file(self) -> None:
        path = Path(self.mktemp())
        path.write_text(FILE, "utf-8")
        options = parsed("--config", str(path))
        self.assertEqual(tuple(options.proxy_zones()), self.ZONES)
        self.assertEqual(options.settings(), self.SETTINGS)

    def test_by_default(self) -> None:
        settings = parsed("--zone", "a.example=eth0").settings()
        self.assertEqual((settings.listen, settings.port, settings.tls_port), ((), 53, 853))
        self.assertEqual(settings.allow, DEFAULT_ALLOWED)

    def test_equals_sign_in_a_zone(self) -> None:
        (zone,) = parsed("--zone", "a=b.example=eth0").proxy_zones()
        self.assertEqual((zone.name, zone.interface), (Name.parse("a=b.example"), "eth0"))

    def test_no_reverse(self) -> None:
        self.assertEqual(parsed("--zone", "a.example=eth0", "--no-reverse").proxy_zones()[0].reverse, ())


class PageTests(NodeTestCase):
    """What docs/beyond.md shows is right."""

    def setUp(self) -> None:
        super().setUp()
        self.page = (Path(__file__).parents[2] / "docs" / "beyond.md").read_text("utf-8")

    def test_file(self) -> None:
        path = Path(self.mktemp())
        found = re.search(r"^```toml\n(ns = .*?)^```$", self.page, re.MULTILINE | re.DOTALL)
        assert found is not None
        path.write_text(found[1], "utf-8")
        (zone,) = parsed("--config", str(path)).proxy_zones()
        self.assertEqual(str(zone.host_apex), "building1.example.com.")

    def test_command_line(self) -> None:
        found = re.search(r"twist mcast proxy (--zone .*\\\n.*)", self.page)
        assert found is not None
        options = parsed(*shlex.split(found[1].replace("\\\n", " ")))
        self.assertEqual(options.settings().listen, ("192.0.2.53",))


class MistakeTests(NodeTestCase):
    """One line that names the option, the value and what is wrong."""

    def said(self, *words: str) -> str:
        error: UsageError = self.assertRaises(UsageError, parsed, *words)
        self.assertNotIn("\n", str(error))
        return str(error)

    def test_options(self) -> None:
        zone = ("--zone", f"{BUILDING}=eth0")
        for words, expected in (
            ((), "no zone is given"),
            (("--zone", "eth0"), "--zone eth0: this is NAME=INTERFACE"),
            (("--zone", "=eth0"), "NAME=INTERFACE"),
            (("--zone", "printers.local=eth0"), "multicast DNS's own"),
            (("--zone", f"{'x' * 64}.example=eth0"), "1 to 63 octets"),
            (("--host-zone", "a.example"), "belongs to a --zone"),
            ((*zone, "--host-zone", "Building 1.example"), "letters, digits and hyphens"),
            ((*zone, "--reverse", "192.0.2.1/24"), "--reverse 192.0.2.1/24: "),
            ((*zone, "--allow", "everybody"), "--allow everybody: "),
            ((*zone, "--ns", "a..example"), "--ns a..example: "),
            ((*zone, "--contact", "@"), "--contact @: "),
            ((*zone, "--listen", "eth0"), "--listen eth0: "),
            ((*zone, "--port", "0"), "--port 0: not a number from 1 to 65535"),
            ((*zone, "--tls-port", "dot"), "--tls-port dot: not a number"),
            ((*zone, "--max-rate", "-1"), "--max-rate -1: not a number from 0"),
            ((*zone, "--link-rate", "0"), "--link-rate 0: not a number from 1"),
            ((*zone, "--tls-key", "key.pem"), "--tls-key is of no use without --tls-certificate"),
            ((*zone, "eth1"), "eth1: unexpected argument"),
            (("--config", "/nowhere/proxy.toml"), "--config /nowhere/proxy.toml: No such file"),
        ):
            self.assertIn(expected, self.said(*words), words)

    def test_file(self) -> None:
        path = Path(self.mktemp())
        for text, expected in (
            ("ns = 1", ":1: ns is a list of texts"),
            ("\nns = [1]", ":2: ns is a list of texts"),
            ("port = true", ":1: port is a whole number"),
            ("port = 99999", ":1: port 99999: not a number"),
            ("hosts = 1", ":1: unknown key 'hosts'; there are ns, contact"),
            ("zone = 1", ":1: zone is a list of tables"),
            ("[[zone]]\nname = 'a.example'", ":1: the zone has no interface"),
            ("[[zone]]\nname = 'a.local'\ninterface = 'eth0'", ":2: zone a.local=eth0: "),
            ("[[zone]]\nname = 'a.b'\ninterface = 'eth0'\nport = 3", ":4: unknown key 'port'"),
            ("[[zone]]\nname = 'a.b'\ninterface = 'eth0'\nreverse = ['x']", ":4: reverse x: "),
            ("=", ":1: "),
            ("no-reverse = 1", ":1: no-reverse is true or false"),
            ("# " + "x" * 1_000_001, "larger than"),
        ):
            path.write_text(text, "utf-8")
            self.assertIn(expected, self.said("--config", str(path)), text[:80])

    def test_whole_command_line(self) -> None:
        with self.assertRaises(SystemExit) as caught:
            McastOptions().parseOptions(["proxy", "--zone", "eth0"])
        self.assertTrue(str(caught.exception).startswith("mcast: --zone eth0: "), caught.exception)


class ServiceTests(NodeTestCase):
    def test_runs_and_stops(self) -> None:
        host = self.lan.host("proxy")
        reactor = LanReactor(self.lan.clock)
        options = parsed("--zone", f"{BUILDING}=eth0", "--ns", "proxy.example.com", "--port", "5300")
        service = ProxyService(reactor, options, host)
        service.startService()
        self.lan.advance(1)
        self.assertEqual([str(link) for link in service.node.working_links], ["eth0/IPv4", "eth0/IPv6"])
        self.assertEqual({port.address.port for port in reactor.ports}, {5300})
        service.log_counters()
        stopped = service.stopService()
        self.lan.advance(2)
        self.successResultOf(stopped)
        self.assertFalse(any(port.is_listening for port in reactor.ports))

    def test_certificate_read_again(self) -> None:
        """SIGHUP; what cannot be used changes nothing, and the log says why in one line."""
        try:
            from tests.certificates import Authority
        except ImportError:
            raise SkipTest("cryptography (extra tls) is not installed") from None
        certificate, key = self.mktemp(), self.mktemp()
        authority = Authority()
        authority.write_server("old.example.com", certificate, key)
        reactor = LanReactor(self.lan.clock)
        reactor.callFromThread = lambda call: call()  # type: ignore[attr-defined]
        words = ("--zone", f"{BUILDING}=eth0", "--ns", "proxy.example.com", "--port", "5300")
        options = parsed(*words, "--tls-certificate", certificate, "--tls-key", key)
        service = ProxyService(reactor, options, self.lan.host("proxy"))
        service.startService()
        self.addCleanup(service.stopService)

        def context() -> object:
            assert service.proxy._tls is not None
            return service.proxy._tls.serverConnectionForTLS(None).get_context()

        old = context()
        authority.write_server("new.example.com", certificate, self.mktemp())
        with capturedLogs() as events:
            os.kill(os.getpid(), signal.SIGHUP)
            self.lan.advance(2)
            said = "".join(map(formatEvent, events))
        self.assertIn(f"{key}: not the key of {certificate}; the certificate", said)
        self.assertIs(context(), old)
        authority.write_server("new.example.com", certificate, key)
        with capturedLogs() as events:
            os.kill(os.getpid(), signal.SIGHUP)
            self.lan.advance(2)
            self.assertEqual([formatEvent(event) for event in events], [f"read {certificate} again"])
        self.assertIsNot(context(), old)

    def test_name_server_in_a_zone(self) -> None:
        options = parsed("--zone", "a.example=eth0", "--ns", "proxy.a.example")
        error = self.assertRaises(ValueError, ProxyService, self.lan.clock, options, self.lan.host("proxy"))
        self.assertIn("outside of all zones", str(error))
