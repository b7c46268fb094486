"""`mcast domains`: recommended domains, and what is wrong with one, at a DNS server on loopback."""

from __future__ import annotations

import json

from mcast.cli import domains
from mcast.cli.command import GOOD, NOT_ALL, CommandError
from mcast.dns.codes import RecordClass, RecordType
from mcast.dns.names import Name
from mcast.dns.records import Record, address, pointer
from mcast.dns_client.system import SystemServers
from mcast.dnssd.enumeration import DomainList
from mcast.testing import SimulatedLan
from tests.cli.test_beyond import DOMAIN, BeyondTestCase
from tests.dns_client.lab import ZONE


class ListTests(BeyondTestCase):
    async def test_recommended(self) -> None:
        """RFC 6763 §11."""
        self.zone.records += [
            pointer(DomainList.BROWSING.in_domain(ZONE), ZONE, 10),
            pointer(DomainList.LEGACY_BROWSING.in_domain(ZONE), ZONE, 10),
            pointer(DomainList.REGISTERING.in_domain(ZONE), Name.parse("dynamic.example.com"), 10),
        ]
        status, printed = await self.run_command(domains, "--domain", DOMAIN)
        self.assertEqual(status, GOOD)
        lines = [" ".join(line.split()) for line in printed.splitlines()]
        self.assertEqual(
            lines,
            [
                "DOMAIN FOR SAID IN",
                f"{DOMAIN} browsing, browsing unasked {DOMAIN}",
                f"dynamic.example.com registering {DOMAIN}",
            ],
        )

    async def test_json(self) -> None:
        self.zone.records.append(pointer(DomainList.BROWSING.in_domain(ZONE), ZONE, 10))
        _, printed = await self.run_command(domains, "--json", "--domain", DOMAIN)
        found = json.loads(printed)
        self.assertEqual(
            {key: found[key] for key in ("event", "domain", "lists", "sources")},
            {"event": "domain", "domain": str(ZONE), "lists": ["b"], "sources": [str(ZONE)]},
        )

    async def test_none(self) -> None:
        status, printed = await self.run_command(domains, "--domain", DOMAIN)
        self.assertEqual((status, printed), (NOT_ALL, ""))


class CheckTests(BeyondTestCase):
    def setUp(self) -> None:
        super().setUp()
        host = ZONE.prefixed("ns")
        self.zone.records += [
            Record(ZONE, RecordType.NS, RecordClass.IN, 60, host.wire),
            address(host, "127.0.0.1", 60),
            pointer(DomainList.BROWSING.in_domain(ZONE), ZONE, 10),
            pointer(DomainList.LEGACY_BROWSING.in_domain(ZONE), ZONE, 10),
        ]

    async def test_all_is_well(self) -> None:
        status, printed = await self.run_command(domains, "--check", DOMAIN)
        self.assertEqual(status, GOOD, printed)
        self.assertIn(f"ns.{DOMAIN}. (127.0.0.1:", printed)
        self.assertNotIn("wrong", printed)

    async def test_fault(self) -> None:
        """One line, with the mend."""
        self.zone.remove(DomainList.BROWSING.in_domain(ZONE))
        status, printed = await self.run_command(domains, "--check", DOMAIN)
        self.assertEqual(status, NOT_ALL)
        (line,) = [line for line in printed.splitlines() if line.startswith("wrong")]
        self.assertIn(f"add: b._dns-sd._udp.{DOMAIN}. PTR {DOMAIN}.", line)

    async def test_json(self) -> None:
        _, printed = await self.run_command(domains, "--json", "--check", DOMAIN)
        levels = {json.loads(line)["level"] for line in printed.splitlines()}
        self.assertEqual(levels, {"good", "note"})

    async def test_no_server_answers(self) -> None:
        self.server.respond = lambda query: None
        await self.server.stop()
        with self.assertRaisesRegex(CommandError, "nobody listens on its UDP port"):
            await self.run_command(domains, "--check", DOMAIN)
        self.server.stop = _nothing  # type: ignore[method-assign]

    async def test_no_domain(self) -> None:
        with self.assertRaises(SystemExit):
            await self.run_command(domains, "--check", "local")


class PlaceTests(BeyondTestCase):
    def test_networks_of_this_host(self) -> None:
        """RFC 6763 §11: the reverse names of its networks, and local."""
        import argparse

        parser = argparse.ArgumentParser()
        domains.configure(parser)
        host = SimulatedLan(seed=1).host("here")
        places = domains._places(self.reactor, parser.parse_args([]), host, SystemServers("/none"))
        self.assertEqual(str(places[0]), "local.")
        self.assertIn("0.1.0.10.in-addr.arpa.", list(map(str, places)))
        self.flushLoggedErrors()


async def _nothing() -> None:
    """Stop what is stopped already."""
