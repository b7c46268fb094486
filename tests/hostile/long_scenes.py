"""The scenes at full length, which take a quarter of an hour: by name only, see README.md."""

from __future__ import annotations

import signal
import time

from tests.hostile import test_churn, test_conflicts, test_floods, test_signals
from tests.hostile.lab import HostileTestCase, promised


class LongChurnTests(test_churn.ChurnTests):
    """A thousand events."""

    events = 1000


class LongCrowdTests(test_conflicts.CrowdTests):
    """Thirty hosts of one name."""

    hosts = 31


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
        self.wait_for_answer(within=promised(5.0))
        self.assert_well(program)
