"""``mcast resolve`` finds services, hosts, and whose an address is."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import resolve
from mcast.cli.command import GOOD, NOT_ALL, CommandError
from mcast.cli.resolve import hex_dump
from mcast.dns.names import Name
from mcast.dns.records import address, service, text
from mcast.dnssd.hosts import Host
from tests.cli.finding_lab import FindingTestCase


class ServiceTests(FindingTestCase):
    command = resolve

    def test_service(self) -> None:
        self.publish(txt={"path": "/", "flag": None})
        self.assertEqual(self.run_command("My Web", "_http._tcp"), GOOD)
        self.assertEqual(
            self.lines,
            [
                "name       My Web",
                "type       _http._tcp",
                "host       there.local",
                "port       80",
                "address    10.0.1.2 on eth0",
                "address    fe80::1:2%eth0 on eth0",
                "txt        path=/",
                "txt        flag",
            ],
        )

    def test_whole_name(self) -> None:
        self.publish("A web page. Really")
        self.assertEqual(self.run_command("A web page\\. Really._http._tcp.local"), GOOD)
        self.assertEqual(self.lines[0], "name       A web page. Really")

    def test_as_browse_shows_it(self) -> None:
        """M-16-1: octets that are no UTF-8, and letters that are not composed."""
        host = Name.parse("there.local")
        self.there.publish(Host())
        for label in (b"caf\xe9", "Bu\u0308ro".encode()):
            whole = Name.from_labels([label, b"_http", b"_tcp", b"local"])
            self.there.publish(service(whole, 0, 0, 80, host, 120))
            self.there.publish(text(whole, [], 120))
        self.lan.advance(5)
        for name in ("caf\\xe9", "caf\udce9", "Bu\u0308ro"):
            with self.subTest(name=name):
                self.assertEqual(self.run_command(name, "_http._tcp"), GOOD)
                self.assertEqual(self.run_command(f"{name}._http._tcp.local"), GOOD)

    def test_dots_and_percent_as_browse_shows_them(self) -> None:
        for name in ("Dr. Who v1.2", "100% Good", "%h"):
            with self.subTest(name=name):
                self.publish(name)
                self.assertEqual(self.run_command(f"{name}._http._tcp"), GOOD)
                self.assertEqual(self.lines[0], f"name       {name}")

    def test_octets_beside_text(self) -> None:
        """S-6.5-4: values as a hex dump, with what they are as UTF-8 beside it."""
        self.publish(txt={"icon": b"\x89Zo\xc3\xab\x00"})
        self.run_command("My Web", "_http._tcp", "--verbose")
        at = self.lines.index("txt        icon: 6 octets")
        self.assertEqual(self.lines[at + 1].split(None, 6), ["89", "5a", "6f", "c3", "ab", "00", ".Zoë."])

    def test_json(self) -> None:
        self.publish()
        self.run_command("My Web", "_http._tcp", json_lines=True)
        (found,) = self.objects
        self.assertEqual(
            [found[key] for key in ("event", "name", "host", "port")],
            ["resolved", "My Web", "there.local.", 80],
        )

    def test_nobody(self) -> None:
        self.assertEqual(self.run_command("Nobody", "_http._tcp", "--wait", "1"), NOT_ALL)
        self.assertEqual(
            self.errors.getvalue(), "mcast resolve: Nobody._http._tcp.local.: no answer within 1 s\n"
        )
        self.assertEqual(self.lines, [])


class HostTests(FindingTestCase):
    command = resolve

    def setUp(self) -> None:
        super().setUp()
        self.lan.advance(3)

    def test_addresses(self) -> None:
        self.assertEqual(self.run_command("there.local"), GOOD)
        self.assertEqual(self.lines, ["there.local  10.0.1.2  eth0", "there.local  fe80::1:2%eth0  eth0"])

    def test_single_label(self) -> None:
        self.assertEqual(self.run_command("there"), GOOD)

    def test_json(self) -> None:
        self.run_command("there.local", json_lines=True)
        (found,) = self.objects
        self.assertEqual((found["event"], found["host"]), ("resolved", "there.local."))
        self.assertEqual(found["addresses"][0], {"address": "10.0.1.2", "interface": "eth0"})

    def test_name_that_answered_is_shown(self) -> None:
        """M-16-1: what was typed may mean several names, and one of them is the host's."""
        for label, typed, shown in (
            (b"l\xfct", "l\\xfct.local", "l\\xfct.local"),
            (b"h\x1b[1m\xe2\x80\xae", "h\\u001b[1m\\u202e", "h\\u001b[1m\\u202e.local"),
            ("b\u00fcro".encode(), "bu\u0308ro.local", "b\u00fcro.local"),
        ):
            with self.subTest(label=label):
                host = Name.from_labels([label, b"local"])
                self.there.publish(address(host, "10.0.1.9", 120))
                self.lan.advance(5)
                self.assertEqual(self.run_command(typed), GOOD)
                self.assertEqual(self.lines, [f"{shown}  10.0.1.9  eth0"])
                self.run_command(typed, json_lines=True)
                self.assertEqual(self.objects[-1]["host"], str(host))

    def test_name_outside_local(self) -> None:
        """No other name is asked for by multicast (RFC 6762 §13)."""
        with self.assertRaisesRegex(CommandError, "only hosts in .local"):
            self.run_command("www.example.com")

    def test_service_outside_local(self) -> None:
        """DNS servers are asked, which a fake clock does not reach; and nobody on the link."""
        self.assertEqual(self.run_command("Web._http._tcp.example.com"), NOT_ALL)
        asked = [str(question.name) for question in self.lan.packets.queries.questions]
        self.assertEqual([name for name in asked if "example.com" in name], [])

    def test_nobody(self) -> None:
        self.assertEqual(self.run_command("nobody.local"), NOT_ALL)


