"""Results as files: JSON, JUnit, a page, captures, and what changed."""

from __future__ import annotations

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import dpkt
from junitparser import Failure, JUnitXml, Skipped
from twisted.trial.unittest import SynchronousTestCase

from mcast.conform.page import page_of
from mcast.conform.reports import (
    as_fields,
    compare,
    pcap_of,
    read_baseline,
    write_json,
    write_junit,
    write_pcap,
)
from mcast.conform.table import lines_of, rows, told
from mcast.conform.verdicts import Finding, Level, Result, Verdict
from mcast.dns.names import Name
from mcast.dns.records import address, text
from tests.conform.bench_lab import check, response

EVIL = "<script>\u202e\x1b[31m'\"&"
PACKETS = (
    response(1.0, address(Name.parse("device.local"), "10.0.0.2", 120)),
    response(1.5, text(Name.from_labels((EVIL.replace("\x1b", "").encode(), "local")), [EVIL.encode()], 120)),
)


def result() -> Result:
    broken = Finding(check("some.bad"), Verdict.FAIL, EVIL, "some/one", PACKETS, frozenset({1}), 2)
    warned = Finding(
        check("some.mild", Level.SHOULD), Verdict.WARNING, "late", "some/one", PACKETS, frozenset({0})
    )
    return Result(
        "device\u2028",
        "responder",
        [
            broken,
            warned,
            Finding(check("other.good"), Verdict.PASS, "fine"),
            Finding(check("other.none"), Verdict.NOT_RUN, "nobody is there"),
        ],
        12.5,
        ["a note"],
    )


class JSONTests(SynchronousTestCase):
    """One object a line."""

    def test_summary(self) -> None:
        *findings, summary = as_fields(result())
        self.assertEqual(len(findings), 4)
        self.assertEqual((summary["fail"], summary["warning"], summary["not_run"]), (1, 1, 1))
        self.assertFalse(summary["passed"])

    def test_packets_that_show_it(self) -> None:
        (packet,) = next(as_fields(result()))["packets"]
        self.assertEqual(packet["seconds"], 0.5)
        self.assertEqual(bytes.fromhex(packet["octets"]), PACKETS[1].datagram.data)

    def test_baseline(self) -> None:
        path = Path(self.mktemp())
        write_json(result(), path)
        same = result()
        compare(same, read_baseline(path))
        self.assertEqual((same.notes[0], list(told(same))), ("nothing changed since the baseline", []))
        changed = result()
        changed.findings[2] = Finding(check("other.good"), Verdict.FAIL, "no")
        changed.findings.append(Finding(check("other.new"), Verdict.PASS, "yes"))
        compare(changed, read_baseline(path))
        wanted = ["changed: other.good: pass → fail", "changed: other.new: new → pass", "a note"]
        self.assertEqual(changed.notes, wanted)
        # What was broken before is not told again.
        self.assertEqual(list(told(changed)), list(lines_of(changed.findings[2])))

    def test_a_baseline_that_is_none(self) -> None:
        path = Path(self.mktemp())
        for content in ("", "[]", "{}", "no JSON"):
            path.write_text(content, encoding="utf-8")
            with self.assertRaises(ValueError):
                read_baseline(path)

    def test_no_character_acts(self) -> None:
        path = Path(self.mktemp())
        write_json(result(), path)
        self.assertTrue(path.read_text(encoding="utf-8").replace("\n", "").isprintable())
        for line in path.read_text(encoding="utf-8").splitlines():
            json.loads(line)


class JUnitTests(SynchronousTestCase):
    """What CI systems read."""

    def test_cases(self) -> None:
        path = Path(self.mktemp())
        write_junit(result(), path)
        tree = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        self.assertEqual([suite.get("name") for suite in tree], ["some", "other"])
        self.assertEqual([suite.get("failures") for suite in tree], ["1", "0"])
        (failure,) = tree.iter("failure")
        self.assertIn("<script>", failure.get("message") or "")
        self.assertIn("0.500 s, from subject", failure.text or "")
        self.assertEqual(len(list(tree.iter("skipped"))), 1)

    def test_read_by_another(self) -> None:
        path = Path(self.mktemp())
        write_junit(result(), path)
        read = JUnitXml.fromfile(str(path))
        suites = list(read)
        counts = [(suite.tests, suite.failures, suite.skipped, suite.errors) for suite in suites]
        self.assertEqual(counts, [(2, 1, 0, 0), (2, 0, 1, 0)])
        for suite in suites:
            suite.update_statistics()
        self.assertEqual([(each.tests, each.failures, each.skipped, each.errors) for each in suites], counts)
        results = {case.name: [type(one) for one in case.result] for suite in suites for case in suite}
        wanted = {"some.bad": [Failure], "some.mild": [], "other.good": [], "other.none": [Skipped]}
        self.assertEqual(results, wanted)
        self.assertEqual((read.tests, read.failures, read.skipped), (4, 1, 1))


