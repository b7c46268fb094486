"""Tests for mcast.dnssd.hosts."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.hosts import checked_host_label, host_label, host_name
from mcast.errors import InvalidService


class SystemNameTests(SynchronousTestCase):
    """The label that a host takes without being told."""

    def test_first_label(self) -> None:
        self.assertEqual(host_label("Kitchen.example.com"), "Kitchen")

    def test_other_characters(self) -> None:
        self.assertEqual(host_label("Bob's_Mac Book"), "Bob-s-Mac-Book")
        self.assertEqual(host_label("_küche_"), "k-che")

    def test_nothing_that_serves(self) -> None:
        self.assertEqual(host_label(""), "host")
        self.assertEqual(host_label("日本"), "host")
        self.assertEqual(host_label("localhost.localdomain"), "host")

    def test_long(self) -> None:
        self.assertEqual(host_label("x" * 62 + "-" + "y"), "x" * 62)


class ChosenNameTests(SynchronousTestCase):
    """The label that somebody chose."""

    def test_any_text(self) -> None:
        self.assertEqual(checked_host_label("Ku\u0308che"), "Küche")

    def test_longest(self) -> None:
        self.assertEqual(checked_host_label("x" * 63), "x" * 63)
        self.assertEqual(checked_host_label("x"), "x")

    def test_local_is_left_out(self) -> None:
        self.assertEqual(checked_host_label("kitchen.local"), "kitchen")
        self.assertEqual(checked_host_label("kitchen.LOCAL."), "kitchen")

    def test_refused(self) -> None:
        for label, reason in (
            ("", "0 octets"),
            ("x" * 64, "64 octets"),
            ("a.b", "it is one label"),
            ("a b", "spaces or control"),
            ("a\x7f", "spaces or control"),
        ):
            error = self.assertRaises(InvalidService, checked_host_label, label)
            self.assertIn(reason, str(error))
            self.assertIn(repr(label), str(error))

    def test_full_name(self) -> None:
        self.assertEqual(host_name("Kitchen").wire, b"\x07Kitchen\x05local\x00")
