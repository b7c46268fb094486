"""What the commands load before they do anything: a person waits for it."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

LOADED = """
import sys
import mcast.cli
try:
    mcast.cli.main(sys.argv[1:])
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a command has imported once it has printed its help."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, timeout=300, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


class StartTests(SynchronousTestCase):
    """No command imports what it does not use."""

    def test_help_imports_next_to_nothing(self) -> None:
        modules = loaded("--help")
        self.assertEqual({each for each in modules if each.startswith("mcast.")}, {"mcast.cli"})
        self.assertEqual(modules & {"twisted", "argparse", "importlib.metadata", "asyncio"}, set())

    def test_no_command_imports_tls(self) -> None:
        """It takes as long as all the rest, and is for DNS servers of other domains."""
        for command in ("ping", "browse", "resolve", "query", "dump", "publish"):
            self.assertEqual(
                loaded(command, "--help") & {"OpenSSL", "twisted.internet.endpoints"}, set(), command
            )

    def test_links_need_no_servers(self) -> None:
        """What asks DNS servers, and what registers there, is for other domains."""
        for command in ("browse", "resolve", "query", "publish"):
            modules = loaded(command, "--help")
            servers = {
                "mcast.node.domain_publisher",
                "mcast.dns_client.updates",
                "mcast.dns_client.zone_driver",
            }
            self.assertEqual(modules & servers, set(), command)

    def test_no_command_imports_what_draws(self) -> None:
        for command in ("ping", "browse", "resolve"):
            drawing = {each for each in loaded(command, "--help") if each.startswith("mcast.cli.pictures")}
            self.assertEqual(drawing, set(), command)

    def test_groups_need_no_dns(self) -> None:
        for command in ("ping", "listen", "send", "interfaces"):
            modules = loaded(command, "--help")
            dns = {each for each in modules if each.startswith(("mcast.dns", "mcast.mdns", "mcast.node"))}
            self.assertEqual(dns, set(), command)
