"""Tests for mcast.dnssd.types."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.types import (
    ServiceType,
    encoded,
    parse_types,
    subtype_label,
    type_enumeration_name,
)
from mcast.errors import InvalidService


def refused(case: SynchronousTestCase, text: str) -> str:
    """Return the error that a type is refused with."""
    return str(case.assertRaises(InvalidService, ServiceType.parse, text))


class ParseTests(SynchronousTestCase):
    """A type is a pair of labels (RFC 6763 §4.1.2)."""

    def test_pair(self) -> None:
        """S-4.1.2-1: an underscore and the Service Name, then "_tcp" or "_udp"."""
        self.assertEqual(ServiceType.parse("_http._tcp"), ServiceType("http", "tcp"))
        self.assertEqual(ServiceType.parse("_tftp._udp"), ServiceType("tftp", "udp"))

    def test_missing_underscore(self) -> None:
        """S-4.1.2-1: the label without underscore is named."""
        self.assertIn("'http' does not start with an underscore", refused(self, "http._tcp"))

    def test_other_protocol(self) -> None:
        """S-4.1.2-1: there is no "_sctp"."""
        self.assertIn('"_udp" for every transport but TCP', refused(self, "_http._sctp"))

    def test_one_label(self) -> None:
        """S-4.1.2-1: the protocol is not left out."""
        self.assertIn("it has two parts", refused(self, "_http"))

    def test_spellings(self) -> None:
        """As people and other tools write a type."""
        for text in ("_http._tcp.", "_http._tcp.local", "_http._tcp.LOCAL."):
            with self.subTest(text=text):
                self.assertEqual(ServiceType.parse(text), ServiceType("http", "tcp"))

    def test_subtype_before_the_type(self) -> None:
        """RFC 6763 §7.1: the name whose PTR records list the services."""
        for text in ("_printer._sub._http._tcp", "_printer._sub._http._tcp.local."):
            with self.subTest(text=text):
                self.assertEqual(parse_types(text), (ServiceType("http", "tcp"), (b"_printer",)))
        self.assertEqual(parse_types(r"a\.b._sub._http._tcp,_c")[1], (b"a.b", "_c"))

    def test_refused_with_what_to_write(self) -> None:
        self.assertIn(
            'write "_http._tcp"; a domain is given separately', refused(self, "_http._tcp.example.com")
        )
        self.assertIn('like "_http._tcp"', refused(self, "_web._http._tcp"))
        self.assertIn('write "_http._tcp" for the type alone', refused(self, "_printer._sub._http._tcp"))
        self.assertIn('like "_ssh._tcp"', refused(self, "ssh"))
        self.assertIn('write "_ssh._udp"', refused(self, "ssh.udp"))
        self.assertIn("browse_types()", refused(self, "_services._dns-sd._udp.local"))
        self.assertIn('write "_services._dns-sd._udp"', refused(self, "_services._dns-sd._udp.example.com"))
        self.assertIn("one label", refused(self, "_a._b._sub._http._tcp"))

    def test_text_form(self) -> None:
        self.assertEqual(str(ServiceType.parse("_HTTP._tcp")), "_HTTP._tcp")

    def test_lenient(self) -> None:
        """What is on real networks can be browsed, though it could not be published."""
        self.assertEqual(ServiceType.parse("_a_b._tcp", strict=False).service, "a_b")

    def test_types_with_subtypes(self) -> None:
        self.assertEqual(
            parse_types("_http._tcp,_printer,scan"), (ServiceType("http", "tcp"), ("_printer", "scan"))
        )


class ServiceNameTests(SynchronousTestCase):
    """The rules for Service Names (RFC 6335 §5.1, RFC 6763 §7)."""

    def test_lengths(self) -> None:
        """S-7-2, G-6335-5.1-1: 1 to 15 characters."""
        ServiceType.parse("_x._tcp")
        ServiceType.parse("_abcdefghijklmno._tcp")
        self.assertIn("16 characters; at most 15", refused(self, "_abcdefghijklmnop._tcp"))
        self.assertIn("1 to 62", refused(self, "_._tcp"))

    def test_letter_needed(self) -> None:
        """S-7-2, G-6335-5.1-1: "80" and "6000-6063" would look like ports."""
        self.assertIn("it has no letter", refused(self, "_80._tcp"))
        self.assertIn("it has no letter", refused(self, "_6000-6063._tcp"))

    def test_hyphens(self) -> None:
        """S-7-2, G-6335-5.1-1: a hyphen stands alone, and at neither end."""
        self.assertIn("a hyphen begins or ends it", refused(self, "_-a._tcp"))
        self.assertIn("a hyphen begins or ends it", refused(self, "_a-._tcp"))
        self.assertIn("two hyphens in a row", refused(self, "_a--b._tcp"))

    def test_alphabet(self) -> None:
        """S-7-2, G-6335-5.1-1: ASCII letters, digits and hyphens, and nothing else."""
        self.assertIn("'_' is none of letters", refused(self, "_a_b._tcp"))
        self.assertIn("' ' is none of letters", refused(self, "_a b._tcp"))
        self.assertIn("printable ASCII", refused(self, "_ä._tcp"))
        self.assertIn("it has two parts", refused(self, "_a.b._tcp"))

    def test_accepted(self) -> None:
        """S-7-2, G-6335-5.1-1."""
        self.assertEqual(ServiceType.parse("_x11-1._tcp").service, "x11-1")
        self.assertEqual(ServiceType.parse("_a-b-c._udp").service, "a-b-c")

    def test_case_is_ignored(self) -> None:
        """S-7-3, G-6335-5.1-1: "HTTP" and "http" are the same service; the spelling is kept for display."""
        upper = ServiceType.parse("_HTTP._TCP")
        self.assertEqual(upper, ServiceType.parse("_http._tcp"))
        self.assertEqual(hash(upper), hash(ServiceType.parse("_http._tcp")))
        self.assertEqual(upper.service, "HTTP")

    def test_different_types_differ(self) -> None:
        self.assertNotEqual(ServiceType("http", "tcp"), ServiceType("http", "udp"))
        self.assertNotEqual(ServiceType("http", "tcp"), "_http._tcp")


class TransportTests(SynchronousTestCase):
    def test_tcp_only_for_tcp(self) -> None:
        """S-7-1: "_udp" stands for every transport that is not TCP."""
        self.assertEqual(str(ServiceType.for_transport("http", "TCP")), "_http._tcp")
        self.assertEqual(str(ServiceType.for_transport("http", "udp")), "_http._udp")
        self.assertEqual(str(ServiceType.for_transport("http", "sctp")), "_http._udp")
        self.assertEqual(str(ServiceType.for_transport("http", "dccp")), "_http._udp")


class LabelTests(SynchronousTestCase):
    """Types as they are received."""

    def test_round_trip(self) -> None:
        self.assertEqual(
            ServiceType.from_labels(*ServiceType("ipp", "tcp").labels), ServiceType("ipp", "tcp")
        )

    def test_no_type(self) -> None:
        self.assertRaises(InvalidService, ServiceType.from_labels, b"http", b"_tcp")
        self.assertRaises(InvalidService, ServiceType.from_labels, b"_http", b"_sctp")
        self.assertRaises(InvalidService, ServiceType.from_labels, b"_\xff", b"_tcp")


class NameTests(SynchronousTestCase):
    """The names that browsing asks for."""

    def test_type(self) -> None:
        self.assertEqual(ServiceType("http", "tcp").in_domain().wire, b"\x05_http\x04_tcp\x05local\x00")

    def test_subtype_is_left_as_given(self) -> None:
        """S-7.1-3: an underscore is neither needed nor added."""
        self.assertEqual(
            ServiceType("http", "tcp").subtype_in_domain("printer").wire,
            b"\x07printer\x04_sub\x05_http\x04_tcp\x05local\x00",
        )

    def test_subtype_of_octets(self) -> None:
        """S-7.1-4: any octets; ASCII case makes no difference."""
        http = ServiceType("http", "tcp")
        self.assertEqual(http.subtype_in_domain(b"\xffA"), http.subtype_in_domain(b"\xffa"))
        self.assertEqual(http.subtype_in_domain(b"\xffA").labels[0], b"\xffA")

    def test_type_enumeration(self) -> None:
        self.assertEqual(type_enumeration_name(LOCAL).wire, b"\x09_services\x07_dns-sd\x04_udp\x05local\x00")

    def test_subtype_limits(self) -> None:
        self.assertEqual(subtype_label("x" * 63), b"x" * 63)
        error = self.assertRaises(InvalidService, subtype_label, "x" * 64)
        self.assertIn("64 octets", str(error))
        self.assertRaises(InvalidService, subtype_label, "")

    def test_length_budget(self) -> None:
        """S-7.2-1: with all parts at their limits, 100 octets remain for the parent domain, and no more."""
        longest = ServiceType.parse("_abcdefghijklmno._tcp")
        building = "b" * 63
        parent = ["p" * 32, "q" * 32, "r" * 33]  # with their length octets, 100
        domain = Name.from_labels([building, *parent])
        self.assertEqual(len(longest.subtype_in_domain("s" * 63, domain).wire), 256)
        too_long = Name.from_labels([building, *parent[:2], "r" * 34])
        error = self.assertRaises(InvalidService, longest.subtype_in_domain, "s" * 63, too_long)
        self.assertIn("subtype", error.part)

    def test_no_unicode(self) -> None:
        error = self.assertRaises(InvalidService, encoded, "subtype", "\ud800")
        self.assertIn("not Unicode", str(error))
