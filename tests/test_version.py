"""Tests for what tells the version."""

from __future__ import annotations

import platform
from contextlib import redirect_stdout
from io import StringIO
from unittest.mock import patch

from twisted.trial.unittest import SynchronousTestCase

import mcast
import twisted
from mcast import version
from mcast.cli import main


class Distribution:
    """A distribution whose installer noted this of its origin."""

    def __init__(self, noted: str | None) -> None:
        self.noted = noted

    def read_text(self, name: str) -> str | None:
        return {"direct_url.json": self.noted}[name]


class VersionTests(SynchronousTestCase):
    def test_of_the_package(self) -> None:
        self.assertEqual(mcast.__version__, version.version())
        self.assertIn("__version__", dir(mcast))

    def test_of_all_that_a_fault_may_come_from(self) -> None:
        printed = StringIO()
        with redirect_stdout(printed):
            self.assertEqual(main(["--version"]), 0)
        ours, build, python, of_twisted = printed.getvalue().splitlines()
        self.assertEqual(ours, f"mcast {mcast.__version__}")
        self.assertEqual(build, f"build: {version.build()}, {version.core()}")
        self.assertIn(platform.python_version(), python)
        self.assertEqual(of_twisted, f"Twisted: {twisted.__version__}")

    def test_not_installed(self) -> None:
        with patch("mcast.version.DISTRIBUTION", "no-such-distribution"):
            self.assertEqual(
                (version.version(), version.build()), ("(not installed)", "none, run from a folder")
            )

    def test_builds(self) -> None:
        """As PEP 610 has them; a file that is none of it does no harm."""
        for noted, told in (
            (None, "release"),
            ('{"url": "x", "vcs_info": {"vcs": "git", "commit_id": "abc"}}', "commit abc"),
            ('{"url": "x", "dir_info": {"editable": true}}', "editable"),
            ('{"url": "x", "dir_info": {}}', "folder"),
            ('{"url": "x", "archive_info": {}}', "archive"),
            ('{"vcs_info": 1}', "unknown"),
            ("[1", "unknown"),
            ("3", "unknown"),
        ):
            with patch("mcast.version.metadata.distribution", return_value=Distribution(noted)):
                self.assertEqual(version.build(), told, noted)