class PageTests(SynchronousTestCase):
    """One page; whatever the network says is text on it."""

    def test_text_of_the_network(self) -> None:
        page = page_of(result())
        for evil in ("<script", "\u202e", "\x1b", "\u2028"):
            self.assertNotIn(evil, page)
        self.assertIn("&lt;script&gt;", page)

    def test_findings(self) -> None:
        page = page_of(result())
        for wanted in (
            "some.bad",
            "It says.",
            "It expects.",
            "+0.5000",
            "nobody is there",
            "a note",
            "10.0.0.2",
        ):
            self.assertIn(wanted, page)

    def test_it_loads_nothing(self) -> None:
        page = page_of(result())
        self.assertIn("default-src 'none'", page)
        for loading in ("src=", "http:", "<link", "@import", "url("):
            self.assertNotIn(loading, page)

    def test_sections_are_links(self) -> None:
        """A reader goes there; nothing is loaded for it."""
        page = page_of(result())
        link = "<a href='https://www.rfc-editor.org/rfc/rfc6762.html#section-6'>RFC 6762 §6</a>"
        self.assertIn(link, page)
        self.assertEqual(page.count("https:"), page.count("<a href='https:"))

    def test_what_to_do(self) -> None:
        """What was sent, what was expected and seen, and how to see it again."""
        found = Finding(check("some.bad"), Verdict.FAIL, "late", "some/one", runs=2, sends="A question.")
        again = "mcast conform querier --command 'a <b>'"
        page = page_of(Result("device", "querier", [found], again=again))
        for wanted in (
            "A question.",
            "seen: late",
            "<code>sudo mcast conform querier --command &#x27;a &lt;b&gt;&#x27; --only some.bad</code>",
            "tried 2 times",
        ):
            self.assertIn(wanted, page)

    def test_who_sent_a_packet(self) -> None:
        """A reader knows neither our words nor where the times begin."""
        page = page_of(result())
        for wanted in ("whatever has the sender “us”", "since the first packet of the scenario"):
            self.assertIn(wanted, page)

    def test_all_packets_are_open_where_none_stands_out(self) -> None:
        found = Finding(check("some.bad"), Verdict.FAIL, "none came", "some/one", PACKETS)
        self.assertIn("<details open>", page_of(Result("device", "querier", [found])))

    def test_no_packet(self) -> None:
        """As of a subject that takes no notice of a cable that is pulled."""
        found = Finding(check("some.bad"), Verdict.FAIL, "none came", "some/one")
        page = page_of(Result("device", "querier", [found]))
        self.assertIn("<p>No packet was seen in the scenario", page)
        self.assertNotIn("Passed", page)
        self.assertNotIn("<details", page)

    def test_what_is_not_run_and_what_holds(self) -> None:
        """A reader who does not know our words for checks sees there what they ask for, too."""
        page = page_of(result())
        link = "<td><a href='https://www.rfc-editor.org/rfc/rfc6762.html#section-6'>RFC 6762 §6</a></td>"
        for name, last, seen in (
            ("other.none", "why not", "nobody is there"),
            ("other.good", "seen", "fine"),
        ):
            head = f"<th>check</th><th>section</th><th>asks for</th><th>{last}</th>"
            row = f"<tr><td>{name}</td>{link}<td>It says.</td><td>{seen}</td></tr>"
            self.assertIn(f"{head}</tr>{row}", page)


class CaptureTests(SynchronousTestCase):
    """A capture for each finding that is broken."""

    def test_files(self) -> None:
        folder = Path(self.mktemp())
        write_pcap(result(), folder)
        self.assertEqual(sorted(each.name for each in folder.iterdir()), ["some.bad.pcap", "some.mild.pcap"])

    def test_read_by_another(self) -> None:
        packets = list(dpkt.pcap.Reader(io.BytesIO(pcap_of(PACKETS))))
        self.assertEqual([octets for _, octets in packets], [b"frame", b"frame"])
        self.assertAlmostEqual(float(packets[1][0]) - float(packets[0][0]), 0.5)


class TableTests(SynchronousTestCase):
    """What a person reads."""

    def test_by_group(self) -> None:
        self.assertEqual(rows(result())[1], ("some", "·", "1", "1", "·"))
        self.assertEqual(rows(result())[-1], ("all", "1", "1", "1", "1"))

    def test_the_worst_first(self) -> None:
        words = [line.partition(":")[0] for line in told(result()) if not line.startswith(" ")]
        self.assertEqual(words, ["fail", "warning", "not run"])

    def test_no_character_acts(self) -> None:
        self.assertTrue("".join(told(result())).isprintable())
