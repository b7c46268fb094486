"""``mcast conform -I``: a device in another namespace acts by hooks, or as a person at a terminal is told."""

from __future__ import annotations

import json
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

CONFORM = (sys.executable, "-m", "mcast.cli", "conform")
BROWSE = (sys.executable, "-m", "mcast.cli", "browse", "--follow", "--resolve", "--json", "_mcast-test._tcp")

PATIENCE = 400.0
"""Our choice: seconds for a run that takes one minute on an idle machine."""

REQUEST = re.compile(rb"Please ([^\r\n]*), then press Enter \(s and Enter: skip it\)\.\r?\n")


def verdicts(text: str) -> dict[str, str]:
    """Return the verdict of each check, from ``--json``."""
    found: list[dict[str, Any]] = list(map(json.loads, text.splitlines()))
    return {each["check"]: each["verdict"] for each in found if each["event"] == "finding"}


def bad(found: dict[str, str]) -> dict[str, str]:
    """Return what did not pass."""
    return {check: verdict for check, verdict in found.items() if verdict != "pass"}


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
        done = subprocess.run(
            self.judge.command(*CONFORM, *words),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        found = verdicts(done.stdout)
        self.assertEqual((bad(found), done.returncode), ({}, 0), done.stderr)
        self.assertGreater(len(found), 8)
        self.assertIn(f"the device was {self.device.ipv4()}, 02:77:00:00:00:02", done.stdout)

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
        text, asked, screen = run_with_person(self.judge.command(*CONFORM, *words), self.folder, does)
        found = verdicts(text)
        # A person reads what is shown, and we do not.
        self.assertEqual(bad(found), {"names.shown": "not run"}, screen)
        self.assertGreater(len(found), 5)
        self.assertGreaterEqual(len(asked), 3)

    def test_who_skips_is_not_asked_again(self) -> None:
        words = ("querier", "-I", "eth0", "--only", "names", "--only", "floods", "--json")
        text, asked, screen = run_with_person(
            self.judge.command(*CONFORM, *words), self.folder, lambda _: False
        )
        self.assertEqual(set(verdicts(text).values()), {"not run"}, screen)
        self.assertEqual(len(asked), 1)


class ResponderByPersonTests(DeviceOnCable):
    """A person restarts, unplugs and renames the device, when asked."""

    def test_checks(self) -> None:
        write_services(self.folder / "services.toml", "Some Device")
        self.start()
        self.responder.wait_for("published Some Device")
        words = ("-I", "eth0", "--host", "device.local", "--service", "Some Device._ipp._tcp", "--json")
        only = ("--only", "probing/claim", "--only", "changes/link", "--only", "changes/rename")
        text, asked, screen = run_with_person(
            self.judge.command(*CONFORM, "responder", *words, *only), self.folder, self.does
        )
        found = verdicts(text)
        self.assertEqual(bad(found), {}, screen + text)
        self.assertIn("changes.rename-goodbye", found)
        self.assertIn("give the device the name “Some Device”", asked)

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
        self.addCleanup(self.responder.close)


def write_services(path: Path, name: str) -> None:
    """Write the file of services of a device."""
    new = path.with_suffix(".new")
    new.write_text(f'[[service]]\nname = "{name}"\ntype = "_ipp._tcp"\nport = 631\n', encoding="utf-8")
    new.replace(path)
