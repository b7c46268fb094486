"""Tests for mcast.dnssd.sought."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import Name
from mcast.dnssd.instances import InstanceName
from mcast.dnssd.sought import sought_host, sought_hosts, sought_name, sought_services, sought_types
from mcast.dnssd.types import ServiceType
from mcast.errors import InvalidService

HTTP = ServiceType("http", "tcp")
WEB = Name.from_labels(["Web", *HTTP.labels, "local"])
CAFE = "Cafe\u0301"
"""Decomposed, as no name should be published."""


class TypesTests(SynchronousTestCase):
    """A type with each of its subtypes (RFC 6763 §7.1)."""

    def test_subtypes(self) -> None:
        self.assertEqual(
            sought_types("_http._tcp,_a,_b", HTTP, b"_x._udp,\xff"),
            ((HTTP, b"_a"), (HTTP, b"_b"), (HTTP, None), (ServiceType("x", "udp"), b"\xff")),
        )

    def test_spellings(self) -> None:
        self.assertEqual(
            sought_types("_a._sub._http._tcp.local", "_http._tcp."), ((HTTP, b"_a"), (HTTP, None))
        )

    def test_lenient(self) -> None:
        """What is on real networks can be browsed, though it could not be published."""
        self.assertEqual(sought_types("_a_b._tcp"), ((ServiceType("a_b", "tcp"), None),))

    def test_octets_that_are_no_type(self) -> None:
        self.assertRaises(InvalidService, sought_types, b"_h\xff._tcp")

    def test_no_type(self) -> None:
        self.assertRaises(TypeError, sought_types)
        self.assertRaises(TypeError, sought_types, ("_http._tcp",))


class NameTests(SynchronousTestCase):
    def test_forms(self) -> None:
        for form in (WEB, WEB.wire, InstanceName(WEB), "Web._http._tcp.local"):
            with self.subTest(form=form):
                self.assertEqual(sought_name(form), WEB)

    def test_no_form(self) -> None:
        error = self.assertRaises(TypeError, sought_name, ("a", "local"))
        self.assertIn("('a', 'local')", str(error))

    def test_host(self) -> None:
        """M-21-1: "local." is appended to a single label and to nothing else."""
        self.assertEqual(str(sought_host("printer")), "printer.local.")
        self.assertEqual(str(sought_host("printer.example")), "printer.example.")

    def test_spellings_of_a_host(self) -> None:
        hosts = [name.labels[0] for name in sought_hosts(CAFE)]
        self.assertEqual(hosts, [CAFE.encode(), "Caf\u00e9".encode()])
        self.assertEqual([name.wire for name in sought_hosts("caf\udce9.local")], [b"\x04caf\xe9\x05local\0"])
        self.assertEqual(sought_hosts(b"\x04caf\xe9\x05local\0")[0].labels[0], b"caf\xe9")


class ServiceTests(SynchronousTestCase):
    """Under which names a service is looked for (RFC 6763 §4.1)."""

    def test_instance_and_type(self) -> None:
        self.assertEqual(sought_services("Web", "_http._tcp"), (WEB,))
        self.assertEqual(sought_services(b"Web", HTTP), (WEB,))

    def test_whole_name_without_a_domain(self) -> None:
        self.assertEqual(sought_services("Web._http._tcp"), (WEB,))
        self.assertEqual(sought_services("Web._http._tcp."), (WEB,))

    def test_domain(self) -> None:
        (name,) = sought_services("Web", HTTP, "example.com")
        self.assertEqual(str(name), "Web._http._tcp.example.com.")

    def test_dots_as_they_are_shown(self) -> None:
        """S-4.3-2: they are escaped in a zone file, but in no list of services."""
        expected = (InstanceName.from_label(b"Dr. Who v1.2", HTTP).full_name,)
        for text in (
            "Dr. Who v1.2._http._tcp",
            "Dr. Who v1.2._http._tcp.local",
            "Dr. Who v1.2._HTTP._tcp.LOCAL.",
            "Dr\\. Who v1\\.2._http._tcp.local",
            "Dr\\. Who v1.2._http._tcp",
        ):
            with self.subTest(text=text):
                self.assertEqual(sought_services(text), expected)

    def test_backslash_as_it_is_shown(self) -> None:
        for text, label in ((r"back\slash", rb"back\slash"), (r"C:\new", rb"C:\new"), (r"a\u12", rb"a\u12")):
            with self.subTest(text=text):
                found = sought_services(f"{text}._http._tcp.local")
                self.assertIn(InstanceName.from_label(label, HTTP).full_name, found)
        (name,) = sought_services(r"back\\slash._http._tcp.local")
        self.assertEqual(name.labels[0], rb"back\slash")

    def test_dots_elsewhere(self) -> None:
        """A subtype is no service; another domain may have any labels; octets mean what they are."""
        for text in (
            "_printer._sub._http._tcp.local",
            "a.b._http._tcp.example.com",
            "www.example.com",
            "a.b.c.d.local",
        ):
            with self.subTest(text=text):
                self.assertRaises(InvalidService, sought_services, text)
        apart = Name.from_labels(["a", "b", "_http", "_tcp", "local"])
        self.assertRaises(InvalidService, sought_services, apart)
        self.assertRaises(InvalidService, sought_services, ".".join(["x" * 40, "x" * 40, "_http._tcp"]))

    def test_octets_as_they_came(self) -> None:
        """M-16-1: a name is what its octets are, whether they are text in NFC or no text at all."""
        for label in (CAFE.encode(), b"caf\xe9", b"a\x00"):
            whole = Name.from_labels([label, *HTTP.labels, "local"])
            for form in (whole, whole.wire, InstanceName(whole), str(whole)):
                with self.subTest(form=form):
                    self.assertEqual([name.wire for name in sought_services(form)], [whole.wire])
            self.assertEqual([name.wire for name in sought_services(label, HTTP)], [whole.wire])

    def test_text_as_typed_and_composed(self) -> None:
        """M-16-1: as another host may have published it, and as it should have."""
        expected = [CAFE.encode(), "Caf\u00e9".encode()]
        self.assertEqual([name.labels[0] for name in sought_services(CAFE, HTTP)], expected)
        self.assertEqual([name.labels[0] for name in sought_services(f"{CAFE}._http._tcp.local.")], expected)

    def test_octets_from_a_command_line(self) -> None:
        """Latin-1 in a terminal of UTF-8; Python takes it as PEP 383 says."""
        (name,) = sought_services("caf\udce9", HTTP)
        self.assertEqual(name.labels[0], b"caf\xe9")
        self.assertEqual(sought_services("caf\udce9._http._tcp.local"), (name,))

    def test_octets_as_they_are_shown(self) -> None:
        """What a list shows can be typed; and so can a name that looks like it."""
        for label in (b"caf\xe9", b"\xff\xfe", b"a\x1b[2J", "a\u202e".encode()):
            with self.subTest(label=label):
                shown = InstanceName.from_label(label, HTTP).display
                found = [name.labels[0] for name in sought_services(shown, HTTP)]
                self.assertEqual(found, [shown.encode(), label])
                self.assertIn(label, [one.labels[0] for one in sought_services(f"{shown}._http._tcp.local")])

    def test_shown_surrogate(self) -> None:
        """It is no character of any name."""
        labels = [name.labels[0] for name in sought_services("a\\ud800", HTTP)]
        self.assertEqual(labels, [b"a\\ud800"])

    def test_too_long_as_typed(self) -> None:
        """S-4.1.1-7: 31 accented letters fit only when they are composed."""
        (name,) = sought_services("e\u0301" * 31, HTTP)
        self.assertEqual(len(name.labels[0]), 62)

    def test_whole_name_with_its_type(self) -> None:
        self.assertEqual(sought_services(WEB, "_HTTP._tcp"), (WEB,))

    def test_contradictions(self) -> None:
        error = self.assertRaises(InvalidService, sought_services, WEB, "_ipp._tcp")
        self.assertIn("its type is not _ipp._tcp", str(error))
        error = self.assertRaises(InvalidService, sought_services, WEB, None, "example.com")
        self.assertIn("its domain is not example.com.", str(error))

    def test_no_whole_name(self) -> None:
        error = self.assertRaises(InvalidService, sought_services, "Web")
        self.assertIn("'Web", str(error))
        self.assertRaises(InvalidService, sought_services, b"Web")
        self.assertRaises(InvalidService, sought_services, Name.from_labels(["Web", "local"]))

    def test_no_instance_name(self) -> None:
        self.assertRaises(InvalidService, sought_services, "", HTTP)
        self.assertRaises(InvalidService, sought_services, "x" * 64, HTTP)
        self.assertRaises(TypeError, sought_services, None, HTTP)
