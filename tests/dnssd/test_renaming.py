"""Tests for mcast.dnssd.hosts."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.hosts import next_host, next_instance, shortened

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(shortened).filter(bool)


class InstanceTests(SynchronousTestCase):
    def test_count(self) -> None:
        """M-9-5, S-D-1: a number is added, and then incremented."""
        self.assertEqual(next_instance("Bob's Music"), "Bob's Music (2)")
        self.assertEqual(next_instance("Bob's Music (2)"), "Bob's Music (3)")
        self.assertEqual(next_instance("Bob's Music (9)"), "Bob's Music (10)")

    def test_other_numbers_stay(self) -> None:
        self.assertEqual(next_instance("Room 5"), "Room 5 (2)")
        self.assertEqual(next_instance("Room (05)"), "Room (05) (2)")
        self.assertEqual(next_instance("(2)"), "(2) (2)")
        self.assertEqual(next_instance("x (1234567890)"), "x (1234567890) (2)")

    def test_full_label(self) -> None:
        """M-9-5: a label of 63 octets is shortened to make room."""
        self.assertEqual(next_instance("x" * 63), "x" * 59 + " (2)")
        self.assertEqual(next_instance("x" * 59 + " (9)"), "x" * 58 + " (10)")

    def test_cut_between_characters(self) -> None:
        """M-9-5: 19 three-octet characters remain of 21, and 2 octets unused."""
        self.assertEqual(next_instance("日" * 21), "日" * 19 + " (2)")

    def test_no_double_space(self) -> None:
        self.assertEqual(next_instance("x" * 58 + "  yy"), "x" * 58 + " (2)")

    @given(TEXTS)
    @settings(deadline=None)
    def test_always_another_label(self, text: str) -> None:
        """M-9-5: whatever the name, the next one is a different label that fits."""
        following = next_instance(text)
        self.assertNotEqual(following, text)
        self.assertLessEqual(len(following.encode()), 63)


class HostTests(SynchronousTestCase):
    def test_count(self) -> None:
        """M-9-5."""
        self.assertEqual(next_host("printer"), "printer-2")
        self.assertEqual(next_host("printer-2"), "printer-3")
        self.assertEqual(next_host("printer-99"), "printer-100")

    def test_other_numbers_stay(self) -> None:
        self.assertEqual(next_host("printer2"), "printer2-2")
        self.assertEqual(next_host("web-01"), "web-01-2")

    def test_full_label(self) -> None:
        """M-9-5."""
        self.assertEqual(next_host("x" * 63), "x" * 61 + "-2")
        self.assertEqual(next_host("é" * 31), "é" * 30 + "-2")

    def test_no_double_hyphen(self) -> None:
        self.assertEqual(next_host("x" * 60 + "-yy"), "x" * 60 + "-2")
