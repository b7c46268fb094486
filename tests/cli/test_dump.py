"""``mcast dump`` prints packets line by line, and with ``--lint`` what is wrong with them."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import dump
from mcast.cli.command import FAILED, GOOD, NOT_ALL, Output
from mcast.cli.dump import Dump
from mcast.cli.seen import SeenPacket
from mcast.cli.wanted import Wanted, parse_word
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message, Question, encode
from mcast.dns.names import Name
from mcast.dns.records import address, pointer, raw, service
from mcast.showing import is_plain
from tests.cli.finding_lab import FindingTestCase

TYPE = Name.parse("_http._tcp.local.")
PTR = pointer(TYPE, Name.from_labels(("My Web", "_http", "_tcp", "local")), 4500)
RESPONSE = encode(Message(flags=RESPONSE_FLAGS, answers=(PTR,)))
QUERY = encode(Message(questions=(Question(TYPE, RecordType.PTR, unicast=True),)))
OTHER_WRONG = encode(
    Message(
        flags=RESPONSE_FLAGS,
        answers=(pointer(Name.parse("_ipp._tcp.local."), Name.parse("x._ipp._tcp.local"), 4500, True),),
    )
)
WRONG = encode(Message(flags=RESPONSE_FLAGS, answers=(PTR.with_cache_flush(True),)))


def written_capture(path: str, *packets: bytes, cut: int = 0) -> str:
    """Return the path of a capture of raw IPv4 packets to the group, cut short by some octets."""
    with open(path, "wb") as stream:
        data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        for payload in packets:
            datagram = struct.pack("!HHHH", 5353, 5353, 8 + len(payload), 0) + payload
            addresses = bytes((192, 0, 2, 1, 224, 0, 0, 251))
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 255, 17, 0) + addresses
            frame = head + datagram
            data += struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame
        stream.write(data[: len(data) - cut])
    return path


class CommandTests(FindingTestCase):
    """The command, whose packets come from a file."""

    command = dump

    def test_empty_capture(self) -> None:
        """Silence is told, and no fault."""
        path: str = self.mktemp()
        with open(path, "wb") as stream:
            stream.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        self.assertEqual(self.run_command("--pcap", path), NOT_ALL)
        self.assertEqual(self.errors.getvalue(), f"mcast dump: no multicast DNS packet was seen in {path}\n")

    def capture(self, *packets: bytes, cut: int = 0) -> str:
        return written_capture(self.mktemp(), *packets, cut=cut)

    def test_cut_capture_does_not_hide_what_lint_found(self) -> None:
        path = self.capture(WRONG, RESPONSE, cut=3)
        self.assertEqual(self.run_command("--pcap", path, "--lint"), NOT_ALL)
        self.assertIn("cache-flush-on-shared", self.lines[0])
        self.assertEqual(
            self.errors.getvalue(),
            f"mcast dump: {path}: the capture is damaged or cut short: it ends in the middle of a packet; "
            "what comes before was read\n",
        )

    def test_cut_capture_of_good_packets(self) -> None:
        self.assertEqual(self.run_command("--pcap", self.capture(RESPONSE, RESPONSE, cut=1), "--lint"), GOOD)
        self.assertIn("cut short", self.errors.getvalue())

    def test_time_beyond_all_calendars(self) -> None:
        """A capture may tell any: pcapng counts to 2^64 - 1 seconds."""
        found = SeenPacket(RESPONSE, "192.0.2.1", 5353, float(2**64 - 1))
        self.assertEqual(found.head, "18446744073709551616 - 192.0.2.1")


class DumpTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = StringIO()

    def dump(
        self,
        *payloads: bytes,
        lint: bool = False,
        json_lines: bool = False,
        count: int | None = None,
        wanted: Sequence[str] = (),
    ) -> Dump:
        output = Output(self.stream, json_lines=json_lines)
        dump = Dump(output, lint=lint, count=count, wanted=Wanted.of([parse_word(word) for word in wanted]))
        for payload in payloads:
            dump.packet(SeenPacket(payload, "192.0.2.1", 5353, 0.0, "eth0", multicast=True, hop_limit=255))
        return dump

    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


class DumpTests(DumpTestCase):
    def test_record(self) -> None:
        self.dump(RESPONSE)
        (line,) = self.lines()
        self.assertEqual(
            line.split(" ", 1)[1],
            "eth0 192.0.2.1 response an _http._tcp.local. PTR 4500 My Web._http._tcp.local.",
        )

    def test_record_of_another_type(self) -> None:
        """A type that Multicast DNS does not use itself has the form of a zone file, too."""
        rdata = b"\0\5issueca.example.net"
        self.dump(encode(Message(flags=RESPONSE_FLAGS, answers=(raw(TYPE, RecordType.CAA, rdata, 120),))))
        self.assertIn('an _http._tcp.local. CAA 120 0 issue "ca.example.net"', self.lines()[0])

    def test_name_that_would_steer_a_terminal(self) -> None:
        """What acts is shown by its octets, as one may type it, in lines, in JSON and in breaches."""
        name = Name.from_labels(["a\u202e\u2066\u200f\u061c\ufeff\U000e0001b", "local"])
        record = pointer(TYPE, name, 4500).with_cache_flush(True)
        evil = encode(Message(flags=RESPONSE_FLAGS, answers=(record,)))
        self.dump(evil)
        self.dump(evil, json_lines=True)
        self.dump(evil, lint=True)
        self.assertTrue(len(self.lines()) > 2 and all(is_plain(each) for each in "".join(self.lines())))
        self.assertIn(r" a\226\128\174\226\129\166", self.lines()[0])
        self.assertEqual(Name.parse(json.loads(self.lines()[1])["data"]), name)

    def test_question(self) -> None:
        self.dump(QUERY)
        self.assertIn("eth0 192.0.2.1 query qu _http._tcp.local. PTR QU", self.lines()[0])

    def test_json(self) -> None:
        self.dump(RESPONSE, json_lines=True)
        event = json.loads(self.lines()[0])
        self.assertEqual(
            {
                key: event[key]
                for key in ("event", "kind", "section", "name", "type", "ttl", "cache_flush", "data")
            },
            {
                "event": "record",
                "kind": "response",
                "section": "answers",
                "name": "_http._tcp.local.",
                "type": "PTR",
                "ttl": 4500,
                "cache_flush": False,
                "data": "My Web._http._tcp.local.",
            },
        )

    def test_malformed_packet_is_shown_as_such(self) -> None:
        self.dump(b"\xff" * 20)
        self.assertIn("192.0.2.1 malformed: ", self.lines()[0])

    def test_empty_packet_is_shown(self) -> None:
        self.dump(bytes(12))
        self.assertIn("query empty (12 octets)", self.lines()[0])

    def test_lint_names_rule_section_and_sender(self) -> None:
        dump = self.dump(WRONG, lint=True)
        (line,) = self.lines()
        self.assertIn("eth0 192.0.2.1 cache-flush-on-shared (RFC 6762 §10.2): ", line)
        self.assertEqual(dump.status, NOT_ALL)

    def test_lint_counts_a_malformed_packet(self) -> None:
        self.dump(b"\xff" * 20, lint=True)
        self.assertIn("malformed (RFC 1035 §4)", self.lines()[0])

    def test_lint_of_good_packets_is_silent(self) -> None:
        self.assertEqual(self.dump(RESPONSE, lint=True).status, GOOD)
        self.assertEqual(self.lines(), [])

    def test_nothing_seen(self) -> None:
        self.assertEqual(self.dump().status, NOT_ALL)
        self.assertEqual(self.dump(lint=True).status, FAILED)

    def test_count(self) -> None:
        self.assertTrue(self.dump(QUERY, QUERY, count=2).is_done)


class WantedTests(DumpTestCase):
    """`mcast dump HOST`, `NAME` and `TYPE`."""

    WEB = Name.from_labels(("My Web", "_http", "_tcp", "local"))
    KITCHEN = Name.parse("kitchen.local")
    MANY = encode(
        Message(
            flags=RESPONSE_FLAGS,
            answers=(PTR, service(WEB, 0, 0, 80, KITCHEN, 120), address(KITCHEN, "192.0.2.1", 120)),
        )
    )

    def kinds(self, *wanted: str) -> list[str]:
        """Return the types of the records that are shown."""
        self.shown = self.dump(self.MANY, wanted=wanted, json_lines=True)
        return [json.loads(line)["type"] for line in self.lines()]

    def test_type(self) -> None:
        self.assertEqual(self.kinds("SRV"), ["SRV"])

    def test_name_and_what_leads_there(self) -> None:
        self.assertEqual(self.kinds("kitchen"), ["SRV", "A"])

    def test_name_and_all_in_it(self) -> None:
        self.assertEqual(self.kinds("_http._tcp"), ["PTR", "SRV"])

    def test_both_a_name_and_a_type(self) -> None:
        self.assertEqual(self.kinds("kitchen.local", "A"), ["A"])

    def test_host(self) -> None:
        self.assertEqual(self.kinds("192.0.2.1"), ["PTR", "SRV", "A"])

    def test_another_host(self) -> None:
        """What is not shown is not counted as seen."""
        self.assertEqual(self.kinds("192.0.2.9"), [])
        self.assertEqual(self.shown.status, NOT_ALL)

    def test_lint_of_a_host(self) -> None:
        self.assertEqual(self.dump(WRONG, lint=True, wanted=["192.0.2.9"]).status, FAILED)
        self.assertEqual(self.dump(WRONG, lint=True, wanted=["_http._tcp"]).status, NOT_ALL)
        self.assertEqual(self.dump(WRONG, lint=True, wanted=["TXT"]).status, FAILED)


class SummaryTests(DumpTestCase):
    """What `--lint` says at the end."""

    def test_by_host_and_rule(self) -> None:
        self.dump(WRONG, OTHER_WRONG, b"short", lint=True).end()
        self.assertEqual(
            self.lines()[-4:],
            [
                "--- 3 packets seen, 3 breaches",
                "HOST       RULE                   SECTION         COUNT",
                "192.0.2.1  cache-flush-on-shared  RFC 6762 §10.2      2",
                "192.0.2.1  malformed              RFC 1035 §4         1",
            ],
        )

    def test_none(self) -> None:
        self.dump(RESPONSE, lint=True).end()
        self.assertEqual(self.lines(), ["--- 1 packet seen, no breaches"])

    def test_json(self) -> None:
        self.dump(WRONG, lint=True, json_lines=True).end()
        last = json.loads(self.lines()[-1])
        self.assertEqual((last["event"], last["source"], last["count"]), ("summary", "192.0.2.1", 1))
