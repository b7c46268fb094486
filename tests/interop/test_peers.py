"""What we publish, found by Avahi, libnss-mdns, python-zeroconf and dig on other hosts."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from tests.interop.peers import AvahiHost, Responder, ZeroconfHost
from tests.interop.probe import Sniffer
from tests.interop.programs import Program
from tests.interop.responding import HOST, WEB_OPTION, addresses, serve
from tests.interop.scenes import SceneTestCase
from tests.interop.wire import IN, A, Question
from tests.network.lan import wait_until

SERVICES = """\
[[service]]
name = "Files of Zoë. Really"
type = "_ftp._tcp"
port = 2121
txt = {{ revision = "{revision}" }}
"""

DIG = ("dig", "+short", "+tries=1", "+timeout=60")

ZEROCONF_WEB = "My Web._http._tcp.local."


class PeersTestCase(SceneTestCase):
    """Our responder, avahi-daemon and python-zeroconf on a host each."""

    hosts: ClassVar[int] = 3
    programs = ("avahi-daemon", "avahi-browse", "avahi-resolve", "dbus-daemon", "dig", "getent")
    avahi: ClassVar[AvahiHost]
    zeroconf: ClassVar[ZeroconfHost]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        cls.avahi = AvahiHost(cls.lan.hosts[1], "pantry")
        stack.callback(cls.avahi.close)
        cls.zeroconf = ZeroconfHost(cls.lan.hosts[2])
        stack.callback(cls.zeroconf.close)


class FoundTests(PeersTestCase):
    """A service and a host, seen by everybody."""

    responder: ClassVar[Responder]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        super().build(stack)
        cls.zeroconf.tell("browse", type="_http._tcp")
        cls.responder = serve(cls.lan.hosts[0], "--service", WEB_OPTION)
        stack.callback(cls.responder.close)
        cls.zeroconf.wait_for(lambda event: event["event"] == "added" and event["name"] == ZEROCONF_WEB)

    def browsed(self, *arguments: str) -> list[list[str]]:
        """Return the resolved lines of avahi-browse for our service, once it is there in both families."""
        found: list[list[str]] = []

        def complete() -> bool:
            found[:] = [
                one for one in self.avahi.browse("-r", *arguments) if one[0] == "=" and "Web" in one[3]
            ]
            return {one[2] for one in found} == {"IPv4", "IPv6"}

        wait_until(complete, f"avahi-browse shows it in both families, but {found}")
        return found

    def test_avahi_browse(self) -> None:
        for line in self.browsed("_http._tcp"):
            _, interface, _, name, _, domain, host, address, port, text = line
            self.assertEqual((interface, name, domain), ("eth0", "My\\032Web", "local"))
            self.assertEqual((host, port), ("kitchen.local", "8080"))
            self.assertIn(address, addresses(self.lan.hosts[0]))
            self.assertEqual(set(text.split()), {'"path=/"', '"ver=1"'})

    def test_avahi_browse_all(self) -> None:
        """``-a`` finds the type first (RFC 6763 §9)."""
        self.assertEqual({one[3] for one in self.browsed("-a")}, {"My\\032Web"})

    def test_avahi_browse_subtype(self) -> None:
        self.assertEqual({one[3] for one in self.browsed("_printer._sub._http._tcp")}, {"My\\032Web"})

    def test_avahi_resolve_ipv4(self) -> None:
        self.assertEqual(
            self.avahi.resolve("-4", "-n", "kitchen.local"), f"kitchen.local\t{self.lan.hosts[0].ipv4()}"
        )

    def test_avahi_resolve_ipv6(self) -> None:
        name, address = self.avahi.resolve("-6", "-n", "kitchen.local").split("\t")
        self.assertEqual(name, "kitchen.local")
        self.assertIn(address, addresses(self.lan.hosts[0])[1:])

    def test_avahi_resolve_reverse_ipv4(self) -> None:
        address = self.lan.hosts[0].ipv4()
        self.assertEqual(self.avahi.resolve("-a", address), f"{address}\tkitchen.local")

    def test_avahi_resolve_reverse_ipv6(self) -> None:
        address = addresses(self.lan.hosts[0])[1]
        self.assertEqual(self.avahi.resolve("-a", address), f"{address}\tkitchen.local")

    def test_getent(self) -> None:
        """Any program of the C library finds it, by libnss-mdns."""
        found = self.avahi.getent("ahostsv4", "kitchen.local").split()
        self.assertEqual(found[0], self.lan.hosts[0].ipv4())

    def test_getent_hosts(self) -> None:
        address, name = self.avahi.getent("hosts", "kitchen.local").split()[:2]
        self.assertIn(address.partition("%")[0], addresses(self.lan.hosts[0]))
        self.assertEqual(name, "kitchen.local")

    def test_zeroconf_browser(self) -> None:
        event = self.zeroconf.wait_for(
            lambda event: event["event"] == "added" and event["name"] == ZEROCONF_WEB
        )
        self.assertEqual((event["host"], event["port"]), ("kitchen.local.", 8080))
        self.assertEqual(event["txt"], {"path": "/", "ver": "1"})
        self.assertIn(self.lan.hosts[0].ipv4(), event["addresses"])

    def test_zeroconf_resolves(self) -> None:
        self.zeroconf.tell("resolve", instance="My Web", type="_http._tcp")
        event = self.zeroconf.wait_for(lambda event: event["event"] == "resolved")
        self.assertTrue(event["resolved"])

    def test_dig(self) -> None:
        """dig asks the host itself; its answer is that of a conventional server."""
        near, far = self.lan.hosts[0], self.lan.hosts[2]
        output = far.run(*DIG, f"@{near.ipv4()}", "-p", "5353", "kitchen.local", "A")
        self.assertEqual(output.split(), [near.ipv4()])

    def test_dig_service(self) -> None:
        """An SRV target that is not compressed, as dig's own library expects (RFC 6762 §18.14)."""
        near, far = self.lan.hosts[0], self.lan.hosts[2]
        words = (f"@{near.ipv4()}", "-p", "5353", r"My\ Web._http._tcp.local", "SRV")
        self.assertEqual(
            far.run(*DIG, *words).split(),
            ["0", "0", "8080", "kitchen.local."],
        )

    def test_dig_multicast(self) -> None:
        """dig asks the group. BIND's newer ones hear no answer from elsewhere, so it is read on the wire."""
        near, far = self.lan.hosts[0], self.lan.hosts[2]
        sniffer = Sniffer(far)
        self.addCleanup(sniffer.close)
        words = ("@224.0.0.251", "-p", "5353", "-b", far.ipv4(), "kitchen.local", "A")
        dig = Program(far.command("dig", "+tries=1", "+time=1", *words))
        self.addCleanup(dig.end)
        asked = sniffer.wait_for(lambda packet: packet.outgoing and packet.source_port != 5353)
        answer = sniffer.wait_for(
            lambda packet: packet.source == near.ipv4() and packet.destination_port == asked.source_port
        )
        self.assertEqual(answer.message.id, asked.message.id)
        self.assertEqual(list(answer.message.questions), [Question(HOST, A, IN)])
        (record,) = answer.message.answers_for(HOST, A)
        self.assertEqual((record.address, record.ttl), (near.ipv4(), 10))


