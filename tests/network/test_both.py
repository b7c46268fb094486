"""`mcast ping --both`: the loss of multicast is told from that of unicast."""

from __future__ import annotations

from typing import Any

from tests.network.lan import LanTestCase
from tests.network.test_commands import WAIT, command, objects
from tests.network.test_echo import Program, responder

GROUP = "224.0.0.123"


class BothTests(LanTestCase):
    """One responder that answers the group and one that does not; the client on a third host."""

    hosts = 3

    def setUp(self) -> None:
        super().setUp()
        self.client, self.both, self.plain = self.lan.hosts
        self.programs: list[Program] = [
            responder(self.both, "--answer-group", joined=2),
            responder(self.plain, joined=2),
        ]

    def ping(self, group: str = GROUP) -> list[dict[str, Any]]:
        """Ping three times, and return what is told of each responder's multicast, by its address."""
        words = ("--both", "-c", "3", "-i", "0.1", "-w", WAIT, "--json")
        done = command(self.client, "ping", group, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual([each["received"] for each in objects(done.stdout, "summary")], [3, 3])
        found = objects(done.stdout, "group")
        for each in found:
            del each["event"], each["interface"]
        return sorted(found, key=lambda each: -int(each["promised"]))

    def test_ipv4(self) -> None:
        answering, silent = self.ping()
        self.assertGreaterEqual(answering.pop("first"), 0)
        self.assertEqual(
            answering, {"responder": self.both.ipv4(), "promised": 3, "received": 3, "loss": 0.0}
        )
        self.assertEqual((silent["responder"], silent["promised"]), (self.plain.ipv4(), 0))

    def test_ipv6(self) -> None:
        answering, _ = self.ping("ff02::123%eth0")
        self.assertEqual(
            (answering["responder"], answering["received"]), (f"{self.both.link_local()}%eth0", 3)
        )

    def test_multicast_is_lost_on_the_way_back(self) -> None:
        """The switch sends the client no multicast: unicast comes back, all multicast is lost."""
        self.switch("mcast_flood", "off")
        self.addCleanup(self.switch, "mcast_flood", "on")
        answering, _ = self.ping()
        self.assertEqual(
            answering,
            {"responder": self.both.ipv4(), "promised": 3, "received": 0, "loss": 100.0, "first": None},
        )

    def test_counted(self) -> None:
        self.ping()
        self.programs[0].counted("received 3, answered 3, to the group 3, dropped 0")
        self.programs[1].counted("received 3, answered 3, dropped 0")

    def test_too_fast(self) -> None:
        done = command(self.client, "ping", GROUP, "--both", "-i", "0.01")
        self.assertIn("--interval 0.01: with --both not below 0.05", done.stderr)

    def switch(self, *words: str) -> None:
        """Set an option of the switch's port to the client."""
        inside = ("nsenter", f"--net=/run/netns/{self.lan.switch}")
        self.client.run(*inside, "bridge", "link", "set", "dev", "h0l0", *words)
