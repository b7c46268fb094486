"""docs/howto/frameworks.md: programs of other people are found, and find, by nothing but a string."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec

from twisted.trial.unittest import SkipTest

from tests.interop.pages import Page, PageTestCase
from tests.interop.programs import Program
from tests.network.lan import PATIENCE

PAGE = "howto/frameworks.md"


def require_packages(*names: str) -> None:
    """Skip the test when a package is not installed; where CI is set everything must be there."""
    missing = [name for name in names if find_spec(name) is None]
    if missing and not os.environ.get("CI"):
        raise SkipTest(f"not installed: {', '.join(missing)}")


class FrameworkTests(PageTestCase):
    """Each command of the page, in its order within a test."""

    def setUp(self) -> None:
        super().setUp()
        self.page = self.read(PAGE)

    def command(self, start: str) -> str:
        """Return the command of the page that begins with some words."""
        (found,) = (each for each in self.page.commands if each.startswith(start))
        return found

    def serve(self, command: str, name: str, service_type: str) -> Program:
        """Start a server on the first host, and return it once the second host finds its service."""
        program = self.start(self.here, command)
        resolve = f"mcast resolve --wait 100 {name} {service_type}"
        self.assertIn(self.here.ipv4(), self.run_whole(self.there, resolve), program.output)
        return program

    def test_every_command_is_run(self) -> None:
        known = (
            *("python docs_site.py", "python fetch.py ", "python fetch_service.py ", "daphne "),
            *("python chat.py", "python say.py", "mkdir keys", "ckeygen ", "twist conch "),
        )
        unknown = [each for each in Page(PAGE).commands if not each.startswith(known)]
        self.assertEqual((unknown, len(self.page.commands)), ([], len(known)))

    def test_klein_and_treq(self) -> None:
        require_packages("klein", "treq")
        self.serve(self.command("python docs_site.py"), "Docs", "_http._tcp")
        for client in ("python fetch.py", "python fetch_service.py"):
            self.run_until(self.there, self.command(client), "^hello from Klein$")
        (block,) = (each for each in self.page.blocks if "Agent(reactor).request" in each)
        (self.folder / "agent.py").write_text(block)
        # A line of Twisted's own may come before: readBody warns of a transport that a short body has closed.
        self.run_until(self.there, "python agent.py", "(?m)^hello from Klein$")

    def test_daphne(self) -> None:
        require_packages("daphne", "treq")
        self.serve(self.command("daphne"), "Shop", "_http._tcp")
        self.run_until(self.there, "python fetch.py http://shop.local:8000/", "^hello from ASGI$")

    def test_autobahn(self) -> None:
        require_packages("autobahn")
        self.serve(self.command("python chat.py"), "Chat", "_ws._tcp")
        self.run_until(self.there, self.command("python say.py"), "^hello$")

    def test_conch(self) -> None:
        require_packages("bcrypt", "cryptography")
        for start in ("mkdir keys", "ckeygen"):
            self.run_whole(self.here, self.command(start))
        self.serve(self.command("twist conch"), "Workshop", "_ssh._tcp")
        with self.there.inside(), socket.create_connection((self.here.ipv4(), 2222), PATIENCE) as stream:
            self.assertTrue(stream.recv(99).startswith(b"SSH-2.0-Twisted"))