class LifeTests(PeersTestCase):
    """A service comes, changes and goes, and its neighbours follow."""

    name = "Files of Zoë. Really"

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        super().build(stack)
        cls.zeroconf.tell("browse", type="_ftp._tcp")
        cls.folder = Path(stack.enter_context(TemporaryDirectory(prefix="mcast-services-")))

    folder: ClassVar[Path]

    def setUp(self) -> None:
        super().setUp()
        self.file = self.folder / "services.toml"
        self.write(1)
        self.seen = len(self.zeroconf.events)
        self.browser = self.avahi.follow("_ftp._tcp")
        self.addCleanup(self.browser.end)
        self.responder = serve(self.lan.hosts[0], "--services", str(self.file))
        self.addCleanup(self.responder.close)
        self.wait_for("added")
        self.browser.wait_for(lambda line: line.startswith("+") and "IPv4" in line)

    def write(self, revision: int) -> None:
        """Write the file as a whole: a part of it would be read."""
        fresh = self.folder / "fresh"
        fresh.write_text(SERVICES.format(revision=revision), encoding="utf-8")
        fresh.replace(self.file)

    def wait_for(self, kind: str, **fields: object) -> dict[str, Any]:
        """Wait for the next such event of python-zeroconf about the service."""

        def wanted() -> list[dict[str, Any]]:
            return [
                event
                for event in self.zeroconf.events[self.seen :]
                if event["event"] == kind
                and event["name"] == f"{self.name}._ftp._tcp.local."
                and fields.items() <= event.items()
            ]

        wait_until(wanted, f"{kind} {fields}, but {self.zeroconf.events[self.seen :]}")
        return wanted()[0]

    def test_goodbye(self) -> None:
        """Ended by SIGTERM, it disappears within about a second (RFC 6762 §10.1), not after its TTL."""
        self.browser.wait_for(lambda line: line.startswith("+") and "IPv6" in line)
        self.responder.close()
        # Our choice of PATIENCE is half of the time that an SRV record lives.
        self.browser.wait_for(lambda line: line.startswith("-") and "IPv4" in line)
        self.browser.wait_for(lambda line: line.startswith("-") and "IPv6" in line)
        self.wait_for("removed")

    def test_changed_file(self) -> None:
        """The file is read again when it changes, and neighbours hear of the new TXT (RFC 6762 §8.4)."""
        self.write(2)
        self.wait_for("updated", txt={"revision": "2"})
        self.assertNotIn("-;", self.browser.output)

    def test_restart(self) -> None:
        """Ended and started again, it is back under the same name."""
        self.responder.close()
        self.wait_for("removed")
        self.seen = len(self.zeroconf.events)
        again = serve(self.lan.hosts[0], "--services", str(self.file))
        self.addCleanup(again.close)
        self.assertEqual(self.wait_for("added")["port"], 2121)
