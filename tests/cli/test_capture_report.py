"""``mcast dump --report``: one page about a capture, on which the network has written nothing but text."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import breaches, capture_report, dump
from mcast.cli.capture_report import CaptureReport
from mcast.cli.command import FAILED, GOOD, NOT_ALL
from mcast.cli.dump import packet_lines
from mcast.cli.pictures import timeline
from mcast.cli.pictures.timeline import Timeline
from mcast.cli.seen import SeenPacket
from mcast.cli.wanted import Wanted, parse_word
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import address, pointer, service
from mcast.showing import is_plain
from tests.cli.finding_lab import FindingTestCase
from tests.cli.test_dump import QUERY, RESPONSE, TYPE, WRONG, written_capture

HOSTILE = "<script>alert('1')</script>\"&\u202e\x1b]0;x\x07"


class Page(HTMLParser):
    """The text and the elements of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[str] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [
            f"{name}={value}" for name, value in attrs if name in ("src", "href", "onclick", "onload")
        ]

    def handle_data(self, data: str) -> None:
        self.text += f" {data.strip()}"


class ReportTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(sys, "stderr", StringIO())

    def report(self, *payloads: bytes, wanted: tuple[str, ...] = (), lint: bool = False) -> CaptureReport:
        report = CaptureReport("a.pcap", lint=lint, wanted=Wanted.of([parse_word(word) for word in wanted]))
        for number, payload in enumerate(payloads):
            report.packet(
                SeenPacket(payload, "192.0.2.1", 5353, number / 10, "eth0", multicast=True, hop_limit=255)
            )
        return report

    def page(self, report: CaptureReport) -> Page:
        path: str = self.mktemp()
        report.write(path, packet_lines)
        with open(path, encoding="utf-8") as stream:
            self.written = stream.read()
        return Page(self.written)


class PageTests(ReportTestCase):
    def test_facts(self) -> None:
        page = self.page(self.report(QUERY, RESPONSE, WRONG, b"\0"))
        for fact in ("4 packets", "1 hosts", "1 queries", "2 responses", "1 malformed", "_http._tcp"):
            self.assertIn(fact, page.text)

    def test_breach_and_its_packet(self) -> None:
        """What is said of a host can be seen in what it sent."""
        page = self.page(self.report(WRONG))
        self.assertIn("cache-flush-on-shared", page.text)
        self.assertIn("response an _http._tcp.local. PTR 4500 flush My Web._http._tcp.local.", page.text)
        self.assertIn("00000000: 0000 8400 0000 0001", page.text)

    def test_names_of_hosts(self) -> None:
        """By their own address records; a proxy speaks for others."""
        own = address(Name.parse("kitchen.local."), "192.0.2.1", 120)
        other = address(Name.parse("asleep.local."), "192.0.2.9", 120)
        page = self.page(self.report(encode(Message(flags=RESPONSE_FLAGS, answers=(own, other)))))
        hosts = page.text.partition("Who sends")[2]
        self.assertIn("kitchen.local", hosts)
        self.assertNotIn("asleep", hosts)

    def test_types(self) -> None:
        located = service(Name.from_labels(("My Web", *TYPE.labels)), 0, 0, 80, Name.parse("a.local."), 120)
        listed = Question(Name.parse("_services._dns-sd._udp.local."), RecordType.PTR)
        page = self.page(
            self.report(
                encode(Message(flags=RESPONSE_FLAGS, questions=(listed,), answers=(located, located)))
            )
        )
        types = page.text.partition("Of which services")[2].partition("Which records")[0]
        self.assertEqual(
            types.split(), ["service", "type", "packets", "instances", "hosts", "_http._tcp", "1", "1", "1"]
        )

    def test_hostile_text(self) -> None:
        """The elements are ours alone, and nothing is loaded or run."""
        name = Name.from_labels((HOSTILE.encode(), b"_http", b"_tcp", b"local"))
        host = Name.from_labels((HOSTILE.encode(), b"local"))
        records = (pointer(TYPE, name, 4500, True), address(host, "192.0.2.1", 120))
        page = self.page(self.report(encode(Message(flags=RESPONSE_FLAGS, answers=records))))
        self.assertNotIn("script", page.elements)
        self.assertNotIn("link", page.elements)
        self.assertEqual(page.links, [])
        self.assertIn("<script>alert('1')</script>", page.text)
        self.assertTrue(all(is_plain(each) or each == "\n" for each in self.written))
        self.assertIn("default-src 'none'", self.written)

    def test_nothing(self) -> None:
        self.assertIn("No packet was seen", self.page(self.report()).text)

    def test_wanted(self) -> None:
        report = self.report(QUERY, RESPONSE, wanted=("_ipp._tcp",))
        self.assertEqual(report.packets, 0)

    def test_status(self) -> None:
        """As of the command without it."""
        self.assertEqual(self.report(WRONG).status, GOOD)
        self.assertEqual(self.report(WRONG, lint=True).status, NOT_ALL)
        self.assertEqual(self.report(lint=True).status, FAILED)
        self.assertEqual(self.report().status, NOT_ALL)


