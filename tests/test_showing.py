"""Text from the network is shown, and obeyed by nothing."""

from __future__ import annotations

import json
import sys
import unicodedata

from twisted.internet.error import CannotListenError
from twisted.trial.unittest import SynchronousTestCase

from mcast.showing import (
    is_plain,
    one_line,
    shown,
    shown_as_json,
    shown_attribute,
    shown_in_zone_form,
    table,
    width,
)
from mcast.sockets.errors import ListenError

ACTING = "\x1b\x7f\x9b\u061c\u200f\u2028\u2029\u202e\u2066\ufeff\U000e0001\ue000\ud800"
"""Controls, marks of direction, separators, a tag, private use, a lone surrogate."""


class ShownTests(SynchronousTestCase):
    """Escaped in one way."""

    def test_what_acts(self) -> None:
        self.assertEqual(
            shown(ACTING),
            r"\u001b\u007f\u009b\u061c\u200f\u2028\u2029\u202e\u2066\ufeff\U000e0001\ue000\ud800",
        )

    def test_every_character(self) -> None:
        """None of the categories C*, Zl and Zp is left, and everything else stays."""
        wrong = [
            code
            for code in range(sys.maxunicode + 1)
            if is_plain(chr(code)) == (unicodedata.category(chr(code)) in _ACTING_CATEGORIES)
        ]
        self.assertEqual(wrong, [])

    def test_other_text_stays(self) -> None:
        self.assertEqual(shown("Größe 日本 🎉 a\u00a0b \\"), "Größe 日本 🎉 a\u00a0b \\")

    def test_octets(self) -> None:
        self.assertEqual(shown("grüße 東".encode() + b"\x1b\xff"), "grüße 東\\u001b\\xff")

    def test_twice_is_once(self) -> None:
        self.assertEqual(shown(shown(ACTING)), shown(ACTING))

    def test_zone_form(self) -> None:
        self.assertEqual(
            [shown_in_zone_form(each) for each in "é\u202e\x1b"], ["é", r"\226\128\174", r"\027"]
        )

    def test_json(self) -> None:
        """JSON has an escape of its own for what is above U+FFFF, and reads back the same."""
        line = shown_as_json({"a": ACTING, "b": "日本"})
        self.assertEqual(json.loads(line), {"a": ACTING, "b": "日本"})
        self.assertEqual([each for each in line if not is_plain(each)], [])
        self.assertIn("日本", line)


_ACTING_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


class AttributeTests(SynchronousTestCase):
    def test_plain(self) -> None:
        self.assertEqual(shown_attribute("path", b"/a\\b"), "path=/a\\b")
        self.assertEqual(shown_attribute("flag", None), "flag")
        self.assertEqual(shown_attribute("empty", b""), "empty=")

    def test_blanks_are_quoted(self) -> None:
        """So that one attribute cannot be taken for two."""
        self.assertEqual(shown_attribute("note", b"2nd floor path=/"), 'note="2nd floor path=/"')
        self.assertEqual(shown_attribute("a key", None), '"a key"')
        self.assertEqual(shown_attribute("note", "a\u3000b".encode()), 'note="a\u3000b"')

    def test_quotes_are_quoted(self) -> None:
        self.assertEqual(shown_attribute("note", b'say "x\\"'), r'note="say \"x\\\""')


class WidthTests(SynchronousTestCase):
    """Columns of a terminal, not code points."""

    def test_width(self) -> None:
        self.assertEqual(
            [width(each) for each in ("abc", "日本", "e\u0301", "🎉", "\u1112\u1161")], [3, 4, 1, 2, 2]
        )

    def test_table(self) -> None:
        self.assertEqual(
            table([["NAME", "N", "X"], ["日本", "10", "a"], ["Bu\u0308ro", "7", ""]], numbers=[1]),
            ["NAME   N  X", "日本  10  a", "Bu\u0308ro   7"],
        )


class OneLineTests(SynchronousTestCase):
    """An error is told in one line."""

    def test_system_error(self) -> None:
        self.assertEqual(one_line(OSError(98, "Address already in use")), "Address already in use")

    def test_file(self) -> None:
        self.assertEqual(
            one_line(FileNotFoundError(2, "No such file or directory", "x")), "x: No such file or directory"
        )

    def test_file_that_is_not_at_fault(self) -> None:
        error = OSError(24, "Too many open files", "ascii.py")
        self.assertEqual(one_line(error), "Too many open files")

    def test_stock_port(self) -> None:
        error = CannotListenError("", 7645, OSError(98, "Address already in use"))
        self.assertEqual(one_line(error), "port 7645: Address already in use")
        error = CannotListenError("192.0.2.1", 53, OSError(99, "Cannot assign requested address"))
        self.assertEqual(one_line(error), "port 53 on 192.0.2.1: Cannot assign requested address")

    def test_port_of_ours(self) -> None:
        """It says more than what the system said of it."""
        refused = OSError(98, "Address already in use")
        error = ListenError("224.0.0.123", 7645, refused, "UDP port 7645 on 224.0.0.123: already in use")
        self.assertEqual(one_line(error), "UDP port 7645 on 224.0.0.123: already in use")

    def test_several_lines(self) -> None:
        self.assertEqual(one_line(ValueError("one\n  two")), "one two")

    def test_file_whose_name_acts(self) -> None:
        error = FileNotFoundError(2, "No such file or directory", "a\nb\x1b[2J")
        self.assertEqual(one_line(error), "a\\u000ab\\u001b[2J: No such file or directory")
