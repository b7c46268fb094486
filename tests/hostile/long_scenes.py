"""The scenes at full length, which take a quarter of an hour: by name only, see README.md."""

from __future__ import annotations

import signal
import time

from tests.hostile import test_churn, test_conflicts, test_floods, test_signals
from tests.hostile.lab import HostileTestCase, Person
from tests.hostile.resolved import ResolvedHost
from tests.interop.peers import AvahiHost, ZeroconfHost
from tests.interop.wire import PTR


class LongChurnTests(test_churn.ChurnTests):
    """A thousand events."""

    events = 1000


class LongCrowdTests(test_conflicts.CrowdTests):
    """Thirty hosts of one name."""

    hosts = 31
    patience = 30.0
    """Our choice: on two cores thirty interpreters need ten seconds to start."""


class LongInventedTests(test_floods.InventedTests):
    """200,000 invented instances."""

    instances = 200_000


class LongSignalTests(test_signals.SignalTests):
    """Two hundred lives."""

    rounds = 200


class LongStopTests(HostileTestCase):
    """Stopped for longer than a minute: it claims its names anew."""

    def test_stopped(self) -> None:
        program = self.kitchen()
        program.send_signal(signal.SIGSTOP)
        time.sleep(70.0)
        program.send_signal(signal.SIGCONT)
        self.wait_for_answer(within=5.0)
        self.assert_well(program)


class CompanyTests(HostileTestCase):
    """Avahi, python-zeroconf and systemd-resolved on the host that we are on, each with a name of its own."""

    def test_all_are_found(self) -> None:
        avahi = AvahiHost(self.ours, "avahi")
        self.addCleanup(avahi.close)
        zeroconf = ZeroconfHost(self.ours)
        self.addCleanup(zeroconf.close)
        zeroconf.tell(
            "register",
            instance="Zero",
            type="_http._tcp",
            port=81,
            host="zero",
            addresses=[self.ours.ipv4()],
            txt={},
        )
        resolved = ResolvedHost(self.ours, "resolved")
        self.addCleanup(resolved.close)
        program = self.kitchen()
        for name in ("kitchen.local", "avahi.local", "zero.local", "resolved.local"):
            self.assertTrue(Person(self.there).ask(name, within=10.0), name)
        browser = self.browser("_http._tcp", host=self.there)
        for name in ("Web", "Zero"):
            browser.wait_for(lambda line, name=name: line.startswith("+") and name in line, 10.0)  # type: ignore[misc]
        self.assertTrue(self.person.ask("_http._tcp.local", PTR))
        time.sleep(10.0)
        self.assertNotIn("taken", program.output)
        self.assert_well(program)
