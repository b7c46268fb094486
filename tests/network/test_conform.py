"""``mcast conform`` from end to end, in namespaces: ourselves as the subject, and a device on a cable."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mcast.conform.namespaces import FOLDER, PRIORITY
from tests.beside import RunBeside
from tests.conform.mutant import MUTANTS
from tests.conform.mutants import broken, judged
from tests.interop.peers import Responder
from tests.network.lan import LanTestCase, require_namespaces, wait_until

QUICK = (
    *("no-legacy-answers", "legacy-srv-compressed", "denies-what-is-there", "case-of-subtypes-matters"),
    *("conflicts-from-any-port", "case-matters", "dots-escaped", "any-port", "list-without-tc"),
)
"""Mutants of groups that take some ten seconds, and of checks that do not measure times."""

MCAST = (sys.executable, "-m", "mcast.cli", "conform", "responder")

TIMES = 4
"""Our choice: how often a judge is asked that was too busy."""


def findings(text: str) -> list[dict[str, Any]]:
    """Return the findings of ``--json``."""
    return [each for each in map(json.loads, text.splitlines()) if each["event"] == "finding"]


def was_busy(finding: dict[str, Any]) -> bool:
    """Whether the judge gave no verdict, on what is timed, since it was late itself."""
    return finding["verdict"] == "not run" and "too busy" in finding["seen"]


def judged_by(run: Callable[[], str], *, without: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """Run a judge until it has come to a verdict on everything; return its findings.

    A busy machine is no subject's fault: the judge is late, or sees nothing of a subject that is. Of each
    check the first verdict counts.

    :param run: returns what the judge prints with ``--json``.
    :param without: how the names of checks begin on which it never comes to a verdict here.
    """

    def is_open(finding: dict[str, Any]) -> bool:
        return finding["verdict"] == "not run" and not finding["check"].startswith(without)

    together: dict[str, dict[str, Any]] = {}
    for _ in range(TIMES):
        for each in findings(run()):
            if each["check"] not in together or is_open(together[each["check"]]):
                together[each["check"]] = each
        if not any(map(is_open, together.values())):
            break
    return list(together.values())


def not_passed(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the findings that are no pass, but for those that a busy machine never came to."""
    return [each for each in found if each["verdict"] != "pass" and not was_busy(each)]


def put_first(pid: int) -> None:
    """Let a device go before whatever else runs here, as the subjects of a lab do: its delays are judged."""
    with contextlib.suppress(OSError):  # a container may not be allowed to
        os.setpriority(os.PRIO_PROCESS, pid, PRIORITY)
    # It has a session of its own, and these are shared out first.
    with contextlib.suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(PRIORITY), encoding="ascii")


def namespaces_of(pid: int) -> list[str]:
    """Return the namespaces of a run that are there."""
    return [each.name for each in FOLDER.glob(f"mcast-conform-{pid}-*")]


