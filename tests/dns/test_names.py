"""Names: labels, limits, text and comparison (RFC 6762 §16, RFC 6763 §4.3)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import LOCAL, MAX_INTERNED, MAX_NAME, ROOT, Name, intern_wire, interned

LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=6).filter(
    lambda labels: sum(len(label) + 1 for label in labels) < MAX_NAME
)
TEXT_LABELS = st.lists(st.text(min_size=1, max_size=15), min_size=1, max_size=4)


class LimitTests(SynchronousTestCase):
    """How long labels and names may be."""

    def test_longest_name(self) -> None:
        """M-3-7, M-C-1: 255 octets and the terminating zero octet."""
        name = Name.from_labels([b"a" * 63] * 3 + [b"b" * 62])
        self.assertEqual(len(name.wire), 256)
        self.assertEqual(Name.from_wire(name.wire), name)

    def test_most_labels(self) -> None:
        """M-3-7: as many labels as there is room for."""
        self.assertEqual(len(Name.from_labels([b"a"] * 127).labels), 127)

    def test_name_one_octet_longer(self) -> None:
        """M-3-7, M-C-1: 256 octets before the zero octet are refused."""
        self.assertRaises(ValueError, Name.from_labels, [b"a" * 63] * 4)

    def test_wire_one_octet_longer(self) -> None:
        """M-C-1."""
        self.assertRaises(ValueError, Name.from_wire, (b"\x3f" + b"a" * 63) * 4 + b"\0")

    def test_longest_label(self) -> None:
        """M-C-2: a label of 63 octets is the longest."""
        self.assertEqual(Name.from_labels([b"a" * 63]).labels, (b"a" * 63,))
        self.assertRaises(ValueError, Name.from_labels, [b"a" * 64])

    def test_empty_label(self) -> None:
        """M-C-2: no empty label inside a name."""
        self.assertRaises(ValueError, Name.from_labels, [b"bad", b"", b"name"])
        for text in ("bad..name", ".name"):
            with self.assertRaisesRegex(ValueError, "not 0: no text, two dots in a row"):
                Name.parse(text)

    def test_reserved_lengths(self) -> None:
        """M-C-2: the length bits 0x40 and 0x80 are refused, as are pointers."""
        self.assertRaises(ValueError, Name.from_wire, b"\x40" + b"a" * 64 + b"\0")
        self.assertRaises(ValueError, Name.from_wire, b"\x80" + b"a" * 128 + b"\0")
        self.assertRaises(ValueError, Name.from_wire, b"\x01a\xc0\x00")

    def test_wire_with_more_behind(self) -> None:
        self.assertRaises(ValueError, Name.from_wire, b"\x01a\0\0")

    def test_wire_cut_short(self) -> None:
        self.assertRaises(ValueError, Name.from_wire, b"\x01a")
        self.assertRaises(ValueError, Name.from_wire, b"\x05a")
        self.assertRaises(ValueError, Name.from_wire, b"")


class EncodingTests(SynchronousTestCase):
    """How text becomes a label (RFC 6762 §16, RFC 5198)."""

    def test_normalised(self) -> None:
        """M-16-1, M-F-2, G-5198-2-3: text is composed first."""
        self.assertEqual(Name.from_labels(["Cafe\u0301"]).labels, (b"\x43\x61\x66\xc3\xa9",))
        self.assertEqual(Name.parse("Cafe\u0301.local"), Name.parse("Caf\u00e9.local"))

    def test_utf8(self) -> None:
        """M-16-4, M-F-1, G-5198-2-1: UTF-8, neither Punycode nor Latin-1."""
        self.assertEqual(Name.parse("bücher.local").wire, b"\x07b\xc3\xbccher\x05local\x00")

    def test_no_byte_order_mark(self) -> None:
        """M-16-2."""
        self.assertEqual(Name.from_labels(["é"]).wire, b"\x02\xc3\xa9\x00")

    def test_byte_order_mark_is_kept(self) -> None:
        """M-16-3: U+FEFF in a name is a part of it."""
        marked = Name.from_wire(b"\x04\xef\xbb\xbfa\x05local\0")
        self.assertNotEqual(marked, Name.from_wire(b"\x01a\x05local\0"))
        self.assertEqual(marked.labels[0], b"\xef\xbb\xbfa")
        self.assertEqual(str(marked), r"\239\187\191a.local.")

    def test_lone_surrogate(self) -> None:
        """G-5198-2-1."""
        self.assertRaises(ValueError, Name.from_labels, ["a\ud800"])
        self.assertRaises(ValueError, Name.parse, "a\udfff.local")

    def test_control_characters(self) -> None:
        """G-5198-2-2: neither the ASCII ones nor U+0080 to U+009F."""
        for character in "\0\x1f\x7f\x80\x85\x9f":
            self.assertRaises(ValueError, Name.from_labels, ["a" + character])

    def test_received_names_are_not_normalised(self) -> None:
        """G-5198-2-3."""
        decomposed = Name.from_wire(b"\x03e\xcc\x81\0")
        self.assertEqual(decomposed.wire, b"\x03e\xcc\x81\0")
        self.assertNotEqual(decomposed, Name.from_labels(["é"]))

    def test_any_octets_are_a_label(self) -> None:
        """S-E-1, G-5198-2-1: invalid UTF-8 keeps its octets and is shown escaped."""
        name = Name.from_wire(b"\x04\xff\x00.\\\0")
        self.assertEqual(name.labels, (b"\xff\x00.\\",))
        self.assertEqual(str(name), r"\255\000\.\\.")
        self.assertEqual(Name.parse(str(name)).wire, name.wire)


class TextTests(SynchronousTestCase):
    """Names as text with escapes (RFC 1035 §5.1, RFC 6763 §4.3)."""

    def test_escapes(self) -> None:
        r"""S-4.3-2: a dot in a label is shown as \. and a backslash as \\."""
        name = Name.from_labels([r"a.b\c", "_http", "_tcp", "local"])
        self.assertEqual(str(name), r"a\.b\\c._http._tcp.local.")

    def test_labels_survive(self) -> None:
        """S-4.3-1: the boundaries of labels are the same again."""
        name = Name.parse(r"a\.b\\c._http._tcp.local.")
        self.assertEqual(name.labels, (rb"a.b\c", b"_http", b"_tcp", b"local"))

    def test_spaces_are_plain(self) -> None:
        r"""S-13.1-1: "A web page" has no \032 in it."""
        self.assertEqual(str(Name.from_labels(["A web page", "local"])), "A web page.local.")

    def test_final_dot_is_optional(self) -> None:
        self.assertEqual(Name.parse("a.local"), Name.parse("a.local."))

    def test_escaped_final_dot_belongs_to_the_label(self) -> None:
        self.assertEqual(Name.parse(r"a.b\.").labels, (b"a", b"b."))

    def test_decimal_escape(self) -> None:
        self.assertEqual(Name.parse(r"a\032b\255").labels, (b"a b\xff",))

    def test_unfinished_escapes(self) -> None:
        self.assertRaises(ValueError, Name.parse, "a\\")
        self.assertRaises(ValueError, Name.parse, "a\\25")
        self.assertRaises(ValueError, Name.parse, "a\\2x5")
        self.assertRaises(ValueError, Name.parse, "a\\256")

    def test_escaped_letter_is_itself(self) -> None:
        self.assertEqual(Name.parse(r"\a\é").labels, ("aé".encode(),))

    def test_root(self) -> None:
        self.assertEqual(Name.parse("."), ROOT)
        self.assertEqual(str(ROOT), ".")
        self.assertEqual(ROOT.labels, ())

    def test_no_text_is_no_name(self) -> None:
        self.assertRaises(ValueError, Name.parse, "")

    @settings(deadline=None, max_examples=150)
    @given(LABELS)
    def test_text_and_back(self, labels: list[bytes]) -> None:
        """S-4.3-1, S-E-1: for any octets, in any normal form."""
        name = Name.from_labels(labels)
        self.assertEqual(Name.parse(str(name)).wire, name.wire)
        self.assertEqual(name.labels, tuple(labels))

    @settings(deadline=None, max_examples=150)
    @given(TEXT_LABELS)
    def test_text_labels_and_back(self, labels: list[str]) -> None:
        """S-4.3-1: for any text that a label can hold."""
        try:
            name = Name.from_labels(labels)
        except ValueError:
            return
        self.assertEqual(Name.parse(str(name)).wire, name.wire)

    @settings(deadline=None, max_examples=150)
    @given(st.text(max_size=40))
    def test_any_text(self, text: str) -> None:
        """Whatever is parsed is a name or a ValueError."""
        try:
            name = Name.parse(text)
        except ValueError:
            return
        self.assertEqual(Name.from_wire(name.wire), name)


class ComparisonTests(SynchronousTestCase):
    """What is the same name (RFC 6762 §16)."""

    def test_ascii_case_does_not_matter(self) -> None:
        """M-16-5."""
        upper, lower = Name.parse("MyPrinter.local."), Name.parse("myprinter.LOCAL.")
        self.assertEqual(upper, lower)
        self.assertEqual(hash(upper), hash(lower))
        self.assertEqual(str(upper), "MyPrinter.local.")

    def test_nothing_else_is_folded(self) -> None:
        """M-16-6: octets from 0x80 are compared by value."""
        self.assertNotEqual(Name.parse("é"), Name.parse("É"))
        self.assertNotEqual(Name.parse("é"), Name.parse("e"))
        self.assertNotEqual(Name.parse("ß"), Name.parse("ss"))
        self.assertNotEqual(Name.from_labels([b"\xc3"]), Name.from_labels([b"\xe3"]))

    def test_neighbours_of_letters_are_not_folded(self) -> None:
        """M-16-5: only 0x41 to 0x5A, so that "@[" are not "`{"."""
        self.assertNotEqual(Name.parse("@["), Name.parse("`{"))

    def test_length_octets_are_not_folded(self) -> None:
        """A label of 0x41 octets does not exist, so that the lengths stay what they are."""
        name = Name.from_labels([b"A" * 63])
        self.assertEqual(name.key[0], 63)

    def test_not_equal_to_its_octets(self) -> None:
        self.assertNotEqual(LOCAL, LOCAL.wire)

    def test_within(self) -> None:
        self.assertTrue(Name.parse("a.b.LOCAL").is_within(LOCAL))
        self.assertTrue(LOCAL.is_within(LOCAL))
        self.assertTrue(LOCAL.is_within(ROOT))
        self.assertFalse(LOCAL.is_within(Name.parse("a.local")))

    def test_within_counts_labels_only(self) -> None:
        """Octets of a label may spell another name, length octet included."""
        self.assertFalse(Name.from_labels([b"x\x05local"]).is_within(LOCAL))

    def test_parent_and_prefix(self) -> None:
        name = LOCAL.prefixed("a.b")
        self.assertEqual(name.labels, (b"a.b", b"local"))
        self.assertEqual(name.parent, LOCAL)
        self.assertEqual(LOCAL.parent, ROOT)

    def test_root_has_no_parent(self) -> None:
        with self.assertRaises(ValueError):
            ROOT.parent  # noqa: B018 - the access itself is what is tested.


class InterningTests(SynchronousTestCase):
    """Names are shared, within a limit."""

    def test_same_octets_same_object(self) -> None:
        self.assertIs(intern_wire(b"\x06shared\0"), intern_wire(b"\x06shared\0"))

    def test_table_is_bounded(self) -> None:
        for number in range(MAX_INTERNED + 10):
            Name.from_labels([b"%d" % number])
        self.assertLessEqual(len(interned), MAX_INTERNED)
