"""Tests for the probe format."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.echo.probe import MAX_PROBE_SIZE, PROBE_HEADER_SIZE, Probe


class ProbeTests(SynchronousTestCase):
    def test_octets(self) -> None:
        probe = Probe(session=0x01020304, interface=5, number=6)
        self.assertEqual(
            probe.encode(20), b"mcp1" + bytes.fromhex("01020304 00000005 00000006") + bytes([0, 1, 2, 3])
        )

    def test_any_size(self) -> None:
        probe = Probe(1, 2, 3)
        for size in (0, 1, PROBE_HEADER_SIZE, 255, 256, 257, 1400, MAX_PROBE_SIZE):
            self.assertEqual(len(probe.encode(size)), size)

    @given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
    def test_round_trip(self, session: int, interface: int, number: int) -> None:
        probe = Probe(session, interface, number)
        self.assertEqual(Probe.decode(probe.encode(56)), probe)

    def test_shorter_than_a_header(self) -> None:
        """A probe without room for its number is not known again."""
        self.assertIsNone(Probe.decode(Probe(1, 2, 3).encode(PROBE_HEADER_SIZE - 1)))

    def test_something_else(self) -> None:
        self.assertIsNone(Probe.decode(b"Hello from the responder!"))
