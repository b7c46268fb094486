"""`mcast.tap.mdns` and its services files: the command line of `twist mcast mdns`."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from twisted.application.service import IServiceCollection
from twisted.internet.defer import Deferred
from twisted.logger import LogLevel, capturedLogs, formatEvent
from twisted.python.usage import UsageError
from zope.interface.verify import verifyObject

import mcast.dnssd.files.read as read_module
from mcast.dns.codes import RecordType
from mcast.dns.presentation import show_data, show_record
from mcast.dnssd.files.contents import ServicesFile
from mcast.dnssd.files.read import parse_services
from mcast.errors import ServicesFileError
from mcast.node.node import Node
from mcast.tap.followed_file import MAX_NOTES
from mcast.tap.mdns import MDNSService, Options
from mcast.tap.services_follower import POLL_INTERVAL, ServicesFollower, read_followed
from tests.node.node_lab import (
    SETTLED,
    NodeTestCase,
)

A, PTR, SRV, TXT = RecordType.A, RecordType.PTR, RecordType.SRV, RecordType.TXT

WEB = """
[[service]]
name = "Web"
type = "_http._tcp"
port = 80
txt = { path = "/" }
"""

PRINTER = """
[[service]]
name = "Printer on %h"
type = "_ipp._tcp"
port = 631
"""

LOCATION = """
[[record]]
name = "%h.local"
type = "LOC"
data = "52 N 4 E 2m"
"""

AVAHI = """<?xml version="1.0" standalone='no'?>
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
  <name replace-wildcards="yes">Files on %h</name>
  <service><type>_smb._tcp</type><port>445</port></service>
