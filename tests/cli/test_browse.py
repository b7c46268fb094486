"""``mcast browse`` lists services, and follows them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mcast.cli import browse
from mcast.cli.browse import CHECK
from mcast.cli.command import GOOD, NOT_ALL, CommandError
from mcast.dns.codes import RESPONSE_FLAGS
from mcast.dns.messages import Message, encode
from mcast.dns.names import Name
from mcast.dns.records import pointer, service, text
from mcast.dnssd import browsing
from mcast.dnssd.types import type_enumeration_name
from mcast.mdns.constants import IPV4_GROUP
from tests.cli.finding_lab import FindingTestCase
from tests.standstill import stand_still


class TableTests(FindingTestCase):
    command = browse

    def test_names(self) -> None:
        self.publish()
        self.publish("Files", port=81)
        self.assertEqual(self.run_command("_http._tcp"), GOOD)
        self.assertEqual(
            self.lines,
            ["NAME    TYPE        INTERFACE", "Files   _http._tcp  eth0", "My Web  _http._tcp  eth0"],
        )

    def test_resolved(self) -> None:
        self.publish(txt={"path": "/", "flag": None})
        self.run_command("_http._tcp", "--resolve")
        head, row = self.lines
        self.assertEqual(head.split(), ["NAME", "TYPE", "INTERFACE", "HOST", "ADDRESS", "TXT"])
        self.assertEqual(
            row, "My Web  _http._tcp  eth0       there.local:80  10.0.1.2 fe80::1:2%eth0  path=/ flag"
        )

    def test_resolved_on_a_terminal(self) -> None:
        """A block for each service, since no table has the room; and all that is known of it."""
        self.publish(txt={"path": "/", "note": "long " * 20})
        self.columns = 80
        self.run_command("_http._tcp", "--resolve")
        self.assertEqual(
            self.lines[:3],
            ["My Web  _http._tcp  eth0", "    there.local:80", "    10.0.1.2 fe80::1:2%eth0"],
        )
        self.assertEqual(" ".join(self.lines).count("long"), 20)
        self.assertLessEqual(max(map(len, self.lines)), 80)

    def test_address_that_is_not_known(self) -> None:
        """The reason stands in its place."""
        self.publish(host="intranet.example.com")
        self.run_command("_http._tcp", "--resolve")
        self.assertIn(
            "intranet.example.com:80  (outside of .local; the system's resolver knows no address)",
            self.lines[1],
        )

    def test_nothing(self) -> None:
        began = self.lan.now
        self.assertEqual(self.run_command("_http._tcp"), NOT_ALL)
        self.assertEqual(self.lines, [])
        self.assertEqual(
            self.errors.getvalue(), "mcast browse: no service of _http._tcp was found within 2 s of silence\n"
        )
        self.assertAlmostEqual(self.lan.now - began, browse.QUIET)

    def test_nothing_of_any_type(self) -> None:
        self.assertEqual(self.run_command("--wait", "1", json_lines=True), NOT_ALL)
        self.assertEqual(
            self.errors.getvalue(), f"mcast browse: no service was found within 1 s of silence{CHECK}\n"
        )

    def test_wait(self) -> None:
        began = self.lan.now
        self.run_command("_http._tcp", "--wait", "0.5")
        self.assertAlmostEqual(self.lan.now - began, 0.5)

    def test_news_keep_it_going(self) -> None:
        done = self.start("_http._tcp", "--wait", "2")
        self.lan.advance(1)
        self.publish()
        self.lan.advance(1.5)
        self.assertNoResult(done)
        self.lan.advance(2)
        self.assertEqual(self.successResultOf(done), GOOD)

    def test_news_that_are_read_late(self) -> None:
        """A process that stood still calls what is due before it reads what has come meanwhile."""
        clock, done = Clock(), Deferred[None]()
        quiet = browse._Quiet(clock, 2.0, done, lambda: 0, lambda: False)
        clock.callLater(2.5, quiet.news)
        clock.rightNow += 3.0
        clock.advance(0)
        self.assertNoResult(done)
        clock.advance(2.0)
        self.successResultOf(done)

    def test_late_news_keep_it_going(self) -> None:
        """What arrived while the program stood still, past the end of the silence, is read before it ends."""
        name = Name.parse("_http._tcp.local.")
        found = pointer(name, name.prefixed("Late"), 120)
        payload = encode(Message(flags=RESPONSE_FLAGS, answers=[found]))
        done = self.start("_http._tcp", "--wait", "2")
        stand_still(
            self.lan,
            1.5,
            3.0,
            lambda: self.lan.link().inject(payload, "10.0.1.2", 5353, IPV4_GROUP, 5353),
        )
        self.assertNoResult(done)
        self.lan.advance(2)
        self.assertEqual(self.successResultOf(done), GOOD)

    def test_late_without_news(self) -> None:
        done = self.start("_http._tcp", "--wait", "2")
        stand_still(self.lan, 1.5, 3.0, lambda: None)
        self.assertEqual(self.lan.result(done, within=0.1), NOT_ALL)

    def test_service_that_went_meanwhile_is_not_listed(self) -> None:
        registration = self.publish()
        done = self.start("_http._tcp", "--wait", "5")
        self.lan.advance(1)
        self.lan.result(registration.withdraw())
        self.assertEqual(self.lan.result(done), GOOD)
        self.assertEqual(self.lines, [])

    def test_instance_alone_and_unescaped(self) -> None:
        """S-4.2-2, S-13.1-1: the first label, with its dots and spaces as they are."""
        self.publish("A web page. Really")
        self.run_command("_http._tcp")
        self.assertEqual(self.lines[1], "A web page. Really  _http._tcp  eth0")

    def test_control_characters_are_escaped(self) -> None:
        """A terminal must not obey what a stranger sent."""
        self.publish(txt={"a": "\x1b[2J\u202e"})
        self.run_command("_http._tcp", "--resolve")
        self.assertTrue(self.lines[1].endswith("a=\\u001b[2J\\u202e"), self.lines[1])

    def test_attribute_with_blanks(self) -> None:
        """It is not taken for two."""
        self.publish(txt={"note": "2nd floor", "path": "/"})
        self.run_command("_http._tcp", "--resolve")
        self.assertTrue(self.lines[1].endswith('  note="2nd floor" path=/'), self.lines[1])

    def test_wide_characters_line_up(self) -> None:
        """A column of a terminal is what counts, not a character."""
        self.publish("日本")
        self.publish("My Web")
        self.run_command("_http._tcp")
        self.assertEqual(self.lines[1:], ["My Web  _http._tcp  eth0", "日本    _http._tcp  eth0"])

    def test_all_types(self) -> None:
        self.publish()
        self.publish("Printer", "_ipp._tcp", 631)
        self.run_command()
        self.assertEqual(
            [line.split()[-2] for line in self.lines[1:]], ["_http._tcp", "_ipp._tcp"], self.lines
        )

    def test_subtype(self) -> None:
        self.publish("Plain")
        self.publish("Printer", subtypes=["_printer"])
        self.run_command("_http._tcp,_printer")
        self.assertEqual(self.lines[1:], ["Printer  _http._tcp,_printer  eth0"])

    def test_spellings(self) -> None:
        self.publish("Plain")
        self.publish("Printer", subtypes=["_printer"])
        self.run_command("_printer._sub._http._tcp.local.")
        self.assertEqual(self.lines[1:], ["Printer  _http._tcp,_printer  eth0"])

    def test_several_types_and_subtypes(self) -> None:
        self.publish("Plain")
        self.publish("Printer", "_ipp._tcp", subtypes=["_color"])
        self.publish("Grey", "_ipp._tcp")
        self.run_command("_http._tcp", "_ipp._tcp,_color,_duplex", "--wait", "3")
        self.assertEqual([line.split()[0] for line in self.lines[1:]], ["Plain", "Printer"])

    def test_type_that_breaks_the_rules_of_names(self) -> None:
        """What others publish can be browsed for, whatever RFC 6335 thinks of it."""
        self.assertEqual(self.run_command("_much_too_long_a_name._tcp", "--wait", "0.1"), NOT_ALL)

    def test_unknown_interface(self) -> None:
        with self.assertRaisesRegex(CommandError, "wlan7"):
            self.run_command("_http._tcp", "--interface", "wlan7")

    def test_interface(self) -> None:
        """What is on another interface is not seen."""
        self.publish()
        self.here.connect(self.lan.link("empty"))
        self.assertEqual(self.run_command("_http._tcp", "--interface", "eth1"), NOT_ALL)

    def test_no_usable_interface(self) -> None:
        self.here.interface().set_up(False)
        with self.assertRaisesRegex(CommandError, "none is up"):
            self.run_command("_http._tcp")


class IncompleteTests(FindingTestCase):
    """What is known is shown, and what is not is said."""

    command = browse

    def announce(self, *, located: bool = True) -> None:
        """Publish a service on a host that has no address."""
        name = Name.from_labels(["Ghost", "_http", "_tcp", "local"])
        listing = Name.from_labels(name.labels[1:])
        self.there.publish(pointer(type_enumeration_name(), listing, 4500), shared=True)
        self.there.publish(pointer(listing, name, 4500), shared=True)
        if located:
            self.there.publish(service(name, 0, 0, 80, Name.parse("nowhere.local"), 120))
            self.there.publish(text(name, [b"a=b"], 4500))
        self.lan.advance(5)

    def test_no_address(self) -> None:
        self.announce()
        self.assertEqual(self.run_command("_http._tcp", "-r"), GOOD)
        self.assertEqual(
            self.lines[1], "Ghost  _http._tcp  eth0       nowhere.local:80  (no address heard)  a=b"
        )

    def test_sooner_than_patience(self) -> None:
        """Whatever time there was, nothing that is known is lost."""
        self.announce()
        for words in (("_http._tcp",), ("_http._tcp", "--wait", "0.5"), ()):
            with self.subTest(words=words):
                self.assertEqual(self.run_command(*words, json_lines=True), GOOD)
                (found,) = self.objects
                self.assertEqual(
                    (found["host"], found["port"], found["addresses"], found["unknown"]),
                    ("nowhere.local.", 80, [], ["addresses"]),
                )

    def test_no_host(self) -> None:
        """What is listed alone may be gone: it is not shown as a service, but told of."""
        self.announce(located=False)
        self.assertEqual(self.run_command("_http._tcp", "-r"), NOT_ALL)
        self.assertIn(
            "mcast browse: listed, but nobody says on which host: Ghost._http._tcp.local\n",
            self.errors.getvalue(),
        )


class TypesTests(FindingTestCase):
    """``_services._dns-sd._udp`` is the list of types (RFC 6763 §9)."""

    command = browse

    def test_list(self) -> None:
        self.publish()
        self.publish("Printer", "_ipp._tcp", 631)
        for name in ("_services._dns-sd._udp", "_services._dns-sd._udp.local."):
            with self.subTest(name=name):
                self.assertEqual(self.run_command(name), GOOD)
                self.assertEqual(
                    self.lines, ["TYPE        INTERFACE", "_http._tcp  eth0", "_ipp._tcp   eth0"]
                )

    def test_nothing(self) -> None:
        self.assertEqual(self.run_command("_services._dns-sd._udp"), NOT_ALL)
        self.assertIn("no service type was found", self.errors.getvalue())

    def test_follow(self) -> None:
        following = self.start("_services._dns-sd._udp", "--follow")
        registration = self.publish()
        self.lan.advance(3)
        self.lan.result(registration.withdraw())
        self.lan.advance(3)
        following.cancel()
        self.assertEqual(self.lan.result(following), GOOD)
        self.assertEqual(self.lines[0], "+  _http._tcp  eth0")

    def test_json(self) -> None:
        self.publish()
        self.run_command("_services._dns-sd._udp", json_lines=True)
        (found,) = self.objects
        self.assertIsInstance(found.pop("time"), float)
        self.assertEqual(found, {"event": "added", "type": "_http._tcp", "interfaces": ["eth0"]})

    def test_beside_others(self) -> None:
        with self.assertRaisesRegex(CommandError, "asked for alone"):
            self.run_command("_services._dns-sd._udp", "_http._tcp")


class FollowTests(FindingTestCase):
    command = browse

    def test_signs(self) -> None:
        registration = self.publish(txt={"a": "1"})
        following = self.start("_http._tcp", "--follow", "--resolve")
        self.lan.advance(3)
        registration.update(txt={"a": "2"})
        self.lan.advance(3)
        self.lan.result(registration.withdraw())
        self.lan.advance(100)
        self.assertNoResult(following)
        following.cancel()
        self.assertEqual(self.lan.result(following), GOOD)
        rest = "My Web  _http._tcp  eth0  there.local:80  10.0.1.2 fe80::1:2%eth0"
        self.assertEqual(self.lines, [f"+  {rest}  a=1", f"=  {rest}  a=2", f"-  {rest}  a=2"])

    def test_nothing_until_the_interrupt(self) -> None:
        following = self.start("_http._tcp", "--follow")
        self.lan.advance(100)
        following.cancel()
        self.assertEqual(self.lan.result(following), NOT_ALL)

    def test_interface_that_comes_later(self) -> None:
        self.publish()
        self.here.interface().set_up(False)
        following = self.start("_http._tcp", "--follow")
        self.lan.advance(5)
        self.here.interface().set_up(True)
        self.lan.advance(5)
        self.assertEqual(self.lines, ["+  My Web  _http._tcp  eth0"])
        following.cancel()
        self.lan.result(following)

    def test_type_that_comes_later(self) -> None:
        following = self.start("--follow")
        self.lan.advance(100)
        self.publish("Printer", "_ipp._tcp", 631)
        self.lan.advance(3)
        self.assertEqual(self.lines, ["+  Printer  _ipp._tcp  eth0"])
        following.cancel()
        self.lan.result(following)

    def test_type_that_is_gone_is_asked_for_no_longer(self) -> None:
        registration = self.publish("Printer", "_ipp._tcp", 631)
        following = self.start("--follow")
        self.lan.advance(3)
        self.lan.result(registration.withdraw())
        self.lan.advance(5)
        self.lan.packets.clear()
        self.lan.advance(7200)
        asked = {str(one.name) for packet in self.lan.packets.queries for one in packet.message.questions}
        self.assertEqual(asked, {"_services._dns-sd._udp.local."})
        following.cancel()
        self.lan.result(following)

    def test_flood_of_types(self) -> None:
        """What is browsed for is bounded, and a real service is shown."""
        self.patch(browsing, "MAX_TYPES", 32)
        self.patch(browse, "MAX_UNLISTED", 16)
        following = self.start("--follow")
        peer = self.lan.host("peer")
        for number in range(120):
            name = Name.parse(f"_junk{number}._tcp.local")
            records = [
                pointer(type_enumeration_name(), name, 4500),
                pointer(name, name.prefixed("One"), 4500),
            ]
            packet = encode(Message(flags=RESPONSE_FLAGS, answers=records))
            peer.transmit(5353, packet, IPV4_GROUP, 5353, peer.interface().index, 255, False)
            self.lan.advance(0.1)
        self.publish("Printer", "_ipp._tcp", 631)
        self.lan.advance(10)
        self.assertIn("+  Printer  _ipp._tcp  eth0", self.lines)
        self.assertNotIn("-  Printer  _ipp._tcp  eth0", self.lines)
        shown = sum({"+": 1, "-": -1}[line[0]] for line in self.lines)
        self.assertEqual(shown, 32 + 16)
        following.cancel()
        self.lan.result(following)


class JsonTests(FindingTestCase):
    command = browse

    def test_all_fields_without_asking(self) -> None:
        self.publish(txt={"text": "Zoë", "octets": b"\xff\x00", "flag": None}, subtypes=["_printer"])
        self.assertEqual(self.run_command("_http._tcp,_printer", json_lines=True), GOOD)
        (found,) = self.objects
        self.assertIsInstance(found.pop("time"), float)
        self.assertEqual(
            found,
            {
                "event": "added",
                "name": "My Web",
                "full_name": "My Web._http._tcp.local.",
                "type": "_http._tcp",
                "domain": "local.",
                "subtypes": ["_printer"],
                "host": "there.local.",
                "port": 80,
                "txt": {"text": "Zoë", "flag": None},
                "unknown": [],
                "txt_base64": {"octets": "/wA="},
                "addresses": [
                    {"address": "10.0.1.2", "interface": "eth0"},
                    {"address": "fe80::1:2%eth0", "interface": "eth0"},
                ],
                "interfaces": ["eth0"],
            },
        )

    def test_written_at_once(self) -> None:
        following = self.start("_http._tcp", "--follow", json_lines=True)
        registration = self.publish(txt={"a": "1"})
        self.lan.advance(2)
        self.assertEqual([one["event"] for one in self.objects], ["added"])
        registration.update(txt={"a": "2"})
        self.lan.advance(2)
        self.assertEqual([one["txt"] for one in self.objects[1:]], [{"a": "2"}])
        self.lan.result(registration.withdraw())
        self.lan.advance(2)
        self.assertEqual([one["event"] for one in self.objects], ["added", "updated", "removed"])
        following.cancel()
        self.lan.result(following)

    def test_control_characters_are_escaped(self) -> None:
        """Also those that JSON lets stand, such as CSI."""
        self.publish(txt={"a": "\x9b2J"})
        self.run_command("_http._tcp", json_lines=True)
        self.assertIn('"\\u009b2J"', self.lines[0])
        self.assertEqual(self.objects[0]["txt"], {"a": "\x9b2J"})
