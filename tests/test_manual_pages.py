"""The manual pages in contrib/man, which contrib/share.py makes of the option tables."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from mcast.cli import COMMANDS

PAGES = Path(__file__).resolve().parent.parent / "contrib" / "man"


class ManualPagesTests(SynchronousTestCase):
    """Each command has a page, and ``man`` can show it."""

    def test_a_page_for_each_command(self) -> None:
        pages = {path.stem for path in PAGES.glob("*.1")}
        self.assertEqual(pages, {"mcast", "twist-mcast", *(f"mcast-{name}" for name in COMMANDS)})

    def test_headings(self) -> None:
        for path in PAGES.glob("*.1"):
            headings = re.findall(r"^\.SH (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            self.assertEqual(headings[:2], ["NAME", "SYNOPSIS"], path.name)
            self.assertEqual(headings[-1], "SEE ALSO", path.name)

    def test_man_has_no_complaint(self) -> None:
        if shutil.which("man") is None and not os.environ.get("CI"):
            raise SkipTest("man is not installed")
        for path in sorted(PAGES.glob("*.1")):
            shown = subprocess.run(
                ["man", "--warnings", "--encoding=UTF-8", "-l", str(path)],
                env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80", "MANPAGER": "cat"},
                capture_output=True,
                text=True,
                timeout=300,
                check=True,
            )
            self.assertEqual(shown.stderr, "", path.name)
            self.assertIn("SYNOPSIS", shown.stdout)
