"""``mcast query`` prints raw answers."""

from __future__ import annotations

import errno
from io import StringIO
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from mcast.cli import query
from mcast.cli.command import GOOD, NOT_ALL, CommandError, Output
from mcast.cli.query import Report
from mcast.dns.codes import RESPONSE_FLAGS, Flag
from mcast.dns.messages import Message
from mcast.dns.names import Name
from mcast.dns.presentation import parse_type
from mcast.dns.records import address
from mcast.oneshot import OneShotReply
from tests.cli.finding_lab import FindingTestCase


class LinkTests(FindingTestCase):
    command = query

    def test_every_answer_with_ttl_flags_sender_and_interface(self) -> None:
        self.publish()
        self.publish("Files")
        self.assertEqual(self.run_command("_http._tcp.local", "PTR"), GOOD)
        head, *rows = self.lines
        self.assertEqual(head.split(), ["NAME", "TTL", "FLAGS", "TYPE", "FROM", "INTERFACE", "DATA"])
        self.assertEqual(
            sorted({(*row.split(None, 6)[:4], row.split(None, 6)[6]) for row in rows}),
            [
                ("_http._tcp.local.", "4500", "-", "PTR", "Files._http._tcp.local."),
                ("_http._tcp.local.", "4500", "-", "PTR", "My Web._http._tcp.local."),
            ],
        )
        self.assertTrue({row.split()[4] for row in rows} <= {"10.0.1.2", "fe80::1:2"})
        self.assertEqual({row.split()[5] for row in rows}, {"eth0"})

    def test_type_by_number(self) -> None:
        self.publish()
        self.run_command("My Web._http._tcp.local", "33", json_lines=True)
        self.assertEqual({one["type"] for one in self.objects}, {"SRV"})

    def test_json(self) -> None:
        self.publish()
        self.run_command("My Web._http._tcp.local", "SRV", json_lines=True)
        first = self.objects[0]
        self.assertEqual(
            {
                key: first[key]
                for key in ("event", "section", "ttl", "cache_flush", "class", "data", "interface")
            },
            {
                "event": "record",
                "section": "answers",
                "ttl": 120,
                "cache_flush": True,
                "class": 1,
                "data": "0 0 80 there.local.",
                "interface": "eth0",
            },
        )

    def test_all_types(self) -> None:
        self.publish()
        self.run_command("My Web._http._tcp.local", json_lines=True)
        self.assertTrue({"SRV", "TXT"} <= {one["type"] for one in self.objects})

    def test_held_port(self) -> None:
        """RFC 6762 §5.1: it is asked from another port then."""
        self.publish()
        open_port = self.here.open

        def refuse(ipv6: bool, own_port: bool = False) -> Any:
            if not own_port:
                raise OSError(errno.EADDRINUSE, "UDP port 5353: already in use")
            return open_port(ipv6, own_port)

        self.patch(self.here, "open", refuse)
        self.assertEqual(self.run_command("_http._tcp.local", "PTR"), GOOD)
        self.assertIn("My Web._http._tcp.local.", self.lines[1])

    def test_name_outside_local(self) -> None:
        """M-13-1: it is asked for by multicast only when that is said."""
        with self.assertRaisesRegex(CommandError, "--multicast"):
            self.run_command("www.example.com", "A")
        self.assertEqual(self.run_command("www.example.com", "A", "--multicast", "--wait", "1"), NOT_ALL)

    def test_name_without_local(self) -> None:
        """What ends in a type, or has one label, is mostly meant in .local."""
        for name in ("_http._tcp", "kitchen"):
            with self.subTest(name=name), self.assertRaisesRegex(CommandError, f"write {name}.local; "):
                self.run_command(name, "PTR")

    def test_nobody(self) -> None:
        self.assertEqual(self.run_command("nobody.local", "A", "--wait", "1"), NOT_ALL)
        self.assertEqual(self.errors.getvalue(), "mcast query: nobody.local.: no answer within 1 s\n")


class ReplyTests(SynchronousTestCase):
    """What a server said, whole."""

    HOST = Name.parse("kitchen.example.")

    def report(self, reply: OneShotReply) -> list[str]:
        stream = StringIO()
        self.subject = Report(Output(stream, json_lines=False))
        self.subject.reply(reply)
        return stream.getvalue().splitlines()

    def test_sections(self) -> None:
        records = (address(self.HOST, "192.0.2.1", 300), address(self.HOST, "192.0.2.2", 300))
        flags = RESPONSE_FLAGS | Flag.RECURSION_DESIRED
        head, _, answer, additional = self.report(
            OneShotReply(Message(flags=flags, answers=records[:1], additionals=records[1:]), "192.0.2.9")
        )
        self.assertEqual(head, "response of 192.0.2.9: NOERROR aa rd")
        self.assertTrue(answer.endswith("192.0.2.1"), answer)
        self.assertTrue(additional.endswith("192.0.2.2  (additionals)"), additional)
        self.assertTrue(self.subject.found)

    def test_refusal(self) -> None:
        self.assertEqual(
            self.report(OneShotReply(Message(flags=Flag.RESPONSE | 5), "192.0.2.9")),
            ["response of 192.0.2.9: REFUSED"],
        )
        self.assertFalse(self.subject.found)

    def test_truncation_is_told(self) -> None:
        lines = self.report(OneShotReply(Message(flags=Flag.RESPONSE | Flag.TRUNCATED), "192.0.2.9"))
        self.assertEqual(lines[0], "response of 192.0.2.9: NOERROR tc")
        self.assertIn("truncated", lines[1])


class TypeTests(SynchronousTestCase):
    def test_mnemonic(self) -> None:
        self.assertEqual(parse_type("ptr"), 12)

    def test_generic_form(self) -> None:
        self.assertEqual(parse_type("TYPE65"), 65)

    def test_number(self) -> None:
        self.assertEqual(parse_type("65535"), 65535)

    def test_nonsense(self) -> None:
        self.assertRaises(ValueError, parse_type, "PRT")

    def test_out_of_range(self) -> None:
        self.assertRaises(ValueError, parse_type, "65536")
