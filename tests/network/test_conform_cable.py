"""``mcast conform -I``: a device in another namespace acts by hooks, or as a person at a terminal is told."""

from __future__ import annotations

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tests.interop.peers import Responder
from tests.network.lan import LanTestCase
from tests.network.test_conform import findings, judged_by, not_passed, put_first

CONFORM = (sys.executable, "-m", "mcast.cli", "conform")
BROWSE = (sys.executable, "-m", "mcast.cli", "browse", "--follow", "--resolve", "--json", "_mcast-test._tcp")

PATIENCE = 400.0
"""Our choice: seconds for a run that takes one minute on an idle machine."""

REQUEST = re.compile(rb"Please ([^\r\n]*), then press Enter \(s and Enter: skip it\)\.\r?\n")


def bad(found: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the verdicts on what did not pass."""
    return {each["check"]: each["verdict"] for each in not_passed(found)}


def run_with_person(
    words: Sequence[str], folder: Path, does: Callable[[str], bool]
) -> tuple[str, list[str], str]:
    """Run a command on a terminal with a person at it; return its output, what it asked for, and the screen.

    :param does: does what is asked for; a person that does not types s.
    """
    ours, theirs = os.openpty()
    asked: list[str] = []
    screen = b""
    with (folder / "output").open("w+", encoding="utf-8") as output:
        with subprocess.Popen(words, stdin=theirs, stderr=theirs, stdout=output) as process:
            os.close(theirs)
            end = time.monotonic() + PATIENCE
            while process.poll() is None and time.monotonic() < end:
                if not select.select([ours], [], [], 0.2)[0]:
                    continue
                try:
                    screen += os.read(ours, 65536)
                except OSError:  # the other side is closed
                    break
                for request in [each.group(1).decode() for each in REQUEST.finditer(screen)][len(asked) :]:
                    asked.append(request)
                    os.write(ours, b"\n" if does(request) else b"s\n")
            if time.monotonic() >= end:
                process.kill()
        os.close(ours)
        output.seek(0)
        return output.read(), asked, screen.decode(errors="replace")


class DeviceOnCable(LanTestCase):
    """A judge, and a device beside it."""

    def setUp(self) -> None:
        super().setUp()
        self.judge, self.device = self.lan.hosts
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)


class QuerierByHookTests(DeviceOnCable):
    """A hook has the device browse, and goes on as long as the browse does."""

    def test_checks(self) -> None:
        hook = f"browse={shlex.join(self.device.command(*BROWSE))}"
        only = ("--only", "responses", "--only", "withdrawal/cache-flush")
        words = ("querier", "-I", "eth0", "--hook", hook, "--shows", "mcast", *only, "--json")
        told: list[str] = []

        def run() -> str:
            told.append(self.judge.python("-m", "mcast.cli", "conform", *words, timeout=PATIENCE))
            return told[-1]

        found = judged_by(run)
        self.assertEqual(bad(found), {})
        self.assertGreater(len(found), 8)
        self.assertIn(f"the device was {self.device.ipv4()}, 02:77:00:00:00:02", told[0])

    def test_a_hook_that_fails(self) -> None:
        words = ("querier", "-I", "eth0", "--hook", "browse=echo no such device; exit 3", "--only", "floods")
        done = self.judge.python(
            "-m", "mcast.cli", "conform", *words, "--json", timeout=PATIENCE, check=False
        )
        self.assertIn("--hook browse: no such device", done)


class QuerierByPersonTests(DeviceOnCable):
    """A person has the device browse, when asked, over IPv6."""

    def test_checks(self) -> None:
        running: list[subprocess.Popen[str]] = []

        def does(request: str) -> bool:
            if request == "have the device browse for _mcast-test._tcp.local. now":
                running.append(self.device.spawn(*BROWSE))
                put_first(running[-1].pid)
            else:
                self.assertEqual(request, "have the device browse for _mcast-test._tcp.local. no more")
                self.device.end(running.pop())
            return True

        words = (
            "querier",
            "-I",
            "eth0",
            "--ipv6",
            "--only",
            "listing/one-packet",
            "--only",
            "names",
            "--json",
        )
        command = self.judge.command(*CONFORM, *words)
        runs: list[tuple[str, list[str], str]] = []

        def run() -> str:
            runs.append(run_with_person(command, self.folder, does))
            return runs[-1][0]

        found = judged_by(run, without=("names.shown",))
        # A person reads what is shown, and we do not.
        self.assertEqual(bad(found), {"names.shown": "not run"}, runs)
        self.assertGreater(len(found), 5)
        self.assertGreaterEqual(len(runs[0][1]), 3)

    def test_who_skips_is_not_asked_again(self) -> None:
        words = ("querier", "-I", "eth0", "--only", "names", "--only", "floods", "--json")
        text, asked, screen = run_with_person(
            self.judge.command(*CONFORM, *words), self.folder, lambda _: False
        )
        self.assertEqual({each["verdict"] for each in findings(text)}, {"not run"}, screen)
        self.assertEqual(len(asked), 1)


class ResponderByPersonTests(DeviceOnCable):
    """A person restarts, unplugs and renames the device, when asked."""

    def test_checks(self) -> None:
        words = ("-I", "eth0", "--host", "device.local", "--service", "Some Device._ipp._tcp", "--json")
        only = ("--only", "probing/claim", "--only", "changes/link", "--only", "changes/rename")
        runs: list[tuple[str, list[str], str]] = []

        def run() -> str:
            write_services(self.folder / "services.toml", "Some Device")
            self.start()
            self.responder.wait_for("published Some Device")
            command = self.judge.command(*CONFORM, "responder", *words, *only)
            runs.append(run_with_person(command, self.folder, self.does))
            self.responder.close()
            return runs[-1][0]

        found = judged_by(run)
        self.assertEqual(bad(found), {}, runs)
        self.assertIn("changes.rename-goodbye", [each["check"] for each in found])
        self.assertIn("give the device the name “Some Device”", runs[0][1])

    def does(self, request: str) -> bool:
        """Do what is asked for."""
        if request == "cut the power of the device":
            self.responder.program.end(signal.SIGKILL)
        elif request == "switch the device on":
            self.start()
        elif "network cable" in request:
            state = "up" if "again" in request else "down"
            subprocess.run(
                ["ip", "-n", self.lan.switch, "link", "set", f"h{self.device.number}l0", state], check=True
            )
        else:
            named = re.fullmatch("give the device the name “(.*)”", request)
            assert named is not None
            write_services(self.folder / "services.toml", named[1])
        return True

    def start(self) -> None:
        """Start what the device publishes."""
        services = str(self.folder / "services.toml")
        self.responder = Responder(self.device, "--hostname=device", f"--services={services}")
        put_first(self.responder.program.pid)
        self.addCleanup(self.responder.close)


def write_services(path: Path, name: str) -> None:
    """Write the file of services of a device."""
    new = path.with_suffix(".new")
    new.write_text(f'[[service]]\nname = "{name}"\ntype = "_ipp._tcp"\nport = 631\n', encoding="utf-8")
    new.replace(path)