class LabTests(RunBeside):
    """A lab builds everything, and leaves nothing."""

    def setUp(self) -> None:
        super().setUp()
        require_namespaces()

    def run_to_its_end(self, *command: str) -> str:
        """Run a judge of whom nothing is broken; return what it prints."""
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            text, _ = process.communicate(timeout=900)
        self.assertEqual((process.returncode, namespaces_of(process.pid)), (0, []), text)
        return text

    def test_ourselves(self) -> None:
        """No check fails or warns for ``twist mcast mdns``."""
        words = ("--subject", "mcast", "--only", "answers", "--only", "probing/claim", "--json")
        found = judged_by(lambda: self.run_to_its_end(*MCAST, *words))
        self.assertEqual(not_passed(found), [])
        self.assertGreater(len(found), 20)

    def test_our_own_proxy(self) -> None:
        """No check fails or warns for ``twist mcast proxy``, by UDP, TCP and TLS."""
        words = ("--subject", "mcast", "--only", "zone", "--only", "push", "--only", "refusals", "--json")
        found = judged_by(lambda: self.run_to_its_end(*MCAST[:-1], "proxy", *words))
        self.assertEqual(not_passed(found), [])
        self.assertGreater(len(found), 20)

    def test_stopped_half_way(self) -> None:
        """SIGTERM ends the subject too, and takes the namespaces away."""
        with subprocess.Popen([*MCAST, "--subject", "mcast"], stdout=subprocess.PIPE, text=True) as process:
            wait_until(lambda: len(namespaces_of(process.pid)) >= 4, "the lab to be built")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=300)
        self.assertEqual(namespaces_of(process.pid), [])

    def test_a_command_that_ends_at_once(self) -> None:
        done = subprocess.run(
            [*MCAST, "--command", "false", "--only", "probing/claim", "--json"],
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        self.assertEqual({each["verdict"] for each in findings(done.stdout)}, {"not run"})


class CableTests(LanTestCase):
    """A device that is there already."""

    def test_a_device(self) -> None:
        judge, device = self.lan.hosts
        responder = Responder(device, "--hostname=device", "--service=Some Device:_ipp._tcp:631")
        self.addCleanup(responder.close)
        put_first(responder.program.pid)
        responder.wait_for("published Some Device")
        words = ("-I", "eth0", "--host", "device.local", "--service", "Some Device._ipp._tcp", "--no-ask")
        only = ("--only", "answers", "--only", "probing/claim")
        command = ("-m", "mcast.cli", "conform", "responder", *words, *only, "--json")
        found = judged_by(lambda: judge.python(*command, timeout=900), without=("probing.",))
        answers = [each for each in found if each["check"].startswith("answers.")]
        self.assertEqual(not_passed(answers), [])
        self.assertNotEqual(answers, [])
        verdicts = {each["check"]: each["verdict"] for each in found}
        self.assertEqual(verdicts["probing.three"], "not run")

    def test_the_interface_goes_away(self) -> None:
        """What was seen until then is no verdict."""
        judge, device = self.lan.hosts
        responder = Responder(device, "--hostname=device", "--service=Some Device:_ipp._tcp:631")
        self.addCleanup(responder.close)
        put_first(responder.program.pid)
        responder.wait_for("published Some Device")
        words = ("-I", "eth0", "--host", "device.local", "--service", "Some Device._ipp._tcp", "--no-ask")
        only = ("--only", "probing/claim", "--only", "answers/address")
        hook = ("--hook", "restart=ip link del eth0")
        self.addCleanup(self.lan.plug, judge, 0)
        command = ("-m", "mcast.cli", "conform", "responder", *words, *only, *hook, "--json")
        done = judge.python(*command, timeout=600, check=False)
        probing = [each for each in findings(done) if each["group"] == "probing"]
        self.assertEqual({(each["verdict"], each["seen"]) for each in probing}, {("not run", "eth0 is gone")})

    def test_nobody_there(self) -> None:
        judge, _ = self.lan.hosts
        words = ("-I", "eth0", "--host", "nobody.local", "--only", "answers/matching", "--json")
        done = judge.python("-m", "mcast.cli", "conform", "responder", *words, timeout=300)
        self.assertIn("nobody answers for nobody.local. on eth0", findings(done)[0]["seen"])


class MutantTests(RunBeside):
    """A responder with one behaviour broken is found out; `tests.conform.mutants` does it for all."""

    def setUp(self) -> None:
        super().setUp()
        require_namespaces()

    def test_quick_ones(self) -> None:
        """The checks that must fall do, and no other of their groups."""
        with ThreadPoolExecutor(3) as pool:  # they wait most of the time
            found = dict(zip(QUICK, pool.map(self.fell, QUICK), strict=True))
        self.assertEqual(found, {name: set(MUTANTS[name].all_broken) for name in QUICK})

    def fell(self, name: str) -> set[str]:
        """Return the checks of its groups that do not hold of a mutant."""
        mutant = MUTANTS[name]
        always: set[str] | None = None
        for _ in range(TIMES):
            verdicts = judged(name, mutant.groups)
            if "not run" in {verdicts.get(each) for each in mutant.all_broken}:
                continue  # it was too busy to judge all of them
            # What is broken falls each time; a mutant that was late itself may have broken something else.
            always = broken(verdicts) if always is None else always & broken(verdicts)
            if always <= mutant.all_broken:
                break
        return broken(verdicts) if always is None else always
