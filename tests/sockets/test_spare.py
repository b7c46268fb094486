"""A program that may open too few files is told so before it begins."""

from __future__ import annotations

import os
import resource

from twisted.trial.unittest import SynchronousTestCase

from mcast.sockets.spare import require_descriptors


class SpareTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, self.limits)
        self.highest = max(int(each) for each in os.listdir("/dev/fd"))

    def test_enough(self) -> None:
        """What is taken for a moment is given back."""
        before = set(os.listdir("/dev/fd"))
        require_descriptors(10)
        # Others may close theirs meanwhile: the collector of garbage, a thread of `tests.beside`.
        self.assertEqual(set(os.listdir("/dev/fd")) - before, set())

    def test_too_few(self) -> None:
        """What can be done is said."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.highest + 1, self.limits[1]))
        problem = self.assertRaises(OSError, require_descriptors, self.highest + 2)
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)
        self.assertIn("ulimit -n", str(problem))
