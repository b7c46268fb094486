"""A folder of files of services is followed: ``twist mcast mdns --services DIR``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import LogLevel, capturedLogs

import mcast.tap.services_follower as follower_module
from mcast.tap.mdns import MDNSService, Options
from mcast.tap.services_follower import POLL_INTERVAL, ServicesFollower, read_followed
from tests.node.node_lab import SETTLED, NodeTestCase

FORM = (
    "<service-group><name>{}</name><service><type>_http._tcp</type><port>80</port></service></service-group>"
)


class FolderTests(NodeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.subject = self.settled("kitchen", ipv6=False)

    def write(self, file: str, name: str) -> Path:
        """Write a file with one service."""
        path = self.folder / file
        text = f'[[service]]\nname = "{name}"\ntype = "_http._tcp"\nport = 80\n'
        path.write_text(FORM.format(name) if file.endswith(".service") else text)
        return path

    def follow(self) -> ServicesFollower:
        follower = ServicesFollower(self.lan.clock, self.subject, read_followed(str(self.folder), "kitchen"))
        follower.startService()
        self.addCleanup(follower.stopService)
        self.lan.advance(SETTLED)
        return follower

    def published(self) -> list[str]:
        """Return the names of the services that are claimed when changes were noticed."""
        self.lan.advance(POLL_INTERVAL + SETTLED)
        return sorted(one.name for one in self.subject.registrations[1:] if one.is_claimed)

    def test_files(self) -> None:
        """Those of Avahi and ours; no other, and none that is hidden."""
        for file in ("a.service", "b.toml", "c.txt", ".d.service", "e.service~"):
            self.write(file, file)
        self.follow()
        self.assertEqual(self.published(), ["a.service", "b.toml"])

    def test_new_changed_and_removed(self) -> None:
        first = self.write("a.service", "A")
        self.follow()
        self.write("b.service", "B")
        self.assertEqual(self.published(), ["A", "B"])
        self.write("b.service", "Another")
        self.assertEqual(self.published(), ["A", "Another"])
        self.lan.packets.clear()
        first.unlink()
        self.assertEqual(self.published(), ["Another"])
        self.assertIn("A._http._tcp.local.", {str(each.data) for each in self.lan.packets.goodbyes})

    def test_config_map(self) -> None:
        """As Kubernetes changes a volume: files are links into ``..data``, a link that is replaced."""
        for number, name in enumerate(("A", "B")):
            (self.folder / f"..{number}").mkdir()
            self.write(f"..{number}/web.toml", name)
        (self.folder / "..data").symlink_to("..0")
        (self.folder / "web.toml").symlink_to("..data/web.toml")
        self.follow()
        self.assertEqual(self.published(), ["A"])
        (self.folder / "..data_tmp").symlink_to("..1")
        (self.folder / "..data_tmp").rename(self.folder / "..data")
        self.assertEqual(self.published(), ["B"])

    def test_fault_keeps_no_other_from_being_published(self) -> None:
        self.write("a.service", "A")
        (self.folder / "b.service").write_text("<html/>")
        (self.folder / "c.service").mkdir()
        os.mkfifo(self.folder / "d.service")
        with capturedLogs() as events:
            self.follow()
        errors = [event for event in events if event["log_level"] is LogLevel.error]
        self.assertEqual(len(errors), 3)
        self.assertEqual(self.published(), ["A"])
        self.write("b.service", "B")
        self.assertEqual(self.published(), ["A", "B"])

    def test_folder_that_is_gone(self) -> None:
        """It is told once, and all stays published."""
        self.write("a.service", "A")
        self.follow()
        self.folder.rename(self.folder.with_name("elsewhere"))
        with capturedLogs() as events:
            self.assertEqual(self.published(), ["A"])
            self.lan.advance(10 * POLL_INTERVAL)
        self.assertEqual(len(events), 1)

    def test_read_again(self) -> None:
        self.write("a.service", "A")
        follower = self.follow()
        self.write("b.service", "B")
        follower.read_again()
        self.lan.advance(SETTLED)
        self.assertEqual([one.name for one in self.subject.registrations[1:]], ["A", "B"])

    def test_many_files(self) -> None:
        """Those after the first are passed over, which is told once."""
        self.patch(follower_module, "MAX_FILES", 2)
        for name in "abc":
            self.write(f"{name}.service", name)
        with capturedLogs() as events:
            self.follow()
            self.assertEqual(self.published(), ["a", "b"])
        self.assertEqual(len([each for each in events if each["log_level"] is LogLevel.error]), 1)

    def test_option(self) -> None:
        """The host is named by the first file that names it."""
        self.write("a.service", "A")
        self.write("b.toml", "B").write_text('hostname = "pantry"\n')
        (self.folder / "0.toml").write_text("no TOML")
        options = Options()
        options.parseOptions(["--services", str(self.folder)])
        service = MDNSService(self.lan.clock, options, self.lan.host("other"))
        self.assertEqual(service.node.hostname, "pantry")
