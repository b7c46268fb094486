"""Configuration that we hand out: the programs that read it, or their schemas, have no objection."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from twisted.trial.unittest import SynchronousTestCase

from tests.blocks import block
from tests.interop.test_frameworks import require_packages
from tests.network.lan import PATIENCE, REPOSITORY, LanTestCase


def said(*words: str | Path) -> tuple[int, str]:
    """Return the exit status of a program, and all that it says."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    return done.returncode, done.stdout + done.stderr


class SchemaTests(SynchronousTestCase):
    """What is written for programs that do not run here is checked by their schemas and linters."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def saved(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def check_schema(self, schema: str, files: Sequence[Path]) -> None:
        require_packages("check_jsonschema")
        self.assertNotEqual(files, [])
        schemas = ("-m", "check_jsonschema", "--builtin-schema", schema)
        self.assertEqual(said(sys.executable, *schemas, *files), (0, "ok -- validation done\n"))

    def test_dockerfile(self) -> None:
        if shutil.which("hadolint") is None:
            require_packages("hadolint")
        self.assertEqual(said("hadolint", "--no-color", REPOSITORY / "contrib/Dockerfile"), (0, ""))

    def test_kubernetes(self) -> None:
        require_packages("kubernetes_validate")
        path = self.saved("mcast.yaml", block("docs/howto/kubernetes.md", "DaemonSet").text)
        words = ("-m", "kubernetes_validate", "--strict", "--quiet", path)
        self.assertEqual(said(sys.executable, *words), (0, ""))

    def test_workflows(self) -> None:
        shown = block("docs/conform.md", "conform.xml").text
        ours = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
        self.check_schema("vendor.github-workflows", [*ours, self.saved("shown.yml", f"on: push\n{shown}")])
        self.check_schema("custom.github-workflows-require-timeout", ours)

    def test_issue_forms(self) -> None:
        folder = REPOSITORY / ".github/ISSUE_TEMPLATE"
        forms = sorted({*folder.glob("*.yml")} - {folder / "config.yml"})
        self.check_schema("vendor.github-issue-forms", forms)
        self.check_schema("vendor.github-issue-config", [folder / "config.yml"])


class FirewallTests(LanTestCase):
    hosts: ClassVar[int] = 1

    def test_nftables(self) -> None:
        (host,) = self.lan.hosts
        self.assertEqual(host.run("nft", "--check", "--file", "contrib/nftables.conf"), "")
