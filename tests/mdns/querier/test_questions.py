"""Tests of `mcast.mdns.querier.questions`: all questions of a link."""

from __future__ import annotations

import gc
import weakref

from twisted.trial.unittest import SynchronousTestCase

from tests.mdns.querier.asking_lab import TYPE_PTR, AskingLab


class AskerTests(SynchronousTestCase):
    def test_let_go(self) -> None:
        """Nothing is left of one that asks no more."""

        class Asker:
            pass

        lab, asker = AskingLab(), Asker()
        lab.querier.ask(TYPE_PTR, lab.now, asker)
        lab.querier.cancel(TYPE_PTR, lab.now, asker)
        gone = weakref.ref(asker)
        del asker
        gc.collect()
        self.assertIsNone(gone())
