"""The units of contrib/systemd: what systemd says of them, where it is installed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mcast.tap import tap

UNITS = sorted((Path(__file__).resolve().parents[2] / "contrib" / "systemd").glob("*.service"))

EXPOSURE = 15
"""Tenths of what `systemd-analyze security` may count, of 100. Our choice: what is left is the network."""

CAPABILITIES = {"mcast-proxy.service": "CAP_NET_BIND_SERVICE"}
"""What a unit may do that others may not: the proxy listens on port 53."""


def settings(unit: Path, name: str) -> list[str]:
    """Return each value of a setting."""
    return re.findall(rf"^{name}=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


class UnitTests(SynchronousTestCase):
    def test_names(self) -> None:
        names = [f"mcast-{name}.service" for name in ("echo", "mdns", "proxy", "view")]
        self.assertEqual([unit.name for unit in UNITS], names)

    def test_commands(self) -> None:
        """What is started has options that `twist mcast` knows."""
        for unit in UNITS:
            (command,) = settings(unit, "ExecStart")
            program, plugin, *words = [word for word in shlex.split(command) if not word.startswith("$")]
            self.assertEqual((Path(program).name, plugin), ("twist", "mcast"))
            with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                file.write('[[zone]]\nname = "Building 1.example.com"\ninterface = "eth0"\n')
                file.flush()
                options = tap.Options()
                options.parseOptions([file.name if word.endswith(".toml") else word for word in words])

    def test_restrictions(self) -> None:
        for unit in UNITS:
            capabilities = CAPABILITIES.get(unit.name, "")
            for name, value in (
                ("Type", "notify"),
                ("DynamicUser", "yes"),
                ("CapabilityBoundingSet", capabilities),
                ("AmbientCapabilities", capabilities),
                ("NoNewPrivileges", "yes"),
                ("ProtectSystem", "strict"),
            ):
                self.assertEqual(settings(unit, name), [value], f"{unit.name} {name}")
            self.assertEqual(settings(unit, "SystemCallFilter")[0], "@system-service")
            self.assertNotEqual(settings(unit, "WatchdogSec"), [])


class AnalyzedTests(SynchronousTestCase):
    if shutil.which("systemd-analyze") is None:
        skip = "systemd is not installed"

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="mcast-units-")
        self.addCleanup(folder.cleanup)
        self.units = [Path(folder.name, unit.name) for unit in UNITS]
        for unit, copy in zip(UNITS, self.units, strict=True):
            # The program must be there.
            text = unit.read_text(encoding="utf-8").replace("/opt/mcast/bin/twist", "/bin/true")
            copy.write_text(text, encoding="utf-8")

    def analyzed(self, *words: str | Path) -> str:
        done = subprocess.run(
            ("systemd-analyze", *words), capture_output=True, text=True, timeout=300, check=False
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stderr

    def test_verify(self) -> None:
        """Of other units, those that the machine has, it may say what it likes."""
        told = self.analyzed("verify", "--man=no", *self.units)
        self.assertEqual([line for line in told.splitlines() if "mcast-" in line], [])

    def test_security(self) -> None:
        for unit in self.units:
            self.analyzed("security", "--offline=yes", f"--threshold={EXPOSURE}", unit)