class HeldPortTests(FindingTestCase):
    """Port 5353 is held by a program that does not share it: the command asks from one of its own."""

    command = resolve

    def setUp(self) -> None:
        super().setUp()
        self.publish(port=8080, txt={"path": "/"})
        self.patch(self.here, "open", partial(_refuse, self.here.open))

    def test_service(self) -> None:
        """RFC 6762 §5.1: the answers come by unicast, and each question is repeated until they do."""
        self.assertEqual(self.run_command("My Web", "_http._tcp"), GOOD)
        self.assertIn("port       8080", self.lines)
        self.assertIn("address    10.0.1.2 on eth0", self.lines)
        self.assertEqual(
            self.errors.getvalue(),
            "mcast resolve: UDP port 5353: already in use; asking from a port of our own\n",
        )
        sent = self.lan.packets.sent_by("here")
        self.assertEqual({packet.source_port == 5353 for packet in sent}, {False})

    def test_lost_answer(self) -> None:
        """The answers to later questions are taken in as well as those to the first."""
        self.lan.link("lan").loss = 1.0
        self.lan.clock.callLater(0.5, setattr, self.lan.link("lan"), "loss", 0.0)
        self.assertEqual(self.run_command("there.local"), GOOD)

    def test_host(self) -> None:
        self.assertEqual(self.run_command("there.local"), GOOD)
        self.assertEqual(self.lines[0], "there.local  10.0.1.2  eth0")


def _refuse(open_port: Callable[..., Any], ipv6: bool, own_port: bool = False) -> Any:
    if not own_port:
        raise OSError(errno.EADDRINUSE, "UDP port 5353: already in use")
    return open_port(ipv6, own_port)


class AddressTests(FindingTestCase):
    command = resolve

    def setUp(self) -> None:
        super().setUp()
        self.lan.advance(3)

    def test_ipv4(self) -> None:
        self.assertEqual(self.run_command("10.0.1.2"), GOOD)
        self.assertEqual(self.lines, ["10.0.1.2  there.local  eth0"])

    def test_ipv6(self) -> None:
        self.assertEqual(self.run_command("fe80::1:2"), GOOD)
        self.assertEqual(self.lines, ["fe80::1:2  there.local  eth0"])

    def test_zone_chooses_the_interface(self) -> None:
        self.here.connect(self.lan.link("empty"))
        self.assertEqual(self.run_command("fe80::1:2%eth1", "--wait", "1"), NOT_ALL)

    def test_json(self) -> None:
        self.run_command("10.0.1.2", json_lines=True)
        (found,) = self.objects
        self.assertEqual(
            [found[key] for key in ("event", "address", "host", "interface")],
            ["resolved", "10.0.1.2", "there.local.", "eth0"],
        )

    def test_no_address(self) -> None:
        with self.assertRaisesRegex(CommandError, "10.0.1.777"):
            self.run_command("10.0.1.777")


class HexDumpTests(SynchronousTestCase):
    def test_lines_of_sixteen(self) -> None:
        lines = hex_dump(bytes(range(0x41, 0x41 + 17)))
        self.assertEqual(lines[0], "41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP")
        self.assertEqual(lines[1].split(), ["51", "Q"])

    def test_character_across_two_lines(self) -> None:
        lines = hex_dump(b"x" * 15 + "ë".encode() + b"y")
        self.assertTrue(lines[0].endswith("xxxë"))
        self.assertTrue(lines[1].endswith("  y"))

    def test_nothing(self) -> None:
        self.assertEqual(hex_dump(b""), [])
