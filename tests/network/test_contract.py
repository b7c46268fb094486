"""`listen_multicast` opens what Twisted's own tests take for a port of ``reactor.listenMulticast``."""

from __future__ import annotations

import re
import tempfile

from tests.network.lan import LanTestCase

MODULE = "tests.network.twisted_contract"

ON_THE_GLOBAL_REACTOR = 26
"""At least as many tests has ``twisted.test.test_udp`` of Twisted 24.11."""

BUILT = 72
"""At least as many tests has ``twisted.internet.test.test_udp`` of Twisted 24.11 on four reactors."""


class ContractTests(LanTestCase):
    """Twisted's own tests pass unchanged, on a host of their own, all but one that skips itself."""

    hosts = 1

    def setUp(self) -> None:
        super().setUp()
        for family in ("-4", "-6"):
            # Without a route Twisted's tests see no multicast, and skip themselves.
            self.lan.hosts[0].ip(family, "route", "replace", "default", "dev", "eth0")

    def run_tests(self, reactor: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            words = [
                "-m",
                "twisted.trial",
                f"--reactor={reactor}",
                f"--temp-directory={folder}/trial",
                MODULE,
            ]
            output = self.lan.hosts[0].python(*words, timeout=600)
        # One they skip themselves: IPv6 has hop limits in place of TTLs.
        passed = re.search(r"^PASSED \(skips=1, successes=(\d+)\)$", output, re.MULTILINE)
        self.assertIsNotNone(passed, output)
        assert passed is not None
        self.assertGreaterEqual(int(passed[1]), ON_THE_GLOBAL_REACTOR + BUILT)

    def test_epoll(self) -> None:
        self.run_tests("epoll")

    def test_poll(self) -> None:
        self.run_tests("poll")

    def test_select(self) -> None:
        self.run_tests("select")

    def test_asyncio(self) -> None:
        self.run_tests("asyncio")
