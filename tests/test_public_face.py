"""What ``mcast`` offers for import is there, and costs nothing until it is used."""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

import mcast


class PublicFaceTests(SynchronousTestCase):
    def test_everything_that_is_promised_is_there(self) -> None:
        self.assertEqual([name for name in mcast.__all__ if getattr(mcast, name, None) is None], [])

    def test_unknown_name(self) -> None:
        with self.assertRaisesRegex(AttributeError, "no attribute 'nothing'"):
            mcast.nothing  # noqa: B018  # the attribute access is what is tested

    def test_import_loads_no_twisted(self) -> None:
        self.assertFalse(loaded_by("import mcast") & {"twisted", "mcast.node.node"})

    def test_nothing_installs_the_reactor(self) -> None:
        """An import of ours leaves the choice of the reactor to the program."""
        everything = "import mcast; [getattr(mcast, name) for name in mcast.__all__]"
        self.assertNotIn("twisted.internet.reactor", loaded_by(everything))


def loaded_by(code: str) -> set[str]:
    """Return the modules that are loaded once a fresh interpreter has run some code."""
    code += "; import sys; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    return set(output.split())
