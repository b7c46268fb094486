"""The tutorials, step by step between two hosts: each command and each program is taken from its page."""

from __future__ import annotations

from tests.interop.pages import PageTestCase
from tests.network.lan import wait_until


class EchoGroupTests(PageTestCase):
    """docs/tutorials/echo-group.md."""

    def test_step_by_step(self) -> None:
        page = self.read("tutorials/echo-group.md")
        # The packages come from elsewhere; tests.test_packaging installs the built ones.
        for start in ("python3 -m venv .venv && .venv/bin/pip install .", ". .venv/bin/activate"):
            self.assertEqual(page.take(start), start)

        checked = self.run_whole(self.there, page.take("mcast interfaces --check"))
        eth0 = checked.partition(": eth0")[2]
        self.assertEqual((eth0.count("IPv4: works"), eth0.count("IPv6: works")), (1, 1), checked)

        responder = self.start(self.here, page.take("twist mcast"))
        responder.wait_for("ff02::123")
        ping = page.take("mcast ping 224.0.0.123:7645")
        told = self.run_until(self.there, ping, "3 probes sent, 1 responder")
        self.assertIn(f"{self.here.ipv4()}: if=eth0 seq=0", told)
        self.run_until(self.there, page.take("mcast ping 'ff02::123%eth0'"), "3 probes sent, 1 responder")

        parrot = self.start(self.here, page.take("python parrot.py"))
        # It prints nothing: ask until it has joined.
        command = page.take("mcast ask 239.1.2.3:9000")
        told = self.run_until(self.there, command, ": HELLO")
        self.assertIn(f"{self.here.ipv4()} port 9000: if=eth0", told)
        self.assertTrue(parrot.is_running)
        self.assertEqual(page.commands, [])


class WebSiteTests(PageTestCase):
    """docs/tutorials/discoverable-web-site.md."""

    def test_step_by_step(self) -> None:
        page = self.read("tutorials/discoverable-web-site.md")
        web = self.start(self.here, page.take("twist web --listen 'mdns:"))
        web.wait_for('"name": "Docs._http._tcp.local."')  # it is published
        self.run_until(self.there, page.take("mcast browse _http._tcp --resolve"), "docs.local:8080")
        resolve = page.take("mcast resolve Docs _http._tcp")
        self.run_until(self.there, resolve, f"{self.here.ipv4()} on eth0")
        web.end()

        site, follow = page.take("python site.py"), page.take("python follow.py")
        watcher = self.start(self.there, follow)
        first = self.start(self.here, site)
        first.wait_for("Claimed(")
        watcher.wait_for("Added Docs ")
        second = self.start(self.there, site)
        # One that stands still while the other probes may be the one to take another name.
        wait_until(lambda: "Docs (2)" in f"{first.output}{second.output}", "another name")
        watcher.wait_for("Added Docs (2)")
        (second if "Docs (2)" in first.output else first).end()
        watcher.wait_for("Removed Docs ")
        self.assertEqual(page.commands, [])


class SimulatedNetworkTests(PageTestCase):
    """docs/tutorials/simulated-network.md; tests.test_documents runs its blocks within the test process."""

    def test_step_by_step(self) -> None:
        page = self.read("tutorials/simulated-network.md")
        (self.folder / "sensors.py").write_text("\n".join(page.blocks[:3]))
        self.assertEqual(self.run_whole(self.here, "python sensors.py"), "")
        self.assertIn("PASSED", self.run_whole(self.here, page.take("python -m twisted.trial test_panel")))
        self.assertEqual(page.commands, [])
