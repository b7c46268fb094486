"""``mcast publish`` publishes a service and records until it is stopped."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO

from mcast.cli import publish
from mcast.cli.command import GOOD, NOT_ALL, CommandError
from mcast.dns.names import Name
from mcast.dns.presentation import parse_type, show_data
from tests.cli.finding_lab import FindingTestCase


class PublishTests(FindingTestCase):
    command = publish

    def found(self, name: str, type: str) -> set[str]:
        """Return the data of the records that another host finds."""
        asking = self.there.query(Name.parse(name), parse_type(type), 1)
        return {show_data(answer.record) for answer in self.lan.result(asking)}

    def refused(self, *words: str) -> str:
        return str(self.failureResultOf(self.start(*words), CommandError).value)

    def test_service(self) -> None:
        running = self.start("My Web", "_http._tcp", "80", "path=/")
        self.lan.advance(5)
        (line,) = self.lines
        self.assertRegex(line, r"^published My Web\._http\._tcp\.local\. on [^ ]+\.local\., port 80$")
        self.assertEqual(self.found("My Web._http._tcp.local", "TXT"), {'"path=/"'})
        running.cancel()
        self.assertEqual(self.lan.result(running), GOOD)

    def test_records(self) -> None:
        """A record needs no service; one of a type that Multicast DNS does not use is like any other."""
        running = self.start(
            *("--record", "kitchen.local LOC 52 22 23 N 4 53 32 E -2m"),
            *("--shared-record", r"kitchen.local 60 IN TYPE65400 \# 2 00ff"),
        )
        self.lan.advance(5)
        location = "52 22 23.000 N 4 53 32.000 E -2.00m"
        self.assertEqual(
            self.lines,
            [
                f"published kitchen.local. 4500 IN LOC {location}",
                r"published kitchen.local. 60 IN TYPE65400 \# 2 00ff",
            ],
        )
        self.assertEqual(self.found("kitchen.local", "LOC"), {location})
        self.assertEqual(self.found("kitchen.local", "TYPE65400"), {r"\# 2 00ff"})
        running.cancel()
        self.assertEqual(self.lan.result(running), GOOD)

    def test_several_records_of_one_set(self) -> None:
        running = self.start("--record", "a.local MX 10 one.local", "--record", "a.local MX 20 two.local")
        self.lan.advance(5)
        self.assertEqual(self.found("a.local", "MX"), {"10 one.local.", "20 two.local."})
        running.cancel()
        self.lan.result(running)

    def test_json(self) -> None:
        running = self.start("--record", "a.local A 192.0.2.1", json_lines=True)
        self.lan.advance(5)
        self.assertEqual(
            self.objects,
            [{"event": "published", "name": "a.local.", "record": "a.local. 120 IN A 192.0.2.1"}],
        )
        running.cancel()
        self.lan.result(running)

    def test_record_of_a_name_that_is_taken(self) -> None:
        self.publish()
        errors = StringIO()
        with redirect_stderr(errors):
            status = self.lan.result(self.start("--record", "there.local A 192.0.2.1"))
        self.assertEqual(status, NOT_ALL)
        self.assertEqual(errors.getvalue(), "mcast publish: there.local. is taken by another host\n")

    def test_record_that_no_packet_holds(self) -> None:
        line = "a.local TXT " + " ".join(["x" * 250] * 40)
        with self.assertRaises(CommandError) as caught:
            self.lan.result(self.start("--record", line))
        self.assertIn("a.local", str(caught.exception))

    def test_service_that_is_cut_short(self) -> None:
        """What is missing is named."""
        self.assertIn("PORT is missing: a service is NAME TYPE PORT", self.refused("My Web", "_http._tcp"))
        self.assertIn("TYPE and PORT are missing", self.refused("My Web"))

    def test_nothing(self) -> None:
        self.assertIn("NAME TYPE PORT", self.refused())

    def test_host_without_service(self) -> None:
        self.assertIn("--host", self.refused("--host", "a", "--record", "a.local A 192.0.2.1"))
