"""Tests for mcast.dnssd.service."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.names import LOCAL, Name
from mcast.dnssd.service import Service, default_name
from mcast.dnssd.text import Text
from mcast.dnssd.types import ServiceType
from mcast.errors import InvalidService

HTTP = ServiceType("http", "tcp")


class DescribeTests(SynchronousTestCase):
    """What a program may say of a service."""

    def test_least(self) -> None:
        """S-5-3: with nothing said, priority and weight are 0."""
        service = Service("My Web", "_http._tcp", 8080)
        self.assertEqual((service.name, service.type, service.port), ("My Web", HTTP, 8080))
        self.assertEqual((service.priority, service.weight), (0, 0))
        self.assertEqual((service.host, service.domain, service.subtypes), (None, LOCAL, ()))
        self.assertEqual(service.texts, (Text(),))

    def test_nothing_is_added(self) -> None:
        """S-6.3-3: the TXT record holds what was given, and neither host nor port."""
        service = Service("My Web", "_http._tcp", 8080, host="kitchen", txt={"path": "/"})
        self.assertEqual(service.txt.strings, (b"path=/",))

    def test_name_is_precomposed(self) -> None:
        """S-4.1.1-6."""
        self.assertEqual(Service("Cafe\u0301", "_http._tcp", 80).name, "Café")

    def test_name_is_never_split(self) -> None:
        """S-4.1.1-2: a name that looks like a full one is a name."""
        service = Service("a._http._tcp.local.", "_http._tcp", 80)
        self.assertEqual(service.full_name.labels[0], b"a._http._tcp.local.")

    def test_host_without_domain(self) -> None:
        self.assertEqual(Service("x", "_http._tcp", 80, host="kitchen").host, Name.parse("kitchen.local"))

    def test_host_with_domain(self) -> None:
        self.assertEqual(
            Service("x", "_http._tcp", 80, host="www.example.com").host, Name.parse("www.example.com")
        )
        self.assertEqual(Service("x", "_http._tcp", 80, host="single.").host, Name.parse("single."))
        self.assertEqual(Service("x", "_http._tcp", 80, host=LOCAL).host, LOCAL)

    def test_subtypes_by_case(self) -> None:
        """S-7.1-4: subtypes that differ in case only are one."""
        service = Service("x", "_http._tcp", 80, subtypes=["_Printer", b"\xff", "_printer"])
        self.assertEqual(service.subtypes, (b"_Printer", b"\xff"))

    def test_several_texts(self) -> None:
        service = Service("x", "_printer._tcp", 515, txt={"rp": "ps"}, more_txt=[{"rp": "raw"}])
        self.assertEqual(service.texts, (Text((b"rp=ps",)), Text((b"rp=raw",))))

    def test_changed_copy(self) -> None:
        """S-4.1.1-3: the name can be another one later; so can everything else, checked again."""
        service = Service("x", "_http._tcp", 80, txt={"a": "1"}, subtypes=["_s"], host="h")
        other = replace(service, name="y")
        self.assertEqual(other.name, "y")
        self.assertEqual(replace(other, name="x"), service)
        self.assertRaises(InvalidService, replace, service, port=70000)

    def test_frozen(self) -> None:
        service = Service("x", "_http._tcp", 80)
        self.assertRaises(AttributeError, setattr, service, "port", 81)

    def test_8900_octets_of_text(self) -> None:
        """S-6.1-1: as much as a multicast packet holds can be registered, and no more."""
        strings = [b"k=" + b"v" * 253] * 34 + [b"k=" + b"v" * 193]
        self.assertEqual(Service("x", "_http._tcp", 80, txt=Text(strings)).txt.size, 8900)
        error = self.assertRaises(
            InvalidService, Service, "x", "_http._tcp", 80, txt=Text([*strings[:-1], b"k=" + b"v" * 194])
        )
        self.assertIn("8901 octets", str(error))

    def test_notes(self) -> None:
        """S-6.2-2: the warning about a large TXT record is there to be logged, and the service too."""
        service = Service("x", "_http._tcp", 80, txt=Text([b"k=" + b"v" * 253] * 6))
        self.assertTrue(service.notes()[-1].warning)


class RefusalTests(SynchronousTestCase):
    """An error names the part that is wrong."""

    def refused(self, **changes: object) -> InvalidService:
        arguments: dict[str, object] = {"name": "x", "type": "_http._tcp", "port": 80, **changes}
        error = self.assertRaises(InvalidService, Service, **arguments)
        assert isinstance(error, InvalidService)
        return error

    def test_port(self) -> None:
        self.assertEqual(self.refused(port=65536).part, "port 65536")
        self.assertEqual(self.refused(port=-1).part, "port -1")
        self.assertEqual(self.refused(port="80").part, "port '80'")
        self.assertEqual(self.refused(port=True).part, "port True")

    def test_priority_and_weight(self) -> None:
        self.assertEqual(self.refused(priority=65536).part, "priority 65536")
        self.assertEqual(self.refused(weight=-1).part, "weight -1")

    def test_type(self) -> None:
        self.assertIn("_http._sctp", self.refused(type="_http._sctp").part)

    def test_subtype(self) -> None:
        self.assertIn("subtype ''", self.refused(subtypes=[""]).part)
        self.assertIn("they are a list", self.refused(subtypes="_printer").reason)

    def test_text(self) -> None:
        self.assertEqual(self.refused(txt={"": "x"}).part, "TXT key ''")
        self.assertEqual(self.refused(more_txt=[{"=": "x"}]).part, "TXT key '='")

    def test_name(self) -> None:
        self.assertIn("instance name ''", self.refused(name="").part)
        self.assertIn("control character 0x0A", self.refused(name="a\nb").reason)

    def test_host(self) -> None:
        self.assertIn("host", self.refused(host="a..b").part)

    def test_root_as_host(self) -> None:
        """S-8-4: the root label is no target, of a placeholder neither."""
        self.assertEqual(self.refused(host=".", flagship="_printer._tcp").part, "host")

    def test_domain(self) -> None:
        self.assertEqual(self.refused(domain=".").part, "domain")
        self.assertIn("domain", self.refused(domain="a..b").part)

    def test_whole_name(self) -> None:
        """S-7.2-2: a combination of 256 octets and the root label is refused before anything is sent."""
        domain = Name.from_labels(["b" * 63, "p" * 63, "q" * 41])
        self.assertIn(
            "instance name", self.refused(name="i" * 63, type="_abcdefghijklmno._tcp", domain=domain).part
        )

    def test_subtype_name(self) -> None:
        """S-7.2-2: subtypes count as well, with five octets more."""
        domain = Name.from_labels(["b" * 63, "p" * 63, "q" * 40])
        error = self.refused(subtypes=["s" * 63], type="_abcdefghijklmno._tcp", domain=domain)
        self.assertIn("subtype", error.part)

    def test_flagship_of_itself(self) -> None:
        self.assertEqual(self.refused(flagship="_HTTP._tcp").part, "flagship")


class DefaultNameTests(SynchronousTestCase):
    """A service without a name is named after its host."""

    def test_named(self) -> None:
        """S-4.1.1-4: nobody has to choose a name."""
        self.assertEqual(Service(None, "_http._tcp", 80).named("kitchen").name, "kitchen")

    def test_name_stays(self) -> None:
        service = Service("mine", "_http._tcp", 80)
        self.assertIs(service.named("kitchen"), service)

    def test_no_name_yet(self) -> None:
        error = self.assertRaises(InvalidService, getattr, Service(None, "_http._tcp", 80), "full_name")
        self.assertIn("instance name", str(error))

    def test_mac_address(self) -> None:
        """S-4.1.1-5: no MAC address, in whatever spelling."""
        self.assertEqual(default_name(HTTP, "pi-dc:a6:32:01:02:ef"), "pi")
        self.assertEqual(default_name(HTTP, "pi-dc-a6-32-01-02-ef"), "pi")
        self.assertEqual(default_name(HTTP, "pi-DCA6320102EF"), "pi")
        self.assertEqual(default_name(HTTP, "printerDCA6320102EF"), "printer")
        self.assertEqual(default_name(HTTP, "esp_dca632"), "esp")

    def test_serial_number(self) -> None:
        """S-4.1.1-5: no machine id or serial number either; the type serves where nothing is left."""
        self.assertEqual(default_name(HTTP, "0123456789abcdef0123456789abcdef"), "http")
        self.assertEqual(default_name(HTTP, "550e8400-e29b-41d4-a716-446655440000"), "http")

    def test_words_stay(self) -> None:
        self.assertEqual(default_name(HTTP, "facade-2024.example.com"), "facade-2024")
        self.assertEqual(default_name(HTTP, "decade"), "decade")
