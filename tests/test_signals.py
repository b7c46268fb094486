"""Programs that tests start obey signals that the test run itself ignores."""

from __future__ import annotations

import signal
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from tests.signals import default_signals

TELL = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"


class DefaultSignalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.SIG_IGN))

    def test_program_obeys(self) -> None:
        with default_signals():
            told = subprocess.run([sys.executable, "-c", TELL], capture_output=True, text=True, check=True)
        self.assertEqual(told.stdout.strip(), "False")

    def test_this_process_goes_on_ignoring(self) -> None:
        with default_signals():
            pass
        self.assertIs(signal.getsignal(signal.SIGINT), signal.SIG_IGN)
