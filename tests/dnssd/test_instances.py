"""Tests for mcast.dnssd.instances."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.instances import InstanceName, checked_instance, instance_name
from mcast.dnssd.types import ServiceType
from mcast.errors import InvalidService

HTTP = ServiceType("http", "tcp")

INSTANCES = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]) | st.sampled_from(". \\"), min_size=1, max_size=15
).filter(lambda text: len(unicodedata.normalize("NFC", text).encode()) <= 63)


class InstanceLabelTests(SynchronousTestCase):
    """The first label of a Service Instance Name (RFC 6763 §4.1.1)."""

    def test_control_characters(self) -> None:
        """S-4.1.1-1: each of the 33 is refused, and named."""
        refused = []
        for code in range(0x80):
            try:
                checked_instance(f"a{chr(code)}b")
            except InvalidService as error:
                self.assertIn(f"control character 0x{code:02X}", str(error))
                refused.append(code)
        self.assertEqual(refused, [*range(0x20), 0x7F])

    def test_any_other_characters(self) -> None:
        """S-4.1.1-2: dots, backslashes, spaces, accents and other scripts make one label, and come back."""
        name = instance_name(r"A.b \ c, dé 日本", HTTP)
        self.assertEqual(name.full_name.labels[0], r"A.b \ c, dé 日本".encode())
        self.assertEqual(len(name.full_name.labels), 4)
        self.assertEqual(InstanceName.from_name(name.full_name).name, r"A.b \ c, dé 日本")

    def test_precomposed(self) -> None:
        """S-4.1.1-6, S-4.1.3-2, M-16-1: decomposed accents become NFC, dots stay inside the one label."""
        self.assertEqual(checked_instance("Cafe\u0301 2.0"), b"Caf\xc3\xa9 2.0")

    def test_octets_are_counted(self) -> None:
        """S-4.1.1-7: 63 octets of UTF-8, which is 21 Kanji and not 22."""
        self.assertEqual(len(checked_instance("x" * 63)), 63)
        self.assertEqual(len(checked_instance("日" * 21)), 63)
        error = self.assertRaises(InvalidService, checked_instance, "x" * 64)
        self.assertIn("64 octets", str(error))
        error = self.assertRaises(InvalidService, checked_instance, "日" * 22)
        self.assertIn("66 octets", str(error))

    def test_octets_are_counted_after_composing(self) -> None:
        """S-4.1.1-7: 31 accented letters take 93 octets decomposed, and fit."""
        self.assertEqual(len(checked_instance("e\u0301" * 31)), 62)

    def test_empty(self) -> None:
        error = self.assertRaises(InvalidService, checked_instance, "")
        self.assertIn("instance name ''", str(error))

    def test_no_byte_order_mark_is_added(self) -> None:
        """M-16-2."""
        self.assertEqual(checked_instance("Web"), b"Web")

    def test_byte_order_mark_is_part_of_the_name(self) -> None:
        """M-16-3: U+FEFF is not stripped."""
        received = Name.from_labels([b"\xef\xbb\xbfWeb", *HTTP.labels, b"local"])
        name = InstanceName.from_name(received)
        self.assertEqual(name.name, "\ufeffWeb")
        self.assertNotEqual(name, instance_name("Web", HTTP))
        self.assertEqual(InstanceName.parse(str(name)).full_name.labels[0], b"\xef\xbb\xbfWeb")


class JoinTests(SynchronousTestCase):
    """Three portions in one string (RFC 6763 §4.3)."""

    def test_escapes(self) -> None:
        """S-4.3-2: a dot in the instance becomes "\\.", a backslash "\\\\"."""
        self.assertEqual(str(instance_name(r"a.b\c", HTTP)), r"a\.b\\c._http._tcp.local.")

    def test_spaces_stay(self) -> None:
        """S-13.1-1: no "\\032" where people read."""
        name = instance_name("A web page", HTTP)
        self.assertEqual(str(name), "A web page._http._tcp.local.")
        self.assertEqual(name.display, "A web page")

    def test_split(self) -> None:
        name = InstanceName.parse(r"a\.b\\c._http._tcp.local")
        self.assertEqual((name.name, name.type, name.domain), (r"a.b\c", HTTP, LOCAL))

    def test_rich_domain(self) -> None:
        """S-4.1.3-1: a domain may have labels of text."""
        name = InstanceName.parse("Web._http._tcp.Building 2, 1st Floor.example.com.")
        self.assertEqual((name.name, name.type), ("Web", HTTP))
        self.assertEqual(name.domain.labels, (b"Building 2, 1st Floor", b"example", b"com"))

    def test_type_and_domain_are_read_not_assumed(self) -> None:
        """S-4.2-1: what a received name holds is what counts."""
        received = Name.from_labels(["X", "_IPP", "_TCP", "example", "com"])
        name = InstanceName.from_name(received)
        self.assertEqual(name.type, ServiceType("ipp", "tcp"))
        self.assertEqual(name.domain, Name.parse("example.com"))

    def test_no_instance_name(self) -> None:
        self.assertRaises(InvalidService, InstanceName.parse, "_http._tcp.local.")
        self.assertRaises(InvalidService, InstanceName.parse, "Web.http.tcp.local.")
        self.assertRaises(InvalidService, InstanceName.parse, "Web..local.")
        self.assertRaises(InvalidService, InstanceName.parse, "Web._http._tcp.")

    @given(INSTANCES, st.lists(INSTANCES, min_size=1, max_size=2))
    @settings(deadline=None)
    def test_join_then_split(self, instance: str, domain: list[str]) -> None:
        """S-4.3-1: label boundaries survive being one string."""
        name = instance_name(instance, HTTP, Name.from_labels(domain))
        again = InstanceName.parse(str(name))
        self.assertEqual(again.full_name.wire, name.full_name.wire)
        self.assertEqual(again.name, unicodedata.normalize("NFC", instance))

    @given(st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=2))
    @settings(deadline=None)
    def test_received_octets(self, labels: list[bytes]) -> None:
        """S-4.3-1: whatever octets a stranger's labels have, the string leads back to them."""
        name = InstanceName(Name.from_labels([labels[0], *HTTP.labels, *labels[1:], b"local"]))
        self.assertEqual(InstanceName.parse(str(name)).full_name.wire, name.full_name.wire)

    def test_length_budget(self) -> None:
        """S-7.2-1: longest instance, type and service domain leave room for a long parent domain."""
        longest = ServiceType.parse("_abcdefghijklmno._tcp")
        domain = Name.from_labels(["b" * 63, "p" * 63, "q" * 40])
        self.assertEqual(len(instance_name("i" * 63, longest, domain).full_name.wire), 256)

    def test_too_long(self) -> None:
        """S-7.2-2: one octet more than 255 is refused at once."""
        longest = ServiceType.parse("_abcdefghijklmno._tcp")
        domain = Name.from_labels(["b" * 63, "p" * 63, "q" * 41])
        error = self.assertRaises(InvalidService, instance_name, "i" * 63, longest, domain)
        self.assertIn("instance name", error.part)


class DisplayTests(SynchronousTestCase):
    """A stranger's name may not write to somebody's terminal."""

    def test_control_characters(self) -> None:
        """S-4.1.1-1: those received are shown escaped."""
        name = InstanceName(Name.from_labels([b"a\x1b[2Jb\n", *HTTP.labels, b"local"]))
        self.assertEqual(name.display, "a\\u001b[2Jb\\u000a")

    def test_no_utf8(self) -> None:
        name = InstanceName(Name.from_labels([b"caf\xe9", *HTTP.labels, b"local"]))
        self.assertEqual(name.name, "caf\\xe9")