</service-group>
"""


class OptionsTests(NodeTestCase):
    """What stands after `twist mcast mdns`, and one line for each mistake."""

    def parsed(self, *words: str) -> Options:
        options = Options()
        options.parseOptions(words)
        return options

    def refused(self, *words: str) -> str:
        with self.assertRaises(UsageError) as caught:
            self.parsed(*words)
        text = str(caught.exception)
        self.assertNotIn("\n", text)
        return text

    def test_service(self) -> None:
        (service,) = self.parsed("--service", r"My\: Web:_http._tcp,_printer:8080:path=/:ver=1")["services"]
        self.assertEqual((service.name, str(service.type), service.port), ("My: Web", "_http._tcp", 8080))
        self.assertEqual((service.subtypes, dict(service.txt)), ((b"_printer",), {"path": b"/", "ver": b"1"}))

    def test_repeatable(self) -> None:
        options = self.parsed(
            *("--service", "A:_http._tcp:1", "--service", "B:_http._tcp:2", "--alias", "a", "--alias", "b"),
            *("--interface", "eth0", "--interface", "eth1", "--services", "x", "--services", "y"),
        )
        kept = [options["interfaces"], options["files"], options["aliases"]]
        self.assertEqual(kept, [["eth0", "eth1"], ["x", "y"], ["a", "b"]])
        self.assertEqual([service.name for service in options["services"]], ["A", "B"])

    def test_records(self) -> None:
        entries = self.parsed("--record", "a.local MX 1 b.local", "--shared-record", "c.local A 192.0.2.1")[
            "records"
        ]
        self.assertEqual(
            [(show_record(entry.record), entry.shared) for entry in entries],
            [("a.local. 4500 IN MX 1 b.local.", False), ("c.local. 120 IN A 192.0.2.1", True)],
        )

    def test_bad_record(self) -> None:
        self.assertIn("--record: data: MX data 'b'", self.refused("--record", "a.local MX b"))

    def test_bad_service(self) -> None:
        self.assertIn("http._tcp", self.refused("--service", "Web:http._tcp:80"))

    def test_bad_port(self) -> None:
        self.assertIn("70000", self.refused("--service", "Web:_http._tcp:70000"))

    def test_bad_hostname(self) -> None:
        self.assertIn("a.b", self.refused("--hostname", "a.b"))

    def test_bad_alias(self) -> None:
        self.assertIn("--alias", self.refused("--alias", "a b"))

    def test_alias_twice(self) -> None:
        """The same alias again, in whatever case, is the same alias."""
        self.assertEqual(self.parsed("--alias", "oven", "--alias", "Oven.local")["aliases"], ["oven"])

    def test_bad_rate(self) -> None:
        self.assertIn("--max-rate x1", self.refused("--max-rate", "x1"))

    def test_no_family(self) -> None:
        self.assertIn("--no-ipv4", self.refused("--no-ipv4", "--no-ipv6"))

    def test_stray_word(self) -> None:
        self.assertIn("stray", self.refused("stray"))


class ServiceTests(NodeTestCase):
    """The service that the options describe."""

    def service(self, *words: str, running: bool = True) -> MDNSService:
        options = Options()
        options.parseOptions(["--hostname", "kitchen", *words])
        service = MDNSService(self.lan.clock, options, self.lan.host("kitchen"))
        if running:
            service.startService()
            self.addCleanup(self.stop, service)
            self.lan.advance(SETTLED)
        return service

    def stop(self, service: MDNSService) -> None:
        if service.running:
            self.lan.result(service.stopService())

    def test_is_a_service_collection(self) -> None:
        verifyObject(IServiceCollection, self.service(running=False))

    def test_publishes(self) -> None:
        self.service("--service", "Web:_http._tcp:80", "--alias", "www")
        published = self.lan.packets.responses.owners()
        for name in ("kitchen.local.", "www.local.", "Web._http._tcp.local."):
            self.assertIn(name, published)

    def test_one_family(self) -> None:
        self.service("--no-ipv4")
        self.assertEqual({packet.ipv6 for packet in self.lan.packets}, {True})

    def test_rate(self) -> None:
        service = self.service("--max-rate", "1")
        for _ in range(3):
            self.lan.host("peer").transmit(40000, _query(), "224.0.0.251", 5353, 2, 255, False)
        self.lan.advance(0.5)
        counters = service.node.statistics()["links"]["eth0/IPv4"]
        self.assertEqual(counters["answers over rate"], 2)

    def test_says_goodbye(self) -> None:
        """M-10.1-1: at the end."""
        service = self.service("--service", "Web:_http._tcp:80")
        self.lan.result(service.stopService())
        self.assertEqual(
            {record.type for record in self.lan.packets.goodbyes} - {RecordType.AAAA}, {A, SRV, TXT, PTR}
        )

    def test_remembers_names(self) -> None:
        """M-9-6: with --state."""
        self.settled("other", hostname="kitchen")
        state = self.mktemp()
        self.service("--state", state)
        self.assertIn("kitchen-2", Path(state).read_text())

    def test_state_in_the_log(self) -> None:
        service = self.service("--service", "Web:_http._tcp:80")
        with capturedLogs() as events:
            service.log_counters()
        states = {event["name"]: event["state"] for event in events if "state" in event}
        self.assertEqual(states, {"kitchen.local.": "published", "Web._http._tcp.local.": "published"})

    def test_numbers_in_the_log(self) -> None:
        """All that `Node.statistics` tells, and nothing else."""
        service = self.service("--service", "Web:_http._tcp:80")
        with capturedLogs() as events:
            service.log_counters()
        parts = {event["part"]: event["counters"] for event in events if "part" in event}
        self.assertEqual(parts, service.node.statistics())

    def test_hostname_of_a_file(self) -> None:
        path = Path(self.mktemp())
        path.write_text('hostname = "pantry"\n' + PRINTER)
        options = Options()
        options.parseOptions(["--services", str(path)])
        service = MDNSService(self.lan.clock, options, self.lan.host("kitchen"))
        self.assertEqual(service.node.hostname, "pantry")
        service.startService()
        self.addCleanup(self.stop, service)
        self.lan.advance(SETTLED)
        self.assertIn("Printer on pantry._ipp._tcp.local.", self.lan.packets.responses.owners())

    def test_file_is_parsed_once(self) -> None:
        """What names the host is published without another reading."""
        parsed: list[object] = []

        def parse(data: bytes, source: str, hostname: str) -> ServicesFile:
            parsed.append(source)
            return parse_services(data, source, hostname)

        self.patch(read_module, "parse_services", parse)
        path = Path(self.mktemp())
        path.write_text(WEB)
        service = self.service("--services", str(path))
        self.assertEqual(parsed, [str(path)])
        self.assertEqual([one.name for one in service.node.registrations], ["kitchen", "Web"])

    def test_missing_file(self) -> None:
        with self.assertRaisesRegex(UsageError, "nosuch.toml.*No such file"):
            self.service("--services", "nosuch.toml", running=False)

    def test_faulty_file(self) -> None:
        path = Path(self.mktemp())
        path.write_text(WEB + "[[service]]\nname = 7\n")
        with self.assertRaisesRegex(UsageError, f"{path.name}:8:"):
            self.service("--services", str(path), running=False)

    def test_hangup_reads_again(self) -> None:
        path = Path(self.mktemp())
        path.write_text(WEB)
        calls: list[object] = []
        self.lan.clock.callFromThread = calls.append  # type: ignore[attr-defined]  # a reactor has it
        before = signal.getsignal(signal.SIGHUP)
        service = self.service("--services", str(path))
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(len(calls), 1)
        self.stop(service)
        self.assertIs(signal.getsignal(signal.SIGHUP), before)


def _query() -> bytes:
    return bytes.fromhex("000100000001000000000000") + b"\x07kitchen\x05local\x00\x00\x01\x00\x01"


class NoInterfaceTests(NodeTestCase):
    def test_waits_and_says_so(self) -> None:
        """A machine boots before its network."""
        host = self.lan.host("kitchen")
        host.interface("eth0").set_up(False)
        options = Options()
        options.parseOptions(["--hostname", "kitchen"])
        service = MDNSService(self.lan.clock, options, network=host)
        with capturedLogs() as logged:
            service.startService()
        self.addCleanup(lambda: self.lan.result(service.stopService()))
        self.assertIn(
            "no link works: no interface is up and does multicast; waiting for one", map(formatEvent, logged)
        )
        host.interface("eth0").set_up(True)
        self.lan.advance(3)
        self.assertTrue(service.node.registrations[0].is_claimed)

    def test_named_interface(self) -> None:
        """One that is named may come later, as any may; a misspelt name shows in the log."""
        host = self.lan.host("kitchen")
        options = Options()
        options.parseOptions(["--hostname", "kitchen", "--interface", "wlan0"])
        service = MDNSService(self.lan.clock, options, network=host)
        with capturedLogs() as logged:
            service.startService()
        self.addCleanup(lambda: self.lan.result(service.stopService()))
        self.assertIn("no link works: wlan0 does not exist; waiting for one", map(formatEvent, logged))
        host.connect(self.lan.link(), name="wlan0")
        self.lan.advance(SETTLED)
        self.assertTrue(all(each.is_claimed for each in service.node.registrations))


class FollowerTests(NodeTestCase):
    """A file of services that changes."""

    def setUp(self) -> None:
        super().setUp()
        self.path = Path(self.mktemp())
        self.subject: Node = self.settled("kitchen", ipv6=False)

    def follow(self, text: str) -> ServicesFollower:
        """Publish a file, and forget what was said until it was announced."""
        self.path.write_text(text)
        follower = ServicesFollower(self.lan.clock, self.subject, read_followed(str(self.path), "kitchen"))
        follower.startService()
        self.addCleanup(follower.stopService)
        self.lan.advance(SETTLED)
        self.lan.packets.clear()
        return follower

    def change(self, text: str) -> Sequence[str]:
        """Write the file anew, and return the names of services after it was noticed."""
        self.path.write_text(text)
        # Two writes within the clock tick of a file system look alike.
        now = self.path.stat().st_mtime_ns
        os.utime(self.path, ns=(now + 10**9, now + 10**9))
        self.lan.advance(POLL_INTERVAL + SETTLED)
        return sorted(one.name for one in self.subject.registrations[1:] if one.is_claimed)

    def test_many_notes(self) -> None:
        """A file may earn a note for each of its words."""
        record = "<txt-record>=x</txt-record>\n"
        with capturedLogs() as events:
            self.follow(AVAHI.replace("</service>", record * 1000 + "</service>"))
        warnings = [event for event in events if event["log_level"] is LogLevel.warn]
        self.assertEqual(len(warnings), MAX_NOTES + 1)
        self.assertEqual(warnings[-1]["more"], 1000 - MAX_NOTES)

    def test_toml(self) -> None:
        self.follow(WEB + PRINTER)
        self.assertEqual(
            [one.name for one in self.subject.registrations], ["kitchen", "Web", "Printer on kitchen"]
        )

    def test_avahi(self) -> None:
        """An Avahi file as it stands, wildcards included."""
        self.follow(AVAHI)
        (found,) = self.ask("lan", "_smb._tcp.local", PTR).records(PTR)
        self.assertEqual(str(found.data), "Files on kitchen._smb._tcp.local.")

    def test_record(self) -> None:
        """``[[record]]``: published as it stands, under the name of the host."""
        self.follow(LOCATION)
        (found,) = self.ask("lan", "kitchen.local", RecordType.LOC).records(RecordType.LOC)
        self.assertEqual(show_data(found), "52 0 0.000 N 4 0 0.000 E 2.00m")

    def test_changed_record(self) -> None:
        """RFC 6762 §8.4: a change is announced, without probing and without a goodbye."""
        self.follow(LOCATION)
        self.change(LOCATION.replace("52 N", "53 N"))
        self.assertEqual((self.lan.packets.probes, self.lan.packets.goodbyes), ([], []))
        (found,) = self.ask("lan", "kitchen.local", RecordType.LOC).records(RecordType.LOC)
        self.assertEqual(show_data(found), "53 0 0.000 N 4 0 0.000 E 2.00m")

    def test_record_that_is_gone(self) -> None:
        self.follow(WEB + LOCATION)
        self.assertEqual(self.change(WEB), ["Web"])
        self.assertEqual({each.type for each in self.lan.packets.goodbyes}, {RecordType.LOC})

    def test_alike_records(self) -> None:
        """Two records of one set, and one that is given twice."""
        second = LOCATION.replace("52 N", "53 N")
        self.follow(LOCATION + second + second)
        found = self.ask("lan", "kitchen.local", RecordType.LOC).records(RecordType.LOC)
        self.assertEqual(len({each.rdata for each in found}), 2)

    def test_one_of_a_set_that_is_gone(self) -> None:
        """The other one is announced as the whole set, which flushes the first (RFC 6762 §10.2)."""
        second = LOCATION.replace("52 N", "53 N")
        self.follow(LOCATION + second)
        self.change(second)
        announced = {
            (show_data(each), each.ttl, each.cache_flush) for each in self.lan.packets.records(RecordType.LOC)
        }
        self.assertEqual(announced, {("53 0 0.000 N 4 0 0.000 E 2.00m", 4500, True)})
        (found,) = self.ask("lan", "kitchen.local", RecordType.LOC).records(RecordType.LOC)
        self.assertEqual(show_data(found), "53 0 0.000 N 4 0 0.000 E 2.00m")

    def test_changed_record_that_is_lost(self) -> None:
        """One line tells that another host has the name."""
        self.settled("pantry", ipv6=False)
        record = '[[record]]\nname = "pantry.local"\ntype = "A"\ndata = "10.9.9.9"\n'
        self.follow(record)
        with capturedLogs() as events:
            self.change(record.replace("10.9.9.9", "10.9.9.8"))
        problems = [each["problem"] for each in events if "problem" in each]
        self.assertEqual(problems, ["pantry.local. is taken by another host"])

    def test_record_that_no_packet_holds(self) -> None:
        """It is logged, and the rest of the file is published."""
        data = ", ".join(["x" * 250] * 40).replace(",", "")
        with capturedLogs() as events:
            self.follow(WEB + f'[[record]]\nname = "a.local"\ntype = "TXT"\ndata = "{data}"\n')
        self.assertEqual([each["log_level"] for each in events if "problem" in each], [LogLevel.error])
        self.assertEqual([each.name for each in self.subject.registrations], ["kitchen", "Web"])

    def test_more(self) -> None:
        self.follow(WEB)
        self.assertEqual(self.change(WEB + PRINTER), ["Printer on kitchen", "Web"])
        self.assertNotIn("Web._http._tcp.local.", self.lan.packets.owners())

    def test_less(self) -> None:
        self.follow(WEB + PRINTER)
        self.assertEqual(self.change(WEB), ["Web"])
        said = {str(record.data) for record in self.lan.packets.goodbyes}
        self.assertIn("Printer on kitchen._ipp._tcp.local.", said)

    def test_changed_data_is_an_update(self) -> None:
        """M-8.4-2: same name, new data: announced, without probing and without a goodbye."""
        self.follow(WEB)
        self.assertEqual(self.change(WEB.replace("80", "81")), ["Web"])
        self.assertEqual((self.lan.packets.probes, self.lan.packets.goodbyes), ([], []))
        (found,) = self.ask("lan", "Web._http._tcp.local", SRV).records(SRV)
        self.assertEqual(found.data.port, 81)  # type: ignore[union-attr]

    def test_update_of_a_renamed_service(self) -> None:
        """A service that had to take another name keeps it when its data changes."""
        other = self.settled("other")
        self.register(other, "Web")
        self.follow(WEB)
        self.assertEqual(self.change(WEB.replace("80", "81")), ["Web (2)"])

    def test_two_of_a_name(self) -> None:
        self.follow(WEB)
        self.assertEqual(self.change(WEB + WEB.replace("80", "81")), ["Web", "Web (2)"])

    def test_fault_keeps_what_was(self) -> None:
        """The line of the fault is logged, and the earlier content stays in force."""
        self.follow(WEB)
        with capturedLogs() as events:
            self.assertEqual(self.change(WEB + "[[service]]\nport = 1\n"), ["Web"])
        (problem,) = [event["problem"] for event in events if event["log_level"] is LogLevel.error]
        self.assertIn(f"{self.path}:7", problem)
        self.assertEqual(self.lan.packets, [])
        self.assertEqual(self.change(PRINTER), ["Printer on kitchen"])

    def test_file_gone_keeps_what_was(self) -> None:
        self.follow(WEB)
        self.path.unlink()
        with capturedLogs() as events:
            self.lan.advance(3 * POLL_INTERVAL)
        self.assertEqual(len([event for event in events if event["log_level"] is LogLevel.error]), 1)
        self.assertEqual(self.lan.packets, [])

    def test_unchanged_file_says_nothing(self) -> None:
        self.follow(WEB)
        self.lan.advance(60.0)
        self.assertEqual(self.lan.packets, [])

    def test_faulty_from_the_start(self) -> None:
        self.assertRaises(ServicesFileError, self.follow, "[[service]]\n")

    def test_stops_following(self) -> None:
        follower = self.follow(WEB)
        stopped: Deferred[None] = self.subject.stopService()
        follower.stopService()
        self.lan.result(stopped)
        self.assertEqual(self.lan.clock.getDelayedCalls(), [])
        follower.startService()
