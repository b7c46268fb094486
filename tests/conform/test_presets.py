"""How subjects that are known by name are started."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mcast.conform import resolved_subject
from mcast.conform.presets import PRESETS, WITHOUT_SUBTYPES
from mcast.conform.subjects import Names
from mcast.conform.verdicts import NotRunError

NAMES = Names.parse("host.local", "100% Printer._ipp._tcp")


class ResolvedTests(SynchronousTestCase):
    """systemd-resolved out of a folder into which it was unpacked."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def test_from_a_folder(self) -> None:
        daemon = self.folder / "lib/systemd/systemd-resolved"
        daemon.parent.mkdir(parents=True)
        daemon.touch()
        self.patch(os, "environ", {"MCAST_RESOLVED": str(self.folder)})
        self.patch(resolved_subject, "find_program", lambda name: f"/usr/bin/{name}")
        launch = PRESETS["systemd-resolved"](NAMES, self.folder)
        self.assertIn(str(self.folder), launch.environment["LD_LIBRARY_PATH"])
        self.assertIn(str(daemon), launch.words[-1])
        self.assertIn("Name=100%% Printer\n", (self.folder / "subject.dnssd").read_text())
        # Else it is told of each host name that is set in another lab, and takes its first one again.
        self.assertIn(f"mount --bind {self.folder}/hostname /proc/sys/kernel/hostname\n", launch.words[-1])
        self.assertEqual((self.folder / "hostname").read_text(), "host\n")

    def test_not_here(self) -> None:
        self.patch(os, "environ", {"MCAST_RESOLVED": str(self.folder)})
        self.patch(resolved_subject, "INSTALLED", str(self.folder))
        with self.assertRaises(NotRunError) as caught:
            PRESETS["systemd-resolved"](NAMES, self.folder)
        self.assertNotIn("\n", str(caught.exception))

    def test_those_without_subtypes_are_presets(self) -> None:
        self.assertLessEqual(WITHOUT_SUBTYPES, PRESETS.keys())
