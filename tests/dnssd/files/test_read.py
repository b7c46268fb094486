"""Tests for mcast.dnssd.files.read."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.files.read import SIZE_LIMIT, parse_services, read_services
from mcast.errors import ServicesFileError

XML = "<service-group><name>x</name><service><type>_a._tcp</type><port>1</port></service></service-group>"
TOML = '[[service]]\nname = "y"\ntype = "_b._tcp"\nport = 2\n'


class FormatTests(SynchronousTestCase):
    """Contents tell the format, not the name of the file."""

    def name(self, data: bytes) -> str | None:
        return parse_services(data, "file", "h").services[0].name

    def test_toml(self) -> None:
        self.assertEqual(self.name(TOML.encode()), "y")

    def test_xml(self) -> None:
        self.assertEqual(self.name(XML.encode()), "x")

    def test_xml_after_blank_lines_and_marks(self) -> None:
        self.assertEqual(self.name(b"\xef\xbb\xbf" + XML.encode()), "x")
        self.assertEqual(self.name(b"\n  " + XML.encode()), "x")
        self.assertEqual(self.name(XML.encode("utf-16")), "x")


class FileTests(SynchronousTestCase):
    def test_read(self) -> None:
        path = Path(self.mktemp())
        path.write_text(TOML.replace('"y"', '"on %h"'), encoding="utf-8")
        self.assertEqual(read_services(path, "kitchen").services[0].name, "on kitchen")

    def test_fault_names_the_file(self) -> None:
        path = Path(self.mktemp())
        path.write_text("a = 1\n", encoding="utf-8")
        error = self.assertRaises(ServicesFileError, read_services, str(path), "kitchen")
        self.assertIn(f"{path}:1: unknown key 'a'", str(error))

    def test_missing(self) -> None:
        self.assertRaises(FileNotFoundError, read_services, self.mktemp(), "kitchen")

    def test_large(self) -> None:
        path = Path(self.mktemp())
        path.write_bytes(b"#" * (SIZE_LIMIT + 1))
        error = self.assertRaises(ServicesFileError, read_services, path, "kitchen")
        self.assertIn("larger than", str(error))