class BoundTests(ReportTestCase):
    """Whoever made the capture does not decide how much is kept of it."""

    def test_forged_hosts(self) -> None:
        self.patch(capture_report, "MAX_HOSTS", 10)
        self.patch(breaches, "MAX_KINDS", 10)
        self.patch(capture_report, "MAX_PROVED", 5)
        report = CaptureReport("a.pcap")
        for number in range(50):
            report.packet(SeenPacket(WRONG, f"192.0.2.{number}", 5353, 0.0, "eth0", multicast=True))
        page = self.page(report)
        self.assertIn("others", page.text)
        self.assertIn("50 packets", page.text)
        self.assertEqual(page.text.count("00000000: 0000"), 5)

    def test_proofs(self) -> None:
        page = self.page(self.report(*[WRONG] * 20))
        self.assertIn("20 times", page.text)
        self.assertLessEqual(page.text.count("00000000:"), 2 * capture_report.PROOFS)

    def test_invented_types(self) -> None:
        self.patch(capture_report, "MAX_TYPES", 10)
        names = [Name.parse(f"_t{number}._tcp.local.") for number in range(50)]
        report = self.report(
            *[encode(Message(questions=(Question(name, number + 300),))) for number, name in enumerate(names)]
        )
        text = self.page(report).text
        self.assertEqual(text.count("._tcp"), 10)
        self.assertIn("others", text)


class TimelineTests(SynchronousTestCase):
    def test_bounded(self) -> None:
        """From the begin of all time to its end, in any order."""
        line = Timeline()
        for number in range(3000):
            line.add((number * 7919) % 3000, "query")
        line.add(float(2**64), "query")
        self.assertLessEqual(len(line._steps), timeline.MAX_STEPS)
        self.assertEqual(sum(each["query"] for each in line._steps.values()), 3001)
        self.assertIn("<svg", line.draw())

    def test_empty(self) -> None:
        self.assertIn("<svg", Timeline().draw())

    def test_one_moment(self) -> None:
        line = Timeline()
        line.add(5.0, "response")
        self.assertIn("<svg", line.draw())


class CommandTests(FindingTestCase):
    command = dump

    def test_file(self) -> None:
        page: str = self.mktemp()
        self.assertEqual(
            self.run_command("--pcap", written_capture(self.mktemp(), WRONG, QUERY), "--report", page), GOOD
        )
        self.assertEqual(self.lines, [])
        self.assertEqual(self.errors.getvalue(), f"{page}: 2 packets of 1 host, 1 breach of RFC 6762\n")
        with open(page, encoding="utf-8") as stream:
            self.assertIn("cache-flush-on-shared", stream.read())

    def test_interrupted(self) -> None:
        """Ctrl-C ends the reading of a large file; what was read until then is told."""
        self.patch(dump, "PAUSE_INTERVAL", 0.0)
        path = written_capture(self.mktemp(), *[QUERY] * 1000)
        done = self.start("--pcap", path)
        self.assertNoResult(done)
        done.cancel()
        self.assertEqual(self.successResultOf(done), GOOD)
        self.assertEqual(len(self.lines), 64)
        self.assertIn("not read to its end", self.errors.getvalue())
