"""The pages for contributors are true to the repository."""

from __future__ import annotations

import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from contrib import lowest
from mcast.cli import COMMANDS

TOP = Path(__file__).resolve().parents[1]
TEMPLATES = TOP / ".github" / "ISSUE_TEMPLATE"


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pages = {name: (TOP / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "SECURITY.md")}

    def test_paths(self) -> None:
        """Each file and folder that they name is there."""
        for name, page in self.pages.items():
            named = set(re.findall(r"`((?:mcast|tests|docs|\.ci)/[\w./]*|\w+\.(?:md|toml))`", page))
            named |= set(re.findall(r"\]\(([\w./]+)\)", page))
            self.assertNotEqual(named, set())
            self.assertEqual([path for path in sorted(named) if not (TOP / path).exists()], [], name)

    def test_tests(self) -> None:
        """Each test that CONTRIBUTING.md runs is there."""
        for name in re.findall(r"twisted\.trial (tests[\w.]+)", self.pages["CONTRIBUTING.md"]):
            path, _, case = re.sub(r"\.(?=[A-Z])", ":", name).partition(":")
            place = TOP / path.replace(".", "/")
            if place.is_dir():
                continue
            self.assertIn(f"class {case}", place.with_suffix(".py").read_text("utf-8"))

    def test_names(self) -> None:
        """Each table that one is to add a line to is in the file that is named for it."""
        for table, path in (
            ("EXAMPLES", "tests/dns/test_presentation.py"),
            ("LAYOUTS", "mcast/dns/rdata.py"),
            ("COMMANDS", "mcast/cli/__init__.py"),
            ("SUBCOMMANDS", "mcast/tap/tap.py"),
            ("class RecordType", "mcast/dns/codes.py"),
            ("def platform_row", "mcast/sockets/platforms.py"),
        ):
            self.assertIn(table.split()[-1], self.pages["CONTRIBUTING.md"])
            self.assertRegex((TOP / path).read_text("utf-8"), rf"(?m)^{table}\b")


class LowestTests(SynchronousTestCase):
    """contrib/lowest.py, of whose versions CI makes an environment."""

    def test_every_requirement(self) -> None:
        """Each has a lower bound, and the one that is declared twice is the same."""
        listed = lowest.requirements((TOP / "pyproject.toml").read_text("utf-8"))
        self.assertGreater(len(listed), 12)
        names = {re.split(r"[\[>=;]", each)[0] for each in listed} - {"txmcast"}
        made = lowest.constraints((TOP / "pyproject.toml").read_text("utf-8"))
        self.assertEqual({each.partition("==")[0] for each in made}, names)
        self.assertEqual(len({each for each in listed if each.startswith("dnspython")}), 1)

    def test_forms(self) -> None:
        text = 'dependencies = [\n    "a>=1.2",\n    # b>=3\n    "c[x]>=4; python_version < \'3.11\'",\n]\n'
        self.assertEqual(lowest.constraints(text), ["a==1.2", "c==4; python_version < '3.11'"])

    def test_no_bound(self) -> None:
        with self.assertRaises(SystemExit):
            lowest.constraints('tls = ["a"]\n')


class TemplateTests(SynchronousTestCase):
    def test_what_a_fault_needs(self) -> None:
        text = (TEMPLATES / "fault.yml").read_text("utf-8")
        for asked in ("mcast --version", "mcast interfaces --check --json", "mcast dump --json", "--pcap"):
            self.assertIn(asked, text)

    def test_commands(self) -> None:
        """They ask for nothing that there is not."""
        for path in TEMPLATES.glob("*.yml"):
            for command in re.findall(r"\bmcast ([a-z]+) --", path.read_text("utf-8")):
                self.assertIn(command, COMMANDS)
