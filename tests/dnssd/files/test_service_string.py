"""Tests for mcast.dnssd.files.service_string."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dnssd.files.service_string import parse_service_string
from mcast.dnssd.service import Service
from mcast.errors import InvalidService


class ParseTests(SynchronousTestCase):
    def test_all_fields(self) -> None:
        """S-4.1.1-3: whoever sets up a service names it."""
        self.assertEqual(
            parse_service_string("My Web:_http._tcp,_printer:8080:path=/:ver=1"),
            Service("My Web", "_http._tcp", 8080, subtypes=["_printer"], txt={"path": "/", "ver": "1"}),
        )

    def test_no_name(self) -> None:
        self.assertEqual(parse_service_string(":_http._tcp:80"), Service(None, "_http._tcp", 80))

    def test_quoted_separators(self) -> None:
        self.assertEqual(
            parse_service_string(r"a\:b\\:_http._tcp,x\,y\:z:80:url=http\://h\:1/"),
            Service("a:b\\", "_http._tcp", 80, subtypes=["x,y:z"], txt={"url": "http://h:1/"}),
        )

    def test_values(self) -> None:
        """A bare key has no value, one with "=" has one, and further "=" belong to it."""
        service = parse_service_string("x:_http._tcp:80:a:b=:c=d=e")
        self.assertEqual(service.txt.strings, (b"a", b"b=", b"c=d=e"))

    def test_quote_character_for_ordinary_character(self) -> None:
        self.assertEqual(parse_service_string(r"\a:_http._tcp:80").name, "a")


class RefusalTests(SynchronousTestCase):
    """One line that names the field."""

    def refused(self, text: str) -> str:
        return str(self.assertRaises(InvalidService, parse_service_string, text))

    def test_too_few_fields(self) -> None:
        self.assertIn("NAME:TYPE:PORT", self.refused("My Web:_http._tcp"))

    def test_port(self) -> None:
        self.assertIn("port 'http'", self.refused("x:_http._tcp:http"))
        self.assertIn("port 65536", self.refused("x:_http._tcp:65536"))
        self.assertIn("port '-1'", self.refused("x:_http._tcp:-1"))
        self.assertIn("port '٨٠'", self.refused("x:_http._tcp:٨٠"))
        self.assertIn("port '0000080'", self.refused("x:_http._tcp:0000080"))

    def test_type(self) -> None:
        self.assertIn("service type 'http'", self.refused("x:http:80"))

    def test_empty_attribute(self) -> None:
        self.assertIn("TXT: a field is empty", self.refused("x:_http._tcp:80:"))

    def test_key(self) -> None:
        self.assertIn("TXT key ''", self.refused("x:_http._tcp:80:=v"))

    def test_trailing_backslash(self) -> None:
        self.assertIn("a backslash at the end", self.refused("x:_http._tcp:80:a=b\\"))

    def test_empty_subtype(self) -> None:
        self.assertIn("subtype ''", self.refused("x:_http._tcp,:80"))
