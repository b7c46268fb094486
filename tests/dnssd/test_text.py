"""Tests for mcast.dnssd.text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.text import Presence, Text, TextInput
from mcast.errors import InvalidService

KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="="), min_size=1)


def refused(case: SynchronousTestCase, attributes: TextInput) -> str:
    """Return the error that attributes are refused with."""
    return str(case.assertRaises(InvalidService, Text.for_publishing, attributes))


class PublishTests(SynchronousTestCase):
    """What is sent for the attributes that a program gives."""

    def test_example(self) -> None:
        """S-6.6-1: the example of RFC 6763 §6.6, written."""
        text = Text.for_publishing({"key": "value", "paper": "A4", "passreq": None})
        self.assertEqual(text.rdata, b"\x09key=value\x08paper=A4\x07passreq")

    def test_nothing(self) -> None:
        """S-6-1, S-6.1-3: no attributes are one zero octet, never no octets."""
        self.assertEqual(Text.for_publishing(None).rdata, b"\0")
        self.assertEqual(Text.for_publishing({}).rdata, b"\0")
        self.assertEqual(Text.for_publishing([]).rdata, b"\0")

    def test_without_value(self) -> None:
        """S-6.4-7: None and True write no "="."""
        self.assertEqual(Text.for_publishing({"a": None, "b": True}).strings, (b"a", b"b"))

    def test_empty_value(self) -> None:
        self.assertEqual(Text.for_publishing({"a": ""}).strings, (b"a=",))
        self.assertEqual(Text.for_publishing({"a": b""}).strings, (b"a=",))

    def test_binary(self) -> None:
        """S-6.5-3, S-6.5-1: octets are sent unchanged, whatever they are."""
        octets = bytes(range(250))
        self.assertEqual(Text.for_publishing({"b": octets}).strings, (b"b=" + octets,))

    def test_text_is_not_normalised(self) -> None:
        """A value is opaque: the NFD path of a file is another path in NFC."""
        self.assertEqual(Text.for_publishing({"p": "e\u0301"}).strings, (b"p=e\xcc\x81",))

    def test_quotes(self) -> None:
        """S-6.5-2: quotation marks and spaces belong to the value, and none are added."""
        self.assertEqual(Text.for_publishing({"q": ' "x" '}).strings, (b'q= "x" ',))
        self.assertEqual(Text((b'q= "x" ',))["q"], b' "x" ')

    def test_order(self) -> None:
        """S-6.7-1: the order given is kept."""
        pairs = [("txtvers", "1"), ("a", "2")]
        self.assertEqual(Text.for_publishing(pairs).strings, (b"txtvers=1", b"a=2"))
        self.assertEqual(Text.for_publishing(dict(reversed(pairs))).strings, (b"a=2", b"txtvers=1"))

    def test_made_already(self) -> None:
        text = Text((b"a=1",))
        self.assertIs(Text.for_publishing(text), text)

    def test_made_wrongly(self) -> None:
        self.assertIn("TXT key ''", refused(self, Text((b"=1",))))
        self.assertIn("TXT key '\\x1f'", refused(self, Text((b"\x1f=1",))))

    def test_string_of_255(self) -> None:
        """S-6.1-2: a string has 255 octets at most."""
        self.assertEqual(len(Text.for_publishing({"k": "v" * 253}).rdata), 256)
        self.assertIn("TXT key 'k': 256 octets", refused(self, {"k": "v" * 254}))

    def test_size_limit(self) -> None:
        """S-6.1-1: rdata ends at 65535 octets."""
        strings = [b"k" * 255] * 255 + [b"k" * 254]
        Text(strings).check()
        self.assertEqual(Text(strings).size, 65535)
        self.assertIn(
            "65537 octets", refused(self, {f"{number:0254}": None for number in range(257)} | {"k": None})
        )


class KeyTests(SynchronousTestCase):
    """The rules for keys (RFC 6763 §6.4)."""

    def test_empty(self) -> None:
        """S-6.4-1: a key has at least one character."""
        self.assertIn("TXT key ''", refused(self, {"": "x"}))

    def test_characters(self) -> None:
        """S-6.4-4: printable US-ASCII without "="."""
        self.assertIn(r"TXT key '\x1f'", refused(self, {"\x1f": "x"}))
        self.assertIn(r"TXT key '\x7f'", refused(self, {"\x7f": "x"}))
        self.assertIn("TXT key 'é'", refused(self, {"é": "x"}))
        self.assertIn("TXT key 'a='", refused(self, {"a=": "x"}))
        self.assertEqual(Text.for_publishing({" ~": "x"}).strings, (b" ~=x",))

    def test_spaces(self) -> None:
        """S-6.4-5: spaces are significant wherever they stand."""
        text = Text.for_publishing({"a": "1", "a ": "2", " a": "3"})
        self.assertEqual([text["a"], text["a "], text[" a"]], [b"1", b"2", b"3"])

    def test_twice(self) -> None:
        """S-6.4-8: a key given again in other case is refused."""
        self.assertIn("TXT key 'a': it occurs twice", refused(self, {"A": "1", "a": "2"}))

    def test_no_text(self) -> None:
        mistake = {b"a": "1"}
        self.assertIn("a key is a str", refused(self, mistake))  # type: ignore[arg-type]  # see name

    def test_value_of_other_type(self) -> None:
        mistake = {"a": 1}
        self.assertIn("TXT key 'a': its value 1", refused(self, mistake))  # type: ignore[arg-type]  # see name
        self.assertIn("leave a key out to say no", refused(self, {"a": False}))

    def test_value_no_unicode(self) -> None:
        self.assertIn("TXT key 'a': its value '\\ud800' is not Unicode", refused(self, {"a": "\ud800"}))

    def test_no_pairs(self) -> None:
        mistake = ["path"]
        self.assertIn("'path' is no pair", refused(self, mistake))  # type: ignore[arg-type]  # see name


class NoteTests(SynchronousTestCase):
    """What is allowed, and not advised."""

    def test_key_of_ten(self) -> None:
        """S-6.4-3: keys of more than nine characters draw a warning."""
        self.assertEqual(Text.for_publishing({"k" * 9: "x"}).notes(), ())
        (note,) = Text.for_publishing({"k" * 10: "x"}).notes()
        self.assertTrue(note.warning)
        self.assertIn("'kkkkkkkkkk' is longer than 9", str(note))

    def test_repeated_key(self) -> None:
        (note,) = Text((b"a=1", b"A=2")).notes()
        self.assertTrue(note.warning)
        self.assertIn("'A' occurs again", str(note))

    def sized(self, size: int) -> Text:
        whole, rest = divmod(size, 256)
        # A last string of at least 2 octets, so that each has a key.
        strings = [b"k" * 9 + b"=" + b"v" * 245] * whole + ([b"a" + b"=" * (rest - 2)] if rest else [])
        text = Text(strings)
        self.assertEqual(text.size, size)
        return text

    def test_sizes(self) -> None:
        """S-6.2-1: above 200 and 400 octets on the wire a note, above 1300 a warning."""
        self.assertEqual(self.sized(200).notes(), ())
        self.assertIn("201 octets; 200 or less is usual", str(self.sized(201).notes()[-1]))
        self.assertIn("400 octets; 200 or less is usual", str(self.sized(400).notes()[-1]))
        self.assertIn("401 octets; more than 400", str(self.sized(401).notes()[-1]))
        self.assertIn("1300 octets; more than 400", str(self.sized(1300).notes()[-1]))
        self.assertFalse(self.sized(1300).notes()[-1].warning)

    def test_above_1300(self) -> None:
        """S-6.2-2: it is not recommended, and allowed."""
        note = self.sized(1301).notes()[-1]
        self.assertTrue(note.warning)
        self.assertIn("1301 octets; more than 1300 are not recommended", str(note))
        self.sized(1301).check()


class ReadTests(SynchronousTestCase):
    """What is understood of a received record."""

    def test_example(self) -> None:
        """S-6.6-1: the example of RFC 6763 §6.6, read."""
        text = Text.from_rdata(b"\x09key=value\x08paper=A4\x07passreq")
        self.assertEqual(dict(text), {"key": b"value", "paper": b"A4", "passreq": None})

    def test_equals_in_value(self) -> None:
        """S-6.3-1: the first "=" ends the key, the others belong to the value."""
        self.assertEqual(dict(Text((b"a=b=c",))), {"a": b"b=c"})

    def test_without_key(self) -> None:
        """S-6.4-2: a string that begins with "=" is ignored."""
        self.assertEqual(dict(Text((b"=x", b"a=1"))), {"a": b"1"})

    def test_impossible_key(self) -> None:
        self.assertEqual(dict(Text((b"\xff=x", b"a\x00=x", b"b"))), {"b": None})

    def test_first_occurrence(self) -> None:
        """S-6.4-9: all but the first occurrence of a key are ignored."""
        text = Text((b"a=1", b"A=2"))
        self.assertEqual(text["A"], b"1")
        self.assertEqual(list(text), ["a"])

    def test_first_occurrence_without_value(self) -> None:
        """S-6.4-9: a first occurrence without a value counts as well."""
        self.assertIsNone(Text((b"a", b"a=2"))["a"])

    def test_case(self) -> None:
        """S-6.4-6: case is ignored when a key is looked up."""
        self.assertEqual(Text((b"papersize=A4",))["PaperSize"], b"A4")
        self.assertIn("PAPERSIZE", Text((b"papersize=A4",)))

    def test_four_results(self) -> None:
        """S-6.4-10: absent, no value, empty value, value."""
        text = Text((b"b", b"c=", b"d=x"))
        self.assertEqual(
            [text.lookup(key) for key in "abcd"],
            [Presence.ABSENT, Presence.NO_VALUE, Presence.EMPTY, Presence.VALUE],
        )
        self.assertNotIn("a", text)
        self.assertEqual([text["b"], text["c"], text["d"]], [None, b"", b"x"])

    def test_nothing(self) -> None:
        """S-6.1-4: no string, no rdata and one empty string are the same."""
        self.assertEqual(Text(), Text((b"",)))
        self.assertEqual(Text.from_rdata(b""), Text.from_rdata(b"\0"))
        self.assertEqual(len(Text()), 0)

    def test_cut_short(self) -> None:
        """S-6.1-2: a length octet that points past the end is an error, not a crash."""
        error = self.assertRaises(ValueError, Text.from_rdata, b"\x01a\x05bcd")
        self.assertIn("octet 2", str(error))

    def test_text(self) -> None:
        text = Text((b"a=caf\xc3\xa9", b"b=\xff", b"c"))
        self.assertEqual(text.string("a"), "café")
        self.assertEqual(text.string("b"), "\\xff")
        self.assertEqual(text.string("c", "none"), "none")
        self.assertIsNone(text.string("d"))

    def test_versions(self) -> None:
        """S-6.7-2: a record of a version that the program does not know says nothing to it."""
        old, new, untagged = Text((b"txtvers=1", b"a")), Text((b"txtvers=2", b"a")), Text((b"a",))
        self.assertEqual(old.for_versions({"1"}), old)
        self.assertEqual(new.for_versions({"1"}), Text())
        self.assertEqual(untagged.for_versions({"1"}), untagged)

    def test_equality(self) -> None:
        self.assertEqual(Text((b"a=1", b"b")), {"b": None, "a": b"1"})
        self.assertNotEqual(Text((b"a=1", b"b")), Text((b"b", b"a=1")))
        self.assertEqual(hash(Text((b"a",))), hash(Text((b"a",))))
        self.assertNotEqual(Text(), "")

    def test_repr(self) -> None:
        self.assertEqual(repr(Text((b"a=1",))), "Text([b'a=1'])")


class PropertyTests(SynchronousTestCase):
    @given(st.dictionaries(KEYS, st.binary(max_size=100) | st.none(), max_size=8))
    @settings(deadline=None)
    def test_round_trip(self, attributes: dict[str, bytes | None]) -> None:
        """S-6.5-1: whatever keys and octets are given, a reader finds them again."""
        distinct = {key.lower(): value for key, value in attributes.items() if len(key) < 100}
        sent = Text.for_publishing(distinct)
        self.assertEqual(dict(Text.from_rdata(sent.rdata)), distinct)

    @given(st.lists(st.binary(max_size=255), max_size=10))
    @settings(deadline=None)
    def test_reading_changes_nothing(self, strings: list[bytes]) -> None:
        """Any strings at all can be read, and come out as they went in."""
        text = Text(strings)
        self.assertEqual(Text.from_rdata(text.rdata).strings, tuple(strings) or (b"",))
        text.notes()

    @given(st.binary(max_size=300))
    @settings(deadline=None)
    def test_any_octets(self, rdata: bytes) -> None:
        """Any octets are read or refused with ValueError."""
        try:
            text = Text.from_rdata(rdata)
        except ValueError:
            return
        self.assertEqual(text.rdata, rdata or b"\0")
