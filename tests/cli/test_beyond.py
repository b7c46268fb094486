"""`mcast browse` and `resolve` in a domain outside of `.local`, at a DNS server on loopback."""

from __future__ import annotations

import argparse
import json
from io import StringIO
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from mcast.cli import browse, resolve
from mcast.cli.command import GOOD, NOT_ALL, CommandError, Output
from mcast.dns.names import Name
from mcast.dns.records import pointer
from tests.dns_client.lab import HTTP, LoopbackServer, ZoneData, at, web

DOMAIN = "Building 1.example.com"


class BeyondTestCase(TestCase):
    timeout = 120

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor = reactor
        self.zone = ZoneData(records=[*web("My Web"), at(9)])
        listing = Name.parse(f"_services._dns-sd._udp.{DOMAIN}")
        self.zone.records.append(pointer(listing, HTTP, 10))
        self.server = LoopbackServer(reactor, self.zone.answer)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.server.stop()))

    async def run_command(self, command: Any, *words: str) -> tuple[int, str]:
        """Run a command with the server named; return its exit status and what it printed.

        The usual limit of a look-up passes while a machine stands still.
        """
        if command is resolve:
            words += ("--wait", "60")
        parser = argparse.ArgumentParser()
        command.configure(parser)
        parser.add_argument("--json", action="store_true")
        arguments = parser.parse_intermixed_args([*words, "--server", str(self.server)])
        printed = StringIO()
        status = await command.run(self.reactor, arguments, Output(printed, json_lines=arguments.json))
        return status, printed.getvalue()


class BrowseTests(BeyondTestCase):
    async def test_names(self) -> None:
        status, printed = await self.run_command(browse, "_http._tcp", "--domain", DOMAIN)
        self.assertEqual(status, GOOD)
        self.assertIn("My Web", printed)

    async def test_all_types(self) -> None:
        status, printed = await self.run_command(browse, "-r", "--json", "--domain", DOMAIN)
        self.assertEqual(status, GOOD)
        # Told at first without its addresses where these come late.
        found = json.loads(printed.splitlines()[-1])
        self.assertEqual((found["domain"], found["port"]), ("Building 1.example.com.", 80))
        self.assertEqual(found["addresses"], [{"address": "192.0.2.9", "interface": ""}])
        self.assertEqual(found["interfaces"], [])

    async def test_types(self) -> None:
        status, printed = await self.run_command(browse, "_services._dns-sd._udp", "--domain", DOMAIN)
        self.assertEqual((status, "_http._tcp" in printed), (GOOD, True))

    async def test_nothing(self) -> None:
        status, printed = await self.run_command(browse, "_ipp._tcp", "--domain", DOMAIN)
        self.assertEqual((status, printed), (NOT_ALL, ""))

    async def test_contradictions(self) -> None:
        with self.assertRaisesRegex(CommandError, "looked up by multicast"):
            await self.run_command(browse, "_ipp._tcp")
        with self.assertRaisesRegex(CommandError, "DNS servers are asked"):
            await self.run_command(browse, "_ipp._tcp", "--domain", DOMAIN, "-I", "lo")


class ResolveTests(BeyondTestCase):
    async def test_service(self) -> None:
        for words in (
            ("My Web", "_http._tcp", "--domain", DOMAIN),
            (f"My Web._http._tcp.{DOMAIN}",),
        ):
            status, printed = await self.run_command(resolve, *words)
            self.assertEqual(status, GOOD)
            self.assertIn("address    192.0.2.9", printed)

    async def test_host(self) -> None:
        status, printed = await self.run_command(resolve, f"web.{DOMAIN}")
        self.assertEqual((status, "192.0.2.9" in printed), (GOOD, True))

    async def test_no_such_service(self) -> None:
        status, _ = await self.run_command(resolve, "None", "_http._tcp", "--domain", DOMAIN)
        self.assertEqual(status, NOT_ALL)
